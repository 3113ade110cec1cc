"""20/60 moving-average cross, long only, deciding on every bar: the strategy of the backtest benchmark.

The same rules run in other back-testers for comparison, so nothing is drawn and nothing is logged.
"""

import pandas as pd

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

trading_strategy_engine_version = "0.5"
name = "20/60 cross"


class Parameters:
    """Length of the averages in bars."""

    cycle_duration = CycleDuration.cycle_1h
    initial_cash = 100_000
    fast = 20
    slow = 60


def average(close: pd.Series, length: int) -> pd.Series:
    """Mean of the last `length` closing prices."""
    return close.rolling(length).mean()


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare both averages."""
    indicators = IndicatorSet()
    indicators.add("fast", average, {"length": parameters.fast}, IndicatorSource.close_price)
    indicators.add("slow", average, {"length": parameters.slow}, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Hold while the fast average is above the slow one, entered on the cross."""
    get = input.indicators.get_indicator_value
    fast, slow = get("fast"), get("slow")
    if fast is None or slow is None:
        return []
    portfolio = input.state.portfolio
    if portfolio.open_positions:
        if fast < slow:
            manager = input.get_position_manager()
            return manager.close_position(manager.get_current_position())
        return []
    if fast > slow:
        fast_before, slow_before = get("fast", index=-2), get("slow", index=-2)
        if fast_before is not None and slow_before is not None and fast_before <= slow_before:
            manager = input.get_position_manager()
            return manager.open_spot(input.get_default_pair(), value=manager.get_current_cash() * 0.95)
    return []
