"""Profit of a position over time, by two methods: first in, first out, and moving average cost.

All functions take the frame of :py:func:`tradeexecutor.visual.parts.position_history.calculate_position_timeline` and
use, by time, ``delta`` (tokens bought, +, or sold, -; NaN or 0 between trades), ``executed_price`` and ``mark_price``
(USD per token). Fees are part of the executed price. Only long positions are supported: nothing is sold short.
"""

import datetime
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from tradeexecutor.state.errors import InvalidValue

__all__ = [
    "PnLMethod",
    "calculate_lot_level_pnl_fifo",
    "calculate_macb_pnl",
    "calculate_pnl",
    "track_lot_profitability",
    "track_lot_profitability_detailed",
]

_YEAR = datetime.timedelta(days=365)

#: A remainder below this fraction of the holding is rounding.
_ROUNDING_FRACTION = 1e-9


@dataclass(slots=True)
class _Lot:
    """Tokens of one purchase that are still held."""

    number: int
    opened_at: pd.Timestamp
    bought: float
    price: float
    left: float


@dataclass(frozen=True, slots=True)
class _Sale:
    """Tokens of one lot that were sold together."""

    lot: _Lot
    closed_at: pd.Timestamp
    quantity: float
    price: float

    @property
    def profit(self) -> float:
        return self.quantity * (self.price - self.lot.price)


#: Adds the columns of profit to a timeline.
PnLMethod: TypeAlias = Callable[[pd.DataFrame], pd.DataFrame]


def _iterate_trades(df: pd.DataFrame) -> Iterator[tuple[int, pd.Timestamp, float, float]]:
    """Yield row number, time, delta and executed price of each row with a trade."""
    deltas = np.nan_to_num(df["delta"].to_numpy(dtype=np.float64))
    prices = df["executed_price"].to_numpy(dtype=np.float64)
    for row in np.flatnonzero(deltas).tolist():
        if not np.isfinite(prices[row]):
            raise InvalidValue(f"the trade at {df.index[row]} has no executed price")
        yield row, df.index[row], float(deltas[row]), float(prices[row])


def _take_from(lots: deque[_Lot], when: pd.Timestamp, quantity: float, price: float) -> Iterator[_Sale]:
    """Sell tokens, the oldest lots first, and yield a sale for each lot; `lots` is changed."""
    held = sum(lot.left for lot in lots)
    if quantity > held * (1 + _ROUNDING_FRACTION) + _ROUNDING_FRACTION:
        raise InvalidValue(f"at {when} {quantity} tokens are sold and {held} are held")
    while quantity > 0 and lots:
        lot = lots[0]
        taken = min(quantity, lot.left)
        lot.left -= taken
        quantity -= taken
        if lot.left <= lot.bought * _ROUNDING_FRACTION:
            lots.popleft()
        yield _Sale(lot, when, taken, price)


def _follow_lots(df: pd.DataFrame) -> tuple[list[_Lot], list[_Sale]]:
    lots: deque[_Lot] = deque()
    all_lots: list[_Lot] = []
    sales: list[_Sale] = []
    for _, when, delta, price in _iterate_trades(df):
        if delta > 0:
            lot = _Lot(len(all_lots) + 1, when, delta, price, delta)
            lots.append(lot)
            all_lots.append(lot)
        else:
            sales += _take_from(lots, when, -delta, price)
    return all_lots, sales


