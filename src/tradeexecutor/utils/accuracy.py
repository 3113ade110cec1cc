"""Import path used by existing strategies; the code is in :mod:`tradeexecutor.accounting.accuracy`."""

from tradeexecutor.accounting.accuracy import (
    CLOSE_POSITION_COLLATERAL_EPSILON,
    COLLATERAL_EPSILON,
    INTEREST_EPSILON,
    INTEREST_QUANTITY_EPSILON,
    QUANTITY_EPSILON,
    SNAP_EPSILON,
    SUM_EPSILON,
    ZERO_DECIMAL,
    ensure_exact_zero,
    setup_decimal_accuracy,
    snap_to_epsilon,
    sum_decimal,
)

__all__ = [
    "CLOSE_POSITION_COLLATERAL_EPSILON",
    "COLLATERAL_EPSILON",
    "INTEREST_EPSILON",
    "INTEREST_QUANTITY_EPSILON",
    "QUANTITY_EPSILON",
    "SNAP_EPSILON",
    "SUM_EPSILON",
    "ZERO_DECIMAL",
    "ensure_exact_zero",
    "setup_decimal_accuracy",
    "snap_to_epsilon",
    "sum_decimal",
]
