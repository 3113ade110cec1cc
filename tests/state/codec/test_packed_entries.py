"""Packed entries: nobody sees a difference, whatever is read, changed, kept or saved."""

import copy
import datetime
import gc
import operator
import pickle
import random
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.kit.edits import edit, make_closed_state, walk
from tests.kit.trader import DAY, WETH_USDC, Trader
from tradeexecutor.database.parts import KnownParts, assemble, split
from tradeexecutor.state.codec import kept_groups, kept_lists
from tradeexecutor.state.codec.encoding import encode_repeated_objects_once
from tradeexecutor.state.codec.fingerprint import take_fingerprint
from tradeexecutor.state.codec.kept_groups import KeptGroups
from tradeexecutor.state.codec.packed_entries import Packed, pack_entries, print_packed
from tradeexecutor.state.codec.packed_tables import PackedDict, PackedList, get_entries
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.state import State
from tradeexecutor.state.state.history import pack_history, prepare_packing
from tradeexecutor.state.state.packed_tables import PackedPositions
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics

NOW = datetime.datetime(2031, 1, 1)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack groups of two entries, at once."""
    monkeypatch.setattr(kept_groups, "GROUP_SIZE", 2)
    monkeypatch.setattr(kept_groups, "_GROUPS_OF_LARGE_ONE", 3)
    monkeypatch.setattr(kept_groups, "UNKEPT_SAVES", 0)


class Saves:
    """Saves of one state like those of a database."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.known = KnownParts()

    def save(self) -> bytes | str:
        """Return the text that is written, or the error."""
        try:
            with encode_repeated_objects_once(has_texts=True):
                return b"".join(assemble(split(self.state.to_dict(), self.known)))
        except TradeExecutorError as error:
            return str(error)

    def pack(self) -> int:
        """Save until everything that can be packed is packed; return how much."""
        packed = 0
        for _ in range(6):
            self.save()
            packed += pack_history(self.state)
        return packed


def print_from_scratch(state: State) -> bytes | str:
    """Return the text of a state of which nothing is kept or packed."""
    try:
        return orjson.dumps(state.to_dict())
    except TradeExecutorError as error:
        return str(error)


def get_data(state: State) -> OtherData:
    assert state.other_data is not None
    return state.other_data


def count_packed(table: Any) -> int:
    return sum(type(entry) is Packed for entry in get_entries(table))


def make_history(count: int = 20) -> State:
    """A state of closed round trips with samples, and of closed positions of every kind."""
    trader = Trader(make_closed_state())
    trader.nonce = 1_000
    for number in range(count):
        position, _ = trader.buy(WETH_USDC, "0.7", 2000.0 + number)
        trader.sell(WETH_USDC, position.get_quantity(), 1990.0 + number)
        figures = (0.5, 2.0, 0.7, 3.0)
        samples = [PositionStatistics(NOW + day * DAY, NOW, *figures) for day in range(3)]
        trader.state.stats.positions[position.position_id] = samples
        get_data(trader.state).save(number, "level", {"of": [number]})
    state = State.read_json_blob(trader.state.to_json_bytes())
    prepare_packing(state)
    return state


def test_everything_but_the_latest_entries_is_packed_and_saved_as_before():
    state = make_history()
    saves = Saves(state)
    text = print_from_scratch(state)
    assert saves.pack()
    closed, samples, data = state.portfolio.closed_positions, state.stats.positions, get_data(state).data
    assert count_packed(closed) >= len(closed) - 4
    assert count_packed(samples) >= len(samples) - 4
    assert count_packed(data) >= len(data) - 4
    before = count_packed(closed)
    assert saves.save() == text
    assert Saves(state).save() == text
    assert state.to_json_bytes() == text
    assert print_from_scratch(state) == text
    assert copy.deepcopy(state).to_json_bytes() == text
    assert pickle.loads(pickle.dumps(state)).to_json_bytes() == text
    assert type(copy.deepcopy(closed)) is not PackedPositions
    assert State.read_json_blob(state.to_json_bytes()).portfolio == state.portfolio
    assert count_packed(closed) == before, "a save or a copy has unpacked something"


