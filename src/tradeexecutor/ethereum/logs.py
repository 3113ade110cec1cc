"""Reading the logs of many blocks, in requests as large as the node allows."""

from collections.abc import Sequence

from tradeexecutor.ethereum.connection import ChainConnection, Log
from tradeexecutor.ethereum.errors import RpcError

__all__ = ["BLOCK_RANGE", "Topics", "fetch_logs", "make_address_topic"]

#: Blocks in one request for logs; nodes allow 500 to 10,000.
BLOCK_RANGE = 2_000

#: Condition for the topics of a log, one item for each: the topic, a choice of topics, or None for any.
Topics = Sequence[str | Sequence[str] | None]


def make_address_topic(address: str) -> str:
    """Return an address as it stands in a topic: 32 bytes, ``0x`` hexadecimal."""
    return "0x" + address[2:].lower().rjust(64, "0")


def fetch_logs(
    connection: ChainConnection,
    contracts: Sequence[str],
    conditions: Sequence[Topics],
    first: int,
    last: int,
    *,
    block_range: int = BLOCK_RANGE,
) -> list[Log]:
    """Return the logs of contracts from block `first` to `last`, in order.

    Parameters
    ----------
    conditions
        Topics; a log that matches several of them is returned several times.
    block_range
        Number of blocks in one request; halved when a node refuses.

    Raises
    ------
    RpcError
        A node refuses even a single block.
    ChainUnavailable
        No node answered.
    """
    if not contracts:
        return []
    logs: list[Log] = []
    size = block_range
    while first <= last:
        end = min(first + size - 1, last)
        try:
            for topics in conditions:
                logs += connection.get_logs(contracts, topics, first, end)
        except RpcError:
            if size == 1:
                raise
            size = max(size // 2, 1)
            logs = [log for log in logs if log.block_number < first]
            continue
        first = end + 1
    return sorted(logs, key=lambda log: (log.block_number, log.log_index))
