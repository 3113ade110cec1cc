"""Requests to a chain through several nodes.

A node may be down, slow, behind, or refuse requests for a while. Then the next node is asked, and there is a pause
after each round of all nodes. An error never decides whether a transaction succeeded: the callers use receipts, blocks
and transaction counts for this.
"""

import datetime
import logging
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from tradeexecutor.ethereum.abi import Function
from tradeexecutor.ethereum.errors import ChainUnavailable, RpcError, WrongChain
from tradeexecutor.ethereum.recursion import keep_recursion_limit
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import InvalidValue

__all__ = ["Block", "ChainConnection", "Log", "Provider", "Receipt", "RetryPolicy", "open_provider", "read_quantity"]

logger = logging.getLogger(__name__)

_EPOCH = datetime.datetime(1970, 1, 1)

#: JSON-RPC codes that mean only "too many requests".
_RATE_LIMIT_CODES = frozenset({-32005, 429})

#: The longest time for an answer of a node, seconds.
_TIMEOUT = 30.0


class Provider(Protocol):
    """Interface for requests to a node; every provider of web3 implements it."""

    def make_request(self, method: Any, params: Any) -> Any:
        """Return the JSON-RPC response, or raise any exception when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a request is tried.

    Attributes
    ----------
    rounds
        Number of rounds in which all nodes are asked.
    first_pause, longest_pause
        First and longest pause between two rounds, seconds; the pause doubles after each round.
    """

    rounds: int = 6
    first_pause: float = 0.5
    longest_pause: float = 15.0


@dataclass(frozen=True, slots=True)
class Block:
    """Header of a block.

    Attributes
    ----------
    number, hash
        Number and hash of the block; the hash is lower-case ``0x`` hexadecimal.
    timestamp
        Naive UTC.
    base_fee
        Wei per unit of gas; None on a chain without one.
    """

    number: int
    hash: str
    timestamp: datetime.datetime
    base_fee: int | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """An event in the log of a contract.

    Attributes
    ----------
    address
        Address of the contract, lower case.
    topics
        ``0x`` hexadecimal; the first one is the kind of event.
    data
        ``0x`` hexadecimal.
    block_number, block_hash, tx_hash, log_index
        Place of the event.
    """

    address: str
    topics: tuple[str, ...]
    data: str
    block_number: int
    block_hash: str
    tx_hash: str
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Outcome of a transaction.

    Attributes
    ----------
    tx_hash, block_number, block_hash
        The transaction, and the block in which it was mined.
    succeeded
        False when it was reverted.
    gas_used, gas_price
        Units of gas, and price of a unit in wei.
    logs
        Events in order.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...]


def open_provider(url: str, timeout: float = _TIMEOUT) -> Provider:
    """Return a provider for a node at an ``http(s)`` address, or at the path of its IPC socket.

    Raises
    ------
    InvalidValue
        The address has another form.
    """
    with keep_recursion_limit():
        from web3.providers.ipc import IPCProvider
        from web3.providers.rpc import HTTPProvider

    if url.startswith(("http://", "https://")):
        # We retry with all nodes. The retries of web3 use only one node.
        return HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
    if url.startswith("/"):
        return IPCProvider(url, timeout=int(timeout))
    raise InvalidValue("the address of a node starts with http://, https:// or / (an IPC socket)")


def _describe(provider: Provider) -> str:
    """Return the host of a node without the rest of its address, which may be a secret."""
    url = str(getattr(provider, "endpoint_uri", "") or getattr(provider, "ipc_path", "") or "")
    return urllib.parse.urlsplit(url).hostname or url or type(provider).__name__