@pytest.mark.parametrize("steps", [120, pytest.param(1_500, marks=pytest.mark.slow)])
def test_after_any_use_every_save_is_that_of_a_state_without_packed_entries(steps: int):
    state = make_history()
    saves = Saves(state)
    choose = random.Random(steps)
    held: list[Any] = []
    seen = 0
    for number in range(steps):
        closed = state.portfolio.closed_positions
        match choose.randrange(8):
            case 0:
                held.append(choose.choice([*closed.values()][:: choose.choice((1, 5))]))
            case 1:
                inside = walk(closed[choose.choice([*closed])], set())
                held.append(choose.choice([*inside]))
            case 2:
                held = held[choose.randrange(3) :]
            case 3 if held:
                owners = [owner for owner in walk(held[0], set()) if not isinstance(owner, tuple)]
                restore = edit(choose.choice(owners), choose)
                expected = print_from_scratch(state)
                assert saves.save() == expected, number
                restore()
            case 4:
                key = choose.choice([*closed])
                closed[key] = closed.pop(key) if choose.random() < 0.5 else copy.deepcopy(closed[key])
            case 5 if len(closed) > 6:
                del closed[choose.choice([*closed])]
            case 6:
                held.append(choose.choice([*closed.values()]).pair)
                held[-1].other_data["note"] = number
            case _:
                pass
        expected = print_from_scratch(state)
        assert saves.save() == expected, number
        if choose.random() < 0.5:
            prepare_packing(state)
            pack_history(state)
            seen += count_packed(closed)
        if number % 40 == 39:  # what was read is not packed again
            held.clear()
            state = make_history()
            saves = Saves(state)
            saves.pack()
    assert seen > steps / 2


HOLD: dict[str, Callable[[Any], Any]] = {
    "position": lambda position: position,
    "method": lambda position: position.is_closed,
    "trades": lambda position: position.trades,
    "trade": lambda position: next(iter(position.trades.values())),
    "list in a trade": lambda position: next(iter(position.trades.values())).blockchain_transactions,
    "iterator": lambda position: iter(position.trades.values()),
    "closure": lambda position: lambda: position,
    "container of it": lambda position: {"my": [position]},
    "weak reference": weakref.ref,
    "weak reference to a trade": lambda position: weakref.WeakValueDictionary(position.trades),
}


@pytest.mark.parametrize("name", HOLD)
def test_an_entry_is_not_packed_while_somebody_holds_something_inside(name: str):
    state = make_history()
    closed = state.portfolio.closed_positions
    keys = [*closed]
    saves = Saves(state)
    held = HOLD[name](closed[keys[1]])
    assert saves.pack()
    assert {type(entry) is Packed for entry in [*get_entries(closed)][:6]} == {False}, "of the same group"
    assert {type(entry) is Packed for entry in [*get_entries(closed)][6:12]} == {True}
    del held
    for _ in range(20):  # it is tried again after some calls
        saves.pack()
    assert {type(entry) is Packed for entry in [*get_entries(closed)][:6]} == {True}


def test_an_entry_that_was_read_is_the_same_object_and_stays_unpacked():
    state = make_history()
    saves = Saves(state)
    saves.pack()
    closed = state.portfolio.closed_positions
    key = [*closed][4]
    assert type([*get_entries(closed)][4]) is Packed
    assert closed[key] is closed[key] is closed.get(key) is [*closed.values()][4]
    trade = next(iter(closed[key].trades.values()))
    for _ in range(20):
        saves.pack()
    trade.notes = "seen"
    assert b"seen" in saves.save()  # pyright: ignore[reportOperatorIssue]
    assert saves.save() == print_from_scratch(state)


