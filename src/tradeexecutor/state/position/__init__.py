"""A position: the trades and balance updates of one trading pair, from the first to the last.

`fields` holds the data; `quantity`, `value`, `profit` and `pnl` say how much it holds, what that is worth and what it
earned; `grouping` finds positions by pair, and `balance_totals` keeps the sums of balance updates.
"""

from tradeexecutor.state.position.position import (
    CLOSED_POSITION_DUST_EPSILON,
    TradingPosition,
    TriggerPriceUpdate,
)

__all__ = [
    "CLOSED_POSITION_DUST_EPSILON",
    "TradingPosition",
    "TriggerPriceUpdate",
]
