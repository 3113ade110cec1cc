"""Making a state smaller so that its balances can still be proven, and restoring the removed details."""

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
    """Result of pruning.

    Attributes
    ----------
    positions, transactions, balance_updates, valuation_updates
        Number of objects that were removed or lost details.
    balance_updates_kept
        Number of balance updates of closed positions that stay, because figures depend on them.
    positions_changed
        Number of positions whose figures changed.
    size_before, size_after
        Size of the JSON text of the state, bytes.
    taken_out
        Content of the archive; None when it is discarded or empty.
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
    """Return the path beside which archives are stored; raises `OperationRefused` for a database server."""
    path = get_archives_path(place)
    if path is None:
        message = "archives are stored beside a file, and a database server has none"
        raise OperationRefused(message, remedy=Remedy.discard)
    return path


def archive_detail(state: State, now: datetime.datetime) -> Pruning:
    """Remove details of closed positions from a state; no figure changes.

    The caller must write `Pruning.taken_out` to an archive before saving the state.

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
    """Delete details and balance updates of closed positions; figures that depend on balance updates change."""
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
    """Restore the details that `archive_detail` removed; later changes are kept.

    Parameters
    ----------
    place
        Where the state is stored; the archives are beside it.
    give_up
        Whether to skip and forget archives that are missing or damaged; otherwise they are an error.

    Raises
    ------
    ArchiveError
        An archive is missing or damaged, or does not match the state.
    """
    path = get_archives_path(place) or Path(str(place))  # a server has no archives, so none is found
    given_up = forget_unusable_archives(state, path) if give_up else []
    return Restoration(restore_archives(state, path), given_up)


def restore_in_memory(state: State, place: StateLocation) -> str:
    """Restore pruned details of a state that will not be saved.

    Returns
    -------
    str
        Why that is not possible; empty when everything was restored.
    """
    if not state.archives:
        return ""
    try:
        restore_detail(state, place)
    except (ArchiveError, OSError) as error:
        return describe_error(error)
    return ""
