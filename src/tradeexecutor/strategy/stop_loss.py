"""Stop loss, take profit and waiting orders between decisions.

A live runner looks at the market every few minutes and sees one price.  A backtest looks at candles and sees where
the price has been.  Both use the same rules, on a `PriceRange`; for a single price its four prices are equal.

For a long position, in this order, the first that applies wins and fills at the price in brackets:

1. the range opens at or below the stop loss: stop loss [open: the market jumped over the level];
2. the range opens at or above the take profit: take profit [open];
3. the low reaches the stop loss: stop loss [level];
4. the high reaches the take profit: take profit [level];
5. a trailing stop that followed the price up to the high is at or above the close: stop loss [that level: the price
   has crossed it on its way down to the close].

When both levels lie inside one candle the order in which they were reached is unknown and the worse one, the stop
loss, is assumed (3 before 4).  Nothing fills at a price that the market did not reach.  Fees and slippage come on top.
"""

import datetime
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.booking.waiting_orders import add_expired_triggers, expire_order, expire_waiting_orders
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trigger import Trigger, TriggerCondition
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pricing_model import PriceUnavailable

__all__ = [
    "PriceRange",
    "TriggerHit",
    "check_position_triggers",
    "expire_waiting_orders",
    "find_hit",
    "has_triggers",
    "iterate_positions_with_triggers",
    "trail_stop_loss",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PriceRange:
    """Where the mid price has been since the last check."""

    open: USDollarPrice
    high: USDollarPrice
    low: USDollarPrice
    close: USDollarPrice

    @staticmethod
    def at(price: USDollarPrice) -> "PriceRange":
        """Return the range of a single price."""
        return PriceRange(price, price, price, price)


@dataclass(frozen=True, slots=True)
class TriggerHit:
    """A level that was reached.

    Attributes
    ----------
    trade_type
        `TradeType.stop_loss` or `TradeType.take_profit`.
    level
        The level of the position.
    price
        Mid price at which the order fills.
    """

    trade_type: TradeType
    level: USDollarPrice
    price: USDollarPrice


#: Gives the price range of a position's market since the last check, None when there is nothing to check.
PriceRangeSource = Callable[[TradingPosition], PriceRange | None]


def has_triggers(position: TradingPosition) -> bool:
    """Tell whether anything can happen to the position between decisions."""
    return (
        position.stop_loss is not None
        or position.take_profit is not None
        or position.trailing_stop_loss_pct is not None
        or bool(position.pending_trades)
    )


def iterate_positions_with_triggers(portfolio: Portfolio) -> Iterator[TradingPosition]:
    """Iterate open and pending positions that wait for something."""
    for position in portfolio.open_positions.values():
        if has_triggers(position):
            yield position
    for position in portfolio.pending_positions.values():
        if position.pending_trades:
            yield position


def find_hit(stop_loss: float | None, take_profit: float | None, prices: PriceRange) -> TriggerHit | None:
    """Return which level of a long position a price range reached first, by rules 1-4 of this module."""
    if stop_loss is not None and prices.open <= stop_loss:
        return TriggerHit(TradeType.stop_loss, stop_loss, prices.open)
    if take_profit is not None and prices.open >= take_profit:
        return TriggerHit(TradeType.take_profit, take_profit, prices.open)
    if stop_loss is not None and prices.low <= stop_loss:
        return TriggerHit(TradeType.stop_loss, stop_loss, stop_loss)
    if take_profit is not None and prices.high >= take_profit:
        return TriggerHit(TradeType.take_profit, take_profit, take_profit)
    return None


def trail_stop_loss(position: TradingPosition, price: USDollarPrice, ts: datetime.datetime) -> bool:
    """Let a trailing stop loss follow the price upwards; a position without a level yet gets its first one.

    Returns
    -------
    bool
        Whether the level has changed; the change is then recorded in `trigger_updates`.
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
        Where the price has been; None: the mid price now.

    Returns
    -------
    list
        Planned trades, to be executed with ``triggered=True``.  At most one per position.
    """
    del execution_context
    trades: list[TradeExecution] = []
    # A list: expired orders move positions between the tables.
    for position in list(iterate_positions_with_triggers(position_manager.state.portfolio)):
        try:
            prices = _get_prices(position_manager, position, price_ranges)
        except PriceUnavailable as error:
            logger.warning("Triggers of %s not checked: %s", position, error)
            continue
        if prices is not None:
            trades += _check_position(position_manager, position, prices)
    return trades


def _get_prices(
    manager: PositionManager, position: TradingPosition, price_ranges: PriceRangeSource | None
) -> PriceRange | None:
    if price_ranges is not None:
        return price_ranges(position)
    return PriceRange.at(manager.pricing_model.get_mid_price(manager.timestamp, position.pair.get_pricing_pair()))


def _check_position(manager: PositionManager, position: TradingPosition, prices: PriceRange) -> list[TradeExecution]:
    ts = manager.timestamp
    if not position.is_pending():
        hit = _find_position_hit(position, prices, ts)
        if hit is not None:
            notes = None
            if hit.trade_type is TradeType.stop_loss:
                notes = f"Stoploss:{hit.level} mid-price:{hit.price}"
            # First, because planned partial take profits would be sold a second time.
            expire_waiting_orders(position, ts)
            return manager.close_position(position, hit.trade_type, notes, trigger_price=hit.price)
    for trade in list(position.pending_trades.values()):
        if position.is_pending() and trade.is_partial_take_profit():
            continue
        trigger = _find_trigger(trade, prices, ts, position.opened_at)
        if trigger is not None:
            _activate(manager, position, trade, trigger, prices)
            return [trade]
    _expire_lapsed_orders(manager.state.portfolio, position, ts)
    return []


def _find_position_hit(position: TradingPosition, prices: PriceRange, ts: datetime.datetime) -> TriggerHit | None:
    if position.trailing_stop_loss_pct is not None and position.stop_loss is None:
        trail_stop_loss(position, prices.open, ts)
    hit = find_hit(position.stop_loss, position.take_profit, prices)
    if hit is None and trail_stop_loss(position, prices.high, ts):
        level = position.stop_loss
        if level is not None and prices.close <= level:
            return TriggerHit(TradeType.stop_loss, level, level)
    return hit


def _find_trigger(
    trade: TradeExecution, prices: PriceRange, ts: datetime.datetime, opened_at: datetime.datetime
) -> Trigger | None:
    for trigger in trade.triggers or ():
        price = prices.low if trigger.condition is TriggerCondition.cross_below else prices.high
        if not trigger.is_expired(ts) and trigger.is_triggering(price, ts, opened_at):
            return trigger
    return None


def _activate(
    manager: PositionManager, position: TradingPosition, trade: TradeExecution, trigger: Trigger, prices: PriceRange
) -> None:
    """Turn a waiting order into a planned trade at the price where its trigger was reached."""
    ts = manager.timestamp
    level = trigger.price
    fill: USDollarPrice | None = None
    if level is not None and trigger.condition is TriggerCondition.cross_above:
        fill = max(prices.open, level)
    elif level is not None and trigger.condition is TriggerCondition.cross_below:
        fill = min(prices.open, level)
    if trade.is_buy():
        pricing = manager.pricing_model.get_buy_price(ts, trade.pair, trade.planned_reserve, mid_price=fill)
        trade.planned_quantity = trade.planned_reserve / Decimal(pricing.price)
    else:
        # Orders planned earlier may add up to more than is left.
        trade.planned_quantity = max(trade.planned_quantity, -position.get_quantity())
        quantity = -trade.planned_quantity
        pricing = manager.pricing_model.get_sell_price(ts, trade.pair, quantity, mid_price=fill)
        trade.planned_reserve = quantity * Decimal(pricing.price)
    trade.planned_price = pricing.price
    trade.planned_mid_price = pricing.mid_price
    trade.price_structure = pricing
    trade.lp_fees_estimated = float(pricing.get_total_lp_fees())
    trigger.triggered_at = ts
    trade.activated_trigger = trigger
    for other in trade.triggers or ():
        if other is not trigger:
            other.expired_at = ts
            add_expired_triggers(trade, [other])
    trade.triggers = []
    del position.pending_trades[trade.trade_id]
    position.trades[trade.trade_id] = trade


def _expire_lapsed_orders(portfolio: Portfolio, position: TradingPosition, ts: datetime.datetime) -> None:
    """Remove triggers past their time; an order without triggers lapses, and with it a position that never opened."""
    for trade in list(position.pending_trades.values()):
        lapsed = [trigger for trigger in trade.triggers or () if trigger.is_expired(ts)]
        if not lapsed:
            continue
        for trigger in lapsed:
            trigger.expired_at = ts
        add_expired_triggers(trade, lapsed)
        trade.triggers = [trigger for trigger in trade.triggers or () if trigger.expired_at is None]
        if not trade.triggers:
            expire_order(position, trade, ts)
    if position.is_pending() and not position.pending_trades:
        portfolio.pending_positions.pop(position.position_id)
        portfolio.expired_positions[position.position_id] = position
