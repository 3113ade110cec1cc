"""Making a state smaller without losing its proof, and putting everything back."""

import datetime
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.operations.state_location import StateLocation, get_archives_path
from tradeexecutor.state.archive_ref import ArchiveRef
from tradeexecutor.state.errors import ArchiveError, OperationRefused
from tradeexecutor.state.prune import (
    RemovedDetails,
    archive_closed_positions,
    forget_unusable_archives,
    needs_balance_updates,
    prune_closed_positions,
    restore_archives,
)
from tradeexecutor.state.state import State

__all__ = [
    "Pruning",
    "Restoration",
    "archive_detail",
    "discard_detail",
    "require_archives_path",
    "restore_detail",
    "restore_in_memory",
]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was pruned.

    Attributes
    ----------
    positions, transactions, balance_updates, valuation_updates
        How many had something taken out of them, or were taken out.
    balance_updates_kept
        How many balance updates of closed positions stay, because figures depend on them.
    positions_changed
        How many positions show other figures than before.
    size_before, size_after
        Of the JSON text of the state, bytes.
    taken_out
        What goes into an archive; None when it is discarded, and when there is nothing.
    """

    positions: int
    transactions: int
    balance_updates: int
    valuation_updates: int
    balance_updates_kept: int
    positions_changed: int
    size_before: int
    size_after: int
    taken_out: RemovedDetails | None = None


@dataclass(frozen=True, slots=True)
class Restoration:
    """Archives that were put back, and archives that were given up."""

    restored: list[ArchiveRef]
    given_up: list[ArchiveRef]


def require_archives_path(place: StateLocation) -> Path:
    """Return the path beside which archives stand; raises `OperationRefused` for a server, which has no such place."""
    path = get_archives_path(place)
    if path is None:
        message = "archives stand beside a file, and a database server has none"
        raise OperationRefused(message, remedy=Remedy.discard)
    return path


def archive_detail(state: State, now: datetime.datetime) -> Pruning:
    """Take detail of closed positions out of a state; no figure changes.

    Whoever saves the state writes `Pruning.taken_out` before.

    Parameters
    ----------
    now
        Time of the archive, naive UTC.
    """
    before = len(state.to_json_bytes())
    out = archive_closed_positions(state, now)
    after = len(state.to_json_bytes())
    kept = sum(len(position.balance_updates) for position in state.portfolio.closed_positions.values())
    if out is None:
        return Pruning(0, 0, 0, 0, kept, 0, before, after)
    ref = out.ref
    return Pruning(
        ref.positions, ref.transactions, ref.balance_updates, ref.valuation_updates, kept, 0, before, after, out
    )


def discard_detail(state: State, now: datetime.datetime) -> Pruning:
    """Throw detail of closed positions away, and all their balance updates: figures that need these change."""
    del now
    before = len(state.to_json_bytes())
    changed = sum(
        needs_balance_updates(position)
        for position in state.portfolio.closed_positions.values()
        if position.balance_updates
    )
    done = prune_closed_positions(state)
    return Pruning(
        done["positions_processed"],
        done["blockchain_transactions_processed"],
        done["balance_updates_removed"],
        0,
        0,
        changed,
        before,
        len(state.to_json_bytes()),
    )


def restore_detail(state: State, place: StateLocation, *, give_up: bool = False) -> Restoration:
    """Put back what `archive_detail` took out; what happened since stays.

    Parameters
    ----------
    place
        Where the state is stored: the archives stand beside it.
    give_up
        Forget archives that are missing or damaged; otherwise every archive has to be there.

    Raises
    ------
    ArchiveError
        An archive is missing, damaged or does not fit.
    """
    path = get_archives_path(place) or Path(str(place))  # of a server: no archive is found there
    given_up = forget_unusable_archives(state, path) if give_up else []
    return Restoration(restore_archives(state, path), given_up)


def restore_in_memory(state: State, place: StateLocation) -> str:
    """Bring back what was pruned from a state that is only read.

    Returns
    -------
    str
        Why that is not possible; empty when everything is there.
    """
    if not state.archives:
        return ""
    try:
        restore_detail(state, place)
    except (ArchiveError, OSError) as error:
        return describe_error(error)
    return ""
