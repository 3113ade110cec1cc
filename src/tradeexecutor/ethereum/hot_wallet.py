"""The account that trades: its key, its nonces and what it pays for gas.

The key stays in this module.  No text, error, pickle, log or state has it, and it can be read by nobody who holds the
wallet; it is used to sign, and that is all.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.errors import ChainError, GasTooExpensive, InvalidKey, RpcError
from tradeexecutor.ethereum.recursion import keep_recursion_limit
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State

with keep_recursion_limit():
    from eth_account import Account

__all__ = ["FeeRules", "Fees", "HotWallet", "SignedBytes", "find_next_nonce"]

_WEI = Decimal(10) ** 18

#: Tip of a node that does not know any, wei per unit of gas.
_DEFAULT_TIP = 10**9


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers for gas (EIP-1559), wei per unit.

    Attributes
    ----------
    max_fee
        At most this, tip included.
    tip
        Of it, for whoever makes the block.
    """

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class FeeRules:
    """How much to offer for gas.

    Attributes
    ----------
    base_fee_multiple
        The offer covers this many times the base fee of now, so that it stays good while the base fee rises.
    max_fee
        Never more than this, wei per unit of gas; None: no limit.
    bump
        A replacement offers this fraction more; nodes want at least 0.1.
    """

    base_fee_multiple: int = 2
    max_fee: int | None = None
    bump: float = 0.125

    def __post_init__(self) -> None:
        if not 0 < self.bump <= 1:
            raise InvalidValue(f"bump must be above 0 and at most 1, not {self.bump}")

    def suggest(self, connection: ChainConnection) -> Fees:
        """Return an offer for now.

        Raises
        ------
        GasTooExpensive
            The base fee and the tip alone are more than the limit.
        ChainError
            The chain has no base fee.
        """
        base_fee = connection.get_head().base_fee
        if base_fee is None:
            raise ChainError(f"chain {connection.chain_id} has no base fee (EIP-1559), it is not supported")
        try:
            tip = int(connection.request("eth_maxPriorityFeePerGas"), 16)
        except RpcError:
            tip = _DEFAULT_TIP
        fees = Fees(self.base_fee_multiple * base_fee + tip, tip)
        if self.max_fee is None or fees.max_fee <= self.max_fee:
            return fees
        if base_fee + tip > self.max_fee:
            raise GasTooExpensive(
                f"gas costs {base_fee + tip:,} wei per unit on chain {connection.chain_id}, "
                f"the limit is {self.max_fee:,}",
                base_fee + tip,
                self.max_fee,
            )
        return Fees(self.max_fee, tip)

    def raise_offer(self, earlier: Fees, now: Fees) -> Fees | None:
        """Return the offer of a replacement; None when the limit does not allow one.

        Parameters
        ----------
        earlier
            What the transaction to be replaced offers.
        now
            What would be offered now.
        """
        raised = Fees(
            max(now.max_fee, _raise(earlier.max_fee, self.bump)),
            max(now.tip, _raise(earlier.tip, self.bump)),
        )
        return None if self.max_fee is not None and raised.max_fee > self.max_fee else raised


def _raise(amount: int, fraction: float) -> int:
    """Return an amount raised by a fraction, rounded up."""
    return math.ceil(amount * (1 + Decimal(str(fraction))))


@dataclass(frozen=True, slots=True)
class SignedBytes:
    """A signed transaction.

    Attributes
    ----------
    raw
        What is sent.
    tx_hash
        ``0x`` hexadecimal, lower case.
    """

    raw: bytes
    tx_hash: str


class HotWallet:
    """An account whose key this process has.

    Make one with `from_environment`, `from_keystore` or `from_key`.

    Attributes
    ----------
    address
        Checksummed.
    """

    __slots__ = ("_sign", "address")

    def __init__(self, address: str, sign: Callable[[Mapping[str, Any]], SignedBytes]):
        self.address = address
        self._sign = sign

    def __repr__(self) -> str:
        return f"<Hot wallet {self.address}>"

    def __reduce__(self) -> NoReturn:
        raise InvalidKey("a hot wallet cannot be pickled or copied: its key stays where it is")

    # --- Where keys come from

    @classmethod
    def from_key(cls, key: str | bytes) -> "HotWallet":
        """Make a wallet from a private key: 32 bytes, or hexadecimal text.

        Raises
        ------
        InvalidKey
            It is not a key.
        """
        try:
            account = Account.from_key(key)
        except Exception:
            account = None
        # Whoever prints the local variables of a traceback must not find the key; the cause of the error has it too.
        del key
        if account is None:
            raise InvalidKey("this is not a private key: 64 hexadecimal digits are expected, with or without 0x")

        def sign(transaction: Mapping[str, Any]) -> SignedBytes:
            signed = account.sign_transaction(dict(transaction))
            return SignedBytes(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())

        return cls(account.address, sign)

    @classmethod
    def from_environment(cls, name: str = "PRIVATE_KEY") -> "HotWallet":
        """Make a wallet from the private key in an environment variable.

        Raises
        ------
        InvalidKey
            The variable is not set, or has no key.
        """
        if not os.environ.get(name):
            raise InvalidKey(
                f"the environment variable {name} must have the private key of the hot wallet; it is empty"
            )
        try:
            return cls.from_key(os.environ[name].strip())
        except InvalidKey as error:
            raise InvalidKey(f"environment variable {name}: {error}") from None

    @classmethod
    def from_keystore(cls, path: Path, password: str) -> "HotWallet":
        """Make a wallet from an encrypted key file (the keystore format of geth, version 3).

        Raises
        ------
        InvalidKey
            The file is no keystore, or the password is wrong.
        OSError
            The file cannot be read.
        """
        text = path.read_text(encoding="utf-8")
        try:
            key = bytes(Account.decrypt(json.loads(text), password))
        except Exception:
            key = None
        del password
        if key is None:
            raise InvalidKey(f"{path} is not an encrypted key file, or the password is wrong")
        return cls.from_key(key)

    # --- Signing

    def sign(self, transaction: Mapping[str, Any]) -> SignedBytes:
        """Sign a transaction: a mapping with the keys of JSON-RPC."""
        return self._sign(transaction)

    def get_gas_balance(self, connection: ChainConnection) -> Decimal:
        """Return what is there for gas, native token units."""
        return connection.get_native_balance(self.address) / _WEI


def _iterate_transactions(state: State) -> Iterable[BlockchainTransaction]:
    # Orders that wait for a trigger are sent while their position is still a pending one.
    for position in state.portfolio.get_all_positions(pending=True):
        for trade in position.trades.values():
            yield from trade.blockchain_transactions


def find_next_nonce(state: State, address: str, connection: ChainConnection) -> int:
    """Return the nonce of the next transaction of an address.

    That is what the chain counts, or one more than the last transaction on file that the chain does not count yet: it
    was signed, and may be mined at any time.
    """
    counted = connection.get_transaction_count(address)
    on_file = [
        tx.nonce
        for tx in _iterate_transactions(state)
        if tx.status is None
        and tx.nonce is not None
        and tx.chain_id == connection.chain_id
        and (tx.from_address or "").lower() == address.lower()
    ]
    return max(counted, *(nonce + 1 for nonce in on_file)) if on_file else counted
