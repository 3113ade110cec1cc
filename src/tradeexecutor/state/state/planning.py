"""Planning trades: what a strategy asks for becomes a planned trade on a position.  No money moves."""

import datetime
from decimal import Decimal

from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.fields import is_pandas_object
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import BPS, LeverageMultiplier, USDollarAmount, USDollarPrice


class StatePlanning(StateFields):
    """Planning of trades of every kind."""

    __slots__ = ()

    def create_trade(
        self,
        strategy_cycle_at: datetime.datetime,
        pair: TradingPairIdentifier,
        quantity: Decimal | None,
        reserve: Decimal | None,
        assumed_price: USDollarPrice,
        trade_type: TradeType,
        reserve_currency: AssetIdentifier,
        reserve_currency_price: USDollarPrice,
        notes: str | None = None,
        pair_fee: BPS | None = None,
        lp_fees_estimated: USDollarAmount | None = None,
        planned_mid_price: USDollarPrice | None = None,
        price_structure: TradePricing | None = None,
        position: TradingPosition | None = None,
        slippage_tolerance: BPS | None = None,
        leverage: LeverageMultiplier | None = None,
        closing: bool | None = False,
        planned_collateral_consumption: Decimal | None = None,
        planned_collateral_allocation: Decimal | None = None,
        flags: set[TradeFlag] | None = None,
        pending: bool = False,
    ) -> tuple[TradingPosition, TradeExecution, bool]:
        """Plan a trade on the open position of the pair, or open a new position for it.  No money moves.

        Parameters
        ----------
        strategy_cycle_at
            Naive UTC time of the decision.
        quantity
            Base token units, + buy, - sell.
        reserve
            Reserve token units to spend on a buy, instead of `quantity`.
        assumed_price
            Expected fill price with fees, USD per base token.
        reserve_currency_price
            USD per reserve token.
        pair_fee
            Fee fraction of the pair, exactly a float.
        position
            Trade on this position instead of the open one of the pair.
        closing
            The trade is meant to close the position.
        flags
            Not changed.  With ``ignore_open`` a new position is opened in any case.

        Returns
        -------
        tuple
            Position, trade, and whether the position is new.

        Raises
        ------
        InvalidTrade
            The trade makes no sense, `TooSmallTrade` if it is dust.  The state is unchanged and no id is used up.
        WrongPositionStatus
            The given position is closed.
        """
        if not isinstance(strategy_cycle_at, datetime.datetime) or is_pandas_object(strategy_cycle_at):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTrade(f"strategy_cycle_at must be a datetime, got {strategy_cycle_at!r}")
        if strategy_cycle_at.tzinfo is not None:
            raise InvalidTrade(f"strategy_cycle_at must be naive UTC, got {strategy_cycle_at!r}")
        if pair_fee and type(pair_fee) is not float:
            raise InvalidTrade(f"pair_fee must be a float, got {pair_fee!r}")
        return self.portfolio.create_trade(
            strategy_cycle_at,
            pair,
            quantity,
            reserve,
            assumed_price,
            trade_type,
            reserve_currency,
            reserve_currency_price,
            notes,
            pair_fee,
            lp_fees_estimated,
            planned_mid_price,
            price_structure,
            position,
            slippage_tolerance,
            leverage,
            closing,
            planned_collateral_consumption,
            planned_collateral_allocation,
            flags,
            pending,
        )

    def trade_short(
        self,
        strategy_cycle_at: datetime.datetime,
        pair: TradingPairIdentifier,
        borrowed_asset_price: USDollarPrice,
        trade_type: TradeType,
        reserve_currency: AssetIdentifier,
        collateral_asset_price: USDollarPrice,
        borrowed_quantity: Decimal | None = None,
        collateral_quantity: Decimal | None = None,
        notes: str | None = None,
        pair_fee: BPS | None = None,
        lp_fees_estimated: USDollarAmount | None = None,
        planned_mid_price: USDollarPrice | None = None,
        price_structure: TradePricing | None = None,
        position: TradingPosition | None = None,
        slippage_tolerance: BPS | None = None,
        closing: bool | None = False,
        planned_collateral_consumption: Decimal | None = None,
        planned_collateral_allocation: Decimal | None = None,
        flags: set[TradeFlag] | None = None,
    ) -> tuple[TradingPosition, TradeExecution, bool]:
        """Plan to open, change or close a leveraged short.  No money moves.

        Parameters
        ----------
        borrowed_asset_price
            Price at which the borrowed token is sold or bought back, USD.
        reserve_currency
            The underlying of the collateral token and the reserve of the portfolio.
        collateral_asset_price
            USD per reserve token.
        borrowed_quantity
            Base token units: negative borrows more, positive buys back, 0 only moves collateral.  When closing, all of
            the debt by default.
        collateral_quantity
            Reserve moved into the loan before the swap, reserve token units, >= 0; None when closing.
        planned_mid_price
            USD; required when closing.
        planned_collateral_consumption
            Collateral gained (+) or spent (-) by the swap; by default quantity times price.
        planned_collateral_allocation
            Reserve added to (+) or collateral released to the reserves (-) after the swap.

        Returns
        -------
        tuple
            Position, trade, and whether the position is new.

        Raises
        ------
        InvalidTrade, LiquidationRisked, WrongPositionStatus
            The state is unchanged and no id is used up.
        """
        if not pair.kind.is_shorting():
            raise InvalidTrade(f"{pair} is not a leveraged short")
        collateral = pair.quote.underlying
        if collateral is None or not collateral.is_stablecoin():
            raise InvalidTrade(f"the collateral of {pair} must be a stablecoin, it is {collateral}")
        default_reserve, _ = self.portfolio.get_default_reserve_asset()
        if collateral != default_reserve or collateral != reserve_currency:
            raise InvalidTrade(
                f"the collateral of {pair} is {collateral}, the trade has {reserve_currency} and the portfolio "
                f"{default_reserve}: they must be the same"
            )
        if not closing and (borrowed_quantity is None or collateral_quantity is None):
            raise InvalidTrade("a short that is not being closed needs both borrowed_quantity and collateral_quantity")
        return self.create_trade(
            strategy_cycle_at=strategy_cycle_at,
            pair=pair,
            quantity=borrowed_quantity,
            reserve=collateral_quantity,
            assumed_price=borrowed_asset_price,
            trade_type=trade_type,
            reserve_currency=reserve_currency,
            reserve_currency_price=collateral_asset_price,
            notes=notes,
            pair_fee=pair_fee,
            lp_fees_estimated=lp_fees_estimated,
            planned_mid_price=planned_mid_price,
            price_structure=price_structure,
            position=position,
            slippage_tolerance=slippage_tolerance,
            closing=closing,
            planned_collateral_consumption=planned_collateral_consumption,
            planned_collateral_allocation=planned_collateral_allocation,
            flags=flags,
        )

    def supply_credit(
        self,
        strategy_cycle_at: datetime.datetime,
        pair: TradingPairIdentifier,
        trade_type: TradeType,
        reserve_currency: AssetIdentifier,
        collateral_asset_price: USDollarPrice,
        collateral_quantity: Decimal | None = None,
        notes: str | None = None,
        pair_fee: BPS | None = None,
        lp_fees_estimated: USDollarAmount | None = None,
        planned_mid_price: USDollarPrice | None = None,
        price_structure: TradePricing | None = None,
        position: TradingPosition | None = None,
        slippage_tolerance: BPS | None = None,
        closing: bool | None = False,
        flags: set[TradeFlag] | None = None,
    ) -> tuple[TradingPosition, TradeExecution, bool]:
        """Plan to lend reserve to a lending protocol, or to recall it.  No money moves.

        Parameters
        ----------
        collateral_asset_price
            USD per reserve token.
        collateral_quantity
            Reserve token units: + supply, - recall; interest can be recalled, too.

        Returns
        -------
        tuple
            Position, trade, and whether the position is new.

        Raises
        ------
        InvalidTrade, WrongPositionStatus
            The state is unchanged and no id is used up.
        """
        if not pair.kind.is_credit_supply():
            raise InvalidTrade(f"{pair} is not a credit supply")
        if reserve_currency != pair.quote:
            raise InvalidTrade(f"{pair} lends {pair.quote}, the trade has {reserve_currency}")
        if not isinstance(collateral_quantity, Decimal):
            raise InvalidTrade(f"collateral_quantity must be a Decimal, got {collateral_quantity!r}")
        return self.create_trade(
            strategy_cycle_at=strategy_cycle_at,
            pair=pair,
            quantity=collateral_quantity,
            reserve=abs(collateral_quantity),
            assumed_price=1.0,
            trade_type=trade_type,
            reserve_currency=reserve_currency,
            reserve_currency_price=collateral_asset_price,
            notes=notes,
            pair_fee=pair_fee,
            lp_fees_estimated=lp_fees_estimated,
            planned_mid_price=planned_mid_price,
            price_structure=price_structure,
            position=position,
            slippage_tolerance=0.0 if slippage_tolerance is None else slippage_tolerance,
            closing=closing,
            flags=flags,
        )
