"""Buy a share that has fallen too fast, and sell it when it is back at its average.

The z-score says how many standard deviations a price is away from its average of the last weeks. A share is bought
when it is far below, but only while its long average still rises, so that a dip is bought and not a fall. It is sold
when the price is back, after a month in any case, or by the stop loss. Without other data it runs on four US shares,
2004-2013, where it loses: the stop loss sells at the lowest prices what would have come back. Compare `--set
stop_loss=0.8`.

    tradeexecutor backtest examples/mean_reversion.py
"""

import datetime

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

name = "Mean reversion"
short_description = "Buys dips of rising shares, sells at the average"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 100_000

    #: Candles of the z-score, and of the average that has to rise.
    window = 20
    trend_window = 200
    #: Buy this many standard deviations below the average, sell at this many.
    entry = -2.0
    exit = 0.0
    #: Sell after this time, whatever the price is.
    longest = datetime.timedelta(days=30)
    #: Sell when the price is 10 % below that of the purchase.
    stop_loss = 0.90
    #: Share of the portfolio in one position.
    allocation = 0.24


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the markets; called only when no market data is given on the command line."""
    return input.load_market_data("us-stocks-daily")


def z_score(close: pd.Series, window: int) -> pd.Series:
    """Distance of the price from its average, in standard deviations."""
    rolling = close.rolling(window)
    return (close - rolling.mean()) / rolling.std()


def slope(close: pd.Series, window: int) -> pd.Series:
    """Change of the average over the last 20 candles, a fraction."""
    return close.rolling(window).mean().pct_change(20)


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicators; each is calculated for every pair."""
    indicators = IndicatorSet()
    indicators.add("z_score", z_score, {"window": parameters.window}, IndicatorSource.close_price)
    indicators.add("slope", slope, {"window": parameters.trend_window}, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Sell what has recovered or waited too long, then buy what has fallen."""
    parameters = input.parameters
    manager = input.get_position_manager()
    value = input.state.portfolio.get_net_asset_value() * parameters.allocation
    cash = manager.get_current_cash()

    trades: list[TradeExecution] = []
    lowest = 0.0
    for pair in input.strategy_universe.iterate_pairs():
        score = input.indicators.get_indicator_value("z_score", pair=pair)
        slope = input.indicators.get_indicator_value("slope", pair=pair)
        if score is None or slope is None or manager.is_problematic_pair(pair):
            continue
        lowest = min(lowest, score)
        position = manager.get_current_position_for_pair(pair)
        if position is not None:
            age = input.timestamp - position.opened_at
            if score >= parameters.exit:
                trades += manager.close_position(position, notes="back at its average")
            elif age >= parameters.longest:
                trades += manager.close_position(position, notes=f"not back after {age.days} days")
        elif score < parameters.entry and slope > 0 and cash >= value:
            cash -= value
            trades += manager.open_spot(
                pair, value, stop_loss_pct=parameters.stop_loss, notes=f"{score:.1f} deviations below its average"
            )

    if input.is_visualisation_enabled():
        input.state.visualisation.plot_indicator(
            input.timestamp, "Lowest z-score", PlotKind.technical_indicator_detached, lowest, colour="purple"
        )
    return trades
