"""Lending rates of a backtest: the interest on supplied and borrowed tokens."""

import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

from tradeexecutor.accounting.interest import calculate_accrual_multiplier, calculate_average_rate
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.types import Percent

__all__ = ["LendingRateHistory", "NoLendingData", "RateCandle"]

#: Largest age of a rate that counts as current.
RATE_TOLERANCE = datetime.timedelta(days=7)


class NoLendingData(TradeExecutorError, LookupError):
    """There is no rate for the token at this time."""


class RateCandle(NamedTuple):
    """Range of a yearly rate in a period, in percent as lending markets quote it: 3.65 is 3.65 %."""

    opened_at: datetime.datetime
    high: float
    low: float
    close: float


class LendingRateHistory:
    """Lending rates from candles; implements `tradeexecutor.strategy.interest.LendingRates`.

    Parameters
    ----------
    supply
        Candles of the supply rate by underlying token (USDC, not aUSDC), in any order.
    borrow
        Candles of the variable borrow rate by underlying token.
    """

    def __init__(
        self,
        supply: Mapping[AssetIdentifier, Iterable[RateCandle]],
        borrow: Mapping[AssetIdentifier, Iterable[RateCandle]] | None = None,
    ):
        self._supply = {asset: sorted(candles) for asset, candles in supply.items()}
        self._borrow = {asset: sorted(candles) for asset, candles in (borrow or {}).items()}

    def get_yearly_rate(self, asset: AssetIdentifier, at: datetime.datetime) -> Percent:
        """Return the close of the latest candle, at most seven days old, as a fraction.

        Raises
        ------
        NoLendingData
            There is no such candle.
        """
        candles = self._get_candles(asset)
        index = bisect_right(candles, at, key=_get_time)
        if not index or at - candles[index - 1].opened_at > RATE_TOLERANCE:
            raise NoLendingData(f"no lending rate of {asset} at {at}")
        return candles[index - 1].close / 100

    def get_accrual_multiplier(
        self, asset: AssetIdentifier, start: datetime.datetime, end: datetime.datetime
    ) -> Decimal:
        """Return the factor by which a balance of an aToken or vToken grows from `start` until `end`.

        It is ``1 + rate * seconds / year``. The rate is the mean of the midpoints of the candles that open in the
        period; without such candles, the close of the candle before. A candle that opens at `end` is not used, because
        it is about the time after the period.

        Raises
        ------
        NoLendingData
            There is no candle before `end`.
        """
        candles = self._get_candles(asset)
        first, last = bisect_left(candles, start, key=_get_time), bisect_left(candles, end, key=_get_time)
        if not last:
            raise NoLendingData(f"no lending rate of {asset} from {start} to {end}")
        if first < last:
            percent = calculate_average_rate([(candle.high, candle.low) for candle in candles[first:last]])
        else:
            percent = candles[last - 1].close
        return calculate_accrual_multiplier(percent / 100, end - start)

    def _get_candles(self, asset: AssetIdentifier) -> list[RateCandle]:
        underlying = asset.underlying
        if underlying is None:
            raise NoLendingData(f"{asset} is neither an aToken nor a vToken")
        candles = (self._borrow if asset.is_debt() else self._supply if asset.is_credit() else {}).get(underlying)
        if not candles:
            raise NoLendingData(f"no lending rates of {asset}")
        return candles


def _get_time(candle: RateCandle) -> datetime.datetime:
    return candle.opened_at
