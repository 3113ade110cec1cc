"""Names of summary figures that live in :mod:`tradeexecutor.statistics`, under the name strategies import them by."""

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
