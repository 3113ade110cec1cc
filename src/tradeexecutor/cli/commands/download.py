"""``tradeexecutor download``."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.exchange_options import ExchangeOption, PairOption, TimeFrameOption, read_feed_source
from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import TIME_FORMATS
from tradeexecutor.cli.output import Column, format_time, print_json, print_line, print_problem, print_table
from tradeexecutor.cli.progress import showing_progress
from tradeexecutor.state.clock import utc_now

if TYPE_CHECKING:
    from tradeexecutor.backtest.feeds.download import Downloaded
    from tradeexecutor.backtest.feeds.paged import PagedFeed
    from tradeexecutor.database.verification import Progress

EXAMPLES = (
    "tradeexecutor download --exchange kraken --pair BTC/USD --pair ETH/USD --time-frame 1h --from 2026-11-01",
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
        Path | None,
        typer.Argument(metavar="SOURCE", help="TOML file that describes the candle interface.", show_default=False),
    ] = None,
    *,
    start: Annotated[
        datetime.datetime,
        typer.Option("--from", formats=TIME_FORMATS, metavar="DATE", help="First candle, UTC.", show_default=False),
    ],
    exchange: ExchangeOption = None,
    pair: PairOption = None,
    time_frame: TimeFrameOption = None,
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

    The source is an exchange that ccxt knows (--exchange), or an interface that a
    file describes, see docs/market-data.md. An interrupted download continues where
    it stopped, and a repeated one adds what is new. A candle in progress is not
    saved. Times without candles are listed.

    The exit code is 1 when the source does not answer; what had arrived by then is
    kept.
    """
    from tradeexecutor.backtest.feeds.download import download as download_all
    from tradeexecutor.backtest.feeds.sources import open_feed

    described = read_feed_source(source, exchange, pair, time_frame)
    if described is None:
        raise typer.BadParameter("name a file, or an exchange with --exchange", param_hint="SOURCE")
    now = utc_now()
    feed = open_feed(described, start)
    with showing_progress("Downloading") as show:
        found = download_all(feed, output, now, end, _make_progress(show, feed, min(end or now, now)))
    if json_:
        print_json(found)
    else:
        _print(found)
    for item in found:
        if item.start_at is not None and item.start_at >= start + feed.source.time_frame:
            print_problem(f"{item.pair}: the source has no candles before {format_time(item.start_at)}")
    empty = [item.pair for item in found if not item.candles]
    for name in empty:
        print_problem(f"{name}: the interface has no candles in this time")
    if empty or (strict and any(item.gaps for item in found)):
        raise typer.Exit(EXIT_FAILURE)


def _make_progress(
    show: "Progress | None", feed: "PagedFeed[Any]", until: datetime.datetime
) -> Callable[[str, datetime.datetime], None]:
    """Return a function that shows how much of the time of all pairs has been asked for."""
    pairs, length = list(feed.source.symbols), int((until - feed.start_at).total_seconds())

    def on_page(pair: str, reached: datetime.datetime) -> None:
        if show is not None:
            done = pairs.index(pair) * length + int((reached - feed.start_at).total_seconds())
            show(done, len(pairs) * length)

    return on_page


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
