"""Resting orders that open shorts: `limit_short`, `stop_short` and `oco_short`.

Stop loss, take profit and trailing stop loss of the position close it, see `ShortPositions.open_short`.
"""

from decimal import Decimal

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.loan.changes import LoanChange, get_loan_after_trade
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trigger import Trigger, TriggerCondition
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError
from tradeexecutor.strategy.pandas_trader.short_positions import ShortPositions
from tradeexecutor.strategy.pandas_trader.trigger_orders import GoodTill

__all__ = ["ShortOrders"]

_ABOVE, _BELOW = TriggerCondition.cross_above, TriggerCondition.cross_below


class ShortOrders(ShortPositions):
    """The part of `PositionManager` that places orders for shorts."""

    __slots__ = ()

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
        trigger = self._make_entry_trigger(_ABOVE, limit_price, good_till_time)
        levels = (take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._place_short(pair, value, leverage, [trigger], levels, notes)

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
        trigger = self._make_entry_trigger(_BELOW, stop_price, good_till_time)
        levels = (take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._place_short(pair, value, leverage, [trigger], levels, notes)

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
        if not stop_price < limit_price:
            raise PositionManagerError(f"the stop {stop_price} must be below the limit {limit_price}")
        triggers = [
            self._make_entry_trigger(_ABOVE, limit_price, good_till_time),
            self._make_entry_trigger(_BELOW, stop_price, good_till_time),
        ]
        return self._place_short(pair, value, leverage, triggers, (None, None, None), notes)

    def _place_short(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        leverage: LeverageMultiplier,
        triggers: list[Trigger],
        levels: tuple[Percent | None, Percent | None, Percent | None],
        notes: str | None,
    ) -> list[TradeExecution]:
        short_pair = self.get_shorting_pair(pair)
        spot = short_pair.get_pricing_pair()
        self._check_tradeable(spot)
        self._round_levels(spot, triggers)
        self._refuse_second_position(short_pair)
        if self.state.portfolio.get_pending_position_for_pair(short_pair) is not None:
            raise PositionManagerError(f"an order for a short of {spot.get_ticker()} waits already")
        level = triggers[0].price or 0.0
        reserve = self._to_reserve(value)
        position, trade = self._plan_opening(short_pair, reserve, leverage, level, levels, notes=notes)
        trade.leverage = float(leverage)
        self._make_wait(position, trade, triggers)
        return [trade]

    def activate_short(self, position: TradingPosition, trade: TradeExecution, mid_price: USDollarPrice) -> None:
        """Plan a resting order again, at the mid price at which it fills; a check of triggers calls it, no strategy.

        Own money and leverage stay, so that a better price borrows another quantity.
        """
        spot = position.pair.get_pricing_pair()
        planned = -float(trade.planned_quantity) * (trade.planned_mid_price or 0.0) / float(trade.planned_reserve)
        leverage = trade.leverage or planned
        fee = self._get_fee(spot)
        estimate = LeverageEstimate.open_short(trade.planned_reserve, leverage, mid_price, position.pair, fee)
        pricing = self._price_sale(spot, estimate.borrowed_quantity, mid_price)
        trade.planned_quantity = -estimate.borrowed_quantity
        trade.planned_price, trade.planned_mid_price, trade.price_structure = pricing.price, mid_price, pricing
        trade.planned_collateral_consumption = estimate.additional_collateral_quantity
        trade.lp_fees_estimated = estimate.lp_fees
        trade.planned_loan_update, _ = get_loan_after_trade(None, trade, LoanChange.read(trade), closing=False)
        position.liquidation_price = float(estimate.liquidation_price or 0)
