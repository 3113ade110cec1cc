"""Opening, changing and closing leveraged shorts from ``decide_trades``.

The value of a short is its collateral less its debt. Leverage is the debt in relation to that value: 1000 USD with a
leverage of 2 borrow and sell tokens for 2000 USD, so that the collateral is 3000 USD less the fee.
"""

import dataclasses
import math
from decimal import Decimal
from typing import Any

from tradeexecutor.state.errors import LiquidationRisked, PositionNotFound, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.predicates import LIQUIDATION_KEY
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError, check_pair, check_position
from tradeexecutor.strategy.pandas_trader.trigger_orders import TriggerOrders

__all__ = ["ShortPositions", "get_debt_and_collateral"]

_ZERO = Decimal(0)


class ShortPositions(TriggerOrders):
    """The part of `PositionManager` that trades shorts."""

    __slots__ = ()

    def get_shorting_pair(self, pair: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that shorts a spot pair; the same for a pair that is already one."""
        check_pair(pair)
        return pair if pair.kind.is_shorting() else self.strategy_universe.get_shorting_pair(pair)

    def open_short(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        *,
        leverage: LeverageMultiplier = 1.0,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        notes: str | None = None,
        flags: set[TradeFlag] | None = None,
    ) -> list[TradeExecution]:
        """Borrow the base token of a pair and sell it.

        Parameters
        ----------
        pair
            Spot pair to short.
        value
            Own money in the short, reserve currency; rounded down to its decimals.
        leverage
            Debt in relation to `value`.
        take_profit_pct
            1.05 takes the profit at a price 5 % below the current one.
        stop_loss_pct, trailing_stop_loss_pct
            0.95 closes at a price 5 % above the current one; a trailing level follows the price down.
        notes, flags
            As in `open_spot`.

        Raises
        ------
        PositionManagerError
            The pair is short already or problematic, an amount or level is invalid, or the short would be liquidated
            before its stop loss is reached.
        InvalidValue
            The leverage is not possible with the liquidation threshold of the collateral.
        LiquidationRisked
            The loan would be liquidated at once.
        """
        short_pair = self.get_shorting_pair(pair)
        spot = short_pair.get_pricing_pair()
        self._check_tradeable(spot)
        self._refuse_second_position(short_pair)
        mid = self.pricing_model.get_mid_price(self.timestamp, spot)
        levels = (take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        position, trade = self._plan_opening(
            short_pair, self._to_reserve(value), leverage, mid, levels, notes=notes, flags=flags
        )
        message = f"Opened short of {spot.get_ticker()}, position #{position.position_id}"
        self.state.visualisation.add_message(self.timestamp, message)
        return [trade]

    def _plan_opening(
        self,
        pair: TradingPairIdentifier,
        reserve: Decimal,
        leverage: LeverageMultiplier,
        mid: USDollarPrice,
        levels: tuple[Percent | None, Percent | None, Percent | None],
        *,
        notes: str | None,
        flags: set[TradeFlag] | None = None,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan the opening of a short at a mid price; `levels` are take profit, stop loss and trailing stop loss."""
        spot = pair.get_pricing_pair()
        fee = self._get_fee(spot)
        estimate = LeverageEstimate.open_short(reserve, leverage, mid, pair, fee)
        take_profit, stop_loss = _check_levels(mid, _find_liquidation_price(estimate, pair, mid), *levels)
        position, trade = self._plan_short(
            pair,
            self._price_sale(spot, estimate.borrowed_quantity, mid),
            flags={TradeFlag.open} | (flags or set()),
            trade_type=TradeType.rebalance,
            borrowed_quantity=-estimate.borrowed_quantity,
            collateral_quantity=reserve,
            planned_collateral_consumption=estimate.additional_collateral_quantity,
            planned_collateral_allocation=_ZERO,
            notes=notes,
            pair_fee=fee,
            lp_fees_estimated=estimate.lp_fees,
        )
        # As in recorded files, before the fee; a simulation compares with the loan itself.
        position.liquidation_price = float(estimate.liquidation_price or 0)
        position.take_profit, position.stop_loss = take_profit, stop_loss
        position.trailing_stop_loss_pct = levels[2]
        return position, trade

    def _price_sale(self, spot: TradingPairIdentifier, quantity: Decimal, mid: USDollarPrice) -> TradePricing:
        """Return what a sale at a mid price brings, which may be a level and not the price of now."""
        pricing = self.pricing_model.get_sell_price(self.timestamp, spot, quantity)
        if pricing.mid_price == mid:
            return pricing
        return dataclasses.replace(pricing, price=pricing.price / pricing.mid_price * mid, mid_price=mid)

    def close_short(
        self,
        position: TradingPosition,
        quantity: Decimal | None = None,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
        flags: set[TradeFlag] | None = None,
        trigger_price: USDollarPrice | None = None,
    ) -> list[TradeExecution]:
        """Buy back all of the debt of a short, and release its collateral.

        Parameters
        ----------
        position
            An open short.
        quantity
            Accepted for existing strategies, no effect; `adjust_short` closes a part.
        notes, trade_type, flags
            Stored with the trade.
        trigger_price
            Mid price at which a level was reached; None for the market price.

        Raises
        ------
        PositionManagerError
            The position is closed.
        InvalidTrade
            It has no debt that could be bought back, because it has not opened.
        """
        del quantity
        _check_short(position)
        if position.is_closed():
            raise PositionManagerError(f"{position} is already closed")
        spot = position.pair.get_pricing_pair()
        pricing = self.pricing_model.get_buy_price(self.timestamp, spot, Decimal(1), mid_price=trigger_price)
        _, trade = self._plan_short(
            position.pair,
            pricing,
            flags={TradeFlag.close, TradeFlag.reduce} | (flags or set()),
            position=position,
            trade_type=trade_type,
            notes=notes,
            pair_fee=self._get_fee(spot),
            closing=True,
        )
        return [trade]

    def close_short_position(self, position: TradingPosition, **kwargs: object) -> list[TradeExecution]:
        """Close a short; the historical name of `close_short`."""
        return self.close_short(position, **kwargs)  # pyright: ignore[reportArgumentType]

    def adjust_short(
        self,
        position: TradingPosition,
        new_value: USDollarAmount,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
        minimum_rebalance_trade_threshold: USDollarAmount = 0.0,
        flags: set[TradeFlag] | None = None,
    ) -> list[TradeExecution]:
        """Give a short another value at the same leverage; fees of the swap are paid by its collateral.

        Parameters
        ----------
        position
            An open short.
        new_value
            Collateral less debt after the trade, before its fee, USD.
        minimum_rebalance_trade_threshold
            A smaller change of the value is not made, USD.

        Returns
        -------
        list
            The trade; empty for a change below the threshold.

        Raises
        ------
        PositionManagerError
            The value is not positive, or the short has not opened.
        LiquidationRisked
            The loan would be too close to its liquidation.
        """
        _check_short(position)
        if not new_value > 0:
            raise PositionManagerError(f"a short needs a positive value, not {new_value}; close_short closes it")
        loan = position.loan
        if loan is None or position.is_closed():
            raise PositionManagerError(f"{position} is not open")
        delta = new_value - loan.get_net_asset_value()
        if not delta or abs(delta) < minimum_rebalance_trade_threshold:
            return []
        spot = position.pair.get_pricing_pair()
        fee = Decimal(self._get_fee(spot))
        mid = Decimal(self.pricing_model.get_mid_price(self.timestamp, spot))
        debt, _ = get_debt_and_collateral(loan)
        change = Decimal(new_value) * Decimal(loan.get_leverage()) / mid - debt
        if delta > 0:
            pricing = self.pricing_model.get_sell_price(self.timestamp, spot, abs(change))
            reserve, allocation = self._to_reserve(delta), _ZERO
        else:
            pricing = self.pricing_model.get_buy_price(self.timestamp, spot, Decimal(1))
            reserve, allocation = _ZERO, Decimal(delta)
        swapped = change * mid * (1 - fee) if change > 0 else change * mid / (1 - fee)
        _, trade = self._plan_short(
            position.pair,
            pricing,
            flags={TradeFlag.increase if delta > 0 else TradeFlag.reduce} | (flags or set()),
            position=position,
            trade_type=trade_type,
            borrowed_quantity=-change,
            collateral_quantity=reserve,
            planned_collateral_consumption=swapped,
            planned_collateral_allocation=allocation,
            notes=notes,
            pair_fee=float(fee),
            lp_fees_estimated=float(abs(swapped) * fee),
        )
        return [trade]

    def liquidate_short(self, position: TradingPosition, mid_price: USDollarPrice) -> list[TradeExecution]:
        """Plan the trade by which a liquidator repays the debt of a short; a simulation calls it, no strategy.

        The liquidator takes collateral of the value of the debt and the penalty; what is left goes back to the
        reserves. When the price has jumped so far that the collateral does not suffice, all of it is taken. The price
        of the trade is what one token of the debt has cost, so that the profit of the position contains the penalty.

        Raises
        ------
        PositionNotFound
            The position has no loan.
        """
        _check_short(position)
        loan = position.loan
        if loan is None:
            raise PositionNotFound(f"{position} has no loan that could be liquidated")
        pool = self.strategy_universe.lending
        debt, collateral = get_debt_and_collateral(loan)
        taken = min(debt * Decimal(mid_price) * (1 + Decimal(str(pool.liquidation_penalty))), collateral)
        price = float(taken / debt)
        _, trade = self._plan_short(
            position.pair,
            TradePricing(price=price, mid_price=mid_price, lp_fee=[0.0], pair_fee=[0.0]),
            flags={TradeFlag.close, TradeFlag.reduce},
            position=position,
            trade_type=TradeType.rebalance,
            borrowed_quantity=debt,
            collateral_quantity=_ZERO,
            planned_collateral_consumption=-taken,
            planned_collateral_allocation=taken - collateral,
            notes=f"Liquidated at mid-price:{mid_price}",
            lp_fees_estimated=0.0,
        )
        trade.slippage_tolerance = None  # the liquidator does not ask
        details = {"price": mid_price, "taken": float(taken), "left": float(collateral - taken)}
        trade.other_data = {**(trade.other_data or {}), LIQUIDATION_KEY: details}
        return [trade]

    def _plan_short(
        self,
        pair: TradingPairIdentifier,
        pricing: TradePricing,
        *,
        flags: set[TradeFlag],
        position: TradingPosition | None = None,
        **terms: Any,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade of a short at a price; `terms` are further parameters of `State.trade_short`."""
        if TradeFlag.close not in flags:
            loan = None if position is None else position.loan
            _check_worst_fill(pair, loan, pricing, self.default_slippage_tolerance, terms)
            self._check_pool(pair, loan, pricing, terms)
        position, trade, _ = self.state.trade_short(
            strategy_cycle_at=self.timestamp,
            pair=pair,
            borrowed_asset_price=pricing.price,
            reserve_currency=self.reserve_currency,
            collateral_asset_price=self.reserve_price,
            planned_mid_price=pricing.mid_price,
            price_structure=pricing,
            position=position,
            slippage_tolerance=self.default_slippage_tolerance,
            flags=flags,
            **terms,
        )
        return position, trade

    def _check_pool(
        self, pair: TradingPairIdentifier, loan: Loan | None, pricing: TradePricing, terms: dict[str, Any]
    ) -> None:
        """Raise `PositionManagerError` if the pool does not lend so much; repayments are always possible."""
        borrowed = -terms["borrowed_quantity"]
        if borrowed <= 0:
            return
        debt, collateral = (_ZERO, _ZERO) if loan is None else get_debt_and_collateral(loan)
        collateral += terms["collateral_quantity"] + terms["planned_collateral_allocation"]
        collateral += terms["planned_collateral_consumption"]
        others = sum(
            (
                get_debt_and_collateral(position.loan)[0]
                for position in self.state.portfolio.get_open_and_frozen_positions()
                if position.loan is not None and position.pair.base == pair.base and position.loan is not loan
            ),
            _ZERO,
        )
        token = pair.get_pricing_pair().base
        debt += borrowed
        value = float(debt) * (pricing.mid_price or pricing.price)
        obstacle = self.strategy_universe.lending.find_obstacle(token, debt + others, value, float(collateral))
        if obstacle is not None:
            raise PositionManagerError(f"the pool refuses: {obstacle}")

    def _get_fee(self, spot: TradingPairIdentifier) -> float:
        return self.pricing_model.get_pair_fee(self.timestamp, spot) or 0.0


def get_debt_and_collateral(loan: Loan) -> tuple[Decimal, Decimal]:
    """Return both sides of the loan of a short with their interest, token units."""
    debt = loan.get_borrowed_principal_and_interest_quantity()
    return debt, loan.collateral.quantity + loan.collateral_interest.get_remaining_interest()


def _check_short(position: TradingPosition) -> None:
    check_position(position)
    if not position.pair.kind.is_shorting():
        raise UnsupportedPairKind(f"{position} is not a short")


def _check_worst_fill(
    pair: TradingPairIdentifier, loan: Loan | None, pricing: TradePricing, tolerance: Percent, terms: dict[str, Any]
) -> None:
    """Raise `LiquidationRisked` if the loan were liquidated after the worst fill that the trade accepts.

    A plan that is only just possible could not be executed with any slippage.
    """
    debt, collateral = (_ZERO, _ZERO) if loan is None else get_debt_and_collateral(loan)
    debt -= terms["borrowed_quantity"]
    keep = 1 - Decimal(tolerance)
    swapped = terms["planned_collateral_consumption"]
    collateral += terms["collateral_quantity"] + terms["planned_collateral_allocation"]
    collateral += swapped * keep if swapped > 0 else swapped / keep
    price = max(pricing.price / float(keep) if swapped < 0 else pricing.price, pricing.mid_price or 0.0)
    health = float(collateral) * pair.get_liquidation_threshold() / (float(debt) * price) if debt > 0 else math.inf
    if health <= 1:
        raise LiquidationRisked(
            f"with a slippage of {tolerance:.2%} the health factor of {pair} would be {health}, it must be above 1: "
            "use less leverage, or leave more in the short",
            health,
            1.0,
        )


def _find_liquidation_price(
    estimate: LeverageEstimate, pair: TradingPairIdentifier, mid: USDollarPrice
) -> USDollarPrice:
    """Return the price at which a new short is liquidated; raises `LiquidationRisked` if it is that of now."""
    threshold = pair.get_liquidation_threshold()
    limit = float(estimate.total_collateral_quantity) * threshold / float(estimate.total_borrowed_quantity)
    if limit <= mid:
        raise LiquidationRisked(
            f"a short with a leverage of {estimate.leverage} is liquidated at {limit}, the price is {mid} already: the "
            "fee takes too much of the collateral; use less leverage",
            limit / mid,
            1.0,
        )
    return limit


def _check_levels(
    mid: USDollarPrice,
    liquidation_price: USDollarPrice,
    take_profit_pct: Percent | None,
    stop_loss_pct: Percent | None,
    trailing_stop_loss_pct: Percent | None,
) -> tuple[USDollarPrice | None, USDollarPrice | None]:
    """Return take profit and stop loss as prices; raises `PositionManagerError` for levels that cannot be meant."""
    if stop_loss_pct is not None and trailing_stop_loss_pct is not None:
        raise PositionManagerError("give only one of stop loss and trailing stop loss")
    take_profit = stop_loss = None
    if take_profit_pct is not None:
        if not 1 < take_profit_pct < 2:
            raise PositionManagerError(f"1.05 takes the profit of a short 5 % below the price, not {take_profit_pct}")
        take_profit = mid * (2 - take_profit_pct)
    pct = trailing_stop_loss_pct if stop_loss_pct is None else stop_loss_pct
    if pct is not None:
        if not 0 < pct < 1:
            raise PositionManagerError(f"0.95 stops a short 5 % above the price, not {pct}")
        stop_loss = mid * (2 - pct)
        if stop_loss >= liquidation_price:
            raise PositionManagerError(
                f"the stop loss {stop_loss} is beyond the price of liquidation, {liquidation_price}: use less leverage "
                "or a closer stop"
            )
    return take_profit, stop_loss
