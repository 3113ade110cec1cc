"""Integrity checks of a state: trades without outcome, and contradicting ids."""

from tradeexecutor.state.errors import IntegrityError, UncleanState
from tradeexecutor.state.portfolio.ids import check_ids
from tradeexecutor.state.state.fields import StateFields


def check_if_clean(state: StateFields) -> None:
    """Raise `UncleanState` if a trade was broadcasted and has no recorded outcome."""
    unclean = [
        trade
        for position in state.portfolio.get_open_and_frozen_positions()
        for trade in position.trades.values()
        if trade.is_unfinished()
    ]
    if unclean:
        names = ", ".join(str(trade) for trade in unclean)
        raise UncleanState(
            f"trades were broadcasted and have no recorded outcome: {names}; check them on the chain and repair them",
            [trade.trade_id for trade in unclean],
        )


def perform_integrity_check(state: StateFields) -> None:
    """Check the ids of the tree.

    Position and trade ids must be unique over all tables, table keys must equal the ids of their values, trades must
    have the id of their position, and statistics must belong to existing positions. A counter that is not one above the
    highest id is no error, see :func:`~tradeexecutor.state.portfolio.ids.list_counter_remarks`.

    Raises
    ------
    IntegrityError
        A check failed; the message names the first contradiction.
    """
    portfolio = state.portfolio
    check_ids(portfolio)
    known = {position_id for table in portfolio.get_position_tables() for position_id in table}
    unknown = sorted(state.stats.get_position_ids() - known)
    if unknown:
        raise IntegrityError(f"statistics of unknown positions: {unknown}")
