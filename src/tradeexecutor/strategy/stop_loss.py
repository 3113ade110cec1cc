"""Stop losses, take profits and resting orders between decisions.

Live trading checks one price every few minutes. A backtest checks the range of prices in candles. Both use the rules of
`tradeexecutor.strategy.candle_path`: this module reads the levels and resting orders of the state into books, and
converts hits to planned trades.

A level fills at its price, or at the first price beyond it if the market jumped over it. No order fills at a price that
the market did not reach. Timed triggers fire at the first price at or after their time. Fees and slippage are added.
"""

import datetime
import logging
import math
from collections.abc import Callable, Iterator

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.booking.waiting_orders import (
    add_expired_triggers,
    expire_if_never_opened,
    expire_order,
    expire_waiting_orders,
)
from tradeexecutor.state.display.formatting import format_price
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trigger import Trigger, TriggerCondition
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.candle_path import Book, Condition, Hit, PriceRange, RestingOrder, get_rest, walk_candle
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.leveraged_levels import fill_entry, fill_exit, find_entry, find_hits
from tradeexecutor.strategy.market_data import to_us
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.trigger_orders import BARS_KEY
from tradeexecutor.strategy.pricing_model import PriceUnavailable
from tradeexecutor.strategy.repricing import reprice

__all__ = [
    "PriceRange",
    "PriceRangeSource",
    "check_position_triggers",
    "expire_waiting_orders",
    "fill_triggers",
    "has_triggers",
    "iterate_positions_with_triggers",
    "reprice",
    "trail_stop_loss",
]

logger = logging.getLogger(__name__)

#: Returns the price range of a position's market since the last check; None when there is nothing to check.
PriceRangeSource = Callable[[TradingPosition], PriceRange | None]

_SPOT = TradingPairKind.spot_market_hold

_TIMED = frozenset({TriggerCondition.timed_absolute, TriggerCondition.timed_relative_to_open})


def has_triggers(position: TradingPosition) -> bool:
    """Return True if the position has a stop loss, a take profit or a resting order."""
    return (
        position.stop_loss is not None
        or position.take_profit is not None
        or position.trailing_stop_loss_pct is not None
        or bool(position.pending_trades)
        # It can be liquidated. Asking about the usual kind would take longer than all the rest.
        or ((kind := position.pair.kind) is not _SPOT and kind.is_leverage())
    )


def iterate_positions_with_triggers(portfolio: Portfolio) -> Iterator[TradingPosition]:
    """Iterate over open and pending positions with triggers."""
    for position in portfolio.open_positions.values():
        if has_triggers(position):
            yield position
    for position in portfolio.pending_positions.values():
        if position.pending_trades:
            yield position


def trail_stop_loss(position: TradingPosition, price: USDollarPrice, ts: datetime.datetime) -> bool:
    """Raise a trailing stop loss to follow the price; a position without a level gets its first one.

    Returns whether the level has changed; the change is then recorded in `trigger_updates`.
    """
    pct = position.trailing_stop_loss_pct
    if pct is None:
        return False
    level = price * pct
    before = position.stop_loss
    if before is not None and level <= before:
        return False
    position.stop_loss = level
    position.trigger_updates.append(
        TriggerPriceUpdate(
            timestamp=ts,
            mid_price=price,
            stop_loss_before=before,
            stop_loss_after=level,
            take_profit_before=position.take_profit,
            take_profit_after=position.take_profit,
        )
    )
    return True


