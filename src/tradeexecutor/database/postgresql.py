"""Connections to a PostgreSQL server, each call of which ends within a limited time.

The server is asked to end a statement that takes longer than the time-out.  A server that does not answer at all, as
when its machine hangs, is not waited for much longer: the connection is given up, and the save has failed.
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

#: Seconds to wait for a connection, unless the address has ``connect_timeout``.
_CONNECT_TIMEOUT = 10

#: Seconds beyond the time-out of a statement in which the server may say that it has ended the statement.
_GRACE = 5.0

#: So that the server notices within two minutes, and not within two hours, that the machine of a writer is gone, and
#: releases its lock.
_SETTINGS = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10"}

_open_connections: "weakref.WeakSet[psycopg.Connection[Any]]" = weakref.WeakSet()


class TimedConnection(psycopg.Connection[Any]):
    """A connection that gives up a server which is silent for longer than a statement may take.

    Attributes
    ----------
    max_silence
        Seconds.
    """

    max_silence: float = 60.0 + _GRACE

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for the server; see the base class.

        Raises
        ------
        psycopg.OperationalError
            The server has not answered in time.  The connection is closed.
        """
        return super().wait(self._limit_silence(gen), *arguments, **options)

    def _limit_silence(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Pass on what the driver and the server exchange; fail when nothing has come for too long."""
        last = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    last = time.monotonic()
                elif time.monotonic() - last > self.max_silence:
                    self.pgconn.finish()  # nothing can be said on it any more, not even a rollback
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
        Keywords of libpq.
    timeout
        Seconds that a statement may take.

    Raises
    ------
    psycopg.OperationalError
        The server cannot be reached.
    psycopg.ProgrammingError
        libpq does not know a keyword.
    """
    own_name = f"tradeexecutor {os.getpid()} {socket.gethostname()}"[:63]  # StoreLocked tells it to others
    defaults = {"connect_timeout": str(_CONNECT_TIMEOUT), "application_name": own_name}
    keywords: dict[str, Any] = defaults | parameters | {"application_name": own_name}
    try:
        connection: TimedConnection | psycopg.Error = factory.connect(make_conninfo(**keywords))
    except psycopg.Error as error:
        connection = _without_connection(error)
    if isinstance(connection, psycopg.Error):
        raise connection
    _open_connections.add(connection)
    connection.max_silence = timeout + _GRACE
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
    """Return an error without the connection that failed, which knows the password."""
    clean = type(error)(*error.args)
    clean.sqlstate = error.sqlstate
    return clean


def _forget_parents_connections() -> None:
    """Let a forked child neither use nor close the connections of its parent, nor keep them alive after its death."""
    if not _open_connections:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    for connection in list(_open_connections):
        with contextlib.suppress(Exception):  # it is closed
            os.dup2(nothing, connection.pgconn.socket)
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_connections)
