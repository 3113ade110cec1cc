"""Import path of existing scripts; the code is in :mod:`tradeexecutor.analysis.adjusted.summary`."""

from tradeexecutor.analysis.adjusted.summary import *  # noqa: F403
