"""Deposits and redemptions of a real chain, which takes blocks back."""

import contextlib
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.abi import parse_fragment
from tradeexecutor.ethereum.connection import ChainConnection, open_provider
from tradeexecutor.ethereum.devchain.anvil import CHAIN_ID
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.transactions import Call, sign_call
from tradeexecutor.ethereum.treasury import EthereumSync, NotInitialised
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import TreasuryEventRefused
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.account_check import compare_accounts
from tradeexecutor.strategy.sync_model import UnconfirmedTreasurySync

TRANSFER = parse_fragment("transfer(address, uint256)")
MINT = parse_fragment("mint(address, uint256)")


class Books:
    """Books of a wallet that starts with nothing, and an investor with 1,000,000 USDC."""

    def __init__(self, trader: Trader, confirmations: int = 3):
        self.trader = trader
        self.chain, self.anvil, self.usdc = trader.chain, trader.chain.anvil, trader.usdc
        self.wallet = trader.chain.create_wallet()
        self.investor = trader.chain.create_wallet({self.usdc: Decimal(1_000_000)})
        self.connection = self.anvil.connect(confirmations)
        self.sync_model = EthereumSync(self.connection, self.wallet)
        self.state = State(created_at=self.chain.now, name="books")
        # No reorganisation goes back to before the money was there.
        self.anvil.mine(20)
        self.sync_model.sync_initial(self.state, reserve_assets=[self.usdc])
        self.opening = self.cash

    def sign(self, amount: int, sender: HotWallet | None = None, receiver: str | None = None) -> BlockchainTransaction:
        """A transfer of USDC, from the investor to the wallet unless it is said otherwise."""
        sender = sender or self.investor
        nonce = self.connection.get_transaction_count(sender.address)
        call = Call(self.usdc.address, TRANSFER, (receiver or self.wallet.address, amount * 10**6), 100_000)
        return sign_call(call, sender, CHAIN_ID, nonce, FeeRules().suggest(self.connection))

    def send(self, transaction: BlockchainTransaction) -> None:
        self.connection.send(transaction.get_prepared_raw_transaction())
        if self.anvil.rpc("anvil_getAutomine"):
            self.anvil.wait_for_receipt(transaction.tx_hash or "")

    def deposit(self, amount: int) -> None:
        self.send(self.sign(amount))

    def redeem(self, amount: int) -> None:
        self.send(self.sign(amount, self.wallet, self.investor.address))

    def sync(self) -> list[BalanceUpdate]:
        return self.sync_model.sync_treasury(self.chain.now, self.state, [self.usdc])

    def confirm(self) -> list[BalanceUpdate]:
        self.anvil.mine(self.connection.confirmations)
        return self.sync()

    @property
    def cash(self) -> Decimal:
        return sum((reserve.quantity for reserve in self.state.portfolio.reserves.values()), Decimal(0))

    @property
    def on_chain(self) -> Decimal:
        return self.chain.get_balance(self.usdc, self.wallet.address)

    @property
    def entries(self) -> list[tuple[str, Decimal]]:
        (reserve,) = self.state.portfolio.reserves.values()
        return [(update.cause.value, update.quantity) for update in reserve.balance_updates.values()]


@pytest.fixture
def books(trader: Trader) -> Books:
    return Books(trader)


def test_a_deposit_is_booked_when_it_is_final(books: Books):
    books.deposit(500)
    assert books.sync() == []
    books.anvil.mine(1)
    assert books.sync() == []
    books.anvil.mine(1)
    (update,) = books.sync()
    assert (update.cause, update.quantity) == (BalanceUpdateCause.deposit, 500)
    assert update.owner_address == books.investor.address.lower()
    assert books.sync() == []
    assert books.cash == books.on_chain == 500


def test_a_redemption_by_hand_is_booked(books: Books):
    books.deposit(500)
    books.confirm()
    books.redeem(200)
    (update,) = books.confirm()
    assert (update.cause, update.quantity) == (BalanceUpdateCause.redemption, -200)
    assert books.cash == books.on_chain == 300


def test_what_was_there_before_is_the_opening_balance(trader: Trader):
    state = State(created_at=trader.chain.now, name="new")
    sync_model = EthereumSync(trader.connection, trader.wallet)
    sync_model.sync_initial(state, reserve_assets=[trader.usdc])
    assert state.portfolio.get_reserve_position(trader.usdc).quantity == 10_000
    assert sync_model.is_ready_for_live_trading(state)
    assert sync_model.sync_treasury(trader.chain.now, state, [trader.usdc]) == []
    with pytest.raises(NotInitialised, match="already belongs"):
        sync_model.sync_initial(state, reserve_assets=[trader.usdc])
    other = EthereumSync(trader.connection, trader.chain.create_wallet())
    assert not other.is_ready_for_live_trading(state)


