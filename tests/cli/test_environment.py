"""Options that deployments of the reference give by environment variables."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state


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
