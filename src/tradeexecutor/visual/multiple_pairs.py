"""The import path that notebooks use; see :mod:`tradeexecutor.visual.notebook.multiple_pairs`."""

from tradeexecutor.visual.notebook.multiple_pairs import (
    visualise_multiple_pairs,
)

__all__ = [
    "visualise_multiple_pairs",
]
