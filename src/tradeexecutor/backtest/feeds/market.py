"""The market of a running strategy: history and a source joined, and what is done about gaps and late candles."""

import datetime
import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from tradeexecutor.backtest.coverage import has_closing_hours
from tradeexecutor.backtest.feeds.interface import CandleFeed, FeedUnavailable
from tradeexecutor.backtest.feeds.series import Gap, Revision, cut, fill_gaps, find_gaps, find_revisions, join
from tradeexecutor.backtest.universe import DEFAULT_FEE, create_universe
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["GapPolicy", "GrowingMarket", "MarketDataGap"]

logger = logging.getLogger(__name__)


#: Time without a candle after which no decision waits for a pair any more.
_LONGEST_SILENCE = datetime.timedelta(days=7)


class GapPolicy(enum.Enum):
    """What happens to a time without candles."""

    #: It stays: a market that is closed has none, and strategies see it as in a backtest.
    keep = "keep"
    #: Candles without volume at the last close.
    fill = "fill"
    #: No decision is made until the candles have arrived.
    refuse = "refuse"


class MarketDataGap(FeedUnavailable):
    """Candles are missing, and gaps are refused.

    Attributes
    ----------
    pair, gap
        The first one.
    """

    def __init__(self, message: str, pair: str, gap: Gap):
        super().__init__(message)
        self.pair = pair
        self.gap = gap


@dataclass(slots=True)
class GrowingMarket:
    """Candles of all pairs up to the present.

    Attributes
    ----------
    feed
        The source.
    history
        Older candles by pair, for indicators that need more than the source has. Where both have a candle, that of the
        source counts.
    gaps
        What happens to times without candles.
    longest_gap
        Largest number of missing candles that `GapPolicy.fill` fills; a longer gap stays.
    fee
        Trading fee as a fraction, or by pair.
    revisions
        Finished candles that the source has changed later.
    """

    feed: CandleFeed
    history: Mapping[str, Candles] = field(default_factory=dict[str, Candles])
    gaps: GapPolicy = GapPolicy.keep
    longest_gap: int = 24
    fee: float | Mapping[str, float] = DEFAULT_FEE
    revisions: list[Revision] = field(default_factory=list[Revision], init=False)
    _seen: dict[str, Candles] = field(default_factory=dict[str, Candles], init=False, repr=False)
    _seen_at: datetime.datetime | None = field(default=None, init=False, repr=False)

    def load(self, now: datetime.datetime) -> TradingStrategyUniverse:
        """Return the market up to a time, naive UTC.

        Raises
        ------
        FeedUnavailable
            The source did not answer, a pair has no candles, or candles are missing and gaps are refused.
        InvalidCandles, UniverseNotValid
            The candles cannot be used.
        """
        read = self.feed.read(now)
        self._note_revisions(read)
        self._seen, self._seen_at = dict(read), now
        candles: dict[str, Candles] = {}
        for pair in dict.fromkeys([*self.history, *read]):
            known = self._join(pair, read.get(pair), now)
            if known is None:
                raise FeedUnavailable(f"{pair} has no candle up to {now}")
            candles[pair] = self._treat_gaps(pair, known)
        return create_universe(candles, fee=self.fee)

    def _join(self, pair: str, fresh: Candles | None, now: datetime.datetime) -> Candles | None:
        older = self.history.get(pair)
        older = None if older is None else cut(older, now)
        if older is None or fresh is None:
            return older or fresh
        return join(older, fresh)

    def _treat_gaps(self, pair: str, candles: Candles) -> Candles:
        if self.gaps is GapPolicy.keep:
            return candles
        gaps = find_gaps(candles)
        if self.gaps is GapPolicy.fill:
            return fill_gaps(candles, [gap for gap in gaps if gap.missing <= self.longest_gap])
        if gaps:
            gap = gaps[-1]
            raise MarketDataGap(
                f"{pair} lacks {gap.missing} candles from {gap.start_at} to {gap.end_at}, and gaps are refused",
                pair,
                gap,
            )
        return candles

    def _note_revisions(self, read: Mapping[str, Candles]) -> None:
        if self._seen_at is None:
            return
        for pair, candles in read.items():
            before = self._seen.get(pair)
            if before is None or before is candles:
                continue
            for revision in find_revisions(pair, before, candles, self._seen_at):
                logger.warning(
                    "%s: the candle of %s was revised, its close from %s to %s",
                    pair,
                    revision.at,
                    revision.close_before,
                    revision.close_after,
                )
                self.revisions.append(revision)

    @staticmethod
    def list_late(
        universe: TradingStrategyUniverse, tick: datetime.datetime, gone_after: datetime.timedelta
    ) -> list[str]:
        """Return the tickers of the pairs whose candle that ends at a tick is missing.

        A market that closes regularly has no candle to wait for at night or at weekends, and is never late; nor is one
        that has not traded for `gone_after`.
        """
        found = _find_late(universe, tick)
        return [ticker for ticker, candles in found if tick - candles.last_end_at < gone_after]

    @staticmethod
    def list_awaited(universe: TradingStrategyUniverse, tick: datetime.datetime) -> list[str]:
        """Return those late pairs for whose candle it is worth waiting.

        A pair that has been silent for a week, or for three candles if that is longer, is not awaited: its market is
        halted or gone, and the others need not wait for it at every decision.
        """
        return [
            ticker
            for ticker, candles in _find_late(universe, tick)
            if tick - candles.last_end_at <= max(_LONGEST_SILENCE, 3 * candles.typical_length)
        ]


def _find_late(universe: TradingStrategyUniverse, tick: datetime.datetime) -> list[tuple[str, Candles]]:
    late: list[tuple[str, Candles]] = []
    for pair in universe.iterate_pairs():
        candles = universe.get_candles(pair)
        # A candle in progress shows that the source has reached the tick.
        due_at = tick - (tick - candles.first_start_at) % candles.typical_length
        if candles.last_end_at < due_at and not has_closing_hours(candles):
            late.append((pair.get_ticker(), candles))
    return late
