"""The address of a database: what it means, and that its password is never shown."""

import contextlib
import copy
import datetime
import pickle
import re
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit.store_contract import make_state
from tradeexecutor.database.address import (
    DatabaseAddress,
    check_name,
    is_address,
    is_connection_string,
    parse_as_of,
)
from tradeexecutor.database.connection import Database
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import InvalidValue, StateFileError

# --- Files


def test_a_relative_path_counts_from_where_it_was_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    address = DatabaseAddress.parse("sqlite:///trading.db#demo")
    assert address.file == tmp_path / "trading.db"
    assert str(address) == "sqlite:///trading.db#demo"
    monkeypatch.chdir("/")
    assert address.file == tmp_path / "trading.db"
    assert str(address) == f"sqlite:///{tmp_path}/trading.db#demo", "what is shown leads to the same file"
    assert address == DatabaseAddress.parse(str(address))


def test_links_are_followed_when_the_path_is_used(tmp_path: Path):
    link = tmp_path / "current.db"
    address = DatabaseAddress.of_file(link, "demo")
    for name in ("one.db", "two.db"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / name)
        assert address.path == tmp_path / name
        assert address.files_path == tmp_path / f"{name}.demo"
    assert address.file == link


@pytest.mark.parametrize(
    "name", ["a b.db", "a%b.db", "a%20b.db", "a#b.db", "a?b.db", "ä.db", "a@b.db", "a:b.db", "100%.db", "\udce4.db"]
)
def test_any_name_of_a_file(tmp_path: Path, name: str):
    address = DatabaseAddress.of_file(tmp_path / name, "demo")
    assert DatabaseAddress.parse(str(address)) == address
    with SQLStateStore(address) as store:
        store.sync(make_state())
    assert SQLStateStore(str(address)).load().name == "first"
    assert (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("trading.db", "not an address"),
        ("mysql://x/y#demo", "mysql:// is not supported"),
        ("sqlite://#demo", "three slashes"),
        ("sqlite://trading.db#demo", "three slashes"),
        ("sqlite:///#demo", "three slashes"),
        ("sqlite:////#demo", "three slashes"),
        ("sqlite:///:memory:#demo", "three slashes"),
        ("sqlite:///x.db?mode=ro#demo", "no parameters"),
        ("sqlite:///x\0.db#demo", "control characters"),
        ("sqlite:///x%00.db#demo", "names no file"),
        ("sqlite:///x\n.db#demo", "control characters"),
        ("sqlite:///x.db", "which strategy"),
        ("sqlite:///x.db#", "letters, digits"),
        ("sqlite:///x.db#a/b", "letters, digits"),
        ("sqlite:///x.db#../x", "letters, digits"),
        ("sqlite:///x.db#-rf", "letters, digits"),
        ("sqlite:///x.db#demo@noon", "neither a save"),
        ("sqlite:///x.db#demo@120", "leave out what stands after the @"),
        ("postgresql://h/d?password=a&password=b#demo", "gives a parameter twice"),
        ("postgresql://h:port/d#demo", "port in the address is not a number"),
        ("postgresql://h/d%00#demo", "control characters"),
    ],
)
def test_addresses_that_are_none(text: str, reason: str):
    with pytest.raises(InvalidValue, match=reason):
        SQLStateStore(text)


# --- Which save


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120", (120, None)),
        ("1,200", (1200, None)),
        ("cycle:15", (None, 15)),
        ("2026-03-01", (datetime.datetime(2026, 3, 1), None)),
        ("2026-03-01T12:30", (datetime.datetime(2026, 3, 1, 12, 30), None)),
        ("2026-03-01T12:30+02:00", (datetime.datetime(2026, 3, 1, 10, 30), None)),
    ],
)
def test_which_save_is_meant(text: str, expected: tuple[object, object]):
    assert parse_as_of(text) == expected
    address = DatabaseAddress.parse(f"sqlite:////x.db#demo@{text}")
    assert (address.at, address.cycle) == expected
    assert DatabaseAddress.parse(str(address)) == address
    assert address.newest == DatabaseAddress.parse("sqlite:////x.db#demo") != address
    assert address.with_strategy("other").at == address.at


