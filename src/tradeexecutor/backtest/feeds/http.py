"""Candles of HTTP interfaces in the shape of exchanges.

A source is described in a TOML file::

    url = "https://api.example.com/klines?symbol={symbol}&interval={interval}&startTime={start_ms}&limit={limit}"
    interval = "1h"              # as the interface spells it
    time_frame = "1h"            # the same as a length
    limit = 1000                 # most candles of one answer
    rows = "result.list"         # where the candles are in the answer; leave it out for the answer itself
    columns = ["time", "open", "high", "low", "close", "volume"]    # of a row; its names, if rows are objects
    pause = 0.1                  # seconds between two requests

    [pairs]
    "BTC-USD" = "BTCUSDT"

``{start_ms}``, ``{end_ms}``, ``{start}`` and ``{end}`` are milliseconds and seconds since 1970. Rows may be in any
order, and numbers may be texts. An interface that asks to wait (429, 418, 503) is asked again after that time.
"""

import datetime
import email.utils
import json
import logging
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from tradeexecutor.backtest.feeds.interface import CandleFeed, FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.series import join
from tradeexecutor.state.types import EPOCH
from tradeexecutor.strategy.market_data import Candles, InvalidCandles
from tradeexecutor.strategy.time_frame import parse_time_frame

__all__ = ["HttpFeed", "HttpSource", "read_source"]

logger = logging.getLogger(__name__)

_COLUMNS = ("time", "open", "high", "low", "close", "volume")

#: Answers that ask to come back later.
_WAIT_CODES = frozenset({418, 429, 503})

#: Largest size of an answer, bytes.
_MAX_ANSWER = 50_000_000

#: Times above this are milliseconds: as seconds they would be after the year 5000.
_MILLISECONDS_FROM = 100_000_000_000


@dataclass(frozen=True, slots=True)
class HttpSource:
    """Description of an interface; see the module docstring.

    Attributes
    ----------
    time_frame
        Length of a candle.
    symbols
        Name of the interface for each pair.
    pause
        Least time between two requests, seconds.
    timeout
        Longest time to wait for an answer, seconds.
    attempts
        How often to ask before giving up.
    max_wait
        Longest time to wait when the interface asks to, seconds.
    max_drift
        Largest difference between the clocks, seconds.
    """

    url: str
    symbols: Mapping[str, str]
    time_frame: datetime.timedelta
    interval: str = ""
    limit: int = 500
    rows: str = ""
    columns: Sequence[str] = _COLUMNS
    pause: float = 0.1
    timeout: float = 10.0
    attempts: int = 3
    max_wait: float = 60.0
    max_drift: float = 10.0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise FeedNotValid(f"url must begin with http:// or https://, not {self.url!r}")
        if "{start" not in self.url:
            raise FeedNotValid("url needs {start_ms} or {start}, the time from which candles are asked for")
        missing = [name for name in _COLUMNS[:5] if name not in self.columns]
        if missing:
            raise FeedNotValid(f"columns lack {missing[0]}")
        if not self.symbols:
            raise FeedNotValid("pairs is empty: name at least one pair and its symbol")
        if self.limit < 2 or self.attempts < 1 or not self.timeout > 0:
            raise FeedNotValid("limit must be at least 2, attempts at least 1, and timeout positive")


