"""Whatever a strategy orders, on whatever markets: the money is right, and no fill is at a price that was not there."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.markets import HOUR, START, make_candles, random_walk
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import totals
from tradeexecutor.statistics import core
from tradeexecutor.strategy import stop_loss
from tradeexecutor.strategy.market_data import to_us
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager, PositionManagerError
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

pytestmark = pytest.mark.slow

DECIMALS = (0, 3, 18)


def make_universe(seed: int, fee: float) -> TradingStrategyUniverse:
    """Three markets of different candles, prices and tokens; the second has holes."""
    random = np.random.default_rng(seed)
    usd = AssetIdentifier(1, "0x" + "11" * 20, "USDC", 6, internal_id=1)
    skip = sorted(random.choice(np.arange(3, 36), 8, replace=False).tolist())
    markets = [
        make_candles(random_walk(seed, 60, 3.0), bucket=HOUR),
        make_candles(random_walk(seed + 1, 30, 50.0), bucket=HOUR, skip=skip),
        make_candles(random_walk(seed + 2, 15, 900.0), bucket=4 * HOUR),
    ]
    candles = {}
    for number, (market, decimals) in enumerate(zip(markets, DECIMALS, strict=True), start=2):
        token = AssetIdentifier(1, "0x" + f"{number}{number}" * 20, f"T{number}", decimals, internal_id=number)
        pool, exchange = "0x" + f"{number}a" * 20, "0x" + "44" * 20
        candles[
            TradingPairIdentifier(token, usd, pool, exchange, internal_id=number, fee=fee, exchange_name="test")
        ] = market
    return TradingStrategyUniverse(candles, usd)


def act(manager: PositionManager, pair: TradingPairIdentifier, random: np.random.Generator) -> list[Any]:
    """Do something at random; what makes no sense is refused, and the strategy goes on."""
    mid = manager.pricing_model.get_mid_price(manager.timestamp, pair)
    up, down = mid * (1 + 0.04 * random.random()), mid * (1 - 0.04 * random.random())
    value = 50 + 400 * random.random()
    position = manager.get_current_position_for_pair(pair)
    held = position.get_quantity() if position else Decimal(0)
    part = held * Decimal(str(round(random.random(), 3)))
    # Each entry is one or several steps of one decision.
    on_position: list[list[Any]] = [
        [lambda: manager.close_position(position)],  # pyright: ignore[reportArgumentType]
        [lambda: manager.close_position(position), lambda: manager.open_spot(pair, value)],  # pyright: ignore[reportArgumentType]
        [lambda: manager.adjust_position(pair, -1.0, -part, 0.5)],
        [lambda: manager.adjust_position(pair, value, None, 0.5), lambda: manager.close_position(position)],  # pyright: ignore[reportArgumentType]
        [lambda: manager.limit_sell(position, up, part)],  # pyright: ignore[reportArgumentType]
        [lambda: manager.oco_sell(position, limit_price=up, stop_price=down, quantity=part)],  # pyright: ignore[reportArgumentType]
        [lambda: manager.close_after_bars(position, 3)],  # pyright: ignore[reportArgumentType]
        [lambda: manager.update_stop_loss(position, down) or []],  # pyright: ignore[reportArgumentType]
        [lambda: manager.prepare_take_profit_trades(position, [(up, -part, False), (up * 1.01, -part, True)])],  # pyright: ignore[reportArgumentType]
    ]
    entries: list[list[Any]] = [
        [lambda: manager.open_spot(pair, value, stop_loss_pct=0.98, take_profit_pct=1.03)],
        [lambda: manager.open_spot(pair, value, trailing_stop_loss_pct=0.98)],
        [lambda: manager.limit_buy(pair, value, down, stop_loss_usd=down * 0.98, good_till_time=5 * HOUR)],
        [lambda: manager.stop_buy(pair, value, up, take_profit_usd=up * 1.02, stop_loss_usd=down)],
        [lambda: manager.oco_buy(pair, value, limit_price=down, stop_price=up)],
        [lambda: manager.limit_buy(pair, value, down), lambda: manager.limit_buy(pair, value, down * 0.99)],
    ]
    choices = on_position + entries if position is not None and random.random() < 0.8 else entries
    trades: list[Any] = []
    for step in choices[random.integers(len(choices))]:
        try:
            trades += step()
        except (PositionManagerError, InvalidTrade):
            continue
    return trades


class RandomStrategy:
    """Buys and orders at random, on every market, while there is money."""

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def decide_trades(self, input: Any) -> list[Any]:
        manager = input.get_position_manager()
        trades: list[Any] = []
        for pair in input.strategy_universe.iterate_pairs():
            can_buy = manager.get_current_cash() > 2_000 and not manager.is_problematic_pair(pair)
            if can_buy and self.random.random() < 0.4:
                trades += act(manager, pair, self.random)
        return trades


def run_random(seed: int, fee: float, failing: float = 0.0, latency: float = 0.0) -> BacktestResult:
    """Run a random strategy; the latency of its orders is given in hours."""
    return run_backtest_inline(
        decide_trades=RandomStrategy(seed).decide_trades,
        universe=make_universe(seed, fee),
        initial_deposit=10_000,
        failures=(lambda trade: trade.trade_id % round(1 / failing) == 0) if failing else None,
        latency=latency * HOUR,
        progress=False,
    )


def check_prices(result: BacktestResult) -> None:
    """Each fill is at the open of the candle that starts then, or inside the candle that ends then."""
    for trade in result.state.portfolio.get_all_trades():
        if trade.executed_at is None:
            continue
        candles = result.strategy_universe.get_candles(trade.pair)
        now, price = to_us(trade.executed_at), trade.planned_mid_price or 0.0
        opens = candles.open[candles.starts == now]
        ended = candles.ends == now
        inside = (candles.low[ended] <= price) & (price <= candles.high[ended])
        assert (opens == price).any() or inside.any(), f"{trade} at {price}"


def is_whole(amount: Decimal, decimals: int) -> bool:
    return amount == amount.quantize(Decimal(1).scaleb(-decimals))


@pytest.mark.slow
@settings(max_examples=60)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.003]),
    st.sampled_from([0.0, 0.1]),
    st.sampled_from([0.0, 0.05, 0.6, 1.0, 2.5]),
)
def test_the_money_is_right(seed: int, fee: float, failing: float, latency: float):
    result = run_random(seed, fee, failing, latency)
    state = result.state
    state.perform_integrity_check()
    check_prices(result)
    assert State.read_json_blob(state.to_json_safe()) == state
    assert prove(state).is_balanced
    reserve = state.portfolio.get_reserve_position(result.strategy_universe.reserve_asset)
    assert reserve.quantity >= 0
    assert is_whole(reserve.quantity, 6)
    flow = Decimal(10_000)
    for trade in state.portfolio.get_all_trades():
        decimals = trade.pair.base.decimals
        assert is_whole(trade.planned_quantity, decimals)
        assert is_whole(trade.planned_reserve, 6)
        if trade.executed_at is not None:
            assert trade.executed_quantity is not None
            assert trade.executed_reserve is not None
            assert is_whole(trade.executed_quantity, decimals)
            assert is_whole(trade.executed_reserve, 6)
            flow += trade.executed_reserve if trade.is_sell() else -trade.executed_reserve
    assert reserve.quantity == flow, "cash is the deposit and what trades moved, to the last unit"
    for position in state.portfolio.get_open_and_frozen_positions():
        assert position.get_quantity() >= 0
    assert not any(trade.is_planned() for p in state.portfolio.closed_positions.values() for trade in p.trades.values())


def test_the_random_strategies_do_much():
    results = [run_random(seed, 0.001) for seed in range(10)]
    kinds = {trade.trade_type.value for result in results for trade in result.state.portfolio.get_all_trades()}
    assert {"rebalance", "stop_loss", "take_profit", "flexible_trigger"} <= kinds
    assert sum(result.diagnostics_data["delayed_trades"] for result in results) > 20
    assert sum(len(result.state.portfolio.closed_positions) for result in results) > 100


@pytest.mark.parametrize("seed", range(15))
def test_looking_away_from_what_touches_nothing_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch):
    fast = run_random(seed, 0.001).state.to_json_safe()
    monkeypatch.setattr(stop_loss, "_reaches_no_level", lambda position, prices, ts: False)
    assert run_random(seed, 0.001).state.to_json_safe() == fast


@pytest.mark.parametrize("seed", range(6))
def test_samples_from_kept_totals_are_those_of_a_plain_calculation(seed: int, monkeypatch: pytest.MonkeyPatch):
    fast = run_random(seed, 0.001, failing=0.1 if seed % 2 else 0.0).state.to_json_safe()
    monkeypatch.setattr(totals, "READS_BEFORE_COUNTING", 10**9)
    monkeypatch.setattr(totals, "UNCOUNTED_TRADES", 10**9)
    monkeypatch.setattr(
        core,
        "_sum_open_positions",
        lambda portfolio, _: (
            portfolio.get_position_equity_and_loan_nav(),
            portfolio.get_vault_settlement_pending_value(),
        ),
    )
    assert run_random(seed, 0.001, failing=0.1 if seed % 2 else 0.0).state.to_json_safe() == fast


def test_the_end_of_the_data_changes_no_fill_before_it():
    result = run_random(5, 0.001)
    universe = make_universe(5, 0.001)
    until = START + 40 * HOUR
    shorter = TradingStrategyUniverse(
        {pair: universe.get_candles(pair).between(None, until) for pair in universe.iterate_pairs()},
        universe.reserve_asset,
    )

    def get_fills(state: State) -> list[Any]:
        return sorted(
            (trade.trade_id, trade.executed_at, trade.executed_price, trade.executed_quantity)
            for trade in state.portfolio.get_all_trades()
            if trade.executed_at is not None and trade.executed_at < until
        )

    short = run_backtest_inline(
        decide_trades=RandomStrategy(5).decide_trades, universe=shorter, initial_deposit=10_000, progress=False
    )
    assert get_fills(short.state) == get_fills(result.state)
