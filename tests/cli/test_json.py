"""Every command that prints a table or a list prints it as JSON, too: one document, with the same exit code."""

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.kit.accounts import save_accounts
from tests.kit.command_runner import STRATEGY, Run
from tests.kit.trader import USDC
from tests.support import REPOSITORY
from tradeexecutor.cli import example_files
from tradeexecutor.cli.command_table import COMMANDS, STORE_COMMANDS
from tradeexecutor.cli.lazy_commands import LazyCommand
from tradeexecutor.cli.main import app

EVERY_COMMAND = {entry.name: entry for entry in COMMANDS} | {f"store {entry.name}": entry for entry in STORE_COMMANDS}

#: Commands without --json, and why.
WITHOUT_JSON = {
    "demo-live": "shows what happens as it happens, and ends with three commands that have --json",
    "start": "runs until it is stopped, and reports what it does as it does it",
    "console": "prints what the code of the user prints",
    "dashboard": "runs until it is stopped",
    "webapi": "runs until it is stopped",
    "schema": "prints JSON in any case",
}


def test_every_command_prints_json_or_says_here_why_not():
    without = [
        name
        for name, entry in EVERY_COMMAND.items()
        if not any("--json" in parameter.opts for parameter in LazyCommand(entry).load().params)
    ]
    assert without == [name for name in EVERY_COMMAND if name in WITHOUT_JSON]


