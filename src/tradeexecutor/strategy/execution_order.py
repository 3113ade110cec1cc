"""The order in which the trades of a decision are executed."""

from collections.abc import Iterable

from tradeexecutor.state.trade import TradeExecution

__all__ = ["prepare_sorted_trades"]


def prepare_sorted_trades(approved_trades: Iterable[TradeExecution]) -> list[TradeExecution]:
    """Return trades in the order of execution, sells first, and set their `sort_index` from 0."""
    trades = list(approved_trades)
    if len(trades) > 1:
        trades.sort(key=TradeExecution.get_execution_sort_position)
    for index, trade in enumerate(trades):
        trade.sort_index = index
    return trades
