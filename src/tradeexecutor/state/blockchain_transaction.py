"""A transaction sent for a trade: its target, its signed form and its outcome."""

# The checks below are for callers that use no type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
import inspect
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from tradeexecutor.state.codec.bounds import check_free_data, check_values, copy_short_list
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.codec.signed_transaction import decode_signed_transaction
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, NotAvailable, UnencodableValue
from tradeexecutor.state.pickle_over_json import (
    OpaquePickle,
    PickledArguments,
    SignedTransactionWithNonce,
    decode_pickle_over_json,
)
from tradeexecutor.state.types import (
    BlockNumber,
    JSONHexAddress,
    JSONHexBytes,
    JSONObject,
    StateEnum,
    UTCDatetime,
    WireType,
    new_dict,
    new_list,
)


class BlockchainTransactionType(StateEnum):
    """Sender of the transaction to the target contract."""

    #: The account of the strategy.
    hot_wallet = "hot_wallet"
    #: A vault on behalf of the strategy; the call is wrapped.
    enzyme_vault = "enzyme_vault"
    lagoon_vault = "lagoon_vault"
    #: No sender: the transaction is simulated by a backtest.
    simulated = "simulated"


@dataclass(slots=True, frozen=True)
class AssetDelta:
    """Change of a token balance that a transaction may make.

    Raises
    ------
    InvalidValue
        The amount is not an ``int``, or zero.
    """

    #: Token address.
    asset: JSONHexAddress
    #: Amount in raw units of the token, + in, - out.
    raw_amount: int

    def __post_init__(self) -> None:
        if type(self.raw_amount) is not int or not self.raw_amount:
            raise InvalidValue(f"balance change of {self.asset} must be a non-zero int, got {self.raw_amount!r}")

    def is_incoming(self) -> bool:
        """Return True if the account receives tokens."""
        return self.raw_amount > 0

    def is_spending(self) -> bool:
        """Return True if the account spends tokens."""
        return self.raw_amount < 0


@dataclass(slots=True, frozen=True)
class JSONAssetDelta(Serialisable):
    """`AssetDelta` in its stored form, because JavaScript cannot represent such large integers."""

    #: Token address.
    asset: JSONHexAddress
    #: Signed integer as decimal text.
    raw_amount: str

    @property
    def int_amount(self) -> int:
        """Amount in raw units of the token, + in, - out."""
        return int(self.raw_amount)

    def is_incoming(self) -> bool:
        """Return True if the account receives tokens."""
        return self.int_amount > 0

    def is_spending(self) -> bool:
        """Return True if the account spends tokens."""
        return self.int_amount < 0

    @staticmethod
    def from_asset_delta(delta: AssetDelta) -> "JSONAssetDelta":
        """Return the stored form of `delta`."""
        return JSONAssetDelta(asset=str(delta.asset), raw_amount=str(delta.raw_amount))


def solidity_arg_encoder(value: Any) -> Any:
    r"""Return contract call arguments in a form that JavaScript can show.

    Integers become decimal text, bytes become hexadecimal text without ``0x``, and tuples become lists. Other values
    are returned unchanged.

    Raises
    ------
    UnencodableValue
        The value is a float, which no contract accepts.

    Examples
    --------
    >>> solidity_arg_encoder((2**63, b"\x01\x02", [True, "0xabc"]))
    ['9223372036854775808', '0102', [True, '0xabc']]
    """
    if not isinstance(value, (list, tuple)):
        return value
    result: list[Any] = []
    for item in cast(list[Any], value):
        if type(item) is str:  # nearly always
            result.append(item)
        elif isinstance(item, float):
            raise UnencodableValue(item, "contracts do not take floats")
        elif isinstance(item, int) and not isinstance(item, bool):
            result.append(str(int(item)))
        elif isinstance(item, bytes):
            result.append(bytes(item).hex())
        else:
            result.append(solidity_arg_encoder(item))
    return result


def _are_usual_arguments(value: Any) -> bool:
    """Return whether it is certain that the arguments of a call are within the bounds in their readable form."""
    try:
        return type(value) is list and copy_short_list(solidity_arg_encoder(value)) is not None
    except UnencodableValue:
        return False


if TYPE_CHECKING:
    ReadableArguments: TypeAlias = Any
else:

    class ReadableArguments(WireType):
        """Arguments of a contract call for JavaScript clients, see `solidity_arg_encoder`."""

        free = True

        @staticmethod
        def decode(value):
            """Return a tuple of all elements."""
            if not _are_usual_arguments(value):
                try:
                    check_free_data(value, "BlockchainTransaction.args")
                except InvalidValue:  # the large integers of old files are written as text
                    check_free_data(solidity_arg_encoder(value), "BlockchainTransaction.args")
            return tuple(value) if type(value) is list else value

        encode = staticmethod(solidity_arg_encoder)


