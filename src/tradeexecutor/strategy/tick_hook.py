"""The argument of the hooks that a strategy module may define for the beginning and the end of a cycle."""

import datetime
from dataclasses import dataclass
from typing import Any, Protocol

from tradeexecutor.state.state import State
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pricing_model import PricingModel
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["Store", "TickHookInput"]


class Store(Protocol):
    """Where the state is saved."""

    def sync(self, state: State) -> None:
        """Save the state."""
        ...


@dataclass(frozen=True, slots=True)
class TickHookInput:
    """The argument of ``before_strategy_tick`` and ``after_strategy_tick`` of a strategy module."""

    cycle: int
    timestamp: datetime.datetime
    state: State
    universe: TradingStrategyUniverse
    pricing_model: PricingModel
    execution_context: ExecutionContext
    execution_loop: Any = None
    store: Store | None = None
