"""Times are read from what the whole column says, or refused with the row, the reason and the option that decides.

Each row of the tables is a column of times, and what must come out: the starts of the candles, or the refusal.
"""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.candle_tables import read_times
from tradeexecutor.strategy.market_data import Candles, InvalidCandles

#: 1 to 3 January 2024, by the day and by the hour.
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
HOURS = ("2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00")
#: Around the end of a month, so that a day after the 12th decides.
TURN = ("2024-01-31", "2024-02-01", "2024-02-02")

#: 2024-01-01 in seconds.
T = 1_704_067_200


def check(candles: Candles, starts: Any) -> None:
    assert candles.get_index().tolist() == [pd.Timestamp(start) for start in starts]


def epochs(factor: float, step: int = 3600) -> list[Any]:
    return [(T + n * step) * factor for n in range(3)]


READ: list[tuple[str, Any, Any, dict[str, Any]]] = [
    # --- Year first
    ("iso date", DAYS, DAYS, {}),
    ("iso minutes", HOURS, HOURS, {}),
    ("iso with T and fraction", [f"2024-01-01T0{n}:00:00.000" for n in range(3)], HOURS, {}),
    ("iso with nanoseconds", [f"2024-01-01 0{n}:00:00.000000001" for n in range(3)], HOURS, {}),
    ("iso with Z", [f"2024-01-01T0{n}:00:00Z" for n in range(3)], HOURS, {}),
    ("iso with UTC", [f"2024-01-01 0{n}:00:00 UTC" for n in range(3)], HOURS, {}),
    ("iso with +00:00", [f"2024-01-01 0{n}:00:00+00:00" for n in range(3)], HOURS, {}),
    ("iso with an offset", [f"2024-01-01T0{n + 2}:00+02:00" for n in range(3)], HOURS, {}),
    ("iso with an offset behind", [f"2023-12-31T{n + 19}:00-0500" for n in range(3)], HOURS, {}),
    (
        "iso with a short offset",
        [f"2024-01-01 0{n + 5}:30+05" for n in range(3)],
        [f"2024-01-01 0{n}:30" for n in range(3)],
        {},
    ),
    ("slashes", ["2024/01/01", "2024/01/02", "2024/01/03"], DAYS, {}),
    ("dots", ["2024.01.01", "2024.01.02", "2024.01.03"], DAYS, {}),
    ("no leading zeros", ["2024-1-1", "2024-1-2", "2024-1-3"], DAYS, {}),
    ("blanks around", [" 2024-01-01 ", "2024-01-02", "2024-01-03"], DAYS, {}),
    ("midnight without a clock", ["2024-01-01", "2024-01-01 01:00", "2024-01-01 02:00"], HOURS, {}),
    ("compact with a clock", ["20240101 000000", "20240101 010000", "20240101 020000"], HOURS, {}),
    ("compact iso", ["20240101T0000Z", "20240101T0100Z", "20240101T0200Z"], HOURS, {}),
    (
        "before 1980 by the day",
        ["1962-01-02", "1962-01-03", "1962-01-04"],
        ["1962-01-02", "1962-01-03", "1962-01-04"],
        {},
    ),
    ("29 February", ["2024-02-28", "2024-02-29", "2024-03-01"], ["2024-02-28", "2024-02-29", "2024-03-01"], {}),
    ("months", ["2024-01", "2024-02", "2024-03"], ["2024-01-01", "2024-02-01", "2024-03-01"], {}),
    ("newest first", DAYS[::-1], DAYS, {}),
    # --- Day and month as numbers
    ("day first, decided", ["31/01/2024", "01/02/2024", "02/02/2024"], TURN, {}),
    (
        "day first, decided by the last row",
        ["11/01/2024", "12/01/2024", "13/01/2024"],
        ["2024-01-11", "2024-01-12", "2024-01-13"],
        {},
    ),
    ("day first with dots", ["31.01.2024", "01.02.2024", "02.02.2024"], TURN, {}),
    ("day first with dashes", ["31-01-2024", "01-02-2024", "02-02-2024"], TURN, {}),
    (
        "day first with a clock",
        ["13.01.2024 00:00", "13.01.2024 01:00", "13.01.2024 02:00"],
        [f"2024-01-13 0{n}:00" for n in range(3)],
        {},
    ),
    ("month first, decided", ["01/31/2024", "02/01/2024", "02/02/2024"], TURN, {}),
    ("month first, short", ["1/31/2024", "2/1/2024", "2/2/2024"], TURN, {}),
    (
        "month first, AM and PM",
        ["01/31/2024 12:00 AM", "01/31/2024 08:00 AM", "01/31/2024 4:00 PM"],
        ["2024-01-31 00:00", "2024-01-31 08:00", "2024-01-31 16:00"],
        {},
    ),
    (
        "both orders are the same",
        ["05/05/2024 00:00", "05/05/2024 01:00", "05/05/2024 02:00"],
        [f"2024-05-05 0{n}:00" for n in range(3)],
        {},
    ),
    (
        "day first, named",
        ["01/02/2024", "02/02/2024", "03/02/2024"],
        ["2024-02-01", "2024-02-02", "2024-02-03"],
        {"date_format": "day-first"},
    ),
    (
        "month first, named",
        ["01/02/2024", "01/03/2024", "01/04/2024"],
        ["2024-01-02", "2024-01-03", "2024-01-04"],
        {"date_format": "month-first"},
    ),
    ("an order is named in vain", DAYS, DAYS, {"date_format": "day-first"}),
    (
        "a pattern",
        ["01/02/2024", "02/02/2024", "03/02/2024"],
        ["2024-02-01", "2024-02-02", "2024-02-03"],
        {"date_format": "%d/%m/%Y"},
    ),
    (
        "year and day swapped, named",
        ["2024-01-02", "2024-02-02", "2024-03-02"],
        ["2024-02-01", "2024-02-02", "2024-02-03"],
        {"date_format": "%Y-%d-%m"},
    ),
    (
        "a pattern with a zone",
        ["01.02.2024 01:00+0100", "01.02.2024 02:00+0100", "01.02.2024 03:00+0100"],
        ["2024-02-01 00:00", "2024-02-01 01:00", "2024-02-01 02:00"],
        {"date_format": "%d.%m.%Y %H:%M%z"},
    ),
    # --- Two digits of a year
    ("two digits, month first", ["01/31/24", "02/01/24", "02/02/24"], TURN, {}),
    ("two digits, day first: 31 is no year yet", ["31.01.24", "01.02.24", "02.02.24"], TURN, {}),
    (
        "two digits of the last century",
        ["12/30/98", "12/31/98", "01/01/99"],
        ["1998-12-30", "1998-12-31", "1999-01-01"],
        {},
    ),
    (
        "two digits, named",
        ["01/02/24", "02/02/24", "03/02/24"],
        ["2024-02-01", "2024-02-02", "2024-02-03"],
        {"date_format": "day-first"},
    ),
    # --- Names of months
    ("31 Jan 2024", ["31 Jan 2024", "01 Feb 2024", "02 Feb 2024"], TURN, {}),
    ("31-Jan-2024", ["31-Jan-2024", "01-Feb-2024", "02-Feb-2024"], TURN, {}),
    ("31-JAN-24", ["31-JAN-24", "01-FEB-24", "02-FEB-24"], TURN, {}),
    ("Jan 31, 2024", ["Jan 31, 2024", "Feb 01, 2024", "Feb 02, 2024"], TURN, {}),
    ("January 31, 2024", ["January 31, 2024", "February 1, 2024", "February 2, 2024"], TURN, {}),
    ("with weekdays", ["Wed, 31 Jan 2024", "Thu, 01 Feb 2024", "Fri, 02 Feb 2024"], TURN, {}),
    ("Jan 2024", ["Jan 2024", "Feb 2024", "Mar 2024"], ["2024-01-01", "2024-02-01", "2024-03-01"], {}),
    # --- Numbers
    ("seconds", epochs(1), HOURS, {}),
    ("milliseconds", epochs(1_000), HOURS, {}),
    ("microseconds", epochs(1_000_000), HOURS, {}),
    ("nanoseconds", epochs(1_000_000_000), HOURS, {}),
    ("seconds as floats", epochs(1.0), HOURS, {}),
    ("milliseconds as floats", epochs(1_000.0), HOURS, {}),
    ("nanoseconds as floats", epochs(1e9), HOURS, {}),
    ("seconds as 32-bit integers", np.array(epochs(1), np.int32), HOURS, {}),
    ("seconds as unsigned integers", np.array(epochs(1), np.uint64), HOURS, {}),
    ("seconds as text", [str(t) for t in epochs(1)], HOURS, {}),
    ("seconds with a fraction as text", [f"{t}.000" for t in epochs(1)], HOURS, {}),
    ("nanoseconds as text", [str(t) for t in epochs(1_000_000_000)], HOURS, {}),
    (
        "seconds of 1990: nine digits",
        [631152000 + n * 3600 for n in range(3)],
        [f"1990-01-01 0{n}:00" for n in range(3)],
        {},
    ),
    ("YYYYMMDD", [20240101, 20240102, 20240103], DAYS, {}),
    ("YYYYMMDD as text", ["20240101", "20240102", "20240103"], DAYS, {}),
    ("YYYYMMDD as floats", [20240101.0, 20240102.0, 20240103.0], DAYS, {}),
    ("YYYYMMDD of 1962", [19620102, 19620103, 19620104], ["1962-01-02", "1962-01-03", "1962-01-04"], {}),
    ("YYYYMMDDHHMM", [202401010000, 202401010100, 202401010200], HOURS, {}),
    ("YYYYMMDDHHMMSS", [20240101000000, 20240101010000, 20240101020000], HOURS, {}),
    ("YYYYMM", [202401, 202402, 202403], ["2024-01-01", "2024-02-01", "2024-03-01"], {}),
    ("YYMMDD: 31 is no month", [240130, 240131, 240201], ["2024-01-30", "2024-01-31", "2024-02-01"], {}),
    ("years", [2021, 2022, 2023], ["2021-01-01", "2022-01-01", "2023-01-01"], {}),
    ("days of a spreadsheet, named", [45292, 45293, 45294], DAYS, {"date_format": "excel"}),
    ("hours of a spreadsheet, named", [45292, 45292.0416666667, 45292.0833333333], HOURS, {"date_format": "excel"}),
    ("YYMMDD, named", [200101, 200102, 200103], ["2020-01-01", "2020-01-02", "2020-01-03"], {"date_format": "yymmdd"}),
    # --- Objects
    ("datetimes", pd.to_datetime(DAYS), DAYS, {}),
    ("datetimes in seconds", pd.to_datetime(DAYS).astype("datetime64[s]"), DAYS, {}),
    ("dates", [datetime.date.fromisoformat(day) for day in DAYS], DAYS, {}),
    ("dates as objects", np.array([datetime.datetime.fromisoformat(day) for day in DAYS], object), DAYS, {}),
    (
        "objects with zones",
        np.array([datetime.datetime(2024, 1, 1, n, tzinfo=datetime.UTC) for n in range(3)], object),
        HOURS,
        {},
    ),
    ("periods", pd.period_range("2024-01", periods=3, freq="M"), ["2024-01-01", "2024-02-01", "2024-03-01"], {}),
    ("New York", pd.to_datetime(DAYS).tz_localize("America/New_York"), [f"{day} 05:00" for day in DAYS], {}),
]

