"""The group of store commands: what several of them have in common."""

from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.store_contract import make_state
from tradeexecutor.database.store import SQLStateStore


def test_the_group_lists_its_commands(run: Run):
    output = run("store", "--help").stdout
    for command in ("verify", "generations", "recover"):
        assert command in output
    assert "store" in run("--help").stdout


@pytest.mark.parametrize("command", ["verify", "generations", "recover"])
def test_help_has_examples_and_explains(run: Run, command: str):
    result = run("store", command, "--help")
    assert result.exit_code == 0
    assert f"$ tradeexecutor store {command} state.json" in result.stdout
    assert run("store", command, "-h").stdout == result.stdout


@pytest.mark.parametrize("command", ["list", "history", "show", "diff", "convert", "compact"])
def test_help_has_examples(run: Run, command: str):
    result = run("store", command, "--help")
    assert result.exit_code == 0
    assert f"$ tradeexecutor store {command} " in result.stdout


@pytest.mark.parametrize("command", ["verify", "generations", "recover"])
def test_a_file_that_is_not_there(run: Run, tmp_path: Path, command: str):
    result = run("store", command, tmp_path / "no.json")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "no.json" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize("arguments", [("verify",), ("recover", "--from")])
def test_a_folder_in_place_of_a_file(run: Run, path: Path, arguments: tuple[str, ...]):
    command, *options = arguments
    result = run("store", command, *([path, *options] if options else []), path.parent)
    assert result.exit_code == 1
    assert "is a folder" in result.stderr


def test_a_database_with_several_strategies_wants_a_name(run: Run, address: str):
    with SQLStateStore("sqlite:///trading.db#other") as store:
        store.sync(make_state())
    result = run("store", "history", "sqlite:///trading.db")
    assert result.exit_code == 1
    assert "add #NAME to the address, one of demo, other" in result.stderr


@pytest.mark.parametrize("command", ["history", "show", "diff", "list", "compact --keep 1"])
def test_files_have_no_history(run: Run, tmp_path: Path, command: str):
    make_state().write_json_file(tmp_path / "demo.json")
    name, *options = command.split()
    result = run("store", name, tmp_path / "demo.json", *options)
    assert result.exit_code == 1
    assert "is not the address of a database" in result.stderr


@pytest.mark.parametrize(
    "text",
    ["sqlite:///a\0b.db#demo", "sqlite:///a%00b.db#demo", "a\0b.json", "sqlite://x", "oracle://x/y", "sqlite:///x#a/b"],
)
@pytest.mark.parametrize("command", ["show-positions", "validate", "store verify", "store history", "store recover"])
def test_what_is_neither_a_file_nor_an_address_is_wrong_usage(run: Run, command: str, text: str):
    result = run(*command.split(), text)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


def test_a_running_strategy_is_left_alone(run: Run, address: str):
    with SQLStateStore(address) as store:
        store.sync(store.load())
        for command in (("compact", address, "--keep", "1"), ("recover", address, "--at", "1")):
            result = run("store", *command, "--yes")
            assert result.exit_code == 1
            assert "is being written by process" in result.stderr
