"""Every command on files and databases that are damaged, strange, or changed at random: documented ends, nothing else.

A command ends with an exit code of the table in `tradeexecutor.cli.failure`, and an error is one of ours: never a
traceback, never "unexpected", whatever the file contains. The command lines are those of `tests.kit.command_lines`.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.faults.mutate import iterate_places
from tests.kit.command_lines import COMMAND_LINES, fill
from tests.kit.command_runner import STRATEGY
from tests.kit.soak import SOAK, scaled
from tests.kit.store_contract import make_state
from tests.kit.whole import make_whole_state
from tradeexecutor.cli.main import app
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

#: Commands that run a strategy over candles, or until they are stopped, read no state first.
RUNNING = {"backtest", "demo", "demo-live", "lookahead", "optimize", "start", "version"}

LINES = [f"{command} {line}" for command, lines in COMMAND_LINES.items() if command not in RUNNING for line in lines]
FILE_LINES = [line for line in LINES if " S" in line]
DATABASE_LINES = [line for line in LINES if " D" in line]

#: Seconds; the slowest command takes one.
TIME_LIMIT = 60


def run(line: str, words: dict[str, str]) -> str:
    """Why the end of a command is not a documented one; empty when it is."""
    result = invoke(line, words)
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        return f"raised {type(error).__name__}: {str(error)[:200]}"
    if result.exit_code not in (0, 1, 2):
        return f"exit code {result.exit_code}"
    for word in ("Error: unexpected ", "Traceback", "sqlalchemy", "please report", "out of memory"):
        if word in result.stderr:
            return result.stderr.strip()[:300]
    if result.exit_code == 1 and not result.output.strip():
        return "failed without a word"
    return ""


def invoke(line: str, words: dict[str, str]) -> Result:
    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(TIME_LIMIT)
    try:
        return CliRunner().invoke(app, fill(line, words))
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def stop(*_: Any) -> None:
    raise RuntimeError("the command takes too long")


def make_words(folder: Path, state: object = "", database: object = "") -> dict[str, str]:
    """What the letters of the command lines stand for."""
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    strategy = folder / "strategy.py"
    strategy.write_text(STRATEGY)
    address = f"sqlite:///{database}"
    return {"S": str(state), "D": f"{address}#demo", "DB": address, "F": str(output), "C": str(strategy)}


# --- Files


WHOLE = make_whole_state().to_json().encode()

Damage = Callable[[Path], object]


def write(content: bytes) -> Damage:
    return lambda path: path.write_bytes(content)


DAMAGES: dict[str, Damage] = {
    "missing": lambda path: None,
    "empty": write(b""),
    "blank": write(b" \n"),
    "half": write(WHOLE[: len(WHOLE) // 2]),
    "one byte short": write(WHOLE[:-1]),
    "one byte": write(b"{"),
    "null": write(b"null"),
    "number": write(b"1"),
    "text": write(b'"state"'),
    "list": write(b"[{}]"),
    "object": write(b"{}"),
    "NaN": write(WHOLE.replace(b'"cycle":', b'"cycle":NaN,"x":', 1)),
    "infinity": write(b'{"portfolio":Infinity}'),
    "zeros": write(bytes(5_000)),
    "binary": write(random.Random(1).randbytes(5_000)),
    "UTF-16": write(WHOLE.decode().encode("utf-16")),
    "byte order mark": write(b"\xef\xbb\xbf" + WHOLE),
    "half a character": write(WHOLE.replace(b'"name":"', b'"name":"\xe2\x82', 1)),
    "lone surrogate": write(WHOLE.replace(b'"name":"', b'"name":"\\ud800', 1)),
    "twice": write(WHOLE * 2),
    "equal keys": write(b'{"name":"a",' + WHOLE[1:]),
    "nested lists": write(b"[" * 200_000),
    "nested objects": write(b'{"a":' * 200_000),
    "nested value": write(b'{"name":' + b"[" * 5_000 + b"]" * 5_000 + b"," + WHOLE[1:]),
    "huge integer": write(b'{"cycle":' + b"9" * 10_000 + b"}"),
    "huge exponent": write(b'{"cycle":1e999999999}'),
    "Python": write(b"import os"),
    "pickle": write(b"\x80\x04N."),
    "gzip": write(b"\x1f\x8b\x08\x00" + bytes(100)),
    "database": lambda path: sqlite3.connect(path).executescript("CREATE TABLE a (b)").connection.close(),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
    "socket": lambda path: bind(path),
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "nothing": lambda path: path.symlink_to("/dev/null"),
    "broken link": lambda path: path.symlink_to(path.with_name("nowhere")),
    "circle": lambda path: path.symlink_to(path),
    "size unknown": lambda path: path.symlink_to("/proc/self/status"),
}


def bind(path: Path) -> None:
    os.chdir(path.parent)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def pick_lines(lines: list[str], number: int, randomness: random.Random) -> list[str]:
    """So many lines in an ordinary run, all of them in a soak test."""
    return lines if SOAK > 1 else randomness.sample(lines, number)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str):
    monkeypatch.chdir(tmp_path)
    failures: list[str] = []
    for line in pick_lines(FILE_LINES, 6, random.Random(damage)):
        path = tmp_path / "state.json"
        remove(path)
        DAMAGES[damage](path)
        reason = run(line, make_words(tmp_path, path, tmp_path / "trading.db"))
        failures += [f"{line}: {reason}"] if reason else []
    assert not failures


def remove(path: Path) -> None:
    for item in path.parent.glob(f"{path.name}*"):
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()


# --- Values


_NUMBER_TEXTS = ("0", "-0", "1E+90", "-1E+90", "1E-90", "9.9E+90", "-1", "1E+30", "0E-18", "1" * 100, "0." + "3" * 200)
_TEXTS = ("", "x", "\0", "é" * 100, "0x" + "0" * 40, None, "=1+1", "\x1b[31m", "A" * 5_000)


def extreme_value(old: Any, randomness: random.Random) -> Any:
    """A value of the kind of another one, as far out as can be."""
    choices: tuple[Any, ...]
    if isinstance(old, bool):
        choices = (not old, None)
    elif isinstance(old, int):
        choices = (0, -1, 1, 2**53 - 1, 1 - 2**53, old + 1, old * 1_000, -old, None, 253402300799, -62135596800, 10**10)
    elif isinstance(old, float):
        choices = (0.0, -1.0, 1e90, -1e90, 1e300, -1.7e308, 5e-324, -0.0, old * 1e6, -old, None, 253402300799.0)
    elif isinstance(old, str):
        is_number = old.lstrip("-")[:1].isdigit() and not old.startswith("0x")
        choices = (
            "",
            "x",
            "\0",
            "é" * 100,
            "0x" + "0" * 40,
            None,
            old.upper(),
            old + "x",
            "=1+1",
            "\x1b[31m",
            "A" * 5_000,
        )
        if is_number:
            choices = (
                "0",
                "-0",
                "1E+90",
                "-1E+90",
                "1E-90",
                "9.9E+90",
                "-1",
                "1E+30",
                "0E-18",
                "1" * 100,
                "0." + "3" * 200,
            )
    elif isinstance(old, list):
        choices = ([], old + old, old[::-1], None, old[:1])
    elif isinstance(old, dict):
        choices = ({}, None, dict(list(old.items())[:1]), dict(reversed(list(old.items()))))
    else:
        choices = (0, 1, 1.5, "1", "x", True, 1704067200, {}, [], "1E+90")
    return randomness.choice(choices)


def stretch(tree: dict[str, Any], randomness: random.Random) -> None:
    """Set a few values of a tree as far out as can be."""
    for _ in range(randomness.choice((1, 1, 2, 3, 8))):
        places = list(iterate_places(tree))
        container, key = randomness.choice(places)
        container[key] = extreme_value(container[key], randomness)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_state_of_extreme_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    randomness = random.Random(5 if SOAK == 1 else None)
    originals = [json.dumps(make_state().to_dict()), *[json.dumps(make_whole_state().to_dict())] * 2]
    path = tmp_path / "state.json"
    failures: list[str] = []
    tried = 0
    while tried < (25 if SOAK == 1 else scaled(60)):
        tree = json.loads(randomness.choice(originals))
        stretch(tree, randomness)
        content = json.dumps(tree)
        with contextlib.suppress(TradeExecutorError):
            State.from_json(content)
            tried += 1
            line = randomness.choice(FILE_LINES)
            remove(path)
            path.write_text(content)
            reason = run(line, make_words(tmp_path, path, tmp_path / f"{tried}.db"))
            failures += [f"{line}: {reason}"] if reason else []
    assert not failures


# --- Databases


def execute(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def change_bytes(at: int, content: bytes) -> Damage:
    def change(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)

    return change


def cut(share: float) -> Damage:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def sql(*statements: str) -> Damage:
    return lambda path: execute(path, *statements)


DATABASE_DAMAGES: dict[str, Damage] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no database" * 100),
    "zeros": lambda path: path.write_bytes(bytes(8_192)),
    "head only": lambda path: os.truncate(path, 100),
    "half": cut(0.5),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "endless": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "circle": lambda path: (path.unlink(), path.symlink_to(path)),
    "page size": change_bytes(16, b"\x00\x03"),
    "newer format": change_bytes(18, b"\x09\x09"),
    "schema page": change_bytes(110, bytes(range(200))),
    "other tables": lambda path: (path.unlink(), execute(path, "CREATE TABLE a (b)")),
    "no tables": sql("DROP TABLE state_parts", "DROP TABLE state_revisions"),
    "view": sql("DROP TABLE state_parts", "CREATE VIEW state_parts AS SELECT 1 AS strategy_id"),
    "no parts": sql("DELETE FROM state_parts"),
    "no revisions": sql("DELETE FROM state_revisions"),
    "no strategy": sql("DELETE FROM state_strategies"),
    "no layout": sql("DELETE FROM state_layout"),
    "future layout": sql("UPDATE state_layout SET version = 99"),
    "column missing": sql("ALTER TABLE state_parts DROP COLUMN body"),
    "null body": sql("UPDATE state_parts SET body = zeroblob(20)"),
    "text body": sql("UPDATE state_parts SET body = 'x'"),
    "number body": sql("UPDATE state_parts SET body = 5"),
    "text number": sql("UPDATE state_revisions SET number = 'x' WHERE number = 1"),
    "huge numbers": sql("UPDATE state_strategies SET newest = 9223372036854775807, oldest = -9223372036854775808"),
    "huge revision": sql("UPDATE state_revisions SET number = 9223372036854775807 WHERE number = 1"),
    "bad time": sql("UPDATE state_revisions SET saved_at = 'yesterday'"),
    "bad summary": sql("UPDATE state_revisions SET summary = '[['"),
    "binary name": sql("UPDATE state_strategies SET name = x'fffe'"),
    "bad path": sql("UPDATE state_parts SET path = '/~9' WHERE rowid = 1"),
    "log of noise": lambda path: path.with_name(f"{path.name}-wal").write_bytes(random.Random(3).randbytes(9_000)),
}


def prepare_database(path: Path) -> None:
    with SQLStateStore(f"sqlite:///{path}#demo") as store:
        state = make_state()
        for cycle in (1, 2):
            state.cycle = cycle
            store.sync(state)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", DATABASE_DAMAGES)
def test_a_damaged_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str):
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state.json"
    state.write_bytes(WHOLE)
    good = tmp_path / "good" / "trading.db"
    good.parent.mkdir()
    prepare_database(good)
    failures: list[str] = []
    for line in pick_lines(DATABASE_LINES, 6, random.Random(damage)):
        path = tmp_path / "trading.db"
        remove(path)
        shutil.copy(good, path)
        DATABASE_DAMAGES[damage](path)
        reason = run(line, make_words(tmp_path, state, path))
        failures += [f"{line}: {reason}"] if reason else []
    assert not failures


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_locked_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    state, path = tmp_path / "state.json", tmp_path / "trading.db"
    state.write_bytes(WHOLE)
    prepare_database(path)
    monkeypatch.setattr("tradeexecutor.database.sqlite._BUSY_TIMEOUT", 2.0)
    failures: list[str] = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        for line in ("store convert S D", "store compact D --keep 1 --yes", "show-trades D", "validate D"):
            reason = run(line, make_words(tmp_path, state, path))
            failures += [f"{line}: {reason}"] if reason else []
    assert not failures
