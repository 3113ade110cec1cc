"""Import path of existing strategies; loans are built in :mod:`tradeexecutor.state.loan.updates`."""

from tradeexecutor.state.loan.updates import (
    create_credit_supply_loan,
    create_short_loan,
    reset_credit_supply_loan,
    update_credit_supply_loan,
    update_short_loan,
)

__all__ = [
    "create_credit_supply_loan",
    "create_short_loan",
    "reset_credit_supply_loan",
    "update_credit_supply_loan",
    "update_short_loan",
]