def check_position_triggers(
    position_manager: PositionManager,
    execution_context: ExecutionContext | None = None,
    price_ranges: PriceRangeSource | None = None,
) -> list[TradeExecution]:
    """Plan the trades of all levels and triggers that the market has reached.

    Parameters
    ----------
    position_manager
        For the time of the check.
    execution_context
        Accepted for compatibility.
    price_ranges
        Price ranges since the last check; None for the current mid price.

    Returns
    -------
    list
        Planned trades, to be executed in this order with ``triggered=True``. Triggers that depend on the outcome of
        one, such as the stop loss of a position that it opens, are found by the next check.
    """
    del execution_context
    opened: set[int] = set()

    def plan(hit: Hit) -> TradeExecution | None:
        trade = None if hit.position.position_id in opened else plan_hit(position_manager, hit)
        if trade is not None and trade.is_buy():
            opened.add(trade.position_id)
        return trade

    return _check(position_manager, price_ranges, plan)


def fill_triggers(
    manager: PositionManager, price_ranges: PriceRangeSource | None, execute: Callable[[TradeExecution], object]
) -> list[TradeExecution]:
    """Plan and execute all triggers that the market has reached, one trade after the other.

    Parameters
    ----------
    manager
        Position manager for the time of the check.
    price_ranges
        Price ranges since the last check; None for the current mid price.
    execute
        Executes one planned trade with ``triggered=True``; later fills depend on its outcome.

    Returns
    -------
    list
        The trades, failed ones included, as the price reached them.
    """

    def fill(hit: Hit) -> TradeExecution | None:
        trade = plan_hit(manager, hit)
        if trade is not None:
            execute(trade)
        return trade

    return _check(manager, price_ranges, fill)


def _check(
    manager: PositionManager, price_ranges: PriceRangeSource | None, act: Callable[[Hit], TradeExecution | None]
) -> list[TradeExecution]:
    """Find the hits of all pairs with triggers, act on each, and remove expired orders.

    The order of hits in different pairs is unknown: pairs whose first hit is a sell come first, because its proceeds
    may pay for buys.
    """
    ts = manager.timestamp
    portfolio = manager.state.portfolio
    if price_ranges is None:
        # With or without a price. In a candle an order may have filled before it lapsed.
        for position in list(iterate_positions_with_triggers(portfolio)):
            _expire_orders(portfolio, position, ts)
    # The positions of a pair may have met different parts of a candle, see `tradeexecutor.strategy.arrivals`.
    by_market: dict[tuple[TradingPairIdentifier, PriceRange], list[Book]] = {}
    hits_with_leverage: list[Hit] = []
    pending_with_leverage: list[tuple[TradingPosition, PriceRange]] = []
    for position in iterate_positions_with_triggers(portfolio):
        try:
            prices = _get_prices(manager, position, price_ranges)
        except PriceUnavailable as error:
            logger.warning("Triggers of %s not checked: %s", position, error)
            continue
        if position.pair.kind.is_leverage() and position.is_pending():
            pending_with_leverage += [] if prices is None else [(position, prices)]
        elif position.pair.kind.is_leverage():
            hits_with_leverage += [] if prices is None else _find_hits_with_leverage(manager, position, prices)
        elif prices is not None and not _reaches_no_level(position, prices, ts):
            by_market.setdefault((position.pair, prices), []).append(_open_book(manager, position, prices))
    walks = [walk_candle(books, prices) for (_, prices), books in by_market.items()]
    walks.sort(key=lambda walk: bool(walk.hits) and _is_buy(walk.hits[0]))
    # What leveraged positions release may pay for buys.
    trades = [trade for trade in map(act, hits_with_leverage) if trade is not None]
    for position, prices in pending_with_leverage:
        entry = find_entry(position, prices, ts, manager.pricing_model.latency)
        trades += [] if entry is None else _enter_with_leverage(manager, entry, prices, act)
        _expire_orders(portfolio, position, ts)
    for walk in walks:
        for book in walk.books:
            if book.trailed_to is not None:
                trail_stop_loss(book.position, book.trailed_to, ts)
        trades += [trade for trade in map(act, walk.hits) if trade is not None]
        for book in walk.books:
            _expire_orders(portfolio, book.position, ts)
    return trades


