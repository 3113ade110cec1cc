"""What happens when orders and changes of levels reach their markets, after a latency or when a market opens.

At one time, the steps are:

1. what was in the market before meets its prices: stop losses, take profits, resting orders, liquidations;
2. levels that the strategy has moved take effect;
3. the orders fill: those that bring cash, those that spend it, lending.

A candle is known when it has ended, so what has arrived inside it is booked then, with the prices of its moment, see
`tradeexecutor.strategy.latency`.
"""

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal

from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.candle_path import PriceRange, get_rest
from tradeexecutor.strategy.latency import get_range_before, is_early, price_moment
from tradeexecutor.strategy.market_queue import is_increase, prepare_fill, sort_by_cash
from tradeexecutor.strategy.moved_levels import LevelMove
from tradeexecutor.strategy.runner import StrategyRunner

__all__ = ["fill_at_open", "fill_inside", "fill_lending"]


def fill_at_open(runner: StrategyRunner, ts: datetime.datetime, opens: Mapping[int, float]) -> list[TradeExecution]:
    """Execute the orders that have reached markets which open now, at their first price.

    Parameters
    ----------
    runner
        Runner with the queue.
    ts
        Time of the open, naive UTC.
    opens
        First prices by the internal ids of the pairs that open.

    Returns
    -------
    list
        Executed trades.
    """
    moves = runner.queue.take_moves(ts, opens)
    trades = runner.queue.take(ts, opens)
    if not (moves or trades):
        return []
    # A level that arrives with the open takes over from the old one, and a loan may be liquidated at the open.
    before = {move.position.position_id: move.position for move in moves if move.arrives_at == ts}
    open_positions = runner.state.portfolio.open_positions
    lent = [trade.position_id for trade in trades if trade.is_leverage()]
    before |= {number: open_positions[number] for number in lent if number in open_positions}
    ranges = {number: PriceRange.at(opens[position.pair.internal_id or 0]) for number, position in before.items()}
    return _arrive(runner, ts, ranges, moves, [(trade, None) for trade in trades])


def fill_inside(
    runner: StrategyRunner, ts: datetime.datetime, candles: Mapping[int, PriceRange]
) -> tuple[list[TradeExecution], dict[int, PriceRange]]:
    """Execute the orders that have reached their markets inside candles that end now.

    Parameters
    ----------
    runner
        Runner with the queue.
    ts
        End of the candles, naive UTC.
    candles
        Candles by the internal ids of their pairs.

    Returns
    -------
    tuple
        Executed trades, and the rests of the candles for positions that something has reached, by position id.
    """
    moves = runner.queue.take_moves_inside(ts, candles)
    arrived = runner.queue.take_inside(ts, candles)
    lent = runner.queue.take(ts, ())
    if not (moves or arrived or lent):
        return [], {}
    shares = {position.position_id: (position, share) for move, share in moves for position in [move.position]}
    positions = runner.state.portfolio.open_positions
    shares |= {
        trade.position_id: (positions[trade.position_id], share)
        for trade, share in arrived
        if trade.position_id in positions
    }
    before = {
        number: get_range_before(candles[position.pair.internal_id or 0], share, is_short=position.is_short())
        for number, (position, share) in shares.items()
    }
    prices = {
        trade.trade_id: price_moment(candles[trade.pair.internal_id or 0], share, is_buy=trade.is_buy())
        for trade, share in arrived
    }
    trades = sort_by_cash([*(trade for trade, _ in arrived), *lent])
    orders = [(trade, prices.get(trade.trade_id)) for trade in trades]
    executed = _arrive(runner, ts, before, [move for move, _ in moves], orders)
    rests: dict[int, PriceRange] = {}
    for number, (position, share) in shares.items():
        # What was opened here, or has another target since, may have missed the better extreme.
        opened = [
            trade for trade in executed if trade.position_id == number and is_increase(trade) and trade.is_success()
        ]
        is_new = bool(opened) or any(move.position is position and not move.keeps_target for move, _ in moves)
        candle = candles[position.pair.internal_id or 0]
        # A resting order may have opened it before the arrival.
        price = next((prices[trade.trade_id] for trade in opened if trade.trade_id in prices), before[number].close)
        rests[number] = get_rest(
            candle, price, ts, is_short=position.is_short(), counts_best=is_early(share) or not is_new
        )
    return executed, rests


def fill_lending(runner: StrategyRunner, ts: datetime.datetime) -> list[TradeExecution]:
    """Execute the orders that need no market and have arrived by now, and return the executed trades."""
    trades = runner.queue.take(ts, ())
    return _arrive(runner, ts, {}, (), [(trade, None) for trade in trades]) if trades else []


def _arrive(
    runner: StrategyRunner,
    ts: datetime.datetime,
    before: Mapping[int, PriceRange],
    moves: Iterable[LevelMove],
    orders: Iterable[tuple[TradeExecution, float | None]],
) -> list[TradeExecution]:
    """Check what was in the market before, apply moves, and fill orders at mid prices; None is the current one."""
    executed = runner.check_triggers(ts, lambda position: before.get(position.position_id), record=False)
    for move in moves:
        move.apply(ts)
    manager = runner.make_position_manager(ts)
    for trade, price in orders:
        if runner.queue.waits_for_cash(trade, _get_cash(runner, trade)):
            runner.queue.waiting.append(trade)
        elif prepare_fill(manager, trade, price):
            executed += runner.execute(ts, [trade], triggered=True)
    return executed


def _get_cash(runner: StrategyRunner, trade: TradeExecution) -> Decimal:
    return runner.state.portfolio.get_reserve_position(trade.reserve_currency).quantity
