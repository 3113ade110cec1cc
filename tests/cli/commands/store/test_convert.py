"""store convert: copies between files and databases."""

import json
from pathlib import Path

from tests.kit.command_runner import Run
from tests.kit.store_contract import make_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


def test_convert_both_ways(run: Run, address: str, tmp_path: Path):
    result = run("store", "convert", address, "demo.json")
    assert result.exit_code == 0, result.stderr
    assert "Source and copy have the same" in result.stdout
    text = State.read_json_file(tmp_path / "demo.json").to_json_bytes()
    assert text == SQLStateStore(address).read()[1]
    assert run("store", "convert", "demo.json", "sqlite:///new.db").exit_code == 0
    assert SQLStateStore("sqlite:///new.db#demo").read()[1] == text, "the name of the file is that of the strategy"
    with JSONFileStore("demo.json") as store:
        store.sync(store.load())
    result = run("store", "convert", address, "sqlite:///new.db#copy", "--json")
    assert json.loads(result.stdout)["saves"] == 4


def test_convert_overwrites_nothing(run: Run, address: str, tmp_path: Path):
    make_state().write_json_file(tmp_path / "demo.json")
    for source, target in (("demo.json", address), (address, "demo.json")):
        result = run("store", "convert", source, target)
        assert result.exit_code == 1
        assert "choose another name" in result.stderr
    assert run("store", "convert", "none.json", "sqlite:///x.db").exit_code == 1
    assert not (tmp_path / "x.db").exists()


def test_a_file_is_not_converted_to_a_file(run: Run, tmp_path: Path):
    make_state().write_json_file(tmp_path / "a.json")
    result = run("store", "convert", tmp_path / "a.json", tmp_path / "b.json")
    assert result.exit_code == 2
    assert "must be a strategy in a database" in " ".join(result.stderr.split())
    assert not (tmp_path / "b.json").exists()


def test_a_copy_is_as_secret_as_the_original(run: Run, address: str, tmp_path: Path):
    (tmp_path / "trading.db").chmod(0o600)
    assert run("store", "convert", address, "copy.json").exit_code == 0
    assert run("store", "convert", "copy.json", "sqlite:///again.db#demo").exit_code == 0
    assert run("store", "convert", address, "sqlite:///third.db#demo").exit_code == 0
    for name in ("copy.json", "again.db", "third.db"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name
