"""Positions of a portfolio by id, found by what they trade without a scan.

A `PositionsById` with many positions groups them by equal pair, by pool, by base asset or by bridge destination, each
when it is first asked for, and keeps the groups up to date as positions come and go, see
:mod:`tradeexecutor.state.codec.watched_dict`.  Within a group positions are in the order of the table, so an answer
is the same, and in the same order, as a scan of the table gives.  Few positions are scanned: that is faster than
keeping groups.  So is a plain dictionary, however large; `get_candidates` returns the positions to look at.

What a position trades is part of its identity: the pair of a position in a table, and the fields of that pair, must
not be replaced by others.
"""

from collections.abc import Callable, Collection, Hashable
from typing import TypeAlias

from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.position.position import TradingPosition

_CCTP_BRIDGE = TradingPairKind.cctp_bridge

#: Up to this many positions are scanned rather than grouped.
SCANNED_POSITIONS = 8

#: Tells to which group of a grouping a pair belongs; None for none.
Grouping: TypeAlias = Callable[[TradingPairIdentifier], Hashable]


class PositionsById(WatchedDict[int, TradingPosition]):
    """Position id -> position, in the order in which they came."""

    #: Grouping -> group -> position id -> position; set when the dictionary becomes watched.
    _groupings: dict[Grouping, dict[Hashable, dict[int, TradingPosition]]]

    def start_watching(self) -> None:
        """Start with no groupings."""
        self._groupings = {}

    def on_added(self, key: int, entry: TradingPosition) -> None:
        """Put the position into its groups."""
        for grouping, groups in self._groupings.items():
            _put(groups, grouping(entry.pair), key, entry)
        super().on_added(key, entry)

    def on_removed(self, key: int, entry: TradingPosition) -> None:
        """Take the position out of its groups."""
        for grouping, groups in self._groupings.items():
            name = grouping(entry.pair)
            if name is None:
                continue
            group = groups.get(name, {})
            if group.pop(key, None) is None:  # its pair is another one now
                self._groupings = {}
                break
            if not group:
                del groups[name]
        super().on_removed(key, entry)

    def on_changed(self) -> None:
        """Forget the groups and tell the listeners."""
        self._groupings = {}
        super().on_changed()

    def select(self, grouping: Grouping, name: Hashable) -> Collection[TradingPosition]:
        """Return the positions of a group, in the order of the table."""
        self.watch()
        groups = self._groupings.get(grouping)
        if groups is None:
            groups = self._groupings[grouping] = {}
            for key, position in self.items():
                _put(groups, grouping(position.pair), key, position)
        group = groups.get(name)
        return () if group is None else group.values()


def _put(
    groups: dict[Hashable, dict[int, TradingPosition]], name: Hashable, key: int, position: TradingPosition
) -> None:
    if name is None:
        return
    group = groups.get(name)
    if group is None:
        groups[name] = {key: position}
    else:
        group[key] = position


# --- Groupings


def by_pair(pair: TradingPairIdentifier) -> TradingPairIdentifier:
    """Group equal pairs."""
    return pair


#: Group pairs of the same pool.
by_pool = TradingPairIdentifier.get_identifier


def by_base(pair: TradingPairIdentifier) -> AssetIdentifier:
    """Group pairs that buy the same asset."""
    return pair.base


def by_bridge_destination(pair: TradingPairIdentifier) -> int | None:
    """Group bridges to the same chain."""
    return pair.get_destination_chain_id() if pair.kind is _CCTP_BRIDGE else None


def get_candidates(
    positions: dict[int, TradingPosition], grouping: Grouping, name: Hashable
) -> Collection[TradingPosition]:
    """Return all positions if they are few, else those of the group; in the order of the table.

    The collection follows the table: it must not be iterated over while positions come and go.
    """
    if len(positions) > SCANNED_POSITIONS and isinstance(positions, PositionsById):
        return positions.select(grouping, name)
    return positions.values()
