"""Buy a dip in a rising market: the distance from the lowest low says dip, a long average says rising."""

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 10_000
    low_days = 10
    trend_days = 150
    buy_below = 0.02
    sell_above = 0.08


def create_trading_universe(input):
    return input.load_market_data("goog-daily")


def above_low(close, low, length):
    """How far the close is above the lowest low: 0.1 is 10 %."""
    return close / low.rolling(length).min() - 1


def moving_average(close, length):
    return close.rolling(length).mean()


def distance(close, dependency_resolver):
    """How far the price is above the average: 0.1 is 10 %."""
    average = dependency_resolver.get_indicator_data("average")
    return close / average - 1


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    indicators = IndicatorSet()
    indicators.add("above_low", above_low, {"length": parameters.low_days}, IndicatorSource.ohlcv)
    indicators.add("average", moving_average, {"length": parameters.trend_days}, IndicatorSource.close_price)
    # It reads another indicator, so it is calculated after it.
    indicators.add("distance", distance, {}, IndicatorSource.close_price, order=2)
    return indicators


def decide_trades(input):
    parameters = input.parameters
    height = input.indicators.get_indicator_value("above_low")
    above_trend = input.indicators.get_indicator_value("distance")
    if height is None or above_trend is None:
        return []

    pair = input.get_default_pair()
    manager = input.get_position_manager()
    position = manager.get_current_position_for_pair(pair)
    if position is None and above_trend > 0 and height < parameters.buy_below:
        note = f"{height:.1%} above the low, {above_trend:.0%} above the trend"
        return manager.open_spot(pair, value=manager.get_current_cash() * 0.95, notes=note)
    if position is not None and height > parameters.sell_above:
        return manager.close_position(position, notes=f"{height:.1%} above the low")
    return []
