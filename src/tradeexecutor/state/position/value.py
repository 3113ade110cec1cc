"""What a position is worth: prices, value, equity and the tokens it holds."""

import datetime
import math
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.display.formatting import append_line
from tradeexecutor.state.errors import InvalidValue, NotAvailable, UnsupportedPairKind, WrongPositionStatus
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairKind
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.position.quantity import PositionQuantities
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.amounts import sum_fees
from tradeexecutor.state.trade.totals import TradeTotals, split_trades
from tradeexecutor.state.types import LegacyDataException, Percent, USDollarAmount, USDollarPrice, is_pandas_object

_CCTP_BRIDGE = TradingPairKind.cctp_bridge

#: Kinds whose equity is quantity times price.
_PRICED_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.vault,
        TradingPairKind.freqtrade,
        TradingPairKind.exchange_account,
    }
)

#: Kinds that profit when the price goes up.
LONG_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.spot_market_hold_rebalancing_token,
        TradingPairKind.vault,
        TradingPairKind.lending_protocol_long,
        TradingPairKind.exchange_account,
    }
)

_ENTERED_BY_BUYING = LONG_KINDS | {TradingPairKind.credit_supply}


class PositionValuation(PositionQuantities):
    """Prices (USD per base token), values (USD) and durations of a position."""

    __slots__ = ()

    # --- Prices

    def get_current_price(self) -> USDollarPrice:
        """Return the price of the latest valuation."""
        return self.last_token_price

    def get_opening_price(self) -> USDollarPrice:
        """Return the executed price of the first trade; 0.0 when that trade failed."""
        self._require_executed_trade()
        return self.get_first_trade().executed_price or 0.0

    def get_closing_price(self) -> USDollarPrice | None:
        """Return the executed price of the last trade."""
        self._require_executed_trade()
        return self.get_last_trade().executed_price

    def get_price_at_open(self) -> USDollarPrice:
        """Same as `get_opening_price`."""
        return self.get_opening_price()

    def _require_executed_trade(self) -> None:
        if not self.has_executed_trades():
            raise NotAvailable(f"position #{self.position_id} has no executed trade")

    def get_original_planned_price(self) -> USDollarPrice:
        """Return the planned price of the first trade; spot only."""
        if not self.is_spot():
            raise InvalidValue(f"position #{self.position_id} is not a spot position")
        return self.get_first_trade().planned_price

    def get_average_buy(self) -> USDollarPrice:
        """Return the average price of the successful buys, 0.0 without any."""
        return self.get_trade_totals().get_average_buy()

    def get_average_sell(self) -> USDollarPrice:
        """Return the average price of the successful sells, 0.0 without any."""
        return self.get_trade_totals().get_average_sell()

    def get_average_price(self) -> USDollarPrice:
        """Return the average entry price: of the buys for long and credit positions, else of the sells."""
        return self._get_entry_price(self.get_trade_totals())

    def _get_entry_price(self, totals: TradeTotals) -> USDollarPrice:
        return totals.get_average_buy() if self.pair.kind in _ENTERED_BY_BUYING else totals.get_average_sell()

    def is_long(self) -> bool:
        """Profits when the price goes up: spot, vault, exchange account, leveraged long."""
        return self.pair.kind in LONG_KINDS

    def is_credit_supply(self) -> bool:
        """Lends the reserve."""
        return self.pair.kind.is_credit_supply()

    def is_open(self) -> bool:
        """Not closed; pending and frozen positions are open too."""
        return self.closed_at is None

    # --- Value and equity

    def calculate_value_using_price(
        self, token_price: USDollarPrice, reserve_price: USDollarPrice, include_interest: bool = True
    ) -> USDollarAmount:
        """Return holdings at `token_price` plus capital locked in unfinished buys at `reserve_price`, USD.

        Parameters
        ----------
        include_interest
            Add the accrued interest of the loan, if there is one.
        """
        settled, rest = split_trades(self.trades)
        tokens, reserve = settled.tokens, settled.locked_reserve
        for trade in rest:
            if trade.executed_quantity is None and trade.started_at is None:
                continue  # planned: spares asking for the status
            if trade.is_accounted_for_equity():
                if trade.executed_quantity is not None:
                    tokens += trade.executed_quantity
                if trade.executed_at is None:
                    reserve += trade.get_equity_for_reserve()
        value = float(tokens) * token_price + float(reserve) * reserve_price
        if self.balance_updates:
            updates = float(self.get_base_token_balance_update_quantity()) * token_price
            value = value - updates if self.pair.kind.is_shorting() else value + updates
        if include_interest and self.loan is not None:
            value += self.loan.get_net_interest()
        return value

    def get_equity(self) -> USDollarAmount:
        """Return the USD equity; 0 for loans, whose net asset value is counted separately.

        A closed position may return the value of its residual dust.
        """
        kind = self.pair.kind
        if kind in _PRICED_KINDS:
            return self.calculate_value_using_price(self.last_token_price, self.last_reserve_price, False)
        if kind is _CCTP_BRIDGE:
            gross = self.calculate_value_using_price(self.last_token_price, self.last_reserve_price, False)
            return gross - float(self.bridge_capital_allocated) * self.last_token_price
        return 0

    def get_value(self, include_interest: bool = True) -> USDollarAmount:
        """Return the USD value; of a closed position only the accrued interest, normally 0.

        Bridge positions count gross: capital lent to trades on the far chain is included.
        """
        if self.closed_at is not None:
            return self.get_accrued_interest() if include_interest else 0.0
        kind = self.pair.kind
        if kind in _PRICED_KINDS:
            return self.calculate_value_using_price(self.last_token_price, self.last_reserve_price, include_interest)
        if kind.is_cctp_bridge():
            return float(self.get_quantity())
        if kind.is_shorting() or kind.is_credit_supply():
            return self.get_loan_based_nav(include_interest)
        raise UnsupportedPairKind(f"a {kind.value} position has no value: #{self.position_id}")

    def get_loan_based_nav(self, include_interest: bool = True, include_fees: bool = True) -> USDollarAmount:
        """Return collateral minus debt, 0.0 before the first execution; loan positions only, USD."""
        if not self.pair.kind.is_credit_based():
            raise InvalidValue(f"position #{self.position_id} has no loan")
        return 0.0 if self.loan is None else self.loan.get_net_asset_value(include_interest)

    def get_vault_settlement_pending_value(self) -> USDollarAmount:
        """Return the deposits that an asynchronous vault has not settled, USD."""
        return sum(
            float(trade.get_vault_settlement_request_reserve())
            for trade in self.get_unsettled_trades()
            if trade.planned_quantity > 0 and trade.is_vault_settlement_in_flight()
        )

    def get_loan_in_flight_value(self) -> USDollarAmount:
        """Return the reserve that started trades took and that is not in the loan yet, USD; loan positions only."""
        total = Decimal(0)
        for trade in self.get_unsettled_trades():
            if trade.reserve_currency_allocated and trade.is_pending():
                total += trade.reserve_currency_allocated
        return float(total) * self.last_reserve_price

    def calculate_quantity_usd_value(self, quantity: Decimal) -> USDollarAmount:
        """Return what `quantity` base tokens are worth at the latest valuation."""
        if quantity == 0:
            return 0
        price: USDollarPrice | None = self.last_token_price
        return float(quantity) * (self.get_original_planned_price() if price is None else price)  # pyright: ignore[reportUnnecessaryComparison]

    def get_entry_price(self) -> USDollarPrice:
        """Return the executed price of the first trade that succeeded; `get_opening_price` asks the first trade."""
        return self._get_first_executed_trade().executed_price or 0.0

    def get_entry_value(self) -> USDollarAmount:
        """Return the value of the first trade that succeeded, USD; `get_value_at_open` asks the first trade."""
        return self._get_first_executed_trade().get_executed_value()

    def _get_first_executed_trade(self) -> TradeExecution:
        for trade in self.get_executed_trades():
            if not trade.is_repaired():
                return trade
        raise NotAvailable(f"position #{self.position_id} has no executed trade")

    def get_value_at_open(self) -> USDollarAmount:
        """Return the executed value of the first trade, USD."""
        return self.get_first_trade().get_executed_value()

    def get_value_at_close(self) -> USDollarAmount:
        """Return the executed value of the last trade, USD."""
        return self.get_last_trade().get_executed_value()

    def get_max_size(self) -> USDollarAmount:
        """Return the executed value of the first trade, USD."""
        return self.get_value_at_open()

    def get_total_lp_fees_paid(self) -> USDollarAmount:
        """Return the LP fees of all trades, USD."""
        return sum(sum_fees(trade.lp_fees_paid) for trade in self.trades.values())

    # --- Interest, USD

    def get_accrued_interest(self) -> USDollarAmount:
        """Return interest earned minus interest owed that is not yet paid out; 0.0 without a loan."""
        return self.loan.get_net_interest() if self.loan is not None else 0.0

    def get_accrued_interest_with_repayments(self) -> USDollarAmount:
        """Same as `get_accrued_interest`."""
        return self.get_accrued_interest()

    def get_claimed_interest(self) -> USDollarAmount:
        """Return the collateral interest moved to cash by all successful trades."""
        return sum(trade.get_claimed_interest() for trade in self.get_executed_trades())

    def get_repaid_interest(self) -> USDollarAmount:
        """Return the debt interest repaid by all successful trades."""
        return sum(trade.get_repaid_interest() for trade in self.get_executed_trades())

    def get_borrowed(self) -> USDollarAmount:
        """Return the debt principal, USD; 0.0 without debt."""
        return self.loan.borrowed.get_usd_value() if self.loan is not None and self.loan.borrowed is not None else 0.0

    def get_collateral(self) -> USDollarAmount:
        """Return the collateral principal, USD; 0.0 without a loan."""
        return self.loan.collateral.get_usd_value() if self.loan is not None else 0.0

    # --- Holdings

    def get_held_assets(self) -> Iterator[tuple[AssetIdentifier, Decimal]]:
        """Yield the tokens that the wallet must hold for this position.

        Nothing for exchange accounts and Hypercore vaults, whose balance is not a token.
        """
        kind = self.pair.kind
        if kind.is_exchange_account() or self.pair.is_hyperliquid_vault():
            return
        if kind.is_cctp_bridge():
            available = self.get_available_bridge_capital()
            if available > 0:
                yield self.pair.base, available
        elif kind.is_credit_based():
            if self.loan is not None:
                yield from self._get_loan_assets(self.loan)
        else:
            quantity = self.get_quantity()
            if kind.is_vault():
                quantity = max(quantity + self._get_redeeming_quantity(), Decimal(0))
            yield self.pair.base, quantity

    @staticmethod
    def _get_loan_assets(loan: Loan) -> Iterator[tuple[AssetIdentifier, Decimal]]:
        yield loan.collateral.asset, loan.get_collateral_quantity()
        if loan.borrowed is not None:
            yield loan.borrowed.asset, Decimal(loan.get_borrowed_quantity())

    # --- Valuation

    def revalue_base_asset(self, last_pricing_at: datetime.datetime, last_token_price: USDollarPrice) -> USDollarAmount:
        """Set the price of the base token and return the new value.

        Parameters
        ----------
        last_token_price
            USD per base token, exactly a float.
        """
        if not isinstance(last_pricing_at, datetime.datetime) or is_pandas_object(last_pricing_at):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"pricing time must be a datetime, got {last_pricing_at!r}")
        if last_pricing_at.tzinfo is not None:
            raise InvalidValue(f"pricing time must be naive UTC, got {last_pricing_at!r}")
        if not isinstance(last_token_price, float):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"price of position #{self.position_id} must be a float, got {last_token_price!r}")
        if not 0 <= last_token_price < math.inf:
            raise InvalidValue(f"price of position #{self.position_id} must be finite and >= 0, got {last_token_price}")
        if self.pair.kind.is_shorting() and self.loan is not None and self.loan.borrowed is not None:
            self.loan.borrowed.revalue(last_token_price, last_pricing_at)
        self.last_pricing_at = last_pricing_at
        self.last_token_price = last_token_price
        return self.get_value()

    def mark_down(self) -> None:
        """Write the position off: price 0 and closed, because its price source is gone for good.

        The position stays in its table of the portfolio; `Portfolio.mark_down_position` also moves it.  Raises
        `WrongPositionStatus` if it is closed.
        """
        if self.closed_at is not None:
            raise WrongPositionStatus(f"position #{self.position_id} is closed, there is nothing to write off")
        now = utc_now()
        value = self.get_value()
        if self.other_data is None:
            self.other_data = {}
        self.other_data["marked_down_at"] = now
        self.add_notes_message(f"Marked down at {now}, last price {self.last_token_price}, last value {value}")
        self.last_token_price = 0.0
        self.last_pricing_at = self.closed_at = self.unfrozen_at = now

    def add_notes_message(self, msg: str | None) -> None:
        """Append a line to the notes; empty lines are ignored."""
        if msg:
            self.notes = append_line(self.notes, msg)

    # --- Times

    def get_last_valued_at(self) -> datetime.datetime:
        """Return when the position was last valued; for loans when interest was last updated."""
        if self.loan is not None and self.pair.kind.is_credit_based():
            times = [self.loan.collateral_interest.last_updated_at]
            if self.loan.borrowed_interest is not None:
                times.append(self.loan.borrowed_interest.last_updated_at)
            return max(times)
        return self.valuation_updates[-1].valued_at if self.valuation_updates else self.last_pricing_at

    def get_last_updated_at(self) -> datetime.datetime:
        """Return the latest of opening, closing, pricing and trading time."""
        times = (self.opened_at, self.closed_at, self.last_pricing_at, self.last_trade_at)
        return max(time for time in times if time is not None)

    def get_profit_timeline_timestamp(self) -> datetime.datetime:
        """Same as `get_last_updated_at`."""
        return self.get_last_updated_at()

    # --- Risk at open

    def is_properly_opened(self) -> bool:
        """Tell whether the first trade succeeded."""
        return bool(self.trades) and self.get_first_trade().executed_at is not None

    def get_capital_tied_at_open_pct(self) -> Percent:
        """Return value at open as a fraction of the portfolio at that time.

        Raises
        ------
        LegacyDataException
            Old data did not record the portfolio value.
        """
        if self.portfolio_value_at_open is None:
            raise LegacyDataException(f"position #{self.position_id} has no recorded portfolio value at open")
        return self.get_value_at_open() / self.portfolio_value_at_open if self.portfolio_value_at_open else 0

    def get_loss_risk_at_open(self) -> USDollarAmount:
        """Return the loss if the stop loss had hit right after opening, USD; uses the *current* stop loss."""
        if not self.is_properly_opened():
            return 0.0
        if self.stop_loss is None:
            raise NotAvailable(f"position #{self.position_id} has no stop loss")
        return abs(self.get_opening_price() - self.stop_loss) * float(self.get_quantity_at_open())

    def get_loss_risk_at_open_pct(self) -> Percent:
        """Return `get_loss_risk_at_open` as a fraction of the portfolio at open; 0 when that is unknown."""
        if not self.portfolio_value_at_open:
            return 0
        return self.get_loss_risk_at_open() / self.portfolio_value_at_open
