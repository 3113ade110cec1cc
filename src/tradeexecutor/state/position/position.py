"""A position: everything the strategy did with one trading pair from opening to closing.

The class is cut by concern: fields (:mod:`~tradeexecutor.state.position.fields`), trades and quantities
(:mod:`~tradeexecutor.state.position.quantity`), prices and value (:mod:`~tradeexecutor.state.position.value`),
profit (:mod:`~tradeexecutor.state.position.profit`); predicates, labels and the opening of trades are here.
"""

import contextlib
import datetime
import pprint
from decimal import Decimal
from typing import Any

from tradeexecutor.accounting.accuracy import COLLATERAL_EPSILON
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.display.html_repr import render_position
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked, WrongPositionStatus
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairKind
from tradeexecutor.state.identifier.dust import (
    HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM,
    get_close_epsilon_for_pair,
)
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.loan.changes import LoanChange, get_loan_after_trade
from tradeexecutor.state.position.fields import TriggerPriceUpdate
from tradeexecutor.state.position.profit import PositionProfit
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeRequest, TradeType
from tradeexecutor.state.trade.planned_amounts import (
    LOAN_KINDS,
    PlannedAmounts,
    plan_credit,
    plan_exchange,
    plan_short,
    plan_short_closing,
)
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import BPS, LeverageMultiplier, USDollarAmount, USDollarPrice
from tradeexecutor.state.value_checks import check_finite

_CCTP_BRIDGE = TradingPairKind.cctp_bridge
_REPAIR = TradeType.repair

__all__ = ["CLOSED_POSITION_DUST_EPSILON", "TradingPosition", "TriggerPriceUpdate"]

#: Importable by old strategies; the closing rule is `TradingPosition.can_be_closed`.
CLOSED_POSITION_DUST_EPSILON = 0.0001


