"""A trader for tests: it plans trades on a state and executes them, with one second for each step.

There is no market and no blockchain. Trades fill at the requested price times a price impact, or exactly as planned.
"""

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

from tradeexecutor.accounting.values import require_standard_utc
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.booking.treasury import EventOrigin, redeem_in_kind
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidTrade, InvalidValue, PositionNotFound
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.types import LeverageMultiplier, USDollarAmount, USDollarPrice

#: Duration of one step in the life cycle of a trade.
_TICK = datetime.timedelta(seconds=1)

#: The greatest age of a price.
_PRICE_TOLERANCE = datetime.timedelta(days=7)

_ZERO = Decimal(0)

_ZERO_ADDRESS = "0x0000000000000000000000000000000000000000"


class PriceLookup(Protocol):
    """Source of past prices of pairs, for example a universe of candles."""

    def get_price_with_tolerance(self, pair: Any, when: Any, /, *, tolerance: Any) -> Sequence[Any]:
        """Return a sequence whose first element is the latest price at `when`, USD, at most `tolerance` old."""
        ...


class UnitTestTrader:
    """Executes trades on a state immediately, without a market.

    The fill price is the requested price times `price_impact`, and a buy also receives that much less of the token.
    Every step (planning, starting, broadcasting) takes one second of the trader's clock, and every start uses one
    nonce. A trade is therefore opened at `ts`, started 1 s, broadcasted 2 s and executed 3 s later, which is the time
    at which the next trade opens.

    LP fees are recorded in the trades but not deducted from the cash.

    Examples
    --------
    >>> from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
    >>> usdc = AssetIdentifier(1, "0x0000000000000000000000000000000000000001", "USDC", 6)
    >>> weth = AssetIdentifier(1, "0x0000000000000000000000000000000000000002", "WETH", 18)
    >>> pool, exchange = "0x0000000000000000000000000000000000000003", "0x0000000000000000000000000000000000000004"
    >>> pair = TradingPairIdentifier(weth, usdc, pool, exchange, internal_id=1, fee=0.003)
    >>> state = State()
    >>> _ = state.portfolio.initialise_reserves(usdc, reserve_token_price=1.0)
    >>> state.portfolio.adjust_reserves(usdc, Decimal(3000))
    >>> trader = UnitTestTrader(state)
    >>> position, trade = trader.buy(pair, quantity=Decimal("0.2"), price=2500.0)
    >>> trade.executed_price, trader.ts
    (2475.0, datetime.datetime(2022, 1, 1, 0, 0, 3))
    >>> state.portfolio.get_cash(), state.portfolio.calculate_total_equity()
    (2500.0, 2995.0)
    >>> position, trade = trader.sell(pair, position.get_quantity(), price=2700.0)
    >>> position.is_closed(), round(position.get_realised_profit_usd(), 3)
    (True, 39.204)

    Attributes
    ----------
    state
        State that contains the trades.
    ts
        Clock, naive UTC; it starts at 2022-01-01.
    nonce
        Nonce of the next started trade, from 1.
    lp_fees
        Fees recorded in each trade, USD.
    price_impact
        Fill price divided by requested price, > 0.
    native_token_price
        Price of the gas token recorded in each trade, USD.

    Raises
    ------
    InvalidValue
        The price impact is not positive.
    """

    def __init__(self, state: State, lp_fees: USDollarAmount = 2.50, price_impact: float = 0.99):
        if not 0 < price_impact < float("inf"):
            raise InvalidValue(f"price impact must be positive, got {price_impact!r}")
        self.state = state
        self.nonce = 1
        self.ts: datetime.datetime = datetime.datetime(2022, 1, 1)
        self.lp_fees = lp_fees
        self.price_impact = price_impact
        self.native_token_price: USDollarPrice = 1.0

    def time_travel(self, timestamp: datetime.datetime) -> None:
        """Set the clock, forwards or backwards.

        Raises
        ------
        InvalidValue
            The value is not a naive datetime of the standard library.
        """
        self.ts = require_standard_utc(timestamp, "the clock", InvalidValue)

    # --- Planning

    def create(
        self, pair: TradingPairIdentifier, quantity: Decimal, price: USDollarPrice
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade that is not a loan; no money moves.

        Parameters
        ----------
        quantity
            Base token units, + buy, - sell.
        price
            Assumed and mid price, USD per base token.

        Returns
        -------
        tuple
            Position and trade.

        Raises
        ------
        InvalidTrade, WrongPositionStatus
            State and clock are unchanged.
        """
        position, trade, _ = self.state.create_trade(
            strategy_cycle_at=self.ts,
            pair=pair,
            quantity=quantity,
            reserve=None,
            assumed_price=price,
            trade_type=TradeType.rebalance,
            reserve_currency=pair.quote,
            reserve_currency_price=1.0,
            pair_fee=pair.fee,
            planned_mid_price=price,
        )
        self.ts += _TICK
        return position, trade

    def prepare_buy(
        self, pair: TradingPairIdentifier, quantity: Decimal, price: USDollarPrice
    ) -> tuple[TradingPosition, TradeExecution]:
        """Same as `create`."""
        return self.create(pair, quantity, price)

    # --- Executing

    @contract_signature
    def execute(self, trade: TradeExecution, underflow_check: bool = True) -> None:
        """Start, broadcast and complete a planned trade, with the price impact.

        A buy spends all of its planned reserve.

        Parameters
        ----------
        underflow_check
            Refuse to start without enough cash.

        Raises
        ------
        NotEnoughMoney
            There is not enough cash. All other errors of `State.start_execution` are possible, too; the trade stays
            planned, and clock and nonce are unchanged.
        """
        self._send(trade, underflow_check=underflow_check, triggered=False)
        price = float(trade.planned_price * self.price_impact)
        quantity = trade.planned_quantity
        if trade.is_buy():
            quantity, reserve = quantity * Decimal(self.price_impact), _ZERO
        else:
            reserve = abs(quantity * Decimal(price))
        fill = Fill(
            executed_at=self.ts,
            price=price,
            quantity=quantity,
            reserve=reserve,
            lp_fees=float(self.lp_fees),
            native_token_price=self.native_token_price,
        )
        self.state.record_fill(trade, fill)

    @contract_signature
    def create_and_execute(
        self,
        pair: TradingPairIdentifier,
        quantity: Decimal,
        price: USDollarPrice,
        underflow_check: bool = True,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade and execute it with the price impact.

        Parameters
        ----------
        quantity
            Base token units, + buy, - sell, not 0.
        price
            USD per base token, before the impact.
        underflow_check
            Refuse to start without enough cash.

        Returns
        -------
        tuple
            Position and trade.

        Raises
        ------
        InvalidTrade, WrongPositionStatus
            The trade cannot be planned; nothing changes.
        NotEnoughMoney
            The trade cannot be started; it stays planned and the clock has moved by one second.
        """
        if not quantity:
            raise InvalidTrade(f"cannot trade {quantity!r} {pair.base.token_symbol}")
        position, trade = self.create(pair, quantity, price)
        self.execute(trade, underflow_check)
        return position, trade

    def buy(
        self, pair: TradingPairIdentifier, quantity: Decimal, price: USDollarPrice
    ) -> tuple[TradingPosition, TradeExecution]:
        """Buy `quantity` base tokens, see `create_and_execute`."""
        return self.create_and_execute(pair, quantity, price)

    def sell(
        self, pair: TradingPairIdentifier, quantity: Decimal, price: USDollarPrice
    ) -> tuple[TradingPosition, TradeExecution]:
        """Sell `quantity` base tokens, given as a positive number, see `create_and_execute`."""
        return self.create_and_execute(pair, -quantity, price)

    def buy_with_price_data(
        self, pair: TradingPairIdentifier, quantity: Decimal, candle_universe: PriceLookup
    ) -> tuple[TradingPosition, TradeExecution]:
        """Buy at the latest price of `candle_universe`, which may be a week old.

        Raises
        ------
        Exception
            The look-up has no price and raises its own error; nothing changes.
        """
        return self.buy(pair, quantity, self._look_up_price(pair, candle_universe))

    def sell_with_price_data(
        self, pair: TradingPairIdentifier, quantity: Decimal, candle_universe: PriceLookup
    ) -> tuple[TradingPosition, TradeExecution]:
        """Sell at the latest price of `candle_universe`, see `buy_with_price_data`."""
        return self.sell(pair, quantity, self._look_up_price(pair, candle_universe))

    @contract_signature
    def set_perfectly_executed(self, trade: TradeExecution, triggered: bool = False) -> None:
        """Start, broadcast and complete a planned trade of any kind exactly as it was planned.

        The cash may become negative. Interest of a loan runs from the cycle that planned the trade. The fees are the
        estimated ones of the trade, or `lp_fees` without an estimate.

        Parameters
        ----------
        triggered
            Must be True for trades with the flag ``triggered``.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus, PositionNotFound, ReserveMissing, UnsupportedPairKind
            The trade cannot be started; nothing changes.
        """
        self._send(trade, underflow_check=False, triggered=triggered)
        if trade.planned_loan_update is not None and trade.executed_loan_update is None:
            trade.executed_loan_update = trade.planned_loan_update.clone()
        is_token_buy = trade.is_spot() and trade.is_buy()
        fees: Any = trade.lp_fees_estimated or float(self.lp_fees)
        fill = Fill(
            executed_at=self.ts,
            price=float(trade.planned_price),
            quantity=trade.planned_quantity,
            reserve=_ZERO if is_token_buy else trade.planned_reserve,
            lp_fees=fees,
            native_token_price=self.native_token_price,
            collateral_consumption=trade.planned_collateral_consumption,
            collateral_allocation=trade.planned_collateral_allocation,
        )
        self.state.record_fill(trade, fill)

    def _send(self, trade: TradeExecution, *, underflow_check: bool, triggered: bool) -> None:
        """Start and broadcast a planned trade."""
        self.state.start_execution(
            self.ts,
            trade,
            txid=hex(self.nonce),
            nonce=self.nonce,
            underflow_check=underflow_check,
            triggered=triggered,
        )
        self.nonce += 1
        self.ts += _TICK
        self.state.mark_broadcasted(self.ts, trade)
        self.ts += _TICK

    def _look_up_price(self, pair: TradingPairIdentifier, prices: PriceLookup) -> USDollarPrice:
        import pandas as pd  # used only here, and slow to import

        found = prices.get_price_with_tolerance(
            pair.internal_id, pd.Timestamp(self.ts), tolerance=pd.Timedelta(_PRICE_TOLERANCE)
        )
        return float(found[0])

    # --- Shorts

    def open_short(
        self,
        pair: TradingPairIdentifier,
        quantity: Decimal,
        price: USDollarPrice,
        leverage: LeverageMultiplier = 1,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade that opens a leveraged short, for `set_perfectly_executed`; no money moves.

        Parameters
        ----------
        quantity
            Reserve of the trader, reserve token units.
        price
            USD per borrowed token.
        leverage
            Debt divided by reserve.

        Returns
        -------
        tuple
            Position and trade.

        Raises
        ------
        InvalidValue, InvalidTrade, LiquidationRisked
            State and clock are unchanged.
        """
        fee = pair.get_pricing_pair().fee
        estimate = LeverageEstimate.open_short(quantity, leverage, price, pair, fee)
        return self._plan_short(
            pair,
            price,
            fee,
            TradeFlag.open,
            borrowed_quantity=-estimate.borrowed_quantity,
            collateral_quantity=quantity,
            planned_collateral_consumption=estimate.additional_collateral_quantity,
            lp_fees_estimated=estimate.lp_fees,
        )

    def close_short(
        self,
        pair: TradingPairIdentifier,
        quantity: Decimal,
        price: USDollarPrice,
        leverage: LeverageMultiplier = 1,
    ) -> tuple[TradingPosition, TradeExecution]:
        """Plan a trade that buys back all of the debt of a short and releases its collateral; no money moves.

        Parameters
        ----------
        quantity, leverage
            Not used, because everything is closed.
        price
            USD per borrowed token.

        Returns
        -------
        tuple
            Position and trade.

        Raises
        ------
        InvalidTrade
            There is no open short of the pair; state and clock are unchanged.
        """
        return self._plan_short(pair, price, pair.get_pricing_pair().fee, TradeFlag.close, closing=True)

    def _plan_short(
        self, pair: TradingPairIdentifier, price: USDollarPrice, fee: float | None, flag: TradeFlag, **amounts: Any
    ) -> tuple[TradingPosition, TradeExecution]:
        if pair.quote.underlying is None:
            raise InvalidTrade(f"the collateral of {pair} has no underlying asset")
        position, trade, _ = self.state.trade_short(
            strategy_cycle_at=self.ts,
            pair=pair,
            borrowed_asset_price=price,
            trade_type=TradeType.rebalance,
            reserve_currency=pair.quote.underlying,
            collateral_asset_price=1.0,
            pair_fee=fee,
            planned_mid_price=price,
            flags={flag},
            **amounts,
        )
        # The loan changes as planned, so the outcome need not repeat the changes of the collateral.
        if trade.planned_loan_update is not None:
            trade.executed_loan_update = trade.planned_loan_update.clone()
        self.ts += _TICK
        return position, trade

    # --- Redemptions

    def redeem_in_kind(
        self,
        timestamp: datetime.datetime,
        portfolio: Portfolio,
        position: TradingPosition,
        quantity: Decimal,
        redeemer: str = _ZERO_ADDRESS,
    ) -> BalanceUpdate:
        """Book that an investor took tokens out of a spot, vault or credit position; the clock does not change.

        Parameters
        ----------
        timestamp
            Block time and cycle of the redemption, naive UTC.
        portfolio
            The portfolio of the trader's state.
        quantity
            Base token units taken out, > 0.
        redeemer
            Address of the investor.

        Returns
        -------
        BalanceUpdate
            The event: `quantity` and `usd_value` are negative, `old_balance` is the balance of the position before.

        Raises
        ------
        InvalidValue, NotEnoughMoney, UnsupportedPairKind, PositionNotFound, WrongPositionStatus
            See `tradeexecutor.state.booking.treasury.redeem_in_kind`; nothing changes and no id is used up.
        """
        if portfolio is not self.state.portfolio:
            raise PositionNotFound("the portfolio belongs to another state")
        return redeem_in_kind(self.state, position, quantity, EventOrigin(timestamp, timestamp, owner_address=redeemer))
