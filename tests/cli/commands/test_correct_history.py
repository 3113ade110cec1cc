"""Samples that go are shown with the reason; nothing else changes; a refusal costs nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.kit.command_runner import Run
from tests.kit.share_prices import HOUR, make_state
from tests.kit.trader import T0
from tradeexecutor.cli.main import app
from tradeexecutor.state.state import State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten hours: one price far off, one a little off with a jump of the cash, and a time twice, without a price."""
    prices = [1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.18, 1.0, 1.0, None, 1.0]
    cash = [100.0] * 6 + [118.0] + [100.0] * 4
    state = make_state(*prices, cash=cash)
    state.stats.portfolio[9].calculated_at = T0 + 10 * HOUR
    path = tmp_path / "demo.json"
    state.write_json_file(path)
    return path


def count(path: Path) -> int:
    return len(State.read_json_file(path).stats.portfolio)


def test_share_price_outliers(run: Run, path: Path):
    result = run("correct-history", path, "--remove-share-price-outliers", "--yes")
    assert result.exit_code == 0, result.output
    assert "Removed samples of the portfolio: 1 of 11" in result.stdout
    assert "400.00 % above the median of its neighbours, 1" in result.stdout
    assert "2022-01-01 02:00:00" in result.stdout
    assert count(path) == 10
    assert path.with_name("demo.correct-history-backup-1.json").exists()
    assert "Nothing to change." in run("correct-history", path, "--remove-share-price-outliers", "--yes").stdout


def test_nav_sync_outliers(run: Run, path: Path):
    result = run("correct-history", path, "--remove-nav-sync-outliers", "--yes")
    assert (
        "18.00 % above the median of its neighbours, 1, near a jump of the cash or the open positions" in result.stdout
    )
    assert count(path) == 9


def test_duplicates_may_lack_a_share_price(run: Run, path: Path):
    result = run("correct-history", path, "--remove-duplicate-timestamp-stats", "--yes")
    assert result.exit_code == 0
    assert "a later sample has the same time" in result.stdout
    assert count(path) == 10


def test_all_at_once_in_json(run: Run, path: Path):
    options = ("--remove-share-price-outliers", "--remove-nav-sync-outliers", "--remove-duplicate-timestamp-stats")
    report = json.loads(run("correct-history", path, *options, "--yes", "--json").stdout)["result"]
    assert (report["samples_before"], report["samples_after"]) == (11, 8)
    assert [(item["index"], item["share_price"], item["sources"]) for item in report["removed"]] == [
        (2, 5.0, ["share price", "NAV sync"]),
        (6, 1.18, ["NAV sync"]),
        (9, None, ["duplicate"]),
    ]


def test_thresholds_and_windows_can_be_chosen(run: Run, path: Path):
    result = run("correct-history", path, "--remove-share-price-outliers", "--outlier-threshold", "5", "--dry-run")
    assert "None." in result.stdout
    options = ("--nav-sync-min-component-change", "0.5", "--nav-sync-threshold", "0.1", "--nav-sync-window-size", "3")
    result = run("correct-history", path, "--remove-nav-sync-outliers", *options, "--dry-run")
    assert "of 11" in result.stdout
    assert "2022-01-01 06:00:00" not in result.stdout


def test_a_cut_off_date(run: Run, tmp_path: Path):
    path = tmp_path / "demo.json"
    make_state(*[1.0 + number / 100 for number in range(60)]).write_json_file(path)
    result = run("correct-history", path, "--cutoff-date", "2022-01-02", "--yes")
    assert result.exit_code == 0
    assert "portfolio stats" in result.stdout
    assert "24" in result.stdout
    state = State.read_json_file(path)
    assert len(state.stats.portfolio) == 36
    assert state.created_at == T0 + 24 * HOUR
    assert state.initial_share_price == 1.24
    assert "Nothing to change." in run("correct-history", path, "--cutoff-date", "2022-01-02").stdout


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--cutoff-date", "yesterday"),
        ("--cutoff-date", "2022-13-01"),
        ("--remove-share-price-outliers", "--outlier-window-size", "0"),
        ("--remove-share-price-outliers", "--json"),
    ],
)
def test_a_wrong_command_line_changes_nothing(run: Run, path: Path, options: tuple[str, ...]):
    before = path.read_bytes()
    assert run("correct-history", path, *options).exit_code == 2
    assert path.read_bytes() == before


def test_no_means_no_and_leaves_no_backup(path: Path):
    before = path.read_bytes()
    result = CliRunner().invoke(app, ["correct-history", str(path), "--remove-share-price-outliers"], input="n\n")
    assert result.exit_code == 1
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir() if "backup" in item.name] == []


def test_many_entries_are_cut_off_in_the_table(run: Run, tmp_path: Path):
    path = tmp_path / "demo.json"
    state = make_state(*[1.0] * 300)
    for item in state.stats.portfolio:
        item.calculated_at = T0
    state.write_json_file(path)
    result = run("correct-history", path, "--remove-duplicate-timestamp-stats", "--dry-run")
    assert "... and 99 more" in result.stdout


@pytest.mark.golden
def test_a_real_file(run: Run, shared_dir: Path, tmp_path: Path):
    path = tmp_path / "demo.json"
    name = "mainnet_fork--correct_history_outliers--gmx-ai-current-state.json"
    path.write_bytes((shared_dir / "states" / name).read_bytes())
    options = ("--remove-share-price-outliers", "--remove-nav-sync-outliers")
    result = run("correct-history", path, *options, "--yes")
    assert "Removed samples of the portfolio: 52 of 519" in result.stdout
    assert count(path) == 467
    assert "Nothing to change." in run("correct-history", path, *options, "--yes").stdout
