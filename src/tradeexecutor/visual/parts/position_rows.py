"""One position over time, as a figure: price with its trades, value, annualised profit and profit in USD."""

import datetime

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.chart import MAX_POINTS
from tradeexecutor.visual.parts.formats import format_profit, get_price_tick_format, get_tick_format
from tradeexecutor.visual.parts.theme import Theme, finish, get_theme, shorten
from tradeexecutor.visual.parts.thinning import Thinner

__all__ = ["make_position_figure"]

_ROWS = {
    "value": ("Value, USD", "main"),
    "pnl_annualised": ("Annualised", "#FF5733"),
    "pnl_usd": ("Profit, USD", "#FF8C00"),
}
_EXTENDED_ROWS = {
    "cumulative_cost": ("Bought, USD", "neutral"),
    "cumulative_value": ("Sold, USD", "neutral"),
    "avg_price": ("Average price", "neutral"),
    "realised_pnl": ("Realised, USD", "main"),
    "unrealised_pnl": ("Unrealised, USD", "main"),
    "realised_delta": ("Each sale, USD", "main"),
}

#: Largest number of trade annotations that can be distinguished.
_MAX_ARROWS = 120


def make_position_figure(
    position: TradingPosition, df: pd.DataFrame, height: int, theme: str, *, extended: bool = False
) -> go.Figure:
    """Draw the timeline of a position, as wide as the page.

    Parameters
    ----------
    df
        Result of :py:func:`~tradeexecutor.visual.parts.position_history.calculate_position_timeline`.
    extended
        Add the amounts bought and sold so far, the average price, realised and unrealised profit, and each sale.

    Raises
    ------
    NothingToDraw
        The frame has no rows.
    """
    if not len(df):
        raise NothingToDraw(f"position #{position.position_id} has no timeline")
    look = get_theme(theme)
    thinner = Thinner(MAX_POINTS)
    names = {**_ROWS, **(_EXTENDED_ROWS if extended else {})}
    count = 1 + len(names)
    heights = [1.0] * count if extended else [0.4, 0.2, 0.2, 0.2]
    figure = make_subplots(rows=count, cols=1, shared_xaxes=True, row_heights=heights, vertical_spacing=0.02)
    _add_line(figure, thinner.thin(df["mark_price"].ffill()), "Price", look.main, 1)
    figure.update_yaxes(title_text="Price, USD", tickformat=get_price_tick_format(df["mark_price"]), row=1, col=1)
    _add_arrows(figure, df, look)
    notes: list[str] = []
    if "pnl_usd" not in df:
        df = df.assign(pnl_usd=df["realised_pnl"] + df["unrealised_pnl"])
    for row, (column, (label, colour)) in enumerate(names.items(), start=2):
        colour = {"main": look.main, "neutral": look.neutral}.get(colour, colour)
        if column == "pnl_annualised":
            df, is_cut = _cut_annualised(df)
            notes += ["Annualised profit beyond 10,000% not drawn"] if is_cut else []
        if column == "realised_delta":
            sales = df[df[column] != 0][column]
            colours = [look.gain if value >= 0 else look.loss for value in sales]
            # A sale has no duration, so its bar is as wide as a hundredth of the chart.
            width_ms = (df.index[-1] - df.index[0]) / datetime.timedelta(milliseconds=1) / 100 or 1
            figure.add_bar(x=sales.index, y=sales, name=label, marker_color=colours, width=width_ms, row=row, col=1)
        else:
            _add_line(figure, thinner.thin(df[column]), label, colour, row)
        tick_format = ",~%" if column == "pnl_annualised" else get_tick_format(df[column])
        figure.update_yaxes(title_text=label, tickformat=tick_format, nticks=4, row=row, col=1)
    figure.update_xaxes(title_text="Time (UTC)", row=count, col=1)
    figure.update_layout(hovermode="x unified")
    title = f"Position #{position.position_id} {shorten(position.pair.base.token_symbol, 20)} Timeline"
    usd = float(df["pnl_usd"].iloc[-1])
    status = "closed" if position.is_closed() else "frozen" if position.is_frozen() else "open"
    notes = [f"{status.capitalize()}, {format_profit(usd)} ({float(df['pnl'].iloc[-1]):+.2%})", *notes]
    notes += thinner.get_notes()
    return finish(figure, look, title, notes, height, legend=False)


def _cut_annualised(df: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Hide annualised profits of too short times: one percent within an hour is 10^37 a year."""
    is_infinite = df["pnl_annualised"].isna() & (df["duration"] > datetime.timedelta(0))
    is_cut = (df["pnl_annualised"] > 100.0) | is_infinite
    return df.assign(pnl_annualised=df["pnl_annualised"].mask(is_cut)), bool(is_cut.any())


def _add_line(figure: go.Figure, line: "pd.Series[float]", name: str, colour: str, row: int) -> None:
    hover = "%{y:+,.2%}" if name == "Annualised" else "%{y:,.6~g}"
    style = {"color": colour, "width": 1.6}
    figure.add_scatter(x=line.index, y=line, name=name, mode="lines", line=style, hovertemplate=hover, row=row, col=1)


def _add_arrows(figure: go.Figure, df: pd.DataFrame, theme: Theme) -> None:
    """Add arrows for buys above and sells below the price."""
    trades = df[df["delta"].fillna(0.0) != 0]
    if len(trades) > _MAX_ARROWS:
        largest = np.argsort(-trades["delta"].abs().to_numpy(), kind="stable")[:_MAX_ARROWS]
        trades = trades.iloc[np.sort(largest)]
    annotations = []
    for when, delta, price in zip(trades.index, trades["delta"], trades["mark_price"], strict=True):
        is_buy = delta > 0
        annotations.append(
            {
                "x": when,
                "y": price,
                "xref": "x",
                "yref": "y",
                "text": "▲" if is_buy else "▼",
                "font": {"color": theme.gain if is_buy else theme.loss, "size": 13},
                "showarrow": False,
                "yshift": -10 if is_buy else 10,
                "hovertext": f"{'Buy' if is_buy else 'Sell'} {abs(delta):,.6g} at {price:,.6g}",
            }
        )
    figure.update_layout(annotations=annotations)
