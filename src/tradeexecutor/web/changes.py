"""The change stream: every save of a strategy as a JSON Patch, sent as server-sent events.

A follower keeps the JSON tree of the state and the id of the last event. The events are

=============  =======================================================================================
``snapshot``   the whole tree, to begin with, and whenever the changes since the follower's save are not known
``patch``      operations that turn the tree of the save ``before`` into that of the save ``id``
``error``      the state cannot be read at present; the stream goes on
``heartbeat``  nothing has happened for a while; ``id`` is the save to which the events before have led
=============  =======================================================================================

The id of an event is that of its save. A follower that reconnects sends it as ``Last-Event-ID``, and gets what it has
missed; each event names the save ``before`` it, so that a gap is noticed by the event after it, or by the heartbeat.

One watcher for each strategy looks for a new save while anybody follows it. The events are made once and shared by all
followers. A follower that does not read fast enough is cut off: it has `MAX_WAITING` bytes, and `SEND_TIMEOUT` seconds
for each piece. It may connect again, so the memory for all of them is limited.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.json_patch import make_patch
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web.caching import Computations
from tradeexecutor.web.event_stream import Streams, format_event, format_heartbeat
from tradeexecutor.web.problems import ProblemRaised, describe_exception
from tradeexecutor.web.sources import Saved, Strategy

__all__ = ["ChangeStreams", "Event", "StreamLimits", "Watcher"]

logger = logging.getLogger(__name__)

GetTree = Callable[[Saved], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Limits of the streams.

    Attributes
    ----------
    interval
        Time between two looks for a new save, seconds.
    heartbeat
        Time after which a ``heartbeat`` is sent if nothing happened, seconds.
    send_timeout
        Time that a follower has to take a piece of 64 kB, seconds.
    max_waiting
        Bytes of patches that wait for one follower.
    max_kept
        Bytes of patches that are kept of each strategy, for followers that reconnect.
    max_followers
        Number of followers of all strategies.
    """

    interval: float = 0.5
    heartbeat: float = 15.0
    send_timeout: float = 20.0
    max_waiting: int = 4 << 20
    max_kept: int = 8 << 20
    max_followers: int = 1_000


@dataclass(frozen=True, slots=True)
class Event:
    """A patch between two saves, as it is sent.

    Attributes
    ----------
    before, after
        Keys of the saves.
    frame
        The bytes.
    """

    before: str
    after: str
    frame: bytes


def make_event(before: str, saved: Saved, patch: list[dict[str, Any]]) -> Event:
    """Return the event of a patch."""
    data = {"before": before, **_describe(saved), "patch": patch}
    return Event(before, saved.key, format_event("patch", data, saved.key))


def _describe(saved: Saved) -> dict[str, Any]:
    at = None if saved.saved_at is None else to_epoch(saved.saved_at)
    return {"id": saved.key, "revision": saved.snapshot.revision, "saved_at": at}


@dataclass(slots=True, eq=False)
class Follower:
    """One client of a stream, and the events that wait for it."""

    waiting: deque[Event] = field(default_factory=deque[Event])
    size: int = 0
    #: Key of the save that the follower has when it has read everything that was sent to it.
    told: str | None = None
    #: Sent instead of patches.
    problem: bytes | None = None
    is_cut: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, event: Event, limit: int) -> None:
        """Let an event wait; cut the follower off when too much waits already."""
        if self.size + len(event.frame) > limit and self.waiting:
            self.is_cut = True
            self.waiting.clear()
            self.size = 0
        elif not self.is_cut:
            self.waiting.append(event)
            self.size += len(event.frame)
        self.wake.set()

    def take(self) -> Event | None:
        """Return the next event; None when none waits."""
        if not self.waiting:
            return None
        event = self.waiting.popleft()
        self.size -= len(event.frame)
        self.told = event.after
        return event


