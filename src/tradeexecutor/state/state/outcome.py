"""The transition of a trade to success, in three steps: check, compute, apply.

The first two change nothing and the third cannot fail, so a refused outcome leaves the state unchanged.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from decimal import Decimal

import msgspec

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import (
    MAX_NUMBER,
    are_finite_decimals,
    require_finite_decimal,
    require_finite_numbers,
)
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import (
    InvalidTrade,
    NotEnoughMoney,
    NotEnoughTokens,
    UnsupportedPairKind,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.loan.changes import LoanChange, LoanPayments, get_loan_after_trade
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.opening import put_into_closed
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.holdings import check_sold, get_raw_unit
from tradeexecutor.state.position.pnl import (
    create_share_price_state,
    is_account_placeholder,
    update_share_price_state,
)
from tradeexecutor.state.position.quantity import can_be_closed
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state.capital import find_returned_capital, give_capital_back
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.state.settlement import set_vault_lockup_estimate
from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade.lifecycle import check_can_be_filled, check_fill, check_status, set_fill
from tradeexecutor.state.trade.planned_amounts import EXCHANGE_KINDS, LEVERAGE_KINDS, LOAN_KINDS
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

# Reading a member from its enum class is slow in Python 3.11.
_BROADCASTED, _REPAIR = TradeStatus.broadcasted, TradeType.repair
_CCTP_BRIDGE, _VAULT = TradingPairKind.cctp_bridge, TradingPairKind.vault
_EXCHANGE_ACCOUNT = TradingPairKind.exchange_account

#: Kinds whose positions keep an internal share price.
_SHARE_PRICE_KINDS = EXCHANGE_KINDS - {_CCTP_BRIDGE}

_NO_PAYMENTS = LoanPayments()


class _LoanOutcome(msgspec.Struct, frozen=True, gc=False):
    """The changes of a success that changes a loan, computed before anything is changed."""

    #: As reported, completed with the amounts that were not reported.
    fill: Fill
    #: The loan of the position after the trade, and the interest that the trade moved.
    loan: Loan | None = None
    payments: LoanPayments = _NO_PAYMENTS


@contract_signature
def mark_trade_success(
    state: StateFields,
    executed_at: datetime.datetime,
    trade: TradeExecution,
    executed_price: USDollarPrice,
    executed_amount: Decimal,
    executed_reserve: Decimal,
    lp_fees: USDollarAmount | None,
    native_token_price: USDollarPrice | None,
    cost_of_gas: Decimal | None = None,
    executed_collateral_consumption: Decimal | None = None,
    executed_collateral_allocation: Decimal | None = None,
    force: bool = False,
) -> None:
    """Record the outcome of a broadcasted trade, see `record_fill`; the parameters are the fields of `Fill`."""
    fill = Fill(
        executed_at,
        executed_price,
        executed_amount,
        executed_reserve,
        lp_fees,
        native_token_price,
        cost_of_gas,
        executed_collateral_consumption,
        executed_collateral_allocation,
    )
    if force:
        record_fill(state, trade, fill, force=True)
    else:
        record_fill(state, trade, fill)  # handing on a keyword takes longer than the test


def record_fill(
    state: StateFields, trade: TradeExecution, fill: Fill, *, force: bool = False, confirmed: bool = False
) -> None:
    """Record the outcome of a broadcasted trade, return capital, and close the position if nothing is left.

    The proceeds of a sell go to the cash, or to the bridge position of its chain. A buy that reports the spent amount
    in `Fill.reserve` returns the rest of its allocation, or takes what it spent beyond it. A `Fill.reserve` of 0 means
    not reported: the whole allocation counts as spent, and a credit trade records its quantity as the amount.

    Parameters
    ----------
    force
        Accept a trade that was started and not broadcasted; a repair need not be started.
    confirmed
        The outcome was verified elsewhere: book it even if it sold or spent more than the state had recorded. A trade
        with a successful transaction is booked like this, too. If a balance becomes negative,
        :func:`~tradeexecutor.state.state.impossible_balances.find_impossible_balances` finds it.

    Raises
    ------
    NotEnoughTokens, NotEnoughMoney
        The trade cannot have sold, or spent, so much. The state is unchanged.
    WrongTradeStatus, WrongPositionStatus, InvalidTrade, PositionNotFound, ReserveMissing, UnsupportedPairKind,
    LiquidationRisked
        The state is unchanged.
    """
    portfolio = state.portfolio
    portfolio.owner.claim()
    kind = trade.pair.kind
    has_loan = kind in LOAN_KINDS
    if not has_loan and kind not in EXCHANGE_KINDS:
        raise UnsupportedPairKind(f"trades of kind {kind.value} cannot be executed: #{trade.trade_id}")
    position = portfolio.find_position_for_trade(trade, True)  # naming the flag takes longer than all the rest
    if trade.get_status() is not _BROADCASTED:
        _check_unbroadcasted(trade, force=force)
    _check(position, trade, fill, has_loan=has_loan)
    loan_outcome = None
    if has_loan:
        loan_outcome = _compute_loan_outcome(trade, fill, position)
        fill = loan_outcome.fill
    returned, account = find_returned_capital(portfolio, trade, fill)
    left = None
    if (fill.quantity < ZERO_DECIMAL or returned < ZERO_DECIMAL) and not confirmed and trade.trade_type is not _REPAIR:
        left = _check_possible(position, trade, fill, returned, account)
    # Nothing below can fail.
    if account is not None:
        give_capital_back(portfolio, returned, account, fill.executed_at)
    _apply(portfolio, position, trade, fill, left, loan_outcome)


# --- Check


def _check_unbroadcasted(trade: TradeExecution, *, force: bool) -> None:
    """Raise unless the trade is forced to have an outcome: it is started, or a repair."""
    if force and trade.trade_type is not _REPAIR:
        check_status(trade, TradeStatus.started, TradeStatus.broadcasted)
    check_can_be_filled(trade, force=force)


def _check(position: TradingPosition, trade: TradeExecution, fill: Fill, *, has_loan: bool) -> None:
    """Raise if the trade cannot have this outcome."""
    quantity, reserve = fill.quantity, fill.reserve
    price, executed_at = fill.price, fill.executed_at
    if not (
        are_finite_decimals(quantity, reserve)
        and type(price) is float
        and 0.0 <= price <= MAX_NUMBER
        and type(executed_at) is datetime.datetime
        and executed_at.tzinfo is None
    ):  # the usual values need no call
        check_fill(trade, fill)
        require_finite_decimal(reserve, f"executed reserve of trade #{trade.trade_id}", InvalidTrade)
    if position.closed_at is not None and (has_loan or trade.planned_quantity > 0):
        raise WrongPositionStatus(
            f"position #{position.position_id} is closed, trade #{trade.trade_id} would be missing from the equity"
        )
    lp_fees, token_price = fill.lp_fees, fill.native_token_price
    if not (
        fill.cost_of_gas is None
        and type(lp_fees) is float
        and type(token_price) is float
        and lp_fees >= 0.0
        and token_price >= 0.0
        and lp_fees + token_price <= MAX_NUMBER  # so both are
    ):
        require_finite_numbers("trade", trade.trade_id, InvalidTrade, lp_fees, token_price, fill.cost_of_gas)
    if trade.trade_type is _REPAIR:
        return
    if has_loan:
        _check_loan_amounts(trade, fill)
        return
    if trade._planned_quantity > ZERO_DECIMAL:
        if quantity <= ZERO_DECIMAL:
            raise InvalidTrade(f"buy #{trade.trade_id} must have a positive executed amount, got {quantity}")
        if reserve < ZERO_DECIMAL:
            raise InvalidTrade(f"buy #{trade.trade_id} must not have a negative executed reserve, got {reserve}")
    elif quantity >= ZERO_DECIMAL or reserve <= ZERO_DECIMAL:
        raise InvalidTrade(
            f"sell #{trade.trade_id} must have a negative executed amount and a positive executed reserve, "
            f"got {quantity} and {reserve}"
        )


def _check_loan_amounts(trade: TradeExecution, fill: Fill) -> None:
    planned, quantity, reserve = trade.planned_quantity, fill.quantity, fill.reserve
    if reserve < 0:
        raise InvalidTrade(f"trade #{trade.trade_id} must not have a negative executed reserve, got {reserve}")
    if (quantity > 0) != (planned > 0) or (quantity < 0) != (planned < 0):
        raise InvalidTrade(
            f"trade #{trade.trade_id} planned a quantity of {planned}, it cannot have executed {quantity}"
        )
    if trade.pair.kind not in LEVERAGE_KINDS and planned < 0 and not reserve:
        raise InvalidTrade(f"trade #{trade.trade_id} recalled {-quantity} and received nothing")


def _check_possible(
    position: TradingPosition,
    trade: TradeExecution,
    fill: Fill,
    returned: Decimal,
    account: ReservePosition | TradingPosition | None,
) -> Decimal | None:
    """Raise if the trade cannot have sold or spent so much, unless a successful transaction proves it.

    Returns
    -------
    Decimal or None
        What is left in the position after a sale, see `check_sold`.
    """
    left = None
    try:
        left = check_sold(position, trade, fill.quantity)
        if returned < ZERO_DECIMAL and account is not None:
            _check_spent(trade, -returned, account)
    except (NotEnoughTokens, NotEnoughMoney):
        if not any(transaction.status for transaction in trade.blockchain_transactions):
            raise
    return left


def _check_spent(trade: TradeExecution, spent: Decimal, account: ReservePosition | TradingPosition) -> None:
    """Raise unless the account can pay what a trade spent beyond its allocation, reserve token units."""
    if isinstance(account, ReservePosition):
        asset, available = account.asset, account.quantity
    else:
        asset, available = account.pair.base, account.get_available_bridge_capital()
    if spent - available > get_raw_unit(asset):
        raise NotEnoughMoney(
            f"trade #{trade.trade_id} spent {spent} {asset.token_symbol} beyond its allocation, {available} was there",
            available,
            spent,
        )


# --- Compute


def _compute_loan_outcome(trade: TradeExecution, fill: Fill, position: TradingPosition) -> _LoanOutcome:
    """Return the changes of the outcome of a trade that changes a loan.

    Raises
    ------
    InvalidTrade, LiquidationRisked
        The trade cannot have this outcome.
    """
    loan, payments = None, _NO_PAYMENTS
    fill = _complete_fill_of_loan(trade, fill)
    if trade.trade_type is not _REPAIR:
        # What was executed as planned is a simulation: it happened in the cycle that planned it, whatever the clock of
        # the simulation says, and interest runs from there. Live, it runs from the execution.
        as_planned = trade.executed_loan_update is not None
        change = LoanChange(
            fill.quantity,
            fill.reserve,
            fill.collateral_consumption or ZERO_DECIMAL,
            fill.collateral_allocation or ZERO_DECIMAL,
            fill.price,
            float(trade.get_reserve_currency_exchange_rate()),
            trade.opened_at if as_planned else fill.executed_at,
        )
        closing = TradeFlag.close in (trade.flags or ())
        loan, payments = get_loan_after_trade(position.loan, trade, change, closing=closing)
    return _LoanOutcome(fill, loan, payments)


def _complete_fill_of_loan(trade: TradeExecution, fill: Fill) -> Fill:
    """Return the fill, completed with the collateral moves, and for credit the reserve, that were not reported.

    If the caller has set `executed_loan_update`, the trade was executed as planned. Otherwise the caller must report
    every figure that the plan contains.
    """
    if trade.pair.kind not in LEVERAGE_KINDS:
        if fill.quantity > 0 and not fill.reserve and trade.trade_type is not _REPAIR:
            return msgspec.structs.replace(fill, reserve=fill.quantity)
        return fill
    as_planned = trade.executed_loan_update is not None
    consumption, allocation = trade.planned_collateral_consumption, trade.planned_collateral_allocation
    return msgspec.structs.replace(
        fill,
        collateral_consumption=_complete_move(
            trade, "consumption", fill.collateral_consumption, consumption, as_planned=as_planned
        ),
        collateral_allocation=_complete_move(
            trade, "allocation", fill.collateral_allocation, allocation, as_planned=as_planned
        ),
    )


def _complete_move(
    trade: TradeExecution, what: str, executed: Decimal | None, planned: Decimal | None, *, as_planned: bool
) -> Decimal | None:
    if executed is None:
        if planned and not as_planned:
            raise InvalidTrade(
                f"trade #{trade.trade_id} planned a collateral {what} of {planned}, give the executed one"
            )
        return planned
    return require_finite_decimal(executed, f"collateral {what} of trade #{trade.trade_id}", InvalidTrade)


# --- Apply


def _apply(
    portfolio: Portfolio,
    position: TradingPosition,
    trade: TradeExecution,
    fill: Fill,
    left: Decimal | None,
    loan_outcome: _LoanOutcome | None,
) -> None:
    """Change the trade, its position, and the tables of the portfolio; cannot fail.

    Parameters
    ----------
    left
        Quantity of the position after the trade, base token units, if it is known.
    """
    kind = trade.pair.kind
    set_fill(trade, fill)
    if fill.quantity and kind in _SHARE_PRICE_KINDS:
        shares = position.share_price_state
        if shares is not None:
            position.share_price_state = update_share_price_state(shares, trade)
        elif kind is not _EXCHANGE_ACCOUNT or not is_account_placeholder(trade):
            position.share_price_state = create_share_price_state(trade)
    if portfolio.pending_positions and position.position_id in portfolio.pending_positions:
        del portfolio.pending_positions[position.position_id]
        portfolio.open_positions[position.position_id] = position
        position.pending_since_at = None
    if kind is _VAULT:
        set_vault_lockup_estimate(position, trade)
    loan = None
    if loan_outcome is not None and loan_outcome.loan is not None:
        loan = position.loan = loan_outcome.loan
        _record_payments(trade, loan_outcome.payments)
    if can_be_closed(position, left) and _may_close(position):
        put_into_closed(portfolio, position, fill.executed_at)
        if loan_outcome is not None and loan is not None:
            _record_payments(trade, loan_outcome.payments, final_loan=loan)
    if loan is not None:
        trade.executed_loan_update = loan.clone()


def _may_close(position: TradingPosition) -> bool:
    """Return True if no capital disappears from the equity when a position that can be closed closes after a success.

    Capital of another trade in flight would be missing, and so would the capital of a bridge that trades on the
    destination chain have overdrawn.
    """
    if position.has_trades_in_flight():
        return False
    return position.pair.kind is not _CCTP_BRIDGE or (
        position.get_available_bridge_capital() >= -get_close_epsilon_for_pair(position.pair)
    )


def _record_payments(trade: TradeExecution, payments: LoanPayments, final_loan: Loan | None = None) -> None:
    """Record the interest that a trade moved; the last trade of a position settles all of the rest."""
    claimed, repaid = payments
    if final_loan is not None:
        claimed += final_loan.claim_interest()
        if final_loan.borrowed_interest is not None:
            repaid += final_loan.repay_interest()
    if claimed or final_loan is not None:
        trade.claimed_interest = claimed
    if repaid or (final_loan is not None and final_loan.borrowed_interest is not None):
        trade.paid_interest = repaid
