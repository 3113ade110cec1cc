"""Whatever is done to a portfolio, its indexes find what a scan of its tables finds."""

import copy
import datetime
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import MultipleOpenPositionsWithAsset, NonceAlreadyUsed
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.totals import TradesById

pytestmark = pytest.mark.slow

AT = datetime.datetime(2024, 1, 1)
TABLES = ("open_positions", "closed_positions", "frozen_positions", "pending_positions")


def address(number: int) -> str:
    return f"0x{number:040x}"


USDC = AssetIdentifier(1, address(1), "USDC", 6)
FAR_USDC = AssetIdentifier(10, address(2), "USDC", 6)
WETH = AssetIdentifier(1, address(3), "WETH", 18)
WBTC = AssetIdentifier(1, address(4), "WBTC", 8)


def make_pair(base: AssetIdentifier, pool: str, fee: float, kind: Any = "spot_market_hold") -> TradingPairIdentifier:
    return TradingPairIdentifier(base, USDC, pool, address(99), fee=fee, kind=TradingPairKind(kind))


#: The same pool in two spellings and with two fees, the same asset in two pools, equal pairs that are two objects.
PAIRS = [
    make_pair(WETH, address(0xAB), 0.003),
    make_pair(WETH, address(0xAB), 0.003),
    make_pair(WETH, address(0xAB).upper().replace("X", "x"), 0.003),
    make_pair(WETH, address(0xAB), 0.0005),
    make_pair(WETH, address(0xCD), 0.003),
    make_pair(WBTC, address(0xEF), 0.003),
    make_pair(FAR_USDC, address(0xF0), 0.0, "cctp_bridge"),
    make_pair(FAR_USDC, address(0xF1), 0.0, "cctp_bridge"),
]


def make_position(position_id: int, pair: TradingPairIdentifier) -> TradingPosition:
    return TradingPosition(position_id, pair, AT, AT, 2.0, 1.0, USDC)


def make_trade(trade_id: int, position: TradingPosition) -> TradeExecution:
    return TradeExecution(
        trade_id=trade_id,
        position_id=position.position_id,
        trade_type=TradeType.rebalance,
        pair=position.pair,
        opened_at=AT,
        planned_quantity=Decimal(1),
        planned_reserve=Decimal(2),
        planned_price=2.0,
        reserve_currency=USDC,
    )


def move(key: int, source: dict[int, Any], target: dict[int, Any], way: str) -> None:
    if way == "pop":
        target[key] = source.pop(key)
    elif way == "set and delete":
        target[key] = source[key]
        del source[key]
    else:
        target.update({key: source[key]})
        source.pop(key)


def replace_tables(portfolio: Portfolio, kind: Callable[[Any], Any], names: Any) -> None:
    for name in names:
        setattr(portfolio, name, kind(getattr(portfolio, name)))


KINDS: list[Callable[[Any], Any]] = [dict, PositionsById]
WAYS = ["pop", "set and delete", "update"]


# --- Positions by what they trade


def first(found: Iterator[Any]) -> Any:
    return next(found, None)


def get_open_position_for_asset(portfolio: Portfolio, asset: AssetIdentifier) -> Any:
    try:
        return portfolio.get_open_position_for_asset(asset)
    except MultipleOpenPositionsWithAsset:
        return "several"


def scan_for_asset(positions: list[TradingPosition], asset: AssetIdentifier) -> Any:
    found = [p for p in positions if p.pair.base == asset]
    return "several" if len(found) > 1 else first(iter(found))


