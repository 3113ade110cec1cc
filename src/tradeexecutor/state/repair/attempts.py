"""Failed trades that are tried again, and the record of their earlier attempts.

A trade that is tried again starts from the beginning: it takes its capital again, because the failure gave it back, and
gets new transactions. If it then succeeds, it is an ordinary successful trade. Its `other_data` contains the earlier
attempts with their transactions under ``failed_attempts``, the oldest first.
"""

import datetime
from collections.abc import Callable

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.types import JSONObject

__all__ = [
    "FAILED_ATTEMPTS_KEY",
    "find_real_transaction",
    "get_failed_attempts",
    "has_failed_before",
    "reopen_failed_trade",
]

#: Key in `TradeExecution.other_data`.
FAILED_ATTEMPTS_KEY = "failed_attempts"

_FIELDS = (
    "started_at",
    "broadcasted_at",
    "failed_at",
    "reserve_currency_allocated",
    "bridge_currency_allocated",
    "planned_quantity",
    "planned_reserve",
    "planned_max_slippage",
    "blockchain_transactions",
    "other_data",
    "notes",
)


def get_failed_attempts(trade: TradeExecution) -> list[JSONObject]:
    """Return the earlier attempts of a trade, oldest first: times, reason and transactions."""
    return (trade.other_data or {}).get(FAILED_ATTEMPTS_KEY) or []


def has_failed_before(trade: TradeExecution) -> bool:
    """Return True if the trade was tried again after a failure."""
    return bool(get_failed_attempts(trade))


def reopen_failed_trade(trade: TradeExecution, now: datetime.datetime) -> Callable[[], None]:
    """Change a failed trade back to a planned one, and record its failure.

    Parameters
    ----------
    now
        Time of the new attempt, naive UTC.

    Returns
    -------
    Callable
        Function that undoes the change; call it only before the new attempt has started.

    Raises
    ------
    WrongTradeStatus
        The trade has not failed, or is already repaired.
    """
    trade.check_status(TradeStatus.failed)
    require_naive_utc(now, "time of the new attempt", InvalidTrade)
    before = {name: getattr(trade, name) for name in _FIELDS}

    def undo() -> None:
        for name, value in before.items():
            setattr(trade, name, value)

    attempt: JSONObject = {
        "started_at": _to_text(trade.started_at),
        "broadcasted_at": _to_text(trade.broadcasted_at),
        "failed_at": _to_text(trade.failed_at),
        "reason": trade.get_revert_reason(),
        "transactions": [tx.to_dict() for tx in trade.blockchain_transactions],
    }
    trade.other_data = {**(trade.other_data or {}), FAILED_ATTEMPTS_KEY: [*get_failed_attempts(trade), attempt]}
    trade.started_at = trade.broadcasted_at = trade.failed_at = None
    trade.reserve_currency_allocated = trade.bridge_currency_allocated = None
    trade.blockchain_transactions = []
    trade.add_note(f"Failed trade rebroadcasted at {now}")
    return undo


def find_real_transaction(trade: TradeExecution) -> BlockchainTransaction | None:
    """Return a transaction of the trade that was not made by a simulation; None when there is none.

    The hash of a simulated transaction is its nonce in hexadecimal.
    """
    return next((tx for tx in trade.blockchain_transactions if tx.nonce is None or tx.tx_hash != hex(tx.nonce)), None)


def _to_text(when: datetime.datetime | None) -> str | None:
    return None if when is None else when.isoformat()
