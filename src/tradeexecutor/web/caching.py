"""Results that are computed once for each save and then sent to everybody who asks.

A result is computed in a thread. Requests for the same result wait for one computation. The memory of all kept results
is limited; the least recently used ones are dropped first.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from tradeexecutor.state.codec.gc_pause import pause_full_collections

__all__ = ["BUDGET", "Body", "Computations"]

#: Longest time until an answer, seconds. The public client gives up after it.
BUDGET = 5.0

#: The same for pictures and reports, which browsers load apart from the page, seconds.
_SLOW_BUDGET = 30.0

#: Memory of kept results, bytes.
_MAX_BYTES = 256 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Body:
    """Content of an answer.

    Attributes
    ----------
    content
        The bytes, not compressed.
    media_type
        Its type.
    headers
        Further headers.
    """

    content: bytes
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def _compute(function: Callable[[], Body]) -> Body:
    """Compute a body; a full collection would visit every part of every state in memory, and find nothing."""
    with pause_full_collections():
        return function()


class Computations:
    """Computed bodies, and the threads that compute them.

    Parameters
    ----------
    budget
        Longest time to wait for a result, seconds. The computation goes on, and its result is kept for the next
        request.
    """

    def __init__(self, budget: float = BUDGET, max_bytes: int = _MAX_BYTES):
        self._budget = budget
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Body] = OrderedDict()
        self._size = 0
        self._running: dict[Hashable, asyncio.Future[Body]] = {}
        #: For what reads the disk, and must not wait behind computations.
        self._readers = ThreadPoolExecutor(4, "web-read")
        self._workers = ThreadPoolExecutor(2, "web-compute")
        #: For pictures and reports, so that figures do not wait for them.
        self._drawers = ThreadPoolExecutor(1, "web-draw")
        self._operators = ThreadPoolExecutor(1, "web-operate")

    @property
    def size(self) -> int:
        """Memory of kept results, bytes."""
        return self._size

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function that reads the disk in a thread.

        Raises
        ------
        TimeoutError
            It takes longer than the budget.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.run_in_executor(self._readers, function, *arguments), self._budget)

    async def operate(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a command in a thread, one after the other. There is no limit of time: its outcome has to be known."""
        return await asyncio.get_running_loop().run_in_executor(self._operators, function, *arguments)

    def peek(self, key: Hashable) -> Body | None:
        """Return a kept result; None when it has to be computed."""
        body = self._kept.get(key)
        if body is not None:
            self._kept.move_to_end(key)
        return body

    async def get(self, key: Hashable, function: Callable[[], Body], *, is_slow: bool = False) -> Body:
        """Return a result, which is computed unless it is kept.

        Parameters
        ----------
        is_slow
            Whether it is a picture or a report, for which there is more time.

        Raises
        ------
        TimeoutError
            It takes longer than the budget.
        """
        body = self.peek(key)
        if body is not None:
            return body
        running = self._running.get(key)
        if running is None:
            loop = asyncio.get_running_loop()
            pool = self._drawers if is_slow else self._workers
            running = self._running[key] = loop.run_in_executor(pool, _compute, function)
            running.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.wait_for(asyncio.shield(running), _SLOW_BUDGET if is_slow else self._budget)

    def _finish(self, key: Hashable, done: "asyncio.Future[Body]") -> None:
        self._running.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        body = done.result()
        if len(body.content) > self._max_bytes // 4:
            return
        before = self._kept.pop(key, None)
        self._size += len(body.content) - (len(before.content) if before else 0)
        self._kept[key] = body
        while self._size > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped.content)

    def close(self) -> None:
        """End the threads when their present work is done."""
        for pool in (self._readers, self._workers, self._drawers, self._operators):
            pool.shutdown(wait=False, cancel_futures=True)
