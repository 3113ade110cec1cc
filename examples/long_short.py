"""Own the shares that rise most, and short those that fall most, for the same amount of money.

Each week the return of every share is compared with the average of all of them. What is above it is bought, what is
below it is sold short, and the more so, the farther it is away. A market that moves as a whole then moves both sides.
Without other data it runs on four US shares, 2004-2013.

    tradeexecutor backtest examples/long_short.py
"""

import pandas as pd

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.visualisation import PlotKind
from tradeexecutor.strategy.alpha_model import AlphaModel
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.strategy_module import CreateTradingUniverseInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse
from tradeexecutor.strategy.weighting import weight_passthrough

trading_strategy_engine_version = "0.5"

name = "Long and short"
short_description = "Long what rises more than the average, short what rises less"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_7d
    initial_cash = 100_000

    #: Candles over which returns are compared.
    window = 250
    #: Share of the portfolio in positions, longs and shorts together; the rest pays for price moves while trading.
    allocation = 0.8
    #: Weeks in which no position changes by more than this share of the portfolio are left alone.
    smallest_change = 0.05
    #: What the pool pays for the collateral of shorts and takes for borrowed shares, per year.
    lending = LendingPool(supply_rate=0.02, borrow_rate=0.03)


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the markets; called only when no market data is given on the command line."""
    return input.load_market_data("us-stocks-daily")


def change(close: pd.Series, window: int) -> pd.Series:
    """Return over the window, a fraction."""
    return close.pct_change(window)


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicator; it is calculated for every pair."""
    indicators = IndicatorSet()
    indicators.add("change", change, {"window": parameters.window}, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Weigh each share by how far its return is from the average."""
    parameters = input.parameters
    manager = input.get_position_manager()
    changes = {
        pair: value
        for pair in input.strategy_universe.iterate_pairs()
        if (value := input.indicators.get_indicator_value("change", pair=pair)) is not None
        and manager.check_enter_position(pair)
    }
    if len(changes) < 2:
        return []  # too few candles so far
    average = sum(changes.values()) / len(changes)
    equity = input.state.portfolio.get_net_asset_value()

    model = AlphaModel(input.timestamp)
    for pair, value in changes.items():
        model.set_signal(pair, value - average)
    model.assign_weights(weight_passthrough)
    model.normalise_weights()
    model.update_old_weights(input.state.portfolio)
    model.calculate_target_positions(manager, equity * parameters.allocation)
    trades = model.generate_rebalance_trades_and_triggers(manager, equity * parameters.smallest_change)

    if input.is_visualisation_enabled():
        plots = input.state.visualisation
        longs = sum(p.get_value() for p in input.state.portfolio.open_positions.values() if not p.is_short())
        plots.plot_indicator(
            input.timestamp, "Long share", PlotKind.technical_indicator_detached, longs / equity, colour="green"
        )
    return trades
