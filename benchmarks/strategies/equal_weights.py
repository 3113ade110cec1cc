"""Equal weights over all pairs, rebalanced monthly: the strategy of the benchmark of many pairs."""

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.cycle import CycleDuration
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

trading_strategy_engine_version = "0.5"
name = "Equal weights"


class Parameters:
    """Money, and the share of it that is invested."""

    cycle_duration = CycleDuration.cycle_30d
    initial_cash = 1_000_000
    allocation = 0.98


def decide_trades(input: StrategyInput) -> list[TradeExecution]:
    """Sell what has grown above its share, then buy what has fallen below."""
    manager = input.get_position_manager()
    equity = input.state.portfolio.get_net_asset_value()
    pairs = list(input.strategy_universe.iterate_pairs())
    weight = input.parameters.allocation / len(pairs)
    changes = {}
    for pair in pairs:
        position = manager.get_current_position_for_pair(pair)
        changes[pair] = equity * weight - (position.get_value() if position is not None else 0.0)
    trades: list[TradeExecution] = []
    for pair, change in sorted(changes.items(), key=lambda item: item[1]):
        if not manager.is_too_small(pair, change):
            trades += manager.adjust_position(pair, change, None, weight)
    return trades
