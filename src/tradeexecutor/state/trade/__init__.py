"""A trade: planned, started, broadcast, executed or failed.

`fields` holds the data.  What can be said of it, and what can happen to it, stands in functions by subject:
`lifecycle` (status and transitions), `predicates`, `amounts` (quantities and values), `costs` (fees, gas, slippage),
`transactions`, `labels` and `execution_order`; the methods of `TradeExecution` are those functions.  `request` is what
a trade is planned from, with `planned_amounts` per kind of instrument and the `pricing` quote; `fill` is how it was
executed; `totals` are the sums that a position keeps of its trades.
"""

from tradeexecutor.state.trade.fill import Fill
from tradeexecutor.state.trade.request import TradeRequest
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
    "Fill",
    "TradeExecution",
    "TradeFlag",
    "TradeRequest",
    "TradeStatus",
    "TradeType",
    "clean_revert_reason_message",
]
