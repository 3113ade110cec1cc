"""A trade: planned, started, broadcast, executed or failed.

`fields` holds the data, `lifecycle` the transitions, `amounts` and `planned_amounts` what it is for, `pricing` the
quote that it was planned with, and `totals` the sums that a position keeps of its trades.
"""

from tradeexecutor.state.trade.trade import (
    CCTP_BRIDGE_ORDER_BUMP,
    CCTP_BRIDGE_OUT_ORDER_BUMP,
    VAULT_SETTLEMENT_REQUEST_QUANTITY_KEY,
    VAULT_SETTLEMENT_REQUEST_RESERVE_KEY,
    TradeExecution,
    TradeFlag,
    TradeStatus,
    TradeType,
    clean_revert_reason_message,
)

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
