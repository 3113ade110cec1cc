"""What a source of candles is."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.strategy.market_data import Candles

__all__ = ["CandleFeed", "FeedNotValid", "FeedUnavailable"]


class FeedUnavailable(TradeExecutorError, RuntimeError):
    """The source did not answer, or not with candles. A later attempt may succeed."""


class FeedNotValid(TradeExecutorError, ValueError):
    """The description of a source is not valid."""


class CandleFeed(ABC):
    """Source of candles that grows."""

    @abstractmethod
    def read(self, now: datetime.datetime) -> Mapping[str, Candles]:
        """Return the known candles by pair, e.g. ``BTC-USD``.

        Parameters
        ----------
        now
            Present time, naive UTC. Candles that start later are not returned. The last candle of a pair may be in
            progress: only its open is final.

        Raises
        ------
        FeedUnavailable
            The source did not answer.
        InvalidCandles
            A candle is impossible, e.g. its high is below its low.
        """

    def check(self) -> None:
        """Ask whether what a user has named exists, before a state is made; most sources cannot tell.

        Raises
        ------
        FeedNotValid, FeedUnavailable
            It does not, or the source did not answer.
        """
        return
