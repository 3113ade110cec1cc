"""Life cycle of a trade: its status and its transitions.

::

    planned -> started -> broadcasted -> success
       |          `------------+-------> failed -> repaired
       `-> expired
    broadcasted -> cctp_in_transit | vault_settlement_pending -> broadcasted -> success

The functions here change only the trade; :mod:`tradeexecutor.state.state.transitions` calls them and moves the money.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import MAX_NUMBER, is_finite_decimal, require_finite_decimal, require_naive_utc
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidTrade, NotAvailable, WrongTradeStatus
from tradeexecutor.state.trade.fields import TradeFields, TradeStatus
from tradeexecutor.state.trade.fill import Fill
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

_DATETIME = datetime.datetime

# Reading a member from its enum class is slow in Python 3.11, and this runs for every trade of a position.
_PLANNED, _STARTED, _BROADCASTED = TradeStatus.planned, TradeStatus.started, TradeStatus.broadcasted
_SUCCESS, _FAILED, _REPAIRED = TradeStatus.success, TradeStatus.failed, TradeStatus.repaired

#: Statuses with allocated capital and without outcome.
IN_FLIGHT = frozenset({_STARTED, _BROADCASTED})


def get_status(trade: TradeFields) -> TradeStatus:
    """Return the status, derived from the timestamps; the first match counts."""
    if trade._repaired_trade_id:
        return _SUCCESS
    if trade._repaired_at:
        return _REPAIRED
    if trade._failed_at:
        return _FAILED
    if trade._executed_at:
        return _SUCCESS
    if trade._vault_settlement_pending_at:
        return TradeStatus.vault_settlement_pending
    if trade._cctp_in_transit_at:
        return TradeStatus.cctp_in_transit
    if trade._broadcasted_at:
        return _BROADCASTED
    if trade._started_at:
        return _STARTED
    if trade._expired_at:
        return TradeStatus.expired
    return _PLANNED


def check_status(trade: TradeFields, *allowed: TradeStatus) -> None:
    """Raise `WrongTradeStatus` unless the trade is in one of the given statuses."""
    status = get_status(trade)
    if status not in allowed:
        names = " or ".join(s.value for s in allowed)
        raise WrongTradeStatus(f"trade #{trade.trade_id} is {status.value}, must be {names}", trade.trade_id, status)


# --- Transitions


@contract_signature
def mark_broadcasted(trade: TradeFields, broadcasted_at: datetime.datetime, rebroadcast: bool = False) -> None:
    """Record that the transactions were sent. The trade must be started, unless `rebroadcast` is set."""
    if not rebroadcast and get_status(trade) is not _STARTED:
        check_status(trade, _STARTED)
    if type(broadcasted_at) is not _DATETIME or broadcasted_at.tzinfo is not None:  # seldom
        require_naive_utc(broadcasted_at, "broadcasted_at", InvalidTrade)
    trade._broadcasted_at = broadcasted_at
    if trade._link is not None:  # tells the tables of trades, like an assignment to `broadcasted_at`
        trade.detach()


def record_fill(trade: TradeFields, fill: Fill, *, force: bool = False) -> None:
    """Record the outcome of a broadcasted trade. `State.record_fill` also moves the money.

    Parameters
    ----------
    force
        Accept every status without outcome; used by repairs.

    Raises
    ------
    WrongTradeStatus, InvalidTrade
        The trade is unchanged.
    """
    if get_status(trade) is not _BROADCASTED:
        check_can_be_filled(trade, force=force)
    check_fill(trade, fill)
    set_fill(trade, fill)


def check_can_be_filled(trade: TradeFields, *, force: bool = False) -> None:
    """Raise `WrongTradeStatus` unless the trade is broadcasted or, with `force`, has no outcome yet."""
    if not force:
        check_status(trade, _BROADCASTED)
    if trade.executed_at is not None:
        raise WrongTradeStatus(f"trade #{trade.trade_id} has its outcome already", trade.trade_id, get_status(trade))


def check_fill(trade: TradeFields, fill: Fill) -> None:
    """Raise `InvalidTrade` if a value of the fill is impossible."""
    quantity, price = fill.quantity, fill.price
    if not is_finite_decimal(quantity):  # makes the text of the message only when it is needed
        require_finite_decimal(quantity, f"executed quantity of trade #{trade.trade_id}", InvalidTrade)
    if type(price) is not float or not 0 <= price <= MAX_NUMBER:
        raise InvalidTrade(
            f"executed price of trade #{trade.trade_id} must be a float from 0 to {MAX_NUMBER:g}, got {price!r}"
        )
    executed_at = fill.executed_at
    if type(executed_at) is not datetime.datetime or executed_at.tzinfo is not None:
        require_naive_utc(executed_at, "executed_at", InvalidTrade)


def set_fill(trade: TradeFields, fill: Fill) -> None:
    """Record the outcome without the checks of `record_fill`; the caller must have made them."""
    trade._executed_at = fill.executed_at
    trade._executed_quantity = fill.quantity
    trade._executed_price = fill.price
    if trade._link is not None:
        trade.detach()  # once, for the three watched fields
    trade.executed_reserve = fill.reserve
    trade.executed_collateral_consumption = fill.collateral_consumption
    trade.executed_collateral_allocation = fill.collateral_allocation
    trade.lp_fees_paid = fill.lp_fees
    trade.native_token_price = fill.native_token_price
    trade.cost_of_gas = fill.cost_of_gas
    trade.reserve_currency_allocated = ZERO_DECIMAL


@contract_signature
def mark_success(
    trade: TradeFields,
    executed_at: datetime.datetime,
    executed_price: USDollarPrice,
    executed_quantity: Decimal,
    executed_reserve: Decimal,
    lp_fees: USDollarAmount | None,
    native_token_price: USDollarPrice | None,
    force: bool = False,
    cost_of_gas: Decimal | None = None,
    executed_collateral_consumption: Decimal | None = None,
    executed_collateral_allocation: Decimal | None = None,
) -> None:
    """Record the outcome, see `record_fill`; the parameters are the fields of `Fill`."""
    fill = Fill(
        executed_at=executed_at,
        price=executed_price,
        quantity=executed_quantity,
        reserve=executed_reserve,
        lp_fees=lp_fees,
        native_token_price=native_token_price,
        cost_of_gas=cost_of_gas,
        collateral_consumption=executed_collateral_consumption,
        collateral_allocation=executed_collateral_allocation,
    )
    record_fill(trade, fill, force=force)


def mark_failed(trade: TradeFields, failed_at: datetime.datetime) -> None:
    """Record the failure. `State.mark_trade_failed` calls this and returns the capital."""
    check_status(trade, _BROADCASTED, _STARTED)
    require_naive_utc(failed_at, "failed_at", InvalidTrade)
    trade.failed_at = failed_at


def mark_expired(trade: TradeFields, ts: datetime.datetime) -> None:
    """Record that the triggers of a planned trade can no longer fire."""
    check_status(trade, _PLANNED)
    require_naive_utc(ts, "expired_at", InvalidTrade)
    trade.expired_at = ts


# --- How long it took


def get_decision_lag(trade: TradeFields) -> datetime.timedelta:
    """Return the time between decision and start; raises `NotAvailable` if the trade is not started."""
    lag = get_execution_lag(trade)
    if lag is None:
        raise NotAvailable(f"trade #{trade.trade_id} is not started")
    return lag


def get_execution_lag(trade: TradeFields) -> datetime.timedelta | None:
    """Return the time between decision and start; None before the start."""
    return trade.started_at - trade.opened_at if trade.started_at else None


def get_settlement_lag(trade: TradeFields) -> datetime.timedelta | None:
    """Return the time between start and execution; None before the execution."""
    return trade.executed_at - trade.started_at if trade.executed_at and trade.started_at else None
