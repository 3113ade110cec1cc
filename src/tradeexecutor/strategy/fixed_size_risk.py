"""Caps of trades and positions in USD."""

import datetime

from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.size_risk import SizeRisk, SizingType
from tradeexecutor.state.types import USDollarAmount

__all__ = ["FixedSizeRiskModel"]


class FixedSizeRiskModel:
    """A largest trade and a largest position, the same for all pairs.

    Parameters
    ----------
    per_trade_cap
        Largest value of a trade, USD.
    per_position_cap
        Largest value of a position, USD; None for no limit.
    """

    def __init__(self, per_trade_cap: USDollarAmount, per_position_cap: USDollarAmount | None = None):
        for cap in (per_trade_cap, per_position_cap):
            if cap is not None and not cap > 0:
                raise InvalidValue(f"a cap is a positive amount, not {cap}")
        self.per_trade_cap = per_trade_cap
        self.per_position_cap = per_position_cap

    def get_acceptable_size_for_buy(
        self, timestamp: datetime.datetime | None, pair: TradingPairIdentifier, asked_size: USDollarAmount
    ) -> SizeRisk:
        """Return how much of a buy is accepted."""
        return _cap(timestamp, pair, SizingType.buy, asked_size, self.per_trade_cap)

    def get_acceptable_size_for_sell(
        self, timestamp: datetime.datetime | None, pair: TradingPairIdentifier, asked_size: USDollarAmount
    ) -> SizeRisk:
        """Return how much of a sale is accepted, by its value."""
        return _cap(timestamp, pair, SizingType.sell, asked_size, self.per_trade_cap)

    def get_acceptable_size_for_position(
        self, timestamp: datetime.datetime | None, pair: TradingPairIdentifier, asked_value: USDollarAmount
    ) -> SizeRisk:
        """Return how large a position may be."""
        return _cap(timestamp, pair, SizingType.hold, asked_value, self.per_position_cap)


def _cap(
    timestamp: datetime.datetime | None,
    pair: TradingPairIdentifier,
    sizing_type: SizingType,
    asked: USDollarAmount,
    cap: USDollarAmount | None,
) -> SizeRisk:
    accepted = asked if cap is None else min(asked, cap)
    return SizeRisk(timestamp, pair, sizing_type, [pair], accepted < asked, asked_size=asked, accepted_size=accepted)
