"""Import path used by existing strategies; the code is in :mod:`tradeexecutor.state.loan.leverage`."""

from tradeexecutor.state.loan.leverage import (
    LeverageEstimate,
    calculate_liquidation_price,
    calculate_sizes_for_leverage,
)

__all__ = ["LeverageEstimate", "calculate_liquidation_price", "calculate_sizes_for_leverage"]
