"""Buy with borrowed money while a market rises, and with more of it while the market is quiet.

Opens a leveraged long when the price closes above its average of the last 200 days, and closes it below. The leverage
is chosen so that the position moves about as much as one wants it to: quiet months get more of it, wild ones none. A
long that has far more leverage than that is sold, and opened again with less. A trailing stop loss sells well before
the lending pool would liquidate. Without other data it runs on the shares of Google, 2004-2013.

    tradeexecutor backtest examples/leveraged_uptrend.py
"""

import math

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

name = "Leveraged uptrend"
short_description = "Leveraged longs above the average, the more leverage the quieter the market"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_7d
    initial_cash = 10_000

    #: Candles in the average, and candles over which the volatility is measured.
    trend = 200
    calm = 40
    #: Volatility per year that the position shall have, and limits of its leverage.
    volatility = 0.4
    least_leverage = 1.1
    most_leverage = 2.0
    #: Share of the cash that a long is opened with; the rest is there for the next one.
    allocation = 0.8
    #: Change of the leverage that is worth a trade.
    smallest_change = 0.4
    #: Sell when the price has fallen this far from its highest point: 0.8 is 20 %.
    trailing_stop_loss = 0.8
    #: What the pool pays for collateral and takes for borrowed dollars, per year, and when it liquidates.
    lending = LendingPool(supply_rate=0.005, borrow_rate=0.04, liquidation_threshold=0.8, liquidation_penalty=0.05)


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the market; called only when no market data is given on the command line."""
    return input.load_market_data("goog-daily", fee=0.001)


def moving_average(close: pd.Series, length: int) -> pd.Series:
    """Mean of the last `length` closing prices."""
    return close.rolling(length).mean()


def volatility(close: pd.Series, length: int) -> pd.Series:
    """Standard deviation of the last `length` daily returns, per year of 252 trading days."""
    return close.pct_change().rolling(length).std() * math.sqrt(252)


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicators; they are calculated once, and read candle by candle."""
    indicators = IndicatorSet()
    indicators.add("trend", moving_average, {"length": parameters.trend}, IndicatorSource.close_price)
    indicators.add("volatility", volatility, {"length": parameters.calm}, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Be long above the average, with the leverage that the volatility allows."""
    parameters, pair = input.parameters, input.get_default_pair()
    price = input.indicators.get_price()
    trend = input.indicators.get_indicator_value("trend")
    moves = input.indicators.get_indicator_value("volatility")
    if price is None or trend is None or not moves:
        return []  # too few candles so far
    leverage = min(parameters.volatility / moves, parameters.most_leverage)
    manager = input.get_position_manager()
    position = manager.get_current_position_for_pair(manager.get_leveraged_long_pair(pair))

    trades: list[TradeExecution] = []
    if position is None:
        if price > trend and leverage >= parameters.least_leverage and manager.check_enter_position(pair):
            trades += manager.open_long(
                pair,
                manager.get_current_cash() * parameters.allocation,
                leverage=leverage,
                trailing_stop_loss_pct=parameters.trailing_stop_loss,
            )
    elif price < trend:
        trades += manager.close_long(position, notes="below the average")
    elif position.loan is not None and position.loan.get_leverage() - leverage > parameters.smallest_change:
        # Selling a part would leave the leverage as it is, so all of it is sold; the next decision buys less.
        trades += manager.close_long(position, notes=f"leverage down to {leverage:.2f}")

    if input.is_visualisation_enabled():
        plots = input.state.visualisation
        plots.plot_indicator(input.timestamp, "Trend", PlotKind.technical_indicator_on_price, trend, colour="blue")
        plots.plot_indicator(
            input.timestamp, "Leverage", PlotKind.technical_indicator_detached, leverage, colour="orange"
        )
    return trades
