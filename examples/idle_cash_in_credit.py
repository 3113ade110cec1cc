"""Hold shares that rise, and lend the cash in the meantime.

Each asset that is above its average gets the same share of the portfolio.  What is left is lent: before the purchases
of a decision the strategy recalls what they cost, after sales it lends what they bring.  Without other data it runs on
four US shares, 2004-2013.

    tradeexecutor backtest examples/idle_cash_in_credit.py
"""

import pandas as pd

from tradeexecutor.state.identifier import TradingPairIdentifier
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

name = "Idle cash in credit"
short_description = "Shares above their average, and everything else lent"


class Parameters:
    """What you may want to change first."""

    cycle_duration = CycleDuration.cycle_7d
    initial_cash = 100_000

    #: Candles in the average.
    window = 120
    #: Share of the portfolio that is invested or lent; the rest stays in cash and pays for price moves while trading.
    allocation = 0.95
    #: What the pool pays for lent money, per year.
    lending = LendingPool(supply_rate=0.03)


def create_trading_universe(input: CreateTradingUniverseInput) -> TradingStrategyUniverse:
    """Choose the markets; called only when no market data is given on the command line."""
    return input.load_market_data("us-stocks-daily")


def distance(close: pd.Series, window: int) -> pd.Series:
    """How far the price is above its average, a fraction."""
    return close / close.rolling(window).mean() - 1


def create_indicators(
    timestamp: object,
    parameters: StrategyParameters,
    strategy_universe: TradingStrategyUniverse,
    execution_context: ExecutionContext,
) -> IndicatorSet:
    """Declare the indicator; it is calculated for every pair."""
    indicators = IndicatorSet()
    indicators.add("distance", distance, {"window": parameters.window}, IndicatorSource.close_price)
    return indicators


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Hold what rises in equal shares, and lend the rest."""
    parameters = input.parameters
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    pairs = list(input.strategy_universe.iterate_pairs())
    share = equity * parameters.allocation / len(pairs)

    trades: list[TradeExecution] = []
    wanted: list[TradingPairIdentifier] = []
    for pair in pairs:
        above = input.indicators.get_indicator_value("distance", pair=pair)
        position = manager.get_current_position_for_pair(pair)
        if above is None or not manager.check_enter_position(pair):
            continue
        if position is not None and above < 0:
            trades += manager.close_position(position, notes="below its average")
        elif position is None and above > 0:
            wanted.append(pair)

    # What other shares have gained is not there for new ones, so the rest is divided.
    lent = sum(p.get_value() for p in input.state.portfolio.open_positions.values() if p.is_credit_supply())
    sold = sum(trade.get_planned_value() for trade in trades)
    budget = manager.get_current_cash() + lent + 0.99 * sold - equity * (1 - parameters.allocation)
    for pair in wanted:
        value = min(share, budget / len(wanted))
        if value > equity * 0.01:
            trades += manager.open_spot(pair, value)

    flow = manager.calculate_credit_flow_needed(trades, parameters.allocation)
    trades += manager.manage_credit_flow(flow, cash_change_tolerance_usd=equity * 0.01)
    manager.check_enough_cash(trades)

    if input.is_visualisation_enabled():
        input.state.visualisation.plot_indicator(
            input.timestamp, "Lent", PlotKind.technical_indicator_detached, lent / equity, colour="green"
        )
    return trades
