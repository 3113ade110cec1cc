"""Resting orders, triggered by a price or a time.

========================  =======================================================================================
`limit_buy`               buys when the price has fallen to a level, at the level or better
`stop_buy`                buys when the price has risen to a level, at the level or worse
`oco_buy`                 the first of both that is reached; it cancels the other
`limit_sell`              sells when the price has risen to a level, at the level or better
`stop_sell`               sells when the price has fallen to a level, at the level or worse
`oco_sell`                the first of both that is reached; it cancels the other
`close_after`             sells the remaining quantity at a time, or a time after the first fill
`close_after_bars`        sells the remaining quantity a number of candles after the first fill
========================  =======================================================================================

With ``good_till_time`` an order lapses at that time. The trades are planned at once and kept in
`TradingPosition.pending_trades` with `Trigger` records until `strategy.stop_loss` finds that one is met. A decision may
return them to the runner like other trades, but does not have to.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.errors import InvalidTrade, WrongPositionStatus, WrongTradeStatus
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trigger import PartialTradeLevel, Trigger, TriggerCondition, TriggerType
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.position_queries import PositionQueries
from tradeexecutor.strategy.pandas_trader.position_rules import (
    OpeningLevels,
    PositionManagerError,
    check_pair,
    check_position,
)

__all__ = ["BARS_KEY", "TriggerOrders"]

#: Key of `TradeExecution.other_data`: number of candles after the first fill of the position that triggers the order.
BARS_KEY = "bars_after_open"

#: An absolute time, naive UTC, or a duration from the placement of the order.
GoodTill = datetime.datetime | datetime.timedelta | None

_ABOVE, _BELOW = TriggerCondition.cross_above, TriggerCondition.cross_below

#: Length of the shortest month.
_SHORTEST_MONTH = datetime.timedelta(days=28)


class TriggerOrders(PositionQueries):
    """Methods of `PositionManager` that plan resting orders."""

    __slots__ = ()

    # --- Entries

    def limit_buy(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        limit_price: USDollarPrice,
        *,
        good_till_time: GoodTill = None,
        stop_loss_usd: USDollarPrice | None = None,
        take_profit_usd: USDollarPrice | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy when the price has fallen to `limit_price` or below.

        A limit at or above the current price fills at once, at the current price. The order adds to the open or pending
        position of the pair. The cash is allocated when it fills; an order that exceeds the cash then lapses.

        Parameters
        ----------
        pair
            Pair to buy.
        value
            Amount of the reserve currency to spend, fee included.
        limit_price
            Level of the mid price.
        good_till_time
            When the order lapses: a time, or a duration from now; None for never.
        stop_loss_usd, take_profit_usd
            Levels of the position, mid prices: valid from its first fill, or from now if it is open already.
        trailing_stop_loss_pct
            Stop loss as a share of the highest price since the first fill, e.g. 0.95.
        notes
            Stored with trade and position.

        Raises
        ------
        PositionManagerError
            An amount, level or time is invalid, or the pair is problematic.
        """
        triggers = [self._make_entry_trigger(_BELOW, limit_price, good_till_time)]
        levels = OpeningLevels.check_usd(limit_price, take_profit_usd, stop_loss_usd, trailing_stop_loss_pct)
        return self._place_buy(pair, value, triggers, levels, notes)

    def stop_buy(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        stop_price: USDollarPrice,
        *,
        good_till_time: GoodTill = None,
        stop_loss_usd: USDollarPrice | None = None,
        take_profit_usd: USDollarPrice | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy when the price has risen to `stop_price` or above; parameters and errors as in `limit_buy`."""
        triggers = [self._make_entry_trigger(_ABOVE, stop_price, good_till_time)]
        levels = OpeningLevels.check_usd(stop_price, take_profit_usd, stop_loss_usd, trailing_stop_loss_pct)
        return self._place_buy(pair, value, triggers, levels, notes)

    def oco_buy(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        *,
        limit_price: USDollarPrice,
        stop_price: USDollarPrice,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy at a limit below or at a stop above, whichever is reached first; it cancels the other.

        Parameters and errors as in `limit_buy`; `limit_price` must be below `stop_price`.

        Raises
        ------
        PositionManagerError
            The limit is not below the stop.
        """
        if not limit_price < stop_price:
            raise PositionManagerError(f"the limit {limit_price} must be below the stop {stop_price}")
        triggers = [
            self._make_entry_trigger(_BELOW, limit_price, good_till_time),
            self._make_entry_trigger(_ABOVE, stop_price, good_till_time),
        ]
        return self._place_buy(pair, value, triggers, OpeningLevels(None, None, None), notes)

    def open_spot_with_market_limit(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        trigger_price: USDollarPrice,
        expires_at: datetime.datetime | None,
        notes: str | None = None,
    ) -> tuple[TradingPosition, list[TradeExecution]]:
        """Plan a position that opens when the price reaches a level, from either side.

        Below the price it is a limit (see `limit_buy`), above it a stop (see `stop_buy`).

        Returns
        -------
        tuple
            The pending position and its resting trades.
        """
        check_pair(pair)
        self._refuse_second_position(pair)
        trigger = self._make_market_limit(pair, trigger_price, expires_at)
        trades = self._place_buy(pair, value, [trigger], OpeningLevels(None, None, None), notes)
        return self.state.portfolio.pending_positions[trades[0].position_id], trades

    def set_market_limit_trigger(
        self,
        trades: Iterable[TradeExecution],
        price: USDollarPrice,
        expires_at: datetime.datetime | None = None,
    ) -> None:
        """Convert opening trades to resting orders that fill when the price reaches a level, from either side.

        The positions move to `pending_positions`, the trades to their `pending_trades`.

        Parameters
        ----------
        trades
            Planned trades that open new positions.
        price
            Level of the mid price.
        expires_at
            When the order lapses; None for never.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus
            A trade is not planned any more, or its position is open already; nothing is changed.
        """
        portfolio = self.state.portfolio
        found: list[tuple[TradeExecution, TradingPosition]] = []
        for trade in trades:
            if not trade.is_planned():
                raise WrongTradeStatus(f"{trade} is not planned any more", trade.trade_id, trade.get_status())
            position = portfolio.open_positions.get(trade.position_id)
            if position is None or list(position.trades) != [trade.trade_id]:
                raise WrongPositionStatus(f"{trade} does not open a new position")
            found.append((trade, position))
        for trade, position in found:
            self._make_wait(position, trade, [self._make_market_limit(trade.pair, price, expires_at)])

    def _place_buy(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        triggers: list[Trigger],
        levels: OpeningLevels,
        notes: str | None,
    ) -> list[TradeExecution]:
        self._check_tradeable(pair)
        self._round_levels(pair, triggers)
        position = self._find_open_position(pair) or self.state.portfolio.get_pending_position_for_pair(pair)
        budget = self._to_reserve(value)
        pricing = self.pricing_model.get_buy_price(self.timestamp, pair, budget)
        level = triggers[0].price or pricing.mid_price
        pricing = dataclasses.replace(pricing, price=pricing.price / pricing.mid_price * level, mid_price=level)
        flags = {TradeFlag.increase} if position else {TradeFlag.open, TradeFlag.increase}
        trade, position = self._plan_buy(pair, budget, pricing, flags=flags, notes=notes, position=position)
        # The reserve amount is fixed now, the quantity when the order fills.
        trade.planned_reserve = budget
        levels.apply(position)
        self._make_wait(position, trade, triggers)
        return [trade]

    def _round_levels(self, pair: TradingPairIdentifier, triggers: Iterable[Trigger]) -> None:
        """Round the prices of triggers to the tick size of the market."""
        terms = self.strategy_universe.get_terms(pair)
        for trigger in triggers:
            if trigger.price is not None:
                trigger.price = terms.round_price(trigger.price)

    def _make_market_limit(
        self, pair: TradingPairIdentifier, price: USDollarPrice, expires_at: datetime.datetime | None
    ) -> Trigger:
        below = _check_price(price) < self.pricing_model.get_mid_price(self.timestamp, pair)
        return self._make_entry_trigger(_BELOW if below else _ABOVE, price, expires_at)

    def _make_entry_trigger(
        self, condition: TriggerCondition, price: USDollarPrice, good_till_time: GoodTill
    ) -> Trigger:
        return Trigger(
            type=TriggerType.market_limit,
            condition=condition,
            price=_check_price(price),
            expires_at=self._to_expiry(good_till_time),
        )

    def _to_expiry(self, good_till_time: GoodTill) -> datetime.datetime | None:
        if isinstance(good_till_time, datetime.timedelta):
            good_till_time = self.timestamp + good_till_time
        if good_till_time is None:
            return None
        if _check_time(good_till_time) <= self.timestamp:
            raise PositionManagerError(f"an order of {self.timestamp} cannot lapse at {good_till_time}")
        return good_till_time

    def _make_wait(self, position: TradingPosition, trade: TradeExecution, triggers: list[Trigger]) -> None:
        """Convert a planned buy to a resting order, and a position that it opens to a pending one."""
        portfolio = self.state.portfolio
        trade.triggers = [*(trade.triggers or ()), *triggers]
        trade.flags = {*(trade.flags or ()), TradeFlag.triggered}
        del position.trades[trade.trade_id]
        position.pending_trades[trade.trade_id] = trade
        if not position.trades and position.position_id in portfolio.open_positions:
            position.pending_since_at = self.timestamp
            del portfolio.open_positions[position.position_id]
            portfolio.pending_positions[position.position_id] = position

    # --- Exits

    def limit_sell(
        self,
        position: TradingPosition,
        limit_price: USDollarPrice,
        quantity: Decimal | None = None,
        *,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell when the price has risen to `limit_price` or above.

        Parameters
        ----------
        position
            A spot position or leveraged long that is open or being opened.
        limit_price
            Level of the mid price.
        quantity
            Base units, positive; None for the whole remaining quantity.
        good_till_time
            When the order lapses: a time, or a duration from now; None for never.
        notes
            Stored with the trade.

        Raises
        ------
        PositionManagerError
            It is not such a position, or an amount, level or time is invalid.
        """
        trigger = self._make_exit_trigger(_ABOVE, limit_price, closes=quantity is None, good_till_time=good_till_time)
        return [self._place_sell(position, [trigger], quantity, notes)]

    def stop_sell(
        self,
        position: TradingPosition,
        stop_price: USDollarPrice,
        quantity: Decimal | None = None,
        *,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell when the price has fallen to `stop_price` or below; parameters and errors as in `limit_sell`."""
        trigger = self._make_exit_trigger(_BELOW, stop_price, closes=quantity is None, good_till_time=good_till_time)
        return [self._place_sell(position, [trigger], quantity, notes)]

    def oco_sell(
        self,
        position: TradingPosition,
        *,
        limit_price: USDollarPrice,
        stop_price: USDollarPrice,
        quantity: Decimal | None = None,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell at a limit above or at a stop below, whichever is reached first; it cancels the other.

        Parameters and errors as in `limit_sell`; `stop_price` must be below `limit_price`.

        Raises
        ------
        PositionManagerError
            The stop is not below the limit.
        """
        if not stop_price < limit_price:
            raise PositionManagerError(f"the stop {stop_price} must be below the limit {limit_price}")
        triggers = [
            self._make_exit_trigger(_ABOVE, limit_price, closes=quantity is None, good_till_time=good_till_time),
            self._make_exit_trigger(_BELOW, stop_price, closes=quantity is None, good_till_time=good_till_time),
        ]
        return [self._place_sell(position, triggers, quantity, notes)]

    def close_after(
        self,
        position: TradingPosition,
        when: datetime.datetime | datetime.timedelta,
        *,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell the remaining quantity at the first price at or after a time, or a duration after the first fill."""
        return [self._place_exit(position, [_make_timer(when)], None, notes)]

    def close_after_bars(
        self, position: TradingPosition, bars: int, *, notes: str | None = None
    ) -> list[TradeExecution]:
        """Sell the remaining quantity when `bars` candles of the market have ended after the first fill.

        Weekends, holidays and halts have no candles and do not count. The sell fills at the open of the next candle.

        Raises
        ------
        PositionManagerError
            The number of candles is not a positive integer.
        """
        if type(bars) is not int or bars < 1:
            raise PositionManagerError(f"a number of candles must be a positive integer, not {bars!r}")
        check_position(position)
        bucket = self.strategy_universe.get_candles(position.pair).bucket
        shortest = _SHORTEST_MONTH if isinstance(bucket, str) else bucket
        trade = self._place_exit(position, [_make_timer(bars * shortest)], None, notes)
        trade.other_data = {**(trade.other_data or {}), BARS_KEY: bars}
        return [trade]

    def prepare_take_profit_trades(
        self, position: TradingPosition, levels: Sequence[PartialTradeLevel]
    ) -> list[TradeExecution]:
        """Plan resting sells of parts of a position, triggered by a price or a time.

        Parameters
        ----------
        position
            A spot position that is open or being opened.
        levels
            Tuples (when, quantity, close). `when` is a level of the mid price (float), a time, or a duration after the
            first fill; `quantity` is negative, base units; `close` sells the whole remaining quantity instead.

        Raises
        ------
        InvalidTrade
            It is not a spot position, or a level is invalid; nothing is changed.
        """
        check_position(position)
        if not position.pair.is_spot():
            raise InvalidTrade(f"partial take profits are for spot positions, not {position}")
        checked = [(_make_take_profit_trigger(level), -level[1]) for level in levels]
        return [self._place_sell(position, [trigger], quantity, None) for trigger, quantity in checked]

    def _make_exit_trigger(
        self, condition: TriggerCondition, price: USDollarPrice, *, closes: bool, good_till_time: GoodTill
    ) -> Trigger:
        return Trigger(
            type=TriggerType.take_profit_full if closes else TriggerType.take_profit_partial,
            condition=condition,
            price=_check_price(price),
            expires_at=self._to_expiry(good_till_time),
        )

    def _place_exit(
        self, position: TradingPosition, triggers: list[Trigger], quantity: Decimal | None, notes: str | None
    ) -> TradeExecution:
        """Plan a resting exit of a quantity; None for the whole remaining quantity."""
        return self._place_sell(position, triggers, quantity, notes)

    def _place_sell(
        self, position: TradingPosition, triggers: list[Trigger], quantity: Decimal | None, notes: str | None
    ) -> TradeExecution:
        """Plan a resting sell of a quantity; None for the whole remaining quantity."""
        check_position(position)
        if position.is_closed() or not position.pair.is_spot():
            raise PositionManagerError(f"only an open spot position can be sold, not {position}")
        closes = any(trigger.type is TriggerType.take_profit_full for trigger in triggers)
        if quantity is None:
            quantity = _get_expected_quantity(position)
        elif not isinstance(quantity, Decimal) or not quantity > 0:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PositionManagerError(f"the quantity to sell must be a positive Decimal, not {quantity!r}")
        quantity = round_down_to_units(quantity, position.pair.base.decimals)
        if not quantity:
            raise PositionManagerError(f"{position} has nothing to sell")
        self._round_levels(position.pair, triggers)
        flags = {TradeFlag.reduce, TradeFlag.triggered}
        if closes:
            flags.add(TradeFlag.close)
        conditions = {trigger.condition for trigger in triggers}
        trade_type = TradeType.flexible_trigger
        if _ABOVE in conditions:
            trade_type = TradeType.take_profit
            flags.add(TradeFlag.partial_take_profit)
        elif _BELOW in conditions:
            trade_type = TradeType.stop_loss
        trade = self._plan_sell(position, quantity, trade_type, flags=flags, notes=notes)
        trade.triggers = [*(trade.triggers or ()), *triggers]
        position.pending_trades[trade.trade_id] = trade
        return trade


def _check_price(price: USDollarPrice) -> float:
    if not isinstance(price, (int, float)) or not 0 < price < float("inf"):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PositionManagerError(f"a level must be a positive price, not {price!r}")
    return float(price)


def _get_expected_quantity(position: TradingPosition) -> Decimal:
    """Return the holding, or the expected one after the planned and resting buys have filled, base units."""
    planned = sum(
        (trade.planned_quantity for trade in position.get_unsettled_trades() if trade.is_planned() and trade.is_buy()),
        Decimal(0),
    )
    waiting = sum((trade.planned_quantity for trade in position.pending_trades.values() if trade.is_buy()), Decimal(0))
    return position.get_quantity() or planned + waiting


def _check_time(when: datetime.datetime) -> datetime.datetime:
    if not isinstance(when, datetime.datetime) or when.tzinfo is not None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise PositionManagerError(f"a time must be a naive UTC datetime or a timedelta, not {when!r}")
    return when


def _make_timer(when: datetime.datetime | datetime.timedelta) -> Trigger:
    kind = TriggerType.take_profit_full
    if isinstance(when, datetime.timedelta):
        return Trigger(type=kind, condition=TriggerCondition.timed_relative_to_open, triggering_at_delta=when)
    return Trigger(type=kind, condition=TriggerCondition.timed_absolute, triggering_at=_check_time(when))


def _make_take_profit_trigger(level: PartialTradeLevel) -> Trigger:
    when, quantity, close = level
    if not isinstance(quantity, Decimal) or not quantity < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTrade(f"the quantity of a take profit must be a negative Decimal, not {quantity!r}")
    try:
        timed = isinstance(when, datetime.datetime | datetime.timedelta)
        trigger = (
            _make_timer(when)
            if timed
            else Trigger(type=TriggerType.take_profit_full, condition=_ABOVE, price=_check_price(when))
        )
    except PositionManagerError as error:
        raise InvalidTrade(str(error)) from None
    if not close:
        trigger.type = TriggerType.take_profit_partial
    return trigger
