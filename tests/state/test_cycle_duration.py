"""Cycles, candles, and the grid of time they lie on."""

import datetime
import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import T0
from tradeexecutor.state.cycle_duration import CycleDuration, TimeBucket, snap_to_next_tick, snap_to_previous_tick
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.identifier import LendingProtocolType
from tradeexecutor.state.identifier.pair_metadata import ERC4626Feature

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


@pytest.mark.parametrize("zone", [datetime.UTC, datetime.timezone(2 * HOUR)], ids=str)
def test_the_time_zone_is_kept(zone: datetime.timezone):
    time = datetime.datetime(2024, 5, 1, 13, 5, tzinfo=zone)
    after, before = snap_to_next_tick(time, CycleDuration.h4), snap_to_previous_tick(time, CycleDuration.h4)
    assert (after, after.tzinfo) == (datetime.datetime(2024, 5, 1, 16, tzinfo=zone), zone)
    assert (before, before.tzinfo) == (datetime.datetime(2024, 5, 1, 12, tzinfo=zone), zone)
    assert snap_to_next_tick(after, CycleDuration.h4) == after


def test_what_is_no_time_is_refused():
    with pytest.raises(InvalidValue):
        snap_to_next_tick("2024-05-01", CycleDuration.h1)  # pyright: ignore[reportArgumentType]


# --- The same enums of other libraries


class _Theirs:
    """Enums as the data client and the DeFi client declare them; only the names and values matter."""

    TimeBucket = enum.Enum("TimeBucket", {"d1": "1d", "h1": "1h", "d360": "360d"})
    LendingProtocolType = enum.Enum("LendingProtocolType", {"aave_v3": "aave_v3"}, type=str)
    ERC4626Feature = enum.Enum("ERC4626Feature", {"lagoon_like": "lagoon_like", "ostium_like": "ostium_like"})
    CandleBucket = enum.Enum("CandleBucket", {"d1": "1d"})


@pytest.mark.parametrize(
    ("ours", "theirs", "other"),
    [
        (TimeBucket.d1, _Theirs.TimeBucket["d1"], _Theirs.TimeBucket["h1"]),
        (LendingProtocolType.aave_v3, _Theirs.LendingProtocolType["aave_v3"], TimeBucket.d1),
        (ERC4626Feature.lagoon_like, _Theirs.ERC4626Feature["lagoon_like"], _Theirs.ERC4626Feature["ostium_like"]),
    ],
)
def test_a_member_equals_that_of_another_library(ours: enum.Enum, theirs: enum.Enum, other: enum.Enum):
    assert ours == theirs
    assert theirs == ours
    assert len({ours, theirs}) == 1
    assert {theirs: 1}[ours] == {ours: 1}[theirs] == 1
    assert ours != other
    assert other != ours
    assert type(ours)(theirs) is ours


def test_a_member_of_an_enum_of_another_name_is_different():
    assert TimeBucket.d1 != _Theirs.CandleBucket["d1"]
    assert TimeBucket.d1 != "1d"
    with pytest.raises(ValueError, match="is not a valid TimeBucket"):
        TimeBucket(_Theirs.CandleBucket["d1"])


@pytest.mark.parametrize("bucket", [TimeBucket.h1, _Theirs.TimeBucket["h1"]], ids=["ours", "theirs"])
def test_a_candle_length_is_a_cycle_duration(bucket: TimeBucket):
    assert CycleDuration(bucket) is CycleDuration.from_timebucket(bucket) is CycleDuration.cycle_1h


def test_a_candle_length_that_is_no_cycle():
    with pytest.raises(ValueError, match="not a valid CycleDuration"):
        CycleDuration(_Theirs.TimeBucket["d360"])


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
