"""States for charts: ten days of a portfolio whose figures can be worked out by hand."""

import datetime
from decimal import Decimal

import pandas as pd

from tests.kit.portfolios import COIN, DAY, PAIR, START, USD, execute, make_state, record_equity, record_flow
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.trade import TradeExecution, TradeType

GOLD = AssetIdentifier(-1, f"0x{8:040x}", "GOLD", 18)
GOLD_PAIR = TradingPairIdentifier(GOLD, USD, f"0x{9:040x}", f"0x{4:040x}", internal_id=8, fee=0.0)

__all__ = ["COIN", "DAY", "GOLD_PAIR", "PAIR", "START", "USD", "make_candles", "make_traded", "sample", "trade_pair"]


def trade_pair(
    state: State,
    quantity: int,
    price: float,
    day: float,
    pair: TradingPairIdentifier = PAIR,
    kind: TradeType = TradeType.rebalance,
    mid_price: float | None = None,
) -> tuple[TradingPosition, TradeExecution]:
    """Trade on a day after the start; the plan asked for a price of 1 more, the execution got `price`."""
    when = START + day * DAY
    position, planned, _ = state.create_trade(
        when, pair, Decimal(quantity), None, price + 1, kind, USD, 1.0, planned_mid_price=mid_price
    )
    execute(state, planned, float(price), when)
    return position, planned


def sample(state: State, position: TradingPosition, day: float, price: float, quantity: float = 1.0) -> None:
    when = START + day * DAY
    state.stats.positions.setdefault(position.position_id, []).append(
        PositionStatistics(when, when, 0.0, 0.0, quantity, quantity * price)
    )


def make_traded() -> State:
    """Buy COIN at 100, sell at 120 on day 3; buy at 110 on day 4, stop at 90 on day 5; GOLD stays open.

    The portfolio is worth 1000 at the start; 500 more are deposited on day 6.
    """
    state = make_state()
    record_flow(state, 0, 1000)
    first, _ = trade_pair(state, 1, 100, 1, mid_price=99.5)
    trade_pair(state, -1, 120, 3, mid_price=120.5)
    second, _ = trade_pair(state, 1, 110, 4)
    trade_pair(state, -1, 90, 5, kind=TradeType.stop_loss)
    third, _ = trade_pair(state, 2, 50, 5, GOLD_PAIR)
    record_flow(state, 6, 500)
    record_equity(
        state,
        {0: 1000, 1: 1000, 2: 1010, 3: 1020, 4: 1020, 5: 1000, 6: 1500, 7: 1515, 8: 1500, 9: 1530, 10: 1530},
    )
    cash = [1000, 900, 900, 1020, 910, 900, 1400, 1400, 1400, 1400, 1400]
    for statistics, free in zip(state.stats.portfolio, cash, strict=True):
        statistics.free_cash = float(free)
    for day, price in ((1, 100), (2, 110), (3, 120)):
        sample(state, first, day, price)
    for day, price in ((4, 110), (5, 90)):
        sample(state, second, day, price)
    for day, price in ((5, 50), (6, 50), (7, 57.5), (8, 50), (9, 65), (10, 65)):
        sample(state, third, day, price, 2.0)
    return state


def make_candles(days: int = 11, base: float = 100.0, step: datetime.timedelta = DAY) -> pd.DataFrame:
    """Candles from the start; each opens at the close of the one before, and rises by 1."""
    index = pd.DatetimeIndex([START + number * step for number in range(days)])
    opens = pd.Series([base + number for number in range(days)], index=index)
    columns = {"open": opens, "high": opens + 2, "low": opens - 1, "close": opens + 1, "volume": opens * 0 + 5}
    return pd.DataFrame(columns)
