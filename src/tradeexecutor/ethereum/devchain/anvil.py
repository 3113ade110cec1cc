"""The process of a local chain, with operations that are not possible on a real chain."""

import ctypes
import datetime
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from tradeexecutor.ethereum.connection import ChainConnection, Receipt, RetryPolicy
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable, find_anvil
from tradeexecutor.ethereum.errors import ChainError

__all__ = ["CHAIN_ID", "Anvil"]

#: Chain id of anvil.
CHAIN_ID = 31337

_EPOCH = datetime.datetime(1970, 1, 1)

#: The longest time until anvil listens or mines a transaction, seconds; it usually takes a tenth of a second.
_ANVIL_TIMEOUT = 30.0

#: Blocks whose states anvil keeps, in memory. Older ones would go to disk, from where a reorganisation restores them
#: without the contracts. A reorganisation can be as deep, and so can questions about the past.
_KEPT_STATES = 500

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent process has ended, even by a crash."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Anvil:
    """A running chain; use it in a ``with`` statement, or call `close`.

    It makes a block for every transaction at once, unless `set_automine` has changed this, and ends together with the
    process that started it.

    Parameters
    ----------
    start_at
        Time of the first block, naive UTC; None for the present time.
    options
        Additional command-line options of anvil.

    Attributes
    ----------
    url
        Address on the loopback interface.
    accounts
        Addresses with native tokens for which anvil signs.

    Raises
    ------
    DevChainUnavailable
        Anvil cannot be installed or started.
    """

    def __init__(self, start_at: datetime.datetime | None = None, options: Sequence[str] = ()):
        command = [
            str(find_anvil()), "--port", "0", "--gas-limit", "60000000", "--balance", "1000000",
            "--prune-history", str(_KEPT_STATES), *options,
        ]  # fmt: skip
        if start_at is not None:
            command += ["--timestamp", str(int((start_at - _EPOCH).total_seconds()))]
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            self._output.close()
            raise DevChainUnavailable(f"anvil cannot be started: {error}") from error
        try:
            self.url = f"http://127.0.0.1:{self._wait_for_port()}"
            self._control = self.connect()
            self.accounts: list[str] = self._control.request("eth_accounts")
        except BaseException:
            self.close()
            raise

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + _ANVIL_TIMEOUT
        while time.monotonic() < deadline:
            self._output.seek(0)
            text = self._output.read()
            found = re.search(rb"Listening on [\d.]+:(\d+)", text)
            if found:
                return int(found[1])
            if self._process.poll() is not None:
                message = text.decode(errors="replace").strip().splitlines()[-3:]
                raise DevChainUnavailable(f"anvil ended with code {self._process.returncode}: {' / '.join(message)}")
            time.sleep(0.01)
        raise DevChainUnavailable(f"anvil did not listen within {_ANVIL_TIMEOUT:.0f} s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and wait for it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._output.close()

    def connect(
        self,
        confirmations: int = 1,
        *,
        sleep: Callable[[float], None] = time.sleep,
        retry: RetryPolicy | None = None,
    ) -> ChainConnection:
        """Return a new connection; one confirmation is the default, because blocks are made only for transactions."""
        retry = retry or RetryPolicy(rounds=2, first_pause=0.1)
        return ChainConnection([self.url], CHAIN_ID, confirmations=confirmations, retry=retry, sleep=sleep)

    def rpc(self, method: str, *params: Any) -> Any:
        """Return the result of a request; raises `RpcError`."""
        return self._control.request(method, *params)

    def wait_for_receipt(self, tx_hash: str) -> Receipt:
        """Return the receipt of a transaction, after mining a block if blocks are not made at once.

        Raises
        ------
        ChainError
            The transaction was not mined: it is unknown, or waits for another one.
        """
        deadline = time.monotonic() + _ANVIL_TIMEOUT
        if not self.rpc("anvil_getAutomine"):
            self.mine()
        while time.monotonic() < deadline:
            receipt = self._control.find_receipt(tx_hash)
            if receipt is not None:
                return receipt
            time.sleep(0.001)
        raise ChainError(f"{tx_hash} was not mined within {_ANVIL_TIMEOUT:.0f} s")

    # --- Control of the chain

    def mine(self, blocks: int = 1) -> None:
        """Make blocks; the first one contains the waiting transactions."""
        self.rpc("anvil_mine", hex(blocks))

    def set_automine(self, *, on: bool) -> None:
        """Make a block for every transaction at once, or let transactions wait for `mine`."""
        self.rpc("evm_setAutomine", on)

    def snapshot(self) -> str:
        """Record the present state of the chain, and return its id for `revert`."""
        return self.rpc("evm_snapshot")

    def revert(self, snapshot: str) -> None:
        """Return to a snapshot, which can be used only once; waiting transactions are removed."""
        self.rpc("evm_revert", snapshot)

    def travel(self, duration: datetime.timedelta) -> None:
        """Advance the clock of the chain and make a block."""
        self.rpc("evm_increaseTime", int(duration.total_seconds()))
        self.mine()

    def drop(self, tx_hash: str) -> None:
        """Remove a waiting transaction."""
        self.rpc("anvil_dropTransaction", tx_hash)

    def reorganise(self, depth: int, transactions: Sequence[tuple[str, int]] = ()) -> None:
        """Replace the last blocks by the same number of other blocks.

        Parameters
        ----------
        depth
            Number of blocks.
        transactions
            Signed bytes as ``0x`` hexadecimal, and the index of the new block that contains them, from 0. Other
            transactions of the old blocks are removed.
        """
        self.rpc("anvil_reorg", depth, [[raw, block] for raw, block in transactions])

    def set_native_balance(self, address: str, wei: int) -> None:
        """Set the balance of native tokens of an address, wei."""
        self.rpc("anvil_setBalance", address, hex(wei))
