"""The wallet of a backtest: never negative, forgiving about rounding."""

from decimal import Decimal

import pytest

from tradeexecutor.backtest.simulated_wallet import OutOfSimulatedBalance, SimulatedWallet, WalletValueError
from tradeexecutor.state.identifier import AssetIdentifier

USD = AssetIdentifier(-1, "0x01", "USD", 6)
BTC = AssetIdentifier(-1, "0x02", "BTC", 18)


def wallet_with(amount: str) -> SimulatedWallet:
    wallet = SimulatedWallet()
    wallet.update_balance(USD, Decimal(amount))
    return wallet


def test_spending_too_much_changes_nothing():
    wallet = wallet_with("100")
    with pytest.raises(OutOfSimulatedBalance, match=r"holds 100 USD, 101 are needed \(trade #7\)") as caught:
        wallet.update_balance(USD, Decimal(-101), "trade #7")
    assert (caught.value.available, caught.value.needed) == (100, 101)
    assert wallet.get_balance(USD) == 100


@pytest.mark.parametrize(("delta", "left"), [("-1.001", "0"), ("-0.995", "0"), ("-0.99", "0"), ("-0.005", "1")])
def test_rounding_is_forgiven_up_to_epsilon(delta: str, left: str):
    wallet = wallet_with("1")
    wallet.update_balance(USD, Decimal(delta), epsilon=Decimal("0.01"))
    assert wallet.get_balance(USD) == Decimal(left)


@pytest.mark.parametrize(
    ("expected", "clean"), [("1000.9", True), ("1001.1", False), ("999.001", True), ("999", False), ("0.0005", False)]
)
def test_balances_agree_within_a_thousandth(expected: str, clean: bool):
    agrees, table = wallet_with("1000").verify_balances({USD: Decimal(expected)})
    assert agrees is clean
    assert list(table["Mismatch"]) == [not clean]
    assert bool(wallet_with("1000").find_mismatches({USD: Decimal(expected)})) is not clean


def test_near_zero_the_difference_is_absolute():
    assert wallet_with("0.0009").find_mismatches({USD: Decimal(0)}) == []
    assert wallet_with("0.0011").find_mismatches({USD: Decimal(0)}) != []


def test_wrong_types_are_refused():
    wallet = wallet_with("1")
    with pytest.raises(WalletValueError, match="Decimal"):
        wallet.update_balance(USD, 1.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(WalletValueError, match="lower case"):
        wallet.get_balance("0xAB")
    with pytest.raises(WalletValueError, match="never held BTC"):
        wallet.rebase(BTC, Decimal(1))


def test_transactions_are_numbered():
    wallet = SimulatedWallet()
    assert [wallet.fetch_nonce_and_tx_hash() for _ in range(3)] == [(0, "0x0"), (1, "0x1"), (2, "0x2")]


def test_balances_as_a_table():
    wallet = wallet_with("5")
    wallet.set_balance("0x03", Decimal(7))
    assert wallet.get_all_balances()["Balance"].to_dict() == {"USD": 5.0, "<token 0x03>": 7.0}
