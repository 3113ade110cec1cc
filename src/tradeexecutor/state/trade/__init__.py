"""A trade: planned, started, broadcast, executed or failed.

`fields` holds the data. Functions that compute from it or change it are in modules by subject: `lifecycle` (status and
transitions), `predicates`, `amounts` (quantities and values), `costs` (fees, gas, slippage), `transactions`, `labels`
and `execution_order`. The methods of `TradeExecution` are those functions. `request` is the input of a trade,
`planned_amounts` computes its amounts per kind of instrument, and `pricing` is the quote. `fill` is the outcome of the
execution. `totals` are the running sums over the trades of a position, and `capital_at_risk` reads records of capital
that is in no account.
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
