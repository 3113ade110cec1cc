"""The store commands with databases: what they print, their exit codes, and that they change only what they say."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from tests.kit.command_runner import Run, Spawn
from tests.kit.samples import blockchain_transaction
from tests.kit.store_contract import make_state
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.json_patch import apply_patch
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Four saves: an empty state, a purchase, a sale, and another purchase."""
    monkeypatch.chdir(tmp_path)
    state = new_state()
    state.name = "Demo"
    trader = Trader(state)
    with SQLStateStore("sqlite:///trading.db#demo") as store:
        store.sync(state)
        for cycle, trade in enumerate((trader.buy, trader.sell, trader.buy), start=2):
            trade(WETH_USDC, "1", 2000.0)
            state.cycle = cycle
            store.sync(state)
    return "sqlite:///trading.db#demo"


def damage(path: str = "trading.db", revision: int = 4) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE state_parts SET body = replace(CAST(body AS TEXT), '2', '3') WHERE added_in = ?", (revision,)
        )
        connection.commit()


@pytest.mark.parametrize("command", ["list", "history", "show", "diff", "convert", "compact"])
def test_help_has_examples(run: Run, command: str):
    result = run("store", command, "--help")
    assert result.exit_code == 0
    assert f"$ tradeexecutor store {command} " in result.stdout


def test_list(run: Run, address: str):
    with SQLStateStore("sqlite:///trading.db#other") as store:
        store.sync(make_state())
    output = run("store", "list", "sqlite:///trading.db").stdout
    assert [line.split()[:3] for line in output.splitlines()[2:]] == [["demo", "4", "4"], ["other", "1", "1"]]
    listed = json.loads(run("store", "list", "sqlite:///trading.db", "--json").stdout)
    assert [item["strategy"] for item in listed] == ["demo", "other"]


def test_history(run: Run, address: str):
    lines = run("store", "history", address).stdout.splitlines()[2:]
    assert "opened #1, trade #1" in lines[1]
    assert "closed #1, trade #2" in lines[2]
    assert len(run("store", "history", address, "--limit", "2").stdout.splitlines()) == 5
    items = json.loads(run("store", "history", "sqlite:///trading.db", "--json").stdout)
    assert [item["save"] for item in items] == [1, 2, 3, 4]
    assert items[1]["cash"] == 8000.0


@pytest.mark.slow
def test_show(run: Run, spawn: Spawn, address: str):
    output = run("store", "show", address, "--at", "2").stdout
    assert "1 open, 0 frozen, 0 closed" in output
    assert f"show-positions '{address}@2'" in output
    assert "0 open, 0 frozen, 1 closed" in run("store", "show", address, "--at", "cycle:3").stdout
    text = spawn("store", "show", address, "--at", "2", "--json").stdout
    assert text.encode() == SQLStateStore(address).read(2)[1] + b"\n"
    assert "no save 9; it keeps saves 1 to 4" in run("store", "show", address, "--at", "9").stderr
    assert "neither a save" in run("store", "show", address, "--at", "noon").stderr


def test_diff(run: Run, address: str):
    output = run("store", "diff", address).stdout
    assert "from save 3 of" in output
    assert "to save 4 of" in output
    assert "portfolio.open_positions.2" in output
    store = SQLStateStore(address)
    patch = json.loads(run("store", "diff", address, "1", "cycle:3", "--json").stdout)
    assert apply_patch(json.loads(store.read(1)[1]), patch) == json.loads(store.read(3)[1])
    assert "There is no difference." in run("store", "diff", address, "2", "2").stdout


def test_other_commands_read_a_strategy_by_its_address(run: Run, address: str):
    assert "1 open" in run("show-positions", address).stdout
    assert "0 open, 0 frozen, 1 closed" in run("show-positions", f"{address}@3").stdout
    assert run("show-trades", f"{address}@2", "--json").exit_code == 0
    assert "nothing was ever saved there" in run("show-trades", "sqlite:///trading.db#nobody").stderr.lower()
    assert "no such database" in run("show-trades", "sqlite:///none.db#demo").stderr


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


# --- verify and recover


def test_verify(run: Run, address: str):
    result = run("store", "verify", address)
    assert result.exit_code == 0
    assert "good, all checksums match (4 saves)" in result.stdout
    damage(revision=2)
    result = run("store", "verify", "sqlite:///trading.db")
    assert result.exit_code == 1
    assert "earlier saves are damaged" in result.stdout
    damage()
    result = run("store", "verify", address, "--json")
    assert result.exit_code == 1
    (found,) = json.loads(result.stdout)
    assert found["verdict"] == "damaged"
    assert 4 in found["damaged_saves"]


def test_verify_of_a_file_that_is_no_database(run: Run, tmp_path: Path):
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    result = run("store", "verify", f"sqlite:///{tmp_path}/x.db")
    assert result.exit_code == 1
    assert "DAMAGED" in result.stdout
    assert run("store", "verify", f"sqlite:///{tmp_path}/none.db").exit_code == 1


def test_recover(run: Run, address: str):
    assert "intact; there is nothing to recover" in run("store", "recover", address).stdout
    damage()
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


# --- convert and compact


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


