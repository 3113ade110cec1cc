"""A state as tables: pandas data frames and Arrow tables of everything that it records."""

# pyarrow has no type stubs.
# pyright: reportUnknownVariableType=false

from tradeexecutor.analysis.frames.frames import (
    balance_updates_to_frame,
    portfolio_to_frame,
    positions_to_frame,
    trades_to_frame,
    valuations_to_frame,
)

__all__ = [
    "balance_updates_to_frame",
    "portfolio_to_frame",
    "positions_to_frame",
    "trades_to_frame",
    "valuations_to_frame",
]
