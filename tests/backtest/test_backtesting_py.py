"""Random strategies on random candles, run by this project and by backtesting.py: same fills, same equity.

Where the rules of the two differ the strategies keep out of the way; each of these differences is named in
docs/fills.md, "Compared with backtesting.py".
"""

import contextlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.kit.markets import HOUR, START
from tests.kit.soak import SOAK
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.strategy.market_data import Candles, to_us
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

pytestmark = pytest.mark.filterwarnings("ignore")

CASES = 500 * SOAK
BARS = 40
CASH = 1_000_000

#: Bar and price of a fill with its units, bought positive.
Fills = dict[tuple[int, float], float]


@dataclass(frozen=True)
class Market:
    """Candles, with gaps between them or without, and what the strategy is told at random."""

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    has_gaps: bool
    fee: float
    dice: NDArray[np.float64]


def make_market(seed: int) -> Market:
    random = np.random.default_rng(seed)
    has_gaps = bool(random.random() < 0.4)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.02, BARS)))
    open = np.r_[100.0, close[:-1]]
    if has_gaps:
        open = open * np.exp(random.uniform(-0.03, 0.03, BARS))
    spread = np.abs(random.normal(0, 0.02, (2, BARS)))
    high, low = np.maximum(open, close) * (1 + spread[0]), np.minimum(open, close) * (1 - spread[1])
    fee = float(random.choice([0.0, 0.001, 0.01]))
    return Market(open, high, low, close, has_gaps, fee, random.random((BARS, 6)))


@dataclass(frozen=True)
class Action:
    """What is done after the close of a bar; units are whole."""

    kind: str
    units: int = 0
    price: float = 0.0
    stop: float | None = None
    target: float | None = None
    second_target: float | None = None
    second_units: int = 0


def decide(market: Market, bar: int, units: int, waits: bool) -> list[Action]:
    """The strategy: what to do with `units` held, or an entry that `waits`, after the close of a bar."""
    what, first, second, third, share, _ = market.dice[bar].tolist()
    close = float(market.close[bar])
    # Gaps reach at most 3 %: levels lie beyond, and never on both sides of the price.
    near = 0.04 if market.has_gaps else 0.005
    stop, target = close * (1 - near - 0.05 * first), close * (1 + near + 0.05 * second)
    amount = 2 + int(40 * share)
    if waits:
        return [Action("cancel")] if what < 0.15 else []
    if units:
        if what < 0.15:
            return [Action("close")]
        if what < 0.25 and units > 1:
            return [Action("reduce", units=1 + int((units - 1) * share))]
        if what < 0.35 and not market.has_gaps:
            return [Action("move_stop", price=stop)]
        if what < 0.45:
            return [Action("close"), Action("buy", units=amount, stop=stop)]
        return []
    if what < 0.25:
        if market.has_gaps:
            return [Action("buy", amount, stop=stop if third < 0.5 else None, target=target if third >= 0.5 else None)]
        return [Action("buy", amount, stop=stop, target=target)]
    if market.has_gaps or what > 0.9:
        return []
    if what < 0.45:
        far = target * (1 + 0.03 * third)
        return [Action("buy", amount, stop=stop, target=target, second_target=far, second_units=1 + int(20 * third))]
    if what < 0.65:
        return [Action("limit", amount, price=stop)]
    return [Action("stop", amount, price=target, target=target * 1.03 if third < 0.7 else None)]


# --- This project ----------------------------------------------------------------------------------


def make_universe(market: Market) -> TradingStrategyUniverse:
    starts = np.array([to_us(START + bar * HOUR) for bar in range(BARS)], dtype=np.int64)
    candles = Candles(starts, market.open, market.high, market.low, market.close, bucket=HOUR)
    # With 18 decimals the rounding to whole units of the tokens is far below the tolerance of the comparison.
    usd = AssetIdentifier(1, "0x" + "11" * 20, "DAI", 18, internal_id=1)
    token = AssetIdentifier(1, "0x" + "22" * 20, "TKN", 18, internal_id=2)
    pool, exchange = "0x" + "33" * 20, "0x" + "44" * 20
    pair = TradingPairIdentifier(token, usd, pool, exchange, internal_id=1, fee=market.fee, exchange_name="test")
    return TradingStrategyUniverse({pair: candles}, usd)


@dataclass
class Ours:
    market: Market
    equity: dict[int, float] = field(default_factory=dict)

    def decide_trades(self, input: StrategyInput) -> list[Any]:
        bar = input.cycle - 2
        if bar < 1:
            return []
        portfolio = input.state.portfolio
        manager = input.get_position_manager()
        position = next(iter(portfolio.open_positions.values()), None)
        held = position.get_quantity() if position else Decimal(0)
        cash = portfolio.get_reserve_position(input.strategy_universe.reserve_asset).quantity
        # Here a decision comes after the open at which a level was jumped over, there before it.
        for trade in portfolio.get_all_trades():
            if trade.executed_at == input.timestamp and trade.planned_mid_price == self.market.open[bar + 1]:
                held -= trade.executed_quantity or 0
                cash -= trade.executed_reserve or 0
        close = input.indicators.get_price()
        assert close is not None
        self.equity[bar] = float(cash) + float(held) * close
        trades: list[Any] = []
        for action in decide(self.market, bar, round(held), bool(portfolio.pending_positions)):
            trades += self.act(manager, input.get_default_pair(), position, action)
        return trades

    def act(self, manager: Any, pair: TradingPairIdentifier, position: Any, action: Action) -> list[Any]:
        if action.kind == "cancel":
            (waiting,) = manager.state.portfolio.pending_positions.values()
            return manager.close_position(waiting)
        if action.kind in ("close", "reduce") and position is None:
            return []
        if action.kind == "close":
            return manager.close_position(position)
        if action.kind == "reduce":
            return manager.adjust_position(pair, -1.0, Decimal(-action.units), 0.5)
        if action.kind == "move_stop":
            manager.update_stop_loss(position, action.price)
            return []
        if action.kind == "limit":
            return manager.limit_buy(pair, self.price(action.units, action.price), action.price)
        if action.kind == "stop":
            value = self.price(action.units, action.price)
            return manager.stop_buy(pair, value, action.price, take_profit_usd=action.target)
        opened = manager.pricing_model.get_mid_price(manager.timestamp, pair)
        value = self.price(action.units + action.second_units, opened)
        if action.second_target is None:
            return manager.open_spot(pair, value, stop_loss_usd=action.stop, take_profit_usd=action.target)
        trades = manager.open_spot(pair, value, stop_loss_usd=action.stop)
        (position,) = manager.state.portfolio.open_positions.values()
        levels = [(action.target, Decimal(-action.units), False)]
        levels.append((action.second_target, Decimal(-action.second_units), True))
        return trades + manager.prepare_take_profit_trades(position, levels)

    def price(self, units: int, price: float) -> Decimal:
        return Decimal(units) * Decimal(price) * (1 + Decimal(self.market.fee))


