"""Server-sent events over ASGI: the bytes of an event, and streams that end with their client or with the server."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from tradeexecutor.state.codec.codec import dump
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.security import Message, Receive, Send
from tradeexecutor.web.sources import Strategy

__all__ = ["Streams", "format_event", "format_heartbeat", "send_events"]

#: Largest piece that is handed to the connection at once, so that little is left behind when it is cut off.
_PIECE = 64 << 10

_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


def format_event(kind: str, data: Any, key: str | None = None) -> bytes:
    """Return the bytes of an event; JSON text has no line breaks."""
    head = f"event: {kind}\n" + (f"id: {key}\n" if key is not None else "")
    return head.encode() + b"data: " + dump(data) + b"\n\n"


def format_heartbeat(key: str | None) -> bytes:
    """Return the event that says: nothing happened, and you have this save if nothing was lost on the way.

    The key is only in the data. An ``id:`` would become the last event of a client that never got it.

    Parameters
    ----------
    key
        Key of the save to which the events before have led; None if there was none.
    """
    return format_event("heartbeat", {"id": key})


class _Limits(Protocol):
    """What the limits of all streams have."""

    @property
    def send_timeout(self) -> float: ...
    @property
    def max_followers(self) -> int: ...


class _Watcher(Protocol):
    """Looks for new saves of one strategy."""

    @property
    def followers(self) -> int: ...
    async def look(self) -> None: ...
    def follow(self, last: str | None) -> AsyncGenerator[bytes, None]: ...
    def close(self) -> None: ...


W = TypeVar("W", bound=_Watcher)


class Streams(Generic[W]):
    """The streams of all strategies, of one kind.

    Parameters
    ----------
    limits
        Limits of the streams.
    make_watcher
        Returns what looks for new saves of a strategy.
    """

    def __init__(self, limits: _Limits, make_watcher: Callable[[Strategy], W]):
        self._limits = limits
        self._make_watcher = make_watcher
        self._watchers: dict[str, W] = {}
        self._is_closed = False

    @property
    def followers(self) -> int:
        """Number of followers of all strategies."""
        return sum(watcher.followers for watcher in self._watchers.values())

    def get_watcher(self, strategy: Strategy) -> W:
        """Return the watcher of a strategy."""
        if strategy.id not in self._watchers:
            self._watchers[strategy.id] = self._make_watcher(strategy)
        return self._watchers[strategy.id]

    async def send(self, strategy: Strategy, last: str | None, receive: Receive, send: Send) -> None:
        """Send the stream of a strategy until the client leaves, is cut off, or the server ends.

        Parameters
        ----------
        last
            Id of the last event that the client has; None for a new one.

        Raises
        ------
        ProblemRaised
            There are too many followers.
        TradeExecutorError, OSError
            The state cannot be read at the beginning.
        """
        if self.followers >= self._limits.max_followers or self._is_closed:
            raise ProblemRaised(503, "there are too many followers", {"Retry-After": "30"})
        watcher = self.get_watcher(strategy)
        await watcher.look()
        await send_events(watcher.follow(last), receive, send, self._limits.send_timeout)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for watcher in self._watchers.values():
            watcher.close()


async def send_events(frames: AsyncGenerator[bytes, None], receive: Receive, send: Send, send_timeout: float) -> None:
    """Send a stream until the client leaves or the frames end.

    Parameters
    ----------
    frames
        The events, closed at the end.
    send_timeout
        Time that the client has to take a piece of 64 kB, seconds; a slower one is cut off.
    """
    await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
    sending = asyncio.create_task(_send_all(frames, send, send_timeout))
    leaving = asyncio.create_task(_wait_for_end(receive))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), 1.0)


async def _send_all(
    frames: AsyncGenerator[bytes, None], send: Callable[[Message], Awaitable[None]], send_timeout: float
) -> None:
    try:
        await send({"type": "http.response.body", "body": b"retry: 2000\n\n", "more_body": True})
        async for frame in frames:
            for start in range(0, len(frame), _PIECE):
                piece = frame[start : start + _PIECE]
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                await asyncio.wait_for(send(message), send_timeout)
    finally:
        await frames.aclose()


async def _wait_for_end(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
