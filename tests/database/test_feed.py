"""The change feed: how a follower keeps up, and what it is told when it cannot."""

import jsonpatch
import pytest

from tests.kit.store_contract import make_state
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.compaction import compact
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.codec import dump, parse
from tradeexecutor.state.codec.json_patch import apply_patch


@pytest.fixture
def store(url: str) -> SQLStateStore:
    """Five saves, each with a trade."""
    state = new_state()
    trader = Trader(state)
    with SQLStateStore(url) as store:
        for number in range(1, 6):
            trader.buy(WETH_USDC, "1", 100.0)
            state.cycle = number
            store.sync(state)
    return store


def test_a_follower_keeps_up(store: SQLStateStore):
    feed = store.changes()
    assert feed.snapshot is not None
    assert feed.snapshot.reason == "no revision was given"
    assert feed.changes == []
    document, cursor = feed.snapshot.document, feed.cursor
    with store:
        state = store.load()
        for number in (6, 7):
            state.cycle = number
            store.sync(state)
    feed = store.changes(since=cursor)
    assert feed.snapshot is None
    assert [change.revision for change in feed.changes] == [6, 7]
    for change in feed.changes:
        document = apply_patch(document, change.patch)
    assert dump(document) == state.to_json_bytes()
    assert store.changes(since=feed.cursor).changes == []
    assert store.changes(since=feed.cursor).cursor == feed.cursor


def test_a_patch_is_as_small_as_the_change(store: SQLStateStore):
    (change,) = store.changes(since=4).changes
    operations = {(operation["op"], operation["path"]) for operation in change.patch}
    assert ("replace", "/cycle") in operations
    assert ("add", "/portfolio/open_positions/1/trades/5") in operations
    assert ("replace", "/portfolio/next_trade_id") in operations
    assert len(operations) < 12


def test_another_reader_of_json_patch_gets_the_same(store: SQLStateStore):
    document = parse(store.read(1)[1])
    for change in store.changes(since=1).changes:
        document = jsonpatch.apply_patch(document, change.patch)
    assert document == parse(store.read()[1])


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ("yesterday", "is no revision"),
        (0, "not kept any more, the oldest is 1"),
        (99, "there is no revision 99, the newest is 5"),
        ("3-0123456789abcdef", "the database was replaced"),
        ("-3", "is no revision"),
    ],
)
def test_a_follower_that_lost_the_way_gets_a_snapshot(store: SQLStateStore, since: int | str, reason: str):
    feed = store.changes(since)
    assert feed.snapshot is not None
    assert reason in feed.snapshot.reason
    assert feed.snapshot.revision == 5
    assert dump(feed.snapshot.document) == store.read()[1]
    assert feed.changes == []
    assert store.changes(feed.cursor).snapshot is None


def test_a_gap_after_compaction_is_noticed(store: SQLStateStore):
    cursor = store.history()[1].cursor
    assert len(store.changes(cursor).changes) == 3
    with store:
        compact(store, keep=3)
    feed = store.changes(cursor)
    assert feed.snapshot is not None
    assert "not kept any more" in feed.snapshot.reason
    assert [change.revision for change in store.changes(3).changes] == [4, 5]


def test_an_older_copy_of_the_database_is_noticed(store: SQLStateStore):
    """A backup of the database was put back, and the strategy went on in another way."""
    path = store.address.path
    assert path is not None
    backup = path.read_bytes()
    with store:
        state = store.load()
        store.sync(state)
    cursor = store.history()[-1].cursor
    path.write_bytes(backup)
    assert store.changes(cursor).snapshot is not None, "there is no such save"
    with SQLStateStore(store.address) as other:
        other.sync(make_state("another way"))
    assert store.changes(cursor).snapshot is not None, "it is another one"
