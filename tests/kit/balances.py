"""Balances as they were read on a chain."""

from collections.abc import Mapping
from decimal import Decimal

from tests.kit.trader import DAY, T0
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.strategy.accounts.balance_source import RecordedBalance, RecordedBalances

#: When the balances were read.
READ_AT = T0 + 10 * DAY


def read(balances: Mapping[AssetIdentifier, str | Decimal | int]) -> RecordedBalances:
    """What was read on the chain just now."""
    return RecordedBalances(
        RecordedBalance(READ_AT, asset, Decimal(amount), 7, "0xabc") for asset, amount in balances.items()
    )
