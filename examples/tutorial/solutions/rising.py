"""Own the share while its price is above an average that rises."""

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 10_000
    days = 200


def create_trading_universe(input):
    return input.load_market_data("goog-daily")


def moving_average(close, length):
    return close.rolling(length).mean()


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    indicators = IndicatorSet()
    indicators.add("average", moving_average, {"length": parameters.days}, IndicatorSource.close_price)
    return indicators


def decide_trades(input):
    pair = input.get_default_pair()
    price = input.indicators.get_price()
    average = input.indicators.get_indicator_value("average")
    before = input.indicators.get_indicator_value("average", index=-21)
    if price is None or average is None or before is None:
        return []

    manager = input.get_position_manager()
    position = manager.get_current_position_for_pair(pair)
    wanted = price > average and average > before
    if position is None and wanted:
        return manager.open_spot(pair, value=manager.get_current_cash() * 0.95)
    if position is not None and not wanted:
        return manager.close_position(position)
    return []
