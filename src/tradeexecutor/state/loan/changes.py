"""Changes of loans by trades that open, increase, reduce and close shorts, leveraged longs and credit supplies.

A loan has two sides, collateral and debt. Each side has a principal (`AssetWithTrackedValue.quantity`), the interest
booked so far, the part of it that was paid out, and the token balance that the chain should show. After every change::

    balance == principal + accrued interest - paid interest

A withdrawal of more than the principal withdraws interest: that part is claimed (collateral) or repaid (debt)
immediately. A small excess over principal and interest counts as interest that was not booked yet; a larger excess is
refused.

Shorts and leveraged longs exchange two tokens, the base and the reserve currency. A short owes the base and has
collateral in the reserve currency; a long has collateral in the base and owes the reserve currency. A trade changes
both sides of either by the same amounts: the base by its quantity, the reserve currency by what the swap brought or
cost and what came from or went to the cash.

The same functions compute the planned loan, from the planned amounts of a trade, and the actual loan, from its executed
amounts.
"""

import datetime
import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple, TypeAlias

from tradeexecutor.accounting.accuracy import (
    CLOSE_POSITION_COLLATERAL_EPSILON,
    COLLATERAL_EPSILON,
    INTEREST_QUANTITY_EPSILON,
    ZERO_DECIMAL,
    ensure_exact_zero,
)
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked, NotAvailable, UnsupportedPairKind
from tradeexecutor.state.identifier import AssetType, AssetWithTrackedValue
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import USDollarPrice

__all__ = [
    "LoanChange",
    "LoanMode",
    "LoanPayments",
    "change_side",
    "get_loan_after_trade",
]

logger = logging.getLogger(__name__)

#: Whether the planned or the executed amounts of a trade are used.
LoanMode: TypeAlias = Literal["plan", "execute"]


@dataclass(frozen=True, slots=True)
class LoanChange:
    """Amounts by which a trade changes a loan.

    Attributes
    ----------
    quantity
        Base token units with the sign of the trade. Credit: positive when supplied, negative when recalled. Short:
        negative when borrowed, positive when bought back. Long: positive when bought, negative when sold.
    reserve
        Amount moved from the reserves into the loan before the swap, reserve token units, >= 0.
    consumption
        What the swap of a short or long brought (+) or cost (-), reserve token units.
    allocation
        Reserve added to (+) or released from (-) a short or long after the swap, reserve token units.
    price
        USD per base token.
    reserve_price
        USD per reserve token.
    happened_at
        Time of the change, naive UTC.
    """

    quantity: Decimal
    reserve: Decimal
    consumption: Decimal
    allocation: Decimal
    price: USDollarPrice
    reserve_price: USDollarPrice
    happened_at: datetime.datetime

    @classmethod
    def read(cls, trade: TradeExecution, mode: LoanMode = "plan") -> "LoanChange":
        """Return the planned or the executed amounts of a trade; missing reserve amounts are 0.

        Raises
        ------
        NotAvailable
            The trade has not executed yet.
        """
        reserve_price = float(trade.get_reserve_currency_exchange_rate())
        if mode == "plan":
            return cls(
                trade.planned_quantity,
                trade.planned_reserve,
                trade.planned_collateral_consumption or ZERO_DECIMAL,
                trade.planned_collateral_allocation or ZERO_DECIMAL,
                float(trade.planned_price),
                reserve_price,
                trade.opened_at,
            )
        if trade.executed_quantity is None or trade.executed_price is None or trade.executed_at is None:
            raise NotAvailable(f"trade #{trade.trade_id} is not executed")
        return cls(
            trade.executed_quantity,
            trade.executed_reserve or ZERO_DECIMAL,
            trade.executed_collateral_consumption or ZERO_DECIMAL,
            trade.executed_collateral_allocation or ZERO_DECIMAL,
            trade.executed_price,
            reserve_price,
            trade.executed_at,
        )

    def get_reserve_change(self) -> Decimal:
        """Return how a trade with leverage changes the side in the reserve currency, reserve token units.

        Positive adds to the collateral of a short, or repays the debt of a long.
        """
        return self.consumption + self.allocation + self.reserve


class LoanPayments(NamedTuple):
    """Interest that a trade moved in addition to principal."""

    #: Claimed interest of the collateral, reserve token units, >= 0.
    claimed: Decimal = ZERO_DECIMAL
    #: Repaid interest of the debt, base token units, >= 0.
    repaid: Decimal = ZERO_DECIMAL