@dataclass(slots=True, repr=False)
class BlockchainTransaction(Serialisable):
    """A transaction in three stages: target, broadcast and confirmation; ``set_..._information`` records each."""

    #: Who makes the call: the wallet itself, or a vault for it.
    type: BlockchainTransactionType = BlockchainTransactionType.hot_wallet
    #: Chain to which it is sent.
    chain_id: int | None = None
    #: Address with checksum, like all addresses here.
    from_address: JSONHexAddress | None = None
    #: Contract that is called.
    contract_address: JSONHexAddress | None = None
    #: Name of the called function.
    function_selector: str | None = None
    #: Arguments of the outer call.
    transaction_args: PickledArguments | None = None
    #: Contract that the vault calls; None for a call of the wallet.
    wrapped_target: JSONHexAddress | None = None
    #: Name of the function that the vault calls; None for a call of the wallet.
    wrapped_function_selector: str | None = None
    #: Arguments of the call that the vault makes; None for a call of the wallet.
    wrapped_args: PickledArguments | None = None
    #: ``0x`` hexadecimal; backtests use short simulated hashes.
    tx_hash: JSONHexBytes | None = None
    #: Number of the transaction of its wallet, from 0.
    nonce: int | None = None
    #: The unsigned transaction that was signed.
    details: JSONObject | None = None
    #: ``0x`` hexadecimal.
    signed_bytes: JSONHexBytes | None = None
    #: Hexadecimal pickle of a `SignedTransactionWithNonce`; see `get_tx_object`.
    signed_tx_object: str | None = None
    #: Time of the clock at which it was sent; None before.
    broadcasted_at: UTCDatetime | None = None
    #: Time of the block.
    included_at: UTCDatetime | None = None
    #: Block in which it is; None until confirmed.
    block_number: BlockNumber | None = None
    #: Hash of the block, with or without ``0x``.
    block_hash: JSONHexBytes | None = None
    #: Status in the receipt; None until confirmed.
    status: bool | None = None
    #: Units of gas. Old files contain this and the next value in swapped order, so only their product is correct.
    realised_gas_units_consumed: int | None = None
    #: Wei per unit of gas.
    realised_gas_price: int | None = None
    #: Why it failed, as the contract reported; None unless it failed.
    revert_reason: str | None = None
    #: Calls that led to the failure, as the node reported; None if it reported none.
    stack_trace: str | None = None
    #: Changes of token balances that the vault allows.
    asset_deltas: list[JSONAssetDelta] = field(default_factory=new_list)
    #: Arguments for JavaScript clients; `transaction_args` contains the exact ones.
    args: ReadableArguments | None = None
    #: Free-form data.
    other: JSONObject | None = field(default_factory=new_dict)
    #: Remarks, for people.
    notes: str | None = ""
    #: Waiting time after the confirmation, seconds.
    extra_sleep: float | None = None

    def __post_init__(self) -> None:
        if self.details or self.other:
            check_values(self)

    def __repr__(self) -> str:
        outcome = {None: "unresolved", True: "success", False: "reverted"}[self.status]
        text = f"<Tx {outcome} from:{self.from_address} nonce:{self.nonce} to:{self.contract_address}"
        text += f" func:{self.function_selector} hash:{self.tx_hash}"
        if self.status is not None:
            text += f" block:{self.block_number} gas limit:{(self.details or {}).get('gas')}"
            text += f" gas used:{self.realised_gas_units_consumed}"
        if self.revert_reason:
            text += f" reason:{self.revert_reason!r}"
        return text + ">"

    # --- Stages

    def set_target_information(
        self,
        chain_id: int,
        contract_address: JSONHexAddress,
        function_selector: str,
        args: list[Any],
        details: JSONObject,
    ) -> None:
        """Record the target of the call; `args` is stored as `transaction_args`."""
        _require("chain_id", chain_id, int)
        _require("contract_address", contract_address, str)
        _require("function_selector", function_selector, str)
        _require("args", args, list)
        _require("details", details, dict)
        self.chain_id = chain_id
        self.contract_address = contract_address
        self.function_selector = function_selector
        self.transaction_args = args
        self.details = details

    def set_broadcast_information(self, nonce: int, tx_hash: JSONHexBytes, signed_bytes: JSONHexBytes) -> None:
        """Record nonce, hash and bytes of the signed transaction."""
        _require("nonce", nonce, int)
        _require("tx_hash", tx_hash, str)
        _require("signed_bytes", signed_bytes, str)
        self.nonce = nonce
        self.tx_hash = tx_hash
        self.signed_bytes = signed_bytes

    @contract_signature
    def set_confirmation_information(
        self,
        ts: datetime.datetime,
        block_number: BlockNumber,
        block_hash: JSONHexBytes,
        realised_gas_units_consumed: int,
        realised_gas_price: int,
        status: bool,
        revert_reason: str | None = None,
        stack_trace: str | None = None,
    ) -> None:
        """Record the receipt; a later call replaces the earlier receipt.

        Parameters
        ----------
        ts
            Time of the block, naive UTC.
        realised_gas_price
            Wei per unit of gas.
        status
            False when the transaction reverted.

        Raises
        ------
        InvalidValue
            The time is not a datetime.
        """
        if not isinstance(ts, datetime.datetime):
            raise InvalidValue(f"ts must be a datetime, got {ts!r}")
        _require("block_number", block_number, int)
        _require("block_hash", block_hash, str)
        _require("realised_gas_units_consumed", realised_gas_units_consumed, int)
        _require("realised_gas_price", realised_gas_price, int)
        _require("status", status, bool)
        self.included_at = ts
        self.block_number = block_number
        self.block_hash = block_hash
        self.realised_gas_units_consumed = realised_gas_units_consumed
        self.realised_gas_price = realised_gas_price
        self.status = status
        self.revert_reason = revert_reason
        self.stack_trace = stack_trace

    # --- Outcome

    def is_success(self) -> bool | None:
        """Return True if the transaction was confirmed and did not revert; None until confirmed."""
        return self.status

    def is_reverted(self) -> bool:
        """Return True if the transaction was confirmed and reverted."""
        return self.status is False

    # --- Content

    def get_tx_object(self) -> SignedTransactionWithNonce | OpaquePickle | None:
        """Return the stored signed transaction; an `OpaquePickle` for an unknown kind, None when there is none.

        A program that has imported the class which the file names, ``eth_defi.hotwallet.SignedTransactionWithNonce``,
        gets an object of that class, and otherwise one of ours. Nothing is imported, and no code of the class runs.
        """
        stored = decode_pickle_over_json(self.signed_tx_object)
        if not isinstance(stored, SignedTransactionWithNonce):
            return stored
        theirs = getattr(sys.modules.get("eth_defi.hotwallet"), "SignedTransactionWithNonce", None)
        if inspect.isclass(theirs) and issubclass(theirs, tuple):
            kind = cast(type[SignedTransactionWithNonce], theirs)
            if getattr(kind, "_fields", None) == SignedTransactionWithNonce._fields:
                # The constructor of the class may run code of its own.
                return tuple.__new__(kind, stored)  # pyright: ignore[reportUnknownMemberType]
        return stored

    def get_transaction(self) -> SignedTransactionWithNonce | JSONObject:
        """Return the signed transaction from the stored object, or decoded from `signed_bytes`.

        Returns
        -------
        SignedTransactionWithNonce or dict
            The dictionary has the keys of an unsigned transaction (``to``, ``data``, ``value``, ``nonce`` ...) and
            the signature ``v``, ``r``, ``s``.

        Raises
        ------
        NotAvailable
            Neither is stored, or the stored form has an unknown kind.
        """
        stored = self.get_tx_object()
        if stored is not None and not isinstance(stored, OpaquePickle):
            return stored
        if self.signed_bytes is None:
            raise NotAvailable(f"the signed form of {self!r} was not stored")
        return decode_signed_transaction(self.get_prepared_raw_transaction())

    def get_prepared_raw_transaction(self) -> bytes:
        """Return the bytes to broadcast.

        Raises
        ------
        NotAvailable, InvalidValue
            The transaction is not signed, or its bytes are not hexadecimal.
        """
        if self.signed_bytes is None:
            raise NotAvailable(f"{self!r} is not signed")
        if not self.signed_bytes.startswith("0x"):
            raise InvalidValue(f"signed_bytes must start with 0x, got {self.signed_bytes[:10]!r}")
        return bytes.fromhex(self.signed_bytes[2:])

    def get_planned_gas_price(self) -> int:
        """Return the highest offered price, wei per unit of gas; 0 when unknown."""
        return self._get_details().get("maxFeePerGas", 0)

    def get_gas_limit(self) -> int:
        """Return the limit of gas, units; 0 when unknown."""
        return self._get_details().get("gas", 0)

    def _get_details(self) -> JSONObject:
        if not self.details:
            raise NotAvailable(f"the details of {self!r} were not stored")
        return self.details

    def get_actual_function_input_args(self) -> PickledArguments | None:
        """Return the arguments of the wrapped call; those of the call itself when it is not wrapped."""
        return self.transaction_args if self.wrapped_args is None else self.wrapped_args


def _require(name: str, value: object, kind: type) -> None:
    if type(value) is not kind:
        raise InvalidValue(f"{name} must be exactly {kind.__name__}, got {value!r}")