def test_a_state_that_knows_no_wallet_is_refused(trader: Trader):
    with pytest.raises(NotInitialised):
        EthereumSync(trader.connection, trader.wallet).sync_treasury(trader.chain.now, trader.state, [trader.usdc])


def test_the_place_moves_without_events_and_has_a_hash(books: Books):
    books.anvil.mine(10)
    books.sync()
    treasury = books.state.sync.treasury
    safe = books.connection.find_safe_block()
    assert safe is not None
    assert treasury.last_block_scanned == safe.number
    assert treasury.scanned_blocks[-1].hash == safe.hash
    again = State.from_json(books.state.to_json()).sync.treasury
    assert again.scanned_blocks == treasury.scanned_blocks
    for _ in range(50):
        books.anvil.mine()
        books.sync()
    assert len(treasury.scanned_blocks) <= 24


def test_transfers_of_our_own_trades_are_no_deposits(trader: Trader):
    state = State(created_at=trader.chain.now, name="live")
    sync_model = EthereumSync(trader.connection, trader.wallet)
    sync_model.sync_initial(state, reserve_assets=[trader.usdc])
    execution = trader.make_execution()
    execution.execute_trades(trader.chain.now, state, [trader.plan_buy(Decimal(1_000), state)])
    (position,) = state.portfolio.get_open_positions()
    execution.execute_trades(trader.chain.now, state, [trader.plan_sell(position.get_quantity() / 3, state)])
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(5))
    (update,) = sync_model.sync_treasury(trader.chain.now, state, [trader.usdc])
    assert update.quantity == 5
    trader.assert_books_equal_chain(state)
    checks = compare_accounts(state, sync_model.balances)
    assert not [check for check in checks.checks if check.mismatch]


def test_a_transfer_to_itself_and_one_of_nothing_are_no_events(books: Books):
    books.deposit(500)
    books.confirm()
    books.send(books.sign(100, books.wallet, books.wallet.address))
    books.send(books.sign(0))
    assert books.confirm() == []


def test_a_node_that_allows_few_blocks_at_once_is_asked_for_few(books: Books):
    for amount in (1, 2, 3):
        books.deposit(amount)
        books.anvil.mine(40)

    class Narrow:
        endpoint_uri = books.anvil.url
        widest = 0

        def __init__(self) -> None:
            self._inner = open_provider(books.anvil.url)

        def make_request(self, method: str, params: Any) -> Any:
            if method == "eth_getLogs":
                width = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
                if width > 10:
                    return {"error": {"code": -32600, "message": "block range too wide"}}
                self.widest = max(self.widest, width)
            return self._inner.make_request(method, params)

    node = Narrow()
    books.sync_model.connection = ChainConnection([node], CHAIN_ID, confirmations=3)
    assert [update.quantity for update in books.confirm()] == [1, 2, 3]
    assert node.widest == 7


# --- Reorganisations


def test_a_shallow_reorganisation_is_never_seen(books: Books):
    books.deposit(500)
    assert books.sync() == []
    books.anvil.reorganise(1)
    assert books.confirm() == []
    assert books.cash == books.on_chain == 0


def test_a_deposit_that_a_deep_reorganisation_takes_away_is_undone(books: Books):
    books.deposit(500)
    books.confirm()
    books.deposit(70)
    books.anvil.reorganise(5)
    assert books.on_chain == 0
    # The chain is as long as before, but what is final is shorter.
    books.sync_model.connection = books.anvil.connect(confirmations=6)
    with pytest.raises(UnconfirmedTreasurySync):
        books.sync()
    books.sync_model.connection = books.connection
    books.confirm()
    assert books.entries == [("deposit", 500), ("redemption", -500)]
    assert books.cash == books.on_chain == 0
    assert books.confirm() == []


def test_it_is_booked_again_when_it_comes_back_in_another_place(books: Books):
    transaction = books.sign(500)
    books.send(transaction)
    books.confirm()
    books.anvil.reorganise(4)
    books.confirm()
    # Behind another transfer, so that its log has another number.
    books.anvil.set_automine(on=False)
    first = books.sign(9, HotWallet.from_key(Account.create().key))
    assert first.nonce == 0
    books.chain.anvil.rpc(
        "eth_sendTransaction",
        {
            "from": books.chain.owner,
            "to": books.usdc.address,
            "data": MINT.encode([books.chain.owner, 5]),
            "gas": hex(100_000),
            "maxPriorityFeePerGas": hex(10**11),
            "maxFeePerGas": hex(10**12),
        },
    )
    books.send(transaction)
    books.anvil.mine()
    books.anvil.set_automine(on=True)
    receipt = books.connection.find_receipt(transaction.tx_hash or "")
    assert receipt is not None
    assert receipt.logs[0].log_index == 1
    books.confirm()
    assert books.entries == [("deposit", 500), ("redemption", -500), ("deposit", 500)]
    assert books.cash == books.on_chain == 500


