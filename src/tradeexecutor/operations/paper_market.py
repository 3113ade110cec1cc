"""The market data of paper trading: what a user names, opened."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.backtest.feeds.files import FileFeed
from tradeexecutor.backtest.feeds.http import HttpFeed, read_source
from tradeexecutor.backtest.feeds.market import GapPolicy, GrowingMarket
from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, load_data

__all__ = ["PaperData", "open_market"]


@dataclass(frozen=True, slots=True)
class PaperData:
    """Market data of paper trading.

    Attributes
    ----------
    data
        Candle files that grow, and folders of them; empty with `feed`.
    feed
        Description of a candle interface; None with `data`.
    history
        Older candles: files and names of data sets.
    warm_up
        How much older than the first decision the candles of `feed` are.
    gaps
        Value of `GapPolicy`.
    fee
        Trading fee, a fraction.
    """

    data: Sequence[str]
    feed: Path | None
    history: Sequence[str]
    warm_up: datetime.timedelta
    gaps: str
    fee: float


def open_market(named: PaperData, start_at: datetime.datetime) -> GrowingMarket:
    """Return the market that a user has named.

    Parameters
    ----------
    start_at
        First decision of the strategy, naive UTC.

    Raises
    ------
    FeedNotValid, OperationRefused, InvalidCandles
        The data cannot be used.
    """
    if named.feed is not None:
        # The same first candle after each restart, so that indicators do not depend on restarts.
        feed = HttpFeed(read_source(named.feed), start_at - named.warm_up)
    else:
        feed = FileFeed([Path(name) for name in named.data])
    history = {pair: candles for name in named.history for pair, candles in load_data(name, TOLD_FROM_FILES).items()}
    return GrowingMarket(feed, history, GapPolicy(named.gaps), fee=named.fee)