REFUSED: list[tuple[str, Any, str, int | None, dict[str, Any]]] = [
    # --- Two meanings
    (
        "no row decides",
        ["01/02/2024", "02/02/2024", "03/02/2024"],
        r"'01/02/2024' can be 2024-02-01 \(day-first\) or 2024-01-02 \(month-first\), and no row decides; "
        "set the format with --date-format",
        1,
        {},
    ),
    (
        "no row decides, by the hour",
        ["01.02.2024 00:00", "01.02.2024 01:00"],
        "no row decides; set the format with --date-format",
        1,
        {},
    ),
    (
        "first of each month or first days",
        [f"01/{n:02}/2024" for n in range(1, 13)],
        "'01/02/2024' can be 2024-02-01",
        2,
        {},
    ),
    ("two digits", ["01/02/03", "02/02/03", "03/02/03"], "no row decides", 1, {}),
    (
        "two digits: 13 can be a year",
        ["13/01/24", "14/01/24", "15/01/24"],
        r"2024-01-13 \(day-first\) or 2013-01-24 \(year-first\)",
        1,
        {},
    ),
    (
        "a month's name and two digits twice",
        ["01-Feb-24", "02-Feb-24"],
        r"2024-02-01 \(day-first\) or 2001-02-24 \(year-first\)",
        1,
        {},
    ),
    (
        "YYYYMM or YYMMDD",
        [200101, 200102, 200103],
        r"can be 2001-01-01 \(YYYYMM\) or 2020-01-01 \(YYMMDD\), and no row decides; set the format with --date-format",
        1,
        {},
    ),
    (
        "a spreadsheet counts from 1900 or 1904",
        [45292, 45293, 45294],
        "45292 can be a day number of a spreadsheet, .* 'excel' with --date-format",
        1,
        {},
    ),
    (
        "month ends or month starts elsewhere",
        ["2022-12-31 15:00", "2023-01-31 15:00", "2023-02-28 15:00"],
        "can be the end of that month, or the start of the next one in another time zone",
        1,
        {},
    ),
    # --- Two forms in one column
    ("two orders", ["13/02/2024", "02/14/2024", "02/15/2024"], "written in two orders", 1, {}),
    ("two separators", ["13.02.2024", "14/02/2024"], "another separator than '13.02.2024' in row 1", 2, {}),
    (
        "iso and day first",
        ["2024-01-01", "2024-01-02", "13/01/2024"],
        r"'13/01/2024' has another format \(row 1 is '2024-01-01'\)",
        3,
        {},
    ),
    ("text and numbers", ["2024-01-01", "2024-01-02", str(T)], "is not written as the other times are", 3, {}),
    (
        "with and without a zone",
        ["2024-01-01T00:00Z", "2024-01-01T01:00", "2024-01-01T02:00Z"],
        "has no time zone, other rows have one",
        2,
        {},
    ),
    (
        "objects with and without a zone",
        np.array([datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)], object),
        "has no time zone",
        1,
        {},
    ),
    ("AM in some rows", ["2024-01-01 01:00 AM", "2024-01-01 02:00"], "neither AM nor PM", 2, {}),
    (
        "seconds and milliseconds",
        [T, T + 3600, (T + 7200) * 1000],
        "1704074400000 is in milliseconds, row 1, 1704067200, is in seconds",
        3,
        {},
    ),
    ("milliseconds and microseconds", [T * 1000, T * 1000 + 3600000, T * 10**6], "is in microseconds", 3, {}),
    (
        "dates and seconds",
        [20240101, 20240102, T],
        "1704067200 is in seconds, row 1, 20240101, is in the format YYYYMMDD",
        3,
        {},
    ),
    # --- No times
    (
        "junk at the end",
        ["2024-01-01", "2024-01-02", "Total"],
        r"'Total' is not a time \(row 1 is '2024-01-01'\)",
        3,
        {},
    ),
    ("junk after numbers", [str(T), str(T + 3600), "# end"], "'# end' is not a number, as the other times are", 3, {}),
    ("missing", ["2024-01-01", None, "2024-01-03"], "the time is missing", 2, {}),
    ("empty", ["2024-01-01", " ", "2024-01-03"], "the time is missing", 2, {}),
    (
        "row numbers",
        [0, 1, 2],
        "0 is not a time: in seconds it is 1970-01-01, before 1980; set the format with --date-format",
        1,
        {},
    ),
    ("negative", [-5, -4], "before 1970", 1, {}),
    ("infinite", [float(T), np.inf], "inf is not a time", 2, {}),
    ("booleans", [True, False], "is not a time", 1, {}),
    ("32-bit floats", np.array(epochs(1), np.float32), "float32 numbers, which are not precise enough", None, {}),
    ("words", ["soon", "later"], "'soon' is not a time", 1, {}),
    ("month 13", [20240101, 20241301], "there is no month 13", 2, {}),
    ("30 February", ["2024-02-29", "2024-02-30"], "'2024-02-30' is not a time: 2024-02 has no day 30", 2, {}),
    ("29 February of another year", ["2023-02-28", "2023-02-29"], "2023-02 has no day 29", 2, {}),
    ("hour 24", ["2024-01-01 23:00", "2024-01-01 24:00"], "there is no time 24:00:00", 2, {}),
    ("13 PM", ["2024-01-01 12:00 PM", "2024-01-01 13:00 PM"], "hours go from 1 to 12 with AM and PM", 2, {}),
    ("offset of 20 hours", ["2024-01-01T00:00+20:00", "2024-01-01T01:00+20:00"], "no such time zone", 1, {}),
    ("a zone by its name", ["2024-01-01 00:00 EST", "2024-01-01 01:00 EST"], "is not a time", 1, {}),
    ("no month's name", ["31 Foo 2024", "01 Bar 2024"], "is not a time: there is no month 0", 1, {}),
    ("a month that only begins like one", ["01 Marble 2024", "02 Marble 2024"], "is not a time", 1, {}),
    ("year and week", ["2024-W01", "2024-W02"], "is not a time", 1, {}),
    # --- Impossible times
    ("future text", ["2199-01-01", "2199-01-02"], "the time 2199-01-01 is in the future", 1, {}),
    ("future datetimes", pd.to_datetime(["2024-01-01", "2199-01-02"]), "is in the future", 2, {}),
    (
        "future seconds",
        [4_102_444_800, 4_102_448_400],
        "4102444800 is not a time: in seconds it is 2100-01-01, in the future",
        1,
        {},
    ),
    ("future with a pattern", ["01/02/99", "02/02/68"], "is in the future", 2, {"date_format": "%d/%m/%y"}),
    (
        "wrong unit upstream",
        pd.to_datetime(epochs(1), unit="ms"),
        "a number in another unit may have been taken for it",
        1,
        {},
    ),
    (
        "zero for missing",
        ["1970-01-01", "2024-01-01", "2024-01-02"],
        "1970-01-01 is what programs write for a missing time",
        1,
        {},
    ),
    (
        "zero for missing in a named unit",
        [0, T, T + 3600],
        "what programs write for a missing time",
        1,
        {"date_format": "s"},
    ),
    ("old seconds", [100_000_000, 100_003_600], "before 1980", 1, {}),
    (
        "old hours in a named unit",
        [0, 3600, 7200],
        "has a time of day although it is before 1980",
        2,
        {"date_format": "s"},
    ),
    # --- The option contradicts
    (
        "does not fit the pattern",
        ["2024-01-01", "2024-01-02"],
        "'2024-01-01' does not match '%d/%m/%Y'",
        1,
        {"date_format": "%d/%m/%Y"},
    ),
    ("no pattern", DAYS, "'%Q%Y' is not a date format", None, {"date_format": "%Q%Y"}),
    ("a pattern without a year", ["01/02", "02/02"], "needs a year", None, {"date_format": "%d/%m"}),
    (
        "a pattern with names of zones",
        ["2024-01-01 EST", "2024-01-02 EST"],
        "must not have names of zones",
        None,
        {"date_format": "%Y-%m-%d %Z"},
    ),
    (
        "no format",
        DAYS,
        "'european' is not a date format; use day-first, month-first",
        None,
        {"date_format": "european"},
    ),
    (
        "a unit for text",
        DAYS,
        "'2024-01-01' is not a number, as the other times are; --date-format .* says ms",
        1,
        {"date_format": "ms"},
    ),
    ("a wrong unit", epochs(1), "before 1980", 1, {"date_format": "ms"}),
    (
        "an order that does not fit",
        ["13/01/2024", "14/01/2024"],
        "is not a time: there is no month 13",
        1,
        {"date_format": "month-first"},
    ),
    ("an order there is not", ["13/01/2024", "14/01/2024"], "cannot be year-first", 1, {"date_format": "year-first"}),
    ("no day of a spreadsheet", [10, 11], "10 is not a day number of a spreadsheet", 1, {"date_format": "excel"}),
]


@pytest.mark.parametrize(("times", "starts", "options"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_read(times: Any, starts: Any, options: dict[str, Any]):
    check(read_times(times, **options), starts)


@pytest.mark.parametrize(
    ("times", "message", "row", "options"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused(times: Any, message: str, row: int | None, options: dict[str, Any]):
    with pytest.raises(InvalidCandles, match=message) as caught:
        read_times(times, **options)
    assert caught.value.row == row


def test_the_order_of_sixty_days_is_decided_by_those_after_the_twelfth():
    days = pd.date_range("2024-01-01", periods=60)
    for pattern in ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m/%d/%Y", "%d %b %Y", "%B %d, %Y"):
        check(read_times(days.strftime(pattern)), days)
