"""The record of each save."""

import contextlib
import datetime
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tradeexecutor.database.row_index import RowChanges
from tradeexecutor.state.codec.codec import dump, parse
from tradeexecutor.state.state import State

__all__ = ["Revision", "Summary", "get_row_checksum", "summarise"]

#: The largest number of position ids listed for one save.
_MAX_LISTED_IDS = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a state when it was saved; a figure is None when it cannot be computed.

    Attributes
    ----------
    open_positions, frozen_positions, closed_positions
        Number of positions of each kind.
    next_position_id, next_trade_id
        Next free ids. The ids assigned between two saves follow from their summaries.
    cash, net_asset_value
        USD; the net asset value includes frozen positions.
    closed
        Ids of positions that were closed by this save, at most 20.
    restored
        Number of the earlier save that was saved again by this one; None for an ordinary save.
    """

    open_positions: int = 0
    frozen_positions: int = 0
    closed_positions: int = 0
    next_position_id: int = 1
    next_trade_id: int = 1
    cash: float | None = None
    net_asset_value: float | None = None
    closed: tuple[str, ...] = ()
    restored: int | None = None

    def describe_since(self, before: "Summary | None") -> str:
        """Return a short description of the changes since an earlier save."""
        if self.restored is not None:
            return f"went back to save {self.restored:,}"
        is_first = before is None
        before = before or Summary()
        words = [
            _describe_ids("opened", range(before.next_position_id, self.next_position_id)),
            _describe_ids("closed", self.closed)
            if len(self.closed) <= 3
            else f"closed {_count(self.closed)} positions",
        ]
        trades = self.next_trade_id - before.next_trade_id
        if trades:
            words.append(
                _describe_ids("trade" if trades == 1 else "trades", range(before.next_trade_id, self.next_trade_id))
            )
        return ", ".join(filter(None, words)) or ("" if is_first else "other changes")

    def to_json(self) -> str:
        """Return the summary as JSON text."""
        return dump({name: getattr(self, name) for name in self.__slots__}).decode()

    @classmethod
    def from_json(cls, text: str) -> "Summary":
        """Return the summary in a JSON text. Missing fields get their defaults, unknown keys are ignored."""
        tree = parse(text)
        known: dict[str, Any] = {name: tree[name] for name in cls.__slots__ if name in tree}
        known["closed"] = tuple(known.get("closed", ()))
        return cls(**known)


def _count(ids: tuple[str, ...]) -> str:
    return f"{len(ids)} or more" if len(ids) == _MAX_LISTED_IDS else str(len(ids))


def _describe_ids(word: str, ids: Iterable[object]) -> str:
    items = [f"#{item}" for item in ids]
    if not items:
        return ""
    if len(items) <= 3:
        return f"{word} {' '.join(items)}"
    return f"{word} {items[0]}..{items[-1]}"


def summarise(state: State, changes: RowChanges, restored: int | None = None) -> Summary:
    """Return the figures of a state for its save; a figure that cannot be computed is None and does not stop the save.

    Parameters
    ----------
    restored
        Number of the earlier save that is saved again; None for an ordinary save.
    """
    portfolio = state.portfolio
    cash = value = None
    with contextlib.suppress(Exception):
        cash = float(portfolio.get_cash())
    with contextlib.suppress(Exception):
        value = float(portfolio.get_net_asset_value())
    path = "/portfolio/closed_positions"
    before = {row.entry.key for row in changes.removed if row.path == path}
    closed = [str(row.key) for row in changes.added if row.path == path and row.key not in before]
    return Summary(
        len(portfolio.open_positions),
        len(portfolio.frozen_positions),
        len(portfolio.closed_positions),
        portfolio.next_position_id,
        portfolio.next_trade_id,
        cash if cash is not None and math.isfinite(cash) else None,
        value if value is not None and math.isfinite(value) else None,
        tuple(closed[:_MAX_LISTED_IDS]),
        restored,
    )


@dataclass(frozen=True, slots=True)
class Revision:
    """Record of one save.

    Attributes
    ----------
    number
        Number of the save, from 1. It determines the order, not the clock.
    saved_at
        Time of the save, naive UTC.
    cycle, last_updated_at, schema_version
        Values of the state.
    size
        Length of the JSON text of the state, bytes.
    sha256
        Checksum of the save, see `RowIndex.get_checksum`; of the JSON text where an older program has saved.
    parts_sum
        Sum of the checksums of its rows, which is verified whenever the save is read.
    parts_added, parts_removed
        Number of rows that the save wrote, and that it marked as removed.
    summary
        Figures of the state.
    """

    number: int
    saved_at: datetime.datetime
    cycle: int | None
    last_updated_at: datetime.datetime | None
    schema_version: int
    size: int
    sha256: str
    parts_sum: str
    parts_added: int
    parts_removed: int
    summary: Summary

    @property
    def cursor(self) -> str:
        """Cursor for followers of the change feed: the number and the beginning of the checksum."""
        return f"{self.number}-{self.sha256[:16]}"

    def to_row(self, strategy_id: int) -> dict[str, Any]:
        """Return the values of the database row."""
        row = {name: getattr(self, name) for name in self.__slots__} | {"summary": self.summary.to_json()}
        return {"strategy_id": strategy_id, **row, "seal": get_row_checksum(strategy_id, *row.values())}

    @classmethod
    def from_row(cls, row: Any) -> "Revision":
        """Return the record in a database row.

        Raises
        ------
        ValueError
            The row is not what was written.
        """
        *values, checksum = row
        if get_row_checksum(*values) != checksum:
            raise ValueError(f"the record of save {values[1]} is damaged")
        names = [name for name in cls.__slots__ if name != "summary"]
        figures: dict[str, Any] = dict(zip(names, values[1:-1], strict=True))
        return cls(**figures, summary=Summary.from_json(values[-1]))


def get_row_checksum(*values: object) -> str:
    """Return a checksum of the values of a row, 32 hex digits."""
    return hashlib.blake2b(repr(values).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
