"""Opening, changing and closing leveraged longs from ``decide_trades``.

A leveraged long buys a token with own and with borrowed money; the token is the collateral of the debt. Its value is
the collateral less the debt. Leverage is the collateral in relation to that value: 1000 USD with a leverage of 2 buy
tokens for 2000 USD and owe 1000 USD.
"""

from decimal import Decimal

from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.leveraged_rules import LevelFractions, check_leveraged
from tradeexecutor.strategy.pandas_trader.position_rules import check_pair
from tradeexecutor.strategy.pandas_trader.short_positions import ShortPositions

__all__ = ["LongPositions"]


class LongPositions(ShortPositions):
    """The part of `PositionManager` that trades leveraged longs."""

    __slots__ = ()

    def get_leveraged_long_pair(self, pair: TradingPairIdentifier) -> TradingPairIdentifier:
        """Return the pair that buys a spot pair with leverage; the same for a pair that is already one.

        Raises
        ------
        UnsupportedPairKind
            The lending pool has no such pairs, e.g. because it is on a chain.
        """
        check_pair(pair)
        return pair if pair.kind.is_longing() else self.strategy_universe.get_leveraged_long_pair(pair)

    def open_long(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        *,
        leverage: LeverageMultiplier = 2.0,
        take_profit_pct: Percent | None = None,
        stop_loss_pct: Percent | None = None,
        trailing_stop_loss_pct: Percent | None = None,
        notes: str | None = None,
        flags: set[TradeFlag] | None = None,
    ) -> list[TradeExecution]:
        """Buy the base token of a pair with own and with borrowed money.

        Parameters
        ----------
        pair
            Spot pair to buy.
        value
            Own money in the long, reserve currency; rounded down to its decimals.
        leverage
            Cost of the purchase, fee included, in relation to `value`; above 1.
        take_profit_pct
            1.05 takes the profit at a price 5 % above the current one.
        stop_loss_pct, trailing_stop_loss_pct
            0.95 closes at a price 5 % below the current one; a trailing level follows the price up.
        notes, flags
            As in `open_spot`.

        Raises
        ------
        PositionManagerError
            The pair has a leveraged long already or is problematic, an amount or level is invalid, or the long would be
            liquidated before its stop loss is reached.
        InvalidValue
            The leverage is not possible with the liquidation threshold of the collateral.
        LiquidationRisked
            The loan would be liquidated at once.
        UnsupportedPairKind
            Leveraged longs are not traded here, e.g. on a chain.
        """
        levels = LevelFractions(take_profit_pct, stop_loss_pct, trailing_stop_loss_pct)
        return self._open_leveraged(
            self.get_leveraged_long_pair(pair), value, leverage, levels, notes=notes, flags=flags
        )

    def close_long(
        self,
        position: TradingPosition,
        *,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
        flags: set[TradeFlag] | None = None,
        trigger_price: USDollarPrice | None = None,
    ) -> list[TradeExecution]:
        """Sell all of the collateral of a leveraged long, repay its debt, and release the rest.

        Parameters
        ----------
        position
            An open leveraged long.
        notes, trade_type, flags
            Stored with the trade.
        trigger_price
            Mid price at which a level was reached; None for the market price.

        Raises
        ------
        PositionManagerError
            The position is closed.
        InvalidTrade
            It has no collateral that could be sold, because it has not opened, or the sale does not pay the debt.
        """
        check_leveraged(position, is_short=False)
        return self._close_leveraged(
            position, notes=notes, trade_type=trade_type, flags=flags, trigger_price=trigger_price
        )

    def reduce_long(
        self,
        position: TradingPosition,
        quantity: Decimal,
        *,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
    ) -> list[TradeExecution]:
        """Sell a part of a leveraged long, repay the same share of its debt, and release the rest of the proceeds.

        Leverage and price of liquidation stay.

        Parameters
        ----------
        position
            An open leveraged long.
        quantity
            What is sold, base units, positive; all of the collateral or more closes the long.
        notes, trade_type
            Stored with the trade.

        Raises
        ------
        PositionManagerError
            The long is not open, or the quantity is not positive.
        """
        check_leveraged(position, is_short=False)
        return self._reduce_leveraged(position, quantity, notes=notes, trade_type=trade_type)

    def adjust_long(
        self,
        position: TradingPosition,
        new_value: USDollarAmount,
        *,
        notes: str | None = None,
        trade_type: TradeType = TradeType.rebalance,
        minimum_rebalance_trade_threshold: USDollarAmount = 0.0,
        flags: set[TradeFlag] | None = None,
    ) -> list[TradeExecution]:
        """Give a leveraged long another value at the same leverage; fees of the swap are added to its debt.

        Parameters
        ----------
        position
            An open leveraged long.
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
            The value is not positive, or the long has not opened.
        LiquidationRisked
            The loan would be too close to its liquidation.
        """
        check_leveraged(position, is_short=False)
        return self._adjust_leveraged(
            position,
            new_value,
            notes=notes,
            trade_type=trade_type,
            threshold=minimum_rebalance_trade_threshold,
            flags=flags,
        )
