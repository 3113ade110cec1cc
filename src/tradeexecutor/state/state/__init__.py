"""The state of a strategy: the root of the tree of positions, trades and statistics.

`fields` holds the data. The functions that change it are in modules by subject, and are the methods of `State`:
`planning` plans trades from requests, `transitions` starts, broadcasts and fails trades, `outcome` books successes,
`settlement` handles trades that take time, such as requests to a vault, and `capital` finds the account that pays a
trade or receives its proceeds. `cycles` records decision cycles, `blacklist` the assets that must not be traded, and
`integrity` and `impossible_balances` check the data.
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
