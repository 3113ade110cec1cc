"""A strategy decides on a chain what it decides in a backtest, and its books are those of the chain.

The example strategy of the project runs unmodified against a pool that is moved along recorded prices.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import BacktestOptions, load_market_data, run_backtest
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ethereum.valuation import EthereumValuation
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.live_loop import LiveLoop, LiveSettings
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.runner import Models
from tradeexecutor.strategy.strategy_module import StrategyModule, read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

DECISIONS = 100
DAY = datetime.timedelta(days=1)
EPOCH = datetime.datetime(1970, 1, 1)


@pytest.fixture(scope="module")
def past() -> Iterator[DevChain]:
    """A chain whose time is that of the first candle."""
    start = _read_market().get_time_range()[0]
    try:
        chain = DevChain(start_at=start - datetime.timedelta(hours=1))
    except DevChainUnavailable as error:
        pytest.skip(str(error))
    with chain:
        yield chain


def _read_market() -> TradingStrategyUniverse:
    return load_market_data("goog-daily", fee=0.003)


def _read_strategy() -> StrategyModule:
    module = read_strategy_module(REPOSITORY / "examples" / "trend_following.py")
    # A backtest sees the lows within a day, which no pool of this test has: the stop loss is out of reach.
    module.apply_parameters({"fast": 3, "slow": 8, "trailing_stop_loss": 0.3})
    return module


@pytest.mark.slow
def test_the_same_trades_on_the_same_days_at_nearly_the_same_prices(past: DevChain, tmp_path: Path):
    market = _read_market()
    candles = market.get_candles(market.get_single_pair())
    times = [moment.to_pydatetime() for moment in candles.get_index()[:DECISIONS]]
    usdc, goog = past.deploy_token("USDC", 6), past.deploy_token("GOOG", 18)
    exchange = past.deploy_uniswap_v2()
    price = Decimal(str(candles.open[0]))
    pair = past.create_v2_pool(exchange, goog, usdc, Decimal(1_000_000), price=price)
    wallet = past.create_wallet({usdc: Decimal(10_000)})
    connection = past.anvil.connect()
    venue = UniswapV2Venue(connection, exchange.router, exchange.factory)
    pricing = EthereumPricing([venue])
    now = times[0]
    with JSONFileStore(tmp_path / "state.json") as store:
        sync_model = EthereumSync(connection, wallet)
        rules = WaitRules(timeout=10, poll=0.01)
        loop = LiveLoop(
            _read_strategy(),
            store,
            Models(
                pricing=pricing,
                valuation=EthereumValuation(pricing),
                sync=sync_model,
                execution=EthereumExecution(connection, wallet, [venue], store.sync, wait_rules=rules),
            ),
            lambda moment: TradingStrategyUniverse({pair: candles.between(None, moment + DAY)}, usdc),
            LiveSettings(cycle=CycleDuration.cycle_1d, max_data_delay=7 * DAY),
            mode=ExecutionMode.unit_testing_trading,
            clock=lambda: now,
        )
        state = store.create("live")
        sync_model.sync_initial(state, reserve_assets=[usdc])
        store.sync(state)
        state = loop.start()
        for now, opening in zip(times, candles.open, strict=False):
            past.anvil.rpc("evm_setNextBlockTimestamp", int((now - EPOCH).total_seconds()) + 1)
            past.set_v2_price(exchange, pair, Decimal(str(opening)))
            loop.decide()
    options = BacktestOptions(start_at=times[0], end_at=times[-1] + DAY, initial_deposit=10_000, progress=False)
    backtest = run_backtest(_read_strategy(), market, options).state
    live_trades, simulated = (
        sorted(s.portfolio.get_all_trades(), key=lambda trade: trade.trade_id) for s in (state, backtest)
    )
    assert len(live_trades) > 5
    assert [trade.opened_at.date() for trade in live_trades] == [trade.opened_at.date() for trade in simulated]
    assert all(trade.is_success() for trade in live_trades)
    for ours, theirs in zip(live_trades, simulated, strict=True):
        assert ours.executed_price == pytest.approx(theirs.executed_price, rel=0.002)
    held = sum((p.get_quantity() for p in state.portfolio.get_open_positions()), Decimal(0))
    assert state.portfolio.get_reserve_position(usdc).quantity == past.get_balance(usdc, wallet.address)
    assert held == past.get_balance(goog, wallet.address)
    assert prove(state).is_balanced
    equity = [s.portfolio.calculate_total_equity() for s in (state, backtest)]
    assert equity[0] == pytest.approx(equity[1], rel=0.01)
