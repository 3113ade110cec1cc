"""The road to a chain: several nodes, of which one answers.

A node may be down, slow, behind, or refuse for a while; then the next one is asked, and after a round of all of them
there is a pause.  Whether a transaction went through is never concluded from an error: the callers look at receipts,
blocks and transaction counts.
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

__all__ = ["Block", "ChainConnection", "Log", "Provider", "Receipt", "RetryPolicy", "open_provider"]

logger = logging.getLogger(__name__)

_EPOCH = datetime.datetime(1970, 1, 1)

#: JSON-RPC codes by which nodes say "too many requests", and nothing else.
_RATE_LIMIT_CODES = frozenset({-32005, 429})

#: Seconds a node may take to answer.
_TIMEOUT = 30.0


class Provider(Protocol):
    """What a request is made of; every provider of web3 is one."""

    def make_request(self, method: Any, params: Any) -> Any:
        """Return the JSON-RPC response; raise anything when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to try.

    Attributes
    ----------
    rounds
        How often all nodes are asked.
    first_pause, longest_pause
        Seconds between two rounds; the pause doubles from round to round.
    """

    rounds: int = 6
    first_pause: float = 0.5
    longest_pause: float = 15.0


@dataclass(frozen=True, slots=True)
class Block:
    """Heading of a block.

    Attributes
    ----------
    number, hash
        Which block; the hash is lower-case ``0x`` hexadecimal.
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
    """An event that a contract has logged.

    Attributes
    ----------
    address
        The contract, lower case.
    topics
        ``0x`` hexadecimal; the first tells the kind of event.
    data
        ``0x`` hexadecimal.
    block_number, block_hash, tx_hash, log_index
        Where it stands.
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
    """How a transaction ended.

    Attributes
    ----------
    tx_hash, block_number, block_hash
        Which, and where it was mined.
    succeeded
        False when it was reverted.
    gas_used, gas_price
        Units of gas, and wei paid for each.
    logs
        In order.
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
        The address is of another kind.
    """
    with keep_recursion_limit():
        from web3.providers.ipc import IPCProvider
        from web3.providers.rpc import HTTPProvider

    if url.startswith(("http://", "https://")):
        # Retries are ours: those of web3 know only one node.
        return HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
    if url.startswith("/"):
        return IPCProvider(url, timeout=int(timeout))
    raise InvalidValue("the address of a node starts with http://, https:// or / (an IPC socket)")


def _describe(provider: Provider) -> str:
    """Return the host of a node: the rest of its address may be a secret."""
    url = str(getattr(provider, "endpoint_uri", "") or getattr(provider, "ipc_path", "") or "")
    return urllib.parse.urlsplit(url).hostname or url or type(provider).__name__


class ChainConnection:
    """Requests to one chain.

    Parameters
    ----------
    providers
        Nodes, the preferred one first: addresses, or providers of web3.
    chain_id
        What every node has to serve; checked before the first other request to it.
    confirmations
        A block is final for us when this many blocks, itself included, stand on top of each other: 1 is the head.
    retry
        How long to try.
    requests_per_second
        Of all nodes together; None: no limit.
    sleep, clock
        For tests.
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

    def request(self, method: str, *params: Any) -> Any:
        """Return the result of a request, from the first node that gives one.

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
                    result = self._ask(node, method, params)
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
        actual = int(self._ask(node, "eth_chainId", ()), 16)
        if actual != self.chain_id:
            raise WrongChain(f"{node.name} serves chain {actual}, not {self.chain_id}", self.chain_id, actual)
        node.is_checked = True

    def _ask(self, node: "_Node", method: str, params: Sequence[Any]) -> Any:
        if self._interval:
            wait = self._next_request_at - time.monotonic()
            if wait > 0:
                self.sleep(wait)
            self._next_request_at = time.monotonic() + self._interval
        try:
            response = cast(Mapping[str, Any], node.provider.make_request(method, list(params)))
        except Exception as error:
            # Providers raise whatever their transport raises.  The text of an error may have the address in it.
            raise _NotAnswered(type(error).__name__) from error
        error = response.get("error")
        if error is None:
            if "result" not in response:
                raise _NotAnswered("neither result nor error")
            return response["result"]
        code, message, data = _read_error(error)
        if code in _RATE_LIMIT_CODES:
            raise _NotAnswered(f"error {code}")
        raise RpcError(f"{method}: {message}", code, data)

    # --- Blocks

    def get_head(self) -> Block:
        """Return the newest block."""
        return _read_block(self.request("eth_getBlockByNumber", "latest", False))

    def find_block(self, number: int) -> Block | None:
        """Return a block by number; None when the chain is not as long."""
        found = self.request("eth_getBlockByNumber", hex(number), False)
        return None if found is None else _read_block(found)

    def find_safe_block(self) -> Block | None:
        """Return the newest final block; None when the chain is too short to have one."""
        number = self.get_head().number - self.confirmations + 1
        return None if number < 0 else self.find_block(number)

    # --- Transactions

    def send(self, signed: bytes) -> None:
        """Hand a signed transaction to a node; raises `RpcError` and `ChainUnavailable`, which prove nothing."""
        self.request("eth_sendRawTransaction", "0x" + signed.hex())

    def find_receipt(self, tx_hash: str) -> Receipt | None:
        """Return how a transaction ended; None when it is not mined."""
        found = self.request("eth_getTransactionReceipt", tx_hash)
        return None if found is None or found.get("blockHash") is None else _read_receipt(found)

    def is_known(self, tx_hash: str) -> bool:
        """Tell whether the node has a transaction, mined or waiting."""
        return self.request("eth_getTransactionByHash", tx_hash) is not None

    def get_transaction_count(self, address: str, block: int | str = "latest") -> int:
        """Return how many transactions an address has sent, which is its next nonce, as of a block."""
        return int(self.request("eth_getTransactionCount", address, _to_block_parameter(block)), 16)

    def get_native_balance(self, address: str) -> int:
        """Return what an address can pay for gas with, wei."""
        return int(self.request("eth_getBalance", address, "latest"), 16)

    # --- Contracts

    def call(self, contract: str, function: Function, *args: Any, block: int | str = "latest") -> Any:
        """Return what a contract answers; raises `RpcError` when it reverts, or when there is no such contract."""
        call = {"to": contract, "data": function.encode(args)}
        data = self.request("eth_call", call, _to_block_parameter(block))
        if not isinstance(data, str) or (len(data) <= 2 and function.outputs):
            raise RpcError(f"{contract} has no function {function.signature} on chain {self.chain_id}")
        return function.decode(data)

    def get_logs(self, addresses: Sequence[str], topics: Sequence[str | None], first: int, last: int) -> list[Log]:
        """Return the logs of some contracts in a range of blocks, both ends included, in order."""
        found = self.request(
            "eth_getLogs",
            {"address": list(addresses), "topics": list(topics), "fromBlock": hex(first), "toBlock": hex(last)},
        )
        logs = [_read_log(log) for log in found if not log.get("removed")]
        return sorted(logs, key=lambda log: (log.block_number, log.log_index))


class _NotAnswered(Exception):
    """A node gave no answer that could be used; another one, or the same one later, may."""


@dataclass(slots=True)
class _Node:
    provider: Provider
    name: str = ""
    is_checked: bool = False

    def __post_init__(self) -> None:
        self.name = _describe(self.provider)


# --- Reading answers


def _to_block_parameter(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _to_hex(value: Any) -> str:
    """Return lower-case ``0x`` hexadecimal, of text or bytes."""
    return "0x" + bytes(value).hex() if isinstance(value, (bytes, bytearray)) else str(value).lower()


def _to_int(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _read_block(found: Mapping[str, Any]) -> Block:
    base_fee = found.get("baseFeePerGas")
    return Block(
        _to_int(found["number"]),
        _to_hex(found["hash"]),
        _EPOCH + datetime.timedelta(seconds=_to_int(found["timestamp"])),
        None if base_fee is None else _to_int(base_fee),
    )


def _read_log(found: Mapping[str, Any]) -> Log:
    return Log(
        _to_hex(found["address"]),
        tuple(_to_hex(topic) for topic in found["topics"]),
        _to_hex(found["data"]),
        _to_int(found["blockNumber"]),
        _to_hex(found["blockHash"]),
        _to_hex(found["transactionHash"]),
        _to_int(found["logIndex"]),
    )


def _read_receipt(found: Mapping[str, Any]) -> Receipt:
    return Receipt(
        _to_hex(found["transactionHash"]),
        _to_int(found["blockNumber"]),
        _to_hex(found["blockHash"]),
        _to_int(found["status"]) == 1,
        _to_int(found["gasUsed"]),
        _to_int(found.get("effectiveGasPrice") or 0),
        tuple(_read_log(log) for log in found["logs"]),
    )


def _read_error(error: Any) -> tuple[int | None, str, str | None]:
    """Return code, text and revert data of an error, which nodes put into different places."""
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