def get_loan_after_trade(
    loan: Loan | None, trade: TradeExecution, change: LoanChange, *, closing: bool
) -> tuple[Loan, LoanPayments]:
    """Return the loan after a change, and the interest that was moved; `loan` itself is not changed.

    Parameters
    ----------
    loan
        Loan before the change; None opens a new one.
    trade
        Trade whose pair and position are named in errors.
    closing
        Whether the position is closed. When the debt of a short is gone, remaining collateral up to 2 % of the change
        is written off, as in recorded figures. A long that is closed must have paid its debt.

    Raises
    ------
    InvalidTrade
        The withdrawal exceeds the balance, the first trade adds nothing, or a swap changes the collateral in the wrong
        direction.
    LiquidationRisked
        The loan would be liquidated immediately.
    UnsupportedPairKind
        Loans of this kind of pair are not supported.
    """
    kind = trade.pair.kind
    if kind.is_credit_supply():
        if loan is None:
            return _open_credit(trade, change), LoanPayments()
        loan = loan.clone()
        return loan, LoanPayments(claimed=_change_credit(loan, change))
    if not kind.is_leverage():
        raise UnsupportedPairKind(f"loans of kind {kind.value} are not supported: trade #{trade.trade_id}")
    if (change.consumption > 0 and change.quantity >= 0) or (change.consumption < 0 and change.quantity <= 0):
        raise InvalidTrade(
            f"trade #{trade.trade_id} cannot bring {change.consumption} by a swap of {change.quantity}: a sale adds to "
            "the reserve currency of the loan, a purchase takes from it"
        )
    if loan is None:
        loan, payments = _open_leveraged(trade, change), LoanPayments()
    else:
        loan = loan.clone()
        payments = _change_leveraged(loan, change, closing=closing)
    if not (closing and _is_debt_gone(loan)):
        _check_health(loan, trade)
    return loan, payments


# --- Credit supply


def _open_credit(trade: TradeExecution, change: LoanChange) -> Loan:
    if change.quantity <= 0:
        raise InvalidTrade(
            f"trade #{trade.trade_id} recalls credit, but position #{trade.position_id} has supplied none"
        )
    base = trade.pair.base
    when = change.happened_at
    return Loan(
        pair=trade.pair,
        collateral=AssetWithTrackedValue(
            base,
            change.quantity,
            change.reserve_price,
            when,
            created_at=when,
            created_strategy_cycle_at=trade.opened_at,
        ),
        collateral_interest=Interest.open_new(change.quantity, when),
    )


def _change_credit(loan: Loan, change: LoanChange) -> Decimal:
    return change_side(
        loan.collateral,
        loan.collateral_interest,
        change.quantity,
        change.reserve_price,
        change.happened_at,
        COLLATERAL_EPSILON,
    )


# --- Shorts and leveraged longs


def _open_leveraged(trade: TradeExecution, change: LoanChange) -> Loan:
    pair, trade_id = trade.pair, trade.trade_id
    _check_assets(trade)
    quantity, reserve = change.quantity, change.get_reserve_change()
    if pair.kind.is_shorting():
        debt, collateral = -quantity, reserve
        if debt <= 0:
            raise InvalidTrade(f"trade #{trade_id} opens a short, it must borrow: its quantity is {quantity}")
        if collateral <= 0:
            raise InvalidTrade(f"trade #{trade_id} opens a short without collateral: {collateral}")
    else:
        debt, collateral = -reserve, quantity
        if collateral <= 0:
            raise InvalidTrade(f"trade #{trade_id} opens a long, it must buy: its quantity is {quantity}")
        if debt <= 0:
            raise InvalidTrade(f"trade #{trade_id} opens a leveraged long without debt: {debt}")
    prices = {pair.base: change.price, pair.quote: change.reserve_price}
    when = change.happened_at
    supplied, owed = pair.get_collateral_token(), pair.get_debt_token()
    return Loan(
        pair=pair,
        collateral=AssetWithTrackedValue(supplied, collateral, prices[supplied], when, created_at=when),
        collateral_interest=Interest.open_new(collateral, when),
        borrowed=AssetWithTrackedValue(
            owed, debt, prices[owed], when, created_at=when, created_strategy_cycle_at=trade.opened_at
        ),
        borrowed_interest=Interest.open_new(debt, when),
    )


def _check_assets(trade: TradeExecution) -> None:
    pair = trade.pair
    what = "short" if pair.kind.is_shorting() else "leveraged long"
    debt, collateral = pair.get_debt_token(), pair.get_collateral_token()
    if debt.underlying is None or debt.type is not AssetType.borrowed:
        raise InvalidTrade(f"{debt} of a {what} must be a debt token with an underlying asset")
    if collateral.underlying is None or collateral.type is not AssetType.collateral:
        raise InvalidTrade(f"{collateral} of a {what} must be a collateral token with an underlying asset")
    if pair.quote.underlying is None or not pair.quote.underlying.is_stablecoin():
        raise InvalidTrade(f"{pair.quote} of a {what} must be a stablecoin")


