"""Opening, adjusting and closing positions from ``decide_trades``.

Every method that plans trades adds them to the state at once and returns them. A decision returns the list to the
runner, which executes it. The runner reports an error for a planned trade that was not returned.
"""

import logging
from decimal import Decimal
from typing import Any

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.position.quantity import get_settled_quantity
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.bridge_positions import BridgePositions
from tradeexecutor.strategy.pandas_trader.credit_positions import PositionAvailabilityResponse
from tradeexecutor.strategy.pandas_trader.position_rules import (
    NoSingleOpenPositionException,
    NotEnoughCashForBuys,
    OpeningLevels,
    OrderTooSmall,
    PositionManagerError,
    RelativeLevels,
    TradeTerms,
    check_lock_up,
    check_pair,
    check_position,
    get_lock_up_end,
    get_sellable_quantity,
    is_closing,
)
from tradeexecutor.strategy.pandas_trader.vault_reduction import HypercorePositionReductionPlan, plan_vault_reduction

__all__ = [
    "HypercorePositionReductionPlan",
    "NoSingleOpenPositionException",
    "NotEnoughCasForBuys",
    "NotEnoughCashForBuys",
    "OrderTooSmall",
    "PositionAvailabilityResponse",
    "PositionManager",
    "PositionManagerError",
]

logger = logging.getLogger(__name__)

# Reading a member from its enum class is slow in Python 3.11.
_OPEN, _CLOSE, _INCREASE = TradeFlag.open, TradeFlag.close, TradeFlag.increase
_REBALANCE = TradeType.rebalance

#: The historical spelling.
NotEnoughCasForBuys = NotEnoughCashForBuys


