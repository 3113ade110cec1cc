"""Six backtests whose states are compared with recorded ones, byte for byte.

Prices are integers times a power of ten, made by integer arithmetic, so that they are the same on every machine.
"""

import datetime
import random
from collections.abc import Callable
from typing import Any

import pandas as pd

from tests.kit.markets import DAY, HOUR, START, Bar, buy, make_candles, sell
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

Decide = Callable[[StrategyInput], list[TradeExecution]]


def _walk(seed: int, count: int) -> list[Bar]:
    """Candles that start near 100 and change by up to 2 % each."""
    dice, price = random.Random(seed), 100_000
    bars: list[Bar] = []
    for _ in range(count):
        close = price * (1000 + dice.randint(-20, 20)) // 1000
        high = max(price, close) * (1000 + dice.randint(0, 8)) // 1000
        low = min(price, close) * (1000 - dice.randint(0, 8)) // 1000
        bars.append((price / 1000, high / 1000, low / 1000, close / 1000))
        price = close
    return bars


def _run(decide: Decide, count: int, names: str = "BTC", bucket: datetime.timedelta = HOUR, **options: Any) -> State:
    candles = {
        f"{name}-USD": make_candles(_walk(seed, count), bucket=bucket) for seed, name in enumerate(names.split(), 1)
    }
    options.setdefault("initial_deposit", 10_000)
    universe = create_universe(candles, fee=0.001)
    return run_backtest_inline(decide_trades=decide, universe=universe, progress=False, **options).state


def _follow_trend(input: StrategyInput) -> list[TradeExecution]:
    """Long with take profit and stop loss or trailing stop while the price is above that of 24 bars ago."""
    now, before = input.indicators.get_price(), input.indicators.get_price(index=-24)
    manager = input.get_position_manager()
    if now is None or before is None:
        return []
    input.state.visualisation.add_message(input.timestamp, f"price {now}")
    if manager.is_any_open():
        return sell(input) if now < before * 0.98 else []
    if now <= before or manager.is_problematic_pair(input.get_default_pair()):
        return []
    stop = {"stop_loss_pct": 0.96} if input.cycle % 2 else {"trailing_stop_loss_pct": 0.95}
    return buy(2_000, take_profit_pct=1.08, **stop)(input)


def _make_averages(parameters: Any, indicators: IndicatorSet, *_: Any) -> None:
    for name, length in (("fast", 5), ("slow", 20)):
        indicators.add(name, _average, {"length": length}, IndicatorSource.close_price)


def _average(close: "pd.Series[float]", length: int) -> "pd.Series[float]":
    return close.rolling(length).mean()


def _cross(input: StrategyInput) -> list[TradeExecution]:
    """Long while the fast average is above the slow one."""
    fast, slow = (input.indicators.get_indicator_value(name) for name in ("fast", "slow"))
    if fast is None or slow is None:
        return []
    is_open = bool(input.state.portfolio.open_positions)
    if is_open == (fast > slow):
        return []
    return sell(input) if is_open else buy(input.get_position_manager().get_current_cash() * 0.95)(input)


def _rebalance(input: StrategyInput) -> list[TradeExecution]:
    """Equal weights of all pairs, sells first."""
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    pairs = list(input.strategy_universe.iterate_pairs())
    weight = 0.96 / len(pairs)
    changes: list[tuple[float, Any]] = []
    for pair in pairs:
        position = manager.get_current_position_for_pair(pair)
        changes.append((equity * weight - (position.get_value() if position is not None else 0.0), pair))
    trades: list[TradeExecution] = []
    for change, pair in sorted(changes, key=lambda item: item[0]):
        if not manager.is_too_small(pair, change):
            trades += manager.adjust_position(pair, change, None, weight)
    return trades


def _trade_daily(input: StrategyInput) -> list[TradeExecution]:
    """Buy every third day, sell the day after; a failed sell freezes the position, and its pair is left alone."""
    manager = input.get_position_manager()
    trades: list[TradeExecution] = []
    for number, pair in enumerate(input.strategy_universe.iterate_pairs()):
        phase = (input.cycle + number) % 3
        position = None if manager.is_problematic_pair(pair) else manager.get_current_position_for_pair(pair)
        if position is not None and phase == 1:
            trades += manager.close_position(position)
        elif position is None and phase == 0 and not manager.is_problematic_pair(pair):
            trades += manager.open_spot(pair, value=manager.get_current_cash() * 0.2)
    return trades


def _short(input: StrategyInput) -> list[TradeExecution]:
    """Short after a rise, lend the cash otherwise."""
    manager = input.get_position_manager()
    phase = input.cycle % 20
    if phase == 3:
        return manager.open_short(
            input.get_default_pair(), 3_000.0, leverage=2.0, stop_loss_pct=0.93, take_profit_pct=1.06
        )
    if phase == 10:
        return manager.close_all()
    if phase == 12 and not manager.is_any_open():
        return manager.open_credit_supply_position_for_reserves(4_000.0)
    return manager.close_all() if phase == 17 else []


class _Several:
    """Opens, changes and closes positions in several pairs at random."""

    def __init__(self) -> None:
        self.dice = random.Random(5)

    def decide(self, input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        trades: list[TradeExecution] = []
        for pair in input.strategy_universe.iterate_pairs():
            position = manager.get_current_position_for_pair(pair)
            chance = self.dice.randint(0, 99)
            if position is None and chance < 8:
                trades += manager.open_spot(pair, value=1_000.0 + chance)
            elif position is not None and chance < 4:
                trades += manager.close_position(position)
            elif position is not None and chance < 10:
                trades += manager.adjust_position(pair, 150.0 if chance < 7 else -150.0, None, 0.5)
        return trades


def _make_trend() -> State:
    return _run(_follow_trend, 400)


def _make_cross() -> State:
    return _run(_cross, 500, create_indicators=_make_averages)


def _make_monthly() -> State:
    return _run(_rebalance, 200, "A B C D E F", DAY, cycle_duration=CycleDuration.cycle_30d)


def _make_daily() -> State:
    funding = [
        (START + 3.5 * DAY, 500),
        (START + 6 * DAY, -300),
        (START + 11.25 * DAY, -9_000),
        (START + 15 * DAY, 4_000),
    ]
    return _run(
        _trade_daily,
        24 * 40,
        "BTC ETH SOL",
        cycle_duration=CycleDuration.cycle_1d,
        failures=lambda trade: trade.trade_id in (12, 35),
        funding=funding,
    )


def _make_shorts() -> State:
    pool = LendingPool(supply_rate=0.03, borrow_rate=0.07)
    return _run(_short, 200, bucket=DAY, parameters={"lending": pool})


def _make_several() -> State:
    return _run(_Several().decide, 300, "BTC ETH SOL")


#: Name -> function that runs the backtest.
BACKTESTS: dict[str, Callable[[], State]] = {
    "trend": _make_trend,
    "cross": _make_cross,
    "monthly rebalancing": _make_monthly,
    "daily with failures and funding": _make_daily,
    "shorts": _make_shorts,
    "several pairs": _make_several,
}
