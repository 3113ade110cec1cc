"""Server-sent events over ASGI: the bytes of an event, and a stream that ends with its client or with the server."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from tradeexecutor.state.codec.codec import dump
from tradeexecutor.web.security import Message, Receive, Send

__all__ = ["format_event", "send_events"]

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
