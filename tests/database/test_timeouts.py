"""A PostgreSQL server that does not answer, or is busy, is not waited for without end."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from tests.kit.store_contract import make_state
from tradeexecutor.database import postgresql as module
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.postgresql import connect_postgresql
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import SaveFailed, StoreLocked, StoreUnavailable


@pytest.fixture
def store(postgresql: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SQLStateStore]:
    """With one save, and little time."""
    monkeypatch.setattr(module, "_ANSWER_GRACE", 0.5)
    name = f"timeouts-{abs(hash(request.node.name)) % 1_000_000}"
    with SQLStateStore(f"{postgresql}#{name}", timeout=1.0) as store:
        store.sync(make_state("first"))
        yield store


def find_backend(store: SQLStateStore) -> int:
    """Process of the server that serves the writer."""
    with store._writer.connection.begin():
        return int(store._writer.connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@pytest.mark.slow
def test_a_server_that_is_frozen_fails_the_save(store: SQLStateStore):
    state = make_state("second")
    before = state.to_json()
    with frozen(find_backend(store)), at_most(10):
        with pytest.raises(SaveFailed, match="has not answered"):
            store.sync(state)
        assert state.to_json() == before
        assert store.load().name == "first", "other connections are served"
    for _ in range(50):  # the server notices after a while that the connection is gone, and releases the lock
        try:
            store.sync(state)
            break
        except StoreLocked:
            time.sleep(0.1)
    assert store.load().name == "second"


@pytest.mark.slow
def test_a_server_that_is_frozen_at_the_commit(store: SQLStateStore, monkeypatch: pytest.MonkeyPatch):
    """Nobody can tell whether it was committed; saving again is right in both cases."""
    pid = find_backend(store)
    original = type(store._writer)._require_lock
    with contextlib.ExitStack() as stack:
        monkeypatch.setattr(
            type(store._writer), "_require_lock", lambda writer: (original(writer), stack.enter_context(frozen(pid)))
        )
        state = make_state("second")
        with at_most(10), pytest.raises(SaveFailed, match="has not answered"):
            store.sync(state)
    monkeypatch.undo()
    assert state.last_updated_at is None
    for _ in range(50):
        try:
            store.sync(state)
            break
        except StoreLocked:
            time.sleep(0.1)
    assert store.load().name == "second"
    assert [revision.number for revision in store.history()] in ([1, 2], [1, 2, 3])


@pytest.mark.slow
def test_a_statement_that_waits_for_too_long_is_ended_by_the_server(store: SQLStateStore, postgresql: str):
    parameters = DatabaseAddress.parse(postgresql).get_connection_parameters()
    with contextlib.closing(connect_postgresql(parameters, writing=True, timeout=60)) as other:
        other.execute("LOCK TABLE state_parts IN ACCESS EXCLUSIVE MODE")
        state = make_state("second")
        with at_most(10), pytest.raises(SaveFailed, match=r"statement timeout.*see what keeps the server busy"):
            store.sync(state)
        with at_most(10), pytest.raises(StoreUnavailable, match="statement timeout"):
            store.load()
        assert state.last_updated_at is None
    store.sync(state)
    assert store.load().name == "second"


def test_what_a_server_is_asked_for(store: SQLStateStore):
    """A commit that is on the disk; and to notice soon that a writer is gone, with which the lock goes."""
    wanted = {"synchronous_commit": "on", "statement_timeout": "1s"}
    with store._writer.connection.begin():
        connection = store._writer.connection
        found = {name: connection.execute(text(f"SHOW {name}")).scalar() for name in wanted}
    assert found == wanted
    assert {"tcp_keepalives_idle", "tcp_keepalives_interval"} == set(module._SETTINGS)


@pytest.mark.slow
def test_maintenance_may_take_longer(store: SQLStateStore):
    with store.writing() as connection:
        connection.execute(text("SELECT pg_sleep(2)"))
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "1h"


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing():
    """As a proxy does whose server is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        store = SQLStateStore(f"postgresql://user@127.0.0.1:{port}/trading?connect_timeout=2#demo")
        with at_most(12), pytest.raises(StoreUnavailable, match="timeout"):
            store.load()
        state = make_state()
        with at_most(12), pytest.raises(SaveFailed, match="see that the database server runs"):
            store.sync(state)
        assert state.last_updated_at is None


def test_a_server_that_is_just_starting_is_tried_once_more():
    """It refuses the first connection, and answers the second."""
    answers: list[bytes] = []

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                answers.append(connection.recv(8))
                message = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"
                connection.sendall(b"E" + (len(message) + 4).to_bytes(4, "big") + message)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        port = server.getsockname()[1]
        store = SQLStateStore(f"postgresql://user@127.0.0.1:{port}/trading?sslmode=disable&gssencmode=disable#demo")
        with pytest.raises(StoreUnavailable, match="starting up"):
            store.load()
        thread.join(10)
    assert len(answers) == 2


def test_a_connection_that_was_closed_between_two_saves_is_replaced(store: SQLStateStore, postgresql: str):
    pid = find_backend(store)
    parameters = DatabaseAddress.parse(postgresql).get_connection_parameters()
    with contextlib.closing(connect_postgresql(parameters, writing=False, timeout=60)) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        other.commit()
    store.sync(make_state("second"))
    assert store.load().name == "second"
    assert len(store.history()) == 2


def test_a_connection_is_closed_when_its_settings_are_refused(postgresql: str, monkeypatch: pytest.MonkeyPatch):
    opened: list[module.TimedConnection] = []

    class Refusing(module.TimedConnection):
        def execute(self, *arguments: object, **options: object) -> None:  # pyright: ignore
            opened.append(self)
            raise psycopg.OperationalError("refused")

    parameters = DatabaseAddress.parse(postgresql).get_connection_parameters()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect_postgresql(parameters, writing=False, timeout=1, factory=Refusing)
    assert opened[0].closed


def test_a_server_that_wants_a_password_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch):
    def fail(*arguments: object, **options: object) -> None:
        raise psycopg.OperationalError("connection failed: fe_sendauth: no password supplied")

    monkeypatch.setattr(module.TimedConnection, "connect", fail)
    store = SQLStateStore("postgresql://user@host/trading#demo")
    with pytest.raises(StoreUnavailable, match=r"set PGPASSWORD, or put the password into ~/\.pgpass"):
        store.load()
    with pytest.raises(SaveFailed, match=r"set PGPASSWORD.*then save again"):
        store.sync(make_state())