def assert_positions_are_found(portfolio: Portfolio) -> None:
    opened, closed, frozen, pending = (list(getattr(portfolio, name).values()) for name in TABLES)
    for pair in PAIRS:
        pool = pair.get_identifier()
        in_pool = [p for p in opened if p.pair.get_identifier() == pool]
        equal = [p for p in opened if p.pair == pair]
        waiting = [p for p in pending if p.pair == pair]
        assert portfolio.get_open_position_for_pair(pair) is first(iter(in_pool))
        assert portfolio.get_existing_open_position_by_trading_pair(pair) is first(
            p for p in in_pool if p.has_executed_trades()
        )
        assert list(map(id, portfolio.iterate_open_positions_for_pair(pair))) == list(map(id, equal))
        assert portfolio.get_position_by_trading_pair(pair) is first(iter(equal))
        assert portfolio.get_position_by_trading_pair(pair, pending=True) is first(iter(waiting + equal))
        assert portfolio.get_pending_position_for_pair(pair) is first(
            p for p in pending if p.pair.get_identifier() == pool
        )
        assert portfolio.get_frozen_position(pair) is first(p for p in frozen if p.pair == pair)
        for tests in (True, False):
            assert list(map(id, portfolio.get_closed_positions_for_pair(pair, tests))) == [
                id(p) for p in closed if p.pair == pair and (tests or not p.is_test())
            ]
    for asset in (WETH, WBTC, FAR_USDC, USDC):
        assert get_open_position_for_asset(portfolio, asset) is scan_for_asset(opened, asset)
    for chain_id in (1, 10):
        assert portfolio.get_bridge_position_for_chain(chain_id) is first(
            p for p in opened if p.pair.kind.is_cctp_bridge() and p.pair.get_destination_chain_id() == chain_id
        )


@given(st.data())
def test_positions_are_found_by_what_they_trade(data: st.DataObject):
    portfolio = Portfolio()
    next_id = 1
    for _ in range(data.draw(st.integers(0, 30), "positions at the start")):
        portfolio.open_positions[next_id] = make_position(next_id, data.draw(st.sampled_from(PAIRS)))
        next_id += 1
    for _ in range(data.draw(st.integers(1, 15), "steps")):
        name = data.draw(st.sampled_from(TABLES[:2] + TABLES))
        table = getattr(portfolio, name)
        action = data.draw(st.sampled_from(["add", "add", "move", "move", "remove", "change", "replace", "clear"]))
        if action == "add" or not table:
            position = table[next_id] = make_position(next_id, data.draw(st.sampled_from(PAIRS)))
            trade = position.trades[next_id] = make_trade(next_id, position)
            trade.executed_at = data.draw(st.sampled_from([None, AT]))
            trade.flags = data.draw(st.sampled_from([None, {TradeFlag.test_trade}]))
            next_id += 1
        elif action == "move":
            target = getattr(portfolio, data.draw(st.sampled_from(TABLES)))
            if target is not table:
                key, way = data.draw(st.sampled_from(list(table))), data.draw(st.sampled_from(WAYS))
                move(key, table, target, way)
        elif action == "remove":
            if data.draw(st.booleans()):
                table.popitem()
            else:
                table.pop(data.draw(st.sampled_from(list(table))))
        elif action == "change":
            key = data.draw(st.sampled_from(list(table)))
            table[key] = make_position(key, data.draw(st.sampled_from(PAIRS)))
        elif action == "replace":
            replace_tables(portfolio, data.draw(st.sampled_from(KINDS)), [name])
        elif data.draw(st.booleans()):
            table.clear()
        assert_positions_are_found(portfolio)


# --- Trades by id, nonce and transaction hash

NUMBERS = st.sampled_from([None, 0, 1, 2, 3])
HASHES = [None, "0xaa", "0xbb", "0xcc"]


def all_trades(portfolio: Portfolio) -> Iterator[TradeExecution]:
    for name in TABLES[:3]:
        for position in getattr(portfolio, name).values():
            yield from position.trades.values()


def find_nonce(portfolio: Portfolio, nonce: int | None) -> Any:
    try:
        portfolio.check_for_nonce_reuse(nonce)  # type: ignore[arg-type]
    except NonceAlreadyUsed as error:
        return error.trade_id
    return None


