"""The portfolio: reserves and all positions.

`fields` holds the data, `lookup` finds positions and trades, `equity` adds up what everything is worth, and
`trade_index` finds trades by id, nonce and transaction hash.
"""

from tradeexecutor.state.portfolio.portfolio import (
    MultipleOpenPositionsWithAsset,
    NotEnoughMoney,
    NotSinglePair,
    Portfolio,
    ReserveAlreadyInitialised,
    ReserveMissing,
    TooSmallTrade,
)

__all__ = [
    "MultipleOpenPositionsWithAsset",
    "NotEnoughMoney",
    "NotSinglePair",
    "Portfolio",
    "ReserveAlreadyInitialised",
    "ReserveMissing",
    "TooSmallTrade",
]
