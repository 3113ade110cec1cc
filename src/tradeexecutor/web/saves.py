"""The stream of saves: that something was saved, and its key, at once. For pages that ask for what they show.

Each event is called ``save``, and has the key of the newest save as its id; saves between two events are left out. An
``error`` says that the state cannot be read at present, and a ``heartbeat`` repeats the key when nothing has happened
for a while. Other than for the patches of `tradeexecutor.web.changes`, nothing is compared and nothing waits for slow
followers. A file is looked at twenty times a second, with one call of the system each time, and a follower hears of a
save as soon as it has been read. The state in it is built meanwhile, because the follower is going to ask about it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web.caching import Computations
from tradeexecutor.web.event_stream import Streams, format_event, format_heartbeat
from tradeexecutor.web.problems import ProblemRaised, describe_exception
from tradeexecutor.web.sources import Saved, Strategy

__all__ = ["SaveLimits", "SaveStreams", "SaveWatcher"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SaveLimits:
    """Limits of the streams of saves; times in seconds.

    Attributes
    ----------
    file_interval
        Time between two looks at a file, which cost some microseconds.
    database_interval
        The same at a database, which has to be asked.
    error_interval
        Time after which a state that cannot be read is tried again.
    heartbeat
        Time after which a ``heartbeat`` is sent if nothing happened.
    send_timeout
        Time that a follower has to take an event.
    max_followers
        Number of followers of all strategies.
    """

    file_interval: float = 0.05
    database_interval: float = 0.25
    error_interval: float = 0.5
    heartbeat: float = 15.0
    send_timeout: float = 20.0
    max_followers: int = 1_000


class SaveWatcher:
    """The newest save of one strategy, for its followers.

    Parameters
    ----------
    strategy
        The strategy.
    computations
        Threads.
    limits
        Limits of the streams.
    """

    def __init__(self, strategy: Strategy, computations: Computations, limits: SaveLimits):
        self._strategy = strategy
        self._computations = computations
        self._limits = limits
        self._saved: Saved | None = None
        self._problem: bytes | None = None
        #: Set, and replaced, whenever there is news.
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self.followers = 0

    async def look(self) -> None:
        """Read the newest save.

        Raises
        ------
        TradeExecutorError, OSError
            The state cannot be read.
        """
        known = self._saved
        if known is None or self._strategy.peek() is not known:
            saved = await self._computations.read(self._strategy.read)
            is_news = known is None or saved.key != known.key or self._problem is not None
            self._saved, self._problem = saved, None
            if is_news:
                self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _watch(self) -> None:
        """Look for new saves until the task is cancelled."""
        is_file = isinstance(self._strategy.place, Path)
        pause = self._limits.file_interval if is_file else self._limits.database_interval
        while True:
            await asyncio.sleep(pause if self._problem is None else self._limits.error_interval)
            before = self._saved
            try:
                await self.look()
            except (TradeExecutorError, OSError, TimeoutError) as error:
                self._report(describe_exception(error))
            except Exception as error:
                logger.exception("the saves of %s", self._strategy.id)
                self._report(describe_exception(error))
            if self._saved is not None and self._saved is not before:
                await self._prepare(self._saved)

    async def _prepare(self, saved: Saved) -> None:
        """Build the state of a save; whoever asks about it meanwhile waits for the same one."""
        try:
            await self._computations.read(lambda: saved.state)
        except (TradeExecutorError, TimeoutError):
            return  # who asks about it is told

    def _report(self, problem: ProblemRaised) -> None:
        """Tell all followers once that the state cannot be read."""
        frame = format_event("error", {"status": problem.status, "detail": problem.detail})
        if frame != self._problem:
            self._problem = frame
            self._tell()

    async def follow(self, last: str | None) -> AsyncGenerator[bytes, None]:
        """Yield what a follower gets; the newest save comes first unless the follower has it.

        Parameters
        ----------
        last
            Key of the save that the follower has; None for a new follower.
        """
        self.followers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        told: bytes | None = None
        try:
            while not self._is_closed:
                news = self._news
                saved, problem = self._saved, self._problem
                if problem is not None and problem != told:
                    yield problem
                elif saved is not None and problem is None and (saved.key != last or told is not None):
                    last = saved.key
                    yield _format_save(saved)
                else:
                    try:
                        await asyncio.wait_for(news.wait(), self._limits.heartbeat)
                    except TimeoutError:
                        yield format_heartbeat(last)
                told = problem
        finally:
            self.followers -= 1
            if not self.followers and self._task is not None:
                self._task.cancel()
                self._task = None

    def close(self) -> None:
        """End the stream of all followers."""
        self._is_closed = True
        self._tell()


def _format_save(saved: Saved) -> bytes:
    at = None if saved.saved_at is None else to_epoch(saved.saved_at)
    return format_event("save", {"id": saved.key, "revision": saved.snapshot.revision, "saved_at": at}, saved.key)


class SaveStreams(Streams[SaveWatcher]):
    """The streams of saves of all strategies.

    Parameters
    ----------
    computations
        Threads.
    limits
        Limits of the streams.
    """

    def __init__(self, computations: Computations, limits: SaveLimits | None = None):
        known = limits or SaveLimits()
        super().__init__(known, lambda strategy: SaveWatcher(strategy, computations, known))
