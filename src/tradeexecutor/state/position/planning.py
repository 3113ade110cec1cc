"""Turning a request into a planned trade of a position."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import contextlib
import datetime

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON, ZERO_DECIMAL
from tradeexecutor.accounting.values import MAX_NUMBER, is_finite_decimal, require_finite_numbers
from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.errors import (
    InvalidTrade,
    LiquidationRisked,
    WrongPositionStatus,
)
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.loan.changes import LoanChange, get_loan_after_trade
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.trades import get_unsettled_trades
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeRequest, TradeType
from tradeexecutor.state.trade.fields import MAX_SLIPPAGE_TOLERANCE, check_slippage_tolerance
from tradeexecutor.state.trade.planned_amounts import (
    LOAN_KINDS,
    PlannedAmounts,
    plan_credit,
    plan_exchange,
    plan_leverage,
    plan_long_closing,
    plan_short_closing,
)
from tradeexecutor.state.types import USDollarAmount

_REPAIR, _CLOSE = TradeType.repair, TradeFlag.close

#: The fields that planning a trade sets.
_PLANNED_FIELDS = (
    "trade_id",
    "position_id",
    "trade_type",
    "pair",
    "opened_at",
    "planned_quantity",
    "planned_reserve",
    "planned_price",
    "reserve_currency",
    "flags",
    "slippage_tolerance",
    "reserve_currency_exchange_rate",
    "planned_mid_price",
    "fee_tier",
    "lp_fees_estimated",
    "price_structure",
    "portfolio_value_at_creation",
    "leverage",
    "closing",
    "exchange_name",
)

_make_planned_trade = make_short_constructor(
    TradeExecution, _PLANNED_FIELDS, InvalidTrade, checks_values=False, checks_rules=False
)


def plan_trade(
    position: PositionFields,
    request: TradeRequest,
    trade_id: int,
    portfolio_value_at_creation: USDollarAmount | None = None,
) -> TradeExecution:
    """Return the planned trade for a request on this position, without adding it.

    The trade records the total equity of the portfolio, USD, if it is given.

    Raises
    ------
    InvalidTrade, LiquidationRisked, UnsupportedPairKind, WrongPositionStatus
        The position cannot make such a trade.
    """
    _check_request(position, request, trade_id)
    flags: set[TradeFlag] = set() if request.flags is None else request.flags.copy()
    if request.closing:
        flags.add(_CLOSE)
    kind = position.pair.kind
    has_loan = kind in LOAN_KINDS
    loan = _get_loan_to_plan_on(position, request.strategy_cycle_at) if has_loan else None
    consumption, allocation = request.planned_collateral_consumption, request.planned_collateral_allocation
    lp_fees = request.lp_fees_estimated
    if has_loan:
        amounts = _plan_loan_amounts(position, loan, request)
        quantity, reserve = amounts.quantity, amounts.reserve
        consumption, allocation = amounts.consumption, amounts.allocation
        lp_fees = lp_fees if amounts.lp_fees is None else amounts.lp_fees
    else:
        quantity, reserve = plan_exchange(kind, request)
    trade = _make_planned_trade(  # in the order of `_PLANNED_FIELDS`
        trade_id,
        position.position_id,
        request.trade_type,
        position.pair,
        request.strategy_cycle_at,
        quantity,
        reserve,
        request.assumed_price,
        position.reserve_currency,
        flags,
        request.slippage_tolerance,
        request.reserve_currency_price,
        request.planned_mid_price,
        request.pair_fee,
        lp_fees,
        request.price_structure,
        portfolio_value_at_creation,
        request.leverage,
        request.closing,
        request.exchange_name,
    )
    if (
        has_loan
        or trade_id <= 0
        or not is_finite_decimal(reserve if request.reserve is None else quantity)
        or reserve < ZERO_DECIMAL
        or abs(quantity) <= QUANTITY_EPSILON
    ):  # seldom: what else an exchange can have wrong, the request and the computation of its amounts have refused
        trade.__post_init__()
    if consumption is not None or allocation is not None:
        trade.planned_collateral_consumption, trade.planned_collateral_allocation = consumption, allocation
    if has_loan and request.trade_type is not _REPAIR:
        change = LoanChange.read(trade)
        trade.planned_loan_update, _ = get_loan_after_trade(loan, trade, change, closing=bool(request.closing))
    return trade


def _check_request(position: PositionFields, request: TradeRequest, trade_id: int) -> None:
    """Raise `InvalidTrade` if the request does not fit the position, or one of its amounts is not a finite number."""
    reserve_currency = request.reserve_currency
    if reserve_currency is not position.reserve_currency and reserve_currency != position.reserve_currency:
        raise InvalidTrade(
            f"position #{position.position_id} settles to {position.reserve_currency}, not {reserve_currency}"
        )
    if type(trade_id) is not int:
        raise InvalidTrade(f"trade id must be an int, got {trade_id!r}")
    if trade_id in position._trades:
        raise InvalidTrade(f"position #{position.position_id} already has a trade #{trade_id}")
    if request.slippage_tolerance and not request.slippage_tolerance < MAX_SLIPPAGE_TOLERANCE:
        check_slippage_tolerance(trade_id, request.slippage_tolerance)
    mid_price, fee, reserve_price = request.planned_mid_price, request.pair_fee, request.reserve_currency_price
    lp_fees = request.lp_fees_estimated
    if not (
        (lp_fees is None or (type(lp_fees) is float and 0.0 <= lp_fees <= MAX_NUMBER))
        and request.leverage is None
        and type(mid_price) is float
        and type(fee) is float
        and type(reserve_price) is float
        and mid_price >= 0.0
        and fee >= 0.0
        and reserve_price >= 0.0
        and mid_price + fee + reserve_price <= MAX_NUMBER  # so each of them is
    ):  # the usual values need no call
        numbers = (mid_price, fee, lp_fees, request.leverage, reserve_price)
        require_finite_numbers("trade", trade_id, InvalidTrade, *numbers)


def _get_loan_to_plan_on(position: PositionFields, strategy_cycle_at: datetime.datetime) -> Loan | None:
    """Return the loan as it will be after the trades in flight and those planned earlier in the same cycle.

    Their planned changes are applied to the current loan, because other trades and interest may have changed it since.
    """
    loan = position.loan
    for trade in get_unsettled_trades(position):
        if (
            trade.planned_loan_update is not None
            and (trade.started_at or trade.opened_at == strategy_cycle_at)
            and not (trade.executed_at or trade.failed_at or trade.expired_at)
        ):
            # A trade that can no longer succeed does not count.
            with contextlib.suppress(InvalidTrade, LiquidationRisked):
                loan, _ = get_loan_after_trade(loan, trade, LoanChange.read(trade), closing=bool(trade.closing))
    return loan


def _plan_loan_amounts(position: PositionFields, loan: Loan | None, request: TradeRequest) -> PlannedAmounts:
    pair = position.pair
    if pair.kind.is_credit_supply():
        return plan_credit(request)
    if not request.closing:
        return plan_leverage(pair, loan, request)
    if position.closed_at is not None:
        raise WrongPositionStatus(f"position #{position.position_id} is closed already")
    return (plan_long_closing if pair.kind.is_longing() else plan_short_closing)(pair, loan, request)
