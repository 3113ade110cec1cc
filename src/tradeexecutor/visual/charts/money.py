"""Charts of money: exposure by asset, deposits and redemptions."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.samples import read_sample_times
from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.balance_update import INVESTOR_FLOWS
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import count, format_profit, get_tick_format
from tradeexecutor.visual.parts.history import crop, make_notes, read_history
from tradeexecutor.visual.parts.stems import add_stems
from tradeexecutor.visual.parts.theme import finish, get_theme, shorten, with_opacity
from tradeexecutor.visual.parts.thinning import Thinner, choose_points, note_left_out

if TYPE_CHECKING:
    from tradeexecutor.state.position import TradingPosition
    from tradeexecutor.state.state import State
    from tradeexecutor.state.statistics import PositionStatistics

__all__ = ["calculate_exposure_by_asset", "draw_deposits", "draw_exposure"]

#: Largest number of assets with a separate area; all others are one area.
_MAX_ASSETS = 7
_OTHERS = "Others"


@shared
def calculate_exposure_by_asset(state: "State") -> pd.DataFrame:
    """Return the value of the holdings over time, USD: a column for each base token, and ``Cash``.

    Between its first and its last sample a position has the value of its latest sample; a position that is still open
    keeps it to the end. Cash is the recorded free cash, or the rest of the portfolio value in old samples without it.

    Raises
    ------
    NothingToDraw
        No portfolio value was recorded.
    """
    history = read_history(state, ChartOptions(), least=1)
    index = pd.DatetimeIndex(history.value.index)
    frame = pd.DataFrame(_add_up_positions(state, index), index=index)
    free_cash = np.array([sample.free_cash for sample in state.stats.portfolio], dtype=np.float64)
    cash = pd.Series(free_cash, index=read_sample_times(state))
    cash = cash[~cash.index.duplicated(keep="last")].reindex(index)
    frame["Cash"] = cash.fillna((history.value - frame.sum(axis=1)).clip(lower=0.0))
    return frame


def _add_up_positions(state: "State", index: pd.DatetimeIndex) -> dict[str, NDArray[np.float64]]:
    """Return the value of the holding of each base token at the times of an ascending index, USD."""
    symbols: dict[str, list[tuple[TradingPosition, list[PositionStatistics]]]] = {}
    sampled = state.stats.positions
    for position in state.portfolio.get_all_positions():
        samples = sampled.get(position.position_id)
        if samples:
            symbols.setdefault(position.pair.base.token_symbol, []).append((position, samples))
    return {symbol: _add_up(held, index) for symbol, held in symbols.items()}


def _add_up(
    held: "list[tuple[TradingPosition, list[PositionStatistics]]]", index: pd.DatetimeIndex
) -> NDArray[np.float64]:
    times = to_time_index(sample.calculated_at for _, samples in held for sample in samples)
    values = np.array([sample.value for _, samples in held for sample in samples], dtype=np.float64)
    # A NaN would make all later sums NaN.
    values = np.where(np.isfinite(values), values, 0.0)
    owners = np.repeat(np.arange(len(held)), [len(samples) for _, samples in held])
    order = np.lexsort((times.asi8, owners))
    times, values = times[order], values[order]
    is_first = np.diff(owners, prepend=-1) != 0
    is_last = np.diff(owners, append=len(held)) != 0
    is_closed = np.array([position.is_closed() for position, _ in held], dtype=np.bool_)
    ends = np.where(is_closed, index.searchsorted(times[is_last], side="right"), len(index))
    # A sample changes the sum by its difference from the previous sample; the end of a position subtracts its value.
    changes = np.where(is_first, values, np.diff(values, prepend=0.0))
    at = np.concatenate((index.searchsorted(times), ends))
    total = np.bincount(at, np.concatenate((changes, -values[is_last])), len(index) + 1)[:-1].cumsum()
    starts = np.bincount(at[: len(times)][is_first], minlength=len(index) + 1)
    open_count = (starts - np.bincount(ends, minlength=len(index) + 1))[:-1].cumsum()
    # If nothing is held, the rest of the sum is rounding.
    return np.where(open_count > 0, total, 0.0)


def draw_exposure(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the share of each asset and of cash in the portfolio as stacked areas.

    Raises
    ------
    NothingToDraw
        The state has no recorded values of positions.
    """
    theme = get_theme(options.theme)
    frame = crop(calculate_exposure_by_asset(state), options.start_at, options.end_at)
    if frame.shape[1] < 2:
        raise NothingToDraw("the state has no recorded values of positions")
    if len(frame) < 2:
        raise NothingToDraw("there are fewer than two recorded values in the chosen time range")
    frame = _merge_small(frame)
    total = frame.sum(axis=1)
    rows = choose_points(pd.DatetimeIndex(frame.index).asi8, frame["Cash"].to_numpy(), options.max_points // 2)
    note = note_left_out(len(rows), len(frame), "points")
    frame, total = frame.iloc[rows], total.iloc[rows]
    figure = go.Figure()
    colours = iter(theme.colours)
    for name in frame:
        values = frame[name]
        colour = theme.neutral if name in ("Cash", _OTHERS) else next(colours)
        figure.add_scatter(
            x=frame.index,
            y=(values / total.where(total > 0)).fillna(0.0),
            name=shorten(str(name)),
            mode="lines",
            stackgroup="all",
            line={"color": colour, "width": 0.5, "shape": "hv"},
            fillcolor=with_opacity(colour, 0.25 if name == "Cash" else 0.75),
            customdata=values,
            hovertemplate="%{y:.1%} (%{customdata:$,.0f})",
        )
    figure.update_layout(hovermode="x unified")
    figure.update_yaxes(title_text="Share of the portfolio", tickformat=".0%", range=[0, 1])
    figure.update_xaxes(title_text="Time (UTC)")
    invested = 1 - float(frame["Cash"].iloc[-1] / total.iloc[-1]) if total.iloc[-1] > 0 else 0.0
    notes = make_notes(state, f"At the end {invested:.0%} invested", *note)
    return finish(figure, theme, "Exposure by asset", notes, options.height or 440)


def _merge_small(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of the largest assets over time, then one column for the others, and cash on top."""
    assets = frame.drop(columns="Cash")
    order = assets.sum().sort_values(ascending=False, kind="stable").index
    result = assets[order[:_MAX_ASSETS]].copy()
    if len(order) > _MAX_ASSETS:
        result[_OTHERS] = assets[order[_MAX_ASSETS:]].sum(axis=1)
    result["Cash"] = frame["Cash"]
    return result


def draw_deposits(state: "State", options: ChartOptions) -> go.Figure:
    """Draw each deposit and redemption in USD, and above it the net deposits.

    Raises
    ------
    NothingToDraw
        No deposit or redemption was recorded in the time range.
    """
    theme = get_theme(options.theme)
    flows = sorted(
        (ref.strategy_cycle_included_at, float(ref.usd_value))
        for ref in state.sync.treasury.balance_update_refs
        if ref.cause in INVESTOR_FLOWS and ref.usd_value and ref.strategy_cycle_included_at is not None
    )
    if not flows:
        raise NothingToDraw("no deposits or redemptions are recorded")
    frame = pd.DataFrame({"amount": [amount for _, amount in flows]}, index=to_time_index(when for when, _ in flows))
    frame["total"] = frame["amount"].cumsum()
    frame = crop(frame, options.start_at, options.end_at)
    if not len(frame):
        raise NothingToDraw("no deposits or redemptions are recorded in the chosen time range")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.55, 0.45], vertical_spacing=0.06)
    times, total = pd.DatetimeIndex(frame.index), frame["total"].to_numpy()
    end = max((sample.calculated_at for sample in state.stats.portfolio[-1:]), default=None)
    if end is not None and options.end_at is None and pd.Timestamp(end) > times[-1]:
        drawn_times, drawn_total = times.append(pd.DatetimeIndex([end])), np.append(total, total[-1])
    else:
        drawn_times, drawn_total = times, total
    thinner = Thinner(options.max_points)
    line = thinner.thin(pd.Series(drawn_total, index=drawn_times))
    figure.add_scatter(
        x=line.index,
        y=line,
        mode="lines",
        name="Net deposits",
        line={"color": theme.main, "width": 2, "shape": "hv"},
        hovertemplate="%{x|%Y-%m-%d %H:%M}<br>%{y:$,.2f}<extra></extra>",
        row=1,
        col=1,
    )
    amounts = frame["amount"].to_numpy()

    def describe(row: int) -> str:
        name = "Deposit" if amounts[row] >= 0 else "Redemption"
        return f"{name}<br>{times[row]:%Y-%m-%d %H:%M}<br>{format_profit(amounts[row])}"

    add_stems(figure, times, amounts, describe, theme, names=("Deposit", "Redemption"), row=2, limit=options.max_points)
    figure.update_yaxes(title_text="Sum, USD", tickformat=get_tick_format(total), rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="Each, USD", tickformat=get_tick_format(amounts), zeroline=True, row=2, col=1)
    figure.update_xaxes(title_text="Time (UTC)", row=2, col=1)
    notes = make_notes(
        state,
        f"{count(int((amounts >= 0).sum()), 'deposit')}, {count(int((amounts < 0).sum()), 'redemption')}, "
        f"net {format_profit(total[-1])}",
        *note_left_out(min(len(frame), options.max_points), len(frame), "amounts (the largest)"),
        *thinner.get_notes(),
    )
    return finish(figure, theme, "Deposits and redemptions", notes, options.height or 460)
