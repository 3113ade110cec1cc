"""The signal of one pair in an :class:`~tradeexecutor.strategy.alpha_model.AlphaModel`."""

import dataclasses
import enum
from dataclasses import dataclass, field
from typing import Any

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.types import Percent, USDollarAmount
from tradeexecutor.strategy.weighting import Signal

__all__ = ["TradingPairSignal", "TradingPairSignalFlags"]


class TradingPairSignalFlags(enum.Enum):
    """What became of a signal."""

    #: Not among the strongest signals.
    not_selected = "not_selected"
    #: Reduced to the largest weight.
    capped_by_max_weight = "capped_by_max_weight"
    #: Reduced by the size risk model.
    capped_by_size_risk = "capped_by_size_risk"
    #: Reduced to what the cash pays.
    capped_by_cash = "capped_by_cash"
    #: The loan of the short would be liquidated: it is closed instead of reduced, or not opened or increased.
    refused_by_loan = "refused_by_loan"
    #: An order of an earlier decision has not filled yet; until then the pair is left alone.
    on_its_way = "on_its_way"
    #: The change is smaller than the threshold.
    below_threshold = "below_threshold"
    #: The weight is too small, so the position is closed.
    closed = "closed"


@dataclass(slots=True, kw_only=True)
class TradingPairSignal:
    """What is wanted of one pair, and what was made of it.

    Attributes
    ----------
    pair
        The spot pair.
    signal
        How strongly it is wanted; negative for a short.
    stop_loss, take_profit, trailing_stop_loss
        Levels of a new position relative to the price, as in `PositionManager.open_spot`; None for none.
    leverage
        Leverage of a short; None for 1.
    raw_weight, normalised_weight
        Weight before and after all weights were made to add up to 1.
    old_weight, old_value
        Share of the portfolio and value of the present position, USD.
    position_target
        Wanted value, USD.
    position_adjust_usd
        Wanted less present value, USD.
    position_adjust_ignored
        Whether nothing is traded, because the change is small.
    position_id
        Present position; None without one.
    flags
        What happened to the signal.
    """

    pair: TradingPairIdentifier
    signal: Signal
    stop_loss: Percent | None = None
    take_profit: Percent | None = None
    trailing_stop_loss: Percent | None = None
    leverage: float | None = None
    raw_weight: Percent = 0.0
    normalised_weight: Percent = 0.0
    old_weight: Percent = 0.0
    old_value: USDollarAmount = 0.0
    position_target: USDollarAmount = 0.0
    position_adjust_usd: USDollarAmount = 0.0
    position_adjust_ignored: bool = False
    position_id: int | None = None
    flags: set[TradingPairSignalFlags] = field(default_factory=set[TradingPairSignalFlags])

    def is_short(self) -> bool:
        """Return True if a short is wanted."""
        return self.signal < 0

    def has_trades(self) -> bool:
        """Return True if the position is changed."""
        return bool(self.position_adjust_usd) and not self.position_adjust_ignored

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        values["pair"] = {"internal_id": self.pair.internal_id, "ticker": self.pair.get_ticker()}
        values["flags"] = sorted(flag.value for flag in self.flags)
        return values
