"""Booking of funding: what longs and shorts of a market pay each other at fixed times.

A payment changes the side of a loan that is in the reserve currency: the collateral of a short, the debt of a leveraged
long. It is booked as a balance update of the position (cause ``funding``), and is part of what has accrued on that
side, like interest; the time up to which interest is booked does not change.
"""

import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import is_finite_decimal, require_naive_utc
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.booking.interest import get_interest_tracker
from tradeexecutor.state.errors import InterestRefused, WrongPositionStatus
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import USDollarPrice

__all__ = ["FundingPayment", "book_funding"]


class FundingPayment(NamedTuple):
    """A change of one side of a loan by funding.

    Attributes
    ----------
    position
        Open or frozen short or leveraged long.
    asset
        aToken or vToken of its loan.
    quantity
        Token units: + adds to the collateral or the debt, - takes from it.
    price
        USD per token.
    paid_at
        Time of the payment, naive UTC.
    """

    position: TradingPosition
    asset: AssetIdentifier
    quantity: Decimal
    price: USDollarPrice
    paid_at: datetime.datetime


def book_funding(portfolio: Portfolio, payments: Iterable[FundingPayment]) -> list[BalanceUpdate]:
    """Book payments in their order, all or none, and return the events; one of nothing is left out.

    Raises
    ------
    WrongPositionStatus
        A position is neither open nor frozen.
    InterestRefused
        An amount, price or time is not valid, the token is not a side of the loan, or the balance would be negative.
    """
    portfolio.owner.claim()
    checked: list[tuple[FundingPayment, Interest]] = []
    balances: dict[int, Decimal] = {}
    for payment in payments:
        if payment.quantity or not is_finite_decimal(payment.quantity):
            interest = _check(portfolio, payment)
            balance = balances.get(id(interest), interest.last_token_amount) + payment.quantity
            if balance < 0:
                raise InterestRefused(
                    f"funding of {payment.quantity} {payment.asset.token_symbol} is more than position "
                    f"#{payment.position.position_id} has on this side of its loan"
                )
            balances[id(interest)] = balance
            checked.append((payment, interest))
    return [_book(portfolio, payment, interest) for payment, interest in checked]


def _check(portfolio: Portfolio, payment: FundingPayment) -> Interest:
    position, asset = payment.position, payment.asset
    number = position.position_id
    if all(table.get(number) is not position for table in (portfolio.open_positions, portfolio.frozen_positions)):
        raise WrongPositionStatus(f"position #{number} is neither open nor frozen, it pays no funding")
    if position.loan is None or not position.is_leverage():
        raise InterestRefused(f"position #{number} has no leverage, it pays no funding")
    _, interest = get_interest_tracker(position.loan, asset)
    if interest is None:
        raise InterestRefused(f"{asset} is no side of the loan of position #{number}")
    if not is_finite_decimal(payment.quantity):
        raise InterestRefused(f"funding must be a finite Decimal, got {payment.quantity!r}")
    if type(payment.price) is not float or not 0 < payment.price < math.inf:
        raise InterestRefused(f"the price of {asset} must be a positive float, got {payment.price!r}")
    require_naive_utc(payment.paid_at, "the time of funding", InterestRefused)
    return interest


def _book(portfolio: Portfolio, payment: FundingPayment, interest: Interest) -> BalanceUpdate:
    position, asset, quantity, price, paid_at = payment
    event = BalanceUpdate(
        balance_update_id=portfolio.allocate_balance_update_id(),
        cause=BalanceUpdateCause.funding,
        position_type=BalanceUpdatePositionType.open_position,
        asset=asset,
        block_mined_at=paid_at,
        strategy_cycle_included_at=None,
        chain_id=asset.chain_id,
        quantity=quantity,
        old_balance=interest.last_token_amount,
        usd_value=float(quantity) * price,
        created_at=paid_at,
        position_id=position.position_id,
    )
    position.add_balance_update_event(event)
    interest.last_accrued_interest += quantity
    interest.last_token_amount = max(interest.last_token_amount + quantity, ZERO_DECIMAL)
    return event