def run_ours(market: Market) -> tuple[Fills, dict[int, float]]:
    strategy = Ours(market)
    result = run_backtest_inline(
        decide_trades=strategy.decide_trades,
        universe=make_universe(market),
        initial_deposit=CASH,
        progress=False,
    )
    portfolio = result.state.portfolio
    fills: defaultdict[tuple[int, float], float] = defaultdict(float)
    held = 0.0
    for trade in portfolio.get_all_trades():
        if trade.executed_at is None:
            continue
        price, units = trade.planned_mid_price or 0.0, float(trade.executed_quantity or 0)
        bar = round((trade.executed_at - START) / HOUR)
        if trade.is_triggered() or trade.activated_trigger is not None:
            # What was hit inside a candle is booked at its end, what opened beyond its level at the open.
            bar -= bar == BARS or price != market.open[bar]
        fills[bar, round(price, 9)] += units
        held += units
    strategy.equity[BARS - 1] = portfolio.get_cash() + held * float(market.close[-1])
    return {key: units for key, units in fills.items() if abs(units) > 1e-9}, strategy.equity


# --- backtesting.py --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_theirs() -> Iterator[Callable[[Market], tuple[Fills, dict[int, float]]]]:
    backtesting = pytest.importorskip("backtesting")
    engine = backtesting.backtesting
    original = engine.compute_stats
    # The figures of a run take 20 times as long as the run, and nothing here looks at them.
    engine.compute_stats = lambda trades, equity, **_: pd.Series({"trades": list(trades), "equity": equity})
    yield lambda market: _run_theirs(backtesting, market)
    engine.compute_stats = original


def _run_theirs(backtesting: Any, market: Market) -> tuple[Fills, dict[int, float]]:
    class Theirs(backtesting.Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            bar = len(self.data) - 1
            waits = any(not order.is_contingent for order in self.orders)
            for action in decide(market, bar, sum(trade.size for trade in self.trades), waits):
                self.act(action)
            left_open[:] = self.trades

        def act(self, action: Action) -> None:
            if action.kind == "cancel":
                for order in self.orders:
                    order.cancel()
            elif action.kind == "close":
                for trade in self.trades:
                    trade.close()
            elif action.kind == "reduce":
                self.reduce(action.units)
            elif action.kind == "move_stop":
                for trade in self.trades:
                    trade.sl = action.price
            elif action.kind == "limit":
                self.buy(size=action.units, limit=action.price)
            elif action.kind == "stop":
                self.buy(size=action.units, stop=action.price, tp=action.target)
            else:
                self.buy(size=action.units, sl=action.stop, tp=action.target)
                if action.second_target is not None:
                    self.buy(size=action.second_units, sl=action.stop, tp=action.second_target)

        def reduce(self, units: int) -> None:
            # The last trade has the farthest target; the sale of a part comes out of the orders that wait for one.
            for trade in reversed(self.trades):
                sold = min(units, trade.size)
                if sold:
                    trade.close(sold / trade.size)
                units -= sold

    left_open: list[Any] = []
    index = pd.date_range(START, periods=BARS, freq="h")
    columns = {"Open": market.open, "High": market.high, "Low": market.low, "Close": market.close}
    data = pd.DataFrame({**columns, "Volume": 1.0}, index=index)
    test = backtesting.Backtest(data, Theirs, cash=CASH, commission=market.fee, finalize_trades=False)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        outcome = test.run()
    fills: defaultdict[tuple[int, float], float] = defaultdict(float)
    for trade in outcome["trades"]:
        fills[trade.exit_bar, round(float(trade.exit_price), 9)] -= trade.size
    for trade in [*outcome["trades"], *left_open]:
        fills[trade.entry_bar, round(float(trade.entry_price), 9)] += trade.size
    equity = {bar: float(value) for bar, value in enumerate(outcome["equity"]) if bar >= 1}
    return {key: units for key, units in fills.items() if units}, equity


# --- The comparison --------------------------------------------------------------------------------


@pytest.mark.slow
def test_random_strategies_trade_and_earn_the_same(
    run_theirs: Callable[[Market], tuple[Fills, dict[int, float]]],
):
    traded = 0
    for seed in range(CASES):
        market = make_market(seed)
        ours, our_equity = run_ours(market)
        theirs, their_equity = run_theirs(market)
        assert ours == pytest.approx(theirs, rel=1e-9), f"fills of case {seed}"
        assert our_equity == pytest.approx(their_equity, rel=1e-9), f"equity of case {seed}"
        traded += len(ours)
    assert traded > 5 * CASES, "most cases trade several times"
