"""A position: everything the strategy did with one trading pair from opening to closing.

The data is in :mod:`~tradeexecutor.state.position.fields`. What is computed from it is in modules of functions, one
module per subject, whose first argument is the position. Each function is also a method of the class below::

    from tradeexecutor.state.position import value

    value.get_equity(position) == position.get_equity()
"""

import datetime
from decimal import Decimal

from tradeexecutor.state.contract import contract_signature, misspelt
from tradeexecutor.state.display.html_repr import render_position
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.position import (
    annual_profit,
    interest,
    labels,
    net_profit,
    planning,
    predicates,
    profit,
    quantity,
    revaluing,
    risk,
    times,
    trades,
    value,
)
from tradeexecutor.state.position.fields import PositionFields, TriggerPriceUpdate
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trade.request import TradeRequest
from tradeexecutor.state.types import BPS, LeverageMultiplier, USDollarAmount, USDollarPrice

__all__ = ["CLOSED_POSITION_DUST_EPSILON", "TradingPosition", "TriggerPriceUpdate"]

#: Kept for strategies that import it; the rule for closing is `TradingPosition.can_be_closed`.
CLOSED_POSITION_DUST_EPSILON = 0.0001


class TradingPosition(PositionFields):
    """One position in one trading pair.

    Positions with the same id are equal. Quantities come from the trades and balance events, the price from the latest
    valuation: a trade at a worse price than the last valuation shows as a loss only after the next valuation.
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

    # --- What it is: its stage

    is_open = predicates.is_open
    is_closed = predicates.is_closed
    is_pending = predicates.is_pending
    is_frozen = predicates.is_frozen
    is_unfrozen = predicates.is_unfrozen
    is_about_to_close = quantity.is_about_to_close
    can_be_closed = quantity.can_be_closed
    is_properly_opened = predicates.is_properly_opened
    is_marked_down = predicates.is_marked_down
    is_repaired = predicates.is_repaired
    is_test = predicates.is_test

    # --- What it is: its instrument

    is_spot = predicates.is_spot
    is_spot_market = predicates.is_spot
    is_long = predicates.is_long
    is_short = predicates.is_short
    is_leverage = predicates.is_leverage
    is_loan_based = predicates.is_loan_based
    is_credit_supply = predicates.is_credit_supply
    is_vault = predicates.is_vault
    is_freqtrade = predicates.is_freqtrade
    is_exchange_account = predicates.is_exchange_account
    is_using_internal_share_price_profit = predicates.is_using_internal_share_price_profit

    # --- What it is: its triggers

    is_stop_loss = predicates.is_stop_loss
    is_stop_loss_closed = predicates.is_stop_loss
    is_take_profit = predicates.is_take_profit
    is_take_profit_closed = predicates.is_take_profit
    closed_by_stop_loss = predicates.closed_by_stop_loss
    closed_by_take_profit = predicates.closed_by_take_profit
    is_trailing_stop_loss = predicates.is_trailing_stop_loss
    has_automatic_close = predicates.has_automatic_close
    has_trigger_conditions = predicates.has_trigger_conditions

    # --- What it is: its trades and result

    has_trade = predicates.has_trade
    has_executed_trades = predicates.has_executed_trades
    has_unexecuted_trades = predicates.has_unexecuted_trades
    has_trades_in_flight = predicates.has_trades_in_flight
    has_planned_trades = predicates.has_planned_trades
    has_buys = predicates.has_buys
    has_sells = predicates.has_sells
    is_reduced = predicates.is_reduced
    has_realised_profit = predicates.has_realised_profit
    is_profitable = profit.is_profitable
    is_loss = profit.is_loss
    has_pending_vault_settlement = predicates.has_pending_vault_settlement
    has_async_vault_flow = predicates.has_async_vault_flow
    has_bad_data_issues = predicates.has_bad_data_issues

    # --- Trades

    get_first_trade = trades.get_first_trade
    get_last_trade = trades.get_last_trade
    get_executed_trades = trades.get_executed_trades
    get_successful_trades = trades.get_successful_trades
    get_failed_trades = trades.get_failed_trades
    get_unsettled_trades = trades.get_unsettled_trades
    get_trades_by_strategy_cycle = trades.get_trades_by_strategy_cycle
    get_trade_count = trades.get_trade_count
    get_trade_totals = trades.get_trade_totals
    get_unexecuted_reserve = trades.get_unexecuted_reserve
    get_unexeuted_reserve = misspelt("get_unexeuted_reserve")(trades.get_unexecuted_reserve)
    get_last_tx_hash = trades.get_last_tx_hash
    plan_trade = planning.plan_trade

    # --- Quantity, token units

    @contract_signature
    def get_quantity(self, planned: bool = False) -> Decimal:
        """Return how much of the base token the position holds, see `quantity.get_quantity`."""
        return quantity.get_quantity(self, planned)

    get_quantity_old = quantity.get_quantity
    get_net_quantity = quantity.get_quantity
    get_pending_quantity = quantity.get_pending_quantity
    get_available_trading_quantity = quantity.get_available_trading_quantity
    get_quantity_at_open = quantity.get_quantity_at_open
    get_buy_quantity = quantity.get_buy_quantity
    get_sell_quantity = quantity.get_sell_quantity
    get_available_bridge_capital = quantity.get_available_bridge_capital
    adjust_bridge_capital_allocated = quantity.adjust_bridge_capital_allocated
    get_held_assets = quantity.get_held_assets

    # --- Balance events, token units

    get_balance_update_events = quantity.get_balance_update_events
    add_balance_update_event = quantity.add_balance_update_event
    get_base_token_balance_update_quantity = quantity.get_base_token_balance_update_quantity
    get_redeemed = quantity.get_redeemed
    calculate_accrued_interest_quantity = quantity.calculate_accrued_interest_quantity

    # --- Prices, USD per base token

    get_current_price = value.get_current_price
    get_opening_price = value.get_opening_price
    get_closing_price = value.get_closing_price
    get_price_at_open = value.get_opening_price
    get_original_planned_price = value.get_original_planned_price
    get_entry_price = value.get_entry_price
    get_average_price = value.get_average_price
    get_average_buy = value.get_average_buy
    get_average_sell = value.get_average_sell

    # --- Value, USD

    get_equity = value.get_equity
    get_value = value.get_value
    calculate_value_using_price = value.calculate_value_using_price
    calculate_quantity_usd_value = value.calculate_quantity_usd_value
    get_loan_based_nav = value.get_loan_based_nav
    get_vault_settlement_pending_value = value.get_vault_settlement_pending_value
    get_loan_in_flight_value = value.get_loan_in_flight_value
    get_entry_value = value.get_entry_value
    get_value_at_open = value.get_value_at_open
    get_value_at_close = value.get_value_at_close
    get_max_size = value.get_max_size
    get_total_bought_usd = value.get_total_bought_usd
    get_total_sold_usd = value.get_total_sold_usd
    get_buy_value = value.get_buy_value
    get_sell_value = value.get_sell_value
    get_total_lp_fees_paid = value.get_total_lp_fees_paid
    revalue_base_asset = revaluing.revalue_base_asset
    mark_down = revaluing.mark_down

    # --- Interest and loan, USD

    get_accrued_interest = interest.get_accrued_interest
    get_accrued_interest_with_repayments = interest.get_accrued_interest
    get_claimed_interest = interest.get_claimed_interest
    get_repaid_interest = interest.get_repaid_interest
    get_borrowed = interest.get_borrowed
    get_collateral = interest.get_collateral
    estimate_gained_interest = interest.estimate_gained_interest
    get_annualised_credit_interest = annual_profit.get_annualised_credit_interest

    # --- Profit, USD

    get_net_profit_usd = net_profit.get_net_profit_usd
    get_net_result = net_profit.get_net_result
    get_average_cost_profit_usd = net_profit.get_average_cost_profit_usd
    get_trade_profits_usd = net_profit.get_trade_profits_usd
    get_unexplained_cash_usd = net_profit.get_unexplained_cash_usd
    get_total_profit_usd = profit.get_total_profit_usd
    get_total_profit = profit.get_total_profit
    get_realised_profit_usd = profit.get_realised_profit_usd
    get_unrealised_profit_usd = profit.get_unrealised_profit_usd
    get_share_price_profit = profit.get_share_price_profit
    get_total_profit_at_timestamp = annual_profit.get_total_profit_at_timestamp

    # --- Profit, fractions

    get_total_profit_percent = profit.get_total_profit_percent
    get_unrealised_profit_pct = profit.get_unrealised_profit_pct
    get_realised_profit_percent = profit.get_realised_profit_percent
    get_unrealised_and_realised_profit_percent = profit.get_unrealised_and_realised_profit_percent
    get_cost_adjusted_profit_percent = profit.get_cost_adjusted_profit_percent
    get_size_relative_realised_profit_percent = profit.get_size_relative_realised_profit_percent
    get_size_relative_profit_percent = profit.get_size_relative_realised_profit_percent
    get_size_relative_unrealised_or_realised_profit_percent = (
        profit.get_size_relative_unrealised_or_realised_profit_percent
    )
    calculate_total_profit_percent_annualised = annual_profit.calculate_total_profit_percent_annualised
    get_annualised_profit_percent = annual_profit.get_annualised_profit_percent
    calculate_annualised_profit = annual_profit.calculate_annualised_profit

    # --- Risk

    get_original_stop_loss = risk.get_original_stop_loss
    get_orignal_stop_loss = misspelt("get_orignal_stop_loss")(risk.get_original_stop_loss)
    get_capital_tied_at_open_pct = risk.get_capital_tied_at_open_pct
    get_loss_risk_at_open = risk.get_loss_risk_at_open
    get_loss_risk_at_open_pct = risk.get_loss_risk_at_open_pct

    # --- Times

    get_entered_at = times.get_entered_at
    get_duration = times.get_duration
    get_last_valued_at = times.get_last_valued_at
    get_last_updated_at = times.get_last_updated_at
    get_profit_timeline_timestamp = times.get_last_updated_at

    # --- Labels and notes

    get_identifier = labels.get_identifier
    get_name = labels.get_name
    get_human_readable_name = labels.get_human_readable_name
    get_quantity_unit_name = labels.get_quantity_unit_name
    get_human_summary = labels.get_human_summary
    get_debug_dump = labels.get_debug_dump
    get_freeze_reason = labels.get_freeze_reason
    add_notes_message = revaluing.add_notes_message

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
            The position cannot make such a trade; it is unchanged.
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