def _change_leveraged(loan: Loan, change: LoanChange, *, closing: bool) -> LoanPayments:
    """Apply a trade to both sides of a loan in place, the base first, and return the interest that it moved."""
    borrowed, borrowed_interest = loan.borrowed, loan.borrowed_interest
    if borrowed is None or borrowed_interest is None:
        raise InvalidTrade(f"the loan of {loan.pair} has no debt, it is not leveraged")
    is_short = loan.pair.kind.is_shorting()
    collateral = loan.collateral, loan.collateral_interest
    debt = borrowed, borrowed_interest
    base, reserve, sign = (debt, collateral, -1) if is_short else (collateral, debt, 1)
    interest_of_base = ZERO_DECIMAL
    if change.quantity:
        # A trade that only moves collateral contains no new price of the base.
        interest_of_base = change_side(
            *base, sign * change.quantity, change.price, change.happened_at, INTEREST_QUANTITY_EPSILON
        )
    reserve_change = change.get_reserve_change()
    tolerance = COLLATERAL_EPSILON
    # If a closing trade leaves some of the base, the position stays open and nothing is written off.
    closed = closing and _is_base_gone(loan)
    if closed and is_short:
        tolerance = max(tolerance, abs(CLOSE_POSITION_COLLATERAL_EPSILON * reserve_change))
    interest_of_reserve = change_side(
        *reserve,
        -sign * reserve_change,
        change.reserve_price,
        change.happened_at,
        tolerance,
        write_off=closed,
    )
    if is_short:
        return LoanPayments(claimed=interest_of_reserve, repaid=interest_of_base)
    return LoanPayments(claimed=interest_of_base, repaid=interest_of_reserve)


def _is_base_gone(loan: Loan) -> bool:
    """Return True if at most dust is left of the side in the base token, which is ignored when the position closes."""
    if loan.pair.kind.is_shorting():
        left = loan.get_borrowed_principal_and_interest_quantity()
    else:
        left = loan.collateral.quantity + loan.collateral_interest.get_remaining_interest()
    return left <= get_close_epsilon_for_pair(loan.pair)


def _is_debt_gone(loan: Loan) -> bool:
    """Return True if at most dust of the debt is left, which is ignored when the position closes."""
    dust = get_close_epsilon_for_pair(loan.pair) if loan.pair.kind.is_shorting() else ZERO_DECIMAL
    return loan.get_borrowed_principal_and_interest_quantity() <= dust


def _check_health(loan: Loan, trade: TradeExecution) -> None:
    if loan.borrowed is None or loan.borrowed.quantity <= 0:
        return
    try:
        loan.check_health()
    except LiquidationRisked as error:
        raise LiquidationRisked(
            f"trade #{trade.trade_id} of position #{trade.position_id}: {error}",
            error.health_factor,
            error.desired_health_factor,
        ) from None


# --- Helpers for all kinds


def change_side(
    tracker: AssetWithTrackedValue,
    interest: Interest,
    delta: Decimal,
    price: USDollarPrice,
    when: datetime.datetime,
    tolerance: Decimal,
    *,
    write_off: bool = False,
) -> Decimal:
    """Add tokens to one side of a loan or withdraw them, and return the withdrawn interest, token units.

    Parameters
    ----------
    delta
        Token units, + in, - out.
    tolerance
        The withdrawal may exceed the balance by less than this, token units.
    write_off
        Whether a remainder below the tolerance is written off.

    Raises
    ------
    InvalidTrade
        More is withdrawn than there is.
    """
    available = interest.get_remaining_interest()
    principal = tracker.quantity + delta
    left = principal + available
    if delta < 0 and left < 0:
        if -left >= tolerance:
            raise InvalidTrade(
                f"cannot take {-delta} {tracker.asset.token_symbol} out of {tracker.quantity} and interest of "
                f"{available}: {-left} too much"
            )
        # An unbooked excess is interest that was not synced yet.
        interest.last_accrued_interest -= left
        available -= left
        left = ZERO_DECIMAL
    paid = ZERO_DECIMAL
    if principal < 0:
        paid, principal = -principal, ZERO_DECIMAL
    principal = ensure_exact_zero(principal)
    balance = max(ensure_exact_zero(interest.last_token_amount + delta), ZERO_DECIMAL)
    if write_off and left < tolerance:
        if left >= COLLATERAL_EPSILON:
            logger.warning("%s %s are written off when their position is closed", left, tracker.asset.token_symbol)
        principal = balance = ZERO_DECIMAL
        paid = available  # a close settles all interest
    tracker.revalue(price, when)
    tracker.quantity = principal
    interest.last_token_amount = balance
    interest.interest_payments += paid
    return paid
