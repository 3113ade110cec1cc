"""Own the euro while its price is above the average, and be short of it while it is below."""

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 10_000
    hours = 240
    lending = LendingPool(supply_rate=0.02, borrow_rate=0.04, liquidation_threshold=0.85, liquidation_penalty=0.05)


def create_trading_universe(input):
    return input.load_market_data("eur-usd-hourly", fee=0.0001)


def moving_average(close, length):
    return close.rolling(length).mean()


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    indicators = IndicatorSet()
    indicators.add("average", moving_average, {"length": parameters.hours}, IndicatorSource.close_price)
    return indicators


def decide_trades(input):
    price = input.indicators.get_price()
    average = input.indicators.get_indicator_value("average")
    if price is None or average is None:
        return []

    pair = input.get_default_pair()
    manager = input.get_position_manager()
    is_up = price > average
    short = manager.get_current_short_position() if manager.is_any_short_position_open() else None
    long = manager.get_current_position_for_pair(pair)
    if long is not None and not is_up:
        return manager.close_position(long)  # The short is opened tomorrow, with the money that came back.
    if short is not None and is_up:
        return manager.close_short(short)
    if long is None and short is None:
        value = manager.get_current_cash() * 0.95
        if is_up:
            return manager.open_spot(pair, value=value)
        return manager.open_short(pair, value, leverage=1.0)
    return []
