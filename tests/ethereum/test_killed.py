"""A strategy that is killed at any moment spends nothing twice, loses nothing, and needs nobody to start again.

The chain misbehaves, too: at times it makes no blocks, and forgets what waits.  After all the lives the books are those
of the chain to the last unit, and every transaction of the wallet is one that the books know.
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

from tests.ethereum.killed_trader import LAUNCHER, VARIABLE, LiveTrader, count_trades, open_store
from tests.ethereum.trader import Trader
from tests.faults.writers import Writers
from tests.kit.soak import scaled
from tradeexecutor.ethereum.hot_wallet import HotWallet
from tradeexecutor.ethereum.transactions import get_all_hashes
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus

KILLS = scaled(20)


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
    randomness = random.Random(14)
    name = uuid.uuid4().hex[:8]
    place = str(tmp_path / "state.json") if kind == "file" else f"sqlite:///{tmp_path / 'trading.db'}#{name}"
    with open_store(place) as store:
        store.sync(trader.state)
    anvil = trader.chain.anvil
    start = _measure_start(writers, place)
    under_way = recorded = 0
    for _ in range(KILLS):
        anvil.set_automine(on=randomness.random() < 0.7)
        writers.run(place, 0, start * randomness.uniform(0.5, 6), after_first=False)
        state = _load(place)
        under_way += any(trade.get_status() is TradeStatus.broadcasted for trade in _list_trades(state))
        recorded += any(trade.get_status() is TradeStatus.started for trade in _list_trades(state))
        if randomness.random() < 0.3:
            anvil.rpc("anvil_dropAllTransactions")
        elif randomness.random() < 0.5:
            anvil.mine()
    anvil.set_automine(on=True)
    anvil.mine()
    survivor = LiveTrader(place, settings)
    state = survivor.start()
    survivor.store.close()
    trader.assert_books_equal_chain(state)
    _assert_each_transaction_is_known_once(trader, state)
    assert count_trades(state), "no life was long enough for a trade"
    assert under_way + recorded, "no life ended between two saves of a trade"


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
        assert receipt is not None
        assert receipt.succeeded == transaction.status
    assert all(trade.is_success() for trade in _list_trades(state) if trade.get_status() is not TradeStatus.expired)
