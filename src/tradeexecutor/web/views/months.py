"""What each month brought."""

import datetime

import pandas as pd

from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import read_history
from tradeexecutor.web.views.records import YearView

__all__ = ["list_months"]


def list_months(state: State) -> list[YearView]:
    """Return the return and profit of each month, oldest first."""
    try:
        history = read_history(state, ChartOptions())
    except NothingToDraw:
        return []
    returns, profits = history.get_monthly_returns(), history.get_monthly_profits()
    labels: list[datetime.datetime] = pd.DatetimeIndex(returns.index).to_pydatetime().tolist()
    return [
        YearView(label=f"{label:%Y-%m}", value=float(value), benchmark=None, profit=float(profit))
        for label, value, profit in zip(labels, returns, profits, strict=True)
    ]
