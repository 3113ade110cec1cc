"""References in a state to the files into which pruning has moved details."""

import re
from dataclasses import dataclass

from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import UTCDatetime

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class ArchiveRef(Serialisable):
    """Reference to an archive.

    Attributes
    ----------
    sha256
        Checksum of the bytes of the file, 64 hex digits, which is also its name.
    created_at
        Time at which the details were removed, naive UTC.
    size
        Size of the file, bytes.
    positions
        Number of positions with details in the archive.
    transactions, balance_updates, valuation_updates
        Numbers of such details in the archive.

    Raises
    ------
    InvalidValue
        `sha256` does not have this form. It is checked because it is part of a path and the state may come from
        anywhere.
    """

    sha256: str
    created_at: UTCDatetime
    size: int
    positions: int
    transactions: int
    balance_updates: int
    valuation_updates: int

    def __post_init__(self) -> None:
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidValue(f"the checksum of an archive has 64 hex digits, got {self.sha256[:80]!r}")
