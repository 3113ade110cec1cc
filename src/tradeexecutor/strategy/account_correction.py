"""Import path of existing strategies; the code is in :mod:`tradeexecutor.strategy.accounts.account_correction`."""

from tradeexecutor.strategy.accounts.account_correction import *  # noqa: F403
from tradeexecutor.utils.reference_paths import refuse_names

__getattr__ = refuse_names(__name__)
