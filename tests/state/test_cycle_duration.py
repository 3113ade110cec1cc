"""Cycles, candles, and the grid of time they lie on."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import T0
from tradeexecutor.state.cycle_duration import CycleDuration, TimeBucket, snap_to_next_tick, snap_to_previous_tick
from tradeexecutor.state.errors import InvalidValue, NotAvailable

HOUR = datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("s1", "1s"),
        ("m1", "1m"),
        ("m15", "15m"),
        ("h1", "1h"),
        ("h4", "4h"),
        ("d1", "1d"),
        ("d7", "7d"),
        ("unknown", "unknown"),
    ],
)
def test_aliases_are_the_same_members(alias: str, name: str):
    assert CycleDuration[alias] is CycleDuration(name) is CycleDuration[f"cycle_{name}"]


def test_all_values():
    text = "1s 1m 5m 15m 30m 1h 2h 4h 6h 8h 10h 12h 16h 1d 2d 3d 4d 7d 10d 14d 30d 97h unknown"
    assert [member.value for member in CycleDuration] == text.split()


def test_length():
    assert CycleDuration.cycle_97h.to_timedelta() == 97 * HOUR
    assert CycleDuration.cycle_15m.to_pandas_timedelta() == HOUR / 4
    assert CycleDuration.cycle_unknown.to_timedelta() == datetime.timedelta(0)
    assert TimeBucket.d360.to_timedelta() == 360 * 24 * HOUR
    assert TimeBucket.m5.to_pandas_timedelta() == HOUR / 12


@pytest.mark.parametrize("bucket", [TimeBucket.infinite, TimeBucket.not_applicable])
def test_some_buckets_have_no_length(bucket: TimeBucket):
    with pytest.raises(NotAvailable):
        bucket.to_timedelta()


def test_order_is_by_length():
    assert sorted([CycleDuration.cycle_1d, CycleDuration.cycle_unknown, CycleDuration.cycle_16h]) == [
        CycleDuration.cycle_unknown,
        CycleDuration.cycle_16h,
        CycleDuration.cycle_1d,
    ]
    assert CycleDuration.cycle_97h > CycleDuration.cycle_4d
    assert CycleDuration.cycle_1h >= CycleDuration.h1 <= CycleDuration.cycle_1h
    with pytest.raises(TypeError):
        _ = CycleDuration.h1 < HOUR


def test_cycles_and_candles():
    assert CycleDuration.cycle_1h.to_timebucket() is TimeBucket.h1
    assert CycleDuration.from_timebucket(TimeBucket.d7) is CycleDuration.cycle_7d
    with pytest.raises(NotAvailable):
        CycleDuration.cycle_97h.to_timebucket()
    with pytest.raises(NotAvailable):
        CycleDuration.from_timebucket(TimeBucket.d360)


def test_cycles_of_a_year():
    assert CycleDuration.cycle_1d.get_yearly_periods() == 365
    with pytest.raises(NotAvailable):
        CycleDuration.cycle_unknown.get_yearly_periods()


def test_weeks_start_on_mondays():
    assert snap_to_previous_tick(T0, CycleDuration.d7) == datetime.datetime(2024, 4, 29)
    assert snap_to_next_tick(T0, CycleDuration.d7) == datetime.datetime(2024, 5, 6)


def test_time_on_the_grid_stays():
    on_grid = datetime.datetime(2024, 5, 1, 12)
    assert snap_to_previous_tick(on_grid, CycleDuration.h4, HOUR) == on_grid
    assert snap_to_next_tick(on_grid, CycleDuration.h4) == on_grid
    assert snap_to_next_tick(on_grid, CycleDuration.h4, HOUR) == on_grid + HOUR


def test_offset_is_added():
    assert snap_to_next_tick(T0, CycleDuration.h4, HOUR) == datetime.datetime(2024, 5, 1, 17)
    assert snap_to_previous_tick(T0, CycleDuration.h4, HOUR) == datetime.datetime(2024, 5, 1, 13)


def test_unknown_cycle_has_no_grid():
    assert snap_to_next_tick(T0, CycleDuration.unknown) == snap_to_previous_tick(T0, CycleDuration.unknown) == T0


def test_time_zones_are_refused():
    with pytest.raises(InvalidValue):
        snap_to_next_tick(T0.replace(tzinfo=datetime.UTC), CycleDuration.h1)


@given(
    st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1)),
    st.sampled_from([member for member in CycleDuration if member is not CycleDuration.unknown]),
)
def test_ticks_enclose_the_time(ts: datetime.datetime, duration: CycleDuration):
    before, after = snap_to_previous_tick(ts, duration), snap_to_next_tick(ts, duration)
    assert before <= ts <= after
    assert after - before in (duration.to_timedelta(), datetime.timedelta(0))
    assert duration.round_down(ts) == before
    assert snap_to_previous_tick(after, duration) == after