def test_a_changed_pair_is_in_all_entries_of_the_next_save_and_in_none_of_the_one_before():
    state = make_history()
    saves = Saves(state)
    saves.pack()
    with encode_repeated_objects_once(has_texts=True):
        before = split(state.to_dict(), saves.known)
    text = print_from_scratch(state)
    packed = count_packed(state.portfolio.closed_positions)
    pair = [*state.portfolio.closed_positions.values()][-1].pair
    pair.base.token_symbol = "OTHER"
    assert b"".join(assemble(before)) == text, "a reader of the earlier save sees what was saved"
    written = saves.save()
    assert written == print_from_scratch(state)
    assert written.count(b"OTHER") > packed  # pyright: ignore[reportArgumentType, reportOperatorIssue]


def test_attributes_that_a_strategy_has_added_are_kept_or_prevent_packing():
    state = make_history()
    saves = Saves(state)
    closed = state.portfolio.closed_positions
    keys = [*closed]
    closed[keys[4]].my_note = ["mine"]  # pyright: ignore[reportAttributeAccessIssue]
    closed[keys[6]].my_note = lambda: 1  # pyright: ignore[reportAttributeAccessIssue]
    saves.pack()
    stored = [*get_entries(closed)]
    assert (type(stored[4]) is Packed, type(stored[6]) is Packed) == (True, False)
    assert closed[keys[4]].my_note == ["mine"]  # pyright: ignore[reportAttributeAccessIssue]
    assert closed[keys[6]].my_note() == 1  # pyright: ignore[reportAttributeAccessIssue]


def test_threads_that_read_the_same_entry_get_the_same_object():
    state = make_history()
    Saves(state).pack()
    closed = state.portfolio.closed_positions
    start = threading.Barrier(4)
    found: list[list[Any]] = []

    def read() -> None:
        start.wait()
        found.append([*closed.values()])

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all([*map(id, values)] == [*map(id, found[0])] for values in found)


def test_packing_frees_memory():
    text = make_history(60).to_json_bytes()

    def measure(*, packs: bool) -> int:
        """Return the memory of a state that was saved some times, bytes."""
        gc.collect()
        tracemalloc.start()
        try:
            state = State.read_json_blob(text)
            if packs:
                prepare_packing(state)
            saves = Saves(state)
            saves.pack()
            gc.collect()
            assert (count_packed(state.portfolio.closed_positions) >= 56) is packs
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    measure(packs=True)  # what is made once in a process
    assert measure(packs=True) < measure(packs=False) * 0.6


def get_error(use: Callable[[], object]) -> object:
    try:
        return use()
    except (KeyError, IndexError, ValueError) as error:
        return type(error)


USES: dict[str, Callable[[Any], Any]] = {
    "getitem": lambda table: table[2],
    "get": lambda table: (table.get(2), table.get(99), table.get(99, 1)),
    "values": lambda table: [*table.values()],
    "items": lambda table: [*table.items()],
    "keys": lambda table: [*table.keys()],
    "iter": lambda table: [*table],
    "len": lambda table: (len(table), len(table.values()), len(table.items())),
    "contains": lambda table: (2 in table, 99 in table, [2] in table.values(), (2, [2]) in table.items()),
    "reversed": lambda table: ([*reversed(table)], [*reversed(table.values())], [*reversed(table.items())]),
    "pop": lambda table: (table.pop(2), table.pop(99, None), table),
    "popitem": lambda table: (table.popitem(), table),
    "setdefault": lambda table: (table.setdefault(2, 0), table.setdefault(99, 5), table),
    "copy": lambda table: table.copy(),
    "dict": lambda table: dict(table),
    "unpacking": lambda table: {**table},
    "or": lambda table: (table | {9: 9}, {9: 9} | table),
    "update": lambda table: (table.update({2: 0, 8: 8}), table),
    "ior": lambda table: table.__ior__({2: 0}),
    "del": lambda table: (table.__delitem__(2), table),
    "clear": lambda table: (table.clear(), table),
    "eq": lambda table: (table == {1: [1], 2: [2], 3: [3], 4: [4]}, table != {}, table == table, table == 3),
    "ne": lambda table: (table != {1: [1], 2: [2], 3: [3], 4: [4]}, {1: [1], 2: [2], 3: [3], 4: [4]} != table),  # noqa: SIM300
    "repr": lambda table: repr(table),
    "repr of views": lambda table: (repr(table.values()), repr(table.items())),
    "copy.copy": lambda table: dict(copy.copy(table)),
    "pickle": lambda table: dict(pickle.loads(pickle.dumps(table))),
    "sorted": lambda table: sorted(table.items()),
    "missing": lambda table: get_error(lambda: table[99]),
}


