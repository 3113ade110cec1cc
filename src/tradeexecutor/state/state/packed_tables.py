"""Tables of a state whose entries may be packed, see `codec.packed_entries`. A copy has no packed entries."""

from collections import defaultdict
from typing import Any

from tradeexecutor.state.codec.packed_tables import PackedDict
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById

__all__ = ["PackedPositions", "PackedTable"]


class PackedPositions(PackedDict[int, TradingPosition], PositionsById):
    """Position id -> position."""

    def __reduce__(self) -> tuple[Any, ...]:
        return PositionsById, (self.peek(),)


class PackedTable(PackedDict[int, Any], defaultdict[int, Any]):
    """Number -> plain containers, such as the samples of a position, or the variables of a cycle."""

    def __reduce__(self) -> tuple[Any, ...]:
        return defaultdict, (self.default_factory, self.peek())