@pytest.mark.parametrize(
    "text", ["", "noon", "cycle:", "cycle:x", "-1", "1" * 19, "cycle:" + "9" * 19, "٣", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_save(text: str):
    with pytest.raises(InvalidValue, match="neither a save"):
        parse_as_of(text)


def test_names_that_are_too_long():
    assert check_name("a" * 200)
    with pytest.raises(InvalidValue, match="at most 200"):
        check_name("a" * 201)


# --- Servers


@pytest.mark.parametrize(
    ("text", "shown", "parameters"),
    [
        (
            "postgresql://user:secret@host:5432/trading#demo",
            "postgresql://user@host:5432/trading#demo",
            {"user": "user", "password": "secret", "host": "host", "port": "5432", "dbname": "trading"},
        ),
        (
            "postgres+psycopg://user%40corp:p%40ss%2F%25@host/my%20db#demo",
            "postgresql://user%40corp@host/my%20db#demo",
            {"user": "user@corp", "password": "p@ss/%", "host": "host", "dbname": "my db"},
        ),
        (
            "postgresql:///trading?host=/run/pg&password=secret&sslmode=require&sslpassword=x&options=-c%20a.b%3Dc#demo",
            "postgresql:///trading?host=/run/pg&sslmode=require#demo",
            {
                "dbname": "trading",
                "host": "/run/pg",
                "password": "secret",
                "sslmode": "require",
                "sslpassword": "x",
                "options": "-c a.b=c",
            },
        ),
        ("postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d", {"host": "::1", "port": "5432", "dbname": "d"}),
        (
            "postgresql:///d?host=a&host=b&port=1&port=2#x",
            "postgresql:///d?host=a,b&port=1,2#x",
            {"dbname": "d", "host": "a,b", "port": "1,2"},
        ),
        ("postgresql://user:@host/d#x", "postgresql://user@host/d#x", {"user": "user", "host": "host", "dbname": "d"}),
        ("postgresql://#x", "postgresql:///#x", {}),
    ],
)
def test_what_an_address_says_and_what_is_shown_of_it(text: str, shown: str, parameters: dict[str, str]):
    address = DatabaseAddress.parse(text)
    assert str(address) == shown
    assert address.get_connection_parameters() == parameters
    again = DatabaseAddress.parse(shown)
    assert str(again) == shown
    assert not again.is_hiding
    assert again.strategy == address.strategy
    for key, value in again.get_connection_parameters().items():
        assert parameters[key] == value


# --- Passwords

PASSWORD = st.text(string.ascii_letters + string.digits + "@:/?#%&=+ '\"\\;!äß", min_size=6, max_size=24).map(
    lambda text: f"Q{text}Z"
)

#: Where a password may stand in an address, written as it should be.
FORMS = [
    "postgresql://user:{}@host:5432/trading#demo",
    "postgresql://:{}@host/trading#demo@120",
    "postgres://user@host/trading?password={}&sslmode=require#demo",
    "postgresql+psycopg:///trading?host=/tmp&sslpassword={}#demo",
    "postgresql://host/trading?unknown_parameter={}",
]


def show(address: DatabaseAddress) -> str:
    """Everything that may be printed about an address."""
    store = SQLStateStore(address.newest.with_strategy("demo"))
    database = Database(address)
    return "\n".join(
        [
            *(str(address), repr(address), f"{address}", address.name, address.database),
            *map(repr, (address.newest, address.with_strategy("x"), [address], {"address": address}, store, database)),
            repr(database._reader),
            repr(database._writer.url),
            repr(vars(store)),
            repr(vars(database)),
            repr(copy.deepcopy(address)),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@given(password=PASSWORD)
@example("Qsecret%20pwZ")
def test_a_password_is_never_shown(form: str, password: str):
    encoded = quote(password, safe="")
    address = DatabaseAddress.parse(form.format(encoded))
    assert password in address.get_connection_parameters().values()
    assert address.is_hiding
    shown = show(address)
    assert password not in shown
    assert encoded not in shown
    assert pickle.loads(pickle.dumps(address)) == address


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@given(password=PASSWORD)
@example("Qp@sswordZ")
@example("Qp#sswordZ")
@example("Qp/sswordZ")
@example("Qp:ss@wordZ")
@example("Qp?ss&wordZ")
@example("Q%zz%00%wordZ")
def test_a_password_that_is_not_encoded_is_not_shown_either(form: str, password: str):
    """Such an address is mostly refused, and then the error must not repeat what might be a part of a password.

    What stands behind a # is the name of a strategy, unless the address makes no sense so.
    """
    if "?" in form:
        password = password.replace("#", "")
    try:
        shown = show(DatabaseAddress.parse(form.format(password)))
    except InvalidValue as error:
        shown = str(error)
    always_shown = form + show(DatabaseAddress.parse(form.format("Q0Z")))
    for piece in re.split("[@:/?#%&=+ '\"\\\\;!]", password):
        assert len(piece) < 5 or piece in always_shown or piece not in shown


@pytest.mark.parametrize(
    "text",
    [
        "postgresql:/user:secretpw@host/trading",
        "postgresql:user:secretpw@host/trading",
        "postgres:secretpw@host",
        "POSTGRESQL://user:secretpw@host:port/trading",
        "mysql://user:secretpw@host/trading",
        "postgresql://user:secretpw@ho@st/trading",
        "postgresql://user:sec/retpw@host/trading#a/b",
        "host=localhost password=secretpw dbname=trading",
        "postgresql://host/trading#demo secretpw",
        "postgresql://host/trading#demo@secretpw",
        "postgresql://us/er:secretpw@host/trading",
        "postgresql://user:secretpw@host/trading\n",
        "postgresql://user:secretpw@host/trading#a\0b",
    ],
)
def test_what_is_no_address_is_not_repeated(text: str):
    assert is_address(text) or is_connection_string(text), "it is not taken for the name of a file"
    with pytest.raises(InvalidValue) as failure:
        DatabaseAddress.parse(text)
    assert "secretpw" not in str(failure.value)
    assert "retpw" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


@pytest.mark.parametrize("text", ["demo.json", "/var/trading.db", "C:/x.json", "sqlite.json", "postgres", "a=b.json"])
def test_names_of_files_are_no_addresses(text: str):
    assert not is_address(text)
    assert not is_connection_string(text)


@pytest.mark.slow
def test_errors_of_the_driver_have_no_password():
    """Also where the driver repeats what it was told."""
    for text in (
        "postgresql://nobody:secretpw@127.0.0.1:1/none#demo",
        "postgresql://nobody@127.0.0.1:1/none?password=secretpw#demo",
        "postgresql://nobody:secretpw@127.0.0.1:1/none?no_such_option=secretpw#demo",
        "postgresql://nobody:secretpw@127.0.0.1:1/none?sslmode=secretpw#demo",
        "postgresql://nobody:secretpw@127.0.0.1:1/none?autocommit=secretpw#demo",
    ):
        store = SQLStateStore(text)
        for call in (store.load, store.is_pristine, lambda store=store: store.sync(make_state())):
            error: BaseException | None = None
            with contextlib.suppress(StateFileError):
                try:
                    call()
                except StateFileError as found:
                    error = found
                    raise
            assert error is not None
            while error is not None:
                if "sslmode=" not in text:
                    assert "secretpw" not in f"{error}{error!r}{error.__dict__}", text
                error = error.__cause__ or error.__context__
