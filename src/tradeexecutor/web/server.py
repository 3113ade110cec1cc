"""The server: uvicorn in the foreground, or beside a live strategy in a thread of its own."""

import logging
import socket
import threading
from collections import deque
from typing import Any

import uvicorn

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.web.app import WebApp

__all__ = ["BackgroundServer", "LogRing", "ServerFailed", "WebServer", "open_socket"]

#: Time that requests have to end when the server stops, seconds.
_GRACE = 5

#: Connections at once; each costs little, and a change stream keeps one open.
_MAX_CONNECTIONS = 2_000


class ServerFailed(TradeExecutorError, RuntimeError):
    """The server cannot start, or ended by itself."""


class WebServer(uvicorn.Server):
    """A server of the web API. Change streams end when it stops, because they would never end by themselves."""

    def __init__(self, app: WebApp):
        self._app = app
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=_GRACE,
                h11_max_incomplete_event_size=64 << 10,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then wait for the other requests."""
        self._app.close_streams()
        await super().shutdown(sockets)


def open_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises
    ------
    ServerFailed
        The address does not exist, or somebody else uses it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(512)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        raise ServerFailed(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    return listening


class BackgroundServer:
    """A server in a thread, beside the live strategy of this process; use it as a context manager.

    Parameters
    ----------
    app
        The application.
    listening
        The socket, from `open_socket`.
    """

    def __init__(self, app: WebApp, listening: socket.socket):
        self._server = WebServer(app)
        self._socket = listening
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def __enter__(self) -> "BackgroundServer":
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._server.should_exit = True
        self._thread.join(_GRACE + 5)
        self._socket.close()


class LogRing(logging.Handler):
    """Keeps the latest log messages for ``/logs``.

    Parameters
    ----------
    records
        Where the messages are kept, oldest first.
    """

    def __init__(self, records: "deque[dict[str, Any]]"):
        super().__init__(logging.INFO)
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        try:
            message = record.getMessage()
        except Exception:
            message = str(record.msg)
        self._records.append(
            {
                "timestamp": record.created,
                "level": record.levelname.lower(),
                "message": message,
                "exception_type": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
                "traceback_data": None,
                "level_number": record.levelno,
                "formatted_data": message.split("\n") if record.levelno >= logging.INFO else None,
            }
        )

    def attach(self) -> None:
        """Receive the messages of this program from INFO on; what other handlers show stays as it is."""
        logger = logging.getLogger("tradeexecutor")
        before = logger.getEffectiveLevel()
        for handler in (*logging.getLogger().handlers, *logger.handlers):
            if handler.level < before:
                handler.setLevel(before)
        logger.setLevel(min(before, logging.INFO))
        logger.addHandler(self)
