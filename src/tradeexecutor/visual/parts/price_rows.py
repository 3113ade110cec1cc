"""Price charts with rows below: candles, volume, indicators, trades.

`PriceChart` lays out the rows and fills them; `charts.price` and the functions of `notebook` choose their contents.
"""

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.samples import read_sample_times
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.visualisation import Plot
from tradeexecutor.visual.parts.candles import break_at_gaps, find_candles, read_recorded_prices, read_remembered_prices
from tradeexecutor.visual.parts.chart import MAX_POINTS
from tradeexecutor.visual.parts.formats import format_price, get_price_tick_format
from tradeexecutor.visual.parts.history import crop
from tradeexecutor.visual.parts.indicators import (
    choose_colours,
    choose_plots,
    get_row_title,
    visualise_technical_indicator,
)
from tradeexecutor.visual.parts.theme import Theme, finish, shorten
from tradeexecutor.visual.parts.thinning import Thinner, merge_candles
from tradeexecutor.visual.parts.trade_markers import count_marks, read_trades, visualise_trades

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["PairRows", "PriceChart", "PriceLook", "VolumeBarMode", "find_range", "get_margin", "read_pair"]

#: Largest number of candles that can be distinguished on a wide screen.
MAX_CANDLES = 1_000

#: Largest number of rows of indicators; more rows would be too small to read.
MAX_INDICATOR_ROWS = 8

_VOLUME_COLOUR = "rgba(128,128,128,0.5)"


class VolumeBarMode(enum.StrEnum):
    """Place of the volume."""

    #: Behind the candles, on a separate axis.
    overlay = "overlay"
    #: In a separate row.
    separate = "separate"
    hidden = "hidden"


@dataclass(slots=True)
class PairRows:
    """Data that is shown of one pair.

    Attributes
    ----------
    candles
        Candles, merged to the number that can be drawn; None if `prices` are drawn instead.
    prices
        Prices recorded in the state, or the close of the candles.
    on_price, detached
        Plots, see `choose_plots`.
    trades
        See `read_trades`.
    """

    pair: TradingPairIdentifier
    candles: pd.DataFrame | None
    prices: "pd.Series[float]"
    on_price: list[Plot]
    detached: dict[str, list[Plot]]
    trades: pd.DataFrame
    volume: VolumeBarMode
    notes: list[str] = field(default_factory=list)

    @property
    def has_volume(self) -> bool:
        """True if the volume shall be drawn and the candles contain it."""
        wanted = self.volume is not VolumeBarMode.hidden
        return wanted and self.candles is not None and "volume" in self.candles and bool(self.candles["volume"].any())