STATE, BOOKS = "state.json", "books/state.json"
DATABASE = "sqlite:///trading.db#demo"
CANDLES = ("--data", "candles.csv")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that `ARGUMENTS` name; they are copied, because commands write."""
    folder = tmp_path_factory.mktemp("json")
    (folder / "ten_days.py").write_text(STRATEGY)
    rows = [f"2024-01-{day:02},{99 + day},{100 + day},{99 + day},{100 + day},5" for day in range(1, 31)]
    (folder / "candles.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    (folder / "books").mkdir()
    (folder / "fleet.toml").write_text('[strategies.a]\nstrategy = "ten_days.py"\nstate_file = "state.json"\n')
    save_accounts(folder / "books")
    event = {"kind": "deposit", "time": "2022-03-01", "chain_id": 1, "token": USDC.address, "amount": "5"}
    (folder / "events.json").write_text(json.dumps([event | {"tx_hash": "0x1", "log_index": 0}]))
    with contextlib.chdir(folder):
        for words in (
            ("backtest", "ten_days.py", *CANDLES, "--output", "."),
            ("check-accounts", BOOKS, "--write-balances", "balances.json"),
            ("store", "convert", STATE, DATABASE),
        ):
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test: a copy of the template."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


#: What each command is given, besides --json; several lines where it has several lists.
ARGUMENTS: dict[str, list[tuple[str, ...]]] = {
    "demo": [],  # below, with fewer examples
    "backtest": [("ten_days.py", *CANDLES)],
    "optimize": [("ten_days.py", *CANDLES, "--param", "share=0.1:0.5:0.2", "--jobs", "1")],
    "download": [],  # needs an interface, see tests/cli/commands/test_download.py
    "init": [("new.json", "--name", "N", "--chain-id", "1", "--address", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")],
    "fleet": [("fleet.toml", "--status")],
    "perform-test-trade": [],  # need a chain, see tests/ethereum
    "check-position-triggers": [],
    "close-all": [],
    "show-statistics": [(STATE,)],
    "show-positions": [(STATE,), (STATE, "--position-type", "all", "--tx-type", "all")],
    "show-trades": [(STATE,)],
    "show-valuation": [(STATE,), (STATE, "--position-type", "all")],
    "chart": [("--list",), ("equity", STATE)],
    "report": [(STATE,)],
    "compare": [(STATE, STATE)],
    "export": [(STATE, "--columns"), (STATE, "-o", "tables", "--force")],
    "query": [("select trade_id, pair from trades", STATE)],
    "validate": [(STATE,), (STATE, STATE)],
    "check-trades": [(STATE,)],
    "check-accounts": [(BOOKS, "--balances", "balances.json")],
    "lookahead": [("ten_days.py", *CANDLES)],
    "audit": [(STATE,)],
    "repair": [(STATE, "--dry-run")],
    "retry": [(STATE, *CANDLES, "--dry-run")],
    "close-position": [(STATE, "--close-dust", "--dry-run")],
    "sync-treasury": [(BOOKS, "--events", "events.json", "--dry-run")],
    "correct-accounts": [(BOOKS, "--balances", "balances.json", "--dry-run")],
    "correct-history": [(STATE, "--remove-duplicate-timestamp-stats", "--dry-run")],
    "blacklist": [(STATE,)],
    "reset-state": [(STATE, "--dry-run")],
    "prune-state": [(STATE, "--dry-run")],
    "unprune-state": [(STATE, "--dry-run")],
    "version": [()],
    "store verify": [(STATE,), (DATABASE,)],
    "store generations": [(STATE,)],
    "store recover": [(STATE, "--dry-run"), (DATABASE, "--dry-run")],
    "store list": [("sqlite:///trading.db",)],
    "store history": [(DATABASE,)],
    "store show": [(DATABASE,)],
    "store diff": [(DATABASE, "1", "1")],
    "store convert": [],  # below, it writes a new database each time
    "store compact": [(DATABASE, "--keep", "1", "--dry-run")],
}


def test_all_of_them_are_tried():
    assert list(ARGUMENTS) == [name for name in EVERY_COMMAND if name not in WITHOUT_JSON]


def iterate_numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from iterate_numbers(item)
    elif isinstance(value, float):
        yield value


def read_document(result: Result) -> Any:
    """The only document on standard output; its numbers are numbers."""
    assert result.stdout.isascii()
    document = json.loads(result.stdout)
    assert all(map(math.isfinite, iterate_numbers(document)))
    return document


@pytest.mark.slow  # half a minute, all of them together
@pytest.mark.parametrize(
    ("command", "arguments"),
    [(command, arguments) for command, lines in ARGUMENTS.items() for arguments in lines],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_json_is_one_document_with_the_same_exit_code(run: Run, folder: Path, command: str, arguments: tuple[str, ...]):
    words = (*command.split(), *arguments)
    result = run(*words, "--json")
    assert result.exit_code in (0, 1)
    document = read_document(result)
    assert isinstance(document, dict | list)
    (folder / "new.json").unlink(missing_ok=True)
    for_people = run(*words)
    assert for_people.exit_code == result.exit_code, for_people.output
    assert for_people.stdout != result.stdout


def test_convert(run: Run, folder: Path):
    document = read_document(run("store", "convert", STATE, "sqlite:///other.db#demo", "--json"))
    assert document["target"] == "sqlite:///other.db#demo"


def test_demo(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch):
    names = ["trend_following", "vault_allocation"]
    (folder / "examples").mkdir()
    for name in names:
        shutil.copy(REPOSITORY / "examples" / f"{name}.py", folder / "examples")
    monkeypatch.setattr(example_files, "_FOLDERS", (folder / "examples",))
    document = read_document(run("demo", "--json"))
    assert [Path(item["state_file"]).parent.name for item in document] == names
    assert all(item["trades"] > 0 for item in document)


def flip(kind: str) -> Callable[[Path], object]:
    return {"empty": lambda path: path.write_text(""), "gone": Path.unlink}[kind]


@pytest.mark.parametrize("kind", ["empty", "gone"])
@pytest.mark.parametrize("command", ["validate", "show-trades", "audit"])
def test_what_fails_fails_with_json_too(run: Run, folder: Path, kind: str, command: str):
    flip(kind)(folder / STATE)
    with_json, without = run(command, STATE, "--json"), run(command, STATE)
    assert with_json.exit_code == without.exit_code == 1
    assert not with_json.stdout or json.loads(with_json.stdout)
