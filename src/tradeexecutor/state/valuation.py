"""History of what a position was worth."""

from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.types import BlockNumber, USDollarAmount, USDollarPrice, UTCDatetime


@dataclass(slots=True)
class ValuationUpdate(OpenAttributes):
    """One revaluation of a position."""

    position_id: int
    #: When the event was made: cycle time in backtests, wall clock live.
    created_at: UTCDatetime
    #: Time of the price data, live the time of its block.
    valued_at: UTCDatetime
    #: Of the position, after and before.
    new_value: USDollarAmount
    new_price: USDollarPrice
    old_value: USDollarAmount | None = None
    old_price: USDollarPrice | None = None
    #: Live only.
    block_number: BlockNumber | None = None
    #: The price source was lost and the position is valued at zero.
    mark_down_to_zero: bool | None = None
    #: Base token units at that time; older files do not have it.
    quantity: Decimal | None = None
