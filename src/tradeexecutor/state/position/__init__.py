"""A position: the trades and balance updates of one trading pair, from the first to the last.

`fields` holds the data. `quantity` computes how much the position holds, `value` what that is worth, `profit` and `pnl`
what it earned. `grouping` finds positions by pair, and `balance_totals` keeps the sums of balance updates.
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
