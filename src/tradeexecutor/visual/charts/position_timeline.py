"""Chart of the times at which positions were held.

If there are too many positions to distinguish, the short ones of a row are merged into bars of about the same length.
Each merged bar is divided by the number of its positions with and without profit.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from tradeexecutor.visual.charts.results import describe_result
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import count, format_profit
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.position_columns import PositionColumns, read_positions
from tradeexecutor.visual.parts.theme import finish, get_theme, with_opacity
from tradeexecutor.visual.parts.thinning import note_left_out

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_position_timeline"]

#: Largest number of rows, one for each pair.
_MAX_PAIRS = 30

#: Smallest number of cells into which time is divided; the short positions of one cell are merged.
_MIN_CELLS = 50

_GAIN, _LOSS, _OPEN = range(3)


def draw_position_timeline(state: "State", options: ChartOptions) -> go.Figure:
    """Draw a bar for each position from opening to closing, coloured by profit, one row for each pair.

    If there are more than ``max_points`` positions, the short ones are merged.

    Raises
    ------
    NothingToDraw
        No position was opened in the time range.
    """
    theme = get_theme(options.theme)
    table = read_positions(state, options)
    count_by_pair = Counter(table.labels.tolist())
    shown = {pair for pair, _ in count_by_pair.most_common(_MAX_PAIRS)}
    # The earliest pair is on top.
    rows = [pair for pair in count_by_pair if pair in shown]
    chosen = table
    if len(shown) < len(count_by_pair):
        chosen = table.choose(np.array([label in shown for label in table.labels], dtype=np.bool_))
    end = table.ended_at.max()
    bars, note = _make_bars(chosen, end, len(rows), options.max_points)
    figure = go.Figure()
    for result, name, colour in (
        (_GAIN, "Profit", theme.gain),
        (_LOSS, "Loss", theme.loss),
        (_OPEN, "Open", theme.main),
    ):
        own = bars[bars["result"] == result]
        if not len(own):
            continue
        figure.add_bar(
            orientation="h",
            base=pd.DatetimeIndex(own["start"]),
            x=np.maximum((own["end"] - own["start"]).to_numpy() / np.timedelta64(1, "ms"), 0),
            y=own["label"].tolist(),
            name=name,
            # The outline keeps a position of one hour visible in a chart of several years.
            marker={"color": with_opacity(colour, 0.75), "line": {"color": colour, "width": 1}},
            customdata=own["text"].tolist(),
            hovertemplate="%{customdata}<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0.35)
    figure.update_xaxes(type="date", title_text="Time (UTC)")
    left_out = note_left_out(len(rows), len(count_by_pair), "pairs (most traded)")
    notes = make_notes(state, count(len(table), "position"), *left_out, note)
    height = options.height or max(190 + 26 * len(rows), 260)
    finish(figure, theme, "Positions", notes, height)
    figure.update_yaxes(categoryorder="array", categoryarray=rows[::-1], type="category", showgrid=False)
    return figure


def _make_bars(table: PositionColumns, end: pd.Timestamp, rows: int, limit: int) -> tuple[pd.DataFrame, str | None]:
    """Return ``start``, ``end``, ``label``, ``result`` and ``text`` of each bar, and a note for the reader."""
    bars = pd.DataFrame(
        {
            "start": table.opened_at,
            "end": table.ended_at.where(table.is_closed, end),
            "label": table.labels,
            "result": np.where(table.is_closed, np.where(table.profit_usd >= 0, _GAIN, _LOSS), _OPEN),
            "profit": table.profit_usd,
        }
    )
    if len(bars) <= limit:
        return bars.assign(text=_describe_all(table)), None
    cell = (bars["end"].max() - bars["start"].min()) / max(limit // (2 * rows), _MIN_CELLS)
    is_single = _find_long(bars, cell, limit // 2)
    singles = bars[is_single].assign(text=_describe_all(table.choose(is_single)))
    short = bars[~is_single]
    groups = _merge(short, cell)
    note = f"{len(short):,} short ones merged into {len(groups):,} bars, split by how many made a profit"
    return pd.concat([singles, _split(groups)], ignore_index=True), note


def _describe_all(table: PositionColumns) -> list[str]:
    return [describe_result(position) for position in table.positions]


def _find_long(bars: pd.DataFrame, cell: pd.Timedelta, limit: int) -> NDArray[np.bool_]:
    """Return a mask of the bars that are drawn one by one: those longer than a cell, at most the `limit` longest."""
    lengths = (bars["end"] - bars["start"]).to_numpy()
    longest = np.argsort(-lengths.astype(np.int64), kind="stable")[:limit]
    is_long = np.zeros(len(bars), dtype=np.bool_)
    is_long[longest] = lengths[longest] > cell.to_timedelta64()
    return is_long


def _merge(bars: pd.DataFrame, cell: pd.Timedelta) -> pd.DataFrame:
    """Return ``start``, ``end``, ``profit`` and the number of positions with each result, by label and cell of time."""
    counts = {result: (bars["result"] == result).astype(np.int64) for result in (_GAIN, _LOSS, _OPEN)}
    cells = ((bars["start"] - bars["start"].min()) // max(cell, pd.Timedelta(1, "us"))).rename("cell")
    grouped = bars[["start", "end", "profit"]].assign(**{str(result): counts[result] for result in counts})
    sums = dict.fromkeys(["profit", *map(str, counts)], "sum")
    return grouped.groupby([bars["label"], cells]).agg({"start": "min", "end": "max", **sums}).reset_index()


def _split(groups: pd.DataFrame) -> pd.DataFrame:
    """Return one bar for each result in a group, one after another, with a length in proportion to its share."""
    groups = groups.assign(text=[_describe_group(row) for row in groups.itertuples(index=False, name=None)])
    counts = groups[[str(result) for result in (_GAIN, _LOSS, _OPEN)]].to_numpy()
    shares = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
    lengths = groups["end"] - groups["start"]
    before = np.zeros(len(groups))
    parts: list[pd.DataFrame] = []
    for result in (_GAIN, _LOSS, _OPEN):
        part = groups[["label", "text"]].assign(
            start=groups["start"] + lengths * before, end=groups["start"] + lengths * shares[:, result], result=result
        )
        parts.append(part[counts[:, result] > 0])
        before = shares[:, result]
    return pd.concat(parts, ignore_index=True)


def _describe_group(row: tuple[Any, ...]) -> str:
    label, _, start, end, profit, *counts = row
    words = zip(counts, ("with profit", "with loss", "open"), strict=True)
    return "<br>".join(
        [
            f"<b>{count(sum(counts), 'position')} in {label}</b>",
            f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
            ", ".join(f"{number:,} {name}" for number, name in words if number),
            f"together {format_profit(profit)}",
        ]
    )
