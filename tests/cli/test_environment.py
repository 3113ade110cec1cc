"""Options and arguments that the command line lacks come from the environment."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.kit.command_runner import Run
from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state
from tradeexecutor.cli.command_table import COMMANDS, STORE_COMMANDS
from tradeexecutor.cli.environment import find_variable
from tradeexecutor.cli.lazy_commands import CommandEntry, LazyCommand
from tradeexecutor.cli.main import app
from tradeexecutor.state.state import State

ENTRIES = [*COMMANDS, *STORE_COMMANDS]

#: Names that existing deployments set.
OF_DEPLOYMENTS = {
    "CHECK_ACCOUNTS",
    "CONFIRMATION_BLOCK_COUNT",
    "CONFIRMATION_TIMEOUT",
    "CYCLE_DURATION",
    "CYCLE_OFFSET_MINUTES",
    "HTTP_ENABLED",
    "HTTP_HOST",
    "HTTP_PORT",
    "JSON_RPC",
    "MAX_CYCLES",
    "MAX_DATA_DELAY_MINUTES",
    "MAX_SLIPPAGE",
    "MIN_GAS_BALANCE",
    "POSITION_TRIGGER_CHECK_MINUTES",
    "RUN_SINGLE_CYCLE",
    "STATE_FILE",
    "STATS_REFRESH_MINUTES",
    "STRATEGY_FILE",
    "SYNC_TREASURY_ON_STARTUP",
    "TRADE_IMMEDIATELY",
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_option_has_a_variable_of_its_own(entry: CommandEntry):
    parameters = [item for item in LazyCommand(entry).load().params if item.name != "help"]
    variables = [item.envvar for item in parameters if item.param_type_name == "option"]
    assert all(variables)
    assert len(set(variables)) == len(variables)
    assert "NAME" not in variables, "other programs set it"


def test_start_reads_the_variables_of_deployments():
    (entry,) = (entry for entry in ENTRIES if entry.name == "start")
    assert {str(item.envvar) for item in LazyCommand(entry).load().params} >= OF_DEPLOYMENTS


def test_a_state_file_of_the_environment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, other = tmp_path / "state.json", tmp_path / "other.json"
    State(name="From the environment").write_json_file(path)
    State(name="From the command line").write_json_file(other)
    monkeypatch.setenv("STATE_FILE", str(path))
    assert "From the environment" in CliRunner().invoke(app, ["show-positions"]).output
    assert "From the command line" in CliRunner().invoke(app, ["show-positions", str(other)]).output
    monkeypatch.setenv(find_variable("--json"), "true")
    assert CliRunner().invoke(app, ["show-positions"]).output.startswith("{")
    monkeypatch.setenv(find_variable("--json"), "perhaps")
    assert CliRunner().invoke(app, ["show-positions"]).exit_code == 2


def test_a_node_of_the_chain_is_found_by_the_name_of_the_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("web3")
    from tradeexecutor.cli.chain_options import open_chain

    path = tmp_path / "chain.json"
    token = {"symbol": "USDC", "decimals": 6, "address": "0x" + "11" * 20}
    vault = {"kind": "vault", "symbol": "V", "decimals": 6, "address": "0x" + "22" * 20, "candles": "v.csv"}
    path.write_text(json.dumps({"chain_id": 8453, "reserve": token, "venues": [], "pairs": [vault]}))
    for name in ("JSON_RPC", "JSON_RPC_ETHEREUM"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with pytest.raises(Exception, match="JSON_RPC_BASE"):
        open_chain(path, None)
    monkeypatch.setenv("JSON_RPC_BASE", "http://127.0.0.2:1 http://127.0.0.3:1")
    _, connection = open_chain(path, None, 7)
    assert "127.0.0.2" in repr(connection)
    assert connection.confirmations == 7


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_open(state, 100.0, START + 2 * DAY, price_now=130.0)
    path = tmp_path / "state.json"
    state.write_json_file(path)
    return path


def test_the_state_file_and_options_come_from_the_environment(
    run: Run, state_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert run("show-positions").exit_code == 2
    monkeypatch.setenv("STATE_FILE", str(state_path))
    plain = run("show-positions", "--json")
    assert plain.exit_code == 0, plain.output
    monkeypatch.setenv("POSITION_TYPE", "all")
    every = run("show-positions", "--json")
    assert [item["position_id"] for item in json.loads(plain.stdout)["positions"]] == [2]
    assert {item["position_id"] for item in json.loads(every.stdout)["positions"]} == {1, 2}
    # What is written on the command line wins.
    assert run("show-positions", "--position-type", "open", "--json").stdout == plain.stdout


def test_a_command_that_changes_the_state_can_be_kept_from_it(
    run: Run, state_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before = state_path.read_bytes()
    monkeypatch.setenv("STATE_FILE", str(state_path))
    monkeypatch.setenv("DRY_RUN", "true")
    result = run("prune-state", "--yes")
    assert result.exit_code == 0, result.output
    assert state_path.read_bytes() == before


def test_help_names_the_variable(run: Run):
    assert "STATE_FILE" in run("show-positions", "--help").output
    assert "[env var: OUTLIER_THRESHOLD]" in " ".join(run("correct-history", "--help").output.replace("│", " ").split())
