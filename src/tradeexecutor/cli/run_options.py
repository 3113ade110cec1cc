"""Options of commands that run a strategy file."""

import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from tradeexecutor.cli.option_values import TIME_FORMATS

__all__ = [
    "CashOption",
    "CycleOption",
    "DelistingOption",
    "EndOption",
    "SetOption",
    "StartOption",
    "StrategyArgument",
    "TradingFeeOption",
]

StrategyArgument = Annotated[
    Path,
    typer.Argument(metavar="STRATEGY", help="Python file of the strategy.", show_default=False, readable=False),
]

StartOption = Annotated[
    datetime.datetime | None,
    typer.Option(formats=TIME_FORMATS, metavar="DATE", help="First decision, UTC.", show_default="start of the data"),
]

EndOption = Annotated[
    datetime.datetime | None,
    typer.Option(formats=TIME_FORMATS, metavar="DATE", help="Stop before, UTC.", show_default="end of the data"),
]

CashOption = Annotated[
    float | None,
    typer.Option(min=0.01, metavar="USD", help="Initial deposit.", show_default="initial_cash of the strategy"),
]

TradingFeeOption = Annotated[
    float, typer.Option(min=0, max=0.5, metavar="FRACTION", help="Trading fee: 0.001 is 0.1 % of each trade.")
]

CycleOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="How often to decide, e.g. 1h, 1d, 7d.", show_default="cycle_duration of the strategy"
    ),
]

DelistingOption = Annotated[
    Literal["last_price", "write_off"],
    typer.Option(help="How a position is valued in a market that no longer trades."),
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a parameter of the strategy. May be repeated.",
        show_default=False,
    ),
]
