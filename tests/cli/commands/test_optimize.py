"""optimize."""

import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.searches import write_strategy


@pytest.fixture
def searched(tmp_path: Path) -> Path:
    return write_strategy(tmp_path)


def optimise(run: Run, searched: Path, candles: Path, *options: object):  # type: ignore[no-untyped-def]
    folder = searched.parent / "out"
    return run("optimize", searched, "--data", candles, "--output", folder, "--jobs", 1, *options)


def test_the_best_runs_are_listed_with_the_number_of_tries(run: Run, searched: Path, candles: Path):
    options = ("--param", "first=1:3", "--param", "last=10,20", "--where", "first < 3", "--objective", "total_return")
    result = optimise(run, searched, candles, *options)
    assert result.exit_code == 0, result.output
    assert "Runs        4 by grid" in result.stdout
    assert "Best of 4 tries" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines() if "%" in line and line.split()[0].isdigit()]
    # The price rises every day: the longer it is held, the better.
    assert [line[:3] for line in lines] == [["2", "1", "20"], ["4", "2", "20"], ["1", "1", "10"], ["3", "2", "10"]]
    assert "Influence        first" in result.stdout
    assert "tradeexecutor query" in result.stdout
    assert {path.name for path in (searched.parent / "out").iterdir() if not path.name.startswith(".")} == {
        "runs.jsonl", "results.parquet", "results.db", "report.html",
    }  # fmt: skip
    again = optimise(run, searched, candles, *options)
    assert "Runs        4 by grid, 4 of them known" in again.stdout


def test_json_has_everything(run: Run, searched: Path, candles: Path):
    result = optimise(
        run, searched, candles, "--param", "trap=a,raise", "--param", "first=1:2", "--json", "--keep-states", 1,
        "--walk-forward", "anchored", "--train", "12d", "--test", "9d", "--objective", "total_return",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["runs"], report["failed"], report["tries"]) == (4, 2, 2)
    assert report["best"]["parameters"] == {"trap": "a", "first": 1}
    assert [row["rank"] for row in report["rows"]] == [1, 2, None, None]
    assert [row["error"] is None for row in report["rows"]] == [True, True, False, False]
    assert len(report["states"]) == 1
    windows = report["walk_forward"]["windows"]
    assert [(item["train_start"][:10], item["test_start"][:10], item["test_end"][:10]) for item in windows] == [
        ("2024-01-01", "2024-01-13", "2024-01-22"), ("2024-01-01", "2024-01-22", "2024-01-31"),
    ]  # fmt: skip
    growth = 1.0
    for item in windows:
        growth *= 1 + item["test_return"]
    assert report["walk_forward"]["growth"][-1][1] == pytest.approx(growth)


def test_no_run_that_meets_the_requirements_is_a_failure(run: Run, searched: Path, candles: Path):
    result = optimise(run, searched, candles, "--param", "first=1:2", "--require", "trades > 99")
    assert result.exit_code == 1
    assert "No run meets the requirements." in result.stdout


def test_failed_runs_are_named(run: Run, searched: Path, candles: Path):
    result = optimise(run, searched, candles, "--param", "trap=raise,a")
    assert result.exit_code == 0
    assert "Run 1 failed (trap raise): " in result.stdout
    assert "a trap" in result.stdout


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (("--param", "first"), "write NAME=FIRST:LAST:STEP", 1),
        (("--param", "fist=1:2"), "no parameter 'fist'", 1),
        (("--param", "first=1:2", "--param", "first=3"), "first is given twice", 1),
        (("--param", "first=1:2", "--set", "first=3"), "both fixed and to be changed", 1),
        (("--param", "first=1:2", "--set", "frist=3"), "no parameter frist", 1),
        (("--param", "first=1:2", "--objective", "shape"), "no figure 'shape'", 1),
        (("--param", "first=1:2", "--where", "first <"), "not a condition", 1),
        (("--param", "first=1:2", "--runs", "3"), "tries every combination", 1),
        (("--param", "first=1:2", "--train", "3d"), "needs --train and --test", 2),
        (("--param", "first=1:2", "--walk-forward", "rolling", "--train", "99d", "--test", "1d"), "leaves none", 1),
        (("--param", "first=1:2", "--address", "tcp://x:1"), "an address is for", 1),
    ],
)
def test_what_cannot_be_done_is_told(
    run: Run, searched: Path, candles: Path, options: tuple[str, ...], message: str, code: int
):
    result = optimise(run, searched, candles, *options)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