class ChainConnection:
    """Requests to one chain.

    Parameters
    ----------
    providers
        Nodes as addresses or providers of web3, the preferred one first.
    chain_id
        Id of the chain that every node must serve; checked before the first other request to a node.
    confirmations
        A block counts as final when the chain has this many blocks from it up to the head, both included: with 1 the
        head is final.
    retry
        Number of attempts and pauses between them.
    requests_per_second
        Limit for all nodes together; None for no limit.
    sleep, clock
        Functions of time; for tests.
    """

    def __init__(
        self,
        providers: Sequence[str | Provider],
        chain_id: int,
        *,
        confirmations: int = 3,
        retry: RetryPolicy | None = None,
        requests_per_second: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime.datetime] = utc_now,
    ):
        if not providers:
            raise InvalidValue("a connection needs the address of a node")
        if confirmations < 1:
            raise InvalidValue(f"confirmations must be at least 1, not {confirmations}")
        self.chain_id = chain_id
        self.confirmations = confirmations
        self.sleep = sleep
        self.clock = clock
        self._retry = retry or RetryPolicy()
        self._nodes = [_Node(open_provider(node) if isinstance(node, str) else node) for node in providers]
        self._preferred = 0
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._next_request_at = 0.0

    def __repr__(self) -> str:
        names = ", ".join(node.name for node in self._nodes)
        return f"<Connection to chain {self.chain_id} by {names}>"

    # --- Requests

    def request(self, method: str, *params: Any, read: Callable[[Any], Any] = lambda result: result) -> Any:
        """Return the result of a request from the first node that answers.

        Parameters
        ----------
        read
            Parses the result. If it cannot, the node counts as one that has not answered.

        Raises
        ------
        RpcError
            A node refused the request.
        ChainUnavailable
            No node answered.
        WrongChain
            A node serves another chain.
        """
        failures: dict[str, str] = {}
        pause = self._retry.first_pause
        for round_number in range(self._retry.rounds):
            if round_number:
                self.sleep(pause)
                pause = min(2 * pause, self._retry.longest_pause)
            for offset in range(len(self._nodes)):
                index = (self._preferred + offset) % len(self._nodes)
                node = self._nodes[index]
                try:
                    self._check_chain(node)
                    result = self._ask(node, method, params, read)
                except _NotAnswered as error:
                    failures[node.name] = str(error)
                    logger.warning("%s: %s did not answer: %s", method, node.name, error)
                    continue
                self._preferred = index
                return result
        listed = [f"{name}: {failure}" for name, failure in failures.items()]
        raise ChainUnavailable(f"no node of chain {self.chain_id} answered {method} ({'; '.join(listed)})", listed)

    def _check_chain(self, node: "_Node") -> None:
        if node.is_checked:
            return
        actual = self._ask(node, "eth_chainId", (), read_quantity)
        if actual != self.chain_id:
            raise WrongChain(f"{node.name} serves chain {actual}, not {self.chain_id}", self.chain_id, actual)
        node.is_checked = True

    def _ask(self, node: "_Node", method: str, params: Sequence[Any], read: Callable[[Any], Any]) -> Any:
        if self._interval:
            wait = self._next_request_at - time.monotonic()
            if wait > 0:
                self.sleep(wait)
            self._next_request_at = time.monotonic() + self._interval
        try:
            response = cast(Mapping[str, Any], node.provider.make_request(method, list(params)))
            error = response.get("error")
        except Exception as error:
            # Providers raise the errors of their transport, whose text may contain the address of the node.
            raise _NotAnswered(type(error).__name__) from error
        if error is None:
            if "result" not in response:
                raise _NotAnswered("neither result nor error")
            try:
                return read(response["result"])
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                raise _NotAnswered("an answer that cannot be understood") from error
        code, message, data = _read_error(error)
        if code in _RATE_LIMIT_CODES:
            raise _NotAnswered(f"error {code}")
        raise RpcError(f"{method}: {message}", code, data)

    # --- Blocks

    def get_head(self) -> Block:
        """Return the newest block."""
        return self.request("eth_getBlockByNumber", "latest", False, read=_read_block)

    def find_block(self, number: int) -> Block | None:
        """Return a block by number; None when the chain is shorter."""
        return self.request(
            "eth_getBlockByNumber",
            hex(number),
            False,
            read=lambda found: None if found is None else _read_block(found),
        )

    def find_safe_block(self) -> Block | None:
        """Return the newest final block; None when the chain is too short to have one."""
        number = self.get_head().number - self.confirmations + 1
        return None if number < 0 else self.find_block(number)

    # --- Transactions

    def send(self, signed: bytes) -> None:
        """Send a signed transaction. `RpcError` and `ChainUnavailable` do not prove that it was not accepted."""
        self.request("eth_sendRawTransaction", "0x" + signed.hex())

    def find_receipt(self, tx_hash: str) -> Receipt | None:
        """Return the receipt of a transaction; None when it is not mined."""
        return self.request("eth_getTransactionReceipt", tx_hash, read=_read_receipt_if_mined)

    def is_known(self, tx_hash: str) -> bool:
        """Return whether the node has a transaction, mined or waiting."""
        return self.request("eth_getTransactionByHash", tx_hash, read=_read_transaction) is not None

    def get_transaction_count(self, address: str, block: int | str = "latest") -> int:
        """Return how many transactions an address has sent up to a block, which is its next nonce."""
        return self.request("eth_getTransactionCount", address, _to_block_parameter(block), read=read_quantity)

    def get_native_balance(self, address: str) -> int:
        """Return the balance of native tokens for gas, wei."""
        return self.request("eth_getBalance", address, "latest", read=read_quantity)

    # --- Contracts

    def call(self, contract: str, function: Function, *args: Any, block: int | str = "latest") -> Any:
        """Return the result of a contract call; raises `RpcError` when it reverts or the contract does not exist."""
        call = {"to": contract, "data": function.encode(args)}
        data = self.request("eth_call", call, _to_block_parameter(block), read=_require_data)
        if len(data) <= 2 and function.outputs:
            raise RpcError(f"{contract} has no function {function.signature} on chain {self.chain_id}")
        return function.decode(data)

    def get_logs(
        self, addresses: Sequence[str], topics: Sequence[str | Sequence[str] | None], first: int, last: int
    ) -> list[Log]:
        """Return the logs of contracts in a range of blocks, both ends included, in order."""
        logs: list[Log] = self.request(
            "eth_getLogs",
            {"address": list(addresses), "topics": list(topics), "fromBlock": hex(first), "toBlock": hex(last)},
            read=lambda found: [_read_log(log) for log in found if not log.get("removed")],
        )
        return sorted(logs, key=lambda log: (log.block_number, log.log_index))


