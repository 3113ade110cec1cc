"""Profit of a position.

The formulas, with worked examples, are in :mod:`tradeexecutor.accounting.profit` and
:mod:`tradeexecutor.accounting.interest`; here is what goes into them.

Some figures keep a flaw because recorded files contain it.  The one to use instead stands in their docstring;
`TradingPosition.get_net_profit_usd` counts each dollar once, whatever the kind of position and at any time.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.interest import calculate_simple_interest, calculate_yearly_yield
from tradeexecutor.accounting.profit import (
    annualise_compounded,
    annualise_simple,
    calculate_cost_adjusted_profit,
    calculate_cost_adjusted_realised_profit,
    calculate_net_profit,
    calculate_realised_profit,
    calculate_unrealised_profit,
    get_closed_short_quantity,
    get_fraction,
)
from tradeexecutor.state.balance_update import CAPITAL_FLOWS, INVESTOR_FLOWS, BalanceUpdateCause
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidValue, NotAvailable, UnsupportedPairKind
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.position.pnl import (
    calculate_pnl,
    calculate_share_price_pnl,
    calculate_share_price_profit,
    get_holding_time,
)
from tradeexecutor.state.position.value import PositionValuation
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceData
from tradeexecutor.state.trade.totals import TradeTotals
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

_EXCHANGE_ACCOUNT, _VAULT = TradingPairKind.exchange_account, TradingPairKind.vault


class PositionProfit(PositionValuation):
    """Profit figures: USD amounts and fractions (0.05 is 5 %)."""

    __slots__ = ()

    # --- USD

    def is_frozen(self) -> bool:
        """Tell whether the position waits for a repair after a failed trade."""
        return self.frozen_at is not None and self.unfrozen_at is None

    def is_reduced(self) -> bool:
        """Tell whether there is a buy and a sell, of any status; `has_realised_profit` counts successes."""
        return self.has_buys() and self.has_sells()

    def has_realised_profit(self) -> bool:
        """Tell whether something was both bought and sold, so that there is a realised profit or loss."""
        totals = self.get_trade_totals()
        return bool(totals.bought and totals.sold)

    def is_using_internal_share_price_profit(self) -> bool:
        """Tell whether profit comes from the internal share price, not from trade prices."""
        kind = self.pair.kind
        return kind is _EXCHANGE_ACCOUNT or (kind is _VAULT and self.pair.is_hyperliquid_vault())

    def get_realised_profit_usd(self, include_interest: bool = True) -> USDollarAmount | None:
        """Return the profit of what was sold; None while nothing was reduced, 0 while frozen.

        A trade in the other direction that is only planned, or has failed, counts as a reduction, as in recorded
        figures; see `has_realised_profit`.  Tokens that a short bought back to pay interest have no price gain: they
        are deducted as repaid interest, once.
        """
        return self._get_realised_profit_usd(self.get_trade_totals(), include_interest)

    def _get_realised_profit_usd(self, totals: TradeTotals, include_interest: bool = True) -> USDollarAmount | None:
        if self.is_frozen():
            return 0
        if not (totals.has_buys and totals.has_sells):
            return None
        kind = self.pair.kind
        if self.is_spot():
            closed = totals.get_sell_quantity()
        elif kind.is_credit_supply():
            closed = ZERO_DECIMAL
        elif kind.is_shorting():
            closed = get_closed_short_quantity(totals.get_buy_quantity(), self._iterate_paid_interest())
        else:
            closed = totals.get_buy_quantity()
        profit = calculate_realised_profit(totals.get_average_buy(), totals.get_average_sell(), closed)
        if include_interest and kind.is_credit_based():
            profit += self.get_claimed_interest() - self.get_repaid_interest()
        return profit

    def _iterate_paid_interest(self) -> Iterator[Decimal]:
        return (trade.paid_interest for trade in self.get_executed_trades() if trade.paid_interest)

    def get_unrealised_profit_usd(
        self, include_interest: bool = True, account_redemptions: bool = True
    ) -> USDollarAmount:
        """Return the profit of what is held at the latest price.

        As recorded, a bridge shows all it holds as profit, and the debt interest of a short counts as part of its
        quantity, too; `get_net_profit_usd` counts each dollar once.
        """
        if self.is_using_internal_share_price_profit():
            return self._get_share_price_profit_usd()
        return self._get_unrealised_profit_usd(self.get_trade_totals(), include_interest)

    def _get_unrealised_profit_usd(self, totals: TradeTotals, include_interest: bool = True) -> USDollarAmount:
        loan = self.loan  # nearly always None: spare asking for the accrued interest
        quantity = self.get_quantity()
        if loan is not None and loan.borrowed is not None:
            quantity = -loan.borrowed.quantity  # interest that is owed counts below, once
        profit = calculate_unrealised_profit(self.last_token_price, self._get_entry_price(totals), quantity)
        if not include_interest:
            return profit
        return profit + (0.0 if loan is None else loan.get_net_interest())

    def get_total_profit_usd(self) -> USDollarAmount:
        """Return realised plus unrealised profit; 0.0 for a bridge.

        Tokens that an account correction added or removed are not part of it, see `get_net_profit_usd`.
        """
        return self.get_total_profit()[0]

    def get_total_profit(self) -> tuple[USDollarAmount, Percent]:
        """Return `get_total_profit_usd` and `get_total_profit_percent` together."""
        if self.pair.kind.is_cctp_bridge():
            return 0.0, 0.0
        if self.is_using_internal_share_price_profit():
            return self._get_share_price_profit_usd(), self._get_share_price_profit_pct()
        totals = self.get_trade_totals()
        profit = (self._get_realised_profit_usd(totals) or 0) + self._get_unrealised_profit_usd(totals)
        invested = totals.bought_usd if self.is_long() else totals.sold_usd
        return profit, profit / invested if invested else 0

    def get_net_profit_usd(self) -> USDollarAmount:
        """Return what the position is worth and what came out of it, less what went in.

        Counts what happened, each dollar once: successful trades, fees and slippage, interest, account corrections.
        Tokens that investors brought or redeemed in kind leave it as it was: they count at the average buy price.  A
        bridge only moves money, its profit is 0.0.

        Raises
        ------
        UnsupportedPairKind
            Leveraged longs and cash.
        """
        kind = self.pair.kind
        if kind.is_cctp_bridge():
            return 0.0
        totals = self.get_trade_totals()
        if kind.is_shorting():
            return calculate_net_profit(self._get_collateral_put_in(), 0.0, self.get_loan_based_nav())
        if kind.is_credit_supply():
            value = self.get_loan_based_nav()
        elif kind.is_leverage() or not (self.is_long() or kind.is_freqtrade()):
            raise UnsupportedPairKind(f"the profit of a {kind.value} position is not known: #{self.position_id}")
        else:
            value = float(self.get_quantity()) * self.last_token_price
        flows = totals.get_average_buy() * float(self._get_flow_quantity()) if self.balance_updates else 0.0
        return calculate_net_profit(totals.bought_usd, totals.sold_usd, value, flows)

    def _get_collateral_put_in(self) -> USDollarAmount:
        """Return the reserve that a short took, less what it gave back, USD."""
        return sum(
            float((trade.executed_reserve or ZERO_DECIMAL) + (trade.executed_collateral_allocation or ZERO_DECIMAL))
            * trade.get_reserve_currency_exchange_rate()
            for trade in self.get_executed_trades()
        )

    def _get_flow_quantity(self) -> Decimal:
        """Return the base tokens that came (+) and went (-) in kind."""
        base = self.pair.base
        # The balance of an exchange account is its value: what changes it without a trade is profit.
        flows = INVESTOR_FLOWS if self.pair.kind is _EXCHANGE_ACCOUNT else CAPITAL_FLOWS
        return sum(
            (event.quantity for event in self.balance_updates.values() if event.asset == base and event.cause in flows),
            ZERO_DECIMAL,
        )

    def is_profitable(self) -> bool:
        """Total profit is positive."""
        return self.get_total_profit_usd() > 0

    def is_loss(self) -> bool:
        """Total profit is negative."""
        return self.get_total_profit_usd() < 0

    def _get_share_price_profit_usd(self) -> USDollarAmount:
        return self.get_share_price_profit().profit_usd if self.share_price_state is not None else 0

    def _get_share_price_profit_pct(self) -> Percent:
        return self.get_share_price_profit().profit_pct if self.share_price_state is not None else 0

    # --- Fractions

    def _get_invested_usd(self) -> USDollarAmount:
        """Return what profit is compared with: bought for longs, sold for the others."""
        return self.get_total_bought_usd() if self.is_long() else self.get_total_sold_usd()

    def get_total_profit_percent(
        self, calculation_method: str = "legacy", end_at: datetime.datetime | None = None
    ) -> Percent:
        """Return total profit as a fraction of what was bought (longs) or sold (others); 0 without trades.

        Parameters
        ----------
        calculation_method
            ``"legacy"`` as above; ``"cumulative"`` walks the trades with an average cost, see
            `tradeexecutor.state.position.pnl.calculate_pnl`.
        end_at
            Valuation time of an open position, for ``"cumulative"``.
        """
        if calculation_method == "cumulative" and not (
            self.pair.kind.is_cctp_bridge() or self.is_using_internal_share_price_profit()
        ):
            return calculate_pnl(self, end_at=end_at).profit_pct
        if calculation_method not in ("legacy", "cumulative"):
            raise InvalidValue(f"unknown calculation method {calculation_method!r}")
        return self.get_total_profit()[1]

    def get_unrealised_profit_pct(self) -> Percent:
        """Return unrealised profit as a fraction of what was bought (longs) or sold (others)."""
        if self.is_using_internal_share_price_profit():
            return self._get_share_price_profit_pct()
        return get_fraction(self.get_unrealised_profit_usd(), self._get_invested_usd())

    def get_realised_profit_percent(self) -> Percent:
        """Return the profit of what was sold as a fraction of its cost."""
        if self.is_spot():
            return self.get_unrealised_and_realised_profit_percent(include_unrealised=False)
        if self.is_long() or self.is_credit_supply():
            invested = self.get_total_bought_usd()
        elif self.pair.kind.is_shorting():
            invested = self.get_total_sold_usd()
        else:
            return 0
        return get_fraction(self.get_realised_profit_usd() or 0, invested)

    def get_unrealised_and_realised_profit_percent(
        self, valuation_price: USDollarPrice | None = None, include_unrealised: bool = True
    ) -> Percent:
        """Return total profit as a fraction of the cost, redemptions in kind taken out of the cost; long only.

        Buy and sell volumes count trades of *any* status at their value, so a failed or started trade distorts
        the figure, as recorded figures do; `get_cost_adjusted_profit_percent` counts only what happened.

        Parameters
        ----------
        valuation_price
            USD per base token for what is still held; the latest valuation if None.
        include_unrealised
            False compares only what was sold with its share of the cost.
        """
        totals = self.get_trade_totals()
        return self._get_cost_adjusted_profit(
            totals, totals.all_bought_usd, totals.all_sold_usd, valuation_price, include_unrealised
        )

    def get_cost_adjusted_profit_percent(
        self, valuation_price: USDollarPrice | None = None, include_unrealised: bool = True
    ) -> Percent:
        """Return `get_unrealised_and_realised_profit_percent` of the trades that succeeded; spot and vault only.

        Same parameters.  A price of 0 is a price.
        """
        totals = self.get_trade_totals()
        return self._get_cost_adjusted_profit(
            totals, totals.bought_usd, totals.sold_usd, valuation_price, include_unrealised
        )

    def _get_cost_adjusted_profit(
        self,
        totals: TradeTotals,
        buy_value: USDollarAmount,
        sell_value: USDollarAmount,
        valuation_price: USDollarPrice | None,
        include_unrealised: bool,
    ) -> Percent:
        if not self.is_long():
            raise UnsupportedPairKind(f"position #{self.position_id} is not a long")
        redeemed = self.get_redeemed()
        if totals.bought_usd == 0:
            return 0
        bought = totals.get_buy_quantity()
        if not include_unrealised:
            return calculate_cost_adjusted_realised_profit(
                bought, totals.get_sell_quantity(), buy_value, sell_value, redeemed
            )
        quantity = self.get_quantity()
        price = self.last_token_price if valuation_price is None else valuation_price
        held = price * float(quantity) if quantity else 0
        return calculate_cost_adjusted_profit(bought, buy_value, sell_value, redeemed, held)

    def get_size_relative_realised_profit_percent(self) -> Percent:
        """Return realised profit fraction times the fraction of the portfolio tied at open."""
        return self.get_realised_profit_percent() * self.get_capital_tied_at_open_pct()

    def get_size_relative_profit_percent(self) -> Percent:
        """Same as `get_size_relative_realised_profit_percent`."""
        return self.get_size_relative_realised_profit_percent()

    def get_size_relative_unrealised_or_realised_profit_percent(self) -> Percent:
        """Return total profit fraction times the fraction of the portfolio tied at open; credit: its interest."""
        if self.is_credit_supply():
            return self.estimate_gained_interest()
        if self.is_spot():
            return self.get_unrealised_and_realised_profit_percent() * self.get_capital_tied_at_open_pct()
        return self.get_size_relative_realised_profit_percent()

    # --- Internal share price

    def get_share_price_profit(
        self, end_at: datetime.datetime | None = None, mark_price: USDollarPrice | None = None
    ) -> PositionInternalSharePriceData:
        """Return the profit as seen by the holder of one internal share.

        The first trade mints shares at 1.0; buys and sells mint and burn at the price of the moment, so the share
        price moves only with the market.

        Parameters
        ----------
        end_at
            Valuation time of an open position; now if None.
        mark_price
            USD per base token; the latest valuation if missing or 0.
        """
        state = self.share_price_state
        if state is None:
            return calculate_share_price_pnl(self, end_at=end_at, mark_price=mark_price)
        duration = (self.closed_at or end_at or utc_now()) - self.opened_at
        return calculate_share_price_profit(self, state, mark_price, duration)

    # --- Over time

    def get_duration(
        self,
        partial: bool = False,
        execution_mode: ExecutionMode = ExecutionMode.real_trading,
        end_at: datetime.datetime | None = None,
    ) -> datetime.timedelta | None:
        """Return how long the position was open; None while it is, unless `partial`.

        Parameters
        ----------
        partial
            Count an open position until `end_at` in backtests, until now in live trading.
        """
        if self.closed_at is not None:
            return self.closed_at - self.opened_at
        if not partial:
            return None
        if execution_mode.is_backtesting():
            if end_at is None:
                raise InvalidValue("the duration of an open position in a backtest needs end_at")
            return end_at - self.opened_at
        return utc_now() - self.opened_at

    def calculate_total_profit_percent_annualised(
        self, end_at: datetime.datetime | None = None, calculation_method: str = "legacy"
    ) -> Percent:
        """Return the compounded yearly profit fraction, ``(1 + profit) ** (year / duration) - 1``.

        A closed position is treated as if it had been held, without further profit, until `end_at`, as in recorded
        figures; `get_annualised_profit_percent` ends when it closed.

        Parameters
        ----------
        end_at
            End of the period, also for closed positions; required.
        """
        if end_at is None:
            raise InvalidValue("annualising needs end_at")
        duration = end_at - self.opened_at
        if duration <= datetime.timedelta(0):
            raise InvalidValue(f"position #{self.position_id} was opened at {self.opened_at}, not before {end_at}")
        profit = self.get_total_profit_percent(calculation_method=calculation_method, end_at=end_at)
        return annualise_compounded(profit, duration)

    def get_annualised_profit_percent(
        self, end_at: datetime.datetime | None = None, calculation_method: str = "legacy"
    ) -> Percent:
        """Return the compounded yearly profit fraction of the time the position was open.

        Parameters
        ----------
        end_at
            Valuation time of an open position, which needs it; of a closed one nothing.
        calculation_method
            See `get_total_profit_percent`.

        Raises
        ------
        InvalidValue
            The position is open and `end_at` is missing, or no time has passed.
        """
        duration = get_holding_time(self, end_at)
        return annualise_compounded(self.get_total_profit_percent(calculation_method, end_at), duration)

    def calculate_annualised_profit(self, duration: datetime.timedelta) -> Percent:
        """Return the linear yearly profit fraction, ``profit * year / duration``."""
        if not duration:
            raise InvalidValue("duration must not be zero")
        return annualise_simple(self.get_total_profit_percent(), duration)

    def estimate_gained_interest(self, interest_period: str = "position") -> Percent:
        """Return the interest gained, from the mean yearly yield of the interest events; 0 without events.

        Parameters
        ----------
        interest_period
            ``"year"`` for the yearly rate, ``"position"`` for the time the position was open.
        """
        if interest_period not in ("position", "year"):
            raise InvalidValue(f"unknown interest period {interest_period!r}")
        rates = [
            calculate_yearly_yield(event.quantity, event.old_balance, event.block_mined_at - event.previous_update_at)
            for event in self.balance_updates.values()
            if event.cause is BalanceUpdateCause.interest
            and event.previous_update_at
            and event.previous_update_at != event.block_mined_at
            and event.old_balance
        ]
        if not rates:
            return 0
        rate = sum(rates) / len(rates)
        if interest_period == "year":
            return rate
        return calculate_simple_interest(rate, self.get_duration(partial=True) or datetime.timedelta(0))

    def get_annualised_credit_interest(self) -> Percent:
        """Return the linear yearly interest of a closed credit position; 0.0 while open."""
        if not self.is_credit_supply():
            raise InvalidValue(f"position #{self.position_id} is not a credit position")
        duration, invested = self.get_duration(), self.get_value_at_open()
        if not duration or not invested:
            return 0.0
        return annualise_simple(self.get_claimed_interest() / invested, duration)

    def get_total_profit_at_timestamp(self, timestamp: datetime.datetime) -> USDollarAmount:
        """Not recorded: past prices are in `Statistics.positions`."""
        raise NotAvailable(f"position #{self.position_id} has no price history, see Statistics.positions ({timestamp})")