def _find_hits_with_leverage(manager: PositionManager, position: TradingPosition, prices: PriceRange) -> list[Hit]:
    penalty = manager.strategy_universe.lending.liquidation_penalty
    return find_hits(_open_book(manager, position, prices), prices, manager.timestamp, penalty)


def _enter_with_leverage(
    manager: PositionManager, entry: Hit, prices: PriceRange, act: Callable[[Hit], TradeExecution | None]
) -> list[TradeExecution]:
    """Fill the entry of a leveraged position, and what the rest of the candle does to it."""
    opened = act(entry)
    if opened is None or prices.start is None:
        return [] if opened is None else [opened]
    position = entry.position
    rest = get_rest(prices, entry.price, prices.start, is_short=position.is_short())
    book = _open_book(manager, position, rest)
    book.levels_meet_close_only = False  # the rest begins at the entry
    penalty = manager.strategy_universe.lending.liquidation_penalty
    hits = find_hits(book, rest, manager.timestamp, penalty)
    return [opened, *(trade for trade in map(act, hits) if trade is not None)]


def _is_buy(hit: Hit) -> bool:
    return hit.order is not None and hit.order.trade.is_buy()


def _get_prices(
    manager: PositionManager, position: TradingPosition, price_ranges: PriceRangeSource | None
) -> PriceRange | None:
    if price_ranges is not None:
        return price_ranges(position)
    return PriceRange.at(manager.pricing_model.get_mid_price(manager.timestamp, position.pair.get_pricing_pair()))


def _reaches_no_level(position: TradingPosition, prices: PriceRange, ts: datetime.datetime) -> bool:
    """Return True if the prices reach no level of a position, the usual case, and move its trailing stop loss.

    The result is the same as that of the full simulation, but faster.
    """
    if position.pending_trades:
        return False
    stop_loss, take_profit, trailing = position.stop_loss, position.take_profit, position.trailing_stop_loss_pct
    if take_profit is not None and prices.high >= take_profit:
        return False
    lifted = stop_loss
    if trailing is not None:
        lifted = prices.high * trailing
        if stop_loss is not None and lifted < stop_loss:
            lifted = stop_loss
    if lifted is not None and prices.low <= lifted:
        return False
    if lifted != stop_loss:
        if prices.start is not None and _get_levels_since(position) > prices.start:
            return False
        if not position.is_pending() and position.get_quantity() > 0:
            trail_stop_loss(position, prices.high, ts)
    return True


# --- From the state to a book


def _open_book(manager: PositionManager, position: TradingPosition, prices: PriceRange) -> Book:
    ts, start = manager.timestamp, prices.start
    held = 0.0 if position.is_pending() else float(position.get_quantity())
    book = Book(
        position=position,
        held=max(held, 0.0),
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        trailing=position.trailing_stop_loss_pct,
        levels_meet_close_only=start is not None and _get_levels_since(position) > start,
    )
    latency = manager.pricing_model.latency
    for trade in position.pending_trades.values():
        if latency and trade.opened_at + latency > ts:
            continue  # it has not reached the market
        is_late = start is not None and trade.opened_at + latency > start
        conditions = _find_conditions(manager, position, trade, prices, meets_close_only=is_late)
        if conditions:
            book.orders.append(
                RestingOrder(
                    trade=trade,
                    conditions=conditions,
                    amount=_get_amount(trade),
                    sells_rest=TradeFlag.close in (trade.flags or ()),
                    meets_close_only=is_late,
                    may_expire=any(trigger.is_expired(ts) for trigger in trade.triggers or ()),
                )
            )
    return book


def _get_amount(trade: TradeExecution) -> float:
    """Return what a resting order of an open position trades: base units to close, or reserve currency to spend."""
    is_spot_buy = trade.is_buy() and not trade.is_leverage()
    return float(trade.planned_reserve if is_spot_buy else abs(trade.planned_quantity))


