"""What became of a transaction, on a chain that misbehaves in every way that chains do."""

import datetime
from decimal import Decimal

import pytest

from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.abi import parse_fragment
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.errors import PartlyExecuted, RpcError, TransactionsUnconfirmed
from tradeexecutor.ethereum.execution import EthereumExecution, expire_unsent_trades
from tradeexecutor.ethereum.hot_wallet import FeeRules
from tradeexecutor.ethereum.recovery import Fate, find_fate
from tradeexecutor.ethereum.transactions import Call, get_all_hashes, replace_transaction, sign_call
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.repair import find_trades_to_be_repaired
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus

APPROVE = parse_fragment("approve(address, uint256)")
TRANSFER = parse_fragment("transfer(address, uint256)")


def sign(trader: Trader, amount: int, nonce: int | None = None, bumps: int = 0) -> BlockchainTransaction:
    """An approval of an amount; a later bump offers more for the same nonce."""
    count = trader.connection.get_transaction_count(trader.wallet.address)
    fees = FeeRules().suggest(trader.connection)
    for _ in range(bumps):
        raised = FeeRules().raise_offer(fees, fees)
        assert raised is not None
        fees = raised
    call = Call(trader.usdc.address, APPROVE, (trader.chain.owner, amount), 100_000)
    return sign_call(call, trader.wallet, trader.connection.chain_id, count if nonce is None else nonce, fees)


def send(trader: Trader, transaction: BlockchainTransaction) -> None:
    trader.connection.send(transaction.get_prepared_raw_transaction())


def fate(trader: Trader, transaction: BlockchainTransaction, confirmations: int = 1) -> Fate:
    return find_fate(trader.chain.anvil.connect(confirmations), transaction).fate


@pytest.fixture(autouse=True)
def _blocks_are_made_by_the_test(trader: Trader) -> None:
    trader.chain.anvil.set_automine(on=False)


# --- The table


def test_signed_and_never_sent_is_dropped(trader: Trader):
    assert fate(trader, sign(trader, 1)) is Fate.dropped


def test_sent_and_not_mined_is_pending(trader: Trader):
    transaction = sign(trader, 1)
    send(trader, transaction)
    assert fate(trader, transaction) is Fate.pending


def test_mined_is_confirmed_when_enough_blocks_stand_on_it(trader: Trader):
    transaction = sign(trader, 1)
    send(trader, transaction)
    trader.chain.anvil.mine()
    assert fate(trader, transaction, confirmations=3) is Fate.mined
    trader.chain.anvil.mine()
    assert fate(trader, transaction, confirmations=3) is Fate.mined
    trader.chain.anvil.mine()
    assert fate(trader, transaction, confirmations=3) is Fate.confirmed


def test_dropped_by_the_node_is_dropped(trader: Trader):
    transaction = sign(trader, 1)
    send(trader, transaction)
    trader.chain.anvil.drop(transaction.tx_hash or "")
    assert fate(trader, transaction) is Fate.dropped


def test_mined_and_reorganised_away_is_not_mined(trader: Trader):
    transaction = sign(trader, 1)
    send(trader, transaction)
    trader.chain.anvil.mine()
    trader.chain.anvil.reorganise(1)
    assert fate(trader, transaction) in (Fate.pending, Fate.dropped)
    send_again = find_fate(trader.connection, transaction).fate is Fate.dropped
    if send_again:
        send(trader, transaction)
    trader.chain.anvil.mine()
    assert fate(trader, transaction) is Fate.confirmed


@pytest.mark.parametrize("blocks_after", [0, 1, 2, 3, 7, 60])
def test_replaced_is_known_when_the_other_one_is_final(trader: Trader, blocks_after: int):
    ours, foreign = sign(trader, 1), sign(trader, 2, bumps=1)
    send(trader, foreign)
    trader.chain.anvil.mine(1 + blocks_after)
    finding = find_fate(trader.chain.anvil.connect(confirmations=3), ours)
    if blocks_after < 2:
        assert finding.fate is Fate.unclear
    else:
        assert finding.fate is Fate.replaced
        assert finding.replaced_by is not None
        assert finding.replaced_by[0] == foreign.tx_hash


def test_a_nonce_that_was_used_long_ago_is_found(trader: Trader):
    ours = sign(trader, 1, nonce=0)
    nonce = trader.connection.get_transaction_count(trader.wallet.address)
    assert nonce == 0
    for amount in range(5):
        send(trader, sign(trader, 10 + amount, bumps=1))
        trader.chain.anvil.mine(3)
    finding = find_fate(trader.connection, ours)
    assert finding.fate is Fate.replaced