def assert_trades_are_found(portfolio: Portfolio, ids: int) -> None:
    trades = list(all_trades(portfolio))
    for trade_id in range(ids):
        assert portfolio.get_trade_by_id(trade_id) is first(t for t in trades if t.trade_id == trade_id)
    for nonce in (None, 0, 1, 2, 3):
        expected = first(t.trade_id for t in trades if any(tx.nonce == nonce for tx in t.blockchain_transactions))
        assert find_nonce(portfolio, nonce) == expected
    for tx_hash in HASHES:
        assert portfolio.get_trade_by_tx_hash(tx_hash) is first(  # type: ignore[arg-type]
            t for t in trades if any(tx.tx_hash == tx_hash for tx in t.blockchain_transactions)
        )


def may_change_in_place(portfolio: Portfolio, trade: TradeExecution) -> bool:
    """The transactions of a trade with its outcome change only together with something assigned to the trade."""
    if trade.executed_at or trade.repaired_at or trade.expired_at:
        return False
    return not (trade.is_planned() and trade.position_id in portfolio.closed_positions)


def draw_transaction(data: st.DataObject) -> BlockchainTransaction:
    return BlockchainTransaction(nonce=data.draw(NUMBERS), tx_hash=data.draw(st.sampled_from(HASHES)))


def change_trade(data: st.DataObject, portfolio: Portfolio, trade: TradeExecution) -> None:
    action = data.draw(st.sampled_from(["times", "times", "assign", "append", "sign", "remove"]), "to the trade")
    if action == "times":
        name = data.draw(
            st.sampled_from(["started_at", "broadcasted_at", "executed_at", "failed_at", "repaired_at", "expired_at"])
        )
        setattr(trade, name, data.draw(st.sampled_from([None, AT, AT])))
    elif action == "assign":
        trade.blockchain_transactions = [draw_transaction(data) for _ in range(data.draw(st.integers(0, 2)))]
    elif may_change_in_place(portfolio, trade):
        if action == "append":
            trade.blockchain_transactions.append(draw_transaction(data))
        elif action == "remove":
            trade.blockchain_transactions.clear()
        else:
            for tx in trade.blockchain_transactions:
                tx.nonce, tx.tx_hash = data.draw(NUMBERS), data.draw(st.sampled_from(HASHES))


def change_trades(data: st.DataObject, position: TradingPosition, next_id: int) -> None:
    trades = position.trades
    key = data.draw(st.sampled_from(list(trades))) if trades else next_id
    action = data.draw(st.sampled_from(["delete", "pop", "replace", "update", "new table", "old table", "empty"]))
    if action == "delete":
        trades.pop(key, None)
    elif action == "pop" and trades:
        trades.popitem()
    elif action == "replace":
        trades[key] = make_trade(key, position)
    elif action == "update":
        trades.update({key: make_trade(key, position), next_id: make_trade(next_id, position)})
    elif action == "new table":
        position.trades = data.draw(st.sampled_from([dict, TradesById]))(trades)
    elif action == "old table":
        position.trades = TradesById({key: make_trade(key, position)})
        trades[next_id] = make_trade(next_id, position)  # belongs to no position any more
    else:
        trades.clear()


