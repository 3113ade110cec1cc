"""Planning trades of shorts and leveraged longs again, at the price and for the loan of the time at which they fill."""

from decimal import Decimal

from tradeexecutor.state.loan.changes import LoanChange, get_loan_after_trade
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trigger import Trigger, TriggerCondition
from tradeexecutor.state.types import USDollarPrice
from tradeexecutor.strategy.pandas_trader.leveraged_rules import Swap, get_signed_balances, is_all
from tradeexecutor.strategy.pandas_trader.long_positions import LongPositions
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError

__all__ = ["LeveragedReplanning", "get_exit_type"]


class LeveragedReplanning(LongPositions):
    """The part of `PositionManager` that a simulation uses when an order for a leveraged position fills."""

    __slots__ = ()

    def activate_entry(
        self,
        position: TradingPosition,
        trade: TradeExecution,
        mid_price: USDollarPrice,
        *,
        is_market_order: bool = False,
    ) -> None:
        """Plan an entry again, at the mid price at which it fills; a simulation calls it, no strategy.

        Own money and leverage stay, so that a better price borrows or buys another quantity. A market order is checked
        as in a decision.
        """
        pair = position.pair
        planned = abs(float(trade.planned_quantity)) * (trade.planned_mid_price or 0.0) / float(trade.planned_reserve)
        leverage = trade.leverage or planned
        swap, pricing = self._size_opening(pair, trade.planned_reserve, leverage, mid_price)
        if is_market_order:
            self._check_loan(pair, None, pricing, swap)
        self._replan(trade, swap, pricing, None)
        position.liquidation_price = self._get_recorded_liquidation_price(pair, swap, leverage, mid_price)

    def replan_leverage(
        self, position: TradingPosition, trade: TradeExecution, mid_price: USDollarPrice | None
    ) -> None:
        """Plan a market order again for the loan of now; a simulation calls it when the order arrives, no strategy.

        An opening keeps its own money and leverage, an increase its own money and the value that it swaps. An order
        that closes a part keeps its quantity, and releases the same share of both sides of the loan.

        Parameters
        ----------
        position
            Position of the trade, open.
        trade
            A planned trade.
        mid_price
            Price of the fill; None for the market price.

        Raises
        ------
        PositionManagerError
            The position has not opened, or the pool does not lend so much.
        InvalidTrade, LiquidationRisked
            The loan cannot change so.
        """
        flags, loan = trade.flags or (), position.loan
        spot = position.pair.get_pricing_pair()
        mid = self.pricing_model.get_mid_price(self.timestamp, spot) if mid_price is None else mid_price
        if TradeFlag.open in flags:
            self.activate_entry(position, trade, mid, is_market_order=True)
        elif loan is None:
            raise PositionManagerError(f"{position} has not opened")
        elif TradeFlag.reduce in flags:
            self._replan_exit(loan, trade, mid)
        else:
            quantity = trade.planned_quantity * Decimal(trade.planned_mid_price or mid) / Decimal(mid)
            pricing = self._price_at(spot, quantity, mid)
            consumption, lp_fees = self._swap_at(position.pair, quantity, pricing)
            swap = Swap(quantity, trade.planned_reserve, consumption, lp_fees=lp_fees)
            self._check_loan(position.pair, loan, pricing, swap)
            self._replan(trade, swap, pricing, loan)

    def activate_exit(
        self, position: TradingPosition, trade: TradeExecution, trigger: Trigger | None, mid_price: USDollarPrice
    ) -> None:
        """Plan a resting exit again, at the mid price at which it fills; a check of triggers calls it, no strategy.

        It closes at most what the loan holds by now; an order for all of it, or for as much, closes the position.
        """
        loan = position.loan
        assert loan is not None, "only open positions have orders that are reached"
        self._replan_exit(loan, trade, mid_price)
        trade.trade_type = get_exit_type(position, trigger)

    def _replan_exit(self, loan: Loan, trade: TradeExecution, mid_price: USDollarPrice) -> None:
        wanted = abs(trade.planned_quantity)
        closes = TradeFlag.close in (trade.flags or ()) or is_all(loan, wanted)
        held = abs(get_signed_balances(loan)[0])
        swap, pricing = self._size_reduction(loan, held if closes else wanted, mid_price)
        self._replan(trade, swap, pricing, loan, closing=closes)
        if closes:
            trade.closing = True
            trade.flags = {*(trade.flags or ()), TradeFlag.close}

    @staticmethod
    def _replan(
        trade: TradeExecution, swap: Swap, pricing: TradePricing, loan: Loan | None, *, closing: bool = False
    ) -> None:
        """Give a trade other amounts; raises `InvalidTrade` or `LiquidationRisked` if its loan cannot change so."""
        change = LoanChange(
            swap.quantity, swap.reserve, swap.consumption, swap.allocation, pricing.price,
            float(trade.get_reserve_currency_exchange_rate()), trade.opened_at,
        )  # fmt: skip
        after, _ = get_loan_after_trade(loan, trade, change, closing=closing)
        trade.planned_quantity, trade.planned_reserve, trade.planned_price = swap.quantity, swap.reserve, pricing.price
        trade.planned_collateral_consumption, trade.planned_collateral_allocation = swap.consumption, swap.allocation
        trade.planned_mid_price, trade.price_structure = pricing.mid_price, pricing
        trade.lp_fees_estimated = swap.lp_fees
        trade.planned_loan_update = after


def get_exit_type(position: TradingPosition, trigger: Trigger | None) -> TradeType:
    """Return the type of an exit: take profit or stop loss by the side of its level, or that of a timed order."""
    if trigger is None or trigger.price is None:
        return TradeType.flexible_trigger
    rising = trigger.condition is TriggerCondition.cross_above
    return TradeType.stop_loss if rising is position.is_short() else TradeType.take_profit
