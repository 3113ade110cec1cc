"""A chain that misbehaves while a strategy trades: pauses, dropped and replaced transactions, reorganisations."""

import random
import threading
from collections import Counter
from types import TracebackType
from typing import Any, Self

from tradeexecutor.ethereum.connection import Provider, open_provider
from tradeexecutor.ethereum.hot_wallet import HotWallet

#: Deepest reorganisation, blocks; a chain with one more block of confirmations is final.
DEEPEST = 5

_BLOCK_TIME = 0.03


class Chaos:
    """Makes the blocks of a chain, in a thread, and breaks what can break.

    Attributes
    ----------
    counts
        What it has done, and how often.
    """

    def __init__(self, url: str, wallet: HotWallet, seed: int):
        self.counts: Counter[str] = Counter()
        self._node: Provider = open_provider(url)
        self._wallet = wallet
        self._random = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        self._ask("evm_setAutomine", False)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        self._ask("evm_setAutomine", True)
        if error is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stopping.wait(_BLOCK_TIME):
                self._do_something()
        except Exception as error:
            self._error = error

    def _do_something(self) -> None:
        luck = self._random.random()
        if luck < 0.93:
            self._ask("anvil_mine", "0x1")
            # Few blocks have transactions, and those are the ones whose removal matters.
            if self._count_transactions() and self._random.random() < 0.3:
                self._reorganise(self._random.randint(1, DEEPEST))
            return
        if luck < 0.96:
            self._reorganise(self._random.randint(1, DEEPEST))
            return
        # No blocks for a while: the offers of waiting transactions are raised meanwhile.
        self._stopping.wait(self._random.uniform(0.1, 0.6))
        if luck < 0.975:
            self.counts["drops"] += bool(self._list_waiting())
            self._ask("anvil_dropAllTransactions")
        elif luck < 0.98:
            self._replace()

    def _count_transactions(self) -> int:
        return int(self._ask("eth_getBlockTransactionCountByNumber", "latest"), 16)

    def _reorganise(self, depth: int) -> None:
        head = int(self._ask("eth_blockNumber"), 16)
        if head <= depth:
            return
        blocks = [self._ask("eth_getBlockByNumber", hex(number), False) for number in range(head - depth + 1, head + 1)]
        hashes = [tx_hash for block in blocks for tx_hash in block["transactions"]]
        kept: list[list[Any]] = []
        if self._random.random() < 0.5:
            kept = [[self._ask("eth_getRawTransactionByHash", tx_hash), depth - 1] for tx_hash in hashes]
        self._ask("anvil_reorg", depth, kept)
        self.counts[f"reorganisations of depth {depth}"] += 1
        self.counts["reorganised transactions"] += len(hashes)

    def _replace(self) -> None:
        """Another program uses the nonce of a waiting transaction, for a transfer of nothing to itself."""
        waiting = self._list_waiting()
        if not waiting:
            return
        nonce = min(waiting)
        signed = self._wallet.sign(
            {
                "chainId": int(self._ask("eth_chainId"), 16),
                "nonce": nonce,
                "to": self._wallet.address,
                "value": 0,
                "gas": 21_000,
                "maxFeePerGas": 3 * int(waiting[nonce]["maxFeePerGas"], 16),
                "maxPriorityFeePerGas": 3 * int(waiting[nonce]["maxPriorityFeePerGas"], 16),
                "data": "0x",
                "type": 2,
            }
        )
        self._ask("eth_sendRawTransaction", "0x" + signed.raw.hex())
        self._ask("anvil_mine", "0x1")
        self.counts["replacements"] += 1

    def _list_waiting(self) -> dict[int, dict[str, Any]]:
        pool = self._ask("txpool_content")["pending"]
        mine = next((found for sender, found in pool.items() if sender.lower() == self._wallet.address.lower()), {})
        return {int(nonce): found for nonce, found in mine.items()}

    def _ask(self, method: str, *params: Any) -> Any:
        answer: Any = self._node.make_request(method, list(params))
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]
