"""Booking of reserve balances that were read from outside, as deposits and redemptions."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import require_finite_decimal
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow, find_reserve
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.types import USDollarPrice

__all__ = ["ReserveUpdateEvent", "apply_reserve_update_events"]


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
        Strategy cycle in which it is booked, naive UTC.
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
        """New less past balance, token units."""
        return self.new_balance - self.past_balance


def apply_reserve_update_events(
    state: State, reserve_update_events: Iterable[ReserveUpdateEvent], default_price: USDollarPrice = 1.0
) -> list[BalanceUpdate]:
    """Book balances that were read from outside as deposits and redemptions, all of them or none.

    An event without a change is ignored.

    Raises
    ------
    InvalidValue
        The past balance of an event differs from the recorded balance, so the difference would not be booked.
    """
    state.portfolio.owner.claim()
    events = list(reserve_update_events)
    balances: dict[str, Decimal] = {}
    for event in events:
        reserve = find_reserve(state, event.asset)
        identifier = event.asset.get_identifier()
        recorded = balances.get(identifier, ZERO_DECIMAL if reserve is None else reserve.quantity)
        require_finite_decimal(event.new_balance, "a balance", InvalidValue)
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