def find_range(
    state: "State", start_at: datetime.datetime | None, end_at: datetime.datetime | None, candles: pd.DataFrame | None
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return the time range to draw: the given one, else that of the recorded statistics, else that of all candles."""
    times = read_sample_times(state)
    if len(times):
        return start_at or times.min().to_pydatetime(), end_at or times.max().to_pydatetime()
    if candles is not None and len(candles):
        return start_at or candles.index[0].to_pydatetime(), end_at or candles.index[-1].to_pydatetime()
    return start_at, end_at


def get_margin(position: TradingPosition) -> datetime.timedelta:
    """Return the time to show before and after a position: half its length, at least one hour."""
    length = (position.closed_at or position.get_last_valued_at()) - position.opened_at
    return max(length / 2, datetime.timedelta(hours=1))


@shared
def read_pair(
    state: "State",
    pair: TradingPairIdentifier,
    source: Any,
    start_at: datetime.datetime | None,
    end_at: datetime.datetime | None,
    *,
    is_only_pair: bool = True,
    indicators: bool = True,
    detached: bool = True,
    trades: bool = True,
    credit: bool = False,
    volume: VolumeBarMode | str = VolumeBarMode.overlay,
    limit: int = MAX_CANDLES,
) -> PairRows:
    """Return the data that is shown of a pair in a time range.

    Raises
    ------
    NothingToDraw
        There are neither candles nor recorded prices nor plots.
    InvalidValue
        The candles or the volume mode are not valid.
    """
    try:
        volume = VolumeBarMode(volume)
    except ValueError:
        raise InvalidValue(f"volume is shown as one of {', '.join(VolumeBarMode)}, not {volume!r}") from None
    candles = find_candles(source, pair)
    start_at, end_at = find_range(state, start_at, end_at, candles)
    notes: list[str] = []
    prices: pd.Series[float] | None = None
    why = ""
    if candles is not None:
        candles = crop(candles, start_at, end_at)
        if len(candles):
            prices = candles["close"]
            candles, note = merge_candles(candles, limit)
            notes += [note] if note else []
        else:
            why, candles = "The candles do not cover this time", None
    elif source is not None:
        why = f"No candles of {pair.get_ticker()}"
    if prices is None:
        prices, what = _read_known_prices(state, pair, start_at, end_at)
        notes.append(f"{why}: {what}" if why else f"{what[0].upper()}{what[1:]}")
    plots = state.visualisation.plots.values() if indicators else ()
    on_price, rows = choose_plots(plots, pair, detached=detached, single_pair=is_only_pair)
    if len(rows) > MAX_INDICATOR_ROWS:
        notes.append(f"{MAX_INDICATOR_ROWS} of {len(rows)} indicators below the price shown")
        rows = dict(list(rows.items())[:MAX_INDICATOR_ROWS])
    if not len(prices) and not on_price and not rows:
        raise NothingToDraw(
            f"the state recorded no prices of {pair.get_ticker()} in this time, and no candles are given"
        )
    frame = read_trades(state, pair, start_at, end_at, include_credit_supply=credit)
    if candles is not None and not _is_fitting(frame, prices):
        notes.append(
            f"Trades of {pair.get_ticker()} were not made at the prices of the candles: is this the right market?"
        )
    return PairRows(pair, candles, prices, on_price, rows, frame if trades else frame.iloc[:0], volume, notes)


def _read_known_prices(
    state: "State", pair: TradingPairIdentifier, start_at: datetime.datetime | None, end_at: datetime.datetime | None
) -> "tuple[pd.Series[float], str]":
    """Return the prices that the state itself has of a pair, and where they come from."""
    remembered = read_remembered_prices(state, pair)
    if remembered is not None:
        inside = crop(remembered.to_frame(), start_at, end_at).iloc[:, 0]
        if len(inside) > 1:
            return inside, "prices at midnight, as the backtest recorded them"
    recorded = crop(read_recorded_prices(state, pair).to_frame(), start_at, end_at).iloc[:, 0]
    return recorded, "prices recorded by trades and valuations"


def _is_fitting(trades: pd.DataFrame, prices: "pd.Series[float]") -> bool:
    """Return True if the trades were made near the prices of the candles, or if that is unknown."""
    trades = trades[trades["type"].isin(("buy", "sell", "stop_loss", "take_profit"))]
    at = prices.index.searchsorted(pd.DatetimeIndex(trades.index), side="right") - 1
    inside = at >= 0
    if not inside.any():
        return True
    ratios = trades["price"].to_numpy()[inside] / prices.to_numpy()[at[inside]]
    return bool(0.67 < float(np.median(ratios)) < 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLook:
    """Appearance of a price chart.

    Attributes
    ----------
    start_at, end_at
        Time range of the drawn indicators, naive UTC; None for no limit.
    spacing
        Space between rows, a fraction of the height.
    relative_sizing
        Weight of each row from top to bottom; None for 1 for prices and 0.3 for the others.
    title_size
        Font size of the headings of rows, pixels.
    hover_text
        Whether to show the prices of the candle under the pointer.
    candle_decimals
        Decimals of the prices under the pointer; None for a number that suits the price.
    volume_axis_name
        Title of the axis of the volume.
    axes
        Whether the axes have labels.
    max_points
        Largest number of points of a line; longer lines are thinned, with a note.
    """

    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    spacing: float = 0.05
    relative_sizing: Sequence[float] | None = None
    title_size: int = 11
    hover_text: bool = True
    candle_decimals: int | None = None
    volume_axis_name: str = "Volume USD"
    axes: bool = True
    max_points: int = MAX_POINTS


class PriceChart:
    """Rows of one or more pairs in one figure with a shared time axis.

    Parameters
    ----------
    pairs
        Data of the pairs, from top to bottom.
    theme, look
        Colours, and the rest of the appearance.

    Raises
    ------
    InvalidValue
        `relative_sizing` does not have one number for each row.
    """

    def __init__(
        self,
        pairs: Sequence[PairRows],
        theme: Theme,
        look: PriceLook,
    ):
        self.pairs = pairs
        self.theme = theme
        self.look = look
        self.thinner = Thinner(look.max_points)
        self.left_out = 0
        weights, titles = self._plan_rows()
        if look.relative_sizing is not None:
            if len(look.relative_sizing) != len(weights):
                raise InvalidValue(f"relative_sizing has {len(look.relative_sizing)} numbers for {len(weights)} rows")
            weights = list(look.relative_sizing)
        # plotly refuses spacing that leaves no height for the rows.
        spacing = min(look.spacing, 0.5 / max(len(weights) - 1, 1))
        self.row_count = len(weights)
        self.figure = make_subplots(
            rows=len(weights),
            cols=1,
            shared_xaxes=True,
            row_heights=weights,
            vertical_spacing=spacing,
            subplot_titles=titles,
            specs=[[{"secondary_y": True}] for _ in weights],
        )
        self._style_row_titles()
        row = 1
        for pair in pairs:
            row = self._draw_pair(pair, row)

    def _plan_rows(self) -> tuple[list[float], list[str]]:
        weights: list[float] = []
        titles: list[str] = []
        for rows in self.pairs:
            weights.append(1.0)
            titles.append(shorten(rows.pair.get_ticker(), 40) if len(self.pairs) > 1 else "")
            if rows.has_volume and rows.volume is VolumeBarMode.separate:
                weights.append(0.3)
                titles.append("")
            for plots in rows.detached.values():
                weights.append(0.3)
                titles.append(get_row_title(plots))
        return weights, titles

    def _style_row_titles(self) -> None:
        self.figure.update_annotations(
            font={"size": self.look.title_size, "color": self.theme.faint_text}, x=0.0, xanchor="left", align="left"
        )

    def _draw_pair(self, rows: PairRows, row: int) -> int:
        """Fill the rows of a pair, and return the row after them."""
        price_row = row
        row += 1
        if rows.has_volume:
            is_separate = rows.volume is VolumeBarMode.separate
            self._draw_volume(rows, row if is_separate else price_row, is_separate=is_separate)
            row += is_separate
        self._draw_price(rows, price_row)
        self._draw_plots(rows.on_price, price_row)
        for plots in rows.detached.values():
            self._draw_plots(plots, row)
            self.figure.update_yaxes(tickformat="~g", nticks=4, row=row, col=1, secondary_y=False)
            row += 1
        if len(rows.trades):
            self.left_out += visualise_trades(
                self.figure, rows.trades, self.theme, price_row, rows.prices, self.thinner.limit
            )
        return row

    def _draw_volume(self, rows: PairRows, row: int, *, is_separate: bool) -> None:
        assert rows.candles is not None
        volume = rows.candles["volume"]
        self.figure.add_bar(
            x=rows.candles.index,
            y=volume,
            name="Volume",
            marker={"color": _VOLUME_COLOUR, "line": {"width": 0}},
            hovertemplate="Volume: %{y:,.4~s}<extra></extra>",
            showlegend=False,
            row=row,
            col=1,
            secondary_y=not is_separate,
        )
        axis: dict[str, Any] = {"title_text": self.look.volume_axis_name if self.look.axes else "", "tickformat": "~s"}
        if not is_separate:
            # In the lowest fifth, where it hides nothing, and without numbers, for which there is no space.
            axis |= {
                "range": [0, 5 * float(volume.max())],
                "showgrid": False,
                "showticklabels": False,
                "title_text": "",
            }
        self.figure.update_yaxes(**axis, row=row, col=1, secondary_y=not is_separate)

    def _draw_price(self, rows: PairRows, row: int) -> None:
        theme = self.theme
        name = shorten(rows.pair.get_ticker())
        if rows.candles is not None:
            candles = rows.candles
            self.figure.add_candlestick(
                x=candles.index,
                open=candles["open"],
                high=candles["high"],
                low=candles["low"],
                close=candles["close"],
                name=name,
                text=self._describe_candles(candles) if self.look.hover_text else None,
                hoverinfo="text" if self.look.hover_text else "skip",
                increasing={"line": {"color": theme.gain, "width": 1}, "fillcolor": theme.gain},
                decreasing={"line": {"color": theme.loss, "width": 1}, "fillcolor": theme.loss},
                showlegend=False,
                row=row,
                col=1,
                secondary_y=False,
            )
        elif len(rows.prices):
            prices = break_at_gaps(self.thinner.thin(rows.prices))
            self.figure.add_scatter(
                x=prices.index,
                y=prices,
                mode="lines" if len(prices) > 100 else "lines+markers",
                name=name,
                line={"color": theme.neutral, "width": 1.2},
                marker={"size": 4, "color": theme.neutral},
                hovertemplate="%{y:$,.6~g}<extra></extra>",
                showlegend=False,
                row=row,
                col=1,
                secondary_y=False,
            )
        if self.look.axes:
            shown = rows.prices if rows.candles is None else rows.candles["high"]
            tick_format = get_price_tick_format(shown)
            self.figure.update_yaxes(
                title_text=f"{name}, USD", tickformat=tick_format, row=row, col=1, secondary_y=False
            )

    def _describe_candles(self, candles: pd.DataFrame) -> list[str]:
        decimals = self.look.candle_decimals

        def price(value: float) -> str:
            return format_price(value) if decimals is None else f"{value:,.{decimals}f}"

        volumes = candles["volume"] if "volume" in candles else np.full(len(candles), np.nan)
        texts: list[str] = []
        columns = (candles[name].to_numpy() for name in ("open", "high", "low", "close"))
        for first, high, low, last, volume in zip(*columns, volumes, strict=True):
            change = f"{last / first - 1:+.2%}" if first else "-"
            text = f"Open {price(first)}<br>High {price(high)}<br>Low {price(low)}<br>Close {price(last)}<br>{change}"
            texts.append(f"{text}<br>Volume {volume:,.0f}" if volume == volume else text)
        return texts

    def _draw_plots(self, plots: Sequence[Plot], row: int) -> None:
        for plot, colour in zip(plots, choose_colours(plots, self.theme), strict=True):
            trace = visualise_technical_indicator(plot, self.look.start_at, self.look.end_at, colour, self.thinner)
            if trace is not None:
                self.figure.add_trace(trace, row=row, col=1, secondary_y=False)

    def _find_ends(self) -> list[pd.Timestamp] | None:
        """Return the ends of the time axis: the drawn range with a small margin, smaller than the default of plotly."""
        traces: Any = self.figure.data
        times = [pd.Timestamp(when) for trace in traces if len(trace.x) for when in (min(trace.x), max(trace.x))]
        if not times or min(times) == max(times):
            return None
        room = (max(times) - min(times)) / 60
        return [min(times) - room, max(times) + room]

    def finish(self, title: str | None, notes: Sequence[str], height: int | None, *, legend: bool = True) -> go.Figure:
        """Give the figure its appearance, and return it."""
        own = [note for pair in self.pairs for note in pair.notes]
        marks = sum(count_marks(pair.trades) for pair in self.pairs)
        if self.left_out:
            own.append(f"{marks - self.left_out:,} of {marks:,} trades shown (the latest)")
        notes = list(dict.fromkeys([*notes, *own, *self.thinner.get_notes()]))
        figure = finish(self.figure, self.theme, title, notes, height, legend=legend)
        if len(self.pairs) > 1:
            # Space for the heading above the first row.
            figure.update_layout(margin_t=figure.layout.margin.t + 2 * self.look.title_size)
        figure.update_xaxes(
            range=self._find_ends(),
            domain=[0, 1],  # plotly reserves space for numbers of the second y axis, which has none
            rangeslider_visible=False,
            showspikes=True,
            spikemode="across",
            spikedash="dot",
            spikethickness=1,
            spikecolor=self.theme.zero,
            showticklabels=self.look.axes,
        )
        figure.update_xaxes(title_text="Time (UTC)" if self.look.axes else "", row=self.row_count, col=1)
        figure.update_yaxes(showticklabels=self.look.axes, secondary_y=False)
        # The tooltip shows the values of all rows at the same time.
        figure.update_traces(xaxis=f"x{self.row_count}" if self.row_count > 1 else "x")
        figure.update_layout(hovermode="x unified", bargap=0)
        return figure
