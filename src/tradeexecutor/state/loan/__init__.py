"""Loans: the collateral and the debt of a leveraged position.

`loan` contains the record, `changes` the effects of trades on it, and `leverage` the sizes of leveraged trades.
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