def _find_conditions(
    manager: PositionManager,
    position: TradingPosition,
    trade: TradeExecution,
    prices: PriceRange,
    *,
    meets_close_only: bool,
) -> tuple[Condition, ...]:
    ts = manager.timestamp
    conditions: list[Condition] = []
    for trigger in trade.triggers or ():
        # An order that lapses inside the candle was still valid at its start, but not at its close.
        start = None if meets_close_only else prices.start
        if trigger.is_expired(ts) and (start is None or _is_expired_by(trigger, start)):
            continue
        if trigger.condition in _TIMED:
            # A timed trigger needs a price of its time, which is not known inside a candle.
            if prices.start is None and _is_due(manager, position, trade, trigger):
                conditions.append(Condition(-math.inf, rising=True, trigger=trigger))
        elif trigger.price is not None:
            rising = trigger.condition is TriggerCondition.cross_above
            conditions.append(Condition(trigger.price, rising, trigger))
    return tuple(conditions)


def _is_expired_by(trigger: Trigger, start: datetime.datetime) -> bool:
    return trigger.expires_at is not None and trigger.expires_at <= start


def _get_first_fill_at(position: TradingPosition) -> datetime.datetime | None:
    for trade in position.trades.values():
        if trade.executed_at is not None:
            return trade.executed_at
    return None


def _get_levels_since(position: TradingPosition) -> datetime.datetime:
    """Return since when the current levels of the position apply."""
    since = _get_first_fill_at(position) or position.opened_at
    if position.is_pending():
        # The position opens inside the range, if at all, and its levels apply from then on.
        return datetime.datetime.min
    return max(since, position.trigger_updates[-1].timestamp) if position.trigger_updates else since


def _is_due(manager: PositionManager, position: TradingPosition, trade: TradeExecution, trigger: Trigger) -> bool:
    """Return True if the time of a trigger has passed; relative times count from the first fill."""
    if trigger.condition is TriggerCondition.timed_absolute:
        return trigger.is_triggering(None, manager.timestamp, None)
    opened_at = _get_first_fill_at(position)
    if opened_at is None or not trigger.is_triggering(None, manager.timestamp, opened_at):
        return False
    bars = (trade.other_data or {}).get(BARS_KEY)
    if not bars:
        return True
    cursor = manager.strategy_universe.get_cursor(position.pair)
    ended = cursor.seek_visible(to_us(manager.timestamp)) - cursor.seek_visible(to_us(opened_at))
    return ended >= bars


# --- From a hit to a planned trade


def plan_hit(manager: PositionManager, hit: Hit) -> TradeExecution | None:
    """Plan the trade of a hit at its price.

    Returns
    -------
    TradeExecution or None
        None when an earlier fill prevents it: the position is closed or frozen, or the cash for a buy is spent; such
        a buy lapses with a note.
    """
    portfolio = manager.state.portfolio
    position = hit.position
    position_id = position.position_id
    if hit.order is None:
        if position_id not in portfolio.open_positions:
            return None
        return _plan_exit(manager, hit)
    trade = hit.order.trade
    if trade.trade_id not in position.pending_trades:
        return None
    if position.pair.kind.is_leverage():
        if position.is_pending():
            return fill_entry(manager, hit)
        return fill_exit(manager, hit) if position_id in portfolio.open_positions else None
    if position_id not in portfolio.open_positions and position_id not in portfolio.pending_positions:
        return None
    if trade.is_buy() and not _can_pay(portfolio, trade):
        trade.add_note(f"lapsed: it needs {trade.planned_reserve}, more than the cash when its price came")
        logger.warning("%s lapses at %s: not enough cash", trade, manager.timestamp)
        _expire_order(portfolio, position, trade, manager.timestamp)
        return None
    if not _activate(manager, position, trade, hit):
        trade.add_note(f"lapsed: {trade.planned_reserve} bought less than one unit at {format_price(hit.price)}")
        _expire_order(portfolio, position, trade, manager.timestamp)
        return None
    return trade


