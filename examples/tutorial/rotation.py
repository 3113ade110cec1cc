"""Hold the two strongest of four shares; look again once a month."""

from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet, IndicatorSource

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_30d
    initial_cash = 100_000
    days = 126
    held = 2
    allocation = 0.95


def create_trading_universe(input):
    return input.load_market_data("us-stocks-daily")


def momentum(close, length):
    """Return over the last days: 0.1 is 10 %."""
    return close.pct_change(length)


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    indicators = IndicatorSet()
    indicators.add("momentum", momentum, {"length": parameters.days}, IndicatorSource.close_price)
    return indicators


def decide_trades(input):
    parameters = input.parameters
    strength = {}
    for pair in input.strategy_universe.iterate_pairs():
        value = input.indicators.get_indicator_value("momentum", pair=pair)
        if value is not None and value > 0:
            strength[pair] = value
    best = sorted(strength, key=lambda pair: strength[pair], reverse=True)[: parameters.held]

    manager = input.get_position_manager()
    trades = []
    cash = manager.get_current_cash()
    held = list(input.state.portfolio.open_positions.values())
    for position in held:
        if position.pair not in best:
            sells = manager.close_position(position, notes="no longer among the strongest")
            cash += sum(trade.get_planned_value() for trade in sells)  # The sells run first, and pay for the buys.
            trades += sells
    new = [pair for pair in best if manager.get_current_position_for_pair(pair) is None]
    for pair in new:
        value = cash * parameters.allocation / len(new)
        if not manager.is_too_small(pair, value):
            trades += manager.open_spot(pair, value=value, notes=f"{strength[pair]:.0%} in {parameters.days} days")
    return trades
