"""Value, growth and drawdown over time, thinned to what a chart can show; a shorter range has more detail."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.benchmark import hold_deposits, read_holdings
from tradeexecutor.analysis.adjusted.flows import iterate_flows
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.types import to_epoch
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import read_history
from tradeexecutor.visual.parts.thinning import choose_points
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.views.records import Curve, CurveUnit, EquityView, FlowMark

__all__ = ["make_equity_view", "select_range", "thin_series", "to_epoch_seconds"]


def make_equity_view(question: Question) -> Body:
    """Return value, growth and drawdown over time with the deposits, and buy and hold where it is known."""
    state = question.saved.state
    with share_results():
        try:
            history = read_history(state, ChartOptions(), least=1)
        except NothingToDraw:
            nothing = Curve(name="", unit="usd", times=[], values=[])
            return encode(
                EquityView(
                    value=nothing,
                    growth=nothing,
                    drawdown=nothing,
                    benchmark=None,
                    benchmark_value=None,
                    flows=[],
                    samples=0,
                )
            )
        held = next(iter(read_holdings(state)), None)
        drawdown = history.drawdown if len(history.value) > 1 else history.value.iloc[:0]
        flows = [FlowMark(at=to_epoch(when), usd=usd) for when, usd in iterate_flows(state) if usd]
    inside = select_range(history.value, question)
    growth = worth = None
    if held is not None:
        name = f"Buy and hold {held.name}"
        growth = _thin(name, "fraction", held.growth - 1.0, question)
        worth = _thin(name, "usd", hold_deposits(held.growth, history.capital, history.flows), question)
    return encode(
        EquityView(
            value=_thin("Value", "usd", history.value, question),
            growth=_thin("Growth", "fraction", history.growth, question),
            drawdown=_thin("Drawdown", "fraction", drawdown, question),
            benchmark=growth,
            benchmark_value=worth,
            flows=flows,
            samples=len(inside),
        )
    )


def select_range(series: "pd.Series[float]", question: Question) -> "pd.Series[float]":
    """Return the part in the range of the request, with one point more at each side, so that lines reach the edge."""
    times = to_epoch_seconds(series)
    start, end = question["start"], question["end"]
    first = int(np.searchsorted(times, start, side="left")) - 1
    last = len(times) if end is None else int(np.searchsorted(times, end, side="right")) + 1
    return series.iloc[max(first, 0) : last]


def to_epoch_seconds(series: "pd.Series[float]") -> NDArray[np.float64]:
    """Return the times of a series as epoch seconds."""
    return pd.DatetimeIndex(series.index).as_unit("us").asi8 / 1_000_000


def _thin(name: str, unit: CurveUnit, series: "pd.Series[float]", question: Question) -> Curve:
    """Return a line in the range of the request, with the number of points that it asks for."""
    return thin_series(name, unit, select_range(series, question), question["points"])


def thin_series(name: str, unit: CurveUnit, series: "pd.Series[float]", points: int) -> Curve:
    """Return a line with a number of points; its highs and lows stay."""
    times = to_epoch_seconds(series)
    values: NDArray[np.float64] = np.asarray(series, dtype=np.float64)
    chosen = choose_points((times * 1_000_000).astype(np.int64), values, points)
    return Curve(
        name=name,
        unit=unit,
        times=times[chosen].tolist(),
        values=[value if np.isfinite(value) else None for value in values[chosen].tolist()],
    )
