"""Resting orders of shorts and leveraged longs.

=====================================  ==========================================================================
`limit_short`, `stop_short`            open a short when the price has risen, or fallen, to a level
`limit_long`, `stop_long`              open a leveraged long when the price has fallen, or risen, to a level
`oco_short`, `oco_long`                the first of both that is reached; it cancels the other
`limit_cover`, `stop_cover`            close a short, or a part of it, when the price has fallen, or risen, to a level
`oco_cover`                            the first of both that is reached; it cancels the other
=====================================  ==========================================================================

`limit_sell`, `stop_sell` and `oco_sell` close a leveraged long or a part of it, as they do with a spot position;
`close_after` and `close_after_bars` close either kind. Stop loss, take profit and trailing stop loss of a position
close all of it, see `ShortPositions.open_short` and `LongPositions.open_long`.
"""

from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.state.trigger import Trigger, TriggerCondition
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.leveraged_replanning import LeveragedReplanning, get_exit_type
from tradeexecutor.strategy.pandas_trader.leveraged_rules import (
    LevelFractions,
    get_signed_balances,
)
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError, check_position
from tradeexecutor.strategy.pandas_trader.trigger_orders import GoodTill

__all__ = ["LeveragedOrders"]

_ABOVE, _BELOW = TriggerCondition.cross_above, TriggerCondition.cross_below

_NO_LEVELS = LevelFractions()


@dataclass(frozen=True, slots=True)
class _EntryTerms:
    """Terms of an order that opens a position, see `LeveragedOrders.limit_short`; it has a limit, a stop or both."""

    leverage: LeverageMultiplier
    good_till_time: GoodTill
    notes: str | None
    limit_price: USDollarPrice | None = None
    stop_price: USDollarPrice | None = None


