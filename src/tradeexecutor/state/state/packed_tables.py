"""Tables of a state whose entries may be packed, see `codec.packed_entries`. A copy has no packed entries."""

from collections import defaultdict
from typing import Any

from tradeexecutor.state.codec.packed_tables import PackedDict
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById

__all__ = ["PackedPositions", "PackedTable"]


class PackedPositions(PackedDict[int, TradingPosition], PositionsById):
    """Position id -> position."""

    def __copy__(self) -> PositionsById:
        return PositionsById(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return PositionsById, (self.peek(),)


class PackedTable(PackedDict[int, Any], defaultdict[int, Any]):
    """Number -> plain containers, such as the samples of a position, or the variables of a cycle."""

    def copy(self) -> Any:
        """Return a dictionary with the same entries, see `defaultdict.copy`."""
        return defaultdict(self.default_factory, self)

    def __copy__(self) -> Any:
        return self.copy()

    def __repr__(self) -> str:
        return repr(defaultdict(self.default_factory, self.peek()))

    def __reduce__(self) -> tuple[Any, ...]:
        return defaultdict, (self.default_factory, self.peek())
