"""The order in which the trades of a cycle are executed."""

from tradeexecutor.state.trade.fields import TradeFields, TradeFlag
from tradeexecutor.state.trade.predicates import is_buy, is_reduce

#: Subtracted from the sort position of a transfer back over a bridge, see `get_execution_sort_position`.
CCTP_BRIDGE_ORDER_BUMP = 30_000_000
#: Subtracted from the sort position of a transfer out over a bridge.
CCTP_BRIDGE_OUT_ORDER_BUMP = 20_000_000

_CREDIT_ORDER_BUMP = 200_000_000
_CLOSING_ORDER_BUMP = 100_000_000
_VAULT_ORDER_BUMP = 50_000_000
_REDUCE_ORDER_BUMP = 40_000_000


def get_execution_sort_position(trade: TradeFields) -> int:
    """Return the sort position in the execution order of a cycle; lower positions are executed first.

    Trades that free capital come before those that spend it: credit and closing trades, vault redemptions, sells,
    bridges, buys, vault deposits, credit supply. Within the groups that free capital, higher ids come first.
    """
    flags = trade.flags or ()
    kind = trade.pair.kind
    trade_id = trade.trade_id
    if kind.is_cctp_bridge():
        return -trade_id - (CCTP_BRIDGE_OUT_ORDER_BUMP if is_buy(trade) else CCTP_BRIDGE_ORDER_BUMP)
    if kind.is_credit_supply() and TradeFlag.close in flags:
        return -trade_id - _CREDIT_ORDER_BUMP
    if trade.closing:
        return -trade_id - _CLOSING_ORDER_BUMP
    if kind.is_credit_supply():
        return trade_id + _CREDIT_ORDER_BUMP if TradeFlag.open in flags else trade_id
    if is_reduce(trade):
        return -trade_id - (_VAULT_ORDER_BUMP if kind.is_vault() else _REDUCE_ORDER_BUMP)
    if kind.is_vault() and is_buy(trade):
        return trade_id + _VAULT_ORDER_BUMP
    return trade_id
