"""What the strategy itself has plotted (``state.visualisation``): on the price with its trades, and in rows below."""

import datetime
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd

from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.types import EPOCH
from tradeexecutor.state.visualisation import Plot, PlotShape
from tradeexecutor.visual.parts.candles import get_price_pair, list_pairs
from tradeexecutor.visual.parts.indicators import choose_plots, export_plot_as_dataframe
from tradeexecutor.visual.parts.price_rows import read_pair
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.views.equity import select_range, thin_series, to_epoch_seconds
from tradeexecutor.web.views.position import list_marks
from tradeexecutor.web.views.records import PlotLine, PlotRow, PlotsView, PositionMark

__all__ = ["list_plot_points", "make_plots_view"]

#: More trades than these cannot be told apart.
_MAX_MARKS = 1_000

_SHAPES: dict[PlotShape | None, Literal["markers", "steps"]] = {
    PlotShape.markers: "markers",
    PlotShape.horizontal_vertical: "steps",
}


def make_plots_view(question: Question) -> Body:
    """Return what the strategy has plotted about a pair: lines on its price with the trades, and rows below it."""
    state = question.saved.state
    pairs = list_pairs(state)
    pair = _choose_pair(pairs, question["pair"])
    on_price, detached = choose_plots(state.visualisation.plots.values(), pair, single_pair=len(pairs) <= 1)
    rows: list[PlotRow] = []
    if pair is not None or on_price:
        rows.append(_make_price_row(question, state, pair, on_price, is_only_pair=len(pairs) <= 1))
    for name, plots in detached.items():
        rows.append(
            PlotRow(title=name, is_price=False, lines=[_make_line(p, question) for p in plots], marks=[], trades=0)
        )
    ends = [(line.times[0], line.times[-1]) for row in rows for line in row.lines if line.times]
    return encode(
        PlotsView(
            pairs=[item.get_ticker() for item in pairs],
            pair=None if pair is None else pair.get_ticker(),
            rows=rows,
            start=min((start for start, _ in ends), default=None),
            end=max((end for _, end in ends), default=None),
        )
    )


def _choose_pair(pairs: list[TradingPairIdentifier], ticker: str | None) -> TradingPairIdentifier | None:
    if ticker is None:
        return next(iter(pairs), None)
    for pair in pairs:
        if pair.get_ticker() == ticker:
            return pair
    raise ProblemRaised(404, f"there is no pair {ticker}")


def _make_price_row(
    question: Question,
    state: State,
    pair: TradingPairIdentifier | None,
    plots: list[Plot],
    *,
    is_only_pair: bool,
) -> PlotRow:
    """Return the price of a pair as the state knows it, the plots on it, and its trades."""
    lines = [_make_line(plot, question) for plot in plots]
    marks: list[PositionMark] = []
    if pair is not None:
        try:
            prices = read_pair(state, pair, None, None, None, is_only_pair=is_only_pair).prices
        except NothingToDraw:
            prices = pd.Series(dtype="float64", index=pd.DatetimeIndex([]))
        if len(prices):
            lines.insert(0, _to_line("Price", "line", None, prices, question))
        start, end = question["start"], question["end"]
        marks = [
            mark
            for position in state.portfolio.get_all_positions()
            if get_price_pair(position.pair) == pair
            for mark in list_marks(position)
            if mark.at >= start and (end is None or mark.at <= end)
        ]
    title = "Plots on the price" if pair is None else f"Price of {pair.get_ticker()}"
    trades = len(marks)
    shown = sorted(marks, key=lambda mark: mark.at) if trades <= _MAX_MARKS else []
    return PlotRow(title=title, is_price=True, lines=lines, marks=shown, trades=trades)


def _make_line(plot: Plot, question: Question) -> PlotLine:
    """Return a plot at the times that its values are of: one from before a decision is that of the candle before it."""
    series = export_plot_as_dataframe(plot)["value"]
    return _to_line(plot.name, _SHAPES.get(plot.plot_shape, "line"), plot.colour, series, question)


def _to_line(
    name: str,
    shape: Literal["line", "steps", "markers"],
    colour: str | None,
    series: "pd.Series[float]",
    question: Question,
) -> PlotLine:
    inside = select_range(series, question)
    curve = thin_series(name, "price", inside, question["points"])
    times = to_epoch_seconds(inside)
    end = times[-1] if question["end"] is None and len(times) else question["end"]
    count = int(np.count_nonzero((times >= question["start"]) & (times <= end))) if len(times) else 0
    return PlotLine(name=name, shape=shape, colour=colour, points=count, times=curve.times, values=curve.values)


def list_plot_points(state: State) -> Iterator[tuple[datetime.datetime, str, str, float | None]]:
    """Yield time (naive UTC, as recorded), plot, pair and value of every point, by plot and time."""
    for plot in state.visualisation.plots.values():
        ticker = "" if plot.pair is None else plot.pair.get_ticker()
        for second, value in sorted(plot.points.items()):
            yield EPOCH + datetime.timedelta(seconds=second), plot.name, ticker, value