@pytest.mark.parametrize(("first_kept", "expected"), [(-7, Fate.replaced), (-1, Fate.replaced), (60, Fate.unclear)])
def test_a_node_without_an_archive_is_asked_for_what_it_has(
    trader: Trader, monkeypatch: pytest.MonkeyPatch, first_kept: int, expected: Fate
):
    ours, foreign = sign(trader, 1), sign(trader, 2, bumps=1)
    send(trader, foreign)
    used_at = trader.connection.get_head().number
    trader.chain.anvil.mine(61)
    count = trader.connection.get_transaction_count

    def count_in_history(address: str, block: int | str = "latest") -> int:
        if isinstance(block, int) and block < used_at + first_kept:
            raise RpcError("missing trie node", -32000)
        return count(address, block)

    monkeypatch.setattr(trader.connection, "get_transaction_count", count_in_history)
    assert find_fate(trader.connection, ours).fate is expected


def test_any_version_of_a_transaction_may_be_the_one(trader: Trader):
    transaction = sign(trader, 1)
    first_hash = transaction.tx_hash
    send(trader, transaction)
    raised = FeeRules().raise_offer(FeeRules().suggest(trader.connection), FeeRules().suggest(trader.connection))
    assert raised is not None
    replace_transaction(transaction, trader.wallet, raised, datetime.datetime(2026, 1, 1))
    assert transaction.tx_hash != first_hash
    assert get_all_hashes(transaction) == [transaction.tx_hash, first_hash]
    # The node never hears of the second version.
    trader.chain.anvil.mine()
    finding = find_fate(trader.connection, transaction)
    assert finding.fate is Fate.confirmed
    assert finding.receipt is not None
    assert finding.receipt.tx_hash == first_hash


# --- Trades that were under way


class Died(BaseException):
    """The program ends here, as if it was killed."""


def start(trader: Trader, saves: int) -> EthereumExecution:
    """Trade until the given number of saves are done, then die.  Blocks are not made meanwhile."""

    def save(state: State) -> None:
        trader.save(state)
        if len(trader.saved) == saves:
            raise Died

    execution = trader.make_execution(save=save)
    trader.save(trader.state)
    trade = trader.plan_buy(Decimal(1_000))
    with pytest.raises(Died):
        execution.execute_trades(trader.chain.now, trader.state, [trade])
    return trader.make_execution()


def resolve(trader: Trader, execution: EthereumExecution | None = None, state: State | None = None) -> State:
    """A new process: loads, resolves, and has a clean state."""
    state = state or trader.load()
    trader.chain.anvil.set_automine(on=True)
    trader.chain.anvil.mine()
    (execution or trader.make_execution()).resolve_unconfirmed(trader.chain.now, state)
    state.check_if_clean()
    trader.assert_books_equal_chain(state)
    return state


def get_trade(state: State) -> TradeExecution:
    (trade,) = state.portfolio.get_all_trades()
    return trade


def test_saved_and_never_sent_is_sent_with_the_same_bytes(trader: Trader):
    start(trader, saves=2)
    on_file = [tx.tx_hash for tx in get_trade(trader.load()).blockchain_transactions]
    assert get_trade(trader.load()).get_status() is TradeStatus.started
    state = resolve(trader)
    assert [tx.tx_hash for tx in get_trade(state).blockchain_transactions] == on_file
    assert get_trade(state).is_success()
    assert trader.connection.get_transaction_count(trader.wallet.address) == 2


def test_sent_and_marked_is_booked_from_its_receipts(trader: Trader):
    start(trader, saves=3)
    assert get_trade(trader.load()).get_status() is TradeStatus.broadcasted
    assert get_trade(resolve(trader)).is_success()
    assert trader.connection.get_transaction_count(trader.wallet.address) == 2


def test_resolving_twice_changes_nothing(trader: Trader):
    start(trader, saves=3)
    state = resolve(trader)
    before = state.to_json()
    trader.make_execution().resolve_unconfirmed(trader.chain.now, state)
    assert state.to_json() == before


def test_what_the_node_lost_is_sent_again(trader: Trader):
    start(trader, saves=3)
    for transaction in get_trade(trader.load()).blockchain_transactions:
        trader.chain.anvil.drop(transaction.tx_hash or "")
    assert get_trade(resolve(trader)).is_success()


