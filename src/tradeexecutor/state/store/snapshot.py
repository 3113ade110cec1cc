"""Immutable snapshots of what a store has acknowledged, for threads and processes that only read.

``docs/concurrency.md`` describes what threads may do. A snapshot contains the bytes of one save. They are never changed
and no reader waits for the writer, nor the writer for a reader. The typed `State` of a snapshot is built when it is
first asked for, and all readers of the snapshot share it.
"""

import datetime
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tradeexecutor.state.codec.upcast import SCHEMA_VERSION
from tradeexecutor.state.errors import InvalidStateFile, NewerStateFile
from tradeexecutor.state.files.bounded_read import require_regular_file
from tradeexecutor.state.files.checksum_header import parse_verified, read_checksum_header, verify_checksum_header
from tradeexecutor.state.state import State
from tradeexecutor.state.state.read_only import make_read_only
from tradeexecutor.state.types import from_epoch

__all__ = ["FileSnapshots", "RecentSnapshot", "Snapshot", "SnapshotCache"]


class _Content:
    """Bytes of a save, in parts that are joined when needed, and the state in them."""

    def __init__(self, parts: Iterable[bytes | memoryview]):
        self._lock = threading.Lock()
        self._parts = parts
        self._text: bytes | None = None
        self._state: State | None = None

    def get_text(self) -> bytes:
        text = self._text
        if text is None:
            with self._lock:
                text = self._join()
        return text

    def get_state(self) -> State:
        state = self._state
        if state is None:
            with self._lock:
                state = self._state
                if state is None:
                    state = State.read_json_blob(self._join())
                    make_read_only(state)
                    self._state = state
        return state

    def _join(self) -> bytes:
        if self._text is None:
            self._text = b"".join(self._parts)
            self._parts = ()
        return self._text


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One acknowledged save.

    Attributes
    ----------
    revision
        Number of the save in its store, from 1; 0 for a file that no store has written.
    sha256
        Checksum of the save as recorded by the store, 64 hex digits; empty for a file that no store has written.
    saved_at
        Time of the save, naive UTC; None if it is not known.
    """

    revision: int
    sha256: str
    saved_at: datetime.datetime | None
    _content: _Content = field(repr=False)

    @classmethod
    def make(
        cls, revision: int, sha256: str, saved_at: datetime.datetime | None, parts: Iterable[bytes | memoryview]
    ) -> "Snapshot":
        """Return the snapshot of a save whose bytes are the parts, which are joined when they are needed."""
        return cls(revision, sha256, saved_at, _Content(parts))

    @property
    def text(self) -> bytes:
        """JSON text of the state in UTF-8, exactly as it was saved, with the checksum header if there is one."""
        return self._content.get_text()

    @property
    def state(self) -> State:
        """The state as it was saved; the same read-only object for all readers of this snapshot.

        Building it takes as long as `StateStore.load`. Any number of threads may read it at the same time. Its
        operations, and saving it, raise `ReadOnlyState`; ``State.read_json_blob(snapshot.text)`` returns a state that
        can be changed.
        """
        return self._content.get_state()


class SnapshotCache:
    """The snapshot that was read last, and the lock of those who read the next one. The writer never takes it."""

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self.latest: Snapshot | None = None

    @property
    def lock(self) -> threading.Lock:
        """The lock; a new one after a fork, because a thread that does not exist any more may hold the old one."""
        if self._process != os.getpid():
            SnapshotCache.__init__(self)
        return self._lock


class RecentSnapshot:
    """The snapshot that all readers of a store share for some time, although there may be a newer one."""

    def __init__(self) -> None:
        self._cache = SnapshotCache()
        #: Time of the monotonic clock in seconds at which `SnapshotCache.latest` was the latest.
        self._asked_at = 0.0

    def get(self, max_age: float, read: Callable[[], Snapshot]) -> Snapshot:
        """Return a snapshot that was the latest at most `max_age` seconds ago; `read` returns the latest."""
        with self._cache.lock:
            now = time.monotonic()
            latest = self._cache.latest
            if latest is None or now - self._asked_at > max_age:
                self._cache.latest = latest = read()
                self._asked_at = now
            return latest


class FileSnapshots:
    """Snapshots of the file of one store."""

    def __init__(self) -> None:
        self._acknowledged: Snapshot | None = None
        self._cache = SnapshotCache()
        #: Identity of the file from which `SnapshotCache.latest` was read.
        self._identity: tuple[int, ...] | None = None

    def acknowledge(self, head: bytes, rest: memoryview, saved_at: datetime.datetime | None) -> None:
        """Publish a save of this process that is on the disk; nothing is copied."""
        header = read_checksum_header(head)
        assert header is not None
        self._acknowledged = Snapshot.make(header.save, header.checksum, saved_at, (head, rest))

    def forget(self) -> None:
        """Forget the save of this process, because another process may have saved after it."""
        self._acknowledged = None

    def get(self, path: Path, *, is_writer: bool) -> Snapshot:
        """Return the latest snapshot.

        Parameters
        ----------
        path
            The file, which is read if this process does not write it.
        is_writer
            Whether this process has the right to write, so that nobody else can have saved.

        Raises
        ------
        FileNotFoundError, InvalidStateFile, DamagedStateFile, NewerStateFile
            As `StateStore.load`.
        """
        if is_writer and self._acknowledged is not None:
            return self._acknowledged
        cache = self._cache
        require_regular_file(path.stat(), path)  # opening a pipe would wait for its writer
        with cache.lock, path.open("rb") as file:
            status = os.fstat(file.fileno())
            require_regular_file(status, path)
            identity = _identify(status)
            if cache.latest is None or identity != self._identity:
                cache.latest, self._identity = _read_snapshot(file.read()), identity
            return cache.latest

    def peek(self, path: Path, *, is_writer: bool) -> Snapshot | None:
        """Return the latest snapshot if it is in memory; None if the file has to be read. Waits for nobody."""
        if is_writer and self._acknowledged is not None:
            return self._acknowledged
        try:
            status = path.stat()
        except OSError:
            return None
        # The identity is set after the snapshot, so a snapshot that is newer than the identity can be returned, never
        # an older one.
        return self._cache.latest if _identify(status) == self._identity else None


def _identify(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class _Head(msgspec.Struct):
    """The members of a state file that a snapshot needs."""

    schema_version: int = 0
    last_updated_at: float | None = None


#: Made here, because threads must not let msgspec examine a class at the same time.
_decode_head = msgspec.json.Decoder(_Head).decode


def _read_snapshot(text: bytes) -> Snapshot:
    """Return the snapshot of the content of a file after verifying its checksum."""
    header = verify_checksum_header(text)
    if header is None:
        parse_verified(text)  # checks also what a file of a store cannot contain
    try:
        head = _decode_head(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidStateFile(str(error)) from None
    if head.schema_version > SCHEMA_VERSION:
        raise NewerStateFile(head.schema_version, SCHEMA_VERSION)
    saved_at = None if head.last_updated_at is None else from_epoch(head.last_updated_at)
    return Snapshot.make(header.save if header else 0, header.checksum if header else "", saved_at, (text,))
