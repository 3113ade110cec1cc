"""One strategy file on the same prices in a backtest, on paper, and with real money on a local chain."""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.kit.markets import Bar, make_candles
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.feeds.interface import CandleFeed
from tradeexecutor.backtest.feeds.market import GrowingMarket
from tradeexecutor.backtest.feeds.series import cut
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.ethereum.abi import AAVE_RESERVE
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import read_chain_file
from tradeexecutor.ethereum.devchain.aave import AaveReserve, deploy_aave, provide_liquidity
from tradeexecutor.ethereum.devchain.chain import DevChain, UniswapV2
from tradeexecutor.ethereum.live import connect, make_live_models
from tradeexecutor.operations.live_loop import LiveLoop, LiveSettings
from tradeexecutor.operations.paper import PaperLoop, PaperSettings, create_paper_state
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.strategy_module import StrategyModule, read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

DAY, HOUR, MINUTE = (datetime.timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes"))
_EPOCH = datetime.datetime(1970, 1, 1)
_RAY = 10**27

#: Fee of the pools, and what the strategies begin with, USDC.
FEE = 0.003
CASH = 10_000

#: Base tokens in a pool: so many that no trade of a test moves the price by a millionth.
_DEPTH = Decimal(100_000_000)

#: Places of the rates in what the lending pool says about a currency.
_SUPPLY_RATE, _BORROW_RATE = 2, 4


@dataclass
class Scenario:
    """A strategy and its market.

    Attributes
    ----------
    file, parameters
        The strategy, and what is changed of its parameters.
    bars
        Prices by symbol, one candle for each day, each without a wick and without a gap before it.
    start
        First decision, naive UTC; candles before it are for the indicators.
    has_lending
        Whether there is a lending pool.
    lending
        What the pool pays and takes; measured on the chain.
    """

    file: Path
    parameters: Mapping[str, Any]
    bars: Mapping[str, Sequence[Bar]]
    start: datetime.datetime
    has_lending: bool = False
    lending: LendingPool = field(default_factory=LendingPool)

    @property
    def candles(self) -> dict[str, Candles]:
        return {f"{name}-USDC": make_candles(bars, bucket=DAY) for name, bars in self.bars.items()}

    @property
    def decisions(self) -> list[datetime.datetime]:
        """Times of the decisions, each at the open of a candle."""
        times = next(iter(self.candles.values())).get_index()
        return [when for when in (time.to_pydatetime() for time in times) if when >= self.start]

    def read_strategy(self) -> StrategyModule:
        module = read_strategy_module(self.file)
        module.apply_parameters(self._get_parameters())
        return module

    def _get_parameters(self) -> dict[str, Any]:
        chosen = {"cycle_duration": CycleDuration.cycle_1d, **self.parameters}
        return chosen | ({"lending": self.lending} if self.has_lending else {})

    def run_backtest(self) -> State:
        return run_backtest_for_module(
            self.file,
            universe=create_universe(self.candles, fee=FEE),
            start_at=self.start,
            parameters=self._get_parameters(),
            initial_deposit=CASH,
            leaves_open=True,
            progress=False,
        ).state

    def run_paper(self, path: Path) -> State:
        module, cycle = self.read_strategy(), CycleDuration.cycle_1d
        with JSONFileStore(path) as store:
            create_paper_state(store, "paper", Decimal(CASH), self.start, cycle)
            for now in self.decisions:
                market = GrowingMarket(_Growing(self.candles), fee=FEE)
                loop = PaperLoop(module, store, market, PaperSettings(cycle), clock=lambda now=now: now)
                loop.catch_up(loop.start(), now)
        return State.read_json_file(path)


class _Growing(CandleFeed):
    """Candles that arrive with the time."""

    def __init__(self, candles: dict[str, Candles]):
        self.candles = candles

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        found = {name: cut(candles, now) for name, candles in self.candles.items()}
        return {name: candles for name, candles in found.items() if candles is not None}


def _describe(token: AssetIdentifier) -> dict[str, Any]:
    return {"symbol": token.token_symbol, "address": token.address, "decimals": token.decimals}


class LiveMarket:
    """Pools whose prices are those of a scenario, and a wallet."""

    def __init__(self, chain: DevChain, scenario: Scenario, folder: Path):
        self.chain, self.scenario, self.folder = chain, scenario, folder
        self.now = scenario.start - HOUR
        self.usdc = chain.deploy_token("USDC", 6)
        self.exchange: UniswapV2 = chain.deploy_uniswap_v2()
        self.pairs: dict[str, TradingPairIdentifier] = {}
        for number, (name, bars) in enumerate(scenario.bars.items(), 1):
            token, price = chain.deploy_token(name, 18), Decimal(str(bars[0][0]))
            self.pairs[name] = chain.create_v2_pool(
                self.exchange, token, self.usdc, _DEPTH, price=price, internal_id=number
            )
        self.wallet = chain.create_wallet({self.usdc: Decimal(CASH)})
        self.debts: dict[str, AssetIdentifier] = {}
        self._write_settings(self._deploy_lending() if scenario.has_lending else None)

    def _deploy_lending(self) -> dict[str, Any]:
        tokens = [self.usdc, *(pair.base for pair in self.pairs.values())]
        prices = [1, *(int(bars[0][0]) for bars in self.scenario.bars.values())]
        reserves = [AaveReserve(token, price) for token, price in zip(tokens, prices, strict=True)]
        market = deploy_aave(self.chain, reserves)
        rates: list[tuple[float, float]] = []
        for token in tokens:
            provide_liquidity(self.chain, market, token, 10**9, 0)
        for token in tokens:
            provide_liquidity(self.chain, market, token, 10**6, 5 * 10**8)
            known = self.chain.connection.call(market.pool, AAVE_RESERVE, token.checksum_address)
            rates.append((known[_SUPPLY_RATE] / _RAY, known[_BORROW_RATE] / _RAY))
        collateral = market.a_tokens["USDC"]
        assert collateral.liquidation_threshold is not None
        self.scenario.lending = LendingPool(
            supply_rate=rates[0][0], borrow_rate=rates[-1][1], liquidation_threshold=collateral.liquidation_threshold
        )
        self.debts = {name: market.v_tokens[name] for name in self.pairs}
        return {
            "kind": "aave_v3",
            "pool": market.pool,
            "liquidation_threshold": collateral.liquidation_threshold,
            "collateral": _describe(collateral),
        }

    def _write_settings(self, lending: dict[str, Any] | None) -> None:
        venue = {"kind": "uniswap_v2", "factory": self.exchange.factory, "router": self.exchange.router}
        pairs = [
            {
                **_describe(pair.base),
                "pool": pair.pool_address,
                "factory": self.exchange.factory,
                "fee": FEE,
                "candles": f"{name}.csv",
                **({"debt": _describe(self.debts[name])} if lending else {}),
            }
            for name, pair in self.pairs.items()
        ]
        content = {
            "chain_id": self.usdc.chain_id,
            "confirmations": 1,
            "reserve": _describe(self.usdc),
            "venues": [venue],
            "pairs": pairs,
            **({"lending": lending} if lending else {}),
        }
        (self.folder / "chain.json").write_text(json.dumps(content))

    def write_candles(self, until: datetime.datetime) -> None:
        """Write the candle files as another program has at a time: with the candle in progress."""
        for name, candles in self.scenario.candles.items():
            known = cut(candles, until)
            assert known is not None
            known.to_dataframe().to_csv(self.folder / f"{name.partition('-')[0]}.csv")

    def move(self, moment: datetime.datetime, prices: Mapping[str, float]) -> None:
        """Let time pass up to a moment, and the prices be others."""
        self.now = moment
        self.chain.anvil.rpc("evm_setNextBlockTimestamp", int((moment - _EPOCH).total_seconds()) + 1)
        for name, price in prices.items():
            self.chain.set_v2_price(self.exchange, self.pairs[name], Decimal(repr(price)))

    def load_universe(self, now: datetime.datetime) -> TradingStrategyUniverse:
        self.write_candles(now)
        return read_chain_file(self.folder / "chain.json").load_universe()

    def _walk(self, loop: LiveLoop, state: State, number: int, moment: datetime.datetime) -> None:
        """Move the prices from the open of a candle to its close, with a stop at each level between them.

        The program looks after each step, if a position has levels. That is at the end of the candle, where a backtest
        books what fills within it.
        """
        closes = {name: bars[number][3] for name, bars in self.scenario.bars.items()}
        steps = [
            {name: level * (1.0001 if closes[name] > level else 0.9999)}
            for position in state.portfolio.open_positions.values()
            if (name := position.pair.get_pricing_pair().base.token_symbol) in closes
            for level in (position.stop_loss, position.take_profit)
            if level is not None and min(bars := self.scenario.bars[name][number]) < level < max(bars)
        ]
        for count, prices in enumerate([*steps, closes], 1):
            self.move(moment + DAY - (len(steps) + 2 - count) * MINUTE, prices)
            if any(position.stop_loss or position.take_profit for position in state.portfolio.open_positions.values()):
                loop.check_triggers()

    def run(self) -> State:
        """Make all decisions, each at the open of a candle, and look at the triggers in between."""
        self.write_candles(self.now)
        settings = read_chain_file(self.folder / "chain.json")
        connection = connect(settings, [self.chain.anvil.url])
        with JSONFileStore(self.folder / "live.json") as store:
            models = make_live_models(
                settings, connection, self.wallet, store.sync, wait_rules=WaitRules(timeout=10, poll=0.01)
            )
            loop = LiveLoop(
                self.scenario.read_strategy(),
                store,
                models,
                self.load_universe,
                LiveSettings(cycle=CycleDuration.cycle_1d, max_data_delay=2 * DAY),
                mode=ExecutionMode.unit_testing_trading,
                clock=lambda: self.now,
            )
            state = store.create("live")
            models.sync.sync_initial(state, reserve_assets=[self.usdc])
            store.sync(state)
            state = loop.start()
            opens = {name: [bar[0] for bar in bars] for name, bars in self.scenario.bars.items()}
            skipped = len(next(iter(opens.values()))) - len(self.scenario.decisions)
            for number, moment in enumerate(self.scenario.decisions, skipped):
                self.move(moment, {name: values[number] for name, values in opens.items()})
                loop.decide()
                self._walk(loop, state, number, moment)
        return State.read_json_file(self.folder / "live.json")
