"""Loans: the collateral and the debt of a leveraged position.

`loan` is the record, `changes` what a trade does to it, and `leverage` the sizes of leveraged trades.
"""

from tradeexecutor.state.loan.loan import (
    HealthFactor,
    LiquidationRisked,
    Loan,
    LoanSide,
)

__all__ = [
    "HealthFactor",
    "LiquidationRisked",
    "Loan",
    "LoanSide",
]
