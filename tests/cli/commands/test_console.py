"""Python with a state loaded: nothing is written unless it is saved."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.kit.command_runner import Run
from tests.kit.every_kind_trader import TEXT
from tradeexecutor.cli.main import app
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    with JSONFileStore(path) as store:
        store.sync(State.read_json_blob(TEXT))
    return path


def test_a_last_expression_is_printed(run: Run, path: Path):
    result = run("console", path, "--code", "x = portfolio.next_trade_id\nx - 1")
    assert result.exit_code == 0
    assert int(result.stdout) == State.read_json_blob(TEXT).portfolio.next_trade_id - 1


@pytest.mark.parametrize(
    "code",
    [
        "state is not None and portfolio is state.portfolio",
        "len(positions()) == len(positions()) > 0",
        "len(trades()) == portfolio.next_trade_id - 1",
        "all(len(f().columns) for f in (balance_updates, valuations, portfolio_history, position_statistics, ledger))",
        "proof().is_balanced",
        "summary() is not None",
        "(pd.DataFrame, np.array, Decimal, datetime.datetime, derive(state), prove(state)) != ()",
    ],
)
def test_what_is_there(run: Run, path: Path, code: str):
    result = run("console", path, "--code", code)
    assert (result.exit_code, result.stdout.strip()) == (0, "True")


def test_code_can_come_from_standard_input(path: Path):
    result = CliRunner().invoke(app, ["console", str(path), "--code", "-"], input="for n in range(2):\n    print(n)\n")
    assert (result.exit_code, result.stdout) == (0, "0\n1\n")


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("1 +", 1, "line 1 of the code: invalid syntax"),
        ("x = 1\n\nx / 0", 1, "line 3 of the code: ZeroDivisionError: division by zero"),
        ("def f():\n    raise ValueError('no')\nf()", 1, "line 2 of the code: ValueError: no"),
        ("portfolio.get_position_by_id(999)", 1, "line 1 of the code: PositionNotFound"),
        ("import sys; sys.exit(7)", 7, ""),
        ("raise SystemExit('enough')", 1, "enough"),
        ("raise SystemExit", 0, ""),
    ],
)
def test_the_exit_status_is_that_of_the_code(run: Run, path: Path, code: str, status: int, text: str):
    result = run("console", path, "--code", code)
    assert result.exit_code == status
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_nothing_is_saved_unasked(run: Run, path: Path):
    before = path.read_bytes()
    assert run("console", path, "--code", "state.name = 'other'").exit_code == 0
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir() if "backup-" in item.name] == []


def test_saving_makes_a_backup_first(run: Run, path: Path):
    before = path.read_bytes()
    result = run("console", path, "--code", "state.name = 'other'\nprint(save().name)")
    assert result.exit_code == 0
    assert "state.console-backup-1.json" in result.stdout
    assert "store recover" in result.stdout
    assert (path.parent / "state.console-backup-1.json").read_bytes() == before
    assert State.read_json_file(path).name == "other"


def test_what_cannot_be_saved_changes_nothing(run: Run, path: Path):
    before = path.read_bytes()
    code = "portfolio.get_default_reserve_position().reserve_token_price = float('nan')\nsave()"
    result = run("console", path, "--code", code)
    assert result.exit_code == 1
    assert "BadStateData" in result.stderr
    assert path.read_bytes() == before
    assert not (path.parent / "state.console-backup-1.json").exists()


def test_a_state_that_somebody_else_writes_is_not_saved(run: Run, path: Path):
    with JSONFileStore(path) as other:
        other.acquire_writer_lock()
        result = run("console", path, "--code", "save()")
    assert result.exit_code == 1
    assert "StoreLocked" in result.stderr


def test_a_strategy_in_a_database_is_only_read(run: Run, path: Path, tmp_path: Path):
    address = f"sqlite:///{tmp_path}/trading.db#mine"
    with SQLStateStore(address) as store:
        store.sync(State.read_json_file(path))
    assert run("console", address, "--code", "len(positions()) > 0").stdout.strip() == "True"
    result = run("console", address, "--code", "save()")
    assert result.exit_code == 1
    assert "a strategy in a database is only read here" in result.stderr


def test_without_ipython_it_says_how_to_install_it(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch):
    find_spec: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "IPython" else find_spec(name))
    result = run("console", path)
    assert result.exit_code == 1
    assert "-m pip install ipython" in result.stderr
    assert run("console", path, "--code", "1").stdout == "1\n"


def test_an_absent_file_is_reported(run: Run, tmp_path: Path):
    result = run("console", tmp_path / "no.json", "--code", "1")
    assert (result.exit_code, "there is no file" in result.stderr) == (1, True)


@pytest.mark.slow
def test_the_shell_has_the_state(path: Path, tmp_path: Path):
    pytest.importorskip("IPython")
    code = "import json; print('RESULT', json.dumps(portfolio.next_trade_id))\n"
    done = subprocess.run(
        [sys.executable, "-m", "tradeexecutor.cli.main", "console", str(path)],
        input=code,
        capture_output=True,
        text=True,
        timeout=60,
        env={"IPYTHONDIR": str(tmp_path / "ipython"), "PATH": "", "HOME": str(tmp_path), "TERM": "dumb"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "nothing is written until you call save()" in done.stdout
    number = json.loads(done.stdout.partition("RESULT ")[2].split()[0])
    assert number == State.read_json_blob(TEXT).portfolio.next_trade_id
