"""One position over time: what was held, what it was worth, what it earned."""

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.visual.notebook.position_profit import (
    PnLMethod,
    calculate_lot_level_pnl_fifo,
    calculate_macb_pnl,
    calculate_pnl,
    track_lot_profitability,
    track_lot_profitability_detailed,
)
from tradeexecutor.visual.parts.candles import find_candles, get_price_pair
from tradeexecutor.visual.parts.chart import MAX_POINTS, ChartOptions
from tradeexecutor.visual.parts.formats import format_profit, get_price_tick_format, get_tick_format
from tradeexecutor.visual.parts.history import crop, make_notes
from tradeexecutor.visual.parts.position_table import read_positions
from tradeexecutor.visual.parts.theme import Theme, finish, get_theme, shorten
from tradeexecutor.visual.parts.thinning import Thinner

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = [
    "calculate_lot_level_pnl_fifo",
    "calculate_macb_pnl",
    "calculate_pnl",
    "calculate_position_timeline",
    "draw_position",
    "track_lot_profitability",
    "track_lot_profitability_detailed",
    "visualise_position",
]

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

#: Annotations of trades that can be told apart.
_MOST_ARROWS = 120


def calculate_position_timeline(
    strategy_universe: Any,
    position: TradingPosition,
    end_at: datetime.datetime | None = None,
    pnl_method: PnLMethod = calculate_pnl,
) -> pd.DataFrame:
    """Return what a position held and earned at each candle and each trade.

    Parameters
    ----------
    strategy_universe
        See :py:mod:`tradeexecutor.visual.parts.candles`; None: prices that the position recorded.
    position
        Spot or vault.
    end_at
        Of an open position; None: the last candle.
    pnl_method
        `calculate_pnl` (first in, first out) or `calculate_macb_pnl` (moving average cost).

    Returns
    -------
    pandas.DataFrame
        By naive UTC time: ``quantity`` held, ``delta`` of a trade, ``executed_price``, ``fee`` (USD),
        ``cumulative_cost`` and ``cumulative_value`` (USD bought and sold so far), ``mark_price``, ``value`` (USD after
        the fee of the pair), and the columns of
        :py:func:`~tradeexecutor.visual.notebook.position_profit.calculate_pnl`.

    Raises
    ------
    InvalidValue
        The position is neither spot nor vault.
    NothingToDraw
        It has no executed trade.
    """
    kind = position.pair.kind
    if not (kind.is_spot() or kind.is_vault()):
        raise InvalidValue(f"a timeline is drawn of spot and vault positions, not of {kind.value}")
    trades = [trade for trade in position.trades.values() if trade.executed_at is not None and trade.executed_quantity]
    if not trades:
        raise NothingToDraw(f"position #{position.position_id} has no executed trade")
    index = to_time_index(trade.executed_at for trade in trades if trade.executed_at is not None)
    rows = pd.DataFrame(
        {
            "delta": [float(trade.executed_quantity or 0) for trade in trades],
            "cost": [float(trade.executed_quantity or 0) * (trade.executed_price or 0.0) for trade in trades],
            "fee": [float(sum_fees(trade.lp_fees_paid)) for trade in trades],
        },
        index=index,
    )
    # Trades of the same moment are one row.
    rows = rows.groupby(level=0).sum()
    rows["executed_price"] = (rows["cost"] / rows["delta"].where(rows["delta"] != 0)).abs()
    marks = _read_marks(strategy_universe, position, end_at)
    frame = rows.reindex(rows.index.union(marks.index))
    frame["mark_price"] = marks.reindex(frame.index).ffill()
    frame["mark_price"] = frame["mark_price"].fillna(frame["executed_price"]).ffill()
    frame["quantity"] = frame["delta"].fillna(0.0).cumsum()
    frame.loc[frame["quantity"].abs() < rows["delta"].abs().max() * 1e-9, "quantity"] = 0.0
    cost = frame["cost"].fillna(0.0)
    frame["cumulative_cost"] = cost.clip(lower=0.0).cumsum()
    frame["cumulative_value"] = (-cost).clip(lower=0.0).cumsum()
    frame["value"] = frame["quantity"] * frame["mark_price"] * (1.0 - (position.pair.fee or 0.0))
    result = pnl_method(frame.drop(columns="cost"))
    result["pnl_usd"] = result["realised_pnl"] + result["unrealised_pnl"]
    return result