@pytest.mark.parametrize("name", USES)
def test_a_table_with_packed_entries_is_used_like_a_dictionary(name: str):
    plain = {number: [number] for number in range(1, 5)}
    table: PackedDict[int, list[int]] = PackedDict(copy.deepcopy(plain))
    packed = pack_entries([*table.values()], [b"[1]", b"[2]", b"[3]", b"[4]"], list, (), known=99)
    assert packed is None, "somebody else refers to the entries"
    texts = [orjson.dumps(entry) for entry in table.values()]
    entries = [*get_entries(table)]
    packed = pack_entries(entries, texts, list, (), known=2)
    assert packed is not None
    table.replace_by_packed(dict(zip(table, packed, strict=True)))
    assert count_packed(table) == 4
    assert USES[name](table) == USES[name](plain)


LIST_USES: dict[str, Callable[[Any], Any]] = {
    "getitem": lambda table: (table[0], table[-1], table[1:3], table[::-1], table[9:]),
    "iter": lambda table: [*table],
    "iter while it grows": lambda table: [entry for entry in table if len(table) > 5 or table.append([5]) is None],
    "len": lambda table: (len(table), bool(table)),
    "contains": lambda table: ([2] in table, 99 in table),
    "reversed": lambda table: [*reversed(table)],
    "index": lambda table: (table.index([3]), table.index([3], 1, 4), table.count([2]), table.count(0)),
    "pop": lambda table: (table.pop(), table.pop(0), table),
    "remove": lambda table: (table.remove([2]), table),
    "sort": lambda table: (table.sort(reverse=True), table),
    "reverse": lambda table: (table.reverse(), [*table]),
    "copy": lambda table: (table.copy(), list(table), tuple(table)),
    "add": lambda table: (operator.add(table, [5]), operator.add([0], table), table * 2, 2 * table),
    "iadd": lambda table: (table.__iadd__([5]), table.__imul__(2), table[0] is table[5]),
    "add itself": lambda table: (table.extend(table), table[0] is table[4], table),
    "set": lambda table: (table.__setitem__(0, 5), table.__setitem__(slice(1, 3), [7]), table),
    "insert": lambda table: (table.insert(1, [9]), table.extend([[8]]), table.append(7), table),
    "del": lambda table: (table.__delitem__(1), table.__delitem__(slice(0, 2)), table),
    "clear": lambda table: (table.clear(), table),
    "eq": lambda table: (table == [[1], [2], [3], [4]], table != [], table == table, table == 3, table < [[2]]),
    "ne": lambda table: (table != [[1], [2], [3], [4]], [[1], [2], [3], [4]] != table),  # noqa: SIM300
    "compare": lambda table: (table <= [[1]], table > [[1]], table >= [[9]]),
    "repr": lambda table: repr(table),
    "pickle": lambda table: (pickle.loads(pickle.dumps(table)), copy.deepcopy(table), list(copy.copy(table))),
    "error": lambda table: [
        *map(get_error, (lambda: table[9], lambda: table.pop(9), lambda: table.remove(9), lambda: table.index(9)))
    ],
}


@pytest.mark.parametrize("name", LIST_USES)
def test_a_table_with_packed_entries_is_used_like_a_list(name: str):
    plain = [[number] for number in range(1, 5)]
    table: PackedList[list[int]] = PackedList(copy.deepcopy(plain))
    entries = [*get_entries(table)]
    packed = pack_entries(entries, [*map(orjson.dumps, entries)], list, (), known=2)
    assert packed is not None
    table.replace_by_packed(dict(enumerate(packed)))
    assert count_packed(table) == 4
    assert LIST_USES[name](table) == LIST_USES[name](plain)