def test_compact(run: Run, address: str):
    assert run("store", "compact", address).exit_code == 2
    result = run("store", "compact", address, "--keep", "2", "--dry-run")
    assert "Saves 3 to 4 stay." in result.stdout
    assert len(SQLStateStore(address).history()) == 4
    result = run("store", "compact", address, "--keep", "2", "--yes")
    assert result.exit_code == 0
    assert "bytes were freed" in result.stdout
    assert [revision.number for revision in SQLStateStore(address).history()] == [3, 4]
    assert "nothing to remove" in run("store", "compact", address, "--keep", "2", "--yes").stdout
    assert "(earlier saves are not kept)" in run("store", "history", address).stdout


def test_a_running_strategy_is_left_alone(run: Run, address: str):
    with SQLStateStore(address) as store:
        store.sync(store.load())
        for command in (("compact", address, "--keep", "1"), ("recover", address, "--at", "1")):
            result = run("store", *command, "--yes")
            assert result.exit_code == 1
            assert "is being written by process" in result.stderr


@pytest.mark.slow
def test_generations_are_of_files(run: Run, address: str):
    result = run("store", "generations", address)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


# --- Commands that change a state


def test_a_strategy_in_a_database_is_mended_like_a_file_and_undone_by_the_command_that_is_printed(
    run: Run, address: str
):
    token = "0x" + "11" * 20
    before = SQLStateStore(address).load().to_json_bytes()
    shown = run("blacklist", address, "--add-token", token, "--chain", "1", "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert len(SQLStateStore(address).history()) == 4
    done = run("blacklist", address, "--add-token", token, "--chain", "1", "--yes", "--json")
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout)
    assert outcome["changed"] is True
    assert outcome["backup"] is None
    assert outcome["undo"] == f"tradeexecutor store recover '{address}' --at 4"
    assert len(SQLStateStore(address).load().asset_blacklist) == 1
    undone = run("store", "recover", address, "--at", "4", "--yes")
    assert undone.exit_code == 0, undone.output
    assert SQLStateStore(address).load().to_json_bytes() == before


def test_only_the_newest_save_can_be_changed(run: Run, address: str):
    result = run("blacklist", f"{address}@2", "--add-token", "0x" + "11" * 20, "--chain", "1", "--yes")
    assert result.exit_code == 1
    assert "only the newest save can be changed" in result.output
    assert len(SQLStateStore(address).history()) == 4


def test_validate_reads_databases(run: Run, address: str):
    result = run("validate", address, f"{address}@2")
    assert result.exit_code == 0, result.output
    assert address in result.stdout


def test_archives_stand_beside_the_database(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    trader = Trader(new_state())
    trader.buy(WETH_USDC, "1", 2000.0)
    position, sale = trader.sell(WETH_USDC, "1", 2000.0)
    assert position.is_closed()
    transaction = blockchain_transaction()
    transaction.signed_bytes = "0x" + "ab" * 200
    sale.blockchain_transactions = [transaction]
    with SQLStateStore("sqlite:///trading.db#demo") as store:
        store.sync(trader.state)
        before = store.load().portfolio.to_json_bytes()
    pruned = run("prune-state", "sqlite:///trading.db#demo", "--yes")
    assert pruned.exit_code == 0, pruned.output
    assert list(tmp_path.glob("trading.db.demo.archives/*.json.br"))
    assert SQLStateStore("sqlite:///trading.db#demo").load().portfolio.to_json_bytes() != before
    restored = run("unprune-state", "sqlite:///trading.db#demo", "--yes")
    assert restored.exit_code == 0, restored.output
    assert SQLStateStore("sqlite:///trading.db#demo").load().portfolio.to_json_bytes() == before


def test_a_chart_of_a_strategy_in_a_database(run: Run, address: str, tmp_path: Path):
    drawn = run("chart", "positions", address, "-o", tmp_path / "positions.json")
    assert drawn.exit_code == 0, drawn.output
    assert json.loads((tmp_path / "positions.json").read_text())["data"]


# --- Wrong usage


def test_a_file_is_not_converted_to_a_file(run: Run, tmp_path: Path):
    make_state().write_json_file(tmp_path / "a.json")
    result = run("store", "convert", tmp_path / "a.json", tmp_path / "b.json")
    assert result.exit_code == 2
    assert "must be a strategy in a database" in " ".join(result.stderr.split())
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize(
    "text",
    ["sqlite:///a\0b.db#demo", "sqlite:///a%00b.db#demo", "a\0b.json", "sqlite://x", "oracle://x/y", "sqlite:///x#a/b"],
)
@pytest.mark.parametrize("command", ["show-positions", "validate", "store verify", "store history", "store recover"])
def test_what_is_neither_a_file_nor_an_address_is_wrong_usage(run: Run, command: str, text: str):
    result = run(*command.split(), text)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("days", ["1e300", "nan", "inf", "-1", "365001"])
def test_absurd_numbers_of_days(run: Run, address: str, days: str):
    result = run("store", "compact", address, f"--days={days}", "--dry-run")
    assert result.exit_code == 2, result.output


def test_many_days_keep_everything(run: Run, address: str):
    assert "nothing to remove" in run("store", "compact", address, "--days", "365000", "--dry-run").stdout


def test_a_copy_is_as_secret_as_the_original(run: Run, address: str, tmp_path: Path):
    (tmp_path / "trading.db").chmod(0o600)
    assert run("store", "convert", address, "copy.json").exit_code == 0
    assert run("store", "convert", "copy.json", "sqlite:///again.db#demo").exit_code == 0
    assert run("store", "convert", address, "sqlite:///third.db#demo").exit_code == 0
    for name in ("copy.json", "again.db", "third.db"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name
