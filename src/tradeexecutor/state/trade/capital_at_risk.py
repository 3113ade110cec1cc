"""Capital at risk: what a trade says about capital that is neither in the reserves nor in the position.

Live execution writes it to `TradeExecution.other_data`:

========================================  ==============================  =================  =======================
key                                       meaning                         stays debited      protects the position
                                                                          when the trade     from repairs
                                                                          fails
========================================  ==============================  =================  =======================
``hypercore_deposit_capital_at_risk``     a deposit left and has not      yes                yes
                                          arrived
``retain_reserve_allocation_on_failure``  an instruction: do not give     yes                once the trade failed
                                          back what was set aside
``hypercore_stranded_usdc``               what a sale brought is stuck    no: a sale sets    yes
                                          on the way back                 nothing aside
========================================  ==============================  =================  =======================

Nobody else reads these keys.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from tradeexecutor.state.trade import TradeExecution

__all__ = ["find_capital_at_risk", "has_capital_at_risk", "is_capital_at_risk", "keeps_allocation_on_failure"]

_DEPOSIT_KEY = "hypercore_deposit_capital_at_risk"
_RETAIN_KEY = "retain_reserve_allocation_on_failure"
_STRANDED_KEY = "hypercore_stranded_usdc"


class HasTrades(Protocol):
    """A position."""

    @property
    def trades(self) -> Mapping[int, TradeExecution]:
        """Trade id -> trade."""
        ...


def keeps_allocation_on_failure(trade: TradeExecution) -> bool:
    """Tell whether the capital of the trade stays debited when it fails, instead of going back to its account."""
    data = trade.other_data or {}
    return bool(data.get(_RETAIN_KEY)) or data.get(_DEPOSIT_KEY) is not None


def is_capital_at_risk(trade: TradeExecution) -> bool:
    """Tell whether the trade says that its capital is elsewhere: no counter trade makes that good."""
    data = trade.other_data or {}
    if data.get(_DEPOSIT_KEY) is not None or data.get(_STRANDED_KEY) is not None:
        return True
    return trade.is_failed() and keeps_allocation_on_failure(trade)


def has_capital_at_risk(position: HasTrades) -> bool:
    """Tell whether any trade of the position that is not repaired has its capital at risk."""
    return any(is_capital_at_risk(trade) for trade in position.trades.values() if not trade.is_repaired())


def find_capital_at_risk(trade: TradeExecution) -> Any:
    """Return what the trade recorded about where its capital is, JSON; None when it recorded nothing."""
    data = trade.other_data or {}
    return data.get(_STRANDED_KEY) or data.get(_DEPOSIT_KEY)
