"""What a state remembers of the files that pruning moved detail into."""

from dataclasses import dataclass

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.types import UTCDatetime


@dataclass(slots=True)
class ArchiveRef(Serialisable):
    """What a state knows about one of its archives.

    Attributes
    ----------
    sha256
        Of the bytes of the file; its name.
    created_at
        When the detail was taken out.
    size
        Of the file, bytes.
    positions
        How many positions it has detail of.
    transactions, balance_updates, valuation_updates
        How many of each it holds.
    """

    sha256: str
    created_at: UTCDatetime
    size: int
    positions: int
    transactions: int
    balance_updates: int
    valuation_updates: int
