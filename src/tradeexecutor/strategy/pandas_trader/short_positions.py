"""Opening, changing and closing shorts from ``decide_trades``.

The value of a short is its collateral less its debt. Leverage is the debt in relation to that value: 1000 USD with a
leverage of 2 borrow and sell tokens for 2000 USD, so that the collateral is 3000 USD less the fee.
"""

from decimal import Decimal

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.leveraged_positions import LeveragedPositions
from tradeexecutor.strategy.pandas_trader.leveraged_rules import LevelFractions, check_leveraged
from tradeexecutor.strategy.pandas_trader.position_rules import check_pair

__all__ = ["ShortPositions"]


class ShortPositions(LeveragedPositions):
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
        levels = LevelFractions(take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._open_leveraged(self.get_shorting_pair(pair), value, leverage, levels, notes=notes, flags=flags)

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
            Accepted for existing strategies, no effect; `reduce_short` closes a part.
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
        check_leveraged(position, is_short=True)
        return self._close_leveraged(
            position, notes=notes, trade_type=trade_type, flags=flags, trigger_price=trigger_price
        )

    def close_short_position(self, position: TradingPosition, **kwargs: object) -> list[TradeExecution]:
        """Close a short; the historical name of `close_short`."""
        return self.close_short(position, **kwargs)  # pyright: ignore[reportArgumentType]

    def reduce_short(
        self,
        position: TradingPosition,
        quantity: Decimal,
        *,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
    ) -> list[TradeExecution]:
        """Buy back a part of the debt of a short, and release the same share of its collateral, less the cost.

        Leverage and price of liquidation stay.

        Parameters
        ----------
        position
            An open short.
        quantity
            What is bought back, base units, positive; all of the debt or more closes the short.
        notes, trade_type
            Stored with the trade.

        Raises
        ------
        PositionManagerError
            The short is not open, or the quantity is not positive.
        """
        check_leveraged(position, is_short=True)
        return self._reduce_leveraged(position, quantity, notes=notes, trade_type=trade_type)

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
        check_leveraged(position, is_short=True)
        return self._adjust_leveraged(
            position,
            new_value,
            notes=notes,
            trade_type=trade_type,
            threshold=minimum_rebalance_trade_threshold,
            flags=flags,
        )
