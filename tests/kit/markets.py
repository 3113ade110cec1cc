"""Small invented markets, and strategies in one line, for tests of the backtest."""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.market_data import Candles, to_us
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

START = datetime.datetime(2024, 1, 1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)

#: Open, high, low, close.
Bar = tuple[float, float, float, float]


def make_candles(
    bars: Sequence[Bar],
    start: datetime.datetime = START,
    bucket: datetime.timedelta = HOUR,
    volume: float | None = 1000.0,
    skip: Sequence[int] = (),
) -> Candles:
    """Candles from (open, high, low, close) tuples; the numbers in `skip` are holes in the market."""
    slots = [slot for slot in range(len(bars) + len(skip)) if slot not in skip]
    starts = np.array([to_us(start + slot * bucket) for slot in slots], dtype=np.int64)
    columns = np.array(bars, dtype=np.float64).T
    volumes = None if volume is None else np.full(len(bars), volume)
    return Candles(starts, *columns, volume=volumes, bucket=bucket, source="BTC-USD")


def flat(price: float) -> Bar:
    """A candle in which the price does not move."""
    return (price, price, price, price)


def random_walk(seed: int, count: int, start_price: float = 100.0) -> list[Bar]:
    """Candles without gaps between close and next open."""
    random = np.random.default_rng(seed)
    close = start_price * np.exp(np.cumsum(random.normal(0, 0.02, count)))
    opens = np.r_[start_price, close[:-1]]
    spread = np.abs(random.normal(0, 0.01, (2, count)))
    high = np.maximum(opens, close) * (1 + spread[0])
    low = np.minimum(opens, close) * (1 - spread[1])
    return list(zip(opens.tolist(), high.tolist(), low.tolist(), close.tolist(), strict=True))


def at_cycle(plans: dict[int, Callable[[StrategyInput], list[TradeExecution]]]) -> Callable[..., list[TradeExecution]]:
    """A strategy that does something in certain cycles (counted from 1) and nothing in the others."""

    def decide_trades(input: StrategyInput) -> list[TradeExecution]:
        plan = plans.get(input.cycle)
        return plan(input) if plan else []

    return decide_trades


def buy(value: float = 1000.0, pair: Any = None, **levels: Any) -> Callable[[StrategyInput], list[TradeExecution]]:
    """Open a position in a pair, or in the only one."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().open_spot(pair or input.get_default_pair(), value, **levels)

    return plan


def sell(input: StrategyInput) -> list[TradeExecution]:
    """Close everything."""
    return input.get_position_manager().close_all()


def run(
    bars: Sequence[Bar] | Candles, plans: dict[int, Any] | Callable[..., Any], fee: float = 0.0, **options: Any
) -> BacktestResult:
    """Run a strategy over one invented market with 10,000 dollars."""
    candles = bars if isinstance(bars, Candles) else make_candles(bars)
    options.setdefault("initial_deposit", 10_000)
    return run_backtest_inline(
        decide_trades=plans if callable(plans) else at_cycle(plans),
        universe=create_universe({"BTC-USD": candles}, fee=fee),
        progress=False,
        **options,
    )


def run_two(btc: Candles, eth: Candles, plans: dict[int, Any] | Callable[..., Any], **options: Any) -> BacktestResult:
    """Run a strategy over two invented markets without fees, with 10,000 dollars."""
    options.setdefault("initial_deposit", 10_000)
    return run_backtest_inline(
        decide_trades=plans if callable(plans) else at_cycle(plans),
        universe=create_universe({"BTC-USD": btc, "ETH-USD": eth}, fee=0),
        progress=False,
        **options,
    )


def get_trades(result: BacktestResult) -> list[TradeExecution]:
    """All trades by id."""
    return sorted(result.state.portfolio.get_all_trades(), key=lambda trade: trade.trade_id)


def make_json() -> str:
    """A run with deposits, stop losses, failures, plots and several positions."""

    def plan(input):
        manager = input.get_position_manager()
        if manager.is_problematic_pair(input.get_default_pair()):
            return []
        input.state.visualisation.add_message(input.timestamp, f"cycle {input.cycle}")
        input.other_data.save(input.cycle, "price", input.indicators.get_price() or 0.0)
        if input.cycle % 5 == 1 and not manager.is_any_open():
            return buy(1_000, stop_loss_pct=0.97, take_profit_pct=1.05)(input)
        return sell(input) if input.cycle % 5 == 0 and manager.is_any_open() else []

    options = {"failures": lambda trade: trade.trade_id == 30, "funding": [(START, 500), (START, 20)]}
    result = run(random_walk(7, 120), plan, fee=0.001, **options)
    assert result.diagnostics_data["trades"] > 20
    return result.state.to_json_safe()