def calculate_pnl(df: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of profit by the method first in, first out: the tokens bought first are sold first.

    Returns
    -------
    pandas.DataFrame
        A copy with ``avg_price`` (USD per token still held), ``realised_pnl`` and ``unrealised_pnl`` (USD so far),
        ``realised_delta`` (USD realised in this row), ``realised_pnl_pct``, ``unrealised_pnl_pct`` and ``pnl``
        (fractions of all the money that was invested), ``duration``, and ``pnl_annualised`` =
        (1 + pnl) ** (365 days / duration) - 1.

    Raises
    ------
    InvalidValue
        More is sold than was bought, or a trade has no price.
    """
    lots: deque[_Lot] = deque()
    cost = np.full(len(df), np.nan)
    delta_profit = np.zeros(len(df))
    for row, when, delta, price in _iterate_trades(df):
        if delta > 0:
            lots.append(_Lot(0, when, delta, price, delta))
        else:
            delta_profit[row] = sum(sale.profit for sale in _take_from(lots, when, -delta, price))
        cost[row] = sum(lot.left * lot.price for lot in lots)
    return _add_profit(df, cost, delta_profit)


def calculate_macb_pnl(df: pd.DataFrame) -> pd.DataFrame:
    """Add the columns of profit by the method moving average cost: every token held has the average cost.

    The columns and errors are those of `calculate_pnl`.

    Raises
    ------
    InvalidValue
        More tokens are sold than were held.
    """
    quantity = held_cost = 0.0
    cost = np.full(len(df), np.nan)
    delta_profit = np.zeros(len(df))
    for row, when, delta, price in _iterate_trades(df):
        if delta > 0:
            quantity += delta
            held_cost += delta * price
        else:
            sold = -delta
            if sold > quantity * (1 + _ROUNDING_FRACTION) + _ROUNDING_FRACTION:
                raise InvalidValue(f"at {when} {sold} tokens are sold and {quantity} are held")
            average = held_cost / quantity
            delta_profit[row] = sold * (price - average)
            quantity = max(quantity - sold, 0.0)
            held_cost = quantity * average
        cost[row] = held_cost
    return _add_profit(df, cost, delta_profit)


def _add_profit(df: pd.DataFrame, cost: "np.ndarray", delta_profit: "np.ndarray") -> pd.DataFrame:
    """Add the columns of profit, computed from the cost of the holding after each trade and the profit of each sale."""
    result = df.copy()
    deltas = df["delta"].fillna(0.0)
    quantity = deltas.cumsum()
    held_cost = pd.Series(cost, index=df.index).ffill().fillna(0.0)
    put_in = (deltas.clip(lower=0.0) * df["executed_price"].fillna(0.0)).cumsum()
    is_held = quantity > deltas.abs().max() * _ROUNDING_FRACTION
    result["avg_price"] = (held_cost / quantity).where(is_held)
    result["realised_delta"] = delta_profit
    result["realised_pnl"] = delta_profit.cumsum()
    value = df["value"] if "value" in df else quantity * df["mark_price"]
    result["unrealised_pnl"] = (value - held_cost).where(is_held, 0.0)
    divisor = put_in.where(put_in > 0)
    result["realised_pnl_pct"] = result["realised_pnl"] / divisor
    result["unrealised_pnl_pct"] = result["unrealised_pnl"] / divisor
    result["pnl"] = result["realised_pnl_pct"] + result["unrealised_pnl_pct"]
    duration = pd.Series(df.index - df.index[0], index=df.index)
    result["duration"] = duration
    exponent = _YEAR / duration.where(duration > datetime.timedelta(0))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        annualised = (1.0 + result["pnl"]).clip(lower=0.0) ** exponent - 1.0
    result["pnl_annualised"] = annualised.where(np.isfinite(annualised) & exponent.notna())
    return result


def calculate_lot_level_pnl_fifo(df: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each part of a purchase that was sold together, and for each part still held.

    Returns
    -------
    pandas.DataFrame
        ``lot`` (number of the purchase, from 1), ``opened_at``, ``closed_at`` (NaT while held), ``quantity``,
        ``buy_price``, ``sell_price`` (the latest mark while held), ``pnl`` (USD), ``pnl_pct`` (a fraction),
        ``is_open``.

    Raises
    ------
    InvalidValue
        As `calculate_pnl`.
    """
    lots, sales = _follow_lots(df)
    mark = float(df["mark_price"].iloc[-1]) if len(df) else np.nan
    parts = [(sale.lot, sale.closed_at, sale.quantity, sale.price, False) for sale in sales]
    parts += [(lot, pd.NaT, lot.left, mark, True) for lot in lots if lot.left > lot.bought * _ROUNDING_FRACTION]
    rows = [
        (
            lot.number,
            lot.opened_at,
            closed_at,
            quantity,
            lot.price,
            price,
            quantity * (price - lot.price),
            price / lot.price - 1.0,
            is_open,
        )
        for lot, closed_at, quantity, price, is_open in parts
    ]
    columns = ["lot", "opened_at", "closed_at", "quantity", "buy_price", "sell_price", "pnl", "pnl_pct", "is_open"]
    return pd.DataFrame(rows, columns=columns)


def track_lot_profitability(df: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each purchase with its profit, first in, first out.

    Returns
    -------
    pandas.DataFrame
        By ``lot``: ``opened_at``, ``bought`` and ``left`` (tokens), ``buy_price``, ``realised_pnl``,
        ``unrealised_pnl`` and ``pnl`` (USD), ``pnl_pct`` (a fraction of the cost of the purchase).

    Raises
    ------
    InvalidValue
        As `calculate_pnl`.
    """
    parts = calculate_lot_level_pnl_fifo(df)
    lots, _ = _follow_lots(df)
    realised = parts[~parts["is_open"].astype(bool)].groupby("lot")["pnl"].sum()
    unrealised = parts[parts["is_open"].astype(bool)].groupby("lot")["pnl"].sum()
    frame = pd.DataFrame(
        [(lot.number, lot.opened_at, lot.bought, lot.left, lot.price) for lot in lots],
        columns=["lot", "opened_at", "bought", "left", "buy_price"],
    ).set_index("lot")
    frame["realised_pnl"] = realised.reindex(frame.index).fillna(0.0)
    frame["unrealised_pnl"] = unrealised.reindex(frame.index).fillna(0.0)
    frame["pnl"] = frame["realised_pnl"] + frame["unrealised_pnl"]
    frame["pnl_pct"] = frame["pnl"] / (frame["bought"] * frame["buy_price"])
    return frame


def track_lot_profitability_detailed(df: pd.DataFrame) -> pd.DataFrame:
    """Return the profit of each purchase over time, USD: realised profit plus unrealised profit of the rest.

    Returns
    -------
    pandas.DataFrame
        The index of the timeline; a column for each lot number, NaN before its purchase.

    Raises
    ------
    InvalidValue
        As `calculate_pnl`.
    """
    lots, sales = _follow_lots(df)
    marks = df["mark_price"].to_numpy(dtype=np.float64)
    columns: dict[int, np.ndarray] = {}
    for lot in lots:
        first = int(df.index.searchsorted(lot.opened_at))
        left = np.full(len(df), lot.bought)
        realised = np.zeros(len(df))
        for sale in sales:
            if sale.lot is lot:
                row = int(df.index.searchsorted(sale.closed_at))
                left[row:] -= sale.quantity
                realised[row:] += sale.profit
        left[left < lot.bought * _ROUNDING_FRACTION] = 0.0
        profit = realised + np.where(left > 0, left * (marks - lot.price), 0.0)
        profit[:first] = np.nan
        columns[lot.number] = profit
    return pd.DataFrame(columns, index=df.index)
