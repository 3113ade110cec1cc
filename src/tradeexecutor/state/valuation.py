"""History of the value of a position."""

from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.codec.bounds import has_wrong_value, refuse_values
from tradeexecutor.state.codec.codec import OpenAttributes
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.types import BlockNumber, USDollarAmount, USDollarPrice, UTCDatetime


@dataclass(slots=True)
class ValuationUpdate(OpenAttributes):
    """One revaluation of a position."""

    #: The position that was valued.
    position_id: int
    #: Time of the revaluation: cycle time in backtests, time of the clock in live trading.
    created_at: UTCDatetime
    #: Time of the price data; time of its block in live trading.
    valued_at: UTCDatetime
    #: Value of the position after the revaluation, USD.
    new_value: USDollarAmount
    #: Price of a base token after it, USD.
    new_price: USDollarPrice
    #: Value of the position before, USD.
    old_value: USDollarAmount | None = None
    #: Price of a base token before, USD.
    old_price: USDollarPrice | None = None
    #: Block of the price data; only in live trading.
    block_number: BlockNumber | None = None
    #: Whether the position is valued at zero because its price source was lost.
    mark_down_to_zero: bool | None = None
    #: Base token units at that time; None in older files.
    quantity: Decimal | None = None

    def __post_init__(self) -> None:
        if has_wrong_value[type(self)](self):  # what `check_values` does, without a call
            refuse_values(self, InvalidValue)
