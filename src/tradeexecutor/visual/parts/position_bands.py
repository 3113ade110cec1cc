"""Positions as bands behind the price, with their slippage."""

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.visual.parts.formats import format_duration, format_price, format_profit
from tradeexecutor.visual.parts.theme import Theme

__all__ = ["describe_position", "draw_bands"]


def draw_bands(
    figure: go.Figure,
    positions: Sequence[TradingPosition],
    top: float,
    end_at: datetime.datetime | None,
    theme: Theme,
) -> None:
    """Add a band for each position, a dot with its figures at the price `top`, and a line and an arrow for each trade.

    Parameters
    ----------
    end_at
        End of the bands of open positions; None for their last valuation.
    """
    line = theme.text
    shapes: list[dict[str, Any]] = list(figure.layout.shapes or [])
    for position in positions:
        closed_at = position.closed_at or end_at or position.get_last_valued_at()
        shapes.append(
            {
                "type": "rect",
                "xref": "x",
                "yref": "y domain",
                "x0": position.get_entered_at(),
                "x1": max(closed_at, position.get_entered_at()),
                "y0": 0,
                "y1": 1,
                "fillcolor": "LightGreen" if position.get_total_profit()[0] >= 0 else "LightPink",
                "opacity": 0.5 if theme.name == "light" else 0.2,
                "line": {"width": 0},
                "layer": "below",
            }
        )
    figure.update_layout(shapes=shapes)
    figure.add_scatter(
        x=[position.get_entered_at() for position in positions],
        y=[top] * len(positions),
        mode="markers",
        name="Positions",
        marker={"size": 8, "color": theme.main},
        text=[describe_position(position) for position in positions],
        hoverinfo="text",
        row=1,
        col=1,
    )
    trades = [trade for position in positions for trade in position.trades.values() if _has_slipped(trade)]
    if not trades:
        return
    x: list[datetime.datetime | None] = []
    y: list[float] = []
    for trade in trades:
        x += [trade.started_at or trade.opened_at, trade.executed_at, trade.executed_at]
        y += [trade.planned_price, trade.executed_price or np.nan, np.nan]
    line_style = {"color": line, "width": 1.5}
    figure.add_scatter(
        x=x, y=y, mode="lines", name="Slippage", line=line_style, hoverinfo="skip", connectgaps=False, row=1, col=1
    )
    for name, symbol, side in (("Buy", "arrow-right", True), ("Sell", "arrow-left", False)):
        chosen = [trade for trade in trades if trade.is_buy() is side]
        figure.add_scatter(
            x=[trade.executed_at for trade in chosen],
            y=[trade.executed_price for trade in chosen],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "size": 11, "color": line},
            text=[f"{name}, slippage {trade.get_slippage():+.3%}" for trade in chosen],
            hoverinfo="text",
            row=1,
            col=1,
        )


def _has_slipped(trade: TradeExecution) -> bool:
    is_done = trade.executed_at is not None and trade.failed_at is None and trade.repaired_at is None
    return is_done and bool(trade.executed_price) and trade.planned_price > 0


def describe_position(position: TradingPosition) -> str:
    """Return the tooltip of a position: result, prices and slippage at entry and exit, averages, times."""
    usd, percent = position.get_total_profit()
    status = "closed" if position.is_closed() else "frozen" if position.is_frozen() else "open"
    if position.closed_by_stop_loss():
        status += " by stop loss"
    elif position.closed_by_take_profit():
        status += " by take profit"
    lines = [f"Position #{position.position_id}, {status}", f"Profit {format_profit(usd)} ({percent:+.2%})", ""]
    done = [trade for trade in position.trades.values() if _has_slipped(trade)]
    if done:
        lines += _describe_trade("Entry", done[0])
    if len(done) > 1 and position.is_closed():
        lines += _describe_trade("Exit", done[-1])
    for name, price in (("buy", position.get_average_buy()), ("sell", position.get_average_sell())):
        if price:
            lines.append(f"Average {name} {format_price(price)} USD")
    if position.closed_at is not None:
        lines.append(f"Duration {format_duration(position.closed_at - position.get_entered_at())}")
    lines.append(f"Start {position.get_entered_at():%Y-%m-%d %H:%M}")
    if position.closed_at is not None:
        lines.append(f"End {position.closed_at:%Y-%m-%d %H:%M}")
    return "<br>".join(lines)


def _describe_trade(name: str, trade: TradeExecution) -> list[str]:
    assert trade.executed_price is not None
    assert trade.executed_at is not None
    lines = [] if trade.planned_mid_price is None else [f"{name} mid price {format_price(trade.planned_mid_price)} USD"]
    lines += [
        f"{name} expected {format_price(trade.planned_price)} USD",
        f"{name} executed {format_price(trade.executed_price)} USD",
        f"{name} slippage {trade.get_slippage():+.3%}",
    ]
    if trade.started_at is not None and trade.executed_at > trade.started_at:
        lines.append(f"{name} took {format_duration(trade.executed_at - trade.started_at)}")
    return [*lines, ""]
