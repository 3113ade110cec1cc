"""Options of commands that trade in a simulation with a state file."""

import datetime
from typing import Annotated

import typer

from tradeexecutor.cli.option_values import TIME_FORMATS

__all__ = [
    "AtOption",
    "DateFormatOption",
    "FeeOption",
    "OptionalDataOption",
    "PairOption",
    "SlippageOption",
    "StrictOption",
    "TimeFrameOption",
]


OptionalDataOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Candles: a CSV, Parquet, Feather or JSON file, or the name of a data set that comes with the program. "
        "May be repeated.",
        show_default=False,
    ),
]

PairOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SYMBOL",
        help="Use only this pair of the data; for data of a single pair, its name. May be repeated.",
        show_default=False,
    ),
]

DateFormatOption = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="Format of times in candle files, when it is ambiguous: day-first, month-first; "
        "for numbers s, ms, us, ns, excel or YYYYMMDD; or a pattern such as '%d.%m.%Y %H:%M'.",
        show_default="detected from the files",
    ),
]

TimeFrameOption = Annotated[
    str | None,
    typer.Option(
        metavar="LENGTH",
        help="Length of a candle: 1m or 1min, 4h, 1d, 1w, 1M or month, quarter, year.",
        show_default="detected from the files",
    ),
]

StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse candles whose open or close is outside low - high, instead of widening their range.",
    ),
]

AtOption = Annotated[
    datetime.datetime | None,
    typer.Option(
        formats=TIME_FORMATS,
        metavar="TIME",
        help="Time of the trades, UTC.",
        show_default="last decision of the strategy",
    ),
]

FeeOption = Annotated[
    float,
    typer.Option(
        min=0, max=0.5, metavar="FRACTION", help="Trading fee of pairs without a declared fee: 0.001 is 0.1 %."
    ),
]

SlippageOption = Annotated[
    float, typer.Option(min=0, max=0.5, metavar="FRACTION", help="How much worse than the market price trades fill.")
]
