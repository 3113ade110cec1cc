"""The trend-following example, replicated with pandas alone: the same trades and the same money, to the cent.

`replicate` knows nothing of this project; it reads candles and returns what the rules in words come to.
"""

import pandas as pd
import pytest

from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.dataset import load_dataset

FEE, CASH, SHARE, TRAIL = 0.001, 10_000.0, 0.95, 0.85


def replicate(candles: pd.DataFrame) -> tuple[list[tuple[pd.Timestamp, str, float, float]], pd.Series]:
    """Return (time, side, units, price) of the trades, and the equity when the candles end."""
    fast, slow = candles["close"].rolling(20).mean(), candles["close"].rolling(60).mean()
    above = fast > slow
    crossed = above & (fast.shift(1) <= slow.shift(1))
    cash, units, stop = CASH, 0.0, 0.0
    trades, equity = [], {}

    def sell(time: pd.Timestamp, price: float) -> None:
        nonlocal cash, units
        trades.append((time, "sell", units, price))
        cash, units = cash + units * price * (1 - FEE), 0.0

    times = [pd.Timestamp(str(time)) for time in candles.index]
    for row, (time, (_, bar)) in enumerate(zip(times, candles.iterrows(), strict=True)):
        end = time + pd.Timedelta(days=1)
        if units and bar["open"] <= stop:
            sell(time, bar["open"])
        if units:
            stop = max(stop, bar["open"] * TRAIL)
        # The decision at the open knows the averages up to the candle before.
        if units and fast.iloc[row - 1] < slow.iloc[row - 1]:
            sell(time, bar["open"])
        elif not units and row and crossed.iloc[row - 1]:
            spent = cash * SHARE
            units, cash, stop = spent / (bar["open"] * (1 + FEE)), cash - spent, bar["open"] * TRAIL
            trades.append((time, "buy", units, bar["open"]))
        # Inside the candle: low before high, or high before low, whichever leaves less.
        lifted = max(stop, bar["high"] * TRAIL)
        if units and bar["low"] <= stop:
            sell(end, stop)
        elif units and bar["low"] <= lifted:
            sell(end, lifted)
        stop = lifted
        equity[end] = cash + units * bar["close"] * (1 - FEE)
    return trades, pd.Series(equity)


def test_the_example_trades_and_earns_what_pandas_says():
    candles = load_dataset("goog-daily")["GOOG-USD"]
    expected, equity = replicate(candles.to_dataframe())
    result = run_backtest_for_module(REPOSITORY / "examples" / "trend_following.py", progress=False)
    executed = [trade for trade in result.state.portfolio.get_all_trades() if trade.executed_at is not None]
    executed.sort(key=lambda trade: trade.trade_id)
    actual = [
        (
            trade.executed_at,
            "buy" if trade.is_buy() else "sell",
            abs(float(trade.executed_quantity or 0)),
            trade.planned_mid_price,
        )
        for trade in executed
    ]
    assert len(actual) == len(expected) > 30
    for one, other in zip(actual, expected, strict=True):
        assert one[:2] == other[:2]
        assert one[2:] == pytest.approx(other[2:], rel=1e-8)
    assert sum(trade.is_stop_loss() for trade in executed) >= 3, "the trailing stop was at work"
    assert result.state.portfolio.get_net_asset_value() == pytest.approx(equity.iloc[-1], abs=0.005)
    fees = [trade.lp_fees_paid for trade in executed]
    assert fees == pytest.approx([units * price * FEE for _, _, units, price in expected], rel=1e-6)
