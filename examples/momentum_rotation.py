"""Hold the strongest assets, and look again once a month.

Assets are ranked by their return over the last half year, without the last month, in which short moves tend to turn
around. The best are held in equal shares; what fell over that time is never held, so that in a bear market the money
stays in cash. Without other data it runs on four US shares, 2004-2013.

    tradeexecutor backtest examples/momentum_rotation.py
"""

import pandas as pd

from tradeexecutor.state.identifier import TradingPairIdentifier
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

name = "Momentum rotation"
short_description = "The strongest assets in equal shares, chosen monthly"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_30d
    initial_cash = 100_000

    #: Candles of the return, and the last ones that do not count.
    window = 126
    skipped = 21
    #: How many assets are held.
    held = 2
    #: Share of the portfolio that is invested; the rest pays for price moves while trading.
    allocation = 0.97


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the markets; called only when no market data is given on the command line."""
    return input.load_market_data("us-stocks-daily")


def strength(close: pd.Series, window: int, skipped: int) -> pd.Series:
    """Return over the window, which ended some candles ago: 0.1 is 10 %."""
    return close.shift(skipped).pct_change(window - skipped)


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicator; it is calculated for every pair."""
    indicators = IndicatorSet()
    settings = {"window": parameters.window, "skipped": parameters.skipped}
    indicators.add("strength", strength, settings, IndicatorSource.close_price)
    return indicators


def choose_strongest(input: StrategyInput) -> dict[TradingPairIdentifier, float]:
    """Return the pairs to hold with their strength, the strongest first; only those that rose."""
    strengths: dict[TradingPairIdentifier, float] = {}
    for pair in input.strategy_universe.iterate_pairs():
        value = input.indicators.get_indicator_value("strength", pair=pair)
        if value is not None and value > 0:
            strengths[pair] = value
    ranked = sorted(strengths, key=lambda pair: strengths[pair], reverse=True)
    return {pair: strengths[pair] for pair in ranked[: input.parameters.held]}


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Sell what is no longer among the strongest, and buy what is new there."""
    parameters = input.parameters
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    best = choose_strongest(input)

    trades: list[TradeExecution] = []
    cash = manager.get_current_cash() - equity * (1 - parameters.allocation)
    for position in list(input.state.portfolio.open_positions.values()):
        if position.pair not in best and not manager.is_problematic_pair(position.pair):
            sells = manager.close_position(position, notes="no longer among the strongest")
            cash += sum(trade.get_planned_value() for trade in sells)  # The sells run first, and pay for the buys.
            trades += sells

    new = [
        pair
        for pair in best
        if manager.get_current_position_for_pair(pair) is None and not manager.is_problematic_pair(pair)
    ]
    for pair in new:
        value = min(cash / len(new), equity * parameters.allocation / parameters.held)
        if not manager.is_too_small(pair, value):
            trades += manager.open_spot(pair, value, notes=f"{best[pair]:+.0%} over {parameters.window} candles")

    if input.is_visualisation_enabled():
        strongest = max(best.values(), default=0.0)
        input.state.visualisation.plot_indicator(
            input.timestamp, "Strongest", PlotKind.technical_indicator_detached, strongest, colour="green"
        )
    return trades
