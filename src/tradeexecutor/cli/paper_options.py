"""Options of paper trading."""

import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from tradeexecutor.cli.option_values import TIME_FORMATS

__all__ = [
    "FeedOption",
    "GapsOption",
    "HistoryOption",
    "PaperDataOption",
    "PaperFromOption",
    "PaperOption",
    "PaperSlippageOption",
    "WarmUpOption",
]

PaperOption = Annotated[
    bool, typer.Option("--paper", help="Trade on paper: live market data, simulated fills, no chain and no key.")
]
PaperDataOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="With --paper: a candle file that another program extends, or a folder of them. May be repeated.",
        show_default=False,
    ),
]
FeedOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --paper: the TOML file of a candle interface or an exchange, the one of `download`.",
        show_default=False,
    ),
]
HistoryOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="With --paper: older candles for the indicators, e.g. of `download`. May be repeated.",
        show_default=False,
    ),
]
WarmUpOption = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="With --feed and --exchange: how much older than the first decision the candles for the indicators are.",
    ),
]
GapsOption = Annotated[
    Literal["keep", "fill", "refuse"],
    typer.Option(
        help="With --paper: missing candles stay missing, are filled with the last close, or keep the strategy waiting."
    ),
]
PaperFromOption = Annotated[
    datetime.datetime | None,
    typer.Option(
        "--from",
        formats=TIME_FORMATS,
        metavar="DATE",
        help="With --paper --new: first decision, UTC. Decisions of the past are made at once, at their prices.",
        show_default="the next tick",
    ),
]
PaperSlippageOption = Annotated[
    float,
    typer.Option(
        min=0, max=0.5, metavar="FRACTION", help="With --paper: how much worse than the market price trades fill."
    ),
]
