"""Import path of existing code; the code is in :mod:`tradeexecutor.backtest.backtest_runner`."""

from tradeexecutor.backtest.backtest_runner import run_backtest_for_module

__all__ = ["run_backtest_for_module"]
