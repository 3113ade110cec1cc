"""What the market data lacks of a period is said once, and what a market does not trade is not missed."""

import datetime
import logging

import numpy as np
import pandas as pd
import pytest

from tests.kit.candle_tables import read_times
from tests.kit.markets import DAY, HOUR, START, flat, make_candles, run, run_two
from tradeexecutor.backtest.coverage import describe_coverage, find_gaps, has_closing_hours
from tradeexecutor.backtest.universe import create_universe

DAYS = pd.date_range("2023-01-02", "2023-12-29")


def describe(times: object, start: datetime.datetime | None = None, end: datetime.datetime | None = None) -> list[str]:
    universe = create_universe({"BTC-USD": read_times(times)})
    first, last = universe.get_time_range()
    return describe_coverage(universe, (start, end), (max(start or first, first), min(end or last, last)))


def test_whole_data_needs_no_words():
    assert describe(DAYS) == []
    assert describe(pd.date_range("2023-01-01", periods=5000, freq="h")) == []
    assert describe(pd.date_range("2021-01-01", periods=24, freq="MS")) == []


def test_missing_hours_of_a_market_that_never_closes():
    hours = pd.date_range("2023-01-01", periods=1000, freq="h")
    assert describe(hours.delete([100])) == [
        "BTC-USD lacks 1 of 1,000 candles of 1 hour, from 2023-01-05 04:00 to 2023-01-05 05:00."
    ]
    assert describe(hours.delete([100, 101, 102, 500])) == [
        "BTC-USD lacks 4 of 1,000 candles of 1 hour, in 2 places, the most from 2023-01-05 04:00 to 2023-01-05 07:00."
    ]


def test_only_the_period_of_the_run_counts():
    hours = pd.date_range("2023-01-01", periods=1000, freq="h").delete([100, 500])
    assert describe(hours, start=datetime.datetime(2023, 1, 10)) == [
        "BTC-USD lacks 1 of 784 candles of 1 hour, from 2023-01-21 20:00 to 2023-01-21 21:00."
    ]


def test_months():
    assert describe(pd.date_range("2021-01-01", periods=24, freq="MS").delete([5])) == [
        "BTC-USD lacks 1 of 24 candles of 1 month, from 2021-06-01 to 2021-07-01."
    ]
    assert describe(pd.date_range("2021-01-01", periods=24, freq="BMS")) == []


def make_session_hours(days: int = 60) -> pd.DatetimeIndex:
    """Six hours of each weekday in New York, in UTC."""
    mornings = pd.date_range("2023-02-01 10:00", periods=days, freq="B", tz="America/New_York")
    hours = [morning + pd.Timedelta(hours=n) for morning in mornings for n in range(6)]
    return pd.DatetimeIndex(hours).tz_convert("UTC").tz_localize(None)


def make_currency_hours() -> pd.DatetimeIndex:
    """From Sunday 22:00 to Friday 22:00 UTC."""
    hours = pd.date_range("2023-01-01 22:00", periods=3000, freq="h")
    return hours[(hours - pd.Timedelta(hours=22)).day_of_week.isin([6, 0, 1, 2, 3])]


@pytest.mark.parametrize(
    "times",
    [
        pd.bdate_range("2023-01-02", "2023-12-29"),
        pd.bdate_range("2023-01-02", "2023-12-29").delete([20, 100, 101, 180]),
        pd.bdate_range("2023-01-02", "2023-01-13"),
        make_session_hours(),
        make_session_hours().delete([50, 51]),
        DAYS[DAYS.day_of_week != 5],
        make_currency_hours(),
    ],
    ids=["weekdays", "holidays", "two weeks", "session", "session with gaps", "closed on Saturdays", "currencies"],
)
def test_closing_hours_and_holidays_are_not_missed(times: pd.DatetimeIndex):
    candles = read_times(times)
    assert has_closing_hours(candles)
    assert find_gaps(candles, can_close=True) == []
    assert describe(times) == []


def test_weeks_without_prices_are_missed_in_any_market():
    days = pd.bdate_range("2023-01-02", "2023-12-29")
    assert describe(days.delete(range(100, 115))) == ["BTC-USD has no prices from 2023-05-20 to 2023-06-12."]
    twice = days.delete([*range(100, 115), *range(200, 205)])
    assert describe(twice) == [
        "BTC-USD has no prices 2 times for more than five days, the longest from 2023-05-20 to 2023-06-12."
    ]


def test_thin_markets_do_not_close():
    hours = np.sort(np.random.default_rng(3).choice(5000, 2500, replace=False))
    candles = read_times(pd.Timestamp("2023-01-01") + pd.to_timedelta(hours, unit="h"))
    assert not has_closing_hours(candles)
    assert sum(gap.candles for gap in find_gaps(candles, can_close=False)) == hours[-1] - hours[0] + 1 - len(hours)


def test_a_period_that_the_data_does_not_cover():
    first, last = datetime.datetime(2022, 12, 1), datetime.datetime(2024, 2, 1)
    assert describe(DAYS, first, last) == [
        "The run starts 2023-01-02 and not 2022-12-01: the market data begins then.",
        "The run ends 2023-12-30 and not 2024-02-01: the market data ends then.",
    ]
    assert describe(DAYS, datetime.datetime(2023, 2, 1), datetime.datetime(2023, 12, 1)) == []
    # A year of weekdays begins on its first trading day.
    assert (
        describe(
            pd.bdate_range("2023-01-02", "2023-12-29"), datetime.datetime(2023, 1, 1), datetime.datetime(2024, 1, 1)
        )
        == []
    )


def test_a_pair_that_begins_later_or_ends_earlier_is_named():
    btc = make_candles([flat(1.0)] * 100, bucket=DAY)
    eth = make_candles([flat(1.0)] * 50, start=START + 20 * DAY, bucket=DAY)
    result = run_two(btc, eth, {}, end_at=START + 99 * DAY)
    assert result.diagnostics_data["coverage"] == [
        "The run starts 2024-01-21, when ETH-USD begins; BTC-USD begins 2024-01-01.",
        "ETH-USD ends 2024-03-11, before the end of the run.",
    ]
    result = run_two(btc, eth, {}, start_at=START)
    assert result.diagnostics_data["coverage"][0] == "ETH-USD begins 2024-01-21, after the start of the run."


def test_a_run_says_it_once(caplog: pytest.LogCaptureFixture):
    candles = make_candles([flat(1.0)] * 50, skip=[10, 11])
    with caplog.at_level(logging.WARNING):
        result = run(candles, {})
    (note,) = result.diagnostics_data["coverage"]
    assert note == "BTC-USD lacks 2 of 52 candles of 1 hour, from 2024-01-01 10:00 to 2024-01-01 12:00."
    assert result.diagnostics_data["warnings"][-1] == note
    said = [record.message for record in caplog.records if "lacks" in record.message]
    assert said == [f"{result.state.name}: {note}"]
    assert run(make_candles([flat(1.0)] * 50), {}, start_at=START + HOUR).diagnostics_data["coverage"] == []
