"""Curves as text, and the months of a year."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.command_runner import Run, Spawn
from tradeexecutor.cli.printers.sparkline import (
    MonthlyReturn,
    can_show_blocks,
    compound,
    group_by_year,
    list_monthly_returns,
    make_sparkline,
)


def draw(values: list[float], width: int = 8, **options: object) -> str:
    return make_sparkline(np.arange(len(values)), np.array(values, dtype=np.float64), width, blocks=True, **options)  # pyright: ignore[reportArgumentType]


def test_a_rise_uses_every_block():
    assert draw([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert draw([7, 6, 5, 4, 3, 2, 1, 0]) == "█▇▆▅▄▃▂▁"


def test_plain_characters_have_the_same_heights():
    assert make_sparkline(np.arange(8), np.arange(8.0), 8, blocks=False) == "_.-=+*%#"


def test_width_is_time_not_samples():
    times = np.array([0, 1, 2, 100])
    assert make_sparkline(times, np.array([0.0, 1.0, 7.0, 0.0]), 5, blocks=True) == "▁███▁"


def test_gaps_are_skipped_and_nothing_gives_nothing():
    assert draw([float("nan"), 1, 8], 2) == "▁█"
    assert draw([float("nan")]) == ""
    assert draw([]) == ""


def test_a_flat_line_and_given_bounds():
    assert len(set(draw([5, 5, 5]))) == 1
    assert draw([0, 0, 0.5], 3, low=0.0, high=1.0)[-1] in "▄▅"


@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=50), st.integers(1, 80))
def test_every_curve_has_the_width_it_was_given(values: list[float], width: int):
    line = draw(values, width)
    assert len(line) == width
    assert set(line) <= set("▁▂▃▄▅▆▇█")


@pytest.mark.parametrize(("encoding", "can"), [("UTF-8", True), ("latin-1", False), ("ascii", False), (None, False)])
def test_blocks_need_an_encoding_that_has_them(encoding: str | None, can: bool):
    assert can_show_blocks(encoding) is can


def test_returns_are_compounded_by_calendar_month():
    # Midnight of 1 January closes December, and that of 1 March February.
    days = np.array(["2023-12-31", "2024-01-01", "2024-01-31", "2024-02-01", "2024-03-31"], dtype="datetime64[us]")
    times = days.astype(np.int64)
    found = list_monthly_returns(int(times[0]) - 1, times, np.array([0.5, 0.1, 0.1, 0.1, -0.5]))
    assert [(item.year, item.month) for item in found] == [(2023, 12), (2024, 1), (2024, 2), (2024, 3)]
    assert [item.value for item in found] == pytest.approx([0.65, 0.21, 0.0, -0.5])
    years = group_by_year(found)
    assert compound(years[2024]) == pytest.approx(1.21 * 0.5 - 1)
    assert list_monthly_returns(0, np.zeros(0, dtype=np.int64), np.zeros(0)) == []
    assert compound([MonthlyReturn(2024, 1, -1.0)]) == -1.0


def test_a_backtest_shows_its_history(run: Run, strategy: object, candles: object, tmp_path: object):
    output = run("backtest", strategy, "--data", candles, "--output", f"{tmp_path}/out").stdout
    lines = output.splitlines()
    equity = next(line for line in lines if line.startswith("  Equity "))
    assert set("▁█") <= set(equity)
    assert equity.endswith("999 to 1,044 USD")
    assert any(line.startswith("  2024") and line.split()[1] == line.split()[2] for line in lines)
    assert "Monthly returns, %" in lines


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_plain_characters(
    spawn: Spawn, strategy: object, candles: object, tmp_path: object
):
    done = spawn(
        "backtest", strategy, "--data", candles, "--output", f"{tmp_path}/out", PYTHONIOENCODING="ascii", PYTHONUTF8="0"
    )
    assert done.returncode == 0, done.stderr
    equity = next(line for line in done.stdout.splitlines() if line.startswith("  Equity "))
    assert "#" in equity
    assert equity.isascii()