class LeveragedOrders(LeveragedReplanning):
    """The part of `PositionManager` that places orders for shorts and leveraged longs."""

    __slots__ = ()

    # --- Entries

    def limit_short(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        limit_price: USDollarPrice,
        *,
        leverage: LeverageMultiplier = 1.0,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell short when the price has risen to `limit_price` or above.

        Parameters
        ----------
        pair
            Spot pair to short.
        value
            Own money in the short, reserve currency; it is taken when the order fills, and an order that exceeds the
            cash then lapses.
        limit_price
            Level of the mid price.
        leverage
            Debt in relation to `value`.
        take_profit_pct, stop_loss_pct, trailing_stop_loss_pct
            As in `open_short`, relative to the level.
        good_till_time
            When the order lapses: a time, or a duration from now; None for never.
        notes
            Stored with trade and position.

        Raises
        ------
        PositionManagerError
            A short of the pair is open or waits already, or an argument is invalid.
        InvalidValue, LiquidationRisked
            As in `open_short`.
        """
        terms = _EntryTerms(leverage, good_till_time, notes, limit_price=limit_price)
        levels = LevelFractions(take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._place_entry(self.get_shorting_pair(pair), value, terms, levels)

    def stop_short(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        stop_price: USDollarPrice,
        *,
        leverage: LeverageMultiplier = 1.0,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell short when the price has fallen to `stop_price` or below; parameters and errors as in `limit_short`."""
        terms = _EntryTerms(leverage, good_till_time, notes, stop_price=stop_price)
        levels = LevelFractions(take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._place_entry(self.get_shorting_pair(pair), value, terms, levels)

    def oco_short(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        *,
        limit_price: USDollarPrice,
        stop_price: USDollarPrice,
        leverage: LeverageMultiplier = 1.0,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Sell short at a limit above or at a stop below, whichever is reached first; it cancels the other.

        Parameters as in `limit_short`.

        Raises
        ------
        PositionManagerError
            `stop_price` is not below `limit_price`, or an error of `limit_short`.
        """
        terms = _EntryTerms(leverage, good_till_time, notes, limit_price, stop_price)
        return self._place_entry(self.get_shorting_pair(pair), value, terms)

    def limit_long(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        limit_price: USDollarPrice,
        *,
        leverage: LeverageMultiplier = 2.0,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy with leverage when the price has fallen to `limit_price` or below.

        Parameters
        ----------
        pair
            Spot pair to buy.
        value
            Own money in the long, reserve currency; it is taken when the order fills, and an order that exceeds the
            cash then lapses.
        limit_price
            Level of the mid price.
        leverage
            Cost of the purchase in relation to `value`.
        take_profit_pct, stop_loss_pct, trailing_stop_loss_pct
            As in `open_long`, relative to the level.
        good_till_time
            When the order lapses: a time, or a duration from now; None for never.
        notes
            Stored with trade and position.

        Raises
        ------
        PositionManagerError
            A leveraged long of the pair is open or waits already, or an argument is invalid.
        InvalidValue, LiquidationRisked
            As in `open_long`.
        """
        terms = _EntryTerms(leverage, good_till_time, notes, limit_price=limit_price)
        levels = LevelFractions(take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._place_entry(self.get_leveraged_long_pair(pair), value, terms, levels)

    def stop_long(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        stop_price: USDollarPrice,
        *,
        leverage: LeverageMultiplier = 2.0,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy with leverage when the price has risen to `stop_price` or above; parameters as in `limit_long`."""
        terms = _EntryTerms(leverage, good_till_time, notes, stop_price=stop_price)
        levels = LevelFractions(take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._place_entry(self.get_leveraged_long_pair(pair), value, terms, levels)

    def oco_long(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        *,
        limit_price: USDollarPrice,
        stop_price: USDollarPrice,
        leverage: LeverageMultiplier = 2.0,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy with leverage at a limit below or at a stop above, whichever is reached first; it cancels the other.

        Parameters as in `limit_long`.

        Raises
        ------
        PositionManagerError
            `stop_price` is not above `limit_price`, or an error of `limit_long`.
        """
        terms = _EntryTerms(leverage, good_till_time, notes, limit_price, stop_price)
        return self._place_entry(self.get_leveraged_long_pair(pair), value, terms)

    def _place_entry(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        terms: _EntryTerms,
        levels: LevelFractions = _NO_LEVELS,
    ) -> list[TradeExecution]:
        """Place an order that opens a position at a limit, at a stop, or at the first of both."""
        is_short = pair.kind.is_shorting()
        limit, stop = terms.limit_price, terms.stop_price
        if limit is not None and stop is not None and not (stop < limit if is_short else stop > limit):
            side = "below" if is_short else "above"
            raise PositionManagerError(f"the stop {stop} must be {side} the limit {limit}")
        conditions = (_ABOVE, _BELOW) if is_short else (_BELOW, _ABOVE)
        triggers = [
            self._make_entry_trigger(condition, price, terms.good_till_time)
            for condition, price in zip(conditions, (limit, stop), strict=True)
            if price is not None
        ]
        spot = pair.get_pricing_pair()
        self._check_tradeable(spot)
        self._round_levels(spot, triggers)
        self._refuse_second_position(pair)
        if self.state.portfolio.get_pending_position_for_pair(pair) is not None:
            raise PositionManagerError(f"an order for {pair.get_human_description(describe_type=True)} waits already")
        level = triggers[0].price or 0.0
        position, trade = self._plan_opening(
            pair, self._to_reserve(value), terms.leverage, level, levels, notes=terms.notes
        )
        trade.leverage = float(terms.leverage)
        self._make_wait(position, trade, triggers)
        return [trade]

    # --- Exits

    def limit_cover(
        self,
        position: TradingPosition,
        limit_price: USDollarPrice,
        quantity: Decimal | None = None,
        *,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy back the debt of a short, or a part of it, when the price has fallen to `limit_price` or below.

        A part shrinks both sides of the loan by the same share, see `ShortPositions.reduce_short`.

        Parameters
        ----------
        position
            A short that is open, or that the same decision opens.
        limit_price
            Level of the mid price.
        quantity
            What is bought back, base units, positive; None for all of the debt.
        good_till_time
            When the order lapses: a time, or a duration from now; None for never.
        notes
            Stored with the trade.

        Raises
        ------
        PositionManagerError
            It is not an open short, or an amount, level or time is invalid.
        """
        _check_short(position)
        trigger = self._make_exit_trigger(_BELOW, limit_price, closes=quantity is None, good_till_time=good_till_time)
        return [self._place_exit(position, [trigger], quantity, notes)]

    def stop_cover(
        self,
        position: TradingPosition,
        stop_price: USDollarPrice,
        quantity: Decimal | None = None,
        *,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy back when the price has risen to `stop_price` or above; parameters and errors as in `limit_cover`."""
        _check_short(position)
        trigger = self._make_exit_trigger(_ABOVE, stop_price, closes=quantity is None, good_till_time=good_till_time)
        return [self._place_exit(position, [trigger], quantity, notes)]

    def oco_cover(
        self,
        position: TradingPosition,
        *,
        limit_price: USDollarPrice,
        stop_price: USDollarPrice,
        quantity: Decimal | None = None,
        good_till_time: GoodTill = None,
        notes: str | None = None,
    ) -> list[TradeExecution]:
        """Buy back at a limit below or at a stop above, whichever is reached first; it cancels the other.

        Parameters and errors as in `limit_cover`.

        Raises
        ------
        PositionManagerError
            `stop_price` is not above `limit_price`.
        """
        _check_short(position)
        if not limit_price < stop_price:
            raise PositionManagerError(f"the limit {limit_price} must be below the stop {stop_price}")
        triggers = [
            self._make_exit_trigger(_BELOW, limit_price, closes=quantity is None, good_till_time=good_till_time),
            self._make_exit_trigger(_ABOVE, stop_price, closes=quantity is None, good_till_time=good_till_time),
        ]
        return [self._place_exit(position, triggers, quantity, notes)]

    def _place_sell(
        self, position: TradingPosition, triggers: list[Trigger], quantity: Decimal | None, notes: str | None
    ) -> TradeExecution:
        check_position(position)
        if position.is_short():
            raise PositionManagerError(f"a short is closed by buying, see limit_cover and stop_cover: {position}")
        if position.is_leverage():
            return self._place_exit(position, triggers, quantity, notes)
        return super()._place_sell(position, triggers, quantity, notes)

    def _place_exit(
        self, position: TradingPosition, triggers: list[Trigger], quantity: Decimal | None, notes: str | None
    ) -> TradeExecution:
        check_position(position)
        if not position.is_leverage():
            return super()._place_exit(position, triggers, quantity, notes)
        loan = _find_loan(position)
        held = abs(get_signed_balances(loan)[0])
        if quantity is not None and (not isinstance(quantity, Decimal) or not quantity > 0):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise PositionManagerError(f"the quantity to close must be a positive Decimal, not {quantity!r}")
        spot = position.pair.get_pricing_pair()
        self._round_levels(spot, triggers)
        wanted = held if quantity is None else round_down_to_units(min(quantity, held), spot.base.decimals)
        if not wanted:
            raise PositionManagerError(f"{position} has nothing to close")
        mid = triggers[0].price or self.pricing_model.get_mid_price(self.timestamp, spot)
        swap, pricing = self._size_reduction(loan, wanted, mid)
        flags = {TradeFlag.reduce, TradeFlag.triggered}
        if quantity is None:
            flags.add(TradeFlag.close)
        types = [get_exit_type(position, trigger) for trigger in triggers]
        _, trade = self._plan_leverage(
            position.pair, pricing, swap, flags=flags, position=position, trade_type=types[0], notes=notes
        )
        trade.triggers = [*(trade.triggers or ()), *triggers]
        del position.trades[trade.trade_id]
        position.pending_trades[trade.trade_id] = trade
        return trade


def _find_loan(position: TradingPosition) -> Loan:
    """Return the loan of a position, or the one that the trade of this decision will open.

    Raises
    ------
    PositionManagerError
        The position is closed, or waits for its entry.
    """
    if position.is_closed() or position.is_pending():
        raise PositionManagerError(f"only an open position can be closed by an order, not {position}")
    planned = [trade.planned_loan_update for trade in position.trades.values() if trade.is_planned()]
    loan = position.loan or next((found for found in planned if found is not None), None)
    if loan is None:
        raise PositionManagerError(f"{position} has not opened")
    return loan


def _check_short(position: TradingPosition) -> None:
    check_position(position)
    if not position.is_short():
        raise PositionManagerError(f"only a short is covered, not {position}; limit_sell and stop_sell close longs")