class PositionManager(BridgePositions):
    """Planning of trades at the time of a decision: spot positions, leveraged ones, lending, other chains.

    Parameters
    ----------
    timestamp
        Time of the decision, naive UTC.
    universe
        Pairs that may be traded.
    state
        State to which planned trades are added.
    pricing_model
        Source of prices.
    default_slippage_tolerance
        Tolerance of trades without their own; a fraction below 0.33, None means 0.017.
    trading_pair_cache
        Accepted for compatibility.
    routing_model, routing_state
        Routing of trades; None in a simulation.
    """

    __slots__ = ()

    # --- Opening ---------------------------------------------------------------------------------

    @contract_signature
    def open_spot(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        stop_loss_usd: USDollarPrice | None = None,
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        flags: set[TradeFlag] | None = None,
        take_profit_usd: USDollarPrice | None = None,
    ) -> list[TradeExecution]:
        """Buy a pair without an open position.

        Parameters
        ----------
        pair
            Pair to buy.
        value
            Amount of the reserve currency to spend, fee included; rounded down to the decimals of the currency.
        take_profit_pct, take_profit_usd
            Level of the mid price that closes the position: relative to the current one (1.05 is 5 % above), or USD.
        stop_loss_pct, stop_loss_usd
            Level of the mid price that closes the position: relative to the current one (0.95 is 5 % below), or USD.
        trailing_stop_loss_pct
            Like `stop_loss_pct`, but the level rises with the price.
        notes
            Stored with the trade and the position.
        slippage_tolerance
            How much worse than planned the trade may fill, a fraction; None for the default of the manager.
        flags
            Further flags of the trade.

        Raises
        ------
        PositionManagerError
            A position is open already, the pair is problematic, or an amount or level is invalid.
        """
        check_pair(pair)
        self._refuse_second_position(pair)
        self._check_tradeable(pair)
        reserve = self._to_reserve(value)
        pricing = self.pricing_model.get_buy_price(self.timestamp, pair, reserve)
        levels = OpeningLevels.check(
            pricing.mid_price,
            take_profit_pct,
            take_profit_usd,
            stop_loss_pct,
            stop_loss_usd,
            trailing_stop_loss_pct,
        )
        trade, position = self._plan_buy(
            pair,
            reserve,
            pricing,
            flags={_OPEN, _INCREASE, *(flags or ())},
            notes=notes,
            slippage_tolerance=slippage_tolerance,
        )
        levels.apply(position)
        stop_loss = stop_loss_pct or trailing_stop_loss_pct
        self._remember_relative_levels(trade, pricing, position, stop_loss, take_profit_pct)
        message = f"Opened {pair.get_ticker()}, position #{position.position_id}"
        self.state.visualisation.add_message(self.timestamp, message)
        return [trade]

    def open_1x_long(self, pair: TradingPairIdentifier, value: USDollarAmount, **kwargs: Any) -> list[TradeExecution]:
        """Open a spot position; the historical name of `open_spot`."""
        return self.open_spot(pair, value, **kwargs)

    # --- Changing --------------------------------------------------------------------------------

    @contract_signature
    def adjust_position(
        self,
        pair: TradingPairIdentifier,
        dollar_delta: USDollarAmount,
        quantity_delta: float | Decimal | None,
        weight: Percent,
        stop_loss: Percent | None = None,
        take_profit: Percent | None = None,
        trailing_stop_loss: Percent | None = None,
        slippage_tolerance: Percent | None = None,
        override_stop_loss: bool = False,
        notes: str | None = None,
        flags: set[TradeFlag] | None = None,
        pending: bool = False,
        position: TradingPosition | None = None,
        trigger_price: USDollarPrice | None = None,
        other_data: dict[str, Any] | None = None,
    ) -> list[TradeExecution]:
        """Buy more of a pair, or sell part of it; opens the position when there is none.

        Parameters
        ----------
        pair
            Pair to trade.
        dollar_delta
            Positive for the amount of the reserve currency to spend, negative for the value to sell.
        quantity_delta
            Base units to sell, negative; None for ``dollar_delta`` at the mid price. Not used for buys.
        weight
            Target share of the portfolio, 0-1; only checked, to detect arguments in the wrong order.
        stop_loss, take_profit, trailing_stop_loss
            Levels relative to the mid price, as in `open_spot`. An existing stop loss is kept unless
            `override_stop_loss`.
        slippage_tolerance, notes, flags
            As in `open_spot`.
        pending
            Whether to include pending positions, whose entry has not filled yet.
        position
            The position to change; None for the open one of the pair.
        trigger_price
            Price at which a resting order fills; None for the market price.
        other_data
            Stored with the trade.

        Raises
        ------
        PositionManagerError
            An amount or level is invalid, or there is nothing to sell.
        """
        check_pair(pair)
        if position is not None:
            check_position(position)
        if not 0 <= weight <= 1:
            raise PositionManagerError(f"the weight must be from 0 to 1, not {weight}")
        if not dollar_delta:
            raise PositionManagerError("dollar_delta must not be zero")
        position = self._find_adjusted(pair, position, pending=pending)
        terms = TradeTerms(flags or set(), notes, slippage_tolerance, trigger_price)
        if dollar_delta > 0:
            levels = RelativeLevels(take_profit, stop_loss, trailing_stop_loss, replaces_stop_loss=override_stop_loss)
            trade = self._buy_more(pair, position, dollar_delta, levels, terms)
        elif position is None:
            raise PositionManagerError(f"there is no position of {pair.get_ticker()} to sell from")
        else:
            trade = self._sell_some(position, self._to_sold_quantity(position, dollar_delta, quantity_delta), terms)
        if other_data:
            trade.other_data = {**(trade.other_data or {}), **other_data}
        return [trade]

    def _find_adjusted(
        self, pair: TradingPairIdentifier, position: TradingPosition | None, *, pending: bool
    ) -> TradingPosition | None:
        """Return the position that an adjustment changes; None when it opens one."""
        if position is None:
            position = self.get_current_position_for_pair(pair, pending=pending)
        if position is not None and not pending and is_closing(position):
            # The decision closes it, so a buy opens a new position, and nothing is left to sell.
            position = self._find_open_position(pair)
        return position

    def _buy_more(
        self,
        pair: TradingPairIdentifier,
        position: TradingPosition | None,
        value: USDollarAmount,
        wanted: RelativeLevels,
        terms: TradeTerms,
    ) -> TradeExecution:
        """Plan to buy for `value`; without a position this opens one."""
        self._check_tradeable(pair)
        reserve = self._to_reserve(value)
        pricing = self.pricing_model.get_buy_price(self.timestamp, pair, reserve, mid_price=terms.trigger_price)
        levels = OpeningLevels.check(
            pricing.mid_price, wanted.take_profit, None, wanted.stop_loss, None, wanted.trailing_stop_loss
        )
        own_flags = {_INCREASE} if position else {_OPEN, _INCREASE}
        trade, position = self._plan_buy(
            pair,
            reserve,
            pricing,
            flags=own_flags | terms.flags,
            notes=terms.notes,
            slippage_tolerance=terms.slippage_tolerance,
            position=position,
        )
        stop_loss = wanted.stop_loss or wanted.trailing_stop_loss
        if position.stop_loss is not None and not wanted.replaces_stop_loss:
            stop_loss = None  # the existing one is kept
        if stop_loss is not None:
            position.stop_loss = levels.stop_loss
            position.trailing_stop_loss_pct = levels.trailing
        if levels.take_profit is not None:
            position.take_profit = levels.take_profit
        self._remember_relative_levels(trade, pricing, position, stop_loss, wanted.take_profit)
        return trade

    def _sell_some(self, position: TradingPosition, quantity: Decimal, terms: TradeTerms) -> TradeExecution:
        """Plan to sell a positive quantity."""
        return self._plan_sell(
            position,
            quantity,
            TradeType.rebalance,
            flags={TradeFlag.reduce} | terms.flags,
            notes=terms.notes,
            slippage_tolerance=terms.slippage_tolerance,
            trigger_price=terms.trigger_price,
        )

    @contract_signature
    def close_position(
        self,
        position: TradingPosition,
        trade_type: TradeType | None = None,
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        flags: set[TradeFlag] | None = None,
        pending: bool = False,
        trigger_price: USDollarPrice | None = None,
    ) -> list[TradeExecution]:
        """Close a position.

        Returns
        -------
        list
            The closing trade; empty when nothing is left to sell, which is logged as a warning.

        Raises
        ------
        UnsupportedPairKind
            Positions of this kind cannot be closed here.
        """
        check_position(position)
        kind = position.pair.kind
        trade_type = trade_type or _REBALANCE
        if kind.is_spot() or kind.is_vault():
            return self.close_spot_position(
                position, trade_type, notes, slippage_tolerance, flags, pending=pending, trigger_price=trigger_price
            )
        if kind.is_shorting():
            return self.close_short(position, None, notes, trade_type, flags, trigger_price=trigger_price)
        if kind.is_longing():
            return self.close_long(
                position, notes=notes, trade_type=trade_type, flags=flags, trigger_price=trigger_price
            )
        if kind.is_credit_supply():
            return self.close_credit_supply_position(position, None, notes, trade_type, flags)
        if kind.is_cctp_bridge():
            return self.close_cctp_bridge_position(position, trade_type, notes, slippage_tolerance, flags)
        raise UnsupportedPairKind(f"positions of this kind cannot be closed here: {position}")

    @contract_signature
    def close_spot_position(
        self,
        position: TradingPosition,
        trade_type: TradeType = TradeType.rebalance,
        notes: str | None = None,
        slippage_tolerance: Percent | None = None,
        flags: set[TradeFlag] | None = None,
        quantity: Decimal | None = None,
        pending: bool = False,
        trigger_price: USDollarPrice | None = None,
    ) -> list[TradeExecution]:
        """Sell the remaining quantity of a spot position, or `quantity` of it, and close it.

        Planned buys of the position that have not started are withdrawn, so that a decision that both buys and closes
        closes. The resting entries of a pending position are cancelled.

        Raises
        ------
        PositionManagerError
            The position is closed, or holds less than the quantity.
        """
        check_position(position)
        if position.is_closed():
            raise PositionManagerError(f"{position} is already closed")
        available = get_settled_quantity(position)
        if available is None:  # not all trades have executed, or the position itself waits
            self._withdraw_buys(position)
        if position.is_pending() or position.position_id in self.state.portfolio.expired_positions:
            self._give_up(position)
            return []
        if available is None:
            available = get_sellable_quantity(position)
        if quantity is None:
            quantity = available
        elif quantity > available:
            raise PositionManagerError(f"{position} has {available} to sell, not {quantity}")
        elif quantity < available:
            quantity = round_down_to_units(quantity, position.pair.base.decimals)
        check_lock_up(position, self.timestamp)
        if quantity <= get_dust_epsilon_for_pair(position.pair):
            logger.warning("%s has nothing left to sell, only %s", position, quantity)
            return []
        trade = self._plan_sell(
            position,
            quantity,
            trade_type,
            flags={_CLOSE, *(flags or ())},
            notes=notes,
            slippage_tolerance=slippage_tolerance,
            trigger_price=trigger_price,
            closing=True,
        )
        if quantity < available:
            self._remember_part(trade)
        return [trade]

    @contract_signature
    def close_all(self, credit_supply: bool = True) -> list[TradeExecution]:
        """Close all open positions, and bring the money on other chains back.

        Shares that a vault keeps locked stay, and money that a bridge does not take, which is logged as a warning.

        Raises
        ------
        PositionManagerError
            No position is open.
        """
        if not self.is_any_open():
            raise PositionManagerError("no position is open")
        trades: list[TradeExecution] = []
        # The money on a chain comes back with what the sales there bring, so they are planned first.
        positions = sorted(self.state.portfolio.open_positions.values(), key=lambda item: item.pair.is_cctp_bridge())
        for position in positions:
            if self.is_locked(position):
                logger.warning("%s is left open, its shares are locked until %s", position, get_lock_up_end(position))
                continue
            if position.pair.is_cctp_bridge():
                trades += self._bring_back(position)
            elif credit_supply or not position.is_credit_supply():
                trades += self.close_position(position)
        return trades

    def prepare_hypercore_position_reduction(
        self, position: TradingPosition, dollar_delta: USDollarAmount, max_redemption: USDollarAmount | None = None
    ) -> HypercorePositionReductionPlan:
        """Return how much of a vault position can be redeemed, see `plan_vault_reduction`."""
        check_lock_up(position, self.timestamp)
        return plan_vault_reduction(position, dollar_delta, max_redemption)

    def is_locked(self, position: TradingPosition) -> bool:
        """Return True if a vault keeps the shares of a position at the time of the decision."""
        locked_until = get_lock_up_end(position)
        return locked_until is not None and self.timestamp < locked_until

    # --- Levels ----------------------------------------------------------------------------------

    @contract_signature
    def update_stop_loss(self, position: TradingPosition, stop_loss: USDollarPrice, trailing: bool = False) -> None:
        """Move the stop loss of a position and record the change.

        With a latency, the old level holds until the change has reached the market, which is when it is recorded.

        Parameters
        ----------
        position
            An open position.
        stop_loss
            New level of the mid price.
        trailing
            Whether a lower level is an error.

        Raises
        ------
        PositionManagerError
            The price is not positive, or a trailing stop loss would fall.
        """
        check_position(position)
        if not stop_loss > 0:
            raise PositionManagerError(f"a stop loss must be a positive price, not {stop_loss}")
        before = position.stop_loss
        if trailing and before is not None and stop_loss < before:
            raise PositionManagerError(f"a trailing stop loss must not fall: {before} to {stop_loss} for {position}")
        mid_price = self.pricing_model.get_mid_price(self.timestamp, position.pair)
        position.stop_loss = float(stop_loss)
        position.trigger_updates.append(
            TriggerPriceUpdate(
                timestamp=self.timestamp,
                mid_price=mid_price,
                stop_loss_before=before,
                stop_loss_after=float(stop_loss),
                take_profit_before=position.take_profit,
                take_profit_after=position.take_profit,
            )
        )

    def log(self, msg: str, level: int = logging.INFO, prefix: str = "") -> None:
        """Log a message with the time of the decision in front."""
        logger.log(level, "%s%s: %s", prefix, self.timestamp, msg)