@pytest.mark.slow
@given(st.data())
def test_trades_are_found_by_id_nonce_and_hash(data: st.DataObject):
    portfolio = Portfolio()
    for _ in range(20):
        portfolio.get_trade_by_id(1)  # a portfolio that is asked often has an index
    next_id = 1
    for _ in range(data.draw(st.integers(5, 40), "steps")):
        name = data.draw(st.sampled_from(TABLES))
        table = getattr(portfolio, name)
        action = data.draw(
            st.sampled_from(["position", "trade", "change", "change", "change", "trades", "move", "table", "copy"])
        )
        if action == "position" or not table:
            position = make_position(next_id, PAIRS[0])
            before, after = data.draw(st.sampled_from([(True, False), (False, True), (True, True)]))
            if before:
                position.trades[next_id] = make_trade(next_id, position)
            table[next_id] = position
            if after:
                position.trades[next_id + 1] = make_trade(next_id + 1, position)
            next_id += 2
        elif action == "move":
            target = getattr(portfolio, data.draw(st.sampled_from(TABLES)))
            if target is not table:
                key, way = data.draw(st.sampled_from(list(table))), data.draw(st.sampled_from(WAYS))
                move(key, table, target, way)
        elif action == "table":
            changes = ["clear", "delete", "other position", "dict", "PositionsById", "all PositionsById"]
            change = data.draw(st.sampled_from(changes))
            if change == "clear":
                table.clear()
            elif change == "other position":
                key = data.draw(st.sampled_from(list(table)))
                other = make_position(key, PAIRS[0])
                other.trades[next_id] = make_trade(next_id, other)
                table[key] = other
                next_id += 1
            elif change == "delete":
                table.popitem()
            elif change == "dict":
                replace_tables(portfolio, dict, [name])
            else:
                replace_tables(portfolio, PositionsById, TABLES if change.startswith("all") else [name])
        elif action == "copy":
            duplicates: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
            portfolio = data.draw(st.sampled_from(duplicates))(portfolio)
        else:
            position = table[data.draw(st.sampled_from(list(table)))]
            if action == "trades":
                change_trades(data, position, next_id)
                next_id += 1
            elif action == "trade" or not position.trades:
                # Trade ids are unique, but nobody forbids to book one twice.
                trade_id = data.draw(st.sampled_from([next_id, next_id, next_id, 1, 2]))
                position.trades.setdefault(trade_id, make_trade(trade_id, position))
                next_id += 1
            else:
                change_trade(data, portfolio, data.draw(st.sampled_from(list(position.trades.values()))))
        assert_trades_are_found(portfolio, next_id + 1)


# --- Tables


class Listener:
    """Keeps a copy of a table by what it is told."""

    def __init__(self, table: TradesById) -> None:
        self.copy = dict(table)
        table.add_listener(self)

    def entry_added(self, table: Any, key: Any, entry: Any) -> None:
        self.copy[key] = entry

    def entry_removed(self, table: Any, key: Any, entry: Any) -> None:
        assert self.copy.pop(key) is entry

    def entry_changed(self, table: Any, entry: Any) -> None:
        raise AssertionError("no entry was attached")

    def dict_changed(self, table: Any) -> None:
        self.copy = dict(table)

    def dict_replaced(self, table: Any, owner: Any) -> None:
        raise AssertionError("no object had the table")


def delete(table: dict[int, str], key: int, value: str) -> None:
    del table[key]


def join(table: dict[int, str], key: int, value: str) -> None:
    table |= {key: value, key + 1: value}


CHANGES: list[Callable[[Any, int, str], Any]] = [
    lambda table, key, value: table.__setitem__(key, value),
    delete,
    join,
    lambda table, key, value: table.pop(key),
    lambda table, key, value: table.pop(key, None),
    lambda table, key, value: table.pop(key, value),
    lambda table, key, value: table.popitem(),
    lambda table, key, value: table.setdefault(key, value),
    lambda table, key, value: table.update({key: value, key + 1: value}),
    lambda table, key, value: table.update([(key, value), (key, value + value)]),
    lambda table, key, value: table.clear(),
]


def outcome(change: Callable[[Any, int, str], Any], *arguments: Any) -> Any:
    try:
        return change(*arguments)
    except KeyError as error:
        return type(error)


@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 4), st.sampled_from("abc")), max_size=30))
def test_a_watched_table_is_a_dictionary_that_tells_what_happens_to_it(changes: list[Any]):
    plain: dict[int, str] = {}
    table: Any = TradesById()
    listeners = [Listener(table), Listener(table)]
    for change, key, value in changes:
        assert outcome(change, table, key, value) == outcome(change, plain, key, value)
        assert table == plain
        assert list(table.items()) == list(plain.items())
        for listener in listeners:
            assert list(listener.copy.items()) == list(plain.items())
    for duplicate in (copy.copy(table), copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert type(duplicate) is TradesById
        assert list(duplicate.items()) == list(plain.items())
