"""A loaded state has one object for each pair and asset, as a state that trades has."""

import copy

import orjson
import pytest

from tests.kit.trader import LINK_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.errors import BadStateData, InvalidStateFile
from tradeexecutor.state.state import State


@pytest.fixture
def text() -> bytes:
    trader = Trader(new_state(20_000), 0.0, 1.0)
    for _ in range(3):
        trader.buy(WETH_USDC, "2", 2000.0)
        trader.sell(WETH_USDC, "2", 2000.0)
        trader.buy(LINK_USDC, "2", 20.0)
    return trader.state.to_json_bytes()


def test_equal_pairs_and_assets_are_one_object(text: bytes):
    state = State.read_json_blob(text)
    trades = list(state.portfolio.get_all_trades())
    assert len({id(trade.pair) for trade in trades}) == 2
    (reserve,) = state.portfolio.reserves.values()
    assets = [trade.reserve_currency for trade in trades] + [trade.pair.quote for trade in trades]
    assert {id(asset) for asset in assets} == {id(reserve.asset)}
    assert all(
        position.pair is trade.pair
        for position in state.portfolio.get_all_positions()
        for trade in position.trades.values()
    )
    assert state.to_json_bytes() == text


def test_pairs_that_differ_in_anything_stay_apart(text: bytes):
    tree = orjson.loads(text)
    for trade in tree["portfolio"]["closed_positions"]["1"]["trades"].values():
        trade["pair"]["fee"] = 0.0005
    state = State.read_json_blob(orjson.dumps(tree))
    closed = state.portfolio.closed_positions
    assert {trade.pair.fee for trade in closed[1].trades.values()} == {0.0005}
    assert closed[1].pair.fee == closed[3].pair.fee != 0.0005
    assert state.to_json_bytes() == orjson.dumps(tree)


def test_a_tree_that_is_not_given_away_stays_as_it_is(text: bytes):
    tree = orjson.loads(text)
    before = copy.deepcopy(tree)
    state = State.from_dict(tree)
    assert tree == before
    assert state.to_json_bytes() == text


def test_a_pair_with_an_unknown_key_keeps_it(text: bytes):
    tree = orjson.loads(text)
    tree["portfolio"]["closed_positions"]["1"]["pair"]["from_the_future"] = 1
    text = orjson.dumps(tree)
    assert State.read_json_blob(text).to_json_bytes() == text


def test_a_damaged_pair_is_reported_with_its_path(text: bytes):
    tree = orjson.loads(text)
    tree["portfolio"]["closed_positions"]["1"]["pair"]["base"]["decimals"] = "six"
    with pytest.raises(InvalidStateFile, match=r"closed_positions.*base\.decimals"):
        State.read_json_blob(orjson.dumps(tree))
    tree["portfolio"]["closed_positions"]["1"]["pair"] = 1
    with pytest.raises(InvalidStateFile, match=r"closed_positions.*pair"):
        State.read_json_blob(orjson.dumps(tree))


def test_a_number_that_no_writer_prints_is_refused(text: bytes):
    huge = text.replace(b'"internal_id":null', b'"internal_id":%d' % 2**70)
    assert huge != text
    with pytest.raises(InvalidStateFile, match=f"internal_id: {2**70} is larger than"):
        State.read_json_blob(huge)


def test_a_tree_that_is_asked_for_shares_nothing(text: bytes):
    state = State.read_json_blob(text)
    tree = state.to_dict()
    trades = [
        trade
        for table in ("open_positions", "closed_positions")
        for position in tree["portfolio"][table].values()
        for trade in position["trades"].values()
    ]
    assert len({id(trade["pair"]) for trade in trades}) == len(trades)


def test_a_value_that_cannot_be_saved_is_named_also_in_a_shared_pair(text: bytes):
    state = State.read_json_blob(text)
    next(iter(state.portfolio.get_all_trades())).pair.fee = float("nan")
    with pytest.raises(BadStateData, match=r"positions.*pair\.fee"):
        state.to_json_bytes()
    next(iter(state.portfolio.get_all_trades())).pair.fee = 0.0005
    changed = orjson.loads(state.to_json_bytes())
    assert changed == state.to_dict()
