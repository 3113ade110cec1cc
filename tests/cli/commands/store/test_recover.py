"""store recover: what it restores, and that it changes only what it says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.kit.command_runner import Run
from tests.kit.store_commands import damage_database, snapshot
from tests.kit.store_contract import make_state
from tradeexecutor.cli.main import app
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import backup_state


def answer(text: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(item) for item in arguments], input=text)


def test_an_intact_file_needs_no_recovery(run: Run, path: Path):
    before = snapshot(path.parent)
    result = run("store", "recover", path)
    assert result.exit_code == 0
    assert "is intact; there is nothing to recover" in result.stdout
    assert snapshot(path.parent) == before
    assert json.loads(run("store", "recover", path, "--yes", "--json").stdout)["intact"] is True


def test_a_dry_run_says_what_would_be_done(run: Run, damaged: Path):
    before = snapshot(damaged.parent)
    result = run("store", "recover", damaged, "--dry-run")
    assert result.exit_code == 0
    assert "now: DAMAGED" in result.stdout
    assert "new: save 2 of" in result.stdout
    assert snapshot(damaged.parent) == before
    report = json.loads(run("store", "recover", damaged, "--dry-run", "--json").stdout)
    assert report["chosen"]["strategy"] == "second"
    assert report["kept_as"] is None


def test_without_a_yes_nothing_happens(damaged: Path):
    before = snapshot(damaged.parent)
    result = answer("n\n", "store", "recover", damaged)
    assert result.exit_code == 1, "what was asked for is not done"
    assert "Nothing was changed" in result.stdout
    assert answer("", "store", "recover", damaged).exit_code == 1, "nobody there to ask"
    assert snapshot(damaged.parent) == before


@pytest.mark.parametrize(("options", "text"), [(["--yes"], ""), (["-y"], ""), ([], "y\n")])
def test_with_a_yes_the_newest_intact_copy_comes_back(damaged: Path, options: list[str], text: str):
    result = answer(text, "store", "recover", damaged, *options)
    assert result.exit_code == 0
    assert "Recovered from" in result.stdout
    assert "demo.damaged-1.json" in result.stdout
    assert f"validate {damaged}" in result.stdout
    assert State.read_json_file(damaged).name == "second"


def test_recovery_as_json(run: Run, damaged: Path):
    report = json.loads(run("store", "recover", damaged, "--yes", "--json").stdout)
    assert report["kept_as"] == str(damaged.with_name("demo.damaged-1.json"))
    assert report["current"]["verdict"] == "damaged"
    assert report["chosen"]["save"] == 2


def test_json_cannot_ask(run: Run, damaged: Path):
    before = snapshot(damaged.parent)
    result = run("store", "recover", damaged, "--json")
    assert result.exit_code == 2
    assert "--json needs --yes or --dry-run" in result.stderr.replace("\n", " ").replace("│", "")
    assert snapshot(damaged.parent) == before


def test_a_copy_that_was_named(run: Run, path: Path):
    backup = backup_state(path)
    with JSONFileStore(path) as store:
        store.sync(make_state("mended badly"))
    result = run(*backup.restore_command.split()[1:], "--yes")
    assert result.exit_code == 0, result.output
    assert "demo.replaced-1.json" in result.stdout
    assert State.read_json_file(path).name == "third"


def test_when_no_copy_is_intact(run: Run, path: Path):
    for item in snapshot(path.parent):
        item.write_bytes(b"x")
    result = run("store", "recover", path, "--yes")
    assert result.exit_code == 1
    assert "none of 3 copies is intact" in result.stderr


def test_a_running_strategy_is_left_alone(run: Run, damaged: Path):
    content = damaged.read_bytes()
    with JSONFileStore(damaged) as store:
        store.acquire_writer_lock()
        result = run("store", "recover", damaged, "--yes")
    assert result.exit_code == 1
    assert "stop that process first" in result.stderr
    assert damaged.read_bytes() == content


def test_recover(run: Run, address: str):
    assert "intact; there is nothing to recover" in run("store", "recover", address).stdout
    damage_database()
    assert "recover" in run("show-positions", address).stderr
    result = run("store", "recover", address, "--dry-run")
    assert "new: save 3" in result.stdout
    assert SQLStateStore(address).history()[-1].number == 4
    result = run("store", "recover", address, "--yes")
    assert result.exit_code == 0
    assert "Went back to save 3" in result.stdout
    assert SQLStateStore(address).load().cycle == 3
    result = run("store", "recover", address, "--at", "2", "--yes", "--json")
    assert json.loads(result.stdout)["chosen"]["save"] == 2
    assert SQLStateStore(address).load().cycle == 2
