"""How every command changes a file: shown first, backed up, saved as shown, undone to the byte."""

import datetime
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.kit.command_runner import Run
from tests.kit.trader import T0, WETH_USDC, Trader, new_state
from tradeexecutor.cli.failure import report_failures
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.state.files.compressed_copy import get_compressed_path
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

app = typer.Typer()


@app.command()
@report_failures
def freeze(
    file: Path, name: str = "", yes: YesOption = False, dry_run: DryRunOption = False, json_: JsonOption = False
) -> None:
    def change(state: State, now: datetime.datetime) -> list[int]:
        if name:
            state.name = name
        failed = [trade for trade in state.portfolio.get_all_trades() if trade.is_failed()]
        if not any(position.is_frozen() for position in state.portfolio.frozen_positions.values()):
            freeze_position_on_failed_trade(now, state, failed)
        return [trade.trade_id for trade in failed]

    run_change(
        file,
        change,
        command="freeze",
        print_result=lambda ids: print(f"failed trades: {ids}"),
        to_json=lambda ids: {"failed": ids},
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="freeze-backup",
    )


@pytest.fixture(autouse=True)
def _any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    trader = Trader(new_state(20_000), 0.0, 1.0)
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.start_and_fail(WETH_USDC, "-1", 2000.0)
    path = tmp_path / "demo.json"
    with JSONFileStore(path, compressed=True) as store:
        store.sync(trader.state)
    return path


def invoke(*arguments: object, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=answer)


def files_of(path: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in path.parent.iterdir() if item.is_file()}


def test_a_dry_run_shows_the_differences_and_touches_nothing(path: Path):
    with JSONFileStore(path) as other:
        other.acquire_writer_lock()
        before = files_of(path)
        result = invoke(path, "--dry-run")
        after = files_of(path)
    assert result.exit_code == 0
    assert "failed trades: [2]" in result.stdout
    assert "portfolio.open_positions.1 → frozen_positions" in result.stdout
    assert "Dry run: nothing was changed." in result.stdout
    assert after == before


def test_no_leaves_everything_as_it_was_and_says_so_by_its_exit_code(path: Path):
    before = path.read_bytes()
    result = invoke(path, answer="n\n")
    assert result.exit_code == 1
    assert "Nothing was changed." in result.stdout
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*freeze-backup*"))


@pytest.mark.parametrize(("arguments", "answer"), [(("--yes",), None), ((), "y\n")])
def test_the_change_is_saved_and_the_printed_command_undoes_it_to_the_byte(
    run: Run, path: Path, arguments: tuple[str, ...], answer: str | None
):
    before = path.read_bytes()
    result = invoke(path, *arguments, answer=answer)
    assert result.exit_code == 0, result.output
    assert State.read_json_file(path).portfolio.frozen_positions[1].is_frozen()
    assert get_compressed_path(path).exists()
    line = next(line for line in result.stdout.splitlines() if "store recover" in line)
    command = shlex.split(line)[1:]
    undone = run(*command, "--yes")
    assert undone.exit_code == 0, undone.output
    assert path.read_bytes() == before


def test_a_change_that_changes_nothing_saves_nothing(path: Path):
    assert invoke(path, "--yes").exit_code == 0
    before = files_of(path)
    result = invoke(path, "--yes")
    assert result.exit_code == 0
    assert "Nothing to change." in result.stdout
    assert files_of(path) == before


def test_json_has_the_result_the_patch_and_the_way_back(path: Path):
    planned = json.loads(invoke(path, "--json", "--dry-run").stdout)
    assert planned["changed"] is False
    assert planned["result"] == {"failed": [2]}
    assert {operation["op"] for operation in planned["patch"]} == {"add", "remove"}
    assert planned["backup"] is planned["undo"] is None
    done = json.loads(invoke(path, "--json", "--yes").stdout)
    assert done["changed"] is True
    assert Path(done["backup"]).exists()
    assert done["undo"].startswith("tradeexecutor store recover ")
    assert invoke(path, "--json").exit_code == 2


def test_a_strategy_that_runs_keeps_its_state(path: Path):
    with JSONFileStore(path) as other:
        other.acquire_writer_lock()
        before = path.read_bytes()
        result = invoke(path, "--yes")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert path.read_bytes() == before


def test_a_missing_file_is_one_line(tmp_path: Path):
    result = invoke(tmp_path / "no.json", "--yes")
    assert result.exit_code == 1
    assert "there is no file" in result.output


def test_many_entries_of_a_list_are_one_row(path: Path):
    state = State.read_json_file(path)
    for number in range(100):
        state.visualisation.add_message(T0 + datetime.timedelta(minutes=number), f"message {number}")
    with JSONFileStore(path) as store:
        store.sync(state)
    app_ = typer.Typer()

    @app_.command()
    def clear(file: Path) -> None:
        run_change(
            file,
            lambda state, now: state.visualisation.messages.clear(),
            command="clear",
            print_result=lambda _: None,
            to_json=lambda _: None,
            yes=False,
            dry_run=True,
            json_=False,
            backup_suffix="clear-backup",
        )

    output = CliRunner().invoke(app_, [str(path)]).stdout
    assert "100 entries removed" in output
    assert "(100 differences)" in output


def test_times_are_shown_as_times_and_long_places_by_their_ends(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = invoke(path, "--dry-run").stdout.splitlines()
    frozen_at = next(line for line in lines if "frozen_at" in line)
    assert re.search(r"null +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$", frozen_at)
    monkeypatch.setenv("COLUMNS", "60")
    assert any(
        re.match(r"portfolio\.…[a-z_0-9.]*\.frozen_at ", line) for line in invoke(path, "--dry-run").stdout.splitlines()
    )


def test_no_answer_is_no(path: Path):
    before = path.read_bytes()
    result = invoke(path, answer="")
    assert result.exit_code == 1
    assert "Nothing was changed." in result.stdout
    assert path.read_bytes() == before
