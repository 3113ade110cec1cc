"""The portfolio: reserves and all positions.

`fields` holds the data, `lookup` finds positions, `trades` finds trades with the help of `trade_index`, `equity`
computes values and profits, `cash` and `capital` move money, `opening` opens and closes positions, and `ids` gives out
free ids.
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