def _plan_exit(manager: PositionManager, hit: Hit) -> TradeExecution | None:
    position, ts = hit.position, manager.timestamp
    notes = None
    if hit.trade_type is TradeType.stop_loss:
        notes = f"Stoploss:{format_price(hit.condition.level)} mid-price:{format_price(hit.price)}"
    # First, because otherwise planned partial take profits and queued orders would sell the same quantity again.
    expire_waiting_orders(position, ts)
    for trade in list(position.get_unsettled_trades()):
        if trade.is_planned():
            expire_order(position, trade, ts)
    if hit.trade_type is None:
        return manager.liquidate(position, hit.price)[0]
    return next(iter(manager.close_position(position, hit.trade_type, notes, trigger_price=hit.price)), None)


def _can_pay(portfolio: Portfolio, trade: TradeExecution) -> bool:
    bridge = portfolio.get_bridge_position_for_chain(trade.pair.chain_id)
    if bridge is not None:
        return bridge.get_available_bridge_capital() >= trade.planned_reserve
    return portfolio.get_reserve_position(trade.reserve_currency).quantity >= trade.planned_reserve


def _activate(manager: PositionManager, position: TradingPosition, trade: TradeExecution, hit: Hit) -> bool:
    """Convert a resting order to a planned trade at the price of its trigger; returns as `reprice`."""
    ts = manager.timestamp
    trigger = hit.condition.trigger
    if trade.is_sell():
        held = position.get_quantity()
        wanted = -trade.planned_quantity
        if wanted >= held or TradeFlag.close in (trade.flags or ()):
            trade.planned_quantity = -held
        else:
            trade.planned_quantity = -round_down_to_units(wanted, trade.pair.base.decimals)
        trade.trade_type = _get_type_of_sale(trigger)
        if trade.trade_type is not TradeType.take_profit:
            trade.flags = (trade.flags or set()) - {TradeFlag.partial_take_profit}
    # A limit is on the better side of the price: that of a purchase below it, that of a sale above it.
    is_limit = trigger is not None and trigger.condition not in _TIMED and hit.condition.rising is trade.is_sell()
    if not reprice(manager, trade, hit.price, is_maker=is_limit):
        return False
    for other in trade.triggers or ():
        if other is trigger:
            other.triggered_at = ts
            trade.activated_trigger = other
        else:
            other.expired_at = ts
            add_expired_triggers(trade, [other])
    trade.triggers = []
    del position.pending_trades[trade.trade_id]
    position.trades[trade.trade_id] = trade
    return True


def _get_type_of_sale(trigger: Trigger | None) -> TradeType:
    """Return the trade type of a sell order: take profit, stop loss, or rebalance for a timed one."""
    if trigger is None or trigger.condition in _TIMED:
        return TradeType.flexible_trigger
    rising = trigger.condition is TriggerCondition.cross_above
    return TradeType.take_profit if rising else TradeType.stop_loss


# --- Orders that expire


def _expire_orders(portfolio: Portfolio, position: TradingPosition, ts: datetime.datetime) -> None:
    """Remove expired triggers; an order without triggers expires, and so does a position that never opened."""
    for trade in list(position.pending_trades.values()):
        lapsed = [trigger for trigger in trade.triggers or () if trigger.is_expired(ts)]
        if not lapsed:
            continue
        for trigger in lapsed:
            trigger.expired_at = ts
        add_expired_triggers(trade, lapsed)
        trade.triggers = [trigger for trigger in trade.triggers or () if trigger.expired_at is None]
        if not trade.triggers:
            _expire_order(portfolio, position, trade, ts)


def _expire_order(
    portfolio: Portfolio, position: TradingPosition, trade: TradeExecution, ts: datetime.datetime
) -> None:
    expire_order(position, trade, ts)
    expire_if_never_opened(portfolio, position, ts)
