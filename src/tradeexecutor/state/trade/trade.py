"""A trade: one planned change of a position, its execution and its outcome.

The data is in `TradeFields`. The functions that compute from it or change it are in modules, one per subject; they are
the methods of `TradeExecution`.
"""

from tradeexecutor.state.trade import (
    amounts,
    costs,
    execution_order,
    labels,
    lifecycle,
    predicates,
    transactions,
)
from tradeexecutor.state.trade.amounts import (
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
)
from tradeexecutor.state.trade.execution_order import CCTP_BRIDGE_ORDER_BUMP, CCTP_BRIDGE_OUT_ORDER_BUMP
from tradeexecutor.state.trade.fields import TradeFields, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade.transactions import clean_revert_reason_message

__all__ = [
    "CCTP_BRIDGE_ORDER_BUMP",
    "CCTP_BRIDGE_OUT_ORDER_BUMP",
    "VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY",
    "VAULT_SETTLEMENT_REQUEST_RESERVE_KEY",
    "TradeExecution",
    "TradeFlag",
    "TradeStatus",
    "TradeType",
    "clean_revert_reason_message",
]


class TradeExecution(TradeFields):
    """One trade, from plan to outcome.

    `State.create_trade` creates it when the strategy plans it. The execution model starts, broadcasts and completes it
    through `State`. Trades with the same id are equal.

    Worked example, a buy of 0.25 WETH at 2400 with 5000 USDC in cash:

    =========== =========== ======= ==============================================
    step        status      cash    what changes on the trade
    =========== =========== ======= ==============================================
    create      planned     5000    planned_reserve 600.00, planned_quantity 0.25
    start       started     4400    reserve_currency_allocated 600.00
    broadcast   broadcasted 4400
    success     success     4400    executed_quantity, executed_price, allocated 0
    =========== =========== ======= ==============================================
    """

    __slots__ = ()

    # --- Life cycle

    get_status = lifecycle.get_status
    check_status = lifecycle.check_status
    mark_broadcasted = lifecycle.mark_broadcasted
    record_fill = lifecycle.record_fill
    mark_success = lifecycle.mark_success
    mark_failed = lifecycle.mark_failed
    mark_expired = lifecycle.mark_expired
    get_decision_lag = lifecycle.get_decision_lag
    get_execution_lag = lifecycle.get_execution_lag
    get_settlement_lag = lifecycle.get_settlement_lag

    # --- Predicates

    is_buy = predicates.is_buy
    is_sell = predicates.is_sell
    is_reduce = predicates.is_reduce
    is_success = predicates.is_success
    is_executed = predicates.is_success
    is_failed = predicates.is_failed
    is_repaired = predicates.is_repaired
    is_repair_trade = predicates.is_repair_trade
    is_repair_needed = predicates.is_failed
    is_pending = predicates.is_pending
    is_planned = predicates.is_planned
    is_started = predicates.is_started
    is_unfinished = predicates.is_unfinished
    is_accounted_for_equity = predicates.is_accounted_for_equity
    is_missing_blockchain_transactions = predicates.is_missing_blockchain_transactions
    is_vault_settlement_in_flight = predicates.is_vault_settlement_in_flight
    is_rebalance = predicates.is_rebalance
    is_stop_loss = predicates.is_stop_loss
    is_take_profit = predicates.is_take_profit
    is_liquidation = predicates.is_liquidation
    is_triggered = predicates.is_triggered
    has_waited = predicates.has_waited
    is_accounting_correction = predicates.is_accounting_correction
    is_partial_take_profit = predicates.is_partial_take_profit
    is_test = predicates.is_test
    is_spot = predicates.is_spot
    is_vault = predicates.is_vault
    is_leverage = predicates.is_leverage
    is_credit_based = predicates.is_credit_based
    is_credit_supply = predicates.is_credit_supply
    is_short = predicates.is_short
    is_long = predicates.is_long

    # --- Quantities

    get_position_quantity = amounts.get_position_quantity
    get_sign = amounts.get_sign
    get_planned_reserve = amounts.get_planned_reserve
    get_planned_collateral_allocation = amounts.get_planned_collateral_allocation
    get_allocated_value = amounts.get_allocated_value
    get_raw_planned_reserve = amounts.get_raw_planned_reserve
    get_raw_planned_quantity = amounts.get_raw_planned_quantity
    get_raw_planned_collateral_allocation = amounts.get_raw_planned_collateral_allocation
    get_reserve_quantity = amounts.get_reserve_quantity
    get_settled_reserve = amounts.get_settled_reserve
    get_equity_for_position = amounts.get_equity_for_position
    get_equity_for_reserve = amounts.get_equity_for_reserve
    get_vault_settlement_request_reserve = amounts.get_vault_settlement_request_reserve
    get_vault_settlement_request_quantity = amounts.get_vault_settlement_request_quantity
    get_expected_borrow_quantity_change = amounts.get_expected_borrow_quantity_change
    get_expected_collateral_quantity_change = amounts.get_expected_collateral_quantity_change
    get_credit_supply_reserve_change = amounts.get_credit_supply_reserve_change
    get_input_asset = amounts.get_input_asset
    get_output_asset = amounts.get_output_asset
    calculate_asset_deltas = amounts.calculate_asset_deltas

    # --- Values

    get_planned_value = amounts.get_planned_value
    get_executed_value = amounts.get_executed_value
    get_value = amounts.get_value
    get_volume = amounts.get_volume
    get_reserve_currency_exchange_rate = amounts.get_reserve_currency_exchange_rate
    get_claimed_interest = amounts.get_claimed_interest
    get_repaid_interest = amounts.get_repaid_interest

    # --- Costs

    get_fees_paid = costs.get_fees_paid
    get_token_tax_paid = costs.get_token_tax_paid
    get_cost_of_gas_usd = costs.get_cost_of_gas_usd
    get_slippage = costs.get_slippage
    get_execution_cost = costs.get_execution_cost

    # --- Blockchain transactions

    set_blockchain_transactions = transactions.set_blockchain_transactions
    get_failed_transaction = transactions.get_failed_transaction
    get_reverted_transaction = transactions.get_reverted_transaction
    get_revert_reason = transactions.get_revert_reason
    get_planned_max_gas_price = transactions.get_planned_max_gas_price

    # --- Order of execution

    get_execution_sort_position = execution_order.get_execution_sort_position

    # --- Labels, notes and diagnostics

    def __repr__(self) -> str:
        return labels.get_repr(self)

    get_action_verb = labels.get_action_verb
    get_short_label = labels.get_short_label
    get_human_description = labels.get_human_description
    add_note = labels.add_note
    get_yield_decision = labels.get_yield_decision
    pretty_print = labels.pretty_print
    get_debug_dump = labels.pretty_print
