"""Errors between the program and a chain.

::

    ChainError
     +-- ChainUnavailable        no node answered
     +-- RpcError                a node answered with an error
     +-- WrongChain              a node serves another chain
     +-- InvalidKey              the private key cannot be read
     +-- GasTooExpensive         gas costs more than the limit says
     +-- OutOfGasFunds           the wallet cannot pay for gas
     +-- NotTradeable            no venue trades the pair, or not in this way
    ExecutionHaltableIssue
     +-- TransactionsUnconfirmed the outcome is still open
     +-- PartlyExecuted          some transactions of a trade went through, and they do not make a trade
"""

from collections.abc import Sequence
from decimal import Decimal

from tradeexecutor.execution.interface import ExecutionHaltableIssue
from tradeexecutor.state.errors import TradeExecutorError

__all__ = [
    "ChainError",
    "ChainUnavailable",
    "GasTooExpensive",
    "InvalidKey",
    "NotTradeable",
    "OutOfGasFunds",
    "PartlyExecuted",
    "RpcError",
    "TransactionsUnconfirmed",
    "WrongChain",
]


class ChainError(TradeExecutorError, RuntimeError):
    """Root of the errors of this package that do not concern a single trade."""


class ChainUnavailable(ChainError, OSError):
    """No node answered, after all retries.

    Attributes
    ----------
    failures
        Name and error of each node at the last attempt, without secrets in the addresses of nodes.
    """

    def __init__(self, message: str, failures: Sequence[str] = ()):
        super().__init__(message)
        self.failures = list(failures)


class RpcError(ChainError):
    """A node refused a request.

    Attributes
    ----------
    code
        JSON-RPC code; nodes differ in how they use it.
    data
        Return data of a reverted call, ``0x`` hexadecimal; None when there is none.
    """

    def __init__(self, message: str, code: int | None = None, data: str | None = None):
        super().__init__(message)
        self.code = code
        self.data = data


class WrongChain(ChainError, ValueError):
    """A node serves another chain, or a contract is not the one described in the settings.

    Attributes
    ----------
    expected, actual
        Chain ids; None when the difference is something else.
    """

    def __init__(self, message: str, expected: int | None = None, actual: int | None = None):
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class InvalidKey(ChainError, ValueError):
    """A private key is missing or cannot be read. The message never repeats any part of it."""


class GasTooExpensive(ChainError):
    """Gas costs more than the limit allows; nothing was sent.

    Attributes
    ----------
    price, limit
        Wei per unit of gas.
    """

    def __init__(self, message: str, price: int, limit: int):
        super().__init__(message)
        self.price = price
        self.limit = limit


class OutOfGasFunds(ChainError):
    """The wallet cannot pay for the gas of a trade; nothing was sent.

    Attributes
    ----------
    available, needed
        Native token units.
    """

    def __init__(self, message: str, available: Decimal, needed: Decimal):
        super().__init__(message)
        self.available = available
        self.needed = needed


class NotTradeable(ChainError, LookupError):
    """No venue trades the pair, or the venue cannot execute the trade as planned; nothing was sent."""


class TransactionsUnconfirmed(ExecutionHaltableIssue):
    """Transactions of a trade were sent, and their outcome is not known yet.

    They are in the saved state: the next start, or `resolve_unconfirmed` in this process, finds their outcome.

    Attributes
    ----------
    trade_id
        Id of the trade.
    tx_hashes
        Hashes of the transactions whose outcome is open.
    """

    def __init__(self, message: str, trade_id: int, tx_hashes: Sequence[str]):
        super().__init__(message)
        self.trade_id = trade_id
        self.tx_hashes = list(tx_hashes)


class PartlyExecuted(ExecutionHaltableIssue):
    """Some transactions of a trade moved tokens and others failed; a person has to decide what to do.

    Attributes
    ----------
    trade_id
        The trade.
    """

    def __init__(self, message: str, trade_id: int):
        super().__init__(message)
        self.trade_id = trade_id