def read_source(path: Path) -> HttpSource:
    """Return the source that a TOML file describes; raises `FeedNotValid`, which names the file."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        symbols = content.pop("pairs", {})
        length = parse_time_frame(str(content.pop("time_frame", "")))
        if not isinstance(length, datetime.timedelta):
            raise FeedNotValid("time_frame must have a fixed length, not one of the calendar")
        return HttpSource(symbols=symbols, time_frame=length, **content)
    except OSError as error:
        raise FeedNotValid(f"{path} cannot be read: {error.strerror}") from None
    except TypeError as error:
        raise FeedNotValid(f"{path}: {str(error).removeprefix('HttpSource.__init__() ')}") from None
    except (FeedNotValid, InvalidCandles, ValueError) as error:
        raise FeedNotValid(f"{path}: {error}") from None


@dataclass(slots=True)
class HttpFeed(CandleFeed):
    """Candles of an interface.

    Each reading asks for what is new, and again for the last candles, which the interface may have revised.

    Attributes
    ----------
    source
        The interface.
    start_at
        First candle to ask for, naive UTC.
    overlap
        Number of known candles that are asked for again.
    known_elsewhere
        Pairs of which another source has older candles, so that this one need not have any.
    wait, clock
        `wait` sleeps for a number of seconds; `clock` returns a number of seconds that never goes back.
    """

    source: HttpSource
    start_at: datetime.datetime
    overlap: int = 3
    known_elsewhere: Collection[str] = ()
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, Candles] = field(default_factory=dict[str, Candles], init=False, repr=False)
    _asked_at: float | None = field(default=None, init=False, repr=False)

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        """Return the candles of all pairs, see `CandleFeed.read`.

        A pair that the interface does not answer for, as after a delisting, keeps the candles that are known of it; to
        others it makes no difference.

        Raises
        ------
        FeedUnavailable
            The interface answered for no pair, a pair never had candles, or the clock of the interface differs from
            `now` by more than `HttpSource.max_drift`.
        """
        failures: list[FeedUnavailable] = []
        for pair in self.source.symbols:
            known = self._known.get(pair)
            start = self.start_at
            if known is not None:
                start = max(start, known.last_end_at - (self.overlap + 1) * self.source.time_frame)
            try:
                fresh = self.fetch(pair, start, now, now)
            except FeedUnavailable as error:
                failures.append(error)
                if len(failures) == len(self.source.symbols) or (known is None and pair not in self.known_elsewhere):
                    raise
                logger.warning("%s: %s", pair, error)
                continue
            if fresh is not None:
                self._known[pair] = fresh if known is None else join(known, fresh)
            elif known is None and pair not in self.known_elsewhere:
                raise FeedUnavailable(f"{pair} has no candle from {start} to {now}")
        return {pair: self._known[pair] for pair in self.source.symbols if pair in self._known}

    def fetch(
        self, pair: str, start: datetime.datetime, until: datetime.datetime, now: datetime.datetime
    ) -> Candles | None:
        """Return the candles of a pair that start from one time up to another; None if there are none.

        Parameters
        ----------
        now
            Present time, naive UTC, with which the clock of the interface is compared.
        """
        source = self.source
        rows: dict[int, list[float]] = {}
        while start <= until:
            end = min(until, start + (source.limit - 1) * source.time_frame)
            page = self._fetch_page(pair, start, end, now)
            rows |= page
            # A page without candles is a gap, not the end.
            start = end + datetime.timedelta(microseconds=1)
        if not rows:
            return None
        table = np.array([rows[when] for when in sorted(rows)], dtype=np.float64)
        volume = table[:, 4] if "volume" in source.columns else None
        return Candles(
            np.array(sorted(rows), dtype=np.int64),
            *table[:, :4].T,
            volume=volume,
            bucket=source.time_frame,
            source=pair,
        )

    def _fetch_page(
        self, pair: str, start: datetime.datetime, end: datetime.datetime, now: datetime.datetime
    ) -> dict[int, list[float]]:
        source = self.source
        first, last = ((when - EPOCH) // datetime.timedelta(milliseconds=1) for when in (start, end))
        url = source.url.format(
            symbol=source.symbols[pair],
            interval=source.interval,
            limit=source.limit,
            start_ms=first,
            end_ms=last,
            start=-(-first // 1000),
            end=last // 1000,
        )
        answer: Any = self._get(url, now)
        for key in filter(None, source.rows.split(".")):
            answer = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(answer, list):
            raise FeedUnavailable(f"{pair}: the answer has no list of candles at {source.rows or 'its top'}")
        found: dict[int, list[float]] = {}
        for row in cast(list[Any], answer):
            when, values = self._read_row(pair, row)
            if first * 1000 <= when <= last * 1000:
                found[when] = values
        return found

    def _read_row(self, pair: str, row: Any) -> tuple[int, list[float]]:
        """Return start (us) and prices of a row."""
        try:
            if isinstance(row, dict):
                named = cast(dict[str, Any], row)
            else:
                named = dict(zip(self.source.columns, row, strict=False))
            when = float(named["time"])
            values = [float(named[name]) for name in _COLUMNS[1:] if name in self.source.columns]
        except (KeyError, TypeError, ValueError) as error:
            raise FeedUnavailable(f"{pair}: {row!r} is no candle: {error!r}") from error
        return int(when * (1_000 if when >= _MILLISECONDS_FROM else 1_000_000)), values

    def _get(self, url: str, now: datetime.datetime) -> Any:
        """Return the JSON of an answer; asks again when the interface asks to wait, or does not answer."""
        source = self.source
        problem = ""
        for attempt in range(source.attempts):
            if attempt:
                self.wait(min(2.0**attempt, source.max_wait))
            self._keep_pause()
            try:
                request = urllib.request.Request(url, headers={"User-Agent": "tradeexecutor"})
                with urllib.request.urlopen(request, timeout=source.timeout) as answer:
                    self._check_clock(answer.headers.get("Date"), now)
                    return json.loads(answer.read(_MAX_ANSWER))
            except urllib.error.HTTPError as error:
                with error:
                    problem = f"it answered {error.code}"
                    if error.code not in _WAIT_CODES:
                        break
                    self.wait(_read_pause(error.headers.get("Retry-After"), source.max_wait))
            except (OSError, ValueError) as error:
                problem = str(error)
        raise FeedUnavailable(f"{url.partition('?')[0]} gave no candles: {problem}")

    def _keep_pause(self) -> None:
        if self._asked_at is not None:
            left = self.source.pause - (self.clock() - self._asked_at)
            if left > 0:
                self.wait(left)
        self._asked_at = self.clock()

    def _check_clock(self, text: str | None, now: datetime.datetime) -> None:
        """Raise `FeedUnavailable` if the clocks differ: candles would seem to be late, or to come from the future."""
        if not text:
            return
        try:
            theirs = email.utils.parsedate_to_datetime(text).astimezone(datetime.UTC).replace(tzinfo=None)
        except ValueError:
            return
        drift = abs((theirs - now).total_seconds())
        if drift > self.source.max_drift + 1:  # the header has whole seconds
            raise FeedUnavailable(
                f"the clock of this machine ({now}) and that of the interface ({theirs}) differ by {drift:.0f} seconds"
            )


def _read_pause(text: str | None, longest: float) -> float:
    try:
        return min(max(float(text or 1.0), 0.0), longest)
    except ValueError:
        return min(1.0, longest)
