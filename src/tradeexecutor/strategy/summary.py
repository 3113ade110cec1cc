"""Import path of existing strategies; the summary figures are in :mod:`tradeexecutor.statistics`."""

from tradeexecutor.analysis.recorded.metrics import (
    KeyMetric,
    KeyMetricCalculationMethod,
    KeyMetricKind,
    KeyMetricSource,
)
from tradeexecutor.statistics.summary import StrategySummaryStatistics

__all__ = [
    "KeyMetric",
    "KeyMetricCalculationMethod",
    "KeyMetricKind",
    "KeyMetricSource",
    "StrategySummaryStatistics",
]
