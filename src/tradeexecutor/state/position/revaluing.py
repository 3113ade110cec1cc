"""Changing the value of a position without a trade: a new price, or a write-off."""

import datetime

from tradeexecutor.accounting.values import MAX_NUMBER, require_standard_utc
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.display.formatting import append_line
from tradeexecutor.state.errors import InvalidValue, WrongPositionStatus
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.value import get_value
from tradeexecutor.state.types import USDollarAmount, USDollarPrice


def revalue_base_asset(
    position: PositionFields, last_pricing_at: datetime.datetime, last_token_price: USDollarPrice
) -> USDollarAmount:
    """Set the price of the base token and return the new value of the position, USD.

    Parameters
    ----------
    last_token_price
        USD per base token, exactly a float.
    """
    require_standard_utc(last_pricing_at, "pricing time", InvalidValue)
    check_price(position, last_token_price)
    loan = position.loan
    if loan is not None and position.pair.kind.is_leverage():
        side = loan.borrowed if position.pair.kind.is_shorting() else loan.collateral
        if side is not None:
            side.revalue(last_token_price, last_pricing_at)
    position.last_pricing_at = last_pricing_at
    position.last_token_price = last_token_price
    return get_value(position)


def check_price(position: PositionFields, last_token_price: USDollarPrice) -> None:
    """Raise `InvalidValue` if a price, USD per base token, cannot be that of a position."""
    if not isinstance(last_token_price, float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidValue(f"price of position #{position.position_id} must be a float, got {last_token_price!r}")
    if not 0 <= last_token_price <= MAX_NUMBER:
        raise InvalidValue(
            f"price of position #{position.position_id} must be from 0 to {MAX_NUMBER:g}, got {last_token_price}"
        )


def mark_down(position: PositionFields, ts: datetime.datetime | None = None) -> None:
    """Write the position off at `ts` (None: now) because its price source is gone for good: set price 0 and close it.

    The position stays in its table of the portfolio; `Portfolio.mark_down_position` also moves it. Raises
    `WrongPositionStatus` if it is closed already.
    """
    if position.closed_at is not None:
        raise WrongPositionStatus(f"position #{position.position_id} is closed, there is nothing to write off")
    now = ts or utc_now()
    value = get_value(position)
    if position.other_data is None:
        position.other_data = {}
    position.other_data["marked_down_at"] = now
    add_notes_message(position, f"Marked down at {now}, last price {position.last_token_price}, last value {value}")
    position.last_token_price = 0.0
    position.last_pricing_at = position.closed_at = position.unfrozen_at = now


def add_notes_message(position: PositionFields, msg: str | None) -> None:
    """Append a line to the notes; empty lines are ignored."""
    if msg:
        position.notes = append_line(position.notes, msg)
