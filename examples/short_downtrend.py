"""Sell short while a market falls, with a stop loss.

Opens a leveraged short when the fast moving average falls below the slow one, and closes it when it rises above.  A
trailing stop loss follows the price down, well before the lending pool would liquidate the short.  Runs on any single
market; without other data on euros in dollars, in 2017, when the euro rose, so that it loses a little.

    tradeexecutor backtest examples/short_downtrend.py
"""

import pandas as pd

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.visualisation import PlotKind
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

trading_strategy_engine_version = "0.5"

name = "Short downtrend"
short_description = "Leveraged shorts while the averages fall, with a trailing stop loss"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_4h
    initial_cash = 10_000

    #: Candles in the averages.
    fast = 48
    slow = 240
    #: Share of the cash that a short is opened with, and how many times of it is sold.
    allocation = 0.5
    leverage = 2.0
    #: Close when the price has risen this far from its lowest point: 0.98 is 2 %.
    trailing_stop_loss = 0.98
    #: What the pool pays for collateral and takes for the borrowed token, per year, and when it liquidates.
    lending = LendingPool(supply_rate=0.02, borrow_rate=0.04, liquidation_threshold=0.85, liquidation_penalty=0.05)


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the market; called only when no market data is given on the command line."""
    return input.load_market_data("eur-usd-hourly", fee=0.0001)


def moving_average(close: pd.Series, length: int) -> pd.Series:
    """Mean of the last `length` closing prices."""
    return close.rolling(length).mean()


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the averages; they are calculated once, and read candle by candle."""
    indicators = IndicatorSet()
    indicators.add("fast", moving_average, {"length": parameters.fast}, IndicatorSource.close_price)
    indicators.add("slow", moving_average, {"length": parameters.slow}, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Be short while the fast average is below the slow one."""
    parameters = input.parameters
    pair = input.get_default_pair()
    fast = input.indicators.get_indicator_value("fast")
    slow = input.indicators.get_indicator_value("slow")
    if fast is None or slow is None:
        return []  # too few candles so far
    manager = input.get_position_manager()

    trades: list[TradeExecution] = []
    if not manager.is_any_short_position_open():
        # Only a fresh cross, so that a stopped short is not opened again in the same fall.
        fast_before = input.indicators.get_indicator_value("fast", index=-6)
        slow_before = input.indicators.get_indicator_value("slow", index=-6)
        crossed = fast_before is not None and slow_before is not None and fast_before >= slow_before
        if fast < slow and crossed and manager.check_enter_position(pair):
            trades += manager.open_short(
                pair,
                manager.get_current_cash() * parameters.allocation,
                leverage=parameters.leverage,
                trailing_stop_loss_pct=parameters.trailing_stop_loss,
            )
    elif fast > slow:
        trades += manager.close_short(manager.get_current_short_position(), notes="rising")

    if input.is_visualisation_enabled():
        plots = input.state.visualisation
        plots.plot_indicator(input.timestamp, "Fast", PlotKind.technical_indicator_on_price, fast, colour="orange")
        plots.plot_indicator(input.timestamp, "Slow", PlotKind.technical_indicator_on_price, slow, colour="blue")
    return trades
