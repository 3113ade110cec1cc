"""A reset starts a strategy again and says what is lost."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.prunable import make_state
from tests.kit.samples import deployment_info
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


@pytest.fixture
def used(path: Path) -> Path:
    state = make_state()
    state.name, state.cycle, state.deployment_info = "Used", 77, deployment_info()
    state.sync.deployment.block_number = 5
    state.blacklist_asset(state.portfolio.open_positions[3].pair.base)
    with JSONFileStore(path) as store:
        store.sync(state)
    return path


def test_a_reset_starts_anew_and_says_what_is_lost(run: Run, used: Path):
    before = used.read_bytes()
    result = run("reset-state", used, "--yes")
    assert result.exit_code == 0, result.output
    for text in ("1 open, 0 frozen, 0 pending, 2 closed", "Trades           5", "Blacklisted      1", "One position"):
        assert text in result.stdout
    state = State.read_json_file(used)
    assert state.name == "Used"
    assert (state.cycle, list(state.portfolio.get_all_positions()), state.asset_blacklist) == (1, [], set())
    assert state.portfolio.get_default_reserve_position().quantity == 0
    assert (state.deployment_info, state.sync.deployment.block_number) == (deployment_info(), 5)
    assert used.with_name("demo.reset-backup-1.json").read_bytes() == before
    assert prove(state).is_balanced
    assert run("validate", used).exit_code == 0


def test_a_dry_run_resets_nothing(run: Run, used: Path):
    before = used.read_bytes()
    result = run("reset-state", used, "--dry-run", "--json")
    assert json.loads(result.stdout)["result"]["trades"] == 5
    assert used.read_bytes() == before


def test_without_an_answer_nothing_is_reset(run: Run, used: Path):
    before = used.read_bytes()
    assert run("reset-state", used).exit_code == 1
    assert used.read_bytes() == before


def test_unknown_keys_go_as_well(run: Run, used: Path):
    tree = State.read_json_file(used).to_dict() | {"from_a_newer_program": 1}
    used.write_text(json.dumps(tree))
    assert run("reset-state", used, "--yes").exit_code == 0
    assert "from_a_newer_program" not in State.read_json_file(used).to_dict()


def test_a_state_without_a_reserve_can_be_reset(run: Run, path: Path):
    State(name="Bare").write_json_file(path)
    assert run("reset-state", path, "--yes").exit_code == 0
    assert State.read_json_file(path).portfolio.reserves == {}
