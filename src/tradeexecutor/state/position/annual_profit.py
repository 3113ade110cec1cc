"""Profit of a position per year, and figures that need a valuation time; fractions, 0.05 is 5 %.

The total profit is in :mod:`tradeexecutor.state.position.profit`.
"""

import datetime

from tradeexecutor.accounting.profit import annualise_compounded, annualise_simple
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.interest import get_claimed_interest
from tradeexecutor.state.position.pnl import ProfitData, calculate_pnl, get_holding_time
from tradeexecutor.state.position.predicates import is_credit_supply
from tradeexecutor.state.position.profit import get_total_profit_percent, get_total_profit_usd
from tradeexecutor.state.position.times import get_duration, get_entered_at
from tradeexecutor.state.position.value import get_value_at_open
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice


def calculate_total_profit_percent_annualised(
    position: PositionFields, end_at: datetime.datetime | None = None, calculation_method: str = "legacy"
) -> Percent:
    """Return the compounded yearly profit fraction, ``(1 + profit) ** (year / duration) - 1``.

    A closed position is treated as if it had been held, without further profit, until `end_at`, as in recorded
    figures; `get_annualised_profit_percent` ends when it closed.

    Parameters
    ----------
    end_at
        End of the period, also for closed positions; required.

    Raises
    ------
    InvalidValue
        `end_at` is missing or not after the opening.
    """
    if end_at is None:
        raise InvalidValue("annualising needs end_at")
    opened_at = get_entered_at(position)
    duration = end_at - opened_at
    if duration <= datetime.timedelta(0):
        raise InvalidValue(f"position #{position.position_id} was opened at {opened_at}, not before {end_at}")
    profit = get_total_profit_percent(position, calculation_method=calculation_method, end_at=end_at)
    return annualise_compounded(profit, duration)


def get_annualised_profit_percent(
    position: PositionFields, end_at: datetime.datetime | None = None, calculation_method: str = "legacy"
) -> Percent:
    """Return the compounded yearly profit fraction of the time the position was open.

    Parameters
    ----------
    end_at
        Valuation time of an open position; ignored when the position is closed.
    calculation_method
        See `get_total_profit_percent`.

    Raises
    ------
    InvalidValue
        The position is open and `end_at` is missing, or no time has passed.
    """
    duration = get_holding_time(position, end_at)
    return annualise_compounded(get_total_profit_percent(position, calculation_method, end_at), duration)


def calculate_annualised_profit(position: PositionFields, duration: datetime.timedelta) -> Percent:
    """Return the linear yearly profit fraction, ``profit * year / duration``; raises `InvalidValue` for no duration."""
    if not duration:
        raise InvalidValue("duration must not be zero")
    return annualise_simple(get_total_profit_percent(position), duration)


def get_annualised_credit_interest(position: PositionFields) -> Percent:
    """Return the linear yearly interest of a closed credit position, a fraction; 0.0 while open.

    Raises
    ------
    InvalidValue
        The position is not a credit supply.
    """
    if not is_credit_supply(position):
        raise InvalidValue(f"position #{position.position_id} is not a credit position")
    duration, invested = get_duration(position), get_value_at_open(position)
    if not duration or not invested:
        return 0.0
    return annualise_simple(get_claimed_interest(position) / invested, duration)


def get_total_profit_at_timestamp(position: PositionFields, timestamp: datetime.datetime) -> USDollarAmount:
    """Raise `NotAvailable`: a position does not record past prices, see `Statistics.positions`."""
    raise NotAvailable(f"position #{position.position_id} has no price history, see Statistics.positions ({timestamp})")


def calculate_pnl_generic(
    position: PositionFields,
    end_at: datetime.datetime | None = None,
    mark_price: USDollarPrice | None = None,
    epsilon: float = 1e-6,
) -> ProfitData:
    """Return `calculate_pnl` for spot and vault positions, the position's own figures for other kinds."""
    kind = position.pair.kind
    if kind.is_spot() or kind.is_vault() or kind.is_freqtrade():
        return calculate_pnl(position, end_at, mark_price, epsilon)
    return ProfitData(
        profit_usd=get_total_profit_usd(position),
        profit_pct=get_total_profit_percent(position),
        profit_pct_annualised=calculate_total_profit_percent_annualised(position, end_at=end_at) if end_at else None,
        realised_usd=None,
        unrealised_usd=None,
        duration=get_duration(position, end_at=end_at),
    )
