"""Funding of a simulated market: what the longs pay the shorts, or the shorts the longs, at fixed times.

A perpetual future is kept near its spot price by funding. At each time of payment the longs pay the rate times the
value of their position when the rate is positive, and the shorts receive it; a negative rate pays the other way round.
A market has funding when its terms say so; shorts and leveraged longs then pay and receive it::

    class Parameters:
        market_terms = {"ETH-USD": MarketTerms(funding=ConstantFunding(0.0001))}

The value is the quantity, with its interest, at the mid price of the time of payment. A short books the payment in its
collateral, a leveraged long in its debt; what a long receives beyond its debt is added to its collateral, in tokens.
"""

import datetime
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from tradeexecutor.state.booking.funding import FundingPayment
from tradeexecutor.state.errors import InvalidValue, TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent
from tradeexecutor.strategy.pricing_model import PricingModel

__all__ = ["ConstantFunding", "FundingHistory", "FundingRates", "NoFundingData", "find_payments"]

#: Rates of one payment above this are probably percent given for a fraction, or a rate of a year.
_MAX_RATE = 0.05

_EPOCH = datetime.datetime(1970, 1, 1)

#: Age of the last recorded rate from which the data counts as ended.
_TOLERANCE = datetime.timedelta(days=7)


class NoFundingData(TradeExecutorError, LookupError):
    """There are no recorded rates for a time at which a position was open."""


class FundingRates(Protocol):
    """Rates of one market over time."""

    def find_rates(
        self, start: datetime.datetime, end: datetime.datetime
    ) -> Iterable[tuple[datetime.datetime, Percent]]:
        """Return time and rate of the payments after `start` and not after `end`, in order of time.

        A rate is a fraction of the value of a position; longs pay a positive one.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConstantFunding:
    """The same rate at all multiples of an interval since 1970, e.g. at 0, 8 and 16 o'clock UTC.

    Attributes
    ----------
    rate
        Fraction of the value of a position, paid by longs; 0.0001 is 0.01 %.
    interval
        Time between two payments.

    Raises
    ------
    InvalidValue
        The rate is beyond 5 %, or the interval is not positive.
    """

    rate: Percent = 0.0001
    interval: datetime.timedelta = datetime.timedelta(hours=8)

    def __post_init__(self) -> None:
        _check_rate(self.rate)
        if not self.interval > datetime.timedelta(0):
            raise InvalidValue(f"the interval between payments must be positive, not {self.interval}")

    def find_rates(
        self, start: datetime.datetime, end: datetime.datetime
    ) -> Iterator[tuple[datetime.datetime, Percent]]:
        """Return the payments of a period, see `FundingRates`."""
        number = (start - _EPOCH) // self.interval + 1
        while (when := _EPOCH + number * self.interval) <= end:
            yield when, self.rate
            number += 1


class FundingHistory:
    """Recorded rates; :func:`tradeexecutor.backtest.funding_file.read_funding` reads them from a file.

    Parameters
    ----------
    rates
        Time of payment (naive UTC) and rate (a fraction, paid by longs), in any order.

    Raises
    ------
    InvalidValue
        There are no rates, two have the same time, or one is beyond 5 %.
    """

    def __init__(self, rates: Iterable[tuple[datetime.datetime, Percent]]):
        self._rates = sorted(rates)
        self._times = [when for when, _ in self._rates]
        if not self._rates:
            raise InvalidValue("there are no funding rates")
        for earlier, later in zip(self._times, self._times[1:], strict=False):
            if earlier == later:
                raise InvalidValue(f"two funding rates have the time {later}")
        for _, rate in self._rates:
            _check_rate(rate)

    def find_rates(self, start: datetime.datetime, end: datetime.datetime) -> list[tuple[datetime.datetime, Percent]]:
        """Return the payments of a period, see `FundingRates`.

        Raises
        ------
        NoFundingData
            The period begins more than seven days before the first rate, or ends more than seven days after the last.
        """
        if start < self._times[0] - _TOLERANCE or end > self._times[-1] + _TOLERANCE:
            raise NoFundingData(
                f"the funding rates are of {self._times[0]} to {self._times[-1]}, a position is open {start} to {end}"
            )
        return self._rates[bisect_right(self._times, start) : bisect_right(self._times, end)]


def find_payments(
    portfolio: Portfolio,
    since: datetime.datetime | None,
    until: datetime.datetime,
    get_rates: Callable[[TradingPairIdentifier], FundingRates | None],
    pricing: PricingModel,
) -> list[FundingPayment]:
    """Return the funding that the positions pay and receive in a period; nothing changes.

    Parameters
    ----------
    since
        End of the previous period, naive UTC; None for none. A position pays from its opening.
    until
        End of the period.
    get_rates
        Rates of a spot pair; None for a market without funding.

    Raises
    ------
    NoFundingData
        Recorded rates do not cover the period.
    PriceUnavailable
        The market has no price at a time of payment.
    """
    payments: list[FundingPayment] = []
    for position in sorted(portfolio.get_open_and_frozen_positions(), key=lambda position: position.position_id):
        if not position.is_leverage() or position.loan is None:
            continue
        spot = position.pair.get_pricing_pair()
        rates = get_rates(spot)
        if rates is None:
            continue
        opened_at = position.loan.collateral.created_at or position.opened_at
        start = opened_at if since is None else max(since, opened_at)
        due = [(when, rate, pricing.get_mid_price(when, spot)) for when, rate in rates.find_rates(start, until) if rate]
        payments += _pay(position, due)
    return payments


def _pay(
    position: TradingPosition, due: Iterable[tuple[datetime.datetime, Percent, float]]
) -> Iterator[FundingPayment]:
    """Yield the payments of a position at times, rates and prices."""
    pair, loan = position.pair, position.loan
    assert loan is not None, "it was checked"
    held = abs(position.get_quantity())
    debt = loan.get_borrowed_quantity()
    for when, rate, price in due:
        amount = held * Decimal(price) * Decimal(str(rate))
        if position.is_short():
            yield FundingPayment(position, pair.quote, amount, 1.0, when)
            continue
        change = max(amount, -debt)
        debt += change
        yield FundingPayment(position, pair.quote, change, 1.0, when)
        surplus = (change - amount) / Decimal(price)
        if surplus:
            held += surplus
            yield FundingPayment(position, pair.base, surplus, price, when)


def _check_rate(rate: Percent) -> None:
    if not math.isfinite(rate) or abs(rate) > _MAX_RATE:
        raise InvalidValue(f"a funding rate is a fraction for one payment, e.g. 0.0001, not {rate}")
