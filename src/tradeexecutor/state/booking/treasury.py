"""Booking money that comes and goes without a trade: deposits, redemptions, vault flows, corrections.

Every function writes one `BalanceUpdate` to the position or reserve whose balance it changes, an index entry to
`State.sync`, and changes the balance itself: all or, when it refuses, nothing.

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
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import COLLATERAL_EPSILON, ZERO_DECIMAL
from tradeexecutor.accounting.values import is_finite_decimal, require_naive_utc
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.booking.share_price import (
    create_share_price_state_for_exchange_account,
    update_share_price_state_for_balance_update,
)
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    InvalidValue,
    NotEnoughMoney,
    PositionNotFound,
    ReserveMissing,
    UnsupportedPairKind,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.loan.changes import update_credit_supply_loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import BalanceEventRef
from tradeexecutor.state.types import JSONObject, USDollarPrice

_DEPOSIT, _REDEMPTION = BalanceUpdateCause.deposit, BalanceUpdateCause.redemption
_SETTLEMENT = BalanceUpdateCause.deposit_and_redemption
_VAULT_FLOW, _CORRECTION = BalanceUpdateCause.vault_flow, BalanceUpdateCause.correction

_INDEXED_IN_ACCOUNTING = frozenset({_VAULT_FLOW, _CORRECTION})


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """When and where a balance changed.

    Attributes
    ----------
    happened_at
        Block time, simulated time in backtests; naive UTC.
    included_at
        Strategy cycle that takes the event in; None outside cycles.
    block_number, tx_hash, log_index
        Place on the chain, as far as known.
    owner_address
        Investor.
    notes
        For people.
    other_data
        Diagnostics, JSON.
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

    The first deposit makes the reserve, and is remembered as its initial deposit.

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
        A redemption of more than there is.
    """
    _require_quantity(quantity)
    reserve = _find_reserve(state, asset)
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
    return _change_reserve(state, reserve, asset, quantity, cause, origin, reserve_token_price)


def book_vault_settlement(
    state: State,
    asset: AssetIdentifier,
    quantity: Decimal,
    origin: EventOrigin,
    share_count: Decimal | None,
    reserve_token_price: USDollarPrice = 1.0,
) -> BalanceUpdate:
    """Book what deposits and redemptions settled together have changed: the net cash flow and the shares issued.

    Parameters
    ----------
    quantity
        Net flow, token units; may be zero.
    share_count
        Shares that exist afterwards; None when that was not told.

    Raises
    ------
    InvalidValue
        An amount is not a finite Decimal, or the share count is negative.
    NotEnoughMoney
        More flows out than there is.
    """
    _require_quantity(quantity, allow_zero=True)
    if share_count is not None:
        _require_quantity(share_count, allow_zero=True)
        if share_count < 0:
            raise InvalidValue(f"share count must not be negative, got {share_count}")
    reserve = _find_reserve(state, asset)
    available = ZERO_DECIMAL if reserve is None else reserve.quantity
    if quantity < 0 and available + quantity < 0:
        raise NotEnoughMoney(
            f"cannot settle {quantity} {asset.token_symbol}, there is {available}", available, -quantity
        )
    event = _change_reserve(state, reserve, asset, quantity, _SETTLEMENT, origin, reserve_token_price)
    if share_count is not None:
        event.other_data = {**(event.other_data or {}), "share_count": str(share_count)}
        state.sync.treasury.share_count = share_count
    return event


def book_reserve_correction(
    state: State, asset: AssetIdentifier, quantity: Decimal, origin: EventOrigin
) -> BalanceUpdate:
    """Book that there is more (+) or less (-) cash than recorded.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    ReserveMissing
        There is no such reserve.
    """
    _require_quantity(quantity)
    reserve = _find_reserve(state, asset)
    if reserve is None:
        raise ReserveMissing(f"no reserve {asset} to correct")
    return _change_reserve(state, reserve, asset, quantity, _CORRECTION, origin, 1.0)


@dataclass(frozen=True, slots=True)
class ReserveUpdateEvent:
    """A balance of a reserve currency that was read from outside.

    Attributes
    ----------
    asset
        Reserve currency.
    mined_at
        Time of the balance, naive UTC.
    updated_at
        Strategy cycle that takes it in.
    past_balance, new_balance
        Token units, before and after.
    block_number
        Block of the balance.
    """

    asset: AssetIdentifier
    mined_at: datetime.datetime
    updated_at: datetime.datetime
    past_balance: Decimal
    new_balance: Decimal
    block_number: int | None = None

    @property
    def change(self) -> Decimal:
        """What came in (+) or went out (-), token units."""
        return self.new_balance - self.past_balance


def apply_reserve_update_events(
    state: State, reserve_update_events: Iterable[ReserveUpdateEvent], default_price: USDollarPrice = 1.0
) -> list[BalanceUpdate]:
    """Book balances that were read from outside as deposits and redemptions; all or none.

    An event without a change is passed over.

    Raises
    ------
    InvalidValue
        An event does not start at the recorded balance: what is between them would be in no record.
    """
    events = list(reserve_update_events)
    balances: dict[str, Decimal] = {}
    for event in events:
        reserve = _find_reserve(state, event.asset)
        identifier = event.asset.get_identifier()
        recorded = balances.get(identifier, ZERO_DECIMAL if reserve is None else reserve.quantity)
        _require_quantity(event.new_balance, allow_zero=True)
        if event.past_balance != recorded or event.new_balance < 0:
            raise InvalidValue(
                f"{event.asset} goes from {event.past_balance} to {event.new_balance}, recorded is {recorded}"
            )
        balances[identifier] = event.new_balance
    booked = [
        book_reserve_flow(
            state,
            event.asset,
            event.change,
            EventOrigin(event.mined_at, event.updated_at, event.block_number),
            default_price,
        )
        for event in events
        if event.change
    ]
    if events:
        state.sync.treasury.last_updated_at = utc_now()
    return booked


# --- Positions


def redeem_in_kind(state: State, position: TradingPosition, quantity: Decimal, origin: EventOrigin) -> BalanceUpdate:
    """Book that an investor took a part of a position out in its own tokens; the position stays open.

    Parameters
    ----------
    quantity
        Base token units taken out, > 0.

    Raises
    ------
    InvalidValue
        The quantity is not a positive, finite Decimal.
    NotEnoughMoney
        The position holds less.
    UnsupportedPairKind
        The position does not hold tokens that could be handed out.
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
    """Book that a position which is known by its value gained (+) or lost (-) some.

    Parameters
    ----------
    quantity
        Base token units.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    NotEnoughMoney
        More is gone than there was.
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state.
    """
    _require_quantity(quantity)
    return _change_position(state, position, quantity, _VAULT_FLOW, origin)