class TradingPosition(PositionProfit):
    """One position in one trading pair.

    Identity is the position id.  Quantities come from the trades and balance events, the price from the latest
    valuation: a trade at a worse price than the last valuation shows as a loss only after the next one.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        name = f"position #{self.position_id} {self.pair.get_ticker()}"
        if self.pending_since_at is not None:
            return f"<Pending {name} ${self.get_value():,.2f}>"
        if self.is_frozen():
            return f"<Frozen {name} ${self.get_value():,.2f}>"
        if self.is_open():
            return f"<Open {name} ${self.get_value():,.2f}>"
        value = self.get_first_trade().get_value() if self.trades or self.pending_trades else 0
        return f"<Closed {name} ${value:,.2f}>"

    def _repr_html_(self) -> str:
        return render_position(self)

    # --- Predicates: stage

    def is_closed(self) -> bool:
        """Tell whether the position is closed."""
        return self.closed_at is not None

    def is_unfrozen(self) -> bool:
        """Tell whether a repair unfroze the position."""
        return self.unfrozen_at is not None

    def is_pending(self) -> bool:
        """Tell whether the position waits for a market limit trigger."""
        return self.pending_since_at is not None

    def is_test(self) -> bool:
        """Tell whether any trade is a test trade."""
        return any(trade.is_test() for trade in self.trades.values())

    def is_repaired(self) -> bool:
        """Tell whether any trade was repaired."""
        return any(trade.is_repaired() for trade in self.trades.values())

    def is_marked_down(self) -> bool:
        """Tell whether the position was written off."""
        return "marked_down_at" in (self.other_data or {})

    def is_about_to_close(self) -> bool:
        """Tell whether the planned trades would leave nothing of the position."""
        return self.has_planned_trades() and abs(self.get_quantity(planned=True)) <= get_close_epsilon_for_pair(
            self.pair
        )

    def can_be_closed(self) -> bool:
        """Tell whether nothing, or only dust, is left.

        A short without debt that still has collateral cannot: closed, its collateral would be in no equity.  Trades
        that are still planned, pending or failed are not considered.
        """
        if self.closed_at is not None:
            return False
        kind = self.pair.kind
        if kind is _CCTP_BRIDGE:
            available = self.get_available_bridge_capital()
            return available <= 0 or abs(available) <= get_close_epsilon_for_pair(self.pair)
        quantity = self.get_quantity()
        if quantity <= 0 and (self.is_spot() or kind.is_credit_supply()):
            return True
        if self.other_data and self.other_data.get(HYPERCORE_SMALL_POSITION_CLEANUP_PENDING_REDEEM):
            return quantity <= 0
        if kind.is_shorting():
            # Buying back more than was owed closes, like selling more than is held.
            return quantity >= -get_close_epsilon_for_pair(self.pair) and not self._has_collateral()
        return abs(quantity) <= get_close_epsilon_for_pair(self.pair)

    def _has_collateral(self) -> bool:
        return self.loan is not None and self.loan.get_collateral_quantity() > COLLATERAL_EPSILON

    # --- Predicates: instrument

    def is_spot_market(self) -> bool:
        """Same as `is_spot`."""
        return self.is_spot()

    def is_vault(self) -> bool:
        """Vault shares."""
        return self.pair.kind.is_vault()

    def is_freqtrade(self) -> bool:
        """Capital managed by Freqtrade."""
        return self.pair.kind.is_freqtrade()

    def is_exchange_account(self) -> bool:
        """Capital in an exchange account."""
        return self.pair.kind.is_exchange_account()

    def is_short(self) -> bool:
        """Leveraged short."""
        return self.pair.kind.is_shorting()

    def is_leverage(self) -> bool:
        """Leveraged long or short."""
        return self.pair.kind.is_leverage()

    def is_loan_based(self) -> bool:
        """Leverage or credit supply."""
        return self.pair.kind.is_credit_based()

    # --- Predicates: triggers

    def is_stop_loss(self) -> bool:
        """Tell whether the last trade is a stop loss."""
        return bool(self.trades) and self.get_last_trade().is_stop_loss()

    def is_stop_loss_closed(self) -> bool:
        """Same as `is_stop_loss`."""
        return self.is_stop_loss()

    def is_take_profit(self) -> bool:
        """Tell whether the last trade is a take profit."""
        return bool(self.trades) and self.get_last_trade().is_take_profit()

    def is_take_profit_closed(self) -> bool:
        """Same as `is_take_profit`."""
        return self.is_take_profit()

    def is_trailing_stop_loss(self) -> bool:
        """Tell whether a stop loss that had been trailed closed the position."""
        return (
            self.trailing_stop_loss_pct is not None
            and self.is_stop_loss()
            and any(update.stop_loss_after for update in self.trigger_updates)
        )

    def has_automatic_close(self) -> bool:
        """Tell whether a stop loss or take profit is set."""
        return self.stop_loss is not None or self.take_profit is not None

    def has_trigger_conditions(self) -> bool:
        """Tell whether anything can happen to the position between strategy cycles."""
        return bool(self.stop_loss or self.take_profit or self.pending_trades)

    def get_original_stop_loss(self) -> USDollarPrice | None:
        """Return the stop loss before it was ever moved; None without a stop loss."""
        if not self.stop_loss:
            return None
        return self.trigger_updates[0].stop_loss_before if self.trigger_updates else self.stop_loss

    #: Historical spelling.
    get_orignal_stop_loss = get_original_stop_loss

    # --- Predicates: vaults and data quality

    def has_pending_vault_settlement(self) -> bool:
        """Tell whether an asynchronous vault request is in flight."""
        return any(trade.is_vault_settlement_in_flight() for trade in self.get_unsettled_trades())

    def has_async_vault_flow(self) -> bool:
        """Tell whether any trade went through an asynchronous vault."""
        return any((trade.other_data or {}).get("vault_async_flow") for trade in self.trades.values())

    def has_bad_data_issues(self) -> bool:
        """Tell whether any trade lacks a mid price."""
        return any(not trade.planned_mid_price for trade in self.trades.values())

    # --- Labels

    def get_identifier(self) -> str:
        """Return ``"{pair identifier}-{position id}"``."""
        return f"{self.pair.get_identifier()}-{self.position_id}"

    def get_name(self) -> str:
        """Return e.g. ``#3 WETH-USDC``."""
        return f"#{self.position_id} {self.pair.base.token_symbol}-{self.pair.quote.token_symbol}"

    def get_human_readable_name(self) -> str:
        """Return e.g. ``Trading position #3 for WETH-USDC``."""
        return f"Trading position #{self.position_id} for {self.pair.get_ticker()}"

    def get_quantity_unit_name(self) -> str:
        """Return the base symbol."""
        return self.pair.base.token_symbol

    def get_debug_dump(self, char_limit: int = 1000) -> str:
        """Return all fields as indented text, cut at `char_limit`."""
        text = pprint.pformat(self.to_dict(), sort_dicts=False)
        return text if len(text) <= char_limit else text[:char_limit] + "..."

    def get_human_summary(self) -> dict[str, Any]:
        """Return a table row for people."""
        opened = self.has_executed_trades()
        return {
            "Position id": self.position_id,
            "Pair": self.pair.get_ticker(),
            "Type": self.pair.kind.value,
            "Trade count": self.get_trade_count(),
            "PnL %": self.get_total_profit_percent() * 100,
            "PnL USD": self.get_realised_profit_usd(),
            "Started at": self.opened_at,
            "Ended at": self.closed_at,
            "Duration": self.get_duration(),
            "Entry price": self.get_opening_price() if opened else None,
            "Exit price": self.get_closing_price() if opened and self.is_closed() else None,
            "Quantity (open)": self.get_quantity(),
        }

    def get_last_tx_hash(self) -> str | None:
        """Return the hash of the last transaction of the last trade."""
        transactions = self.get_last_trade().blockchain_transactions if self.trades else []
        return transactions[-1].tx_hash if transactions else None

    def get_freeze_reason(self) -> str | None:
        """Return why the position is frozen, as far as recorded."""
        if not self.is_frozen():
            raise WrongPositionStatus(f"position #{self.position_id} is not frozen")
        if not self.trades or not self.get_last_trade().blockchain_transactions:
            return "Could not extract freeze reason"
        for trade in reversed(self.trades.values()):
            reason = trade.get_revert_reason()
            if reason:
                return reason
        return None

    # --- Opening trades

    @contract_signature
    def open_trade(
        self,
        strategy_cycle_at: datetime.datetime,
        trade_id: int,
        quantity: Decimal | None,
        reserve: Decimal | None,
        assumed_price: USDollarPrice,
        trade_type: TradeType,
        reserve_currency: AssetIdentifier,
        reserve_currency_price: USDollarPrice,
        pair_fee: BPS | None = None,
        lp_fees_estimated: USDollarAmount | None = None,
        planned_mid_price: USDollarPrice | None = None,
        price_structure: TradePricing | None = None,
        slippage_tolerance: BPS | None = None,
        portfolio_value_at_creation: USDollarAmount | None = None,
        leverage: LeverageMultiplier | None = None,
        closing: bool | None = False,
        planned_collateral_consumption: Decimal | None = None,
        planned_collateral_allocation: Decimal | None = None,
        exchange_name: str | None = None,
        flags: set[TradeFlag] | None = None,
    ) -> TradeExecution:
        """Plan a trade on this position; no money moves.

        Parameters
        ----------
        quantity
            Base token units, + buy, - sell.
        reserve
            Reserve token units to spend, instead of `quantity`.
        assumed_price
            Expected fill price with fees, USD.
        closing
            The trade is meant to close the position; adds the flag ``close``.

        Raises
        ------
        InvalidTrade
            The trade makes no sense; the position is unchanged.
        """
        request = TradeRequest(
            strategy_cycle_at=strategy_cycle_at,
            pair=self.pair,
            quantity=quantity,
            reserve=reserve,
            assumed_price=assumed_price,
            trade_type=trade_type,
            reserve_currency=reserve_currency,
            reserve_currency_price=reserve_currency_price,
            pair_fee=pair_fee,
            lp_fees_estimated=lp_fees_estimated,
            planned_mid_price=planned_mid_price,
            price_structure=price_structure,
            slippage_tolerance=slippage_tolerance,
            leverage=leverage,
            closing=closing,
            planned_collateral_consumption=planned_collateral_consumption,
            planned_collateral_allocation=planned_collateral_allocation,
            exchange_name=exchange_name,
            flags=flags,
        )
        trade = self.plan_trade(request, trade_id, portfolio_value_at_creation)
        self.trades[trade_id] = trade
        return trade

    def plan_trade(
        self, request: TradeRequest, trade_id: int, portfolio_value_at_creation: USDollarAmount | None = None
    ) -> TradeExecution:
        """Return the trade that a request comes to on this position, without adding it.

        Parameters
        ----------
        trade_id
            Id of the new trade.
        portfolio_value_at_creation
            Total equity of the portfolio, USD; recorded on the trade.

        Raises
        ------
        InvalidTrade, LiquidationRisked, UnsupportedPairKind, WrongPositionStatus
            The trade makes no sense.
        """
        self._check_request(request, trade_id)
        flags: set[TradeFlag] = set() if request.flags is None else request.flags.copy()
        if request.closing:
            flags.add(TradeFlag.close)
        kind = self.pair.kind
        has_loan = kind in LOAN_KINDS
        loan = self._get_loan_to_plan_on(request.strategy_cycle_at) if has_loan else None
        amounts = self._plan_amounts(loan, request)
        trade = TradeExecution(
            trade_id,
            self.position_id,
            request.trade_type,
            self.pair,
            request.strategy_cycle_at,
            amounts.quantity,
            amounts.reserve,
            request.assumed_price,
            self.reserve_currency,
            flags=flags,
            slippage_tolerance=request.slippage_tolerance,
        )
        # Passing these to a constructor of 75 parameters takes longer than assigning them.
        trade.planned_collateral_allocation = amounts.allocation
        trade.planned_collateral_consumption = amounts.consumption
        trade.reserve_currency_exchange_rate = request.reserve_currency_price
        trade.planned_mid_price = request.planned_mid_price
        trade.fee_tier = request.pair_fee
        trade.lp_fees_estimated = request.lp_fees_estimated if amounts.lp_fees is None else amounts.lp_fees
        trade.price_structure = request.price_structure
        trade.portfolio_value_at_creation = portfolio_value_at_creation
        trade.leverage = request.leverage
        trade.closing = request.closing
        trade.exchange_name = request.exchange_name
        if has_loan and request.trade_type is not _REPAIR:
            change = LoanChange.read(trade)
            trade.planned_loan_update, _ = get_loan_after_trade(loan, trade, change, bool(request.closing))
        return trade

    def _check_request(self, request: TradeRequest, trade_id: int) -> None:
        """Raise `InvalidTrade` if the request cannot be for this position, or has a number that is none."""
        reserve_currency = request.reserve_currency
        if reserve_currency is not self.reserve_currency and reserve_currency != self.reserve_currency:
            raise InvalidTrade(
                f"position #{self.position_id} settles to {self.reserve_currency}, not {reserve_currency}"
            )
        if type(trade_id) is not int:
            raise InvalidTrade(f"trade id must be an int, got {trade_id!r}")
        if trade_id in self.trades:
            raise InvalidTrade(f"position #{self.position_id} already has a trade #{trade_id}")
        check_finite(
            trade_id,
            request.planned_mid_price,
            request.pair_fee,
            request.lp_fees_estimated,
            request.leverage,
            request.reserve_currency_price,
        )

    def _get_loan_to_plan_on(self, strategy_cycle_at: datetime.datetime) -> Loan | None:
        """Return the loan as the trades in flight, and those planned earlier in the same cycle, will leave it.

        What they planned is applied to the loan of today: other trades and interest may have changed it since.
        """
        loan = self.loan
        for trade in self.get_unsettled_trades():
            if (
                trade.planned_loan_update is not None
                and (trade.started_at or trade.opened_at == strategy_cycle_at)
                and not (trade.executed_at or trade.failed_at or trade.expired_at)
            ):
                # One that cannot succeed any more does not count.
                with contextlib.suppress(InvalidTrade, LiquidationRisked):
                    loan, _ = get_loan_after_trade(loan, trade, LoanChange.read(trade), bool(trade.closing))
        return loan

    def _plan_amounts(self, loan: Loan | None, request: TradeRequest) -> PlannedAmounts:
        pair = self.pair
        if pair.kind not in LOAN_KINDS:
            quantity, reserve = plan_exchange(pair.kind, request.quantity, request.reserve, request.assumed_price)
            return PlannedAmounts(
                quantity, reserve, request.planned_collateral_consumption, request.planned_collateral_allocation
            )
        if pair.kind.is_credit_supply():
            return plan_credit(request)
        if not request.closing:
            return plan_short(pair, loan, request)
        if self.closed_at is not None:
            raise WrongPositionStatus(f"position #{self.position_id} is closed already")
        return plan_short_closing(pair, loan, request)
