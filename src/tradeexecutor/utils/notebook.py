"""Import path of existing notebooks: tables that show all of their columns."""

import enum

__all__ = ["OutputMode", "setup_charting_and_output"]


class OutputMode(enum.Enum):
    """How a notebook shows charts; accepted for existing notebooks, charts are always interactive."""

    static = "static"
    interactive = "interactive"


def setup_charting_and_output(
    mode: OutputMode = OutputMode.interactive, *, max_rows: int = 1000, **_drawing: object
) -> None:
    """Make pandas show wide tables in full.

    Parameters
    ----------
    mode
        Accepted for existing notebooks.
    max_rows
        Largest number of rows that a table shows.
    """
    import pandas as pd

    del mode
    pd.set_option("display.max_rows", max_rows)
    pd.set_option("display.max_columns", None)
    pd.set_option("display.width", 5000)
