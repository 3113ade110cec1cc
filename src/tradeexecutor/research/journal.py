"""A file of finished runs, to which one line is appended for each run as soon as it is completed.

A process that is killed loses the runs that were not finished, and no others: a half-written last line is ignored and
cut off by the next writer. Lines are JSON; the last line of a key counts.
"""

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from tradeexecutor.research.backtest_job import RunRequest, RunResult
from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["JournalInUse", "RunJournal"]


class JournalInUse(TradeExecutorError, OSError):
    """Another process writes to the folder."""


class RunJournal:
    """The finished runs of a folder; a context manager that holds the lock of the folder.

    Parameters
    ----------
    path
        The file; it and its folder are made if needed.

    Raises
    ------
    JournalInUse
        Another process has it open.
    OSError
        The file cannot be read or written.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise JournalInUse(f"another process writes results to {path.parent}") from None
        try:
            self._records, length = _read(path)
            self._file = path.open("ab")
            self._file.truncate(length)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> "RunJournal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.release()

    def __len__(self) -> int:
        return len(self._records)

    def find(self, key: str, request: RunRequest) -> RunResult | None:
        """Return the row of a finished run with this key, as the row of a request; None if there is none.

        Failed runs are not found: what made them fail, such as a lack of memory, may be over.
        """
        record = self._records.get(key)
        if record is None or record.get("error"):
            return None
        try:
            return RunResult.from_record(record, request)
        except (KeyError, TypeError, ValueError):  # written by another version of the program
            return None

    def append(self, row: RunResult) -> None:
        """Write a row; it is on the disk when this returns. Raises OSError."""
        record = row.to_record()
        self._records[row.key] = record
        self._file.write(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _read(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the records by key, and the length of the complete lines in bytes."""
    records: dict[str, dict[str, Any]] = {}
    length = 0
    if not path.exists():
        return records, length
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            length += len(line)
            try:
                record = json.loads(line)
                records[record["key"]] = record
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line costs one run
    return records, length
