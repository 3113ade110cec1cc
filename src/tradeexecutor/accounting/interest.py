"""Interest of rebasing tokens, whose balance grows by itself: yearly rates, and the split among holders.

Rates are fractions (0.05 is 5 %) of a year of 365 days. They are simple, not compounded, unless the name says
otherwise. Token amounts are `Decimal`, and are as exact as 28 digits allow.
"""

import datetime
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

#: Length of the year to which rates refer.
YEAR = datetime.timedelta(days=365)

_MICROSECOND = datetime.timedelta(microseconds=1)

#: Digits of the decimal context.
_DIGITS = 28


def calculate_yearly_yield(
    gained: Decimal, balance: Decimal, period: datetime.timedelta, year: datetime.timedelta = YEAR
) -> float:
    """Return the simple yearly rate of a gain, ``(gained / balance) / (period / year)``.

    10 tokens on 1000 in 73 days, a fifth of a year, are 5 % a year:

    >>> calculate_yearly_yield(Decimal(10), Decimal(1000), datetime.timedelta(days=73))
    0.049999999999999996
    >>> round(calculate_yearly_yield(Decimal("0.002"), Decimal(1), datetime.timedelta(days=10)), 6)
    0.073

    Parameters
    ----------
    gained
        Gain in token units, negative for a loss.
    balance
        Token units at the start of the period, not 0.
    period
        Time in which the gain was made, not zero.
    """
    return float(gained / balance) / (period / year)


def calculate_weighted_yield(
    gains: Sequence[tuple[Decimal, Decimal, datetime.timedelta]], year: datetime.timedelta = YEAR
) -> float | None:
    """Return the yearly rate of several gains together, weighted by period and balance.

    The rate is ``sum(gained) / sum(balance * period) * year``; None when nothing was lent for any time. Example: 10 are
    gained on 4000 in 10 days, and 20 on 4010 in the next 20 days.

    >>> ten, twenty = datetime.timedelta(days=10), datetime.timedelta(days=20)
    >>> round(calculate_weighted_yield([(Decimal(10), Decimal(4000), ten), (Decimal(20), Decimal(4010), twenty)]), 6)
    0.091098
    >>> calculate_weighted_yield([])

    Parameters
    ----------
    gains
        For each period: the gain and the balance at its start (units of one token), and its length.
    """
    lent = sum(float(balance) * (period / year) for _, balance, period in gains)
    return float(sum(gained for gained, _, _ in gains)) / lent if lent else None


def calculate_simple_interest(yearly_rate: float, duration: datetime.timedelta) -> float:
    """Return the interest on 1 for a duration at a simple yearly rate, ``rate * (duration / year)``.

    >>> calculate_simple_interest(0.05, datetime.timedelta(days=73))
    0.010000000000000002
    """
    return yearly_rate * (duration / YEAR)


def estimate_interest(
    start_at: datetime.datetime,
    end_at: datetime.datetime,
    start_quantity: Decimal,
    interest_rate: float,
    year: datetime.timedelta = YEAR,
) -> Decimal:
    """Return a balance with compound interest, ``quantity * rate ** (duration / year)``.

    >>> january, july = datetime.datetime(2023, 1, 1), datetime.datetime(2023, 7, 2)
    >>> estimate_interest(january, july, Decimal(1000), 1.05)
    Decimal('1024.626592527031698764972134')

    Parameters
    ----------
    start_quantity
        Token units.
    interest_rate
        Factor of growth in a year, >= 1: 1.02 is 2 %.

    Returns
    -------
    Decimal
        Principal and interest at `end_at`, token units.

    """
    return start_quantity * Decimal(interest_rate ** ((end_at - start_at) / year))


def calculate_accrual_multiplier(yearly_rate: float, duration: datetime.timedelta) -> Decimal:
    """Return the factor of a balance when a simple yearly rate is paid once, ``1 + rate * duration / year``.

    The interest compounds when it is paid repeatedly, as a rebasing token does.

    >>> calculate_accrual_multiplier(0.0625, datetime.timedelta(days=73))
    Decimal('1.0125')
    >>> calculate_accrual_multiplier(0.0365, datetime.timedelta(days=10))  # not quite 1.001: the rate is a float
    Decimal('1.000999999999999999937645008')

    Parameters
    ----------
    duration
        >= 0.
    """
    seconds = Decimal(duration // _MICROSECOND) / 1_000_000
    return 1 + Decimal(yearly_rate) * seconds / (YEAR // datetime.timedelta(seconds=1))


def calculate_average_rate(ranges: Sequence[tuple[float, float]]) -> float:
    """Return the mean of the mid-points of ranges (high, low); at least one range is needed.

    >>> calculate_average_rate([(4.0, 2.0), (6.0, 4.0)])
    4.0
    """
    return sum((high + low) / 2 for high, low in ranges) / len(ranges)


def distribute_interest(
    accrued: Decimal, balances: Sequence[Decimal], weights: Sequence[Decimal] | None = None
) -> list[Decimal]:
    """Split the interest of a token among its holders. The shares add up to `accrued` exactly.

    Shares are proportional to the balances including earlier interest, because the token pays interest on the whole
    balance. Two holders started with 1000, and the first has already earned 10, so it gets more:

    >>> distribute_interest(Decimal(20), [Decimal(2000), Decimal(3000)])
    [Decimal('8'), Decimal('12')]
    >>> first, second = distribute_interest(Decimal(20), [Decimal(1010), Decimal(1000)])
    >>> first
    Decimal('10.049751243781094527363184')
    >>> first + second == 20
    True

    Shares are rounded towards zero, to a digit that still fits when they are added to their balances. The last share is
    the remainder.

    Parameters
    ----------
    accrued
        Interest to split, token units.
    balances
        Balances before this interest, token units, >= 0.
    weights
        Proportions to use instead of the balances, >= 0; they need not add up to 1.

    Raises
    ------
    ValueError
        All weights are 0, so nobody can receive the interest.
    """
    weights = balances if weights is None else weights
    total = sum(weights)
    if not total:
        raise ValueError(f"nobody holds the token that earned {accrued}")
    largest = max(abs(accrued), sum(balances) + accrued)
    unit = Decimal((0, (1,), largest.adjusted() - _DIGITS + 1))
    shares: list[Decimal] = []
    left = accrued
    for weight in weights[:-1]:
        exact = accrued * weight / total
        rounded = exact.quantize(unit, ROUND_DOWN)
        share = exact if exact == rounded else rounded  # avoids unnecessary zeros at the end
        shares.append(share)
        left -= share
    return [*shares, left]


def calculate_interest_gain_usd(gained: Decimal, balance: Decimal, balance_usd: float) -> float:
    """Return the USD value of a gain, computed from the value of the whole balance after it.

    Interest events contain the value of the balance, not of the gain. Example: 2 tokens are gained on 998, and all are
    worth 1500 USD together:

    >>> calculate_interest_gain_usd(Decimal(2), Decimal(998), 1500.0)
    3.0

    Parameters
    ----------
    gained, balance
        The gain and the balance before it, token units.
    balance_usd
        Value of both together in USD.
    """
    total = float(balance + gained)
    return float(gained) * balance_usd / total if total else 0.0
