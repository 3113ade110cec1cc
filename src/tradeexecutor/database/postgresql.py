"""Connections to a PostgreSQL server whose calls end within a limited time.

The server ends a statement that takes longer than the time-out. If the server does not answer at all, for example
because its machine hangs, the connection is closed soon after the time-out, and the save has failed.
"""

import contextlib
import os
import socket
import time
import weakref
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

__all__ = ["TimedConnection", "connect_postgresql"]

T = TypeVar("T")

#: Time to wait for a connection, seconds, unless the address has ``connect_timeout``.
_CONNECT_TIMEOUT = 10

#: Time after the time-out of a statement in which the server may report that it has ended the statement, seconds.
_ANSWER_GRACE = 5.0

#: Settings with which the server notices within two minutes (instead of two hours) that the machine of a writer is
#: gone, and releases its lock. Times in seconds.
_SETTINGS = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10"}

_open_connections: "weakref.WeakSet[psycopg.Connection[Any]]" = weakref.WeakSet()


class TimedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server is silent for longer than a statement may take.

    Attributes
    ----------
    max_silence
        The longest time without an answer, seconds.
    """

    max_silence: float = 60.0 + _ANSWER_GRACE

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for the server; see the base class.

        Raises
        ------
        psycopg.OperationalError
            The server has not answered in time. The connection is closed.
        """
        return super().wait(self._limit_silence(gen), *arguments, **options)

    def _limit_silence(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Pass on the events between driver and server; raise when none has come for too long."""
        last = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    last = time.monotonic()
                elif time.monotonic() - last > self.max_silence:
                    self.pgconn.finish()  # the connection cannot be used any more, not even for a rollback
                    raise psycopg.OperationalError(f"the server has not answered for {self.max_silence:.0f} seconds")
                wanted = gen.send(ready)
        except StopIteration as stop:
            return stop.value
        finally:
            gen.close()


def connect_postgresql(
    parameters: dict[str, str], *, writing: bool, timeout: float, factory: type[TimedConnection] = TimedConnection
) -> TimedConnection:
    """Open a connection to a server.

    Parameters
    ----------
    parameters
        Parameters of libpq.
    timeout
        The longest time for a statement, seconds.

    Raises
    ------
    psycopg.OperationalError
        The server cannot be reached.
    psycopg.ProgrammingError
        libpq does not have one of the parameters.
    """
    own_name = f"tradeexecutor {os.getpid()} {socket.gethostname()}"[:63]  # shown to other processes by `StoreLocked`
    defaults = {"connect_timeout": str(_CONNECT_TIMEOUT), "application_name": own_name}
    keywords: dict[str, Any] = defaults | parameters | {"application_name": own_name}
    try:
        connection: TimedConnection | psycopg.Error = factory.connect(make_conninfo(**keywords))
    except psycopg.Error as error:
        connection = _without_connection(error)
    if isinstance(connection, psycopg.Error):
        raise connection
    _open_connections.add(connection)
    connection.max_silence = timeout + _ANSWER_GRACE
    try:
        settings = _SETTINGS | {"statement_timeout": str(int(timeout * 1000))}
        if writing:
            settings["synchronous_commit"] = "on"
        query = "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS settings (name, value)"
        connection.execute(query, (list(settings), list(settings.values())))
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _without_connection(error: psycopg.Error) -> psycopg.Error:
    """Return an error without a reference to the failed connection, which contains the password."""
    clean = type(error)(*error.args)
    clean.sqlstate = error.sqlstate
    return clean


def _forget_parents_connections() -> None:
    """In a forked child, drop the connections of the parent without using or closing them on the server."""
    if not _open_connections:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for connection in list(_open_connections):
        with contextlib.suppress(Exception):  # it is closed already
            os.dup2(nothing, connection.pgconn.socket)
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_connections)