def test_one_that_comes_back_at_once_is_not_booked_twice(books: Books):
    transaction = books.sign(500)
    books.send(transaction)
    books.confirm()
    before = books.entries
    raw = "0x" + transaction.get_prepared_raw_transaction().hex()
    books.anvil.reorganise(5, [(raw, 2)])
    books.confirm()
    assert books.entries == before
    assert books.cash == books.on_chain == 500
    receipt = books.connection.find_receipt(transaction.tx_hash or "")
    assert receipt is not None
    (reserve,) = books.state.portfolio.reserves.values()
    assert [update.block_number for update in reserve.balance_updates.values()] == [receipt.block_number]
    # A second one, below its new place, is noticed, too.
    books.anvil.reorganise(4)
    books.confirm()
    assert books.cash == books.on_chain


def test_a_redemption_that_is_taken_back_is_undone(books: Books):
    books.deposit(500)
    books.confirm()
    books.redeem(200)
    books.confirm()
    books.anvil.reorganise(4)
    books.confirm()
    assert books.entries == [("deposit", 500), ("redemption", -200), ("deposit", 200)]
    assert books.cash == books.on_chain == 500


def test_a_deposit_that_was_spent_and_is_taken_away_is_for_a_person(books: Books):
    books.deposit(500)
    books.confirm()
    books.state.portfolio.adjust_reserves(books.usdc, Decimal(-400), "spent on something")
    before = books.state.to_json()
    books.anvil.reorganise(4)
    books.anvil.mine(3)
    with pytest.raises(TreasuryEventRefused):
        books.sync()
    assert books.state.to_json() == before


def test_a_node_that_is_behind_stops_trading_and_changes_nothing(books: Books):
    books.deposit(500)
    books.confirm()
    before = books.state.to_json()
    number = books.connection.get_head().number

    class Behind:
        endpoint_uri = books.anvil.url

        def __init__(self) -> None:
            self._inner = open_provider(books.anvil.url)

        def make_request(self, method: str, params: Any) -> Any:
            if method == "eth_getBlockByNumber":
                wanted = number - 4 if params[0] == "latest" else int(params[0], 16)
                params = [hex(wanted), params[1]] if wanted <= number - 4 else [hex(10**9), params[1]]
            return self._inner.make_request(method, params)

    books.sync_model.connection = ChainConnection([Behind()], CHAIN_ID, confirmations=3)
    with pytest.raises(UnconfirmedTreasurySync):
        books.sync()
    assert books.state.to_json() == before


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deposit"), st.integers(1, 50)),
        st.tuples(st.just("redeem"), st.integers(1, 20)),
        st.tuples(st.just("mine"), st.integers(1, 4)),
        st.tuples(st.just("reorganise"), st.integers(1, 7)),
        st.tuples(st.just("again"), st.integers(0, 5)),
        st.tuples(st.just("sync"), st.just(0)),
    ),
    min_size=5,
    max_size=25,
)


# Chains are slow to shrink on; the steps of a failure are few enough to read.
@pytest.mark.slow
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_whatever_the_chain_does_the_books_end_where_it_ends(trader: Trader, steps: Sequence[tuple[str, int]]):
    with trader.chain.restoring():
        books = Books(trader)
        sent: list[BlockchainTransaction] = []
        for step, value in steps:
            if step == "deposit":
                sent.append(books.sign(value))
                books.send(sent[-1])
            elif step == "redeem" and books.on_chain >= value:
                sent.append(books.sign(value, books.wallet, books.investor.address))
                books.send(sent[-1])
            elif step == "mine":
                books.anvil.mine(value)
            elif step == "reorganise":
                books.anvil.reorganise(value)
            elif step == "again" and value < len(sent):
                _send_again(books, sent[value])
            elif step == "sync":
                with contextlib.suppress(UnconfirmedTreasurySync):
                    books.sync()
        books.anvil.mine(10)
        books.sync()
        assert books.cash == books.on_chain, books.entries


def _send_again(books: Books, transaction: BlockchainTransaction) -> None:
    """Send what a reorganisation may have taken away, if its time is now."""
    assert transaction.nonce is not None
    assert transaction.from_address is not None
    if books.connection.get_transaction_count(transaction.from_address) == transaction.nonce:
        books.send(transaction)
