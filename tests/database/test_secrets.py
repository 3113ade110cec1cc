"""No command shows the password of a database: not in what it prints, writes, or tells to run next."""

import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.kit.store_contract import make_state
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.cli.main import app
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore

SECRET = "S3cretPassw0rd"

#: How an address gives a password.  The server of the tests trusts everybody, so any password is right.
FORMS: dict[str, Callable[[str], str]] = {
    "in the authority": lambda url: url.replace("postgres:@", f"postgres:{SECRET}@"),
    "as a parameter": lambda url: f"{url}&password={SECRET}",
    "of a key": lambda url: f"{url}&sslpassword={SECRET}",
}


def run(*arguments: object) -> tuple[int, str]:
    """Exit code of a command, and everything that it prints, with log messages and tracebacks."""
    result = CliRunner().invoke(app, ["--debug", *map(str, arguments)])
    output = result.output
    if result.exception is not None:
        output += "".join(traceback.format_exception(result.exception))
    return result.exit_code, output


@pytest.fixture(params=FORMS)
def address(postgresql: str, request: pytest.FixtureRequest) -> str:
    """A strategy with four saves."""
    if "postgres:@" not in postgresql:
        pytest.skip("this server is addressed in another way")
    url = FORMS[request.param](postgresql)
    name = f"secrets-{list(FORMS).index(request.param)}"
    state = new_state()
    trader = Trader(state)
    with SQLStateStore(f"{url}#{name}") as store:
        if store.is_pristine():
            for trade in (trader.buy, trader.sell, trader.buy, trader.sell):
                trade(WETH_USDC, "1", 2000.0)
                store.sync(state)
    return f"{url}#{name}"


READING = """
show-statistics A
show-positions A
show-trades A
show-valuation A
check-trades A
validate A
audit A
compare A A
report A -o page.html
chart equity A -o chart.html
export A -o tables --force
console A --code print(state)
repair A --dry-run
repair A --dry-run --json
blacklist A
store list D
store history A
store history A --json
store verify A
store verify A --json
store show A --at 1
store diff A 1 2
store recover A --dry-run --at 1 --json
store compact A --keep 1 --dry-run --json
store convert A copy.json --json
"""

CHANGING = """
blacklist A --add-token 0x0000000000000000000000000000000000000001 --yes
blacklist A --add-token 0x0000000000000000000000000000000000000002 --yes --json
repair A --yes --json
prune-state A --yes
store recover A --at 1 --yes
store recover A --at 2 --yes --json
store compact A --keep 2 --yes
"""

WRONG = """
show-positions A@999
show-positions A@noon
store show A --at 999
store history Ax
store convert A A
store compact A@1 --keep 1
unprune-state A --yes
validate A A
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [READING, CHANGING, WRONG], ids=["reading", "changing", "wrong"])
def test_no_command_shows_a_password(address: str, lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    codes: list[int] = []
    for line in lines.strip().splitlines():
        words = [
            word.replace("A", address) if word.startswith("A") else address.partition("#")[0] if word == "D" else word
            for word in line.split()
        ]
        code, output = run(*words)
        codes.append(code)
        assert SECRET not in output, line
        assert "***" not in output, line
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    if lines == READING:
        assert codes.count(0) >= len(codes) - 3, codes
    if lines == WRONG:
        assert 0 not in codes[:6], codes


@pytest.mark.slow
def test_the_command_that_undoes_a_change_works_without_the_password(postgresql: str):
    url = FORMS["in the authority"](postgresql)
    with SQLStateStore(f"{url}#undo") as store:
        store.sync(make_state())
    token = "0x0000000000000000000000000000000000000001"
    code, output = run("blacklist", f"{url}#undo", "--add-token", token, "--yes")
    assert code == 0, output
    assert "Set PGPASSWORD first" in output
    found = re.search(r"tradeexecutor store recover .*--at 1", output)
    assert found is not None, output
    code, output = run(*shlex.split(found[0])[1:], "--yes")
    assert code == 0, output
    assert [record.summary.restored for record in store.history()] == [None, None, 1]


UNREACHABLE = [
    f"postgresql://user:{SECRET}@127.0.0.1:1/trading#demo",
    f"postgresql://user@127.0.0.1:1/trading?password={SECRET}#demo",
    f"postgresql://user:{SECRET}@127.0.0.1:1/trading?no_such_parameter=1#demo",
    f"postgresql:/user:{SECRET}@host/trading#demo",
    f"postgresql://user:pass@{SECRET}@host/trading#demo",
    f"postgresql://user:pass#{SECRET}@host/trading#demo",
    f"postgresql://user:pass/{SECRET}@host:port/trading#demo",
    f"mysql://user:{SECRET}@host/trading#demo",
    f"host=127.0.0.1 port=1 user=user password={SECRET} dbname=trading",
]


@pytest.mark.slow
@pytest.mark.parametrize("text", UNREACHABLE)
@pytest.mark.parametrize(
    "command",
    [
        "show-positions A",
        "store list A",
        "store history A",
        "store verify A",
        "store convert A x.json",
        "repair A --yes",
    ],
)
def test_no_error_shows_a_password(text: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code, output = run(*(text if word == "A" else word for word in command.split()))
    assert code in (1, 2)
    assert SECRET not in output
    assert "unexpected" not in output


def test_a_password_in_the_environment_is_the_advice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGPASSWORD", SECRET)
    code, output = run("store", "list", "postgresql://user@127.0.0.1:1/trading")
    assert code == 1
    assert SECRET not in output


def test_what_a_server_is_told_about_us_has_no_password(postgresql: str):
    """Anybody on the server sees the name of the application."""
    from sqlalchemy import text

    url = FORMS["in the authority"](postgresql)
    with SQLStateStore(f"{url}#names") as store, store.writing() as connection:
        names = [row[0] for row in connection.execute(text("SELECT application_name FROM pg_stat_activity"))]
    assert any(name.startswith(f"tradeexecutor {os.getpid()}") for name in names)
    assert not any(SECRET in name for name in names)
    assert SECRET not in " ".join(sys.argv)
    assert not DatabaseAddress.parse(postgresql).is_hiding
