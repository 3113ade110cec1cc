"""Estimates of the trade size that a market can absorb."""

# The checks below are for callers that use no type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.types import (
    BlockNumber,
    JSONObject,
    Percent,
    StateEnum,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
)


class SizingType(StateEnum):
    """Action for which the size was estimated."""

    buy = "buy"
    sell = "sell"
    hold = "hold"


@dataclass(slots=True)
class SizeRisk(Serialisable):
    """Estimate of a tradeable size: the requested and the accepted size.

    Raises
    ------
    InvalidValue
        A field has the wrong type, or the accepted size exceeds the requested one.
    """

    #: Time of the estimate; None when it does not depend on time.
    timestamp: UTCDatetime | None
    #: What is traded.
    pair: TradingPairIdentifier
    #: What is bought or sold.
    sizing_type: SizingType
    #: Pairs through which the trade is routed.
    path: list[TradingPairIdentifier]
    #: Whether the size was reduced.
    capped: bool | None
    #: Block at which the data was read; only live.
    block_number: BlockNumber | None = None
    #: Mid price, USD per token.
    mid_price: USDollarPrice | None = None
    #: Expected fill price of the accepted size, USD per token.
    avg_price: USDollarPrice | None = None
    #: Requested size, base token units.
    asked_quantity: Decimal | None = None
    #: Requested size, USD.
    asked_size: USDollarAmount | None = None
    #: Accepted size, base token units; at most `asked_quantity`.
    accepted_quantity: Decimal | None = None
    #: Accepted size, USD; at most `asked_size`.
    accepted_size: USDollarAmount | None = None
    #: Variables of the model that made the estimate.
    diagnostics_data: JSONObject | None = None
    #: Total value locked in the pool or vault, USD.
    tvl: USDollarAmount | None = None

    def __post_init__(self) -> None:
        check_values(self)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if self.timestamp is not None and not isinstance(self.timestamp, datetime.datetime):
            raise InvalidValue(f"timestamp must be a datetime, got {self.timestamp!r}")
        for name in ("asked_quantity", "accepted_quantity"):
            quantity = getattr(self, name)
            if quantity is not None and not isinstance(quantity, Decimal):
                raise InvalidValue(f"{name} must be a Decimal, got {quantity!r}")
        if self.diagnostics_data is not None and not isinstance(self.diagnostics_data, dict):
            raise InvalidValue(f"diagnostics_data must be a dictionary, got {self.diagnostics_data!r}")
        if self.capped is not None and type(self.capped) is not bool:
            raise InvalidValue(f"capped must be True, False or None, got {self.capped!r}")
        if self.asked_size and self.accepted_size is not None and self.accepted_size > self.asked_size:
            raise InvalidValue(f"accepted size {self.accepted_size} is above the asked size {self.asked_size}")

    def get_relative_capped_amount(self) -> Percent:
        """Return the accepted fraction of the requested size; 1.0 when no size was requested."""
        if not self.asked_size:
            return 1.0
        return (self.accepted_size or 0.0) / self.asked_size
