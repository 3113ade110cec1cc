"""Sell a half at a target, and let the rest run with a trailing stop loss."""

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 10_000
    days = 60
    trailing_stop = 0.85
    first_target = 1.10


def create_trading_universe(input):
    return input.load_market_data("goog-daily")


def highest(close, length):
    """Highest close of the days before this one."""
    return close.shift(1).rolling(length).max()


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    indicators = IndicatorSet()
    indicators.add("highest", highest, {"length": parameters.days}, IndicatorSource.close_price)
    return indicators


def decide_trades(input):
    parameters = input.parameters
    price = input.indicators.get_price()
    breakout = input.indicators.get_indicator_value("highest")
    if price is None or breakout is None:
        return []

    pair = input.get_default_pair()
    manager = input.get_position_manager()
    if manager.get_current_position_for_pair(pair) is not None or price <= breakout:
        return []  # The orders below do the rest.

    trades = manager.open_spot(
        pair,
        value=manager.get_current_cash() * 0.95,
        trailing_stop_loss_pct=parameters.trailing_stop,
        notes=f"above the highest close of {parameters.days} days",
    )
    position = manager.get_current_position_for_pair(pair)
    half = trades[0].planned_quantity / 2
    manager.limit_sell(position, price * parameters.first_target, half, notes="first target")
    return trades
