"""Long series are thinned, and what a reader would miss stays."""

import numpy as np
import pandas as pd
import pytest

from tests.kit.chart_states import DAY, START, make_candles
from tradeexecutor.visual.parts.thinning import Thinner, choose_points, merge_candles, note_left_out


def make_walk(seed: int, count: int = 50_000) -> "pd.Series[float]":
    values = np.random.default_rng(seed).normal(size=count).cumsum()
    return pd.Series(values, index=pd.date_range(START, periods=count, freq="min"))


@pytest.mark.parametrize("seed", range(5))
def test_first_last_highest_and_lowest_stay(seed: int):
    walk = make_walk(seed)
    thinned = Thinner(200).thin(walk)
    assert len(thinned) <= 204
    assert (thinned.index[0], thinned.index[-1]) == (walk.index[0], walk.index[-1])
    assert (thinned.max(), thinned.min()) == (walk.max(), walk.min())
    assert thinned.equals(walk[thinned.index])


def test_one_spike_among_many_equal_values_stays():
    walk = make_walk(1) * 0.0
    walk.iloc[31_234] = -5.0
    assert Thinner(50).thin(walk).min() == -5.0


def test_a_short_series_is_left_alone_and_needs_no_note():
    thinner = Thinner(100)
    walk = make_walk(0, 100)
    assert thinner.thin(walk) is walk
    assert thinner.get_notes() == []


def test_the_reader_is_told_how_much_is_left():
    thinner = Thinner(100)
    thinner.thin(make_walk(0, 2_000))
    thinner.thin(make_walk(0, 50))
    assert thinner.get_notes() == ["100 of 2,000 points drawn, highs and lows kept"]


def test_an_unsorted_series_is_sorted():
    assert Thinner(100).thin(make_walk(0, 10)[::-1]).index.is_monotonic_increasing


def test_gaps_stay_gaps():
    walk = make_walk(2)
    walk.iloc[10_000:20_000] = np.nan
    chosen = choose_points(walk.index.to_numpy(), np.asarray(walk, dtype=np.float64), 100)
    thinned = walk.iloc[chosen]
    inside = thinned[(thinned.index >= walk.index[10_000]) & (thinned.index < walk.index[20_000])]
    assert len(inside) == 1
    assert inside.isna().all()
    assert thinned.isna().sum() == 1


def test_a_series_without_any_value_keeps_its_ends():
    values = np.full(1_000, np.nan)
    assert choose_points(np.arange(1_000), values, 10).tolist() == [0, 999]


def test_candles_are_merged_without_losing_a_price():
    candles = make_candles(1_000, step=DAY / 24)
    merged, note = merge_candles(candles, 100)
    assert len(merged) == 84
    assert note == "1,000 candles merged into 84, each 12 hours"
    first = merged.iloc[0]
    assert first.to_dict() == {"open": 100, "high": 113, "low": 99, "close": 112, "volume": 60}
    assert (merged["high"].max(), merged["low"].min()) == (candles["high"].max(), candles["low"].min())
    assert merged["volume"].sum() == candles["volume"].sum()


def test_weeks_start_on_monday():
    merged, note = merge_candles(make_candles(100), 20)
    assert note == "100 candles merged into 15, each 1 week"
    assert set(pd.DatetimeIndex(merged.index).day_of_week) == {0}


def test_few_candles_are_left_alone():
    candles = make_candles(10)
    assert merge_candles(candles, 10) == (candles, None)


@pytest.mark.slow
def test_a_million_candles_are_merged():
    candles = make_candles(1_000_000, step=DAY / 1440)
    merged, _ = merge_candles(candles, 1_000)
    assert 300 < len(merged) <= 1_000


def test_the_note_about_what_is_left_out():
    assert note_left_out(30, 50, "pairs") == ("30 of 50 pairs shown",)
    assert note_left_out(50, 50, "pairs") == ()
