"""The portfolio: cash, positions, and the rules by which capital moves between them.

Look-ups are in :mod:`~tradeexecutor.state.portfolio.lookup`, value and profit in
:mod:`~tradeexecutor.state.portfolio.equity`.  Every method here either does all of its work or raises and leaves
the portfolio as it was.
"""

import datetime
from decimal import Decimal

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.display.html_repr import render_portfolio
from tradeexecutor.state.errors import (
    InvalidTrade,
    InvalidValue,
    MultipleOpenPositionsWithAsset,
    NotEnoughMoney,
    NotSinglePair,
    PositionNotFound,
    ReserveAlreadyInitialised,
    ReserveMissing,
    TooSmallTrade,
    UnexecutedTrades,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_pair
from tradeexecutor.state.portfolio.equity import PortfolioEquity
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import by_pair, narrow_down
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trade.request import PENDING_HINT, TradeRequest
from tradeexecutor.state.types import BPS, LeverageMultiplier, USDollarAmount, USDollarPrice

__all__ = [
    "MultipleOpenPositionsWithAsset",
    "NotEnoughMoney",
    "NotSinglePair",
    "Portfolio",
    "ReserveAlreadyInitialised",
    "ReserveMissing",
    "TooSmallTrade",
]

_IGNORE_OPEN = TradeFlag.ignore_open

#: Planned reserve and planned value of a spot trade may differ by this many dollars.
_PLAN_TOLERANCE_USD = 0.01


class Portfolio(PortfolioEquity):
    """Positions, trades and reserves of the strategy."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return render_portfolio(self)

    # --- Opening and closing

    def open_new_position(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        assumed_price: USDollarPrice,
        reserve_currency: AssetIdentifier,
        reserve_currency_price: USDollarPrice,
    ) -> TradingPosition:
        """Add an open position without trades and return it."""
        position = self._new_position(ts, pair, assumed_price, reserve_currency, reserve_currency_price)
        position.portfolio_value_at_open = self.calculate_total_equity()
        self._register(position)
        return position

    def _new_position(
        self,
        ts: datetime.datetime,
        pair: TradingPairIdentifier,
        assumed_price: USDollarPrice,
        reserve_currency: AssetIdentifier,
        reserve_currency_price: USDollarPrice,
    ) -> TradingPosition:
        return TradingPosition(
            position_id=self.next_position_id,
            pair=pair,
            opened_at=ts,
            last_pricing_at=ts,
            last_token_price=assumed_price,
            last_reserve_price=reserve_currency_price,
            reserve_currency=reserve_currency,
        )

    def _register(self, position: TradingPosition) -> None:
        self.open_positions[position.position_id] = position
        self.next_position_id += 1

    def close_position(self, position: TradingPosition, executed_at: datetime.datetime) -> None:
        """Move an open or frozen position to the closed ones.  Nothing is sold.

        Raises
        ------
        WrongPositionStatus
            The position is in neither table.
        UnexecutedTrades
            A trade is in flight: its capital would be invisible in a closed position.
        """
        self.check_can_leave(position)
        self.move_to_closed(position, executed_at)

    def move_to_closed(self, position: TradingPosition, executed_at: datetime.datetime) -> None:
        """Do what `close_position` does, for a caller that has made its checks."""
        position_id = position.position_id
        table = self.open_positions if position_id in self.open_positions else self.frozen_positions
        position.closed_at = executed_at
        del table[position_id]
        self.closed_positions[position_id] = position

    def check_can_leave(self, position: TradingPosition) -> None:
        """Raise what `close_position` would raise."""
        position_id = position.position_id
        if all(table.get(position_id) is not position for table in (self.open_positions, self.frozen_positions)):
            raise WrongPositionStatus(f"position #{position_id} is not open, cannot close it")
        if position.has_trades_in_flight():
            raise UnexecutedTrades(f"position #{position_id} has trades in flight, cannot close it")

    def mark_down_position(self, position: TradingPosition) -> None:
        """Write a position off and move it to the closed ones; raises like `close_position`."""
        self.check_can_leave(position)
        position.mark_down()
        self.move_to_closed(position, position.closed_at or utc_now())

    def reopen_closed_bridge_position_for_chain(
        self, chain_id: int, reopened_at: datetime.datetime
    ) -> TradingPosition | None:
        """Reopen the bridge position to the chain that was closed last; None without one."""
        position = self.find_closed_bridge_position_for_chain(chain_id)
        if position is None:
            return None
        position.closed_at = None
        position.last_trade_at = reopened_at
        del self.closed_positions[position.position_id]
        self.open_positions[position.position_id] = position
        return position

    # --- Trades

    @contract_signature
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
        """Plan a trade on the open position of the pair, or on a new one.  See `State.create_trade`."""
        if pending:
            warn_ignored("create_trade", "pending", PENDING_HINT)
        request = TradeRequest(
            strategy_cycle_at=strategy_cycle_at,
            pair=pair,
            quantity=quantity,
            reserve=reserve,
            assumed_price=assumed_price,
            trade_type=trade_type,
            reserve_currency=reserve_currency,
            reserve_currency_price=reserve_currency_price,
            notes=notes,
            pair_fee=pair_fee,
            lp_fees_estimated=lp_fees_estimated,
            planned_mid_price=planned_mid_price,
            price_structure=price_structure,
            slippage_tolerance=slippage_tolerance,
            leverage=leverage,
            closing=closing,
            planned_collateral_consumption=planned_collateral_consumption,
            planned_collateral_allocation=planned_collateral_allocation,
            flags=flags,
        )
        return self.request_trade(request, position)

    def request_trade(
        self, request: TradeRequest, position: TradingPosition | None = None
    ) -> tuple[TradingPosition, TradeExecution, bool]:
        """Plan a trade on the given position, on the open one of the pair, or on a new one.

        See `State.request_trade`.
        """
        pair = request.pair
        if request.flags and _IGNORE_OPEN in request.flags:
            position = None
        elif position is None:
            position = self._find_position_to_trade(pair)
        else:
            self._check_can_trade(position, pair)
        created = position is None
        if position is None:
            position = self._new_position(
                request.strategy_cycle_at,
                pair,
                request.assumed_price,
                request.reserve_currency,
                request.reserve_currency_price,
            )
        portfolio_value = self.calculate_total_equity()
        trade = position.plan_trade(request, self.next_trade_id, portfolio_value)
        planned = trade.planned_quantity
        dust = get_dust_epsilon_for_pair(pair)
        if planned != 0 and abs(planned) <= dust:
            raise TooSmallTrade(
                f"cannot trade {planned} {pair.base.token_symbol}: at or below the dust limit {dust}", planned, dust
            )
        # From here on nothing fails.
        if created:
            position.portfolio_value_at_open = portfolio_value
            self._register(position)
        position.trades[trade.trade_id] = trade
        self.next_trade_id += 1
        if request.notes:
            trade.add_note(request.notes)
            position.add_notes_message(request.notes)
        return position, trade, created

    def _check_can_trade(self, position: TradingPosition, pair: TradingPairIdentifier) -> None:
        """Raise unless the position is one of this portfolio, for the pair, and not closed."""
        if position.pair != pair:
            raise InvalidTrade(f"position #{position.position_id} trades {position.pair}, not {pair}")
        if position.closed_at is not None:
            raise WrongPositionStatus(f"position #{position.position_id} is closed, it cannot trade any more")
        if all(table.get(position.position_id) is not position for table in self.get_position_tables()):
            raise PositionNotFound(f"position #{position.position_id} belongs to another portfolio")

    def _find_position_to_trade(self, pair: TradingPairIdentifier) -> TradingPosition | None:
        """Return the open position for the pair, passing over those that planned trades will close."""
        for position in narrow_down(self.open_positions, by_pair, pair):
            if position.pair is pair or position.pair == pair:
                closing = position.has_planned_trades() and (
                    abs(position.get_quantity(planned=True)) < get_dust_epsilon_for_pair(pair)
                )
                if not closing:
                    return position
        return None

    # --- Reserves

    def initialise_reserves(
        self, asset: AssetIdentifier, reserve_token_price: USDollarPrice | None = None
    ) -> ReservePosition:
        """Add an empty reserve; raises `ReserveAlreadyInitialised` if there is any."""
        if self.reserves:
            raise ReserveAlreadyInitialised(f"the portfolio already has reserves: {', '.join(self.reserves)}")
        reserve = ReservePosition(
            asset=asset,
            quantity=Decimal(0),
            last_sync_at=None,
            reserve_token_price=reserve_token_price,
            last_pricing_at=None,
        )
        self.reserves[reserve.get_identifier()] = reserve
        return reserve

    def update_reserves(self, new_reserves: list[ReservePosition]) -> None:
        """Replace reserves by asset; raises `UnexecutedTrades` while trades are in flight."""
        if self.has_unexecuted_trades():
            raise UnexecutedTrades("cannot replace reserves while trades are started or broadcasted")
        for reserve in new_reserves:
            self.reserves.pop(reserve.asset.address, None)
            self.reserves[reserve.get_identifier()] = reserve

    def adjust_reserves(self, asset: AssetIdentifier, amount: Decimal, reason: str | None = None) -> None:
        """Add to the cash, or take from it with a negative amount; the result may be negative.

        Raises
        ------
        InvalidValue
            The amount is not a Decimal.
        KeyError
            No such reserve (an amount of 0 is always accepted).
        """
        if not isinstance(amount, Decimal) or not amount.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"amount must be a finite Decimal, got {amount!r}")
        if not isinstance(asset, AssetIdentifier):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"asset must be an AssetIdentifier, got {asset!r}")
        if amount:
            self.get_reserve_position(asset).quantity += amount

    def allocate_balance_update_id(self) -> int:
        """Return the next balance update id and count on."""
        allocated = self.next_balance_update_id
        self.next_balance_update_id += 1
        return allocated

    # --- Capital moves of trades

    def move_capital_from_reserves_to_spot_trade(self, trade: TradeExecution, underflow_check: bool = True) -> None:
        """Take the planned reserve out of the cash and allocate it to the trade.

        Raises
        ------
        InvalidTrade
            A spot trade is not a buy, or its planned reserve and value differ by a cent or more.
        ReserveMissing
            The reserve currency is unknown.
        NotEnoughMoney
            With `underflow_check`: less cash than planned.
        """
        if trade.is_spot():
            if not trade.is_buy():
                raise InvalidTrade(f"trade #{trade.trade_id} is a sell, it needs no cash")
            difference = abs(float(trade.planned_reserve) - trade.get_planned_value())
            if not difference < _PLAN_TOLERANCE_USD:
                raise InvalidTrade(
                    f"trade #{trade.trade_id} spends {trade.planned_reserve} on {trade.get_planned_value()} USD worth"
                )
        try:
            reserve = self.get_reserve_position(trade.reserve_currency)
        except KeyError:
            raise ReserveMissing(f"no reserve {trade.reserve_currency} for trade #{trade.trade_id}") from None
        amount = self._snap_or_check(trade, reserve.quantity, trade.reserve_currency, underflow_check)
        trade.reserve_currency_allocated = amount
        reserve.quantity -= amount

    def move_capital_from_bridge_to_spot_trade(self, trade: TradeExecution, underflow_check: bool = True) -> None:
        """Allocate capital of the bridge position on the pair's chain to the trade.

        Raises
        ------
        NotEnoughMoney
            There is no open bridge position, or with `underflow_check` not enough free capital in it.
        """
        bridge = self.get_bridge_position_for_chain(trade.pair.chain_id)
        if bridge is None:
            raise NotEnoughMoney(f"no open bridge position to chain {trade.pair.chain_id} for trade #{trade.trade_id}")
        available = bridge.get_available_bridge_capital()
        amount = self._snap_or_check(trade, available, trade.pair.quote, underflow_check)
        trade.bridge_currency_allocated = amount
        bridge.adjust_bridge_capital_allocated(amount)

    @staticmethod
    def _snap_or_check(
        trade: TradeExecution, available: Decimal, funding_asset: AssetIdentifier, underflow_check: bool
    ) -> Decimal:
        """Return the amount to allocate.

        A buy that is short by less than one raw unit of the funding asset, an artefact of decimal division, is
        reduced to what is available.
        """
        needed = trade.planned_reserve
        shortfall = needed - available
        if shortfall <= 0:
            return needed
        kind = trade.pair.kind
        can_snap = available > 0 and trade.is_buy() and (trade.is_spot() or kind.is_cctp_bridge())
        if can_snap and shortfall < funding_asset.convert_to_decimal(1):
            trade.planned_reserve = available
            trade.planned_quantity = available / Decimal(str(trade.planned_price))
            return available
        if underflow_check:
            raise NotEnoughMoney(
                f"trade #{trade.trade_id} needs {needed} {funding_asset.token_symbol}, {available} available",
                available,
                needed,
            )
        return needed

    def return_capital_to_reserves(self, trade: TradeExecution, underflow_check: bool = True) -> None:
        """Add what a sell brought in to the cash."""
        self.adjust_reserves(trade.reserve_currency, self._require_proceeds(trade))

    def return_capital_to_bridge(self, trade: TradeExecution) -> None:
        """Give what a sell brought in back to the bridge position of the pair's chain."""
        proceeds = self._require_proceeds(trade)
        bridge = self.get_bridge_position_for_chain(trade.pair.chain_id)
        if bridge is None:
            raise PositionNotFound(f"no open bridge position to chain {trade.pair.chain_id}")
        bridge.adjust_bridge_capital_allocated(-proceeds)

    @staticmethod
    def _require_proceeds(trade: TradeExecution) -> Decimal:
        if trade.is_spot() and trade.is_buy():
            raise InvalidTrade(f"trade #{trade.trade_id} is a buy, it returns no capital")
        if trade.executed_reserve is None or trade.executed_reserve <= 0:
            raise InvalidTrade(f"trade #{trade.trade_id} brought in nothing: {trade.executed_reserve}")
        return trade.executed_reserve

    def correct_open_position_balance(
        self,
        position: TradingPosition,
        expected_amount: Decimal,
        actual_amount: Decimal,
        strategy_cycle_ts: datetime.datetime,
        block_number: int,
        balance_update_id: int,
    ) -> None:
        """Not done here: corrections are balance updates."""
        raise NotImplementedError("corrections are booked as balance updates, see BalanceUpdateCause.correction")
