"""Import path of existing strategies; the rates are in :mod:`tradeexecutor.strategy.lending_rates`."""

from tradeexecutor.strategy.lending_rates import LendingRateHistory, NoLendingData, RateCandle

__all__ = ["LendingRateHistory", "NoLendingData", "RateCandle"]
