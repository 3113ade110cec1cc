"""Hold several assets in proportion to how calm they are, and rebalance once a month.

Each asset gets a weight that is inverse to its volatility over the last three months: quiet assets get more, wild ones
less, so that each contributes about the same risk.  Assets that have fallen over the last half year are left out, their
share stays in cash.  Small deviations are not traded, they would only cost fees.  Without other data it runs
on four US shares, 2004-2013.

    tradeexecutor backtest examples/rebalancing.py
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

name = "Risk-balanced portfolio"
short_description = "Inverse volatility weights over several assets, rebalanced monthly"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_30d
    initial_cash = 100_000

    #: Candles for volatility and for momentum.
    volatility_window = 63
    momentum_window = 126
    #: Share of the portfolio that may be invested; the rest pays for fees and price moves while trading.
    allocation = 0.97
    #: Deviations below this share of the portfolio are not traded.
    rebalance_threshold = 0.02


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the markets; called only when no market data is given on the command line."""
    return input.load_market_data("us-stocks-daily")


def volatility(close: pd.Series, window: int) -> pd.Series:
    """Standard deviation of the daily returns."""
    return close.pct_change().rolling(window).std()


def momentum(close: pd.Series, window: int) -> pd.Series:
    """Return over the window."""
    return close.pct_change(window)


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicators; each is calculated for every pair."""
    indicators = IndicatorSet()
    indicators.add("volatility", volatility, {"window": parameters.volatility_window}, IndicatorSource.close_price)
    indicators.add("momentum", momentum, {"window": parameters.momentum_window}, IndicatorSource.close_price)
    return indicators


def calculate_weights(input: StrategyInput) -> dict[TradingPairIdentifier, float]:
    """Return the target share of the portfolio for every pair, 0 for those to leave."""
    calmness: dict[TradingPairIdentifier, float] = {}
    rising: set[TradingPairIdentifier] = set()
    for pair in input.strategy_universe.iterate_pairs():
        change = input.indicators.get_indicator_value("momentum", pair=pair)
        risk = input.indicators.get_indicator_value("volatility", pair=pair)
        if change is not None and risk:
            calmness[pair] = 1 / risk
            if change > 0:
                rising.add(pair)
    total = sum(calmness.values())
    return {pair: value / total if pair in rising else 0.0 for pair, value in calmness.items()}


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Trade the difference between what is held and what should be held."""
    parameters = input.parameters
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    threshold = equity * parameters.rebalance_threshold

    trades: list[TradeExecution] = []
    wanted: dict[TradingPairIdentifier, float] = {}
    cash = manager.get_current_cash()
    weights = calculate_weights(input)
    for pair, weight in weights.items():
        if manager.is_problematic_pair(pair):
            continue
        position = manager.get_current_position_for_pair(pair)
        change = equity * parameters.allocation * weight - (position.get_value() if position else 0.0)
        if position is not None and weight == 0:
            sold = manager.close_position(position, notes="falling")
        elif position is not None and change < -threshold:
            sold = manager.adjust_position(pair, change, None, weight, notes=f"down to {weight:.0%}")
        else:
            sold = []
            if change > threshold:
                wanted[pair] = change
        cash += sum(trade.get_planned_value() for trade in sold)
        trades += sold

    # Sells run first and pay for the buys. Positions that were left alone may hold more than their share, so there can
    # be less cash than the buys want, or next to none.
    scale = min(1.0, cash * 0.99 / sum(wanted.values())) if wanted else 0.0
    for pair, change in wanted.items():
        weight = weights[pair]
        if not manager.is_too_small(pair, change * scale):
            trades += manager.adjust_position(pair, change * scale, None, weight, notes=f"up to {weight:.0%}")

    if input.is_visualisation_enabled():
        input.state.visualisation.plot_indicator(
            input.timestamp,
            "Share to invest",
            PlotKind.technical_indicator_detached,
            parameters.allocation * sum(weights.values()),
            colour="green",
        )
    return trades
