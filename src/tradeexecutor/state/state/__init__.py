"""The root of the tree.

`fields` holds the data, `planning` creates trades, `transitions` takes them from started to executed or failed, and
`settlement` finishes what takes time, such as requests to a vault.
"""

from tradeexecutor.state.state.state import (
    BacktestData,
    State,
    TradeExecution,
    TradeFlag,
    TradeStatus,
    TradeType,
    TradingPosition,
    UncleanState,
)

__all__ = [
    "BacktestData",
    "State",
    "TradeExecution",
    "TradeFlag",
    "TradeStatus",
    "TradeType",
    "TradingPosition",
    "UncleanState",
]