def book_position_correction(
    state: State, position: TradingPosition, quantity: Decimal, origin: EventOrigin
) -> BalanceUpdate:
    """Book that a position holds more (+) or less (-) of its base token than recorded.

    Raises
    ------
    InvalidValue
        The quantity is zero or not a finite Decimal.
    NotEnoughMoney
        The corrected balance would be negative.
    UnsupportedPairKind
        Balances of this kind cannot be corrected one by one.
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state.
    """
    _require_quantity(quantity)
    if position.pair.kind.is_leverage():
        raise UnsupportedPairKind(f"the two sides of {position} cannot be corrected as one balance")
    return _change_position(state, position, quantity, _CORRECTION, origin)


# --- Inside


def _require_quantity(quantity: Decimal, allow_zero: bool = False) -> None:
    if not is_finite_decimal(quantity) or not (quantity or allow_zero):
        raise InvalidValue(f"a balance changes by a finite Decimal other than zero, got {quantity!r}")


def _find_reserve(state: State, asset: AssetIdentifier) -> ReservePosition | None:
    try:
        return state.portfolio.get_reserve_position(asset)
    except KeyError:
        return None


def _change_reserve(
    state: State,
    reserve: ReservePosition | None,
    asset: AssetIdentifier,
    quantity: Decimal,
    cause: BalanceUpdateCause,
    origin: EventOrigin,
    reserve_token_price: USDollarPrice,
) -> BalanceUpdate:
    price = (
        reserve_token_price if reserve is None or reserve.reserve_token_price is None else reserve.reserve_token_price
    )
    if not 0 < price < math.inf:
        raise InvalidValue(f"price of {asset} must be positive, got {price}")
    old_balance = ZERO_DECIMAL if reserve is None else reserve.quantity
    event = _make_event(
        state, asset, quantity, old_balance, float(quantity) * price, cause, origin, BalanceUpdatePositionType.reserve
    )
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
    """Check that the balance of a position can change by a quantity without a trade.

    Parameters
    ----------
    quantity
        Base token units, + in, - out.

    Returns
    -------
    Decimal
        What the position holds before, token units.

    Raises
    ------
    PositionNotFound, WrongPositionStatus
        The position is not an open position of this state, or is a credit supply without a loan.
    NotEnoughMoney
        It holds less than is taken out.
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
    event = _make_event(
        state,
        position.pair.base,
        quantity,
        old_balance,
        position.calculate_quantity_usd_value(quantity),
        cause,
        origin,
        BalanceUpdatePositionType.open_position,
        position.position_id,
    )
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


def _make_event(
    state: State,
    asset: AssetIdentifier,
    quantity: Decimal,
    old_balance: Decimal,
    usd_value: float,
    cause: BalanceUpdateCause,
    origin: EventOrigin,
    position_type: BalanceUpdatePositionType,
    position_id: int | None = None,
) -> BalanceUpdate:
    """Make an event with the next id, which is used up only by `_register`."""
    for what, when in (("happened_at", origin.happened_at), ("included_at", origin.included_at)):
        if when is not None:
            require_naive_utc(when, what, InvalidValue)
    return BalanceUpdate(
        balance_update_id=state.portfolio.next_balance_update_id,
        cause=cause,
        position_type=position_type,
        asset=asset,
        block_mined_at=origin.happened_at,
        strategy_cycle_included_at=origin.included_at,
        chain_id=asset.chain_id,
        quantity=quantity,
        old_balance=old_balance,
        usd_value=usd_value,
        created_at=origin.included_at or origin.happened_at,
        owner_address=origin.owner_address,
        tx_hash=origin.tx_hash,
        log_index=origin.log_index,
        position_id=position_id,
        notes=origin.notes,
        block_number=origin.block_number,
        other_data=origin.other_data,
    )


def _register(state: State, event: BalanceUpdate) -> None:
    state.portfolio.next_balance_update_id += 1
    sync = state.sync.accounting if event.cause in _INDEXED_IN_ACCOUNTING else state.sync.treasury
    sync.balance_update_refs.append(BalanceEventRef.from_balance_update_event(event))
