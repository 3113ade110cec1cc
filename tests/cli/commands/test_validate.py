"""validate: real files pass, damaged ones do not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command_runner import Run
from tradeexecutor.operations.round_trip import find_losses, find_unknown_keys
from tradeexecutor.state.state import State


def get_checks(result: Any) -> dict[str, bool]:
    (validation,) = json.loads(result.stdout)
    return {check["name"]: check["passed"] for check in validation["checks"]}


@pytest.mark.slow
def test_every_real_state_passes(run: Run, state_file: Path):
    result = run("validate", state_file)
    assert result.exit_code == 0, result.output
    assert "FAILED" not in result.stdout
    assert result.stdout.count(" ok ") == 6


def test_the_state_of_a_backtest_passes(run: Run, backtest_state: Path):
    result = run("validate", backtest_state)
    assert result.exit_code == 0, result.output
    assert "schema version 1 (current)" in result.stdout
    assert "Ten days" in result.stdout


def test_json_has_the_checks_and_the_counts(run: Run, backtest_state: Path):
    result = run("validate", backtest_state, "--json")
    (validation,) = json.loads(result.stdout)
    assert validation["passed"] is True
    assert validation["schema_version"] == 1
    assert (validation["facts"]["closed_positions"], validation["facts"]["trades"]) == (1, 2)
    assert set(get_checks(result)) == {"readable", "consistent ids", "clean", "balances", "lossless", "unknown keys"}


def change(path: Path, mutate: Callable[[dict[str, Any]], None]) -> Path:
    tree = json.loads(path.read_text())
    del tree["seal"]  # or the change would be found before the check that is tested
    mutate(tree)
    path.write_text(json.dumps(tree))
    return path


def test_ids_that_contradict_each_other_are_found(run: Run, backtest_state: Path):
    change(backtest_state, lambda tree: tree["stats"]["positions"].update({"9": []}))
    result = run("validate", backtest_state, "--json")
    assert result.exit_code == 1
    assert get_checks(result) == {
        "readable": True, "consistent ids": False, "clean": True, "balances": True, "lossless": True,
        "unknown keys": True,
    }  # fmt: skip


def test_a_trade_in_two_positions_makes_a_file_unreadable(run: Run, backtest_state: Path):
    def put_twice(tree: dict[str, Any]) -> None:
        position = json.loads(json.dumps(tree["portfolio"]["closed_positions"]["1"]))
        position["position_id"] = 2
        for trade in position["trades"].values():
            trade["position_id"] = 2
        tree["portfolio"]["closed_positions"]["2"] = position

    change(backtest_state, put_twice)
    result = run("validate", backtest_state)
    assert result.exit_code == 1
    assert "trade id 1, 2 is used twice" in " ".join(result.stdout.split())


def test_a_counter_that_is_too_low_is_a_remark(run: Run, backtest_state: Path):
    change(backtest_state, lambda tree: tree["portfolio"].update(next_trade_id=1))
    result = run("validate", backtest_state)
    assert result.exit_code == 0, result.output
    assert "the highest used one is 2: the next trade will be #3" in " ".join(result.stdout.split())


def test_a_number_written_as_text_is_no_loss(run: Run, backtest_state: Path):
    """The reference writes the liquidation price of a short so."""
    position = "1"
    change(
        backtest_state,
        lambda tree: tree["portfolio"]["closed_positions"][position].update(liquidation_price="2294.99999999999994004"),
    )
    result = run("validate", backtest_state)
    assert result.exit_code == 0, result.output


def test_a_trade_left_in_flight_is_found(run: Run, backtest_state: Path):
    def leave_in_flight(tree: dict[str, Any]) -> None:
        position = tree["portfolio"]["closed_positions"].pop("1")
        position["closed_at"] = None
        position["trades"]["2"]["executed_at"] = None
        tree["portfolio"]["open_positions"]["1"] = position

    change(backtest_state, leave_in_flight)
    result = run("validate", backtest_state)
    assert result.exit_code == 1
    assert "broadcasted" in result.stdout


def test_keys_of_a_newer_program_are_reported_and_are_no_fault(run: Run, backtest_state: Path):
    def add_keys(tree: dict[str, Any]) -> None:
        tree["from_the_future"] = 1
        for trade in tree["portfolio"]["closed_positions"]["1"]["trades"].values():
            trade["mood"] = "good"

    change(backtest_state, add_keys)
    result = run("validate", backtest_state)
    assert result.exit_code == 0, result.output
    assert "kept, but not used: from_the_future, mood (2)" in result.stdout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ('{"portfolio": ', "not valid JSON"),
        ("[1, 2]", "a state is a JSON object"),
        ('{"portfolio": 5}', "Expected `object`"),
        ('{"schema_version": 99}', "written with schema version 99"),
        ('{"schema_version": "new"}', "schema_version must be"),
        ('{"created_at": NaN}', "not valid JSON"),
        ("{}", "not a state: it has no portfolio"),
        ('{"name": "package", "version": "1.0"}', "not a state: it has no portfolio"),
    ],
)
def test_an_unreadable_file_fails_with_the_reason(run: Run, tmp_path: Path, content: str, reason: str):
    path = tmp_path / "bad.json"
    path.write_text(content)
    result = run("validate", path)
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert reason in result.stdout


def test_all_files_are_checked_even_when_the_first_is_bad(run: Run, backtest_state: Path, tmp_path: Path):
    result = run("validate", tmp_path / "missing.json", tmp_path, backtest_state)
    assert result.exit_code == 1
    assert "there is no file" in result.stdout
    assert "is a folder" in result.stdout
    assert "3 files, 2 with problems" in result.stdout


def test_nothing_is_changed(run: Run, backtest_state: Path):
    before = backtest_state.read_bytes(), sorted(backtest_state.parent.iterdir())
    run("validate", backtest_state)
    assert (backtest_state.read_bytes(), sorted(backtest_state.parent.iterdir())) == before


def test_losses_are_found_where_they_are():
    original = {"a": {"b": [1, {"c": "1.50"}]}, "d": 1}
    assert list(find_losses(original, {"a": {"b": [1, {"c": "1.5"}]}})) == [
        'a.b[1].c: "1.50" became "1.5"',
        "d is missing",
    ]
    assert list(find_losses(original, {"a": {"b": [1]}, "d": 1})) == ["a.b: 2 items became 1"]
    assert list(find_losses({"a": True}, {"a": 1})) == ["a: true became 1"]


def test_these_are_no_losses():
    assert not list(find_losses({"amount": 0, "set": ["b", "a"]}, {"amount": "0", "set": ["a", "b"], "new": None}))
    assert not list(find_losses({"at": 5.0}, {"at": 5}))
    assert not list(find_losses({"summary": {"win_percent": 0.1}}, {"summary": {"win_percent": 0.2}}, "stats"))


def test_unknown_keys_are_named_with_their_place():
    state = State.read_json_blob('{"surprise": 1, "portfolio": {}, "uptime": {"more": 2}}')
    assert sorted(find_unknown_keys(state)) == ["surprise", "uptime.more"]
