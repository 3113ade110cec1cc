"""The import path that notebooks use; see :mod:`tradeexecutor.visual.parts.indicators`."""

from tradeexecutor.visual.notebook.technical_indicator import overlay_all_technical_indicators
from tradeexecutor.visual.parts.indicators import (
    choose_colours,
    choose_plots,
    export_plot_as_dataframe,
    get_row_title,
    visualise_technical_indicator,
)

__all__ = [
    "choose_colours",
    "choose_plots",
    "export_plot_as_dataframe",
    "get_row_title",
    "overlay_all_technical_indicators",
    "visualise_technical_indicator",
]
