"""Stop losses, take profits, resting orders and the liquidation of shorts and leveraged longs between decisions.

The rules are those of `tradeexecutor.strategy.candle_path`; the price of liquidation is one more level, that of the
present loan with the interest booked so far. A short is followed along the price times minus one: what rises for it
falls for a long, so that the same rules apply, and of the possible paths of a candle the one with the worse result
counts. An exit of a part shrinks both sides of the loan by the same share, so the price of liquidation stays.
"""

import dataclasses
import datetime
import math

from tradeexecutor.state.booking.waiting_orders import add_expired_triggers, expire_if_never_opened, expire_order
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trigger import Trigger, TriggerCondition
from tradeexecutor.strategy.candle_path import Book, Condition, Hit, PriceRange, RestingOrder, walk_candle
from tradeexecutor.strategy.pandas_trader.leveraged_rules import get_liquidation_price
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

__all__ = ["fill_entry", "fill_exit", "find_entry", "find_hits", "get_liquidation_price"]


def find_hits(book: Book, prices: PriceRange, ts: datetime.datetime, penalty: float) -> list[Hit]:
    """Return the levels and orders of an open position that the prices reach, and move its trailing stop loss.

    Parameters
    ----------
    book
        Levels and resting orders of a short or leveraged long; only the trailing stop loss of its position is changed.
    prices
        Price range of its market.
    ts
        Time of the check, naive UTC.
    penalty
        Penalty of a liquidation, a fraction of the debt.

    Returns
    -------
    list
        Fills in order. One without an order and a trade type is a liquidation.
    """
    position = book.position
    loan = position.loan
    if loan is None or position.is_pending() or not position.get_quantity():
        return []
    book.held = abs(float(position.get_quantity()))
    liquidation = get_liquidation_price(loan)
    if 0 < liquidation < math.inf:
        book.liquidation = liquidation
    if position.is_short():
        book, prices, book_penalty = _mirror(book), _mirror_range(prices), -penalty
    else:
        # The penalty is a fraction of the debt, which is this share of the collateral by then.
        book_penalty = penalty * (loan.pair.get_collateral_token().liquidation_threshold or 1.0)
    book.penalty = book_penalty
    walk = walk_candle([book], prices)
    (walked,) = walk.books
    hits = walk.hits
    if position.is_short():
        hits = [_mirror_hit(hit) for hit in hits]
    if walked.trailed_to is not None and walked.stop_loss is not None:
        sign = -1 if position.is_short() else 1
        _trail(position, sign * walked.stop_loss, sign * walked.trailed_to, ts)
    return hits


def _mirror(book: Book) -> Book:
    """Return the book of a short along the price times minus one."""
    return dataclasses.replace(
        book,
        stop_loss=None if book.stop_loss is None else -book.stop_loss,
        take_profit=None if book.take_profit is None else -book.take_profit,
        liquidation=None if book.liquidation is None else -book.liquidation,
        trailing=None if book.trailing is None else 2 - book.trailing,
        orders=[
            dataclasses.replace(order, conditions=tuple(map(_mirror_condition, order.conditions)))
            for order in book.orders
        ],
    )


def _mirror_condition(condition: Condition) -> Condition:
    if math.isinf(condition.level):
        return condition  # a time that has passed; any price meets it
    return Condition(-condition.level, not condition.rising, condition.trigger)


def _mirror_range(prices: PriceRange) -> PriceRange:
    return PriceRange(-prices.open, -prices.low, -prices.high, -prices.close, prices.start)


def _mirror_hit(hit: Hit) -> Hit:
    return dataclasses.replace(hit, price=-hit.price, condition=_mirror_condition(hit.condition))


def _trail(position: TradingPosition, level: float, price: float, ts: datetime.datetime) -> None:
    position.trigger_updates.append(
        TriggerPriceUpdate(
            timestamp=ts,
            mid_price=price,
            stop_loss_before=position.stop_loss,
            stop_loss_after=level,
            take_profit_before=position.take_profit,
            take_profit_after=position.take_profit,
        )
    )
    position.stop_loss = level


