"""Packing the history of a live strategy: closed positions, samples and variables of the strategy.

See `codec.packed_entries` for what packing is. It is for a program that saves the same state for months into a store
that writes only what has changed. A store that writes the whole state would unpack everything for every save.
"""

from tradeexecutor.state.codec.kept_groups import KeptGroups
from tradeexecutor.state.codec.kept_lists import KeptLists
from tradeexecutor.state.codec.packed_tables import PackedList
from tradeexecutor.state.state.packed_tables import PackedPositions, PackedTable
from tradeexecutor.state.state.state import State

__all__ = ["pack_history", "prepare_packing"]

#: Entries of a table that one call of `pack_history` packs, or those of one large group: 20 to 150 ms.
_ENTRIES_AT_ONCE = 64


def prepare_packing(state: State) -> None:
    """Let the tables of the history be packed later, and count their changes; nothing is packed yet."""
    portfolio, stats, other, uptime = state.portfolio, state.stats, state.other_data, state.uptime
    if not isinstance(portfolio.closed_positions, PackedPositions):
        portfolio.closed_positions = PackedPositions(portfolio.closed_positions)
    if not isinstance(stats.portfolio, PackedList):
        stats.portfolio = PackedList(stats.portfolio)
    if not isinstance(stats.positions, PackedTable):
        stats.positions = PackedTable(list, stats.positions)
    if other is not None and not isinstance(other.data, PackedTable):
        other.data = PackedTable(dict, other.data)
    if not isinstance(uptime.cycles_completed_at, PackedTable):
        uptime.cycles_completed_at = PackedTable(None, uptime.cycles_completed_at)


def pack_history(state: State) -> int:
    """Pack some entries of the history that were saved and that nobody uses, the oldest first.

    Call it after a save.

    Returns
    -------
    int
        Number of entries that were packed.
    """
    portfolio, stats, other = state.portfolio, state.stats, state.other_data
    packed = 0
    if isinstance(portfolio.closed_positions, PackedPositions):
        packed += portfolio.closed_positions.keep().pack(portfolio.closed_positions, _ENTRIES_AT_ONCE)
    if isinstance(stats.portfolio, PackedList):
        packed += stats.keep("portfolio", KeptGroups).pack(stats.portfolio, _ENTRIES_AT_ONCE)
    if isinstance(stats.positions, PackedTable):
        packed += stats.keep("positions", KeptLists).pack(stats.positions, _ENTRIES_AT_ONCE)
    if other is not None and isinstance(other.data, PackedTable):
        packed += other.keep("data", KeptGroups).pack(other.data, _ENTRIES_AT_ONCE)
    return packed
