"""Import path of existing strategies; the code is in :mod:`tradeexecutor.strategy.accounts.account_correction`."""

from tradeexecutor.strategy.accounts.account_correction import *  # noqa: F403
