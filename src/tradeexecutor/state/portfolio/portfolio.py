"""The portfolio: cash, positions, and the rules by which capital moves between them.

The data is in :mod:`~tradeexecutor.state.portfolio.fields`. The functions that compute from it or change it are in
modules, one per subject; their first argument is the portfolio. Each function is also a method of the class below.
"""

import datetime
from decimal import Decimal

from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.display.html_repr import render_portfolio
from tradeexecutor.state.errors import (
    MultipleOpenPositionsWithAsset,
    NotEnoughMoney,
    NotSinglePair,
    ReserveAlreadyInitialised,
    ReserveMissing,
    TooSmallTrade,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
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


from tradeexecutor.state.portfolio import capital, cash, equity, lookup, opening, trades
from tradeexecutor.state.portfolio.fields import PortfolioFields


class Portfolio(PortfolioFields):
    """Positions, trades and reserves of the strategy."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return render_portfolio(self)

    # --- What it is

    is_empty = lookup.is_empty
    has_unexecuted_trades = trades.has_unexecuted_trades
    has_trading_capital = equity.has_trading_capital

    # --- Positions

    get_position_tables = lookup.get_position_tables
    get_all_positions = lookup.get_all_positions
    add_up_closed = lookup.add_up_closed
    get_open_positions = lookup.get_open_positions
    get_open_and_frozen_positions = lookup.get_open_and_frozen_positions
    get_unfrozen_positions = lookup.get_unfrozen_positions
    get_executed_positions = lookup.get_executed_positions
    get_position_by_id = lookup.get_position_by_id
    find_position_for_trade = lookup.find_position_for_trade
    get_open_position_for_pair = lookup.get_open_position_for_pair
    iterate_open_positions_for_pair = lookup.iterate_open_positions_for_pair
    get_pending_position_for_pair = lookup.get_pending_position_for_pair
    get_position_by_trading_pair = lookup.get_position_by_trading_pair
    get_existing_open_position_by_trading_pair = lookup.get_existing_open_position_by_trading_pair
    get_frozen_position = lookup.get_frozen_position
    get_closed_positions_for_pair = lookup.get_closed_positions_for_pair
    get_open_position_for_asset = lookup.get_open_position_for_asset
    get_positions_closed_at = lookup.get_positions_closed_at
    get_bridge_position_for_chain = lookup.get_bridge_position_for_chain
    find_bridge_position_for_chain = lookup.find_bridge_position_for_chain
    find_closed_bridge_position_for_chain = lookup.find_closed_bridge_position_for_chain
    get_current_credit_positions = lookup.get_current_credit_positions
    get_leverage_positions = lookup.get_leverage_positions
    get_current_interest_positions = lookup.get_current_interest_positions
    get_open_loans = lookup.get_open_loans
    get_open_quantities_by_position_id = lookup.get_open_quantities_by_position_id
    get_open_quantities_by_internal_id = lookup.get_open_quantities_by_internal_id
    get_equity_for_pair = lookup.get_equity_for_pair
    get_all_traded_pairs = lookup.get_all_traded_pairs
    get_single_pair = lookup.get_single_pair

    # --- Trades

    get_all_trades = trades.get_all_trades
    get_trade_by_id = trades.get_trade_by_id
    get_trade_by_tx_hash = trades.get_trade_by_tx_hash
    check_for_nonce_reuse = trades.check_for_nonce_reuse
    get_first_and_last_executed_trade = trades.get_first_and_last_executed_trade
    get_first_and_last_execution = trades.get_first_and_last_execution
    get_trading_history_duration = trades.get_trading_history_duration

    # --- Cash

    get_cash = cash.get_cash
    get_current_cash = cash.get_cash
    get_initial_cash = cash.get_initial_cash
    get_initial_deposit = cash.get_initial_cash
    get_reserve_position = cash.get_reserve_position
    get_default_reserve_position = cash.get_default_reserve_position
    get_default_reserve_asset = cash.get_default_reserve_asset
    get_reserve_assets = cash.get_reserve_assets
    initialise_reserves = cash.initialise_reserves
    update_reserves = cash.update_reserves
    adjust_reserves = cash.adjust_reserves

    # --- Equity, USD

    calculate_total_equity = equity.calculate_total_equity
    get_total_equity = equity.calculate_total_equity
    get_net_asset_value = equity.get_net_asset_value
    calculate_net_assets = equity.calculate_net_assets
    calculate_total_equity_chain = equity.calculate_total_equity_chain
    get_position_equity_and_loan_nav = equity.get_position_equity_and_loan_nav
    get_all_loan_nav = equity.get_all_loan_nav
    get_frozen_position_equity = equity.get_frozen_position_equity
    get_live_position_equity = equity.get_live_position_equity
    get_in_transit_value = equity.get_in_transit_value
    get_vault_settlement_pending_value = equity.get_vault_settlement_pending_value
    get_loan_in_flight_value = equity.get_loan_in_flight_value

    # --- Profit and interest, USD

    get_net_profit_usd = equity.get_net_profit_usd
    get_unrealised_profit_usd = equity.get_unrealised_profit_usd
    get_closed_profit_usd = equity.get_closed_profit_usd
    get_unrealised_profit_in_leveraged_positions = equity.get_unrealised_profit_in_leveraged_positions
    get_realised_profit_in_leveraged_positions = equity.get_realised_profit_in_leveraged_positions
    get_borrowed = equity.get_borrowed
    get_loan_net_asset_value = equity.get_loan_net_asset_value
    get_total_claimed_interest = equity.get_total_claimed_interest
    get_total_repaid_interest = equity.get_total_repaid_interest

    # --- Opening and closing

    open_new_position = opening.open_new_position
    request_trade = opening.request_trade
    check_can_leave = opening.check_can_leave
    close_position = opening.close_position
    move_to_closed = opening.move_to_closed
    mark_down_position = opening.mark_down_position
    reopen_closed_bridge_position_for_chain = opening.reopen_closed_bridge_position_for_chain
    allocate_balance_update_id = opening.allocate_balance_update_id
    correct_open_position_balance = opening.correct_open_position_balance

    # --- Capital of trades

    move_capital_from_reserves_to_spot_trade = capital.move_capital_from_reserves_to_spot_trade
    move_capital_from_bridge_to_spot_trade = capital.move_capital_from_bridge_to_spot_trade
    return_capital_to_reserves = capital.return_capital_to_reserves
    return_capital_to_bridge = capital.return_capital_to_bridge

    # --- Façade with the fixed signature

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
        """Plan a trade on the open position of the pair, or on a new one. See `State.create_trade`."""
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
