"""What a state remembers of the files that pruning moved detail into."""

import re
from dataclasses import dataclass

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import UTCDatetime

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class ArchiveRef(Serialisable):
    """What a state knows about one of its archives.

    Attributes
    ----------
    sha256
        Of the bytes of the file, 64 hex digits; its name.
    created_at
        When the detail was taken out.
    size
        Of the file, bytes.
    positions
        How many positions it has detail of.
    transactions, balance_updates, valuation_updates
        How many of each it holds.

    Raises
    ------
    InvalidValue
        `sha256` is something else.  It is part of a path, and a state may come from anywhere.
    """

    sha256: str
    created_at: UTCDatetime
    size: int
    positions: int
    transactions: int
    balance_updates: int
    valuation_updates: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidValue(f"the checksum of an archive has 64 hex digits, got {self.sha256[:80]!r}")
