"""Windows without gap or overlap, and chained returns that are exact."""

import datetime
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.searches import make_days, write_strategy
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.research import walk_forward
from tradeexecutor.research.parameter_space import ParameterNotValid
from tradeexecutor.research.walk_forward import find_windows, stitch
from tradeexecutor.strategy.market_data import Candles

DAY = datetime.timedelta(days=1)
START = datetime.datetime(2023, 1, 1)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 200), st.booleans())
def test_windows_leave_no_gap_and_no_overlap(train: int, test: int, rest: int, anchored: bool):
    end = START + (train + rest) * DAY
    windows = find_windows(START, end, train * DAY, test * DAY, anchored=anchored)
    assert windows[0].test_start == START + train * DAY
    assert windows[-1].test_end == end
    assert len(windows) == -(-rest // test)
    for window, following in itertools.pairwise(windows):
        assert window.test_end == following.test_start
    for window in windows:
        assert window.train_end == window.test_start
        assert window.train_start == (START if anchored else window.test_start - train * DAY)
        assert window.train_start >= START


@pytest.mark.parametrize(
    ("train", "test", "message"), [(10, 0, "longer than nothing"), (10, 1, "10 days leaves none"), (-1, 1, "longer")]
)
def test_periods_that_cannot_be_are_refused(train: int, test: int, message: str):
    with pytest.raises(ParameterNotValid, match=message):
        find_windows(START, START + 10 * DAY, train * DAY, test * DAY)


def test_two_windows_by_hand(tmp_path: Path):
    """Prices 100, 101, ... 109 at the opens of ten days; each period buys for all cash at its first open, no fees.

    Training 1 to 4 January, tests from 5 (open 104) to 8 (open 107) and from 8 to the close of 10 January (110).
    """
    opens = np.arange(100.0, 110.0)
    starts = np.array([to_us(START + number * DAY) for number in range(10)])
    candles = Candles(starts, opens, opens + 1, opens, opens + 1, np.ones(10))
    universe = create_universe({"BTC-USD": candles}, fee=0.0)
    found = walk_forward(
        write_strategy(tmp_path), {"share": [0.25, 1.0]}, train=4 * DAY, test=3 * DAY, universe=universe, jobs=1,
        objective="total_return", fixed={"last": 99},
    )  # fmt: skip
    assert [window.chosen.parameters for window in found.windows if window.chosen] == [{"share": 1.0}] * 2
    assert [window.tries for window in found.windows] == [2, 2]
    assert found.total_return == pytest.approx(107 / 104 * 110 / 107 - 1, abs=1e-6)
    days = found.observations
    assert days.start == to_us(START + 4 * DAY)
    assert days.ends.tolist() == [to_us(START + number * DAY) for number in range(5, 11)]
    assert (1 + days.returns).tolist() == pytest.approx([(105 + n) / (104 + n) for n in range(6)], abs=1e-6)


def to_us(at: datetime.datetime) -> int:
    return int(np.datetime64(at, "us").astype(np.int64))


@pytest.mark.parametrize("anchored", [False, True])
def test_the_chained_return_is_the_product_of_the_tests(tmp_path: Path, anchored: bool):
    found = walk_forward(
        write_strategy(tmp_path), {"first": "1:2", "last": "5,30"}, train=20 * DAY, test=13 * DAY, anchored=anchored,
        universe=make_days(70), jobs=2, folder=tmp_path / "f",
    )  # fmt: skip
    assert len(found.windows) == 4
    growth = 1.0
    for window in found.windows:
        assert window.chosen is not None
        assert window.test is not None
        assert window.test.parameters == window.chosen.parameters
        growth *= float(window.test.figures["final_equity"]) / 1000  # type: ignore[arg-type]
    assert 1 + found.total_return == pytest.approx(growth, rel=1e-12)
    times = found.observations.path_times
    assert (np.diff(times) == 86_400_000_000).all()
    assert (times[0], times[-1]) == (to_us(START + 20 * DAY), to_us(START + 70 * DAY))
    assert found.runs == 4 * 5
    assert found.efficiency is None or found.figures["cagr"] is not None
    again = walk_forward(
        write_strategy(tmp_path), {"first": "1:2", "last": "5,30"}, train=20 * DAY, test=13 * DAY, anchored=anchored,
        universe=make_days(70), jobs=2, folder=tmp_path / "f",
    )  # fmt: skip
    assert again.known == again.runs
    assert again.observations.returns.tolist() == found.observations.returns.tolist()


def test_trainings_see_nothing_of_their_test(tmp_path: Path):
    """The rows of the first training are the same when the later candles are other ones."""
    settings: dict[str, Any] = {"train": 20 * DAY, "test": 20 * DAY, "jobs": 1}
    early, late = make_days(40), make_days(40, seed=9)
    pair = early.get_single_pair()
    one, other = early.get_candles(pair), late.get_candles(late.get_single_pair())
    # The open of the first test is the price at which the training values what it holds at its end.
    scale = one.open[20] / other.open[20]
    columns = [
        np.concatenate([one.get_column(name)[:20], other.get_column(name)[20:] * scale])
        for name in ("open", "high", "low", "close", "volume")
    ]
    mixed = create_universe({"BTC-USD": Candles(one.starts, *columns)})
    path = write_strategy(tmp_path)
    found, changed = (
        walk_forward(path, {"first": "1:3"}, universe=universe, **settings).windows[0].chosen
        for universe in (early, mixed)
    )
    assert found is not None
    assert changed is not None
    assert (found.parameters, found.figures) == (changed.parameters, changed.figures)


def test_a_window_without_a_choice_stays_in_cash(tmp_path: Path):
    found = walk_forward(
        write_strategy(tmp_path), {"first": "1:2"}, train=20 * DAY, test=20 * DAY, universe=make_days(60), jobs=1,
        require=["trades > 99"],
    )  # fmt: skip
    assert [(window.chosen, window.test) for window in found.windows] == [(None, None)] * 2
    assert found.total_return == 0.0
    assert found.figures["sharpe"] is None
    assert stitch(found.windows).path_times.tolist() == [to_us(START + number * DAY) for number in (20, 40, 60)]
