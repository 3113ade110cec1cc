"""The import path that notebooks use; see :mod:`tradeexecutor.visual.notebook.benchmark`."""

from tradeexecutor.visual.notebook.benchmark import (
    create_benchmark_equity_curves,
    transform_to_equity_curve,
    visualise_equity_curve_benchmark,
    visualise_equity_curves,
    visualise_long_short_benchmark,
    visualise_portfolio_interest_curve,
    visualise_vs_returns,
)

__all__ = [
    "create_benchmark_equity_curves",
    "transform_to_equity_curve",
    "visualise_equity_curve_benchmark",
    "visualise_equity_curves",
    "visualise_long_short_benchmark",
    "visualise_portfolio_interest_curve",
    "visualise_vs_returns",
]
