"""Find out why a transaction was reverted: its call is repeated at the previous block, and the result is decoded."""

from eth_abi.exceptions import DecodingError

from tradeexecutor.ethereum.abi import Function, parse_fragment
from tradeexecutor.ethereum.connection import ChainConnection, Receipt
from tradeexecutor.ethereum.errors import ChainError, RpcError
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction

__all__ = ["decode_revert", "find_revert_reason"]

_ERROR = parse_fragment("Error(string)")
_PANIC = parse_fragment("Panic(uint256)")

_PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "value outside an enum",
    0x31: "pop of an empty array",
    0x32: "array index out of range",
    0x41: "out of memory",
    0x51: "call of an empty function pointer",
}

#: Errors of tokens and vaults in the standards (ERC-6093, ERC-4626 of OpenZeppelin).
_KNOWN = {
    error.selector: error
    for error in map(
        parse_fragment,
        (
            "ERC20InsufficientBalance(address, uint256, uint256)",
            "ERC20InsufficientAllowance(address, uint256, uint256)",
            "ERC20InvalidReceiver(address)",
            "ERC4626ExceededMaxDeposit(address, uint256, uint256)",
            "ERC4626ExceededMaxWithdraw(address, uint256, uint256)",
            "ERC4626ExceededMaxRedeem(address, uint256, uint256)",
            "SafeERC20FailedOperation(address)",
        ),
    )
}


def decode_revert(data: str | None) -> str | None:
    """Return the reason in the data of a reverted call as text; None when there is none.

    >>> decode_revert("0x4e487b71" + "11".rjust(64, "0"))
    'panic 0x11: arithmetic overflow'
    """
    if data is None or len(data) < 10:
        return None
    selector = bytes.fromhex(data[2:10])
    try:
        if selector == _ERROR.selector:
            return str(_ERROR.decode_inputs(data)[0])
        if selector == _PANIC.selector:
            code = int(_PANIC.decode_inputs(data)[0])
            return f"panic {code:#04x}: {_PANICS.get(code, 'unknown')}"
        known = _KNOWN.get(selector)
        if known is not None:
            return _format(known, data)
    except (DecodingError, ValueError, OverflowError):
        pass
    return f"unknown error {data[:10]}"


def _format(error: Function, data: str) -> str:
    return f"{error.name}({', '.join(map(str, error.decode_inputs(data)))})"


def find_revert_reason(connection: ChainConnection, transaction: BlockchainTransaction, receipt: Receipt) -> str:
    """Return why a mined transaction was reverted, as text.

    Earlier transactions of the same block are not repeated, so this is the reason for a call at the previous block. If
    that call succeeds, the text says so.
    """
    limit = (transaction.details or {}).get("gas")
    if limit is not None and receipt.gas_used >= limit:
        return f"out of gas: all {limit:,} units were used"
    details = transaction.details or {}
    call = {"from": transaction.from_address, "to": transaction.contract_address, "data": details.get("data", "0x")}
    if limit is not None:
        call["gas"] = hex(limit)
    try:
        connection.request("eth_call", call, hex(max(receipt.block_number - 1, 0)))
    except RpcError as error:
        return decode_revert(error.data) or str(error).removeprefix("eth_call: ")
    except ChainError as error:
        return f"reverted; why could not be found out: {error}"
    return "reverted; the same call goes through at the block before, so another transaction came first"
