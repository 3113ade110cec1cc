"""Hold the two strongest of four shares, the stronger one with more money; look again once a month."""

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

    total = sum(strength[pair] for pair in best)
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    trades = []
    for position in list(input.state.portfolio.open_positions.values()):
        if position.pair not in best:
            trades += manager.close_position(position, notes="no longer among the strongest")
    for pair in best:
        weight = strength[pair] / total
        position = manager.get_current_position_for_pair(pair)
        held = position.get_value() if position is not None else 0.0
        change = equity * parameters.allocation * weight - held
        if not manager.is_too_small(pair, change):
            trades += manager.adjust_position(pair, change, None, weight, notes=f"to {weight:.0%}")
    return trades
