"""Sources that are asked for candles page by page: what is new, and the last candles again."""

import datetime
import email.utils
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from tradeexecutor.backtest.feeds.interface import CandleFeed, FeedNotValid, FeedUnavailable
from tradeexecutor.backtest.feeds.series import join
from tradeexecutor.state.types import EPOCH
from tradeexecutor.strategy.market_data import Candles

__all__ = ["Page", "PagedFeed", "PagedSource", "Rows", "SymbolNotFound", "read_pause", "to_milliseconds"]

logger = logging.getLogger(__name__)

#: Open, high, low, close and, if there is one, volume by the start of the candle, us since 1970.
Rows = dict[int, list[float]]


class SymbolNotFound(FeedNotValid):
    """The source does not know a symbol: it is misspelt, or its market is gone."""


class PagedSource(Protocol):
    """Description of a source.

    Attributes
    ----------
    symbols
        Name of the source for each pair.
    time_frame
        Length of a candle.
    max_drift
        Largest difference between the clocks, seconds.
    """

    @property
    def symbols(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def time_frame(self) -> datetime.timedelta: ...  # noqa: D102

    @property
    def max_drift(self) -> float: ...  # noqa: D102


Source = TypeVar("Source", bound=PagedSource)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of a source.

    Attributes
    ----------
    candles
        Its candles; None if there are none.
    next_at
        Where the next page begins, naive UTC.
    """

    candles: Candles | None
    next_at: datetime.datetime


@dataclass(slots=True)
class PagedFeed(CandleFeed, Generic[Source]):
    """Candles of a source that answers with a limited number of them.

    Each reading asks for what is new, and again for the last candles, which the source may have revised.

    Attributes
    ----------
    source
        The source.
    start_at
        First candle to ask for, naive UTC.
    overlap
        Number of known candles that are asked for again.
    known_elsewhere
        Pairs of which another source has older candles, so that this one need not have any.
    wait, clock
        `wait` sleeps for a number of seconds; `clock` returns a number of seconds that never goes back.
    """

    source: Source
    start_at: datetime.datetime
    overlap: int = 3
    known_elsewhere: Collection[str] = ()
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, Candles] = field(default_factory=dict[str, Candles], init=False, repr=False)
    _told_time: tuple[datetime.datetime, float] | None = field(default=None, init=False, repr=False)

    # --- What a kind of source knows

    @property
    @abstractmethod
    def limit(self) -> int:
        """Most candles of one answer."""

    @abstractmethod
    def describe_origin(self, pair: str) -> dict[str, str]:
        """Return what distinguishes the candles of a pair from those of other sources, for the record of a file."""

    @abstractmethod
    def _fetch_rows(self, pair: str, start: datetime.datetime, end: datetime.datetime) -> Rows:
        """Ask once for the candles that start from one time up to another; others in the answer do no harm.

        Raises
        ------
        FeedUnavailable
            There was no answer, or one that cannot be read.
        """

    # --- Reading

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        """Return the candles of all pairs, see `CandleFeed.read`.

        A pair that the source does not answer for, as after a delisting, keeps the candles that are known of it; to
        others it makes no difference.

        Raises
        ------
        FeedUnavailable
            The source answered for no pair, a pair never had candles, or the clock of the source differs from `now` by
            more than `PagedSource.max_drift`.
        SymbolNotFound
            A pair never had candles, because the source does not know its symbol.
        """
        failures = 0
        for pair in self.source.symbols:
            known = self._known.get(pair)
            start = self.start_at
            if known is not None:
                start = max(start, known.last_end_at - (self.overlap + 1) * self.source.time_frame)
            try:
                fresh = self.fetch(pair, start, now, now)
            except (FeedUnavailable, SymbolNotFound) as error:
                failures += 1
                if failures == len(self.source.symbols) or (known is None and pair not in self.known_elsewhere):
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
            Time of the beginning, naive UTC, with which the clock of the source is compared.
        """
        found: Candles | None = None
        while start <= until:
            page = self.fetch_page(pair, start, until, now)
            if page.candles is not None:
                found = page.candles if found is None else join(found, page.candles)
            start = page.next_at
        return found

    def fetch_page(self, pair: str, start: datetime.datetime, until: datetime.datetime, now: datetime.datetime) -> Page:
        """Ask once for candles of a pair that start from one time up to another, see `fetch`.

        The next page begins after the last candle of the answer, because a source may answer with fewer candles than
        it was asked for. An answer without candles is a gap, not the end.
        """
        if self._told_time is None or self._told_time[0] != now:
            self._told_time = now, self.clock()
        length = self.source.time_frame
        end = min(until, start + (self.limit - 1) * length)
        first, last = ((when - EPOCH) // datetime.timedelta(microseconds=1) for when in (start, until))
        rows = {when: row for when, row in self._fetch_rows(pair, start, end).items() if first <= when <= last}
        if not rows:
            return Page(None, end + datetime.timedelta(microseconds=1))
        starts = np.array(sorted(rows), dtype=np.int64)
        table = np.array([rows[when] for when in starts.tolist()], dtype=np.float64)
        volume = table[:, 4] if table.shape[1] > 4 else None
        candles = Candles(starts, *table[:, :4].T, volume=volume, bucket=length, source=pair)
        return Page(candles, EPOCH + datetime.timedelta(microseconds=int(starts[-1])) + length)

    def _check_clock(self, text: str | None) -> None:
        """Compare the header with the time of an answer with our clock.

        Raises
        ------
        FeedUnavailable
            The clocks differ: candles would seem to be late, or to come from the future.
        """
        if not text or self._told_time is None:
            return
        try:
            theirs = email.utils.parsedate_to_datetime(text).astimezone(datetime.UTC).replace(tzinfo=None)
        except ValueError:
            return
        told, at = self._told_time
        ours = told + datetime.timedelta(seconds=self.clock() - at)  # a download takes its time
        drift = abs((theirs - ours).total_seconds())
        if drift > self.source.max_drift + 1:  # the header has whole seconds
            raise FeedUnavailable(
                f"the clock of this machine ({ours}) and that of the interface ({theirs}) differ by {drift:.0f} seconds"
            )


def to_milliseconds(when: datetime.datetime) -> int:
    """Return milliseconds since 1970, rounded down."""
    return (when - EPOCH) // datetime.timedelta(milliseconds=1)


def read_pause(text: str | None, longest: float) -> float:
    """Return the seconds that a ``Retry-After`` header asks to wait, at most `longest`; 1 without a number."""
    try:
        return min(max(float(text or 1.0), 0.0), longest)
    except ValueError:
        return min(1.0, longest)
