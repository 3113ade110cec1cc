"""The account that trades: its key, its nonces and its offers for gas.

The key stays in this module and is used only to sign. No text, error, pickle, log or state contains it, and code with
access to the wallet object cannot read it.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from tradeexecutor.ethereum.connection import ChainConnection, read_quantity
from tradeexecutor.ethereum.errors import ChainError, GasTooExpensive, InvalidKey, RpcError
from tradeexecutor.ethereum.recursion import keep_recursion_limit
from tradeexecutor.state.errors import InvalidValue

with keep_recursion_limit():
    from eth_account import Account

__all__ = ["FeeRules", "Fees", "HotWallet", "SignedBytes"]

_WEI = Decimal(10) ** 18

#: Tip when a node does not suggest one, wei per unit of gas.
_DEFAULT_TIP = 10**9


@dataclass(frozen=True, slots=True)
class Fees:
    """Offer of a transaction for gas (EIP-1559), wei per unit.

    Attributes
    ----------
    max_fee
        The highest total price, including the tip.
    tip
        The part of it for the producer of the block.
    """

    max_fee: int
    tip: int


@dataclass(frozen=True, slots=True)
class FeeRules:
    """Rules for offers for gas.

    Attributes
    ----------
    base_fee_multiple
        The offer covers the present base fee times this factor, so that it is still sufficient when the base fee rises.
    max_fee
        Limit of the offer, wei per unit of gas; None for no limit.
    bump
        Fraction by which a replacement increases the offer; nodes require at least 0.1.
    """

    base_fee_multiple: int = 2
    max_fee: int | None = None
    bump: float = 0.125

    def __post_init__(self) -> None:
        if not 0 < self.bump <= 1:
            raise InvalidValue(f"bump must be above 0 and at most 1, not {self.bump}")

    def suggest(self, connection: ChainConnection) -> Fees:
        """Return an offer at present prices.

        Raises
        ------
        GasTooExpensive
            The sum of base fee and tip exceeds the limit.
        ChainError
            The chain has no base fee.
        """
        base_fee = connection.get_head().base_fee
        if base_fee is None:
            raise ChainError(f"chain {connection.chain_id} has no base fee (EIP-1559), it is not supported")
        try:
            tip = connection.request("eth_maxPriorityFeePerGas", read=read_quantity)
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
        """Return the offer of a replacement; None when the limit does not allow it.

        Parameters
        ----------
        earlier
            Offer of the transaction to be replaced.
        now
            Offer at present prices.
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
        Bytes to send.
    tx_hash
        ``0x`` hexadecimal, lower case.
    """

    raw: bytes
    tx_hash: str


class HotWallet:
    """An account whose private key this process has.

    Create one with `from_environment`, `from_keystore` or `from_key`.

    Attributes
    ----------
    address
        Address with checksum.
    """

    __slots__ = ("_sign", "address")

    def __init__(self, address: str, sign: Callable[[Mapping[str, Any]], SignedBytes]):
        self.address = address
        self._sign = sign

    def __repr__(self) -> str:
        return f"<Hot wallet {self.address}>"

    def __reduce__(self) -> NoReturn:
        raise InvalidKey("a hot wallet cannot be pickled or copied: its key stays where it is")

    # --- Sources of keys

    @classmethod
    def from_key(cls, key: str | bytes) -> "HotWallet":
        """Return a wallet with a private key: 32 bytes, or hexadecimal text.

        Raises
        ------
        InvalidKey
            The value is not a private key.
        """
        try:
            account = Account.from_key(key)
        except Exception:
            account = None
        # Local variables and the cause of the error contain the key, and tracebacks may be printed with them.
        del key
        if account is None:
            raise InvalidKey("this is not a private key: 64 hexadecimal digits are expected, with or without 0x")

        def sign(transaction: Mapping[str, Any]) -> SignedBytes:
            signed = account.sign_transaction(dict(transaction))
            return SignedBytes(bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex())

        return cls(account.address, sign)

    @classmethod
    def from_environment(cls, name: str = "PRIVATE_KEY") -> "HotWallet":
        """Return a wallet with the private key in an environment variable.

        Raises
        ------
        InvalidKey
            The variable is not set, or does not contain a key.
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
        """Return a wallet with the key in an encrypted key file (the keystore format of geth, version 3).

        Raises
        ------
        InvalidKey
            The file is not a keystore, or the password is wrong.
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
        """Return a signed transaction; `transaction` is a mapping with the keys of JSON-RPC."""
        return self._sign(transaction)

    def get_gas_balance(self, connection: ChainConnection) -> Decimal:
        """Return the balance available for gas, native token units."""
        return connection.get_native_balance(self.address) / _WEI
