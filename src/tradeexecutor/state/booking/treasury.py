"""Booking of money that moves without a trade: deposits, redemptions, vault flows, corrections.

Every function adds one `BalanceUpdate` to a position or reserve, changes its balance, and adds an index entry to
`State.sync`. If it raises an error, nothing has changed.

==================  ================  ==========================================================  ================
cause               held by           effect                                                      index
==================  ================  ==========================================================  ================
deposit             reserve           cash grows                                                  sync.treasury
redemption          reserve           cash shrinks                                                sync.treasury
deposit and         reserve           cash changes by the net amount; vault shares are counted    sync.treasury
redemption
redemption in kind  position          the position's tokens shrink, a credit supply's loan too    sync.treasury
vault flow          position          the account is worth more or less; its share price follows  sync.accounting
correction          reserve,          the real balance was different                              sync.accounting
                    position
==================  ================  ==========================================================  ================

Interest is booked in :mod:`tradeexecutor.strategy.interest`.
"""

import datetime
import math
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import COLLATERAL_EPSILON, ZERO_DECIMAL
from tradeexecutor.accounting.values import is_finite_decimal, require_naive_utc
from tradeexecutor.state.balance_update import (
    BalanceUpdate,
    BalanceUpdateCause,
    BalanceUpdatePositionType,
    format_log_index,
)
from tradeexecutor.state.booking.share_price import (
    create_share_price_state_for_exchange_account,
    update_share_price_state_for_balance_update,
)
from tradeexecutor.state.errors import (
    InvalidValue,
    NotEnoughMoney,
    PositionNotFound,
    ReserveMissing,
    UnsupportedPairKind,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.loan.updates import update_credit_supply_loan
from tradeexecutor.state.portfolio.ids import get_next_balance_update_id
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import BalanceEventRef
from tradeexecutor.state.types import JSONObject, USDollarAmount, USDollarPrice

_DEPOSIT, _REDEMPTION = BalanceUpdateCause.deposit, BalanceUpdateCause.redemption
_SETTLEMENT = BalanceUpdateCause.deposit_and_redemption
_VAULT_FLOW, _CORRECTION = BalanceUpdateCause.vault_flow, BalanceUpdateCause.correction

_RESERVE, _POSITION = BalanceUpdatePositionType.reserve, BalanceUpdatePositionType.open_position

_INDEXED_IN_ACCOUNTING = frozenset({_VAULT_FLOW, _CORRECTION})


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """Time and place of a change of a balance.

    Attributes
    ----------
    happened_at
        Block time, or simulated time in a backtest; naive UTC.
    included_at
        Strategy cycle in which the event is booked, naive UTC; None outside cycles.
    block_number, tx_hash, log_index
        Place on the chain; None for unknown parts.
    owner_address
        Address of the investor.
    notes
        Text for people.
    other_data
        JSON data for diagnostics.
    """

    happened_at: datetime.datetime
    included_at: datetime.datetime | None = None
    block_number: int | None = None
    tx_hash: str | None = None
    log_index: int | None = None
    owner_address: str | None = None
    notes: str | None = None
    other_data: JSONObject | None = None


# --- Cash


def book_reserve_flow(
    state: State,
    asset: AssetIdentifier,
    quantity: Decimal,
    origin: EventOrigin,
    reserve_token_price: USDollarPrice = 1.0,
) -> BalanceUpdate:
    """Book a deposit (+) or a redemption (-) of cash.

    The first deposit creates the reserve and is recorded as its initial deposit.

    Parameters
    ----------
    asset
        Reserve currency.
    quantity
        Token units, not zero.
    reserve_token_price
        USD per token, for a new reserve.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    ReserveMissing
        A redemption from a reserve that does not exist.
    NotEnoughMoney
        The redemption exceeds the cash.
    """
    _require_quantity(quantity)
    reserve = find_reserve(state, asset)
    if quantity < 0:
        if reserve is None:
            raise ReserveMissing(f"no reserve {asset} to redeem {-quantity} from")
        if reserve.quantity + quantity < 0:
            raise NotEnoughMoney(
                f"cannot redeem {-quantity} {asset.token_symbol}, there is {reserve.quantity}",
                reserve.quantity,
                -quantity,
            )
    cause = _DEPOSIT if quantity > 0 else _REDEMPTION
    return _change_reserve(state, asset, quantity, cause, origin, reserve_token_price)


def book_vault_settlement(
    state: State,
    asset: AssetIdentifier,
    quantity: Decimal,
    origin: EventOrigin,
    share_count: Decimal | None,
    reserve_token_price: USDollarPrice = 1.0,
) -> BalanceUpdate:
    """Book the result of deposits and redemptions that were settled together: net cash flow and share count.

    Parameters
    ----------
    quantity
        Net flow, token units; may be zero.
    share_count
        Number of shares afterwards; None when unknown.

    Raises
    ------
    InvalidValue
        An amount is not a finite Decimal, or the share count is negative.
    NotEnoughMoney
        The net outflow exceeds the cash.
    """
    _require_quantity(quantity, allow_zero=True)
    if share_count is not None:
        _require_quantity(share_count, allow_zero=True)
        if share_count < 0:
            raise InvalidValue(f"share count must not be negative, got {share_count}")
    reserve = find_reserve(state, asset)
    available = ZERO_DECIMAL if reserve is None else reserve.quantity
    if quantity < 0 and available + quantity < 0:
        raise NotEnoughMoney(
            f"cannot settle {quantity} {asset.token_symbol}, there is {available}", available, -quantity
        )
    event = _change_reserve(state, asset, quantity, _SETTLEMENT, origin, reserve_token_price)
    if share_count is not None:
        event.other_data = {**(event.other_data or {}), "share_count": str(share_count)}
        state.sync.treasury.share_count = share_count
    return event


def book_reserve_correction(
    state: State, asset: AssetIdentifier, quantity: Decimal, origin: EventOrigin
) -> BalanceUpdate:
    """Book a correction of the cash, when there is more (+) or less (-) than recorded.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    ReserveMissing
        There is no such reserve.
    """
    _require_quantity(quantity)
    if find_reserve(state, asset) is None:
        raise ReserveMissing(f"no reserve {asset} to correct")
    return _change_reserve(state, asset, quantity, _CORRECTION, origin)


# --- Positions


def redeem_in_kind(state: State, position: TradingPosition, quantity: Decimal, origin: EventOrigin) -> BalanceUpdate:
    """Book that an investor redeemed a part of a position in its tokens; the position stays open.

    Parameters
    ----------
    quantity
        Redeemed base tokens, token units, > 0.

    Raises
    ------
    InvalidValue
        The quantity is not a positive, finite Decimal.
    NotEnoughMoney
        The position holds less.
    UnsupportedPairKind
        The position does not hold tokens that can be redeemed.
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state.
    """
    _require_quantity(quantity)
    if quantity < 0:
        raise InvalidValue(f"give the redeemed quantity as a positive number, got {quantity}")
    if not (position.is_spot() or position.is_credit_supply()):
        raise UnsupportedPairKind(f"nothing can be redeemed in kind from {position}")
    return _change_position(state, position, -quantity, _REDEMPTION, origin)


def book_vault_flow(state: State, position: TradingPosition, quantity: Decimal, origin: EventOrigin) -> BalanceUpdate:
    """Book a gain (+) or loss (-) of a position of which only the value is known.

    Parameters
    ----------
    quantity
        Gain or loss, base token units.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    NotEnoughMoney
        The loss exceeds the recorded balance.
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state.
    """
    _require_quantity(quantity)
    return _change_position(state, position, quantity, _VAULT_FLOW, origin)


def book_position_correction(
    state: State, position: TradingPosition, quantity: Decimal, origin: EventOrigin
) -> BalanceUpdate:
    """Book a correction of a position that holds more (+) or less (-) of its base token than recorded.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    NotEnoughMoney
        The corrected balance would be negative.
    UnsupportedPairKind
        The two sides of such a position cannot be corrected as one balance.
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state.
    """
    _require_quantity(quantity)
    if position.pair.kind.is_leverage():
        raise UnsupportedPairKind(f"the two sides of {position} cannot be corrected as one balance")
    return _change_position(state, position, quantity, _CORRECTION, origin)


# --- Helpers


def _require_quantity(quantity: Decimal, *, allow_zero: bool = False) -> None:
    if not is_finite_decimal(quantity) or not (quantity or allow_zero):
        raise InvalidValue(f"a balance changes by a finite Decimal other than zero, got {quantity!r}")


def find_reserve(state: State, asset: AssetIdentifier) -> ReservePosition | None:
    """Return the reserve of a currency; None when there is none."""
    try:
        return state.portfolio.get_reserve_position(asset)
    except KeyError:
        return None


def _change_reserve(
    state: State,
    asset: AssetIdentifier,
    quantity: Decimal,
    cause: BalanceUpdateCause,
    origin: EventOrigin,
    new_price: USDollarPrice = 1.0,
) -> BalanceUpdate:
    """Change the cash; `new_price` is the price for a new reserve, USD per token."""
    reserve = find_reserve(state, asset)
    price = new_price if reserve is None or reserve.reserve_token_price is None else reserve.reserve_token_price
    if not 0 < price < math.inf:
        raise InvalidValue(f"price of {asset} must be positive, got {price}")
    old_balance = ZERO_DECIMAL if reserve is None else reserve.quantity
    change = _BalanceChange(asset, quantity, old_balance, float(quantity) * price, cause)
    event = _make_event(state, change, origin)
    included_at = origin.included_at or origin.happened_at
    if reserve is None:
        reserve = ReservePosition(asset, ZERO_DECIMAL, included_at, price, included_at)
        state.portfolio.reserves[asset.get_identifier()] = reserve
    if reserve.reserve_token_price is None:
        reserve.reserve_token_price, reserve.last_pricing_at = price, included_at
    is_first = not reserve.balance_updates and not old_balance
    if reserve.initial_deposit is None and quantity > 0 and cause is not _CORRECTION and is_first:
        reserve.initial_deposit, reserve.initial_deposit_reserve_token_price = quantity, price
    reserve.add_balance_update_event(event)
    reserve.quantity = old_balance + quantity
    reserve.last_sync_at = included_at
    _register(state, event)
    return event


def check_position_change(state: State, position: TradingPosition, quantity: Decimal) -> Decimal:
    """Check that the balance of a position can change by a quantity without a trade, and return the balance.

    Parameters
    ----------
    quantity
        Base token units, + in, - out.

    Returns
    -------
    Decimal
        Balance of the position before the change, token units.

    Raises
    ------
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state, or is a credit supply without a loan.
    NotEnoughMoney
        The position holds less than the outflow.
    """
    portfolio = state.portfolio
    if portfolio.get_position_by_id(position.position_id) is not position:
        raise PositionNotFound(f"{position} belongs to another state")
    if position.closed_at is not None:
        raise WrongPositionStatus(f"position #{position.position_id} is closed, its balance cannot change")
    is_credit = position.is_credit_supply()
    if is_credit and position.loan is None:
        raise WrongPositionStatus(f"position #{position.position_id} has not lent anything yet")
    old_balance = position.get_quantity()
    tolerance = COLLATERAL_EPSILON if is_credit else ZERO_DECIMAL
    if old_balance + quantity < -tolerance:
        raise NotEnoughMoney(
            f"cannot take {-quantity} {position.pair.base.token_symbol} out of {position}: it holds {old_balance}",
            old_balance,
            -quantity,
        )
    return old_balance


def _change_position(
    state: State, position: TradingPosition, quantity: Decimal, cause: BalanceUpdateCause, origin: EventOrigin
) -> BalanceUpdate:
    old_balance = check_position_change(state, position, quantity)
    usd_value = position.calculate_quantity_usd_value(quantity)
    change = _BalanceChange(position.pair.base, quantity, old_balance, usd_value, cause, position.position_id)
    event = _make_event(state, change, origin)
    if position.is_exchange_account():
        shares = position.share_price_state
        if shares is not None:
            position.share_price_state = update_share_price_state_for_balance_update(shares, event)
        elif old_balance + quantity > 0:
            value = float(old_balance + quantity) * position.last_token_price
            position.share_price_state = create_share_price_state_for_exchange_account(value, origin.happened_at)
    elif position.is_credit_supply() and position.loan is not None:
        update_credit_supply_loan(position.loan, position, origin.happened_at, quantity_delta=quantity)
    position.add_balance_update_event(event)
    _register(state, event)
    return event


@dataclass(frozen=True, slots=True)
class _BalanceChange:
    """Change of a balance by one event.

    Attributes
    ----------
    quantity, old_balance
        Token units: the change, and the balance before it.
    usd_value
        Value of the quantity, USD.
    position_id
        Id of the position; None for cash.
    """

    asset: AssetIdentifier
    quantity: Decimal
    old_balance: Decimal
    usd_value: USDollarAmount
    cause: BalanceUpdateCause
    position_id: int | None = None


def _make_event(state: State, change: _BalanceChange, origin: EventOrigin) -> BalanceUpdate:
    """Return an event with the next id; `_register` then uses up the id."""
    state.portfolio.owner.claim()
    for what, when in (("happened_at", origin.happened_at), ("included_at", origin.included_at)):
        if when is not None:
            require_naive_utc(when, what, InvalidValue)
    return BalanceUpdate(
        balance_update_id=get_next_balance_update_id(state.portfolio),
        cause=change.cause,
        position_type=BalanceUpdatePositionType.reserve
        if change.position_id is None
        else BalanceUpdatePositionType.open_position,
        asset=change.asset,
        block_mined_at=origin.happened_at,
        strategy_cycle_included_at=origin.included_at,
        chain_id=change.asset.chain_id,
        quantity=change.quantity,
        old_balance=change.old_balance,
        usd_value=change.usd_value,
        created_at=origin.included_at or origin.happened_at,
        owner_address=origin.owner_address,
        tx_hash=origin.tx_hash,
        log_index=format_log_index(origin.log_index),
        position_id=change.position_id,
        notes=origin.notes,
        block_number=origin.block_number,
        other_data=origin.other_data,
    )


def _register(state: State, event: BalanceUpdate) -> None:
    state.portfolio.next_balance_update_id = event.balance_update_id + 1
    sync = state.sync.accounting if event.cause in _INDEXED_IN_ACCOUNTING else state.sync.treasury
    sync.balance_update_refs.append(BalanceEventRef.from_balance_update_event(event))
