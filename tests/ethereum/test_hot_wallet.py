"""A wallet signs, counts, and keeps its key to itself."""

import copy
import io
import json
import logging
import pickle
import traceback
from decimal import Decimal

import pytest
from eth_account import Account

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.errors import ChainUnavailable, GasTooExpensive, InvalidKey
from tradeexecutor.ethereum.hot_wallet import FeeRules, Fees, HotWallet
from tradeexecutor.ethereum.nonces import NonceFinder
from tradeexecutor.ethereum.transactions import get_fees
from tradeexecutor.state.errors import InvalidValue

KEY = "0x" + "5ec2e7" * 10 + "5ec2"
ADDRESS = Account.from_key(KEY).address
SECRET = "5ec2e75ec2e7"


def test_a_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRIVATE_KEY", KEY)
    assert HotWallet.from_environment().address == ADDRESS
    monkeypatch.setenv("OTHER", KEY.removeprefix("0x"))
    assert HotWallet.from_environment("OTHER").address == ADDRESS


def test_a_key_comes_from_an_encrypted_file(tmp_path):
    path = tmp_path / "wallet.json"
    # The test wants no security: one round instead of a quarter of a million.
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "open sesame", kdf="pbkdf2", iterations=1)))
    assert HotWallet.from_keystore(path, "open sesame").address == ADDRESS
    with pytest.raises(InvalidKey, match="password is wrong"):
        HotWallet.from_keystore(path, "guess")


def test_a_missing_key_is_explained(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PRIVATE_KEY", raising=False)
    with pytest.raises(InvalidKey, match="PRIVATE_KEY"):
        HotWallet.from_environment()


def _describe_with_locals(error: BaseException) -> str:
    """All that a crash report could show: the chain of errors, and the variables of every frame but the test's own."""
    assert error.__traceback__ is not None
    error = error.with_traceback(error.__traceback__.tb_next)
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(report.format())


@pytest.mark.parametrize("bad", [KEY + "00", KEY[:-2], KEY.replace("0x", "0y"), KEY + "\n\n x"])
def test_no_error_repeats_a_key(bad: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PRIVATE_KEY", bad)
    with pytest.raises(InvalidKey) as raised:
        HotWallet.from_environment()
    assert SECRET not in _describe_with_locals(raised.value)


def test_a_wrong_password_is_not_repeated(tmp_path):
    path = tmp_path / "wallet.json"
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "open sesame", kdf="pbkdf2", iterations=1)))
    with pytest.raises(InvalidKey) as raised:
        HotWallet.from_keystore(path, "gue5s")
    assert "gue5s" not in _describe_with_locals(raised.value)


def test_a_wallet_shows_its_address_only():
    wallet = HotWallet.from_key(KEY)
    assert SECRET not in f"{wallet!r} {wallet} {[getattr(wallet, name, None) for name in dir(wallet)]}"
    for escape in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(InvalidKey):
            escape(wallet)


def test_the_key_is_in_no_state_and_no_log(trader: Trader):
    key = "0x" + SECRET * 5 + "5ec2"
    trader.wallet = HotWallet.from_key(key)
    trader.chain.anvil.set_native_balance(trader.wallet.address, 10**18)
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(10_000))
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    trader.make_execution().execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(100))])
    assert trader.saved
    for text in (*trader.saved, heard.getvalue()):
        assert SECRET not in text.lower()


def test_a_nonce_on_file_is_not_given_away_again(trader: Trader):
    count = trader.connection.get_transaction_count(trader.wallet.address)
    nonces = NonceFinder(trader.wallet.address, trader.connection)
    assert nonces.find_next(trader.state) == count
    execution = trader.make_execution()
    transactions = execution.broadcaster.sign(
        trader.state, execution.venues[0].plan(trader.plan_buy(Decimal(100)), trader.wallet.address, 0.01)
    )
    trade = trader.plan_buy(Decimal(100))
    trade.set_blockchain_transactions(transactions)
    assert nonces.find_next(trader.state) == count + 2
    assert NonceFinder(ADDRESS, trader.connection).find_next(trader.state) == 0


def test_a_node_that_counts_less_than_was_final_is_not_asked_for_a_nonce(trader: Trader):
    execution = trader.make_execution()
    execution.execute_trades(trader.chain.now, trader.state, [trader.plan_buy(Decimal(100))])
    count = trader.connection.get_transaction_count(trader.wallet.address)
    assert NonceFinder(trader.wallet.address, trader.connection).find_next(trader.state) == count
    trader.chain.anvil.reorganise(2)
    trade = trader.plan_buy(Decimal(100))
    with pytest.raises(ChainUnavailable, match="behind"):
        execution.execute_trades(trader.chain.now, trader.state, [trade])
    assert trade.is_planned()


def test_a_replacement_offers_an_eighth_more():
    rules = FeeRules()
    assert rules.raise_offer(Fees(1_000, 10), Fees(0, 0)) == Fees(1_125, 12)
    assert rules.raise_offer(Fees(1_000, 1), Fees(5_000, 1)) == Fees(5_000, 2)
    assert FeeRules(max_fee=1_124).raise_offer(Fees(1_000, 10), Fees(0, 0)) is None
    with pytest.raises(InvalidValue):
        FeeRules(bump=0)


def test_expensive_gas_is_refused_before_anything_is_signed(trader: Trader):
    trade = trader.plan_buy(Decimal(100))
    with pytest.raises(GasTooExpensive):
        trader.make_execution(fee_rules=FeeRules(max_fee=1)).execute_trades(trader.chain.now, trader.state, [trade])
    assert trade.is_planned()
    head = trader.connection.get_head()
    assert head.base_fee is not None
    limit = head.base_fee + 2 * 10**9
    assert FeeRules(max_fee=limit).suggest(trader.connection).max_fee <= limit


def test_what_is_signed_is_on_record(trader: Trader):
    trade = trader.plan_buy(Decimal(100))
    trader.make_execution().execute_trades(trader.chain.now, trader.state, [trade])
    swap = trade.blockchain_transactions[-1]
    decoded = swap.get_transaction()
    assert swap.from_address == trader.wallet.address
    assert swap.contract_address == trader.market.exchange.router
    assert swap.transaction_args is not None
    assert swap.transaction_args[0] == 100 * 10**6
    assert isinstance(decoded, dict)
    assert decoded["nonce"] == swap.nonce
    assert get_fees(swap).max_fee == swap.get_planned_gas_price() > 0
