"""The root of the tree.

`fields` holds the data.  What can happen to it stands in functions by subject; the methods of `State` are those
functions: `planning` makes planned trades of requests, `transitions` starts, broadcasts and fails trades, `outcome`
books successes, `settlement` finishes what takes time, such as requests to a vault, and `capital` finds the account
that pays and is paid.  `cycles` is about time, `blacklist` about assets that must not be traded, and `integrity` tells
whether the state is whole.
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
