"""Import path of existing strategies; the code is in :mod:`tradeexecutor.strategy.accounts.treasury_sync`."""

from tradeexecutor.strategy.accounts.treasury_sync import *  # noqa: F403
