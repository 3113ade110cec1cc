"""Profit of a position."""

import datetime

from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidValue, NotAvailable, UnsupportedPairKind
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.pnl import calculate_pnl, calculate_share_price_pnl, calculate_share_price_profit
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceData
from tradeexecutor.state.position_value import PositionValuation
from tradeexecutor.state.trade_table import TradeTotals
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

_EXCHANGE_ACCOUNT, _VAULT = TradingPairKind.exchange_account, TradingPairKind.vault

YEAR = datetime.timedelta(days=365)


class PositionProfit(PositionValuation):
    """Profit figures: USD amounts and fractions (0.05 is 5 %)."""

    __slots__ = ()

    # --- USD

    def is_frozen(self) -> bool:
        """Tell whether the position waits for a repair after a failed trade."""
        return self.frozen_at is not None and self.unfrozen_at is None

    def is_reduced(self) -> bool:
        """Tell whether there is at least one buy and one sell, of any status."""
        return self.has_buys() and self.has_sells()

    def is_using_internal_share_price_profit(self) -> bool:
        """Tell whether profit comes from the internal share price, not from trade prices."""
        kind = self.pair.kind
        return kind is _EXCHANGE_ACCOUNT or (kind is _VAULT and self.pair.is_hyperliquid_vault())

    def get_realised_profit_usd(self, include_interest: bool = True) -> USDollarAmount | None:
        """Return the profit of what was sold; None while nothing was reduced, 0 while frozen."""
        return self._get_realised_profit_usd(self.get_trade_totals(), include_interest)

    def _get_realised_profit_usd(self, totals: TradeTotals, include_interest: bool = True) -> USDollarAmount | None:
        if self.is_frozen():
            return 0
        if not (totals.has_buys and totals.has_sells):
            return None
        if self.is_spot():
            closed = totals.get_sell_quantity()
        elif self.is_credit_supply():
            closed = 0
        else:
            closed = totals.get_buy_quantity()
        profit = (totals.get_average_sell() - totals.get_average_buy()) * float(closed) if closed else 0
        if include_interest and self.pair.kind.is_credit_based():
            profit += self.get_claimed_interest() - self.get_repaid_interest()
        return profit

    def get_unrealised_profit_usd(
        self, include_interest: bool = True, account_redemptions: bool = True
    ) -> USDollarAmount:
        """Return the profit of what is held at the latest price."""
        if self.is_using_internal_share_price_profit():
            return self._get_share_price_profit_usd()
        return self._get_unrealised_profit_usd(self.get_trade_totals(), include_interest)

    def _get_unrealised_profit_usd(self, totals: TradeTotals, include_interest: bool = True) -> USDollarAmount:
        profit = (self.last_token_price - self._get_entry_price(totals)) * float(self.get_quantity())
        return profit + self.get_accrued_interest() if include_interest else profit

    def get_total_profit_usd(self) -> USDollarAmount:
        """Return realised plus unrealised profit; 0.0 for a bridge."""
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
            `tradeexecutor.state.pnl.calculate_pnl`.
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
        invested = self._get_invested_usd()
        return self.get_unrealised_profit_usd() / invested if invested else 0

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
        return (self.get_realised_profit_usd() or 0) / invested if invested else 0

    def get_unrealised_and_realised_profit_percent(
        self, valuation_price: USDollarPrice | None = None, include_unrealised: bool = True
    ) -> Percent:
        """Return total profit as a fraction of the cost, redemptions in kind taken out of the cost; long only.

        Buy and sell volumes count trades of *any* status at their value, so a failed or started trade distorts
        the figure, as recorded figures do; `get_total_profit_percent` counts only what happened.

        Parameters
        ----------
        valuation_price
            USD per base token for what is still held; the latest valuation if None.
        include_unrealised
            False compares only what was sold with its share of the cost.
        """
        if not self.is_long():
            raise UnsupportedPairKind(f"position #{self.position_id} is not a long")
        redeemed = self.get_redeemed()
        totals = self.get_trade_totals()
        if totals.bought_usd == 0:
            return 0
        bought, sold = totals.get_buy_quantity(), totals.get_sell_quantity()
        buy_value, sell_value = totals.all_bought_usd, totals.all_sold_usd
        if not bought:
            return 0
        cost = buy_value + (buy_value / float(bought)) * float(redeemed)
        if cost == 0:
            return 0
        if not include_unrealised:
            if bought + redeemed == 0:
                return 0
            closed_fraction = float(sold / (bought + redeemed))
            return sell_value / (cost * closed_fraction) - 1 if closed_fraction else 0
        quantity = self.get_quantity()
        price = self.last_token_price if valuation_price is None else valuation_price
        held = price * float(quantity) if quantity != 0 else 0
        return (sell_value + held - cost) / cost

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
        return (1 + profit) ** (YEAR / duration) - 1

    def calculate_annualised_profit(self, duration: datetime.timedelta) -> Percent:
        """Return the linear yearly profit fraction, ``profit * year / duration``."""
        if not duration:
            raise InvalidValue("duration must not be zero")
        return self.get_total_profit_percent() * (YEAR / duration)

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
            float(event.quantity / event.old_balance) / ((event.block_mined_at - event.previous_update_at) / YEAR)
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
        return rate * ((self.get_duration(partial=True) or datetime.timedelta(0)) / YEAR)

    def get_annualised_credit_interest(self) -> Percent:
        """Return the linear yearly interest of a closed credit position; 0.0 while open."""
        if not self.is_credit_supply():
            raise InvalidValue(f"position #{self.position_id} is not a credit position")
        duration, invested = self.get_duration(), self.get_value_at_open()
        if not duration or not invested:
            return 0.0
        return (self.get_claimed_interest() / invested) * (YEAR / duration)

    def get_total_profit_at_timestamp(self, timestamp: datetime.datetime) -> USDollarAmount:
        """Not recorded: past prices are in `Statistics.positions`."""
        raise NotAvailable(f"position #{self.position_id} has no price history, see Statistics.positions ({timestamp})")
