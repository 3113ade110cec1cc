"""The import path that existing code uses; see :mod:`tradeexecutor.analysis.recorded.long_short.recorded_table`."""

from tradeexecutor.analysis.recorded.long_short.recorded_table import (
    StatisticsTable,
    serialise_backtested_long_short_stats,
    serialise_live_long_short_stats,
    serialise_long_short_stats_as_json_table,
)

__all__ = [
    "StatisticsTable",
    "serialise_backtested_long_short_stats",
    "serialise_live_long_short_stats",
    "serialise_long_short_stats_as_json_table",
]