def test_a_trade_that_comes_too_late_is_reverted_by_its_deadline(trader: Trader):
    start(trader, saves=2)
    trader.chain.anvil.travel(datetime.timedelta(hours=1))
    trade = get_trade(resolve(trader))
    assert trade.is_failed()
    assert "EXPIRED" in (trade.get_revert_reason() or "")


def test_a_trade_whose_nonces_were_taken_has_failed(trader: Trader):
    start(trader, saves=2)
    for _ in range(2):
        send(trader, sign(trader, 7, bumps=1))
        trader.chain.anvil.mine()
    trade = get_trade(resolve(trader))
    assert trade.is_failed()
    assert "replaced by the transaction 0x" in (trade.get_revert_reason() or "")
    assert find_trades_to_be_repaired(trader.load())


def test_a_swap_goes_through_although_its_approval_was_replaced_by_another(trader: Trader):
    start(trader, saves=2)
    count = trader.connection.get_transaction_count(trader.wallet.address)
    fees = FeeRules(base_fee_multiple=3).suggest(trader.connection)
    call = Call(trader.usdc.address, APPROVE, (trader.market.exchange.router, 2**255), 100_000)
    send(trader, sign_call(call, trader.wallet, trader.connection.chain_id, count, fees))
    trader.chain.anvil.mine()
    trade = get_trade(resolve(trader))
    assert trade.is_success(), "what has moved decides, not how many transactions went through"
    assert [tx.status for tx in trade.blockchain_transactions] == [False, True]


def test_a_reorganisation_under_a_trade_is_waited_out(trader: Trader):
    connection = trader.chain.anvil.connect(confirmations=3, sleep=lambda seconds: trader.chain.anvil.mine())
    start(trader, saves=3)
    trader.chain.anvil.mine()
    trader.chain.anvil.reorganise(1)
    state = resolve(trader, trader.make_execution(connection))
    assert get_trade(state).is_success()
    for transaction in get_trade(state).blockchain_transactions:
        block = connection.find_block(transaction.block_number or 0)
        assert block is not None
        assert block.hash == transaction.block_hash


def test_what_is_still_open_after_the_patience_stays_on_file(trader: Trader):
    start(trader, saves=3)
    state = trader.load()
    impatient = trader.make_execution(wait_rules=WaitRules(timeout=0.05, poll=0.01))
    with pytest.raises(TransactionsUnconfirmed) as raised:
        impatient.resolve_unconfirmed(trader.chain.now, state)
    assert len(raised.value.tx_hashes) == 2
    assert get_trade(trader.load()).get_status() is TradeStatus.broadcasted
    assert get_trade(resolve(trader)).is_success()


def test_a_trade_that_has_moved_only_one_side_is_left_to_a_person(trader: Trader):
    start(trader, saves=2)
    state = trader.load()
    trade = get_trade(state)
    # The swap is made into a plain transfer: tokens go, and nothing comes.
    gift = sign_call(
        Call(trader.usdc.address, TRANSFER, (trader.chain.owner, 5), 100_000),
        trader.wallet,
        trader.connection.chain_id,
        trader.connection.get_transaction_count(trader.wallet.address),
        FeeRules().suggest(trader.connection),
    )
    trade.blockchain_transactions = [gift]
    trader.chain.anvil.set_automine(on=True)
    with pytest.raises(PartlyExecuted):
        trader.make_execution().resolve_unconfirmed(trader.chain.now, state)
    assert trade.get_status() is TradeStatus.broadcasted


def test_trades_of_other_wallets_and_chains_are_left_alone(trader: Trader):
    start(trader, saves=3)
    state = trader.load()
    get_trade(state).blockchain_transactions[0].from_address = trader.chain.owner
    trader.make_execution().resolve_unconfirmed(trader.chain.now, state)
    assert get_trade(state).get_status() is TradeStatus.broadcasted


def test_a_decision_that_was_never_signed_lapses(trader: Trader):
    trader.plan_buy(Decimal(1_000))
    trader.save(trader.state)
    state = resolve(trader)
    assert not state.portfolio.open_positions
    (position,) = state.portfolio.expired_positions.values()
    assert [trade.get_status() for trade in position.trades.values()] == [TradeStatus.expired]
    assert expire_unsent_trades(state, trader.chain.now) == []
