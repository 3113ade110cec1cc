"""Interest and loan amounts of a position, USD."""

import datetime

from tradeexecutor.accounting.interest import calculate_simple_interest, calculate_yearly_yield
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.times import get_duration, get_entered_at
from tradeexecutor.state.position.trades import get_executed_trades
from tradeexecutor.state.types import Percent, USDollarAmount

# --- Interest, USD


def get_accrued_interest(position: PositionFields) -> USDollarAmount:
    """Return the unpaid interest, earned minus owed, USD; 0.0 without a loan."""
    return position.loan.get_net_interest() if position.loan is not None else 0.0


def get_claimed_interest(position: PositionFields) -> USDollarAmount:
    """Return the collateral interest that all successful trades moved to cash, USD."""
    return sum(
        trade.get_claimed_interest() if trade.claimed_interest else 0.0 for trade in get_executed_trades(position)
    )


def get_repaid_interest(position: PositionFields) -> USDollarAmount:
    """Return the debt interest that all successful trades repaid, USD."""
    return sum(trade.get_repaid_interest() if trade.paid_interest else 0.0 for trade in get_executed_trades(position))


def get_borrowed(position: PositionFields) -> USDollarAmount:
    """Return the debt principal, USD; 0.0 without debt."""
    return (
        position.loan.borrowed.get_usd_value()
        if position.loan is not None and position.loan.borrowed is not None
        else 0.0
    )


def get_collateral(position: PositionFields) -> USDollarAmount:
    """Return the collateral principal, USD; 0.0 without a loan."""
    return position.loan.collateral.get_usd_value() if position.loan is not None else 0.0


# --- Over time


def estimate_gained_interest(
    position: PositionFields, interest_period: str = "position", end_at: datetime.datetime | None = None
) -> Percent:
    """Return the interest gained as a fraction, from the mean yearly yield of the interest events; 0 without events.

    Parameters
    ----------
    interest_period
        ``"year"`` for the yearly rate, ``"position"`` for the time the position was open.
    end_at
        Until when an open position counts, naive UTC; now if None.

    Raises
    ------
    InvalidValue
        The interest period is unknown.
    """
    if interest_period not in ("position", "year"):
        raise InvalidValue(f"unknown interest period {interest_period!r}")
    rates = [
        calculate_yearly_yield(event.quantity, event.old_balance, event.block_mined_at - event.previous_update_at)
        for event in position.balance_updates.values()
        if event.cause is BalanceUpdateCause.interest
        and event.previous_update_at
        and event.previous_update_at != event.block_mined_at
        and event.old_balance
    ]
    if not rates:
        return 0
    rate = sum(rates) / len(rates)
    if interest_period == "year":
        return rate
    if end_at is not None and position.closed_at is None:
        return calculate_simple_interest(rate, max(end_at - get_entered_at(position), datetime.timedelta(0)))
    return calculate_simple_interest(rate, get_duration(position, partial=True) or datetime.timedelta(0))
