"""What shorts and leveraged longs have in common: sizes, limits and trades of their loans.

Both exchange a base token for the reserve currency inside a loan. A short owes the base, and its collateral is reserve
currency; a leveraged long has the base as collateral, and owes reserve currency. With signs, a debt being negative, all
rules are the same for both: a trade adds its quantity to the base, and what the swap brings or costs, and what comes
from or goes to the cash, to the reserve currency.
"""

import dataclasses
from decimal import Decimal

from tradeexecutor.accounting.leverage import size_long_opening
from tradeexecutor.state.errors import InvalidValue, PositionNotFound
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeRequest, TradeType
from tradeexecutor.state.trade.predicates import LIQUIDATION_KEY
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import LeverageMultiplier, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.leveraged_rules import (
    LevelFractions,
    Swap,
    check_leveraged,
    check_quantity,
    check_worst_fill,
    find_liquidation_price,
    get_balances_after,
    get_debt_and_collateral,
    get_signed_balances,
    is_all,
)
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError
from tradeexecutor.strategy.pandas_trader.trigger_orders import TriggerOrders

__all__ = ["LeveragedPositions"]

_ZERO = Decimal(0)


class LeveragedPositions(TriggerOrders):
    """The part of `PositionManager` that shorts and leveraged longs share."""

    __slots__ = ()

    # --- Opening

    def _open_leveraged(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        leverage: LeverageMultiplier,
        levels: LevelFractions,
        *,
        notes: str | None,
        flags: set[TradeFlag] | None,
    ) -> list[TradeExecution]:
        spot = pair.get_pricing_pair()
        self._check_tradeable(spot)
        self._refuse_second_position(pair)
        mid = self.pricing_model.get_mid_price(self.timestamp, spot)
        position, trade = self._plan_opening(
            pair, self._to_reserve(value), leverage, mid, levels, notes=notes, flags=flags
        )
        if self.pricing_model.latency:
            assert trade.price_structure is not None, "the plan has a price"
            trade.leverage = float(leverage)  # it is planned again when it reaches the market
            stop_loss = levels.stop_loss or levels.trailing_stop_loss
            self._remember_relative_levels(trade, trade.price_structure, position, stop_loss, levels.take_profit)
        what = "short" if pair.kind.is_shorting() else "leveraged long"
        message = f"Opened {what} of {spot.get_ticker()}, position #{position.position_id}"
        self.state.visualisation.add_message(self.timestamp, message)
        return [trade]

    def _plan_opening(
        self,
        pair: TradingPairIdentifier,
        reserve: Decimal,
        leverage: LeverageMultiplier,
        mid: USDollarPrice,
        levels: LevelFractions,
        *,
        notes: str | None,
        flags: set[TradeFlag] | None = None,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan the opening of a position at a mid price, which may be a level and not the price of now."""
        swap, pricing = self._size_opening(pair, reserve, leverage, mid)
        is_short = pair.kind.is_shorting()
        prices = levels.to_prices(mid, find_liquidation_price(pair, swap, leverage, mid), is_short=is_short)
        position, trade = self._plan_leverage(
            pair, pricing, swap, flags={TradeFlag.open} | (flags or set()), notes=notes
        )
        position.liquidation_price = self._get_recorded_liquidation_price(pair, swap, leverage, mid)
        position.take_profit, position.stop_loss = prices
        position.trailing_stop_loss_pct = levels.trailing_stop_loss
        return position, trade

    def _size_opening(
        self, pair: TradingPairIdentifier, reserve: Decimal, leverage: LeverageMultiplier, mid: USDollarPrice
    ) -> tuple[Swap, TradePricing]:
        """Return amounts and price of the trade that opens a position with own money and leverage at a mid price.

        Raises
        ------
        InvalidValue
            The leverage is not possible with the liquidation threshold of the collateral.
        """
        spot = pair.get_pricing_pair()
        if pair.kind.is_shorting():
            estimate = LeverageEstimate.open_short(reserve, leverage, mid, pair, self._get_fee(spot))
            pricing = self._price_at(spot, -estimate.borrowed_quantity, mid)
            gained = estimate.additional_collateral_quantity
            return Swap(-estimate.borrowed_quantity, reserve, gained, lp_fees=estimate.lp_fees), pricing
        limit = pair.get_max_leverage_at_open(side="long")
        if not 1 < leverage < limit:
            raise InvalidValue(f"leverage of {pair} must be between 1 and {limit}, got {leverage}")
        # Candles have the same price for every amount; another market is asked for that of the whole purchase.
        spent = reserve * Decimal(leverage)
        pricing = self._price_at(spot, spent / Decimal(mid), mid)
        opening = size_long_opening(reserve, leverage, pricing.price)
        fees = float(pricing.get_total_lp_fees())
        return Swap(opening.quantity, reserve, -opening.spent, lp_fees=fees), pricing

    def _get_recorded_liquidation_price(
        self, pair: TradingPairIdentifier, swap: Swap, leverage: LeverageMultiplier, mid: USDollarPrice
    ) -> USDollarPrice:
        """Return `TradingPosition.liquidation_price`: of a short before the fee, as in recorded files.

        A simulation compares with the loan itself.
        """
        if not pair.kind.is_shorting():
            return find_liquidation_price(pair, swap, leverage, mid)
        estimate = LeverageEstimate.open_short(swap.reserve, leverage, mid, pair)
        return float(estimate.liquidation_price or 0)

    def _price_at(self, spot: TradingPairIdentifier, quantity: Decimal, mid: USDollarPrice) -> TradePricing:
        """Return the price of buying (+) or selling (-) a quantity at a mid price, which may be a level."""
        if quantity < 0:
            pricing = self.pricing_model.get_sell_price(self.timestamp, spot, -quantity)
        else:
            pricing = self.pricing_model.get_buy_price(self.timestamp, spot, quantity * Decimal(mid))
        if pricing.mid_price == mid:
            return pricing
        change = mid / pricing.mid_price
        fees = pricing.lp_fee
        if quantity < 0 and fees is not None:  # those of a purchase are a part of its cost, which is given
            fees = [None if fee is None else fee * change for fee in fees]
        return dataclasses.replace(pricing, price=pricing.price / pricing.mid_price * mid, mid_price=mid, lp_fee=fees)

    # --- Changing and closing

    def _close_leveraged(
        self,
        position: TradingPosition,
        *,
        notes: str | None,
        trade_type: TradeType,
        flags: set[TradeFlag] | None,
        trigger_price: USDollarPrice | None,
    ) -> list[TradeExecution]:
        """Plan to swap all of the base back, and to release what the loan leaves."""
        if position.is_closed():
            raise PositionManagerError(f"{position} is already closed")
        if self._withdraw_opening(position):
            return []
        spot = position.pair.get_pricing_pair()
        ts, model = self.timestamp, self.pricing_model
        if position.is_short():
            pricing = model.get_buy_price(ts, spot, Decimal(1), mid_price=trigger_price)
        else:
            pricing = model.get_sell_price(ts, spot, position.get_quantity(), mid_price=trigger_price)
        _, trade = self._plan_leverage(
            position.pair,
            pricing,
            None,
            flags={TradeFlag.close, TradeFlag.reduce} | (flags or set()),
            position=position,
            trade_type=trade_type,
            notes=notes,
        )
        return [trade]

    def _adjust_leveraged(
        self,
        position: TradingPosition,
        new_value: USDollarAmount,
        *,
        notes: str | None,
        trade_type: TradeType,
        threshold: USDollarAmount,
        flags: set[TradeFlag] | None,
    ) -> list[TradeExecution]:
        """Plan to give a position another value at its leverage."""
        pair, loan = position.pair, position.loan
        what = "short" if position.is_short() else "long"
        if not new_value > 0:
            raise PositionManagerError(f"a {what} needs a positive value, not {new_value}; close_{what} closes it")
        if loan is None or position.is_closed():
            raise PositionManagerError(f"{position} is not open")
        delta = new_value - loan.get_net_asset_value()
        if not delta or abs(delta) < threshold:
            return []
        spot = pair.get_pricing_pair()
        mid = Decimal(self.pricing_model.get_mid_price(self.timestamp, spot))
        exposure = Decimal(new_value) * Decimal(loan.get_leverage()) / mid
        quantity = (-exposure if position.is_short() else exposure) - get_signed_balances(loan)[0]
        pricing = self._price_at(spot, quantity, float(mid))
        consumption, lp_fees = self._swap_at(pair, quantity, pricing)
        reserve, allocation = (self._to_reserve(delta), _ZERO) if delta > 0 else (_ZERO, Decimal(delta))
        _, trade = self._plan_leverage(
            pair,
            pricing,
            Swap(quantity, reserve, consumption, allocation, lp_fees),
            flags={TradeFlag.increase if delta > 0 else TradeFlag.reduce} | (flags or set()),
            position=position,
            trade_type=trade_type,
            notes=notes,
        )
        return [trade]

    def _reduce_leveraged(
        self, position: TradingPosition, quantity: Decimal, *, notes: str | None, trade_type: TradeType
    ) -> list[TradeExecution]:
        """Plan to close a part of a position; one that holds no more than the quantity is closed."""
        loan = position.loan
        if loan is None or position.is_closed():
            raise PositionManagerError(f"{position} is not open")
        check_quantity(quantity)
        if is_all(loan, quantity):
            return self._close_leveraged(position, notes=notes, trade_type=trade_type, flags=None, trigger_price=None)
        mid = self.pricing_model.get_mid_price(self.timestamp, position.pair.get_pricing_pair())
        swap, pricing = self._size_reduction(loan, quantity, mid)
        _, trade = self._plan_leverage(
            position.pair,
            pricing,
            swap,
            flags={TradeFlag.reduce},
            position=position,
            trade_type=trade_type,
            notes=notes,
        )
        return [trade]

    def _size_reduction(self, loan: Loan, quantity: Decimal, mid: USDollarPrice) -> tuple[Swap, TradePricing]:
        """Return amounts and price of closing a part at a mid price.

        Both sides of the loan shrink by the same share, so leverage and price of liquidation stay. What the swap and
        the share of the loan leave is released; the fee of the swap is paid by it.
        """
        pair = loan.pair
        base, reserve = get_signed_balances(loan)
        traded = -quantity.copy_sign(base)
        pricing = self._price_at(pair.get_pricing_pair(), traded, mid)
        consumption, lp_fees = self._swap_at(pair, traded, pricing)
        share = quantity / abs(base)
        allocation = min(-share * reserve - consumption, _ZERO)
        return Swap(traded, _ZERO, consumption, allocation, lp_fees), pricing

    def _swap_at(
        self, pair: TradingPairIdentifier, quantity: Decimal, pricing: TradePricing
    ) -> tuple[Decimal, USDollarAmount]:
        """Return what swapping a quantity brings (+) or costs (-), reserve token units, and its fees, USD."""
        if pair.kind.is_longing():
            return -quantity * Decimal(pricing.price), float(pricing.get_total_lp_fees())
        # As in recorded shorts, the fee of a purchase is a part of the cost that contains it.
        fee = Decimal(self._get_fee(pair.get_pricing_pair()))
        value = -quantity * Decimal(pricing.mid_price)
        value = value * (1 - fee) if value > 0 else value / (1 - fee)
        return value, float(abs(value) * fee)

    # --- Liquidation

    def liquidate(self, position: TradingPosition, mid_price: USDollarPrice) -> list[TradeExecution]:
        """Plan the trade by which a liquidator repays the debt of a loan; a simulation calls it, no strategy.

        The liquidator takes collateral of the value of the debt and the penalty. What is left goes back to the
        reserves; that of a long is sold, with the fee of the market. When the price has jumped so far that the
        collateral does not suffice, all of it is taken. The price of the trade is what one token has cost or brought,
        so that the profit of the position contains the penalty.

        Raises
        ------
        PositionNotFound
            The position has no loan.
        """
        check_leveraged(position)
        loan, pair = position.loan, position.pair
        if loan is None:
            raise PositionNotFound(f"{position} has no loan that could be liquidated")
        debt, collateral = get_debt_and_collateral(loan)
        mid = Decimal(mid_price)
        factor = 1 + Decimal(str(self.strategy_universe.lending.liquidation_penalty))
        if position.is_short():
            taken, owed = min(debt * mid * factor, collateral), debt * mid
            left = collateral - taken
            swap = Swap(debt, _ZERO, -taken, -left)
        else:
            tokens = min(debt * factor / mid, collateral)
            rest = collateral - tokens
            sale = self._price_at(pair.get_pricing_pair(), -rest, mid_price) if rest else None
            left = rest * Decimal(sale.price) if sale else _ZERO
            taken, owed = tokens * mid, debt
            fees = float(sale.get_total_lp_fees()) if sale else 0.0
            swap = Swap(-collateral, _ZERO, debt + left, -left, fees)
        price = float(abs(swap.consumption / swap.quantity))
        _, trade = self._plan_leverage(
            pair,
            TradePricing(price=price, mid_price=mid_price, lp_fee=[0.0], pair_fee=[0.0]),
            swap,
            flags={TradeFlag.close, TradeFlag.reduce},
            position=position,
            notes=f"Liquidated at mid-price:{mid_price}",
        )
        trade.slippage_tolerance = None  # the liquidator does not ask
        details = {"price": mid_price, "taken": float(taken), "left": float(left), "penalty": float(taken - owed)}
        trade.other_data = {**(trade.other_data or {}), LIQUIDATION_KEY: details}
        return [trade]

    # --- Planning

    def _plan_leverage(
        self,
        pair: TradingPairIdentifier,
        pricing: TradePricing,
        swap: Swap | None,
        *,
        flags: set[TradeFlag],
        position: TradingPosition | None = None,
        trade_type: TradeType = TradeType.rebalance,
        notes: str | None = None,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade of a leveraged position at a price; without a swap it closes the position."""
        if swap is not None and TradeFlag.close not in flags:
            self._check_loan(pair, None if position is None else position.loan, pricing, swap)
        plan = self.state.request_short if pair.kind.is_shorting() else self.state.request_long
        position, trade, _ = plan(
            TradeRequest(
                strategy_cycle_at=self.timestamp,
                pair=pair,
                assumed_price=pricing.price,
                trade_type=trade_type,
                reserve_currency=self.reserve_currency,
                reserve_currency_price=self.reserve_price,
                quantity=None if swap is None else swap.quantity,
                reserve=None if swap is None else swap.reserve,
                notes=notes,
                pair_fee=self._get_fee(pair.get_pricing_pair()),
                lp_fees_estimated=float(pricing.get_total_lp_fees()) if swap is None else swap.lp_fees,
                planned_mid_price=pricing.mid_price,
                price_structure=pricing,
                slippage_tolerance=self.default_slippage_tolerance,
                closing=swap is None,
                planned_collateral_consumption=None if swap is None else swap.consumption,
                planned_collateral_allocation=None if swap is None else swap.allocation,
                flags=flags,
            ),
            position,
        )
        return position, trade

    def _check_loan(self, pair: TradingPairIdentifier, loan: Loan | None, pricing: TradePricing, swap: Swap) -> None:
        """Raise an error unless the loan survives the worst fill of a swap, and the pool lends enough for it."""
        check_worst_fill(pair, loan, pricing, self.default_slippage_tolerance, swap)
        self._check_pool(pair, loan, pricing, swap)

    def _check_pool(self, pair: TradingPairIdentifier, loan: Loan | None, pricing: TradePricing, swap: Swap) -> None:
        """Raise `PositionManagerError` if the pool does not lend so much; repayments are always possible."""
        is_short, owed = pair.kind.is_shorting(), pair.get_debt_token()
        before = _ZERO if loan is None else get_debt_and_collateral(loan)[0]
        base, reserve = get_balances_after(loan, swap)
        debt = -base if is_short else -reserve
        if debt <= before:
            return
        others = sum(
            (
                get_debt_and_collateral(position.loan)[0]
                for position in self.state.portfolio.get_open_and_frozen_positions()
                if position.loan is not None and position.is_leverage() and position.loan is not loan
                if position.pair.get_debt_token() == owed
            ),
            _ZERO,
        )
        value_of_base, value_of_reserve = abs(float(base)) * (pricing.mid_price or pricing.price), abs(float(reserve))
        debt_value, value = (value_of_base, value_of_reserve) if is_short else (value_of_reserve, value_of_base)
        token = owed.underlying
        assert token is not None, "a debt token has an underlying token"
        obstacle = self.strategy_universe.lending.find_obstacle(token, debt + others, debt_value, value)
        if obstacle is not None:
            raise PositionManagerError(f"the pool refuses: {obstacle}")

    def _get_fee(self, spot: TradingPairIdentifier) -> float:
        return self.pricing_model.get_pair_fee(self.timestamp, spot) or 0.0
