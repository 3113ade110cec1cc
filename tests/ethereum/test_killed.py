"""A strategy that is killed at any moment spends nothing twice, loses nothing, and needs nobody to start again.

The chain misbehaves, too: it makes no blocks for a while, forgets or replaces what waits, and is reorganised up to five
blocks deep; and one of the two nodes fails in all the ways of real ones. After all the lives the books are those of the
chain to the last unit, and every transaction of the wallet is one that the books know, or the one that replaced it.
"""

import json
import random
import secrets
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ethereum.chaos import DEEPEST, Chaos
from tests.ethereum.killed_trader import LAUNCHER, VARIABLE, LiveTrader, count_trades, open_store
from tests.ethereum.trader import Trader
from tests.faults.writers import Writers
from tests.kit.soak import SEED, SOAK, scaled
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.transactions import get_all_hashes
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.testing.chain_fixtures import DevMarket, deploy_dev_market

KILLS = 12 if SOAK == 1 else scaled(20)


@pytest.fixture(scope="module")
def dev_chain_process() -> Iterator[tuple[DevChain, DevMarket]]:
    """A chain of its own: anvil limits the blocks whose states it keeps, and these tests remove many."""
    with DevChain() as chain:
        yield chain, deploy_dev_market(chain)


@pytest.fixture
def settings(trader: Trader, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    key = secrets.token_hex(32)
    trader.wallet = HotWallet.from_key(key)
    trader.chain.anvil.set_native_balance(trader.wallet.address, 10**21)
    trader.chain.mint(trader.usdc, trader.wallet.address, Decimal(10_000))
    settings: dict[str, object] = {
        "url": trader.chain.anvil.url,
        "router": trader.market.exchange.router,
        "factory": trader.market.exchange.factory,
        "pair": trader.market.pair.to_dict(),
        "key": key,
        "failures": 0.05,
        "confirmations": DEEPEST + 1,
    }
    monkeypatch.setenv(VARIABLE, json.dumps(settings))
    return settings


@pytest.fixture
def writers(settings: dict[str, object]) -> Iterator[Writers]:
    writers = Writers(LAUNCHER)
    yield writers
    writers.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "database"])
def test_a_strategy_that_is_killed_at_any_moment_goes_on_where_it_was(
    kind: str, trader: Trader, settings: dict[str, object], writers: Writers, tmp_path: Path
):
    randomness = random.Random(SEED)
    name = uuid.uuid4().hex[:8]
    place = str(tmp_path / "state.json") if kind == "file" else f"sqlite:///{tmp_path / 'trading.db'}#{name}"
    trader.state = State(created_at=trader.chain.now, name="live")
    EthereumSync(trader.connection, trader.wallet).sync_initial(trader.state, reserve_assets=[trader.usdc])
    with open_store(place) as store:
        store.sync(trader.state)
    trader.chain.anvil.mine(DEEPEST + 1)
    with Chaos(trader.chain.anvil.url, trader.wallet, seed=SEED) as chaos:
        start = _measure_start(writers, place)
        for number in range(5 * KILLS):
            if number >= KILLS and _has_met_all(chaos):
                break
            writers.run(place, 0, start * randomness.uniform(0.5, 6), after_first=False)
            statuses = {trade.get_status() for trade in _list_trades(_load(place))}
            chaos.counts["kills with a trade that was sent"] += TradeStatus.broadcasted in statuses
            chaos.counts["kills with a trade that was signed"] += TradeStatus.started in statuses
            chaos.counts["kills"] += 1
            if number % 50 == 49:
                print(number + 1, dict(chaos.counts), flush=True)
    trader.chain.anvil.mine(2 * DEEPEST)
    survivor = LiveTrader(place, {**settings, "failures": 0.0, "confirmations": 1})
    state = survivor.start()
    survivor.store.close()
    trader.assert_books_equal_chain(state)
    assert prove(state).is_balanced
    _assert_each_transaction_is_known_once(trader, state)
    chaos.counts["trades"] = count_trades(state)
    print(dict(chaos.counts))
    assert count_trades(state), "no life was long enough for a trade"
    assert _has_met_all(chaos), "no life ended between two saves of a trade, or no transaction was in a removed block"


def _has_met_all(chaos: Chaos) -> bool:
    sent, signed = (chaos.counts[f"kills with a trade that was {word}"] for word in ("sent", "signed"))
    return sent + signed > 0 and chaos.counts["reorganised transactions"] > 0


def _measure_start(writers: Writers, place: str) -> float:
    """Seconds from a birth to the first word, which a trade takes about, too: machines are fast and slow."""
    writers.run(place, 0, 0.0)
    begin = time.monotonic()
    writers.run(place, 0, 0.0)
    return time.monotonic() - begin


def _load(place: str) -> State:
    with open_store(place) as store:
        return store.load()


def _list_trades(state: State) -> list[TradeExecution]:
    return [trade for position in state.portfolio.get_all_positions() for trade in position.trades.values()]


def _assert_each_transaction_is_known_once(trader: Trader, state: State) -> None:
    """The wallet has sent what the books say, and nothing else: no swap was made twice."""
    transactions = [tx for trade in _list_trades(state) for tx in trade.blockchain_transactions]
    nonces = [tx.nonce for tx in transactions if tx.nonce is not None]
    assert sorted(nonces) == list(range(trader.connection.get_transaction_count(trader.wallet.address)))
    hashes = [tx_hash for tx in transactions for tx_hash in get_all_hashes(tx)]
    assert len(hashes) == len(set(hashes))
    for transaction in transactions:
        receipt = trader.connection.find_receipt(transaction.tx_hash or "")
        if receipt is None:
            assert (transaction.revert_reason or "").startswith("replaced by the transaction")
        else:
            assert receipt.succeeded == transaction.status
    for trade in _list_trades(state):
        replaced = any((tx.revert_reason or "").startswith("replaced") for tx in trade.blockchain_transactions)
        assert trade.is_success() or trade.get_status() is TradeStatus.expired or replaced
