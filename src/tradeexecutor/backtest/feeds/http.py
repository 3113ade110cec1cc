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
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from tradeexecutor.backtest.feeds.interface import FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.paged import PagedFeed, Rows, read_pause, to_milliseconds

__all__ = ["HttpFeed", "HttpSource"]

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


@dataclass(slots=True)
class HttpFeed(PagedFeed[HttpSource]):
    """Candles of an interface; see `PagedFeed`."""

    _asked_at: float | None = field(default=None, init=False, repr=False)

    @property
    def limit(self) -> int:
        """Most candles of one answer."""
        return self.source.limit

    def describe_origin(self, pair: str) -> dict[str, str]:
        """Return address, symbol and interval."""
        source = self.source
        return {"url": source.url, "symbol": source.symbols[pair], "interval": source.interval}

    def _fetch_rows(self, pair: str, start: datetime.datetime, end: datetime.datetime) -> Rows:
        source = self.source
        first, last = to_milliseconds(start), to_milliseconds(end)
        url = source.url.format(
            symbol=source.symbols[pair],
            interval=source.interval,
            limit=source.limit,
            start_ms=first,
            end_ms=last,
            start=-(-first // 1000),
            end=last // 1000,
        )
        answer: Any = self._get(url)
        for key in filter(None, source.rows.split(".")):
            answer = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(answer, list):
            raise FeedUnavailable(f"{pair}: the answer has no list of candles at {source.rows or 'its top'}")
        return dict(self._read_row(pair, row) for row in cast(list[Any], answer))

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

    def _get(self, url: str) -> Any:
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
                    self._check_clock(answer.headers.get("Date"))
                    return json.loads(answer.read(_MAX_ANSWER))
            except urllib.error.HTTPError as error:
                with error:
                    problem = f"it answered {error.code}"
                    if error.code not in _WAIT_CODES:
                        break
                    self.wait(read_pause(error.headers.get("Retry-After"), source.max_wait))
            except (OSError, ValueError) as error:
                problem = str(error)
        raise FeedUnavailable(f"{url.partition('?')[0]} gave no candles: {problem}")

    def _keep_pause(self) -> None:
        if self._asked_at is not None:
            left = self.source.pause - (self.clock() - self._asked_at)
            if left > 0:
                self.wait(left)
        self._asked_at = self.clock()
