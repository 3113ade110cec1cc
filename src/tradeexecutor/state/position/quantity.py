"""Trades of a position and the token quantities that follow from them."""

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal

from tradeexecutor.accounting.accuracy import QUANTITY_EPSILON, ZERO_DECIMAL, sum_decimal
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.generic_position import book_balance_update
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS, AssetIdentifier
from tradeexecutor.state.position.balance_totals import sum_balance_updates_of_asset, sum_interest
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import TradeTotals, add_up, split_trades
from tradeexecutor.state.types import USDollarAmount


class PositionQuantities(PositionFields):
    """Trade access and quantities; token units, signed as in `TradeExecution`."""

    __slots__ = ()

    def is_spot(self) -> bool:
        """Tokens are bought with cash and held; includes vaults and Freqtrade."""
        return self.pair.kind in TOKEN_TRADE_KINDS

    # --- Trades

    def get_first_trade(self) -> TradeExecution:
        """Return the opening trade, pending or not."""
        for trade in self.trades.values():
            return trade
        for trade in self.pending_trades.values():
            return trade
        raise NotAvailable(f"position #{self.position_id} has no trades")

    def get_last_trade(self) -> TradeExecution:
        """Return the latest trade."""
        for trade in reversed(self.trades.values()):
            return trade
        raise NotAvailable(f"position #{self.position_id} has no trades")

    def get_executed_trades(self) -> Iterator[TradeExecution]:
        """Yield the trades that succeeded, repaired ones included."""
        return (trade for trade in self.trades.values() if trade.executed_at is not None)

    def get_successful_trades(self) -> list[TradeExecution]:
        """Return the trades that succeeded, repaired ones included."""
        return list(self.get_executed_trades())

    def get_failed_trades(self) -> list[TradeExecution]:
        """Return the trades that failed and were not repaired."""
        return [trade for trade in self.trades.values() if trade.is_failed()]

    def get_trades_by_strategy_cycle(self, timestamp: datetime.datetime) -> Iterator[TradeExecution]:
        """Yield the trades decided at `timestamp`."""
        return (trade for trade in self.trades.values() if trade.opened_at == timestamp)

    def get_trade_count(self) -> int:
        """Return the number of trades, whatever their status."""
        return len(self.trades)

    def get_unexecuted_reserve(self) -> Decimal | int:
        """Return the planned reserve of all trades that never executed, failed and planned ones included."""
        return sum(trade.planned_reserve for trade in self.trades.values() if trade.executed_at is None)

    #: Historical spelling.
    get_unexeuted_reserve = get_unexecuted_reserve

    def has_trade(self, trade: TradeExecution) -> bool:
        """Tell whether the trade belongs to this position."""
        return trade.position_id == self.position_id and trade.trade_id in self.trades

    def has_executed_trades(self) -> bool:
        """Tell whether any trade succeeded."""
        return any(trade.executed_at is not None for trade in self.trades.values())

    def has_unexecuted_trades(self) -> bool:
        """Tell whether any trade is started or broadcasted."""
        return any(trade.is_pending() for trade in self.get_unsettled_trades())

    def has_trades_in_flight(self) -> bool:
        """Tell whether the outcome of any trade is open: started, broadcasted, on a bridge or asked from a vault."""
        return any(
            trade.started_at and trade.executed_at is None and trade.failed_at is None
            for trade in self.get_unsettled_trades()
        )

    def has_planned_trades(self) -> bool:
        """Tell whether any trade is planned."""
        # Trades that have started, nearly all of them, are passed over without asking for their status.
        for trade in self.get_unsettled_trades():  # noqa: SIM110 - runs for every new trade
            if trade.started_at is None and trade.is_planned():
                return True
        return False

    def has_buys(self) -> bool:
        """Tell whether there is a buy of any status."""
        return self.get_trade_totals().has_buys

    def has_sells(self) -> bool:
        """Tell whether there is a sell of any status."""
        return self.get_trade_totals().has_sells

    # --- Balance events

    def get_balance_update_events(self) -> Iterable[BalanceUpdate]:
        """Return deposits, redemptions, interest and corrections, oldest first."""
        return self.balance_updates.values()

    def add_balance_update_event(self, event: BalanceUpdate) -> None:
        """Book an event by its id."""
        book_balance_update(self.balance_updates, event, f"position #{self.position_id}")

    def get_base_token_balance_update_quantity(self) -> Decimal:
        """Return the sum of all balance events in the base token."""
        if not self.balance_updates:
            return ZERO_DECIMAL
        return sum_balance_updates_of_asset(self.balance_updates, self.pair.base)

    def get_redeemed(self) -> Decimal:
        """Return the sum of all balance events in the base token (redemptions are negative); spot only."""
        if not self.is_spot():
            raise InvalidValue(f"position #{self.position_id} is not a spot position")
        return self.get_base_token_balance_update_quantity()

    def calculate_accrued_interest_quantity(self, asset: AssetIdentifier) -> Decimal:
        """Return the interest booked for an aToken or vToken."""
        if asset.underlying is None:
            raise InvalidValue(f"{asset} does not accrue interest")
        return sum_interest(self.balance_updates, asset)

    # --- Quantities

    def get_quantity(self, planned: bool = False) -> Decimal:
        """Return how much of the base token the position holds; negative for a short.

        Successful trades (with `planned` also planned ones) in order, then the balance events.
        """
        settled, rest = split_trades(self.trades)
        total = settled.quantity_as_planned if planned else settled.quantity
        for trade in rest:
            if trade.executed_at is not None:
                if not trade.repaired_at and not trade.repaired_trade_id and trade.executed_quantity is not None:
                    total += trade.executed_quantity
                else:
                    total += trade.get_position_quantity()
            elif planned and trade.is_planned():
                total += trade.get_position_quantity()
        if self.balance_updates:
            updates = self.get_base_token_balance_update_quantity()
            total = total - updates if self.pair.kind.is_shorting() else total + updates
        return ZERO_DECIMAL if -QUANTITY_EPSILON <= total <= QUANTITY_EPSILON else total

    def get_quantity_old(self) -> Decimal:
        """Same as `get_quantity`."""
        return self.get_quantity()

    def get_net_quantity(self) -> Decimal:
        """Same as `get_quantity`."""
        return self.get_quantity()

    def get_pending_quantity(self) -> Decimal:
        """Return the quantity of the trades that wait for a trigger."""
        return sum_decimal(
            trade.get_position_quantity()
            for trade in self.pending_trades.values()
            if trade.executed_at is not None or trade.is_planned()
        )

    def get_available_trading_quantity(self, include_pending_trades: bool = False) -> Decimal:
        """Return what the strategy can still decide about: holdings plus planned trades.

        Partial take profits count only with `include_pending_trades`; shares under redemption in an asynchronous
        vault do not count.
        """
        if include_pending_trades or self.pending_since_at is not None:
            planned = self.get_pending_quantity()
        else:
            planned = sum_decimal(
                trade.get_position_quantity()
                for trade in self.get_unsettled_trades()
                if trade.is_planned() and not trade.is_partial_take_profit()
            )
        redeeming = self._get_redeeming_quantity()
        available = planned + self.get_quantity() + redeeming
        return ZERO_DECIMAL if redeeming < 0 and available < 0 else available

    def _get_redeeming_quantity(self) -> Decimal:
        """Return the shares that asynchronous vaults were asked to redeem, <= 0."""
        return sum_decimal(
            trade.get_vault_settlement_request_quantity()
            for trade in self.get_unsettled_trades()
            if trade.planned_quantity <= 0 and trade.is_vault_settlement_in_flight()
        )

    def get_trade_totals(self) -> TradeTotals:
        """Return the sums over all trades; not to be changed."""
        return add_up(self.trades)

    def get_unsettled_trades(self) -> Iterable[TradeExecution]:
        """Return everything planned or in flight, and the settled trades that are not in the running totals yet."""
        settled, rest = split_trades(self.trades)
        return (*settled.overtaken, *rest) if settled.overtaken else rest

    def get_buy_quantity(self) -> Decimal:
        """Return the sum of all successful buys."""
        return self.get_trade_totals().get_buy_quantity()

    def get_sell_quantity(self) -> Decimal:
        """Return the sum of all successful sells, >= 0."""
        return self.get_trade_totals().get_sell_quantity()

    def get_quantity_at_open(self) -> Decimal:
        """Return the quantity of the first trade, even if that trade failed."""
        return self.get_first_trade().get_position_quantity()

    def get_available_bridge_capital(self) -> Decimal:
        """Return the bridged capital that no trade on the far chain uses."""
        return self.get_quantity() - self.bridge_capital_allocated

    def adjust_bridge_capital_allocated(self, amount: Decimal) -> None:
        """Change the capital lent to trades on the far chain; the total may become negative."""
        self.bridge_capital_allocated += amount

    # --- Totals over trades, USD

    def get_total_bought_usd(self) -> USDollarAmount:
        """Return the value of all successful buys."""
        return self.get_trade_totals().bought_usd

    def get_total_sold_usd(self) -> USDollarAmount:
        """Return the value of all successful sells."""
        return self.get_trade_totals().sold_usd

    def get_buy_value(self) -> USDollarAmount:
        """Return the executed value of all buys."""
        return sum(trade.get_executed_value() for trade in self.trades.values() if trade.is_buy())

    def get_sell_value(self) -> USDollarAmount:
        """Return the executed value of all sells."""
        return sum(trade.get_executed_value() for trade in self.trades.values() if trade.is_sell())
