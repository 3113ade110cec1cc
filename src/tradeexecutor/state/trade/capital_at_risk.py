"""Capital at risk: the records of a trade about capital that is neither in the reserves nor in the position.

Live execution writes these records to `TradeExecution.other_data`:

========================================  ==============================  =================  =======================
key                                       meaning                         stays debited      protects the position
                                                                          when the trade     from repairs
                                                                          fails
========================================  ==============================  =================  =======================
``hypercore_deposit_capital_at_risk``     a deposit was sent and has not  yes                yes
                                          arrived
``retain_reserve_allocation_on_failure`` an instruction: do not return   yes                once the trade failed
                                          the allocated capital
``hypercore_stranded_usdc``               the proceeds of a sell are      no: a sell has no  yes
                                          stuck on the way back           allocation
========================================  ==============================  =================  =======================

No other module reads these keys.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from tradeexecutor.state.trade import TradeExecution

__all__ = ["find_capital_at_risk", "has_capital_at_risk", "is_capital_at_risk", "keeps_allocation_on_failure"]

_DEPOSIT_KEY = "hypercore_deposit_capital_at_risk"
_RETAIN_KEY = "retain_reserve_allocation_on_failure"
_STRANDED_KEY = "hypercore_stranded_usdc"


class HasTrades(Protocol):
    """Anything with trades, such as a position."""

    @property
    def trades(self) -> Mapping[int, TradeExecution]:
        """Trade id -> trade."""
        ...


def keeps_allocation_on_failure(trade: TradeExecution) -> bool:
    """Return True if the capital of the trade stays debited when it fails, instead of going back to its account."""
    data = trade.other_data or {}
    return bool(data.get(_RETAIN_KEY)) or data.get(_DEPOSIT_KEY) is not None


def is_capital_at_risk(trade: TradeExecution) -> bool:
    """Return True if the trade records that its capital is elsewhere, so that a counter trade cannot restore it."""
    data = trade.other_data or {}
    if data.get(_DEPOSIT_KEY) is not None or data.get(_STRANDED_KEY) is not None:
        return True
    return trade.is_failed() and keeps_allocation_on_failure(trade)


def has_capital_at_risk(position: HasTrades) -> bool:
    """Return True if the capital of any trade that is not repaired is at risk."""
    return any(is_capital_at_risk(trade) for trade in position.trades.values() if not trade.is_repaired())


def find_capital_at_risk(trade: TradeExecution) -> Any:
    """Return the record of the trade about the place of its capital, JSON data; None if there is no record."""
    data = trade.other_data or {}
    return data.get(_STRANDED_KEY) or data.get(_DEPOSIT_KEY)
