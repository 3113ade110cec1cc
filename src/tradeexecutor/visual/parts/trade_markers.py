"""Markers of executed trades on a price chart."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.analysis.adjusted.positions import get_net_result
from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.visual.parts.candles import get_price_pair
from tradeexecutor.visual.parts.formats import format_price
from tradeexecutor.visual.parts.theme import Theme, shorten

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["export_trades_as_dataframe", "format_trade", "visualise_trades"]

_LINE = "-" * 60

#: If there are more markers than this, they are smaller.
_MAX_LARGE_MARKERS = 80

#: Type of a failed trade, repaired or not; it has no marker.
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Mark:
    """Marker of a type of trade."""

    name: str
    symbol: str
    fill: str
    border: str


def _get_marks(theme: Theme) -> dict[str, _Mark]:
    border = theme.text
    return {
        "buy": _Mark("Buy", "triangle-right", "#56b4e9", border),
        "sell": _Mark("Sell", "triangle-left", "#f0c040", border),
        "stop_loss": _Mark("Stop loss", "arrow-down", "", border),
        "take_profit": _Mark("Take profit", "arrow-up", "lightgreen", border),
        "open_credit_supply": _Mark("Open credit supply", "triangle-ne", "green", border),
        "close_credit_supply": _Mark("Close credit supply", "triangle-sw", "orange", border),
    }


def _get_type(trade: TradeExecution) -> str:
    if trade.failed_at is not None or trade.repaired_at is not None:
        return FAILED
    if trade.is_credit_supply():
        return "open_credit_supply" if trade.is_buy() else "close_credit_supply"
    if trade.is_stop_loss():
        return "stop_loss"
    if trade.is_take_profit():
        return "take_profit"
    return "buy" if trade.is_buy() else "sell"


@contract_signature
def export_trades_as_dataframe(
    state: "State",
    pair: TradingPairIdentifier | None = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    include_credit_supply: bool = False,
) -> pd.DataFrame:
    """Return the finished trades of a pair.

    Parameters
    ----------
    pair
        Pair of the trades; None for all pairs. A leveraged position belongs to the pair from which its price is taken.
    start_at, end_at
        Time range of the execution or failure; both ends inclusive.
    include_credit_supply
        Include the trades that lend the reserve, for any pair.

    Returns
    -------
    pandas.DataFrame
        By time of execution or failure, ascending: ``trade_id``, ``position_id``, ``type`` (``buy``, ``sell``,
        ``stop_loss``, ``take_profit``, ``open_credit_supply``, ``close_credit_supply``, ``failed``), ``price`` (the
        planned mid price, else the planned price; USD per base token), ``is_profitable`` (of the position),
        ``text`` (HTML).
    """
    frame = read_trades(state, pair, start_at, end_at, include_credit_supply=include_credit_supply)
    texts = [format_trade(trade) for trade in frame["trade"]]
    return frame.drop(columns="trade").assign(text=pd.Series(texts, index=frame.index, dtype=object))


def read_trades(
    state: "State",
    pair: TradingPairIdentifier | None,
    start_at: datetime.datetime | None,
    end_at: datetime.datetime | None,
    *,
    include_credit_supply: bool,
) -> pd.DataFrame:
    """Return `export_trades_as_dataframe` with the trade objects in a column ``trade`` instead of their texts."""
    rows: list[tuple[Any, ...]] = []
    for position in state.portfolio.get_all_positions():
        is_credit = position.pair.kind.is_credit_supply()
        if is_credit and not include_credit_supply:
            continue
        if not is_credit and pair is not None and get_price_pair(position.pair) != pair:
            continue
        is_profitable = get_net_result(position)[0] > 0
        for trade in position.trades.values():
            when = trade.executed_at or trade.failed_at
            if when is None or (start_at is not None and when < start_at) or (end_at is not None and when > end_at):
                continue
            price = trade.planned_mid_price or trade.planned_price
            row = (when, trade.trade_id, position.position_id, _get_type(trade), price, is_profitable, trade)
            rows.append(row)
    rows.sort(key=lambda row: row[:2])
    columns = ["trade_id", "position_id", "type", "price", "is_profitable", "trade"]
    return pd.DataFrame([row[1:] for row in rows], columns=columns, index=to_time_index(row[0] for row in rows))


def visualise_trades(
    fig: go.Figure,
    trades: pd.DataFrame,
    theme: Theme,
    row: int | None = None,
    prices: "pd.Series[float] | None" = None,
    limit: int | None = None,
) -> int:
    """Add the markers of trades to a price chart: a trace for each type that occurs, and always one for buys and sells.

    Parameters
    ----------
    fig
        Figure to change.
    trades
        Result of `export_trades_as_dataframe` or `read_trades`.
    prices
        Prices at which markers of credit trades are drawn, because these have no price.
    limit
        Largest number of markers; the latest trades are drawn.

    Returns
    -------
    int
        Number of markers that were left out.
    """
    size = 12 if len(trades) <= _MAX_LARGE_MARKERS else 9
    trades = trades[trades["type"] != FAILED]
    left_out = 0 if limit is None else max(len(trades) - limit, 0)
    trades = trades.iloc[left_out:]
    place = {} if row is None else {"row": row, "col": 1}
    for kind, mark in _get_marks(theme).items():
        chosen = trades[trades["type"] == kind]
        if not len(chosen) and kind not in ("buy", "sell"):
            continue
        fill: str | list[str] = mark.fill or [theme.gain if good else theme.loss for good in chosen["is_profitable"]]
        fig.add_scatter(
            x=chosen.index,
            y=_place_loans(chosen, prices) if kind.endswith("credit_supply") else chosen["price"],
            mode="markers",
            name=mark.name,
            marker={
                "symbol": mark.symbol,
                "size": size,
                "color": fill,
                "line": {"color": mark.border, "width": 1},
            },
            text=chosen["text"] if "text" in chosen else [format_trade(trade) for trade in chosen["trade"]],
            hoverinfo="text",
            showlegend=bool(len(chosen)),
            **place,
        )
    return left_out


def _place_loans(trades: pd.DataFrame, prices: "pd.Series[float] | None") -> "pd.Series[float]":
    if prices is None or not len(prices):
        return trades["price"]
    at = np.maximum(prices.index.searchsorted(trades.index, side="right") - 1, 0)
    return pd.Series(prices.to_numpy()[at], index=trades.index)


def format_trade(trade: TradeExecution) -> str:
    """Return the tooltip of a trade: headline, trigger, time, value, quantity, price, costs, notes."""
    base = shorten(trade.pair.base.token_symbol)
    market = f"{base} / USD"
    kind = _get_type(trade)
    if trade.is_credit_supply():
        headline = f"{'Open' if trade.is_buy() else 'Close'} credit supply {trade.pair.quote.token_symbol}"
    else:
        names = {"stop_loss": "Stop loss", "take_profit": "Take profit"}
        headline = f"{names.get(kind, 'Buy' if trade.is_buy() else 'Sell')} {base}"
    lines = [_LINE, headline, ""]
    if kind in ("stop_loss", "take_profit") and (trade.planned_mid_price or trade.planned_price):
        lines.append(f"Triggered at: {format_price(trade.planned_mid_price or trade.planned_price)} {market}")
    if trade.executed_at is not None:
        lines += [
            f"Executed at: {trade.executed_at:%Y-%m-%d %H:%M:%S}",
            f"Value: {trade.get_value():,.4f} USD",
            f"Quantity: {abs(trade.get_position_quantity()):,.6f} {base}",
        ]
    if trade.executed_price is not None:
        lines.append(f"Executed at price: {format_price(trade.executed_price)} {market}")
    fees = sum_fees(trade.lp_fees_paid)
    if fees:
        lines.append(f"Fees paid: {fees:,.4f} USD")
    gas = trade.get_cost_of_gas_usd()
    if gas:
        lines.append(f"Gas fee: {gas:.4f}")
    if trade.notes:
        lines += [shorten(line.strip(), 80) for line in trade.notes.splitlines() if line.strip()][:4]
    return "<br>".join(lines)


def count_marks(trades: pd.DataFrame) -> int:
    """Return the number of trades with a marker."""
    return int((trades["type"] != FAILED).sum())


def iterate_positions_of(state: "State", pair: TradingPairIdentifier) -> Iterable[TradingPosition]:
    """Yield the positions that are shown in the price chart of a pair."""
    for position in state.portfolio.get_all_positions():
        if not position.pair.kind.is_credit_supply() and get_price_pair(position.pair) == pair:
            yield position