def change_list(table: list[Any], choose: random.Random) -> None:
    """Change a list in any way."""
    place, new = choose.randrange(max(len(table), 1)), [choose.randrange(9)]
    changes: list[Callable[[], object]] = [
        lambda: table.append(new),
        lambda: table.extend([new, new]),
        lambda: table.insert(place, new),
        lambda: table.reverse(),
        lambda: table.sort(),
        lambda: table.__iadd__([new]),
        lambda: table.__setitem__(slice(place, place + 2), [new]),
        lambda: table.__delitem__(slice(place, place + 2)),
    ]
    if table:
        changes += [
            lambda: table.pop(place),
            lambda: table.pop(),
            lambda: table.remove(table[place]),
            lambda: table.__setitem__(place, new),
            lambda: table[place].append(1),
            lambda: choose.shuffle(table),
        ]
    if len(table) > 30:
        changes = [table.clear, lambda: table.__delitem__(slice(5, None))]
    choose.choice(changes)()


def change_dict(table: dict[int, Any], choose: random.Random) -> None:
    """Change a dictionary in any way."""
    key, new = choose.randrange(30), [choose.randrange(9)]
    changes: list[Callable[[], object]] = [
        lambda: table.__setitem__(key, new),
        lambda: table.setdefault(key, new),
        lambda: table.update({key: new, key + 1: new}),
        lambda: table.__ior__({key: new}),
        lambda: table.pop(key, None),
        lambda: table.popitem() if table else None,
        lambda: table.get(key, [0]).append(1),
        lambda: table.clear() if key == 7 else None,
    ]
    choose.choice(changes)()


