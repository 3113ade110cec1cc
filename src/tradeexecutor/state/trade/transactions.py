"""The blockchain transactions of a trade."""

from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import NotAvailable, WrongTradeStatus
from tradeexecutor.state.trade.fields import TradeFields


def clean_revert_reason_message(message: str | None) -> str:
    r"""Return a revert reason without the binary frame that some nodes put around it.

    The frame starts with the character ``\x13`` and ends with NUL characters; text without it stays as it is.

    >>> clean_revert_reason_message("execution reverted: \x13Too little received\x00\x00")
    'Too little received'
    """
    if not message:
        return ""
    _, marker, rest = message.partition("\x13")
    return rest.rstrip("\x00") if marker else message


def set_blockchain_transactions(trade: TradeFields, txs: list[BlockchainTransaction]) -> None:
    """Set the transactions of the trade; raises `WrongTradeStatus` if it has some already."""
    if trade.blockchain_transactions:
        raise WrongTradeStatus(f"trade #{trade.trade_id} already has transactions", trade.trade_id)
    trade.blockchain_transactions = txs


def get_failed_transaction(trade: TradeFields) -> BlockchainTransaction | None:
    """Return the last transaction that is not known to have succeeded, including unconfirmed ones; None without one.

    `get_reverted_transaction` returns only transactions that failed.
    """
    return next((tx for tx in reversed(trade.blockchain_transactions) if not tx.status), None)


def get_reverted_transaction(trade: TradeFields) -> BlockchainTransaction | None:
    """Return the last transaction whose receipt reports a failure, None without one."""
    return next((tx for tx in reversed(trade.blockchain_transactions) if tx.status is False), None)


def get_revert_reason(trade: TradeFields) -> str | None:
    """Return the recorded reason why the trade failed, None if unknown."""
    tx = get_failed_transaction(trade)
    if tx is not None:
        return clean_revert_reason_message(tx.revert_reason)
    return (trade.other_data or {}).get("hypercore_failure_diagnosis") or None


def get_planned_max_gas_price(trade: TradeFields) -> int:
    """Return the highest gas price of the transactions, wei; raises `NotAvailable` without transactions."""
    if not trade.blockchain_transactions:
        raise NotAvailable(f"trade #{trade.trade_id} has no transactions")
    return max(tx.get_planned_gas_price() for tx in trade.blockchain_transactions)
