"""``tradeexecutor download``."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import TIME_FORMATS
from tradeexecutor.cli.output import Column, format_time, print_json, print_line, print_problem, print_table
from tradeexecutor.state.clock import utc_now

if TYPE_CHECKING:
    from tradeexecutor.backtest.feeds.download import Downloaded

EXAMPLES = (
    "tradeexecutor download exchange.toml --from 2024-01-01",
    "tradeexecutor download exchange.toml --from 2024-01-01 --to 2025-01-01 --output candles",
    "tradeexecutor download exchange.toml --from 2024-01-01 --json | jq '.[].gaps'",
)

_COLUMNS = (
    Column("Pair", is_text=True),
    Column("From"),
    Column("To"),
    Column("Candles", right=True),
    Column("New", right=True),
    Column("Gaps", right=True),
    Column("File", is_text=True, priority=1),
)

#: Largest number of listed gaps of a pair.
_MAX_GAPS = 10


def download(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="TOML file that describes the candle interface.", show_default=False),
    ],
    *,
    start: Annotated[
        datetime.datetime,
        typer.Option("--from", formats=TIME_FORMATS, metavar="DATE", help="First candle, UTC.", show_default=False),
    ],
    end: Annotated[
        datetime.datetime | None,
        typer.Option(
            "--to", formats=TIME_FORMATS, metavar="DATE", help="End of the last candle, UTC.", show_default="now"
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for one Parquet file per pair.")
    ] = Path("candles"),
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if candles are missing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Download candles into Parquet files, with a record of where they come from.

    An interrupted download continues where it stopped, and a repeated one adds
    what is new. A candle in progress is not saved. Times without candles are
    listed. The file that describes the interface is explained in
    docs/market-data.md.

    The exit code is 1 when the interface does not answer; what had arrived by then
    is kept.
    """
    from tradeexecutor.backtest.feeds.download import download as download_all
    from tradeexecutor.backtest.feeds.http import HttpFeed, read_source

    feed = HttpFeed(read_source(source), start)
    found = download_all(feed, output, utc_now(), end)
    if json_:
        print_json(found)
    else:
        _print(found)
    empty = [item.pair for item in found if not item.candles]
    for pair in empty:
        print_problem(f"{pair}: the interface has no candles in this time")
    if empty or (strict and any(item.gaps for item in found)):
        raise typer.Exit(EXIT_FAILURE)


def _print(found: "list[Downloaded]") -> None:
    rows = [
        (
            item.pair,
            format_time(item.start_at),
            format_time(item.end_at),
            f"{item.candles:,}",
            f"{item.added:,}",
            f"{len(item.gaps):,}",
            str(item.path),
        )
        for item in found
    ]
    print_table(_COLUMNS, rows)
    for item in found:
        for gap in item.gaps[:_MAX_GAPS]:
            start, end = format_time(gap.start_at), format_time(gap.end_at)
            print_line(f"{item.pair} lacks {gap.missing:,} candles from {start} to {end}")
        if len(item.gaps) > _MAX_GAPS:
            print_line(f"{item.pair} has {len(item.gaps) - _MAX_GAPS:,} more gaps (--json lists all)")