@pytest.mark.parametrize("make", [PackedList, PackedDict])
@pytest.mark.parametrize("steps", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_after_any_change_of_a_table_its_texts_are_those_from_scratch(
    steps: int, make: Callable[[], PackedList[Any] | PackedDict[int, Any]]
):
    table, kept, choose = make(), KeptGroups(), random.Random(steps)
    packed = 0
    for number in range(steps):
        for _ in range(choose.randrange(4)):
            if isinstance(table, PackedList):
                change_list(table, choose)
            else:
                change_dict(table, choose)
        expected = orjson.dumps(table.peek(), option=orjson.OPT_NON_STR_KEYS)
        assert orjson.dumps(kept.encode(table, list), default=print_packed) == expected, number
        packed += kept.pack(table, 4)
        if number % 60 == 59:  # what was read is not packed again
            table, kept = make(), KeptGroups()
    assert packed > steps / 20


TABLES: dict[str, Callable[[State], Any]] = {
    "positions": lambda state: state.portfolio.closed_positions,
    "samples": lambda state: state.stats.portfolio,
    "samples of positions": lambda state: state.stats.positions,
    "variables": lambda state: get_data(state).data,
}


def make_long_history() -> State:
    state = make_history()
    state.stats.portfolio += [PortfolioStatistics(NOW + number * DAY, 1.0) for number in range(8)]
    return state


@pytest.mark.parametrize("name", TABLES)
def test_a_shallow_copy_contains_the_same_objects_and_has_the_type_as_before(name: str):
    state, plain = make_long_history(), State.read_json_blob(make_long_history().to_json_bytes())
    Saves(state).pack()
    table = TABLES[name](state)
    assert count_packed(table)
    for make in (copy.copy, lambda table: table.copy(), lambda table: table | {} if isinstance(table, dict) else []):
        copied, expected = make(table), make(TABLES[name](plain))
        assert type(copied) is type(expected)
        places = expected if isinstance(expected, dict) else range(len(expected))
        assert all(copied[place] is table[place] for place in places)
    assert repr(table) == repr(TABLES[name](plain))


def test_entries_with_an_object_in_common_are_not_packed():
    state = make_history()
    data = get_data(state).data
    data[4]["shared"] = data[5]["shared"] = ["in both"]
    saves = Saves(state)
    saves.pack()
    assert type([*get_entries(data)][-8]) is Packed
    data[4]["shared"].append("changed")
    assert data[5]["shared"] == ["in both", "changed"]
    assert saves.save() == print_from_scratch(state)


def test_a_position_that_was_reopened_since_the_save_is_not_packed_into_the_table_of_closed_ones():
    state = make_history()
    for _ in range(3):
        Saves(state).save()
    closed = state.portfolio.closed_positions
    key = [*closed][8]
    state.portfolio.open_positions[key] = closed.pop(key)
    assert pack_history(state)
    assert key not in closed
    assert isinstance(print_from_scratch(state), bytes)


def test_samples_that_have_moved_since_the_save_are_not_packed_where_they_were():
    state = make_history()
    state.stats.portfolio += [PortfolioStatistics(NOW - number * DAY, 1.0) for number in range(8)]
    for _ in range(3):
        Saves(state).save()
    state.stats.portfolio.reverse()
    text = print_from_scratch(state)
    assert pack_history(state)
    assert print_from_scratch(state) == text


def test_a_change_between_a_save_and_packing_is_in_the_next_save():
    state = make_history()
    state.stats.portfolio += [PortfolioStatistics(NOW + number * DAY, 1.0) for number in range(20)]
    saves = Saves(state)
    for _ in range(3):
        saves.save()
    state.stats.portfolio[-1] = PortfolioStatistics(NOW, 777.0)
    closed = state.portfolio.closed_positions
    key = [*closed][-1]
    closed[key] = copy.deepcopy(closed[key])
    closed[key].notes = "changed"
    assert pack_history(state)
    assert saves.save() == print_from_scratch(state)


def test_a_list_that_has_grown_while_others_were_packed_is_saved(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_lists, "LONG_LIST", 4)
    state = make_history()
    saves = Saves(state)
    samples = state.stats.positions
    for number in range(5):
        samples[[*samples][3]] += [PositionStatistics(NOW + number * DAY, NOW, 0.5, 2.0, 0.7, 3.0) for _ in range(6)]
        saves.save()
    assert pack_history(state)
    assert saves.save() == print_from_scratch(state)


def test_a_list_that_somebody_walks_through_is_not_packed_again():
    state = make_history()
    for number in range(90):
        state.stats.portfolio.append(PortfolioStatistics(NOW + number * DAY, 1.0))
    saves = Saves(state)
    for _ in range(4):
        saves.pack()
    assert count_packed(state.stats.portfolio) >= 80
    assert [state.stats.portfolio[place].total_equity for place in (0, -1)] == [100.0, 1.0]
    assert count_packed(state.stats.portfolio) >= 79
    state.stats.portfolio[5].total_equity = 2.0
    assert saves.save() == print_from_scratch(state)
    assert sum(sample.total_equity or 0 for sample in state.stats.portfolio) == 191
    saves.pack()
    assert not count_packed(state.stats.portfolio)
    assert saves.save() == print_from_scratch(state)


def test_an_entry_with_another_text_than_the_kept_one_is_not_packed():
    table: PackedDict[int, list[int]] = PackedDict({1: [1]})
    assert pack_entries([*get_entries(table)], [b"[2]"], list, (), known=2) is None


def test_only_values_and_packed_entries_are_certain_not_to_change():
    packed = pack_entries([[1]], [b"[1]"], list, (), known=1)
    assert packed is not None
    for entries, is_constant in (
        ([NOW, 1, "x", None], True),
        ([*packed], True),
        ([*packed, [1]], False),
        ([[]], False),
        ([{}], False),
        ([()], False),
        ([{1}], False),
        ([PortfolioStatistics(NOW, 1.0)], False),
        ([PackedDict()], False),
    ):
        fingerprint = take_fingerprint(entries)
        assert fingerprint is not None
        assert fingerprint.is_constant is is_constant, entries