class _NotAnswered(Exception):
    """A node gave no usable answer; another node, or the same one later, may give one."""


@dataclass(slots=True)
class _Node:
    provider: Provider
    name: str = ""
    is_checked: bool = False

    def __post_init__(self) -> None:
        self.name = _describe(self.provider)


# --- Parsing answers


def _to_block_parameter(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _to_hex(value: Any) -> str:
    """Return lower-case ``0x`` hexadecimal, of text or bytes."""
    return "0x" + bytes(value).hex() if isinstance(value, (bytes, bytearray)) else str(value).lower()


def read_quantity(value: Any) -> int:
    """Return a quantity of an answer, ``0x`` hexadecimal or a number; raises `ValueError` or `TypeError`."""
    return value if isinstance(value, int) else int(value, 16)


def _read_block(found: Mapping[str, Any]) -> Block:
    base_fee = found.get("baseFeePerGas")
    return Block(
        read_quantity(found["number"]),
        _to_hex(found["hash"]),
        _EPOCH + datetime.timedelta(seconds=read_quantity(found["timestamp"])),
        None if base_fee is None else read_quantity(base_fee),
    )


def _read_log(found: Mapping[str, Any]) -> Log:
    return Log(
        _to_hex(found["address"]),
        tuple(_to_hex(topic) for topic in found["topics"]),
        _to_hex(found["data"]),
        read_quantity(found["blockNumber"]),
        _to_hex(found["blockHash"]),
        _to_hex(found["transactionHash"]),
        read_quantity(found["logIndex"]),
    )


def _require_data(data: Any) -> str:
    """Return the result of a call, ``0x`` hexadecimal; raises `ValueError` for anything else."""
    if not isinstance(data, str) or not data.startswith("0x"):
        raise ValueError("no data")
    bytes.fromhex(data[2:])
    return data


def _read_transaction(found: Any) -> Any:
    """Return a transaction as the node describes it; None when it does not know it."""
    if found is not None:
        _to_hex(found["hash"])
    return found


def _read_receipt_if_mined(found: Mapping[str, Any] | None) -> Receipt | None:
    if found is None or (found["transactionHash"] and found.get("blockHash") is None):
        return None
    return _read_receipt(found)


def _read_receipt(found: Mapping[str, Any]) -> Receipt:
    return Receipt(
        _to_hex(found["transactionHash"]),
        read_quantity(found["blockNumber"]),
        _to_hex(found["blockHash"]),
        read_quantity(found["status"]) == 1,
        read_quantity(found["gasUsed"]),
        read_quantity(found.get("effectiveGasPrice") or 0),
        tuple(_read_log(log) for log in found["logs"]),
    )


def _read_error(error: Any) -> tuple[int | None, str, str | None]:
    """Return code, text and revert data of an error; nodes store them in different places."""
    if not isinstance(error, Mapping):
        return None, str(error), None
    found = cast(Mapping[str, Any], error)
    data: Any = found.get("data")
    while isinstance(data, Mapping):
        inner = cast(Mapping[str, Any], data)
        data = inner.get("data") or inner.get("result")
    if isinstance(data, str):
        data = data.removeprefix("Reverted ")
    code = found.get("code")
    return (
        code if isinstance(code, int) else None,
        str(found.get("message", "")),
        data if isinstance(data, str) and data.startswith("0x") else None,
    )
