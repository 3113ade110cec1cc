"""Stop losses, take profits and the liquidation of shorts between decisions.

The rules are those of `tradeexecutor.strategy.candle_path`, turned round: the stop loss and the liquidation are above
the price, the take profit is below it, and a trailing stop loss follows the price down. Of the two paths of a candle
the one with the worse exit counts. The price of liquidation is that of the present loan, with the interest booked so
far::

    collateral * liquidation threshold / debt
"""

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.booking.waiting_orders import add_expired_triggers, expire_if_never_opened, expire_order
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trigger import TriggerCondition
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.candle_path import Condition, Hit, PriceRange, RestingOrder
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.short_positions import get_debt_and_collateral

__all__ = ["fill_short_entry", "find_short_entry", "find_short_hit", "get_liquidation_price", "get_rest_of_candle"]


def get_liquidation_price(loan: Loan) -> USDollarPrice:
    """Return the price of the borrowed token at which a short is liquidated, USD; infinity without debt."""
    debt, collateral = get_debt_and_collateral(loan)
    threshold = loan.pair.quote.liquidation_threshold
    if not debt > 0 or threshold is None:
        return math.inf
    return float(collateral * Decimal(str(threshold)) / debt)


@dataclass(slots=True)
class _Path:
    """The levels of a short on one path of the price, and what was reached first."""

    liquidation: float
    stop_loss: float
    take_profit: float
    trailing: float | None
    trade_type: TradeType | None = None
    exit_price: float | None = None
    is_liquidated: bool = False
    trailed_to: float | None = None

    def walk(self, path: Sequence[float]) -> None:
        price = path[0]
        self._touch(price, price)
        for target in path[1:]:
            if self.exit_price is not None:
                return
            self._touch(price, target)
            price = target

    def _touch(self, start: float, target: float) -> None:
        """Move from one price to another; a level that the start is already beyond fills at the start."""
        level = min(self.stop_loss, self.liquidation)
        if target >= level:
            self.exit_price = max(level, start)
            self.is_liquidated = self.exit_price >= self.liquidation
            self.trade_type = None if self.is_liquidated else TradeType.stop_loss
        elif target <= self.take_profit:
            self.exit_price, self.trade_type = min(self.take_profit, start), TradeType.take_profit
        elif self.trailing is not None and target * (2 - self.trailing) < self.stop_loss:
            self.stop_loss, self.trailed_to = target * (2 - self.trailing), target

    def get_cost(self, close: float, penalty: float) -> float:
        """Return what buying back one token costs, or would cost at the close."""
        if self.exit_price is None:
            return close
        return self.exit_price * (1 + penalty) if self.is_liquidated else self.exit_price


def find_short_hit(
    position: TradingPosition, prices: PriceRange, ts: datetime.datetime, penalty: float, *, meets_close_only: bool
) -> Hit | None:
    """Return the level of a short that the prices reach first, and move its trailing stop loss.

    Parameters
    ----------
    position
        An open short; only its trailing stop loss is changed.
    prices
        Price range of its market.
    ts
        Time of the check, naive UTC.
    penalty
        Penalty of a liquidation, a fraction of the debt.
    meets_close_only
        Whether the levels were set while the candle was in progress, so that only its close counts.

    Returns
    -------
    Hit or None
        Its `trade_type` is None for a liquidation.
    """
    loan = position.loan
    if loan is None or position.is_pending() or not position.get_quantity():
        return None
    liquidation = get_liquidation_price(loan)
    paths: list[_Path] = []
    for points in ((prices.close,),) if meets_close_only else prices.get_paths():
        path = _Path(
            liquidation,
            math.inf if position.stop_loss is None else position.stop_loss,
            -math.inf if position.take_profit is None else position.take_profit,
            position.trailing_stop_loss_pct,
        )
        path.walk(points)
        paths.append(path)
    worst = max(paths, key=lambda path: path.get_cost(prices.close, penalty))
    if worst.trailed_to is not None:
        _trail(position, worst.stop_loss, worst.trailed_to, ts)
    if worst.exit_price is None:
        return None
    rising = worst.trade_type is not TradeType.take_profit
    level = worst.liquidation if worst.is_liquidated else worst.stop_loss if rising else worst.take_profit
    return Hit(position, None, worst.trade_type, Condition(level, rising), worst.exit_price)


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


def find_short_entry(position: TradingPosition, prices: PriceRange, ts: datetime.datetime) -> Hit | None:
    """Return the order of a pending short that the prices reach; None if they do not.

    A limit is above the price and a stop below it. Of two that one candle reaches the worse one fills, the stop. An
    order that lapses inside the candle fills at its open only, because what came later is not known.
    """
    hits: list[Hit] = []
    for trade in position.pending_trades.values():
        is_late = prices.start is not None and trade.opened_at > prices.start
        for trigger in trade.triggers or ():
            if trigger.price is None or (trigger.is_expired(ts) and prices.start is None):
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
    return min(hits, key=lambda hit: hit.price, default=None)


def get_rest_of_candle(prices: PriceRange, entry: USDollarPrice) -> PriceRange:
    """Return the range that a short may have met after its entry, at worst: it counts the high, and no better low."""
    return PriceRange(entry, max(prices.high, entry), min(entry, prices.close), prices.close, prices.start)


def fill_short_entry(manager: PositionManager, hit: Hit) -> TradeExecution | None:
    """Turn a reached order into a planned trade at its price; return None if it lapses because of a lack of cash."""
    assert hit.order is not None
    position, trade, ts = hit.position, hit.order.trade, manager.timestamp
    portfolio = manager.state.portfolio
    obstacle = None
    if portfolio.get_reserve_position(trade.reserve_currency).quantity < trade.planned_reserve:
        obstacle = f"it needs {trade.planned_reserve}, more than the cash when its price came"
    else:
        try:
            manager.activate_short(position, trade, hit.price)
        except (InvalidTrade, LiquidationRisked) as error:
            obstacle = str(error)
    if obstacle is not None:
        trade.add_note(f"lapsed: {obstacle}")
        expire_order(position, trade, ts)
        expire_if_never_opened(portfolio, position, ts)
        return None
    for trigger in trade.triggers or ():
        if trigger is hit.condition.trigger:
            trigger.triggered_at = ts
            trade.activated_trigger = trigger
        else:
            trigger.expired_at = ts
            add_expired_triggers(trade, [trigger])
    trade.triggers = []
    del position.pending_trades[trade.trade_id]
    position.trades[trade.trade_id] = trade
    return trade
