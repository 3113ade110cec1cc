"""How far positions went against and for the strategy inside the candles: recorded at the end of a run.

Between two of its trades a position is valued at the low and at the high of every candle that lies wholly between
them, less the fee of selling, as positions are valued.  The candle in which a level was reached is left out, because
what it did after the fill did not happen to the position; the fill itself is part of the result.  A short loses at the
high; the interest of its loan is part of the result only.
"""

import bisect
import itertools
from collections.abc import Iterator

from tradeexecutor.analysis.adjusted.positions import EXCURSION_KEY
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.market_data import CandleCursor, to_us
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["record_excursions"]


def record_excursions(universe: TradingStrategyUniverse, portfolio: Portfolio) -> None:
    """Write the lowest and the highest profit of each closed spot or leveraged position into its ``other_data``."""
    pairs = set(universe.iterate_pairs())
    for position in portfolio.closed_positions.values():
        market = position.pair.get_pricing_pair()
        if (position.is_spot() or position.is_leverage()) and market in pairs:
            profits = list(_iterate_profits(position, universe.get_cursor(market)))
            if profits:
                data = position.other_data = position.other_data or {}
                data[EXCURSION_KEY] = [min(profits), max(profits)]


def _iterate_profits(position: TradingPosition, cursor: CandleCursor) -> Iterator[float]:
    """Yield the lowest and highest profit between two trades, fractions of everything that was bought or shorted."""
    trades = sorted(
        (trade for trade in position.trades.values() if trade.executed_at is not None),
        key=lambda trade: (trade.executed_at, trade.trade_id),
    )
    invested = position.get_total_sold_usd() if position.is_short() else position.get_total_bought_usd()
    fee = position.pair.get_pricing_pair().fee or 0.0
    held = cash = 0.0
    candles = cursor.candles
    for trade, following in itertools.pairwise(trades):
        held += float(trade.executed_quantity or 0)
        cash -= trade.get_value() if trade.is_buy() else -trade.get_value()
        inside = _find_candles(cursor, trade, following)
        if invested and inside.stop > inside.start:
            for price in (float(candles.low[inside].min()), float(candles.high[inside].max())):
                yield (cash + held * price * (1.0 - fee)) / invested


def _find_candles(cursor: CandleCursor, trade: TradeExecution, following: TradeExecution) -> slice:
    """Return the candles that lie wholly between two trades."""
    assert trade.executed_at is not None
    assert following.executed_at is not None
    start, end = to_us(trade.executed_at), to_us(following.executed_at)
    first = bisect.bisect_left(cursor.starts, start)
    last = bisect.bisect_right(cursor.ends, end)
    if last > first and cursor.ends[last - 1] == end and _is_filled_inside(cursor, following, end):
        last -= 1
    return slice(first, max(last, first))


def _is_filled_inside(cursor: CandleCursor, trade: TradeExecution, when: int) -> bool:
    """Tell whether a trade was filled inside the candle that ends at its time, and not at the open of the next one."""
    if not (trade.is_triggered() or trade.activated_trigger is not None):
        return False
    index = bisect.bisect_left(cursor.starts, when)
    is_open = index < cursor.count and cursor.starts[index] == when
    price = trade.price_structure.mid_price if trade.price_structure is not None else None
    return not (is_open and price == cursor.open[index])
