"""Follow the trend of one asset, with a stop loss.

Buys when the fast moving average of the closing price rises above the slow one, and sells when it falls below.
While a position is open, a trailing stop loss follows the price upwards, so that a crash between two decisions does
not have to wait for the averages.  Runs on any single market; without other data on Google shares, 2004-2013.

    tradeexecutor backtest examples/trend_following.py
"""

import pandas as pd

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.visualisation import PlotKind
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

trading_strategy_engine_version = "0.5"

name = "Trend following"
short_description = "Moving average cross on one asset, with a trailing stop loss"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 10_000

    #: Candles in the averages.
    fast = 20
    slow = 60
    #: Share of the cash that a position is opened with.
    allocation = 0.95
    #: Sell when the price has fallen this far from its highest point: 0.85 is 15 %.
    trailing_stop_loss = 0.85


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the market; called only when no market data is given on the command line."""
    return input.load_market_data("goog-daily")


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
    """Buy on the upward cross, sell on the downward one."""
    parameters = input.parameters
    pair = input.get_default_pair()
    fast = input.indicators.get_indicator_value("fast")
    slow = input.indicators.get_indicator_value("slow")
    if fast is None or slow is None:
        return []  # Not enough candles yet.

    trades: list[TradeExecution] = []
    manager = input.get_position_manager()
    position = manager.get_current_position_for_pair(pair)
    # Waiting for a cross, rather than for fast > slow, keeps the strategy out after a stop loss.
    fast_before = input.indicators.get_indicator_value("fast", index=-2)
    slow_before = input.indicators.get_indicator_value("slow", index=-2)
    crossed_up = fast_before is not None and slow_before is not None and fast_before <= slow_before and fast > slow

    if position is None and crossed_up and not manager.is_problematic_pair(pair):
        trades += manager.open_spot(
            pair,
            value=manager.get_current_cash() * parameters.allocation,
            trailing_stop_loss_pct=parameters.trailing_stop_loss,
            notes=f"fast {fast:.2f} crossed above slow {slow:.2f}",
        )
    elif position is not None and fast < slow:
        trades += manager.close_position(position, notes=f"fast {fast:.2f} fell below slow {slow:.2f}")

    if input.is_visualisation_enabled():
        plot = input.state.visualisation.plot_indicator
        plot(input.timestamp, "Fast average", PlotKind.technical_indicator_on_price, fast, colour="darkblue")
        plot(input.timestamp, "Slow average", PlotKind.technical_indicator_on_price, slow, colour="orange")
    return trades
