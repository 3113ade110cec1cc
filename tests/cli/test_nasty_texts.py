"""No text of a state, a path or an error does anything to the terminal, whichever command shows it."""

import json
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command_lines import COMMAND_LINES, fill
from tests.kit.command_runner import Run, Spawn
from tests.kit.nasty import NASTY, find_raw_characters, make_nasty_state
from tradeexecutor.cli.command_table import COMMANDS, STORE_COMMANDS
from tradeexecutor.cli.failure import set_debug
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nasty() -> State:
    state, fields = make_nasty_state()
    assert {"name", "token_symbol", "notes", "revert_reason", "blacklist_reason", "messages", "stack_trace"} <= fields
    return state


@pytest.fixture
def words(tmp_path: Path, nasty: State, strategy: Path) -> dict[str, str]:
    """What the letters of `COMMAND_LINES` stand for; the folder has a nasty name."""
    folder = tmp_path / "F\x1b[31m\u202e\x9b"
    folder.mkdir()
    for name in ("state.json", "copy.json"):
        (folder / name).write_text(nasty.to_json())
    database = f"sqlite:///{tmp_path}/trading.db"
    state = State.from_json(nasty.to_json())
    with SQLStateStore(f"{database}#demo") as store:
        state.cycle = 1
        store.sync(state)
        state.blacklist_reason = {}
        store.sync(state)
    return {
        "S": str(folder / "state.json"),
        "D": f"{database}#demo",
        "DB": database,
        "F": str(folder),
        "C": str(strategy),
    }


def test_every_command_is_tried():
    names = [entry.name for entry in COMMANDS] + [f"store {entry.name}" for entry in STORE_COMMANDS]
    assert sorted(names) == sorted(COMMAND_LINES)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("command", COMMAND_LINES)
def test_no_command_prints_a_raw_character(run: Run, words: dict[str, str], command: str, tmp_path: Path):
    if command == "correct-accounts":
        run("check-accounts", *fill("S --write-balances F/balances.csv", words))
    for line in COMMAND_LINES[command]:
        result = run(*command.split(), *fill(line, words))
        assert find_raw_characters(result.stdout) == set(), (line, result.stdout)
        assert find_raw_characters(result.stderr) == set(), (line, result.stderr)
        assert result.exit_code in (0, 1, 2), line
        assert "unexpected" not in result.stderr, (line, result.stderr)
        if "--json" in line and result.exit_code == 0:
            json.loads(result.stdout)
    for page in tmp_path.rglob("*.html"):
        assert find_raw_characters(page.read_text("utf-8").rpartition("<body")[2].partition("<script")[0]) == set(), (
            page
        )


def test_json_has_the_texts_as_they_are(run: Run, words: dict[str, str]):
    trades: Any = json.loads(run("show-trades", words["S"], "--json").stdout)
    assert f"{NASTY}-{NASTY}" in {trade["ticker"] for trade in trades}
    shown = run("store", "show", words["D"], "--json").stdout
    assert json.loads(shown)["name"] == NASTY


@pytest.mark.parametrize(
    "arguments",
    [
        (f"frobnicate{NASTY}".replace("\0", ""),),
        (f"--{NASTY}".replace("\0", ""),),
        ("show-trades", f"--{NASTY}".replace("\0", ""), "x"),
        ("show-trades", "x", "--limit", NASTY),
        ("show-trades", "x", "--status", NASTY),
        ("show-trades", NASTY),
        ("show-trades", "sqlite:///" + NASTY),
        ("chart", NASTY, "x"),
        ("store", NASTY),
        ("export", "x", "--table", NASTY, "--columns"),
        ("check-accounts", "x", "--tolerance", NASTY),
        ("--debug", "show-trades", NASTY.replace("\0", "")),
    ],
    ids=lambda arguments: ascii(arguments)[:40],
)
def test_errors_that_repeat_the_command_line(run: Run, arguments: tuple[str, ...]):
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert find_raw_characters(result.stderr) == set()
    assert result.stderr
    set_debug(enabled=False)


def test_log_messages(capsys: pytest.CaptureFixture[str]):
    set_debug(enabled=False)
    logging.getLogger("tradeexecutor.test").error("%s", NASTY)
    text = capsys.readouterr().err
    assert "\\x1b[31m" in text
    assert find_raw_characters(text) == set()


@pytest.mark.slow
def test_a_path_that_is_no_utf8(spawn: Spawn, tmp_path: Path):
    path = os.fsdecode(bytes(tmp_path) + b"/\xff.json")
    result = spawn("show-trades", path)
    assert result.returncode == 1
    assert r"\udcff.json" in result.stderr
    Path(path).write_text(State(name="demo").to_json())
    for options in (("validate", path), ("show-trades", path, "--json"), ("validate", path, "--json")):
        result = spawn(*options)
        assert result.returncode in (0, 1, 2), result.stderr
        assert "unexpected" not in result.stderr