def _read_marks(source: Any, position: TradingPosition, end_at: datetime.datetime | None) -> "pd.Series[float]":
    """Return the prices from opening to closing."""
    trades = [trade for trade in position.trades.values() if trade.executed_at is not None]
    start = min(trade.executed_at for trade in trades if trade.executed_at is not None)
    end = max(trade.executed_at for trade in trades if trade.executed_at is not None) if position.closed_at else end_at
    candles = find_candles(source, get_price_pair(position.pair))
    if candles is not None and len(candles):
        return crop(candles, start, end)["close"]
    prices = {update.valued_at: update.new_price for update in position.valuation_updates if update.new_price}
    if position.last_pricing_at is not None and position.last_token_price:
        prices.setdefault(position.last_pricing_at, position.last_token_price)
    recorded = pd.Series(list(prices.values()), index=to_time_index(prices), dtype="float64").sort_index(kind="stable")
    return crop(recorded.to_frame(), start, end).iloc[:, 0]


def visualise_position(
    position: TradingPosition,
    df: pd.DataFrame,
    height: int = 800,
    width: int | None = 1200,
    autosize: bool = False,
    extended: bool = False,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw the timeline of a position: price with its trades, value, annualised profit and profit in USD.

    Parameters
    ----------
    df
        Of `calculate_position_timeline`.
    width
        Pixels; without effect with `autosize`, which takes that of the page.
    extended
        Add what was bought and sold so far, the average price, realised and unrealised profit, and each sale.

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
            # As wide as a hundredth of the chart: a sale has no duration.
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
    finish(figure, look, title, notes, height, legend=False)
    if not autosize and width is not None:
        figure.update_layout(width=width, autosize=False)
    return figure


def _cut_annualised(df: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Hide annualised profits that say nothing: a percent within an hour is 10^37 a year."""
    is_infinite = df["pnl_annualised"].isna() & (df["duration"] > datetime.timedelta(0))
    is_cut = (df["pnl_annualised"] > 100.0) | is_infinite
    return df.assign(pnl_annualised=df["pnl_annualised"].mask(is_cut)), bool(is_cut.any())


def _add_line(figure: go.Figure, line: "pd.Series[float]", name: str, colour: str, row: int) -> None:
    hover = "%{y:+,.2%}" if name == "Annualised" else "%{y:,.6~g}"
    style = {"color": colour, "width": 1.6}
    figure.add_scatter(x=line.index, y=line, name=name, mode="lines", line=style, hovertemplate=hover, row=row, col=1)


def _add_arrows(figure: go.Figure, df: pd.DataFrame, theme: Theme) -> None:
    """Mark buys above and sells below the price."""
    trades = df[df["delta"].fillna(0.0) != 0]
    if len(trades) > _MOST_ARROWS:
        largest = np.argsort(-trades["delta"].abs().to_numpy(), kind="stable")[:_MOST_ARROWS]
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


def draw_position(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the timeline of one position: the one asked for, else the one with the largest profit or loss.

    Raises
    ------
    PositionNotFound
        There is no such position.
    NothingToDraw
        It is not of a kind, or has not the prices, that a timeline needs.
    """
    note = None
    if options.position is not None:
        position = state.portfolio.get_position_by_id(options.position)
        kind = position.pair.kind
        if not (kind.is_spot() or kind.is_vault()):
            raise NothingToDraw(f"a timeline is drawn of spot and vault positions, not of {kind.value}")
    else:
        table = read_positions(state, options)
        # The largest result first; of equal ones the first opened.
        order = np.argsort(-np.abs(table.profit_usd), kind="stable")
        suitable: list[TradingPosition] = [
            position
            for position in table.positions[order]
            if (position.pair.kind.is_spot() or position.pair.kind.is_vault())
            and any(trade.executed_quantity for trade in position.get_executed_trades())
        ]
        if not suitable:
            raise NothingToDraw("no spot or vault position was traded")
        position = suitable[0]
        note = f"The largest result of {len(suitable)} positions" if len(suitable) > 1 else None
    source = options.candles if find_candles(options.candles, get_price_pair(position.pair)) is not None else None
    if source is None:
        # What the statistics sampled is denser than what the position itself keeps.
        source = _read_sampled_prices(state, position)
    df = calculate_position_timeline(source, position, options.end_at)
    figure = visualise_position(position, df, options.height or 620, autosize=True, theme=options.theme)
    subtitle = figure.layout.title.subtitle.text.replace("<br>", " ")
    title = f"Position #{position.position_id} {shorten(position.pair.get_ticker(), 20)}"
    return finish(
        figure, get_theme(options.theme), title, make_notes(state, note, subtitle), options.height or 620, legend=False
    )


def _read_sampled_prices(state: "State", position: TradingPosition) -> pd.DataFrame | None:
    prices: dict[datetime.datetime, float] = {}
    for sample in state.stats.positions.get(position.position_id, ()):
        price = sample.underlying_price or (sample.value / sample.quantity if sample.quantity else None)
        if price:
            prices[sample.last_valuation_at] = price
    if len(prices) < 2:
        return None
    column = pd.Series(prices, dtype="float64").sort_index()
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), column))