# --- Entries that rest in the market


def find_entry(
    position: TradingPosition, prices: PriceRange, ts: datetime.datetime, latency: datetime.timedelta
) -> Hit | None:
    """Return the order of a pending position that the prices reach; None if they do not.

    The limit of a short is above the price and its stop below it, those of a long the other way round. Of two that one
    candle reaches the worse one fills, the stop. An order that lapses inside the candle fills at its open only, because
    what came later is not known. One that is on its way to the market, see `tradeexecutor.strategy.latency`, fills not
    at all, and one that has reached it inside the candle only at its close.
    """
    hits: list[Hit] = []
    for trade in position.pending_trades.values():
        arrives_at = trade.opened_at + latency
        if arrives_at > ts:
            continue
        is_late = prices.start is not None and arrives_at > prices.start
        for trigger in trade.triggers or ():
            if trigger.price is None or (trigger.is_expired(ts) and (is_late or prices.start is None)):
                continue
            if prices.start is not None and trigger.expires_at is not None and trigger.expires_at <= prices.start:
                continue
            points = (prices.close,) if is_late else (prices.open,)
            if not (is_late or trigger.is_expired(ts)):
                points = (prices.open, prices.high, prices.low)
            condition = Condition(trigger.price, trigger.condition is TriggerCondition.cross_above, trigger)
            if any(map(condition.is_met, points)):
                gapped = condition.is_met(points[0])
                order = RestingOrder(trade, (condition,), float(trade.planned_reserve), sells_rest=False)
                hits.append(Hit(position, order, None, condition, points[0] if gapped else trigger.price))
    worse = min if position.is_short() else max
    return worse(hits, key=lambda hit: hit.price, default=None)


def fill_entry(manager: PositionManager, hit: Hit) -> TradeExecution | None:
    """Turn a reached order into a planned trade at its price; return None if it lapses because of a lack of cash."""
    assert hit.order is not None
    position, trade, ts = hit.position, hit.order.trade, manager.timestamp
    portfolio = manager.state.portfolio
    obstacle = None
    if portfolio.get_reserve_position(trade.reserve_currency).quantity < trade.planned_reserve:
        obstacle = f"it needs {trade.planned_reserve}, more than the cash when its price came"
    else:
        try:
            manager.activate_entry(position, trade, hit.price)
        except (InvalidTrade, LiquidationRisked) as error:
            obstacle = str(error)
    if obstacle is not None:
        trade.add_note(f"lapsed: {obstacle}")
        expire_order(position, trade, ts)
        expire_if_never_opened(portfolio, position, ts)
        return None
    _activate(position, trade, hit.condition.trigger, ts)
    return trade


# --- Exits that rest in the market


def fill_exit(manager: PositionManager, hit: Hit) -> TradeExecution | None:
    """Turn a reached exit into a planned trade at its price; return None if the loan does not allow it."""
    assert hit.order is not None
    position, trade, ts = hit.position, hit.order.trade, manager.timestamp
    try:
        manager.activate_exit(position, trade, hit.condition.trigger, hit.price)
    except (InvalidTrade, LiquidationRisked) as error:
        trade.add_note(f"lapsed: {error}")
        expire_order(position, trade, ts)
        return None
    _activate(position, trade, hit.condition.trigger, ts)
    return trade


def _activate(position: TradingPosition, trade: TradeExecution, reached: Trigger | None, ts: datetime.datetime) -> None:
    for trigger in trade.triggers or ():
        if trigger is reached:
            trigger.triggered_at = ts
            trade.activated_trigger = trigger
        else:
            trigger.expired_at = ts
            add_expired_triggers(trade, [trigger])
    trade.triggers = []
    del position.pending_trades[trade.trade_id]
    position.trades[trade.trade_id] = trade
