"""Own the share while it rises, be short of it while it falls, and lend the cash that neither needs."""

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_7d
    initial_cash = 10_000
    days = 150
    lending = LendingPool(supply_rate=0.03, borrow_rate=0.05, liquidation_threshold=0.85)


def create_trading_universe(input):
    return input.load_market_data("goog-daily")


def distance(close, length):
    """How far the price is above its average: 0.1 is 10 %."""
    return close / close.rolling(length).mean() - 1


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    indicators = IndicatorSet()
    indicators.add("distance", distance, {"length": parameters.days}, IndicatorSource.close_price)
    return indicators


def decide_trades(input):
    distance = input.indicators.get_indicator_value("distance")
    pair = input.get_default_pair()
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    trades = []
    if distance is not None:
        is_long = manager.is_any_long_position_open()
        is_short = manager.is_any_short_position_open()
        if is_short and distance > 0:
            trades += manager.close_short(manager.get_current_short_position(), notes="above its average")
        if is_long and distance < 0:
            trades += manager.close_position(manager.get_current_long_position(), notes="below its average")
        if not is_long and not is_short and distance > 0:
            trades += manager.open_spot(pair, equity * 0.6)
        if not is_long and not is_short and distance < -0.05:
            trades += manager.open_short(pair, equity * 0.3, leverage=1.5, stop_loss_pct=0.9)

    # The cash that these trades need is called back, and what they bring is lent; 5 % stay in cash.
    flow = manager.calculate_credit_flow_needed(trades, allocation_pct=0.95)
    return trades + manager.manage_credit_flow(flow)
