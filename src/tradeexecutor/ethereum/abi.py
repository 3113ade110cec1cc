"""The few contract functions that are called, and the one event that is read.

Fragments are written as in Solidity. The module contains only the functions that are used.

>>> ERC20_APPROVE.selector.hex()
'095ea7b3'
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

__all__ = [
    "AAVE_ACCOUNT",
    "AAVE_ADDRESSES",
    "AAVE_BORROW",
    "AAVE_CONFIGURATION",
    "AAVE_ORACLE",
    "AAVE_PRICE",
    "AAVE_REPAY",
    "AAVE_SUPPLY",
    "AAVE_WITHDRAW",
    "ERC20_ALLOWANCE",
    "ERC20_APPROVE",
    "ERC20_BALANCE_OF",
    "ERC20_DECIMALS",
    "ERC4626_ASSET",
    "ERC4626_CONVERT_TO_ASSETS",
    "ERC4626_DEPOSIT",
    "ERC4626_MAX_DEPOSIT",
    "ERC4626_MAX_REDEEM",
    "ERC4626_PREVIEW_DEPOSIT",
    "ERC4626_PREVIEW_REDEEM",
    "ERC4626_REDEEM",
    "TRANSFER_TOPIC",
    "Function",
    "parse_fragment",
]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a contract, or an error with which a contract reverts a call.

    Attributes
    ----------
    name
        Name without arguments.
    inputs, outputs
        ABI types.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()

    @property
    def signature(self) -> str:
        """Name and types in the form that is hashed."""
        return f"{self.name}({','.join(self.inputs)})"

    @property
    def selector(self) -> bytes:
        """First four bytes of the call data."""
        return _get_selector(self.signature)

    def encode(self, args: Sequence[Any]) -> str:
        """Return call data as ``0x`` hexadecimal."""
        return "0x" + (self.selector + encode(self.inputs, args)).hex()

    def decode(self, data: str) -> Any:
        """Return the decoded result of a call: the value, or a tuple of several values."""
        values = decode(self.outputs, bytes.fromhex(data.removeprefix("0x")))
        return values[0] if len(values) == 1 else values

    def decode_inputs(self, data: str) -> tuple[Any, ...]:
        """Return the arguments in call data, or in the data of an error."""
        return decode(self.inputs, bytes.fromhex(data.removeprefix("0x"))[4:])


@functools.cache
def _get_selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


_FRAGMENT = re.compile(r"(\w+)\((.*?)\)(?: returns \((.*)\))?$")


def parse_fragment(fragment: str) -> Function:
    """Parse ``name(type, {type,type}) returns (type)``: types only, with the types of a struct in curly brackets."""
    found = _FRAGMENT.match(fragment)
    assert found is not None, fragment
    name, inputs, outputs = found.groups()
    return Function(name, _split(inputs), _split(outputs or ""))


def _split(types: str) -> tuple[str, ...]:
    # A struct is written {type,type}, because round brackets end the list of arguments.
    parts = re.findall(r"\{[^}]*\}[\[\]]*|[^,\s]+", types)
    return tuple(part.replace("{", "(").replace("}", ")").replace(" ", "") for part in parts)


ERC20_BALANCE_OF = parse_fragment("balanceOf(address) returns (uint256)")
ERC20_ALLOWANCE = parse_fragment("allowance(address, address) returns (uint256)")
ERC20_APPROVE = parse_fragment("approve(address, uint256) returns (bool)")
ERC20_DECIMALS = parse_fragment("decimals() returns (uint8)")
ERC20_NAME = parse_fragment("name() returns (string)")
ERC20_SYMBOL = parse_fragment("symbol() returns (string)")
ERC20_TOTAL_SUPPLY = parse_fragment("totalSupply() returns (uint256)")

#: ``Transfer(address indexed from, address indexed to, uint256 value)`` of every ERC-20 token.
TRANSFER_TOPIC = "0x" + keccak(text="Transfer(address,address,uint256)").hex()

UNISWAP_V2_FACTORY = parse_fragment("factory() returns (address)")
UNISWAP_V2_TOKEN0 = parse_fragment("token0() returns (address)")
UNISWAP_V2_TOKEN1 = parse_fragment("token1() returns (address)")
UNISWAP_V2_GET_RESERVES = parse_fragment("getReserves() returns (uint112, uint112, uint32)")
UNISWAP_V2_SWAP = parse_fragment(
    "swapExactTokensForTokens(uint256, uint256, address[], address, uint256) returns (uint256[])"
)
UNISWAP_V2_SWAP_FOR_EXACT = parse_fragment(
    "swapTokensForExactTokens(uint256, uint256, address[], address, uint256) returns (uint256[])"
)

UNISWAP_V3_SLOT0 = parse_fragment("slot0() returns (uint160, int24, uint16, uint16, uint16, uint8, bool)")
UNISWAP_V3_FEE = parse_fragment("fee() returns (uint24)")
UNISWAP_V3_QUOTE = parse_fragment(
    "quoteExactInputSingle({address,address,uint256,uint24,uint160}) returns (uint256, uint160, uint32, uint256)"
)
UNISWAP_V3_SWAP = parse_fragment(
    "exactInputSingle({address,address,uint24,address,uint256,uint256,uint256,uint160}) returns (uint256)"
)

UNISWAP_V3_SWAP_FOR_EXACT = parse_fragment(
    "exactOutputSingle({address,address,uint24,address,uint256,uint256,uint256,uint160}) returns (uint256)"
)

ERC4626_ASSET = parse_fragment("asset() returns (address)")
ERC4626_CONVERT_TO_ASSETS = parse_fragment("convertToAssets(uint256) returns (uint256)")
ERC4626_PREVIEW_DEPOSIT = parse_fragment("previewDeposit(uint256) returns (uint256)")
ERC4626_PREVIEW_REDEEM = parse_fragment("previewRedeem(uint256) returns (uint256)")
ERC4626_MAX_DEPOSIT = parse_fragment("maxDeposit(address) returns (uint256)")
ERC4626_MAX_REDEEM = parse_fragment("maxRedeem(address) returns (uint256)")
ERC4626_DEPOSIT = parse_fragment("deposit(uint256, address) returns (uint256)")
ERC4626_REDEEM = parse_fragment("redeem(uint256, address, address) returns (uint256)")

ERC4626_CONVERT_TO_SHARES = parse_fragment("convertToShares(uint256) returns (uint256)")

#: ``Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares)``.
ERC4626_DEPOSIT_TOPIC = "0x" + keccak(text="Deposit(address,address,uint256,uint256)").hex()
#: ``Withdraw(address indexed sender, address indexed receiver, address indexed owner, uint256 assets, uint256)``.
ERC4626_WITHDRAW_TOPIC = "0x" + keccak(text="Withdraw(address,address,address,uint256,uint256)").hex()

ERC7540_REQUEST_DEPOSIT = parse_fragment("requestDeposit(uint256, address, address) returns (uint256)")
ERC7540_REQUEST_REDEMPTION = parse_fragment("requestRedeem(uint256, address, address) returns (uint256)")
ERC7540_PENDING_DEPOSIT = parse_fragment("pendingDepositRequest(uint256, address) returns (uint256)")
ERC7540_PENDING_REDEMPTION = parse_fragment("pendingRedeemRequest(uint256, address) returns (uint256)")
ERC7540_CLAIMABLE_DEPOSIT = parse_fragment("claimableDepositRequest(uint256, address) returns (uint256)")
ERC7540_CLAIMABLE_REDEMPTION = parse_fragment("claimableRedeemRequest(uint256, address) returns (uint256)")
ERC7540_CLAIM_DEPOSIT = parse_fragment("deposit(uint256, address, address) returns (uint256)")
ERC7540_CLAIM_REDEMPTION = parse_fragment("redeem(uint256, address, address) returns (uint256)")

#: Events of a request; the fourth topic is its id, the last word of the data its amount.
ERC7540_DEPOSIT_TOPIC = "0x" + keccak(text="DepositRequest(address,address,uint256,address,uint256)").hex()
ERC7540_REDEMPTION_TOPIC = "0x" + keccak(text="RedeemRequest(address,address,uint256,address,uint256)").hex()

AAVE_SUPPLY = parse_fragment("supply(address, uint256, address, uint16)")
AAVE_WITHDRAW = parse_fragment("withdraw(address, uint256, address) returns (uint256)")
AAVE_BORROW = parse_fragment("borrow(address, uint256, uint256, uint16, address)")
AAVE_ACCOUNT = parse_fragment(
    "getUserAccountData(address) returns (uint256, uint256, uint256, uint256, uint256, uint256)"
)
AAVE_CONFIGURATION = parse_fragment("getConfiguration(address) returns (uint256)")
AAVE_RESERVE = parse_fragment(
    "getReserveData(address) returns (uint256, uint128, uint128, uint128, uint128, uint128, uint40, uint16, address, "
    "address, address, address, uint128, uint128, uint128)"
)
AAVE_POOL = parse_fragment("POOL() returns (address)")
AAVE_ADDRESSES = parse_fragment("ADDRESSES_PROVIDER() returns (address)")
AAVE_ORACLE = parse_fragment("getPriceOracle() returns (address)")
AAVE_PRICE = parse_fragment("getAssetPrice(address) returns (uint256)")
AAVE_REPAY = parse_fragment("repay(address, uint256, uint256, address) returns (uint256)")
