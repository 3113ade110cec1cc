"""Positions of a portfolio by id, and an index by what they trade.

A `PositionsById` with many positions groups them by equal pair, by pool, by base asset or by bridge destination. A
grouping is built when it is first used, and updated when positions are added or removed, see
:mod:`tradeexecutor.state.codec.watched_dict`. Positions of a group are in the order of the table, so the result is the
same, and in the same order, as that of a scan. A table with few positions is scanned, because that is faster than
keeping groups; a plain dictionary is always scanned. `get_candidates` returns the positions to look at.

The pair is part of the identity of a position: the pair of a position in a table, and the fields of that pair, must
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

#: Returns the group of a pair in a grouping; None for a pair that is in no group.
Grouping: TypeAlias = Callable[[TradingPairIdentifier], Hashable]


class PositionsById(WatchedDict[int, TradingPosition]):
    """Position id -> position, in order of insertion."""

    #: Grouping -> group -> position id -> position; set when the dictionary becomes watched.
    _groupings: dict[Grouping, dict[Hashable, dict[int, TradingPosition]]]

    def start_watching(self) -> None:
        """Start without groupings."""
        self._groupings = {}

    def on_added(self, key: int, entry: TradingPosition) -> None:
        """Add the position to its groups."""
        for grouping, groups in self._groupings.items():
            _put(groups, grouping(entry.pair), key, entry)
        super().on_added(key, entry)

    def on_removed(self, key: int, entry: TradingPosition) -> None:
        """Remove the position from its groups."""
        for grouping, groups in self._groupings.items():
            name = grouping(entry.pair)
            if name is None:
                continue
            group = groups.get(name, {})
            if group.pop(key, None) is None:  # its pair was replaced
                self._groupings = {}
                break
            if not group:
                del groups[name]
        super().on_removed(key, entry)

    def on_changed(self) -> None:
        """Discard the groups and notify the listeners."""
        self._groupings = {}
        super().on_changed()

    def select(self, grouping: Grouping, name: Hashable) -> Collection[TradingPosition]:
        """Return the positions of a group, in the order of the table."""
        self.watch()
        groups = self._groupings.get(grouping)
        if groups is None:
            made: dict[Hashable, dict[int, TradingPosition]] = {}
            for key, position in self.items():
                _put(made, grouping(position.pair), key, position)
            groups = self._groupings[grouping] = made  # only now, because the readers of a snapshot share it
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
    """Return the pair itself: equal pairs are one group."""
    return pair


#: Group pairs of the same pool.
by_pool = TradingPairIdentifier.get_identifier


def by_base(pair: TradingPairIdentifier) -> AssetIdentifier:
    """Return the base token: pairs that buy the same asset are one group."""
    return pair.base


def by_bridge_destination(pair: TradingPairIdentifier) -> int | None:
    """Return the destination chain id of a bridge, None for other pairs: bridges to the same chain are one group."""
    return pair.get_destination_chain_id() if pair.kind is _CCTP_BRIDGE else None


def get_candidates(
    positions: dict[int, TradingPosition], grouping: Grouping, name: Hashable
) -> Collection[TradingPosition]:
    """Return all positions if they are few, else the positions of the group, in the order of the table.

    The collection is a view of the table: do not add or remove positions while iterating over it.
    """
    if len(positions) > SCANNED_POSITIONS and isinstance(positions, PositionsById):
        return positions.select(grouping, name)
    return positions.values()
