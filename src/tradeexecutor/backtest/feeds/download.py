"""Candles of a source in Parquet files, one for each pair, with where they come from.

A download can be interrupted at any time: each page that arrives is saved before the next one is asked for, and the
next download continues after the last finished candle of the file. A candle in progress is never saved.
"""

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tradeexecutor import __version__
from tradeexecutor.backtest.feeds.interface import FeedNotValid
from tradeexecutor.backtest.feeds.paged import PagedFeed
from tradeexecutor.backtest.feeds.series import Gap, find_gaps, join
from tradeexecutor.backtest.parquet import read_parquet
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.strategy.market_data import Candles

__all__ = ["Downloaded", "download", "read_provenance"]

#: Key of the record in the metadata of a file.
_KEY = b"tradeexecutor_download"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The file of one pair after a download.

    Attributes
    ----------
    added
        Number of candles that are new.
    candles
        Number of all candles; 0 if the source has none, then there is no file.
    start_at, end_at
        Start of the first candle and end of the last one, naive UTC.
    gaps
        Times without candles.
    """

    pair: str
    path: Path
    added: int
    candles: int
    start_at: datetime.datetime | None
    end_at: datetime.datetime | None
    gaps: tuple[Gap, ...]


def download(
    feed: PagedFeed[Any],
    folder: Path,
    now: datetime.datetime,
    end_at: datetime.datetime | None = None,
    on_page: Callable[[str, datetime.datetime], None] = lambda pair, until: None,
) -> list[Downloaded]:
    """Download the candles of all pairs of a source, from its start up to a time.

    Parameters
    ----------
    feed
        The source, with the time from which candles are wanted.
    folder
        Folder of the files, which are named after the pairs; it is created.
    now
        Present time, naive UTC.
    end_at
        Candles that end later are not wanted; None for all.
    on_page
        Called after each saved page with the pair and the time that has been reached.

    Raises
    ------
    FeedUnavailable
        The source did not answer; what has arrived is saved.
    OperationRefused
        A file in the folder was not made by this, or is of another source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    until = min(now, end_at or now)
    files = {pair: folder / f"{pair}.parquet" for pair in feed.source.symbols}
    return [_Download(feed, pair, path, now, on_page).run(until) for pair, path in files.items()]


@dataclass(slots=True)
class _Download:
    """The download of one pair."""

    feed: PagedFeed[Any]
    pair: str
    path: Path
    now: datetime.datetime
    on_page: Callable[[str, datetime.datetime], None]

    def run(self, until: datetime.datetime) -> Downloaded:
        """Download the candles that end up to a time."""
        source, pair, path = self.feed.source, self.pair, self.path
        if "/" in pair:
            raise FeedNotValid(f"name the pair {pair} with a dash, it becomes the name of a file")
        origin = self.feed.describe_origin(pair)
        known = _load(path, origin, source.time_frame) if path.exists() else None
        before = 0 if known is None else len(known)
        wanted_at = self.feed.start_at
        if known is not None and wanted_at < known.first_start_at:
            # The part before what is known; if it is interrupted, the next download asks for it again.
            earlier = self.feed.fetch(pair, wanted_at, known.first_start_at - source.time_frame, self.now)
            if earlier is not None:
                known = join(known, earlier)
                _save(path, known, origin)
        start = wanted_at if known is None else max(known.last_end_at, wanted_at)
        last = until - source.time_frame
        while start <= last:
            page = self.feed.fetch_page(pair, start, last, self.now)
            if page.candles is not None:
                known = page.candles if known is None else join(known, page.candles)
                _save(path, known, origin)
            start = page.next_at
            self.on_page(pair, min(start, until))
        if known is None:
            return Downloaded(pair, path, 0, 0, None, None, ())
        gaps = tuple(find_gaps(known))
        return Downloaded(pair, path, len(known) - before, len(known), known.first_start_at, known.last_end_at, gaps)


def _save(path: Path, candles: Candles, origin: dict[str, str]) -> None:
    names = ("open", "high", "low", "close", "volume")
    columns: dict[str, Any] = {"timestamp": pa.array(candles.starts, pa.int64()).cast(pa.timestamp("us"))}
    columns |= {name: pa.array(candles.get_column(name), pa.float64()) for name in names}
    record = {**origin, "program": f"tradeexecutor {__version__}"}
    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(record, sort_keys=True).encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_atomically(path, sink.getvalue().to_pybytes())


def read_provenance(path: Path) -> dict[str, str] | None:
    """Return where the candles of a file come from; None for a file that was not downloaded by this program."""
    metadata = pq.read_schema(path).metadata or {}
    return json.loads(metadata[_KEY]) if _KEY in metadata else None


def _load(path: Path, origin: dict[str, str], bucket: datetime.timedelta) -> Candles | None:
    try:
        record = read_provenance(path)
        table = read_parquet(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise OperationRefused(f"{path} cannot be read: {error}", "Move it away to download it again.") from error
    if record is None:
        raise OperationRefused(f"{path} was not made by a download", "Choose another folder, or move the file away.")
    differing = [name for name, value in origin.items() if record.get(name) != value]
    if differing:
        name = differing[0]
        raise OperationRefused(
            f"{path} is from another source: its {name} is {record.get(name)}, not {origin[name]}",
            "Choose another folder, or move the file away.",
        )
    if not table.num_rows:
        return None
    columns = {name: table.column(name).to_numpy() for name in ("open", "high", "low", "close", "volume")}
    starts = table.column("timestamp").cast(pa.int64()).to_numpy()
    return Candles(starts, **columns, bucket=bucket, source=path.stem)