class Watcher:
    """The saves of one strategy, as events.

    Parameters
    ----------
    strategy
        The strategy.
    computations
        Threads.
    limits
        Limits of the streams.
    get_tree
        Returns the tree of a save; called in a thread. The tree is not changed.
    """

    def __init__(self, strategy: Strategy, computations: Computations, limits: StreamLimits, get_tree: GetTree):
        self._strategy = strategy
        self._get_tree = get_tree
        self._computations = computations
        self._limits = limits
        self._followers: set[Follower] = set()
        self._events: deque[Event] = deque()
        self._size = 0
        self._saved: Saved | None = None
        self._tree: dict[str, Any] = {}
        self._snapshot: tuple[str, bytes] | None = None
        self._problem: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    @property
    def followers(self) -> int:
        """Number of followers."""
        return len(self._followers)

    # --- Looking for new saves

    async def look(self) -> None:
        """Read the newest save, and offer the change to all followers.

        Raises
        ------
        TradeExecutorError, OSError
            The state cannot be read.
        """
        async with self._looking:
            saved = await self._computations.read(self._strategy.read)
            if self._saved is not None and saved.key == self._saved.key:
                return
            before, old = self._saved, self._tree
            if before is None:
                self._tree = await self._computations.read(self._get_tree, saved)
                self._saved = saved
                return
            tree, events = await self._computations.read(self._compare, before, old, saved)
            self._saved, self._tree = saved, tree
            for event in events:
                self._keep(event)

    def _compare(self, before: Saved, old: dict[str, Any], saved: Saved) -> tuple[dict[str, Any], list[Event]]:
        """Return the tree of a save, and the events that lead to it. Runs in a thread."""
        tree = self._get_tree(saved)
        return tree, [make_event(before.key, saved, make_patch(old, tree))]

    def _keep(self, event: Event) -> None:
        self._events.append(event)
        self._size += len(event.frame)
        while self._size > self._limits.max_kept and len(self._events) > 1:
            self._size -= len(self._events.popleft().frame)
        for follower in self._followers:
            follower.offer(event, self._limits.max_waiting)

    async def _watch(self) -> None:
        """Look for new saves until the task is cancelled."""
        while True:
            await asyncio.sleep(self._limits.interval)
            try:
                await self.look()
                self._problem = None
            except (TradeExecutorError, OSError, TimeoutError) as error:
                self._report(describe_exception(error))
            except Exception as error:
                logger.exception("the change stream of %s", self._strategy.id)
                self._report(describe_exception(error))

    def _report(self, problem: ProblemRaised) -> None:
        """Tell all followers once that the state cannot be read."""
        if problem.detail == self._problem:
            return
        self._problem = problem.detail
        for follower in self._followers:
            follower.problem = format_event("error", {"status": problem.status, "detail": problem.detail})
            follower.wake.set()

    # --- Followers

    async def follow(self, last: str | None) -> AsyncGenerator[bytes, None]:
        """Yield what a follower gets; ends when it has to be cut off.

        Parameters
        ----------
        last
            Id of the last event that it has; None for a new follower.
        """
        await self.look()
        follower = Follower()
        first = await self._start(follower, last)
        try:
            if first is not None:
                yield first
            while not follower.is_cut:
                event = follower.take()
                if event is not None:
                    yield event.frame
                elif follower.problem is not None:
                    frame, follower.problem = follower.problem, None
                    yield frame
                else:
                    follower.wake.clear()
                    try:
                        await asyncio.wait_for(follower.wake.wait(), self._limits.heartbeat)
                    except TimeoutError:
                        yield format_heartbeat(follower.told)
        finally:
            self._stop(follower)

    async def _start(self, follower: Follower, last: str | None) -> bytes | None:
        """Add a follower; return the snapshot that it has to begin with, or None if it has only missed patches."""
        while True:
            saved = self._saved
            assert saved is not None
            missed = self._find_missed(last, saved)
            frame = None if missed is not None else await self._get_snapshot(saved, last)
            if self._saved is saved:  # otherwise another save came while the snapshot was made
                break
        follower.told = saved.key if missed is None else last
        for event in missed or ():
            follower.waiting.append(event)
            follower.size += len(event.frame)
        self._followers.add(follower)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        return frame

    def _find_missed(self, last: str | None, saved: Saved) -> list[Event] | None:
        """Return the events since a save; None when they are not all kept."""
        if last == saved.key:
            return []
        events = list(self._events)
        for number in reversed(range(len(events))):
            if events[number].before == last:
                return events[number:]
        return None

    async def _get_snapshot(self, saved: Saved, last: str | None) -> bytes:
        """Return the event of a whole save, which all followers share."""
        if self._snapshot is None or self._snapshot[0] != saved.key:
            self._snapshot = saved.key, await self._computations.read(_make_snapshot, saved, self._tree)
        return self._snapshot[1]

    def _stop(self, follower: Follower) -> None:
        self._followers.discard(follower)
        if not self._followers and self._task is not None:
            self._task.cancel()
            self._task = None
            self._snapshot = None

    def close(self) -> None:
        """End the stream of all followers."""
        for follower in self._followers:
            follower.is_cut = True
            follower.wake.set()


def _make_snapshot(saved: Saved, tree: dict[str, Any]) -> bytes:
    return format_event("snapshot", {**_describe(saved), "document": tree}, saved.key)


class DatabaseWatcher(Watcher):
    """The saves of a strategy in a database: one event for each save, from the change feed of the store."""

    def _compare(self, before: Saved, old: dict[str, Any], saved: Saved) -> tuple[dict[str, Any], list[Event]]:
        store = self._strategy.store
        assert isinstance(store, SQLStateStore)
        tree = self._get_tree(saved)
        feed = store.changes(before.snapshot.revision)
        events: list[Event] = []
        key = before.key
        for change in feed.changes:
            if change.revision > saved.snapshot.revision:
                break
            number, _, checksum = change.cursor.partition("-")
            after = f"{number}-{checksum[:16]}"
            data = {"before": key, "id": after, "revision": change.revision, "saved_at": to_epoch(change.saved_at)}
            events.append(Event(key, after, format_event("patch", {**data, "patch": change.patch}, after)))
            key = after
        if key != saved.key:  # the history was compacted, or the database replaced by another one
            return super()._compare(before, old, saved)
        return tree, events


class ChangeStreams(Streams[Watcher]):
    """The streams of all strategies.

    Parameters
    ----------
    computations
        Threads.
    limits
        Limits of the streams.
    get_tree
        Returns the tree of a save, which others may share; by default it is parsed.
    """

    def __init__(
        self,
        computations: Computations,
        limits: StreamLimits | None = None,
        get_tree: GetTree = Saved.read_tree,
    ):
        known = limits or StreamLimits()

        def make_watcher(strategy: Strategy) -> Watcher:
            kind = Watcher if isinstance(strategy.place, Path) else DatabaseWatcher
            return kind(strategy, computations, known, get_tree)

        super().__init__(known, make_watcher)
