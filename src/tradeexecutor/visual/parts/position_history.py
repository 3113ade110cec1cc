"""One position over time, as a table: quantity, value and profit."""

import datetime
from typing import Any

import pandas as pd

from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.visual.parts.candles import find_candles, get_price_pair
from tradeexecutor.visual.parts.history import crop
from tradeexecutor.visual.parts.position_profit import PnLMethod, calculate_pnl

__all__ = ["calculate_position_timeline"]


def calculate_position_timeline(
    strategy_universe: Any,
    position: TradingPosition,
    end_at: datetime.datetime | None = None,
    pnl_method: PnLMethod = calculate_pnl,
) -> pd.DataFrame:
    """Return the holdings and profit of a position at each candle and each trade.

    Parameters
    ----------
    strategy_universe
        See :py:mod:`tradeexecutor.visual.parts.candles`; None for the prices recorded in the position.
    position
        A spot or vault position.
    end_at
        End of the timeline of an open position; None for the last candle.
    pnl_method
        `calculate_pnl` (first in, first out) or `calculate_macb_pnl` (moving average cost).

    Returns
    -------
    pandas.DataFrame
        By naive UTC time: ``quantity`` held, ``delta`` of a trade, ``executed_price``, ``fee`` (USD),
        ``cumulative_cost`` and ``cumulative_value`` (USD bought and sold so far), ``mark_price``, ``value`` (USD after
        the fee of the pair), and the columns of
        :py:func:`~tradeexecutor.visual.parts.position_profit.calculate_pnl`.

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
    # Trades at the same time are one row.
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
    """Return the prices from opening to closing, USD per token."""
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
