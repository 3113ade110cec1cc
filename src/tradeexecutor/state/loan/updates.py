"""Functions that open the loan of a position, apply a trade to it, and reset its interest.

Existing code calls these functions; :mod:`tradeexecutor.state.loan.changes` computes the effect of a trade on a loan.
"""

import datetime
from decimal import Decimal
from typing import Protocol

from tradeexecutor.accounting.accuracy import (
    COLLATERAL_EPSILON,
    ZERO_DECIMAL,
)
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.loan.changes import LoanChange, LoanMode, LoanPayments, change_side, get_loan_after_trade
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import USDollarPrice

__all__ = [
    "create_credit_supply_loan",
    "create_short_loan",
    "reset_credit_supply_loan",
    "update_credit_supply_loan",
    "update_short_loan",
]


class LoanPosition(Protocol):
    """Attributes of the position with the loan that are used here."""

    @property
    def position_id(self) -> int: ...

    @property
    def loan(self) -> Loan | None: ...

    def is_short(self) -> bool: ...

    def is_credit_supply(self) -> bool: ...


def create_short_loan(
    position: LoanPosition, trade: TradeExecution, timestamp: datetime.datetime, mode: LoanMode = "plan"
) -> Loan:
    """Return the loan that the first trade of a short position opens.

    Raises
    ------
    InvalidTrade
        The position has a loan already, or the trade does not open a short.
    LiquidationRisked
        The loan would be liquidated at once.
    """
    if not trade.is_short():
        raise InvalidTrade(f"trade #{trade.trade_id} is not a short")
    return _create_loan(position, trade, timestamp, mode)


def create_credit_supply_loan(
    position: LoanPosition, trade: TradeExecution, timestamp: datetime.datetime, mode: LoanMode = "plan"
) -> Loan:
    """Return the loan that the first trade of a credit supply position opens.

    Raises
    ------
    InvalidTrade
        The position has a loan already, or the trade does not supply anything.
    """
    if not trade.is_credit_supply():
        raise InvalidTrade(f"trade #{trade.trade_id} does not supply credit")
    return _create_loan(position, trade, timestamp, mode)


def _create_loan(position: LoanPosition, trade: TradeExecution, timestamp: datetime.datetime, mode: LoanMode) -> Loan:
    if position.loan is not None:
        raise InvalidTrade(f"position #{position.position_id} has a loan already")
    loan, _ = get_loan_after_trade(None, trade, LoanChange.read(trade, mode), closing=False)
    for tracker, interest in ((loan.collateral, loan.collateral_interest), (loan.borrowed, loan.borrowed_interest)):
        if tracker is not None and interest is not None:
            tracker.last_pricing_at = tracker.created_at = timestamp
            interest.last_updated_at = interest.last_event_at = timestamp
    return loan


@contract_signature
def update_short_loan(
    loan: Loan,
    position: LoanPosition,
    trade: TradeExecution,
    mode: LoanMode = "plan",
    close_position: bool = False,
) -> LoanPayments:
    """Apply a trade to a loan in place, and return the interest that it moved.

    Raises
    ------
    InvalidTrade
        The withdrawal exceeds the balance; the loan is unchanged.
    LiquidationRisked
        The loan would be liquidated immediately; it is unchanged.
    """
    if not position.is_short():
        raise InvalidTrade(f"position #{position.position_id} is not a short")
    after, payments = get_loan_after_trade(loan, trade, LoanChange.read(trade, mode), closing=close_position)
    _replace(loan, after)
    return payments


def update_credit_supply_loan(
    loan: Loan,
    position: LoanPosition,
    timestamp: datetime.datetime,
    trade: TradeExecution | None = None,
    quantity_delta: Decimal = ZERO_DECIMAL,
    mode: LoanMode = "plan",
) -> Loan:
    """Apply a trade, or a change without a trade such as a redemption in kind, to a loan in place, and return the loan.

    Parameters
    ----------
    timestamp
        Time of a change without a trade, naive UTC.
    quantity_delta
        Change without a trade, token units, + in, - out.

    Raises
    ------
    InvalidTrade
        The withdrawal exceeds the balance, or there is neither trade nor delta; the loan is unchanged.
    """
    if not position.is_credit_supply():
        raise InvalidTrade(f"position #{position.position_id} does not supply credit")
    after = loan.clone()
    if trade is not None:
        if quantity_delta:
            raise InvalidTrade("give either a trade or a quantity, not both")
        after, _ = get_loan_after_trade(loan, trade, LoanChange.read(trade, mode), closing=False)
    else:
        if not quantity_delta:
            raise InvalidTrade(f"nothing changes the loan of position #{position.position_id}")
        change_side(
            after.collateral,
            after.collateral_interest,
            quantity_delta,
            after.collateral.last_usd_price,
            timestamp,
            COLLATERAL_EPSILON,
        )
    _replace(loan, after)
    return loan


def reset_credit_supply_loan(
    position: LoanPosition,
    timestamp: datetime.datetime,
    block_number: int,
    quantity: Decimal,
    reserve_currency_exchange_rate: USDollarPrice = 1.0,
) -> None:
    """Set the loan of a credit position to a corrected balance, which becomes principal, and restart its interest.

    Parameters
    ----------
    timestamp, block_number
        Time and block at which the balance was read.
    quantity
        Token units, >= 0.
    reserve_currency_exchange_rate
        USD per token.

    Raises
    ------
    InvalidValue
        The position is not a credit supply with a loan, the block is missing or an amount is wrong; nothing changes.
    """
    loan = position.loan
    if not position.is_credit_supply() or loan is None or loan.borrowed is not None:
        raise InvalidValue(f"position #{position.position_id} is not a credit supply with a loan")
    if not block_number:
        raise InvalidValue("a correction needs the block at which the balance was read")
    corrected = loan.clone()
    corrected.collateral.revalue(float(reserve_currency_exchange_rate), timestamp)
    corrected.collateral_interest.reset(quantity, timestamp, block_number)
    corrected.collateral.reset(quantity)
    _replace(loan, corrected)


def _replace(loan: Loan, after: Loan) -> None:
    """Replace both sides of a loan by those of another one."""
    loan.collateral, loan.collateral_interest = after.collateral, after.collateral_interest
    loan.borrowed, loan.borrowed_interest = after.borrowed, after.borrowed_interest
