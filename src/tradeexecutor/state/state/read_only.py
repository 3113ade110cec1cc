"""A state that any number of threads may read at the same time."""

from collections.abc import Iterator
from itertools import chain

from tradeexecutor.state.portfolio.lookup import get_position_tables
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade.totals import TradesById


def make_read_only(state: StateFields) -> None:
    """Let threads share a state from now on; its operations then raise `ReadOnlyState`.

    Totals that are otherwise added up when they are first asked for are added up here, because two threads must not do
    this at the same time. After it, reading changes no object that threads share.
    """
    portfolio = state.portfolio
    for position in _iterate_positions(state):
        if isinstance(position.trades, TradesById):
            position.trades.count_settled()
        if isinstance(position.balance_updates, BalanceUpdatesById):
            position.balance_updates.sum_all()
    for reserve in portfolio.reserves.values():
        if isinstance(reserve.balance_updates, BalanceUpdatesById):
            reserve.balance_updates.sum_all()
    portfolio.get_trade_index().disable()
    portfolio.owner.freeze()


def _iterate_positions(state: StateFields) -> Iterator[TradingPosition]:
    """Iterate over all positions, also those in the record of the last interest."""
    yield from chain.from_iterable(table.values() for table in get_position_tables(state.portfolio))
    distribution = state.sync.interest.last_distribution
    if distribution is not None:
        tables = (distribution.entries, *(data.entries for data in distribution.asset_interest_data.values()))
        yield from (entry.position for entry in chain.from_iterable(tables))
