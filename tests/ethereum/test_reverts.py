"""Reasons of reverts, from all the ways in which contracts give them."""

import pytest
from eth_abi.abi import encode

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.abi import ERC20_BALANCE_OF, parse_fragment
from tradeexecutor.ethereum.hot_wallet import FeeRules
from tradeexecutor.ethereum.reverts import decode_revert, find_revert_reason
from tradeexecutor.ethereum.transactions import Call, sign_call


def _encode(signature: str, *values: object) -> str:
    return parse_fragment(signature).encode(values)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, None),
        ("0x", None),
        (_encode("Error(string)", "too little"), "too little"),
        (_encode("Panic(uint256)", 0x12), "panic 0x12: division by zero"),
        (_encode("Panic(uint256)", 0x77), "panic 0x77: unknown"),
        (
            _encode("ERC20InsufficientBalance(address, uint256, uint256)", "0x" + "ab" * 20, 1, 2),
            f"ERC20InsufficientBalance(0x{'ab' * 20}, 1, 2)",
        ),
        ("0xdeadbeef", "unknown error 0xdeadbeef"),
        ("0x08c379a0ff", "unknown error 0x08c379a0"),
        ("0x08c379a0" + encode(["uint256"], [2**200]).hex(), "unknown error 0x08c379a0"),
    ],
)
def test_the_reason_is_decoded(data: str | None, reason: str | None):
    assert decode_revert(data) == reason


def _run(trader: Trader, call: Call) -> str:
    nonce = trader.connection.get_transaction_count(trader.wallet.address)
    fees = FeeRules().suggest(trader.connection)
    transaction = sign_call(call, trader.wallet, trader.connection.chain_id, nonce, fees)
    trader.connection.send(transaction.get_prepared_raw_transaction())
    assert transaction.tx_hash is not None
    receipt = trader.chain.anvil.wait_for_receipt(transaction.tx_hash)
    assert not receipt.succeeded
    return find_revert_reason(trader.connection, transaction, receipt)


def test_a_custom_error_of_a_token_is_named(trader: Trader):
    transfer = parse_fragment("transfer(address, uint256)")
    reason = _run(trader, Call(trader.usdc.address, transfer, (trader.chain.owner, 10**18), 100_000))
    assert reason.startswith("ERC20InsufficientBalance(")


def test_a_call_that_runs_out_of_gas_says_so(trader: Trader):
    mint = parse_fragment("mint(address, uint256)")
    reason = _run(trader, Call(trader.usdc.address, mint, (trader.wallet.address, 5), 25_000))
    assert reason == "out of gas: all 25,000 units were used"


def test_a_function_that_is_not_there_has_no_reason_and_no_error(trader: Trader):
    missing = parse_fragment("nothing(uint256)")
    assert _run(trader, Call(trader.usdc.address, missing, (1,), 100_000))
    assert trader.connection.call(trader.usdc.address, ERC20_BALANCE_OF, trader.wallet.address) == 10_000 * 10**6
