"""Random values assigned to every field of every class of the tree: what is accepted can be saved and loaded again.

Fields are public, and callers assign to them, so constructors do not see every value. The classes and their fields are
found through the annotations of `State`, none is listed here. After an assignment, either

- saving raises an error of ours, the file stays as it was, or
- the saved text loads, and saving what was loaded gives the same content.
"""

import ast
import dataclasses
import datetime
import enum
import inspect
import random
import textwrap
import typing
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from tests.kit.soak import SOAK
from tests.kit.store_contract import make_state
from tests.kit.trader import LINK_USDC, WBTC_USDC, WETH_USDC, Trader, new_state
from tests.kit.whole import make_whole_state
from tradeexecutor.accounting.values import abbreviate
from tradeexecutor.state.codec.bounds import MAX_NESTING, MAX_TEXT_LENGTH
from tradeexecutor.state.codec.codec import field_types, strip_optional
from tradeexecutor.state.errors import BadStateData, TradeExecutorError
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.trade import TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.types import JS_MAX_INT

#: Assignments in an ordinary run; a soak test makes at least ten times as many.
CASES = 20_000
#: One in so many is saved to a file, as part of the whole state; the others as part of their object.
WHOLE = 20
#: After so many assignments, there is one more trade.
OPERATION = 500

TOO_LONG = "x" * (MAX_TEXT_LENGTH + 1)

_NUMBERS: tuple[Any, ...] = (
    0, 1, -1, 2, 10**6, 2**31, JS_MAX_INT, JS_MAX_INT + 1, -JS_MAX_INT - 1, 2**63, 2**64, 10**30, 10**400, 10**5_000,
    True, False, 0.0, -0.0, 0.5, 1.0, 5.0, 2.0**60, 1e90, 1e300, 1.7976931348623157e308, 5e-324, float("nan"),
    float("inf"), float("-inf"), 1j, np.float64(1.5), np.float64("nan"), np.int64(5), np.bool_(True), np.float32(0.1),
)  # fmt: skip

_DECIMALS = tuple(
    Decimal(text)
    for text in (
        "0", "-0", "1", "-1", "1.50", "1E+10", "0E-18", "1E-18", "1E-19", "NaN", "-NaN", "sNaN", "NaN123", "Infinity",
        "-Infinity", "1E+90", "9.9E+90", "1E+91", "1E-90", "1E-91", "1E+400", "1E-400", "1E+1000000000",
        "-1E+999999999", "1E-1000000000", "0E+1000000", "0E-1000000", "1" * 256, "1" * 257, "0." + "3" * 256,
        "1." + "3" * 5_000,
    )
)  # fmt: skip

_TEXTS = (
    "", " ", "x", "0x10", "0X10", "0xAbC", "é", "\x00", "\ud800", "a\udfffb", "\U0001f600", "1", "NaN", "null", "1e5",
    "vlt:abc", "a" * 64, TOO_LONG,
)  # fmt: skip

_TIMES: tuple[Any, ...] = (
    datetime.datetime(2024, 5, 1, 12, 30, 0, 1),
    datetime.datetime(1, 1, 1),
    datetime.datetime(1, 1, 1, 0, 0, 0, 1),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999),
    datetime.datetime(2500, 1, 1, 0, 0, 0, 123_457),
    datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC),
    datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=5))),
    datetime.date(2024, 5, 1),
    datetime.time(12),
    pd.Timestamp("2024-05-01 12:00:00.000001"),
    pd.Timestamp("2024-05-01 12:00:00.000001001"),
    pd.Timestamp("2024-05-01", tz="UTC"),
    pd.NaT,
    datetime.timedelta(seconds=1.5),
    datetime.timedelta.max,
    datetime.timedelta.min,
    datetime.timedelta(days=200_000, microseconds=1),
    pd.Timedelta("1ns"),
    np.datetime64("2024-05-01"),
)

_OTHERS: tuple[Callable[[], Any], ...] = (
    lambda: None,
    list,
    dict,
    set,
    tuple,
    object,
    lambda: b"bytes",
    lambda: bytearray(b"x"),
    lambda: [None],
    lambda: [1.5, "x"],
    lambda: (1.5, None),
    lambda: {None},
    lambda: {"x"},
    lambda: {1: 1},
    lambda: {"1": 1, 1: 2},
    lambda: {True: 1},
    lambda: {None: None},
    lambda: {-5: None, 10**400: 1},
    lambda: {"a": {"b": [float("nan")]}},
    lambda: {"a": Decimal(1), "b": datetime.datetime(2024, 1, 1), "c": {1, 2}, "d": (1,)},
    lambda: {"\ud800": 1},
    lambda: {"a": "\ud800"},
    lambda: {"a": 2**60},
    lambda: {(1, 2): 3},
    lambda: {1.5: 1, float("inf"): 2},
    lambda: nest(MAX_NESTING - 1),
    lambda: nest(MAX_NESTING),
    lambda: nest(MAX_NESTING + 1),
    lambda: nest(400),
    lambda: nest(5_000),
    lambda: {"a": nest(MAX_NESTING - 1)},
    lambda: {"a": nest(MAX_NESTING)},
    lambda: nest_dictionaries(MAX_NESTING),
    lambda: nest_dictionaries(MAX_NESTING + 1),
    lambda: looped([]),
    lambda: range(3),
    lambda: pd.Series([1.0, 2.0]),
    lambda: np.array([1.0, float("nan")]),
    lambda: TradeType.rebalance,
    lambda: TradeStatus.success,
    lambda: {TradeFlag.open, TradeStatus.failed},
    lambda: Decimal,
    lambda: len,
    lambda: Interest.open_new(Decimal(1), datetime.datetime(2024, 1, 1)),
)


def nest(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def nest_dictionaries(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def looped(value: list[Any]) -> list[Any]:
    value.append(value)
    return value


def find_classes(hint: Any, found: set[type]) -> set[type]:
    """All data classes that a state may contain, by the annotations."""
    hint = strip_optional(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if hint in found:
            return found
        found.add(hint)
        for inner in field_types(hint).values():
            find_classes(inner, found)
    for argument in typing.get_args(hint):
        find_classes(argument, found)
    return found


def find_objects(value: Any, seen: set[int]) -> Iterator[Any]:
    """All objects of data classes inside an object."""
    if id(value) in seen:
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        seen.add(id(value))
        yield value
        for name in field_types(type(value)):
            yield from find_objects(getattr(value, name), seen)
    elif isinstance(value, dict):
        for item in value.values():
            yield from find_objects(item, seen)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from find_objects(item, seen)


CLASSES = find_classes(State, set())

#: Fields that constructors compute from others: a value that was assigned to one is not kept.
COMPUTED = {field.name for cls in CLASSES for field in dataclasses.fields(cls) if not field.init}
COMPUTED.add("average_position_frequency")  # is an argument for compatibility only


def without_computed(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: without_computed(item) for key, item in tree.items() if key not in COMPUTED}
    return [without_computed(item) for item in tree] if isinstance(tree, list) else tree


def pick_value(randomness: random.Random, owner: Any, old: Any, objects: list[Any]) -> Any:
    """Half of the values are of the kind that the field has; the others are of any kind."""
    kind = randomness.randrange(16)
    if kind >= 8:
        return vary(randomness, old)
    if kind <= 1:
        return randomness.choice(_NUMBERS)
    if kind == 2:
        return randomness.choice(_DECIMALS)
    if kind == 3:
        return randomness.choice(_TEXTS)
    if kind == 4:
        return randomness.choice(_TIMES)
    if kind == 5:
        return randomness.choice((owner, randomness.choice(objects), [randomness.choice(objects)]))
    if kind == 6:  # another object of the class that the field has
        alike = [item for item in objects if type(item) is type(old)]
        return randomness.choice(alike or objects)
    return randomness.choice(_OTHERS)()


def vary(randomness: random.Random, old: Any) -> Any:
    """A value of the kind of another one, mostly a possible one."""
    if old is None:
        return randomness.choice((None, 0, 1, 0.5, "x", Decimal(1), _TIMES[0], True, {}, []))
    if isinstance(old, bool):
        return not old
    if isinstance(old, enum.Enum):
        return randomness.choice(list(type(old)))
    if isinstance(old, int):
        return randomness.choice((-old, old + 1, old + randomness.randrange(10**6), old * 1_000, 0, JS_MAX_INT))
    if isinstance(old, float):
        return randomness.choice((-old, old * 1.1, randomness.random(), randomness.lognormvariate(0, 30), 0.0, 1e90))
    if isinstance(old, Decimal):
        digits, exponent = randomness.randrange(10**30), randomness.randrange(-60, 40)
        return randomness.choice((-old, old * 2, Decimal(digits).scaleb(exponent), randomness.choice(_DECIMALS)))
    if isinstance(old, datetime.datetime):
        seconds = randomness.choice((-1e9, -1.000001, 1, 1e9, randomness.randrange(10**8), randomness.random()))
        return old + datetime.timedelta(seconds=seconds)
    if isinstance(old, datetime.timedelta):
        return randomness.choice((-old, old * 2, old + datetime.timedelta(microseconds=randomness.randrange(10**6))))
    if isinstance(old, str):
        word = "".join(randomness.choices('aé\0\n"\\\U0001f600 0x', k=randomness.randrange(1, 20)))
        return randomness.choice((old.upper(), old[1:], old + "\ud800", old * 2, word, old + word))
    if isinstance(old, list):
        return randomness.choice(([*old, None], [None], old[:1], tuple(old), [*old, 5], [*old, *old], old[::-1], []))
    if isinstance(old, set):
        return randomness.choice((set(), {None}, {*old, "x"}, set(list(old)[:1]), frozenset(old)))
    if isinstance(old, dict):
        items = list(old.items())
        key, item = randomness.choice(items) if items else ("a", 1)
        fewer, backwards = dict(items[1:]), dict(reversed(items))
        choices = ({**old, 777: item}, {**old, "777": item}, {**old, key: None}, {str(key): item}, {}, fewer, backwards)
        return randomness.choice(choices)
    return old


def pairs_of(objects: list[Any]) -> list[tuple[Any, str]]:
    return [(record, name) for record in objects for name in field_types(type(record))]


def save_and_load(record: Any, name: str, value: Any) -> bool:
    """Whether the object can be saved; if so, it is checked that it can be loaded."""
    try:
        text = record.to_json_bytes()
    except BadStateData:
        return False
    again = type(record).from_json(text)
    assert without_computed(orjson.loads(again.to_json_bytes())) == without_computed(orjson.loads(text))
    # Free-form data becomes JSON, in which a tuple is a list and a time a number: there only the JSON is compared.
    is_free = getattr(strip_optional(field_types(type(record))[name]), "free", False)
    if name not in COMPUTED and not is_free and isinstance(value, (int, float, str, Decimal, datetime.datetime)):
        assert getattr(again, name) == value
    return True


def assign(record: Any, name: str, value: Any) -> bool:
    """Whether the field accepts the value; if not, it is unchanged."""
    old = getattr(record, name)
    try:
        setattr(record, name, value)
    except (TradeExecutorError, dataclasses.FrozenInstanceError):
        assert getattr(record, name) is old
        return False
    return True


def run(folder: Path, cases: int, seed: int) -> tuple[int, int]:
    """Returns how many assignments were saved, and how many were refused."""
    randomness = random.Random(seed)
    trader = Trader(new_state(10**9))
    for _ in range(8):
        trade_at_random(trader, randomness)
    states = [make_whole_state(), make_state(), trader.state]
    per_state = [list(find_objects(state, set())) for state in states]
    assert {type(record) for objects in per_state for record in objects} >= CLASSES
    stores = [JSONFileStore(folder / f"{number}.json", backups=None) for number in range(len(states))]
    for state, store in zip(states, stores, strict=True):
        store.sync(state)
    places = [pairs_of(objects) for objects in per_state]
    saved = refused = 0
    for case in range(cases):
        if case % OPERATION == OPERATION - 1:  # the third state is traded with, and read again
            trade_at_random(trader, randomness)
            per_state[2] = list(find_objects(states[2], set()))
            places[2] = pairs_of(per_state[2])
        which = randomness.choice((0, 0, 1, 2))
        record, name = places[which][case % len(places[which])] if case % 2 else randomness.choice(places[which])
        old = getattr(record, name)
        value = pick_value(randomness, record, old, per_state[which])
        try:
            if not assign(record, name, value):
                refused += 1
                continue
            is_saved = save_and_load(record, name, value)
            if case % WHOLE == 0:
                check_file(states[which], stores[which])
        except BaseException as error:
            setattr(record, name, old)  # it may be a pair that other tests share
            shown = f"{type(record).__name__}.{name} = {abbreviate(value)} ({type(value).__name__}) instead of {old!r}"
            raise AssertionError(f"case {case} of seed {seed}: {shown}") from error
        saved, refused = saved + is_saved, refused + (not is_saved)
        setattr(record, name, old)
    for state, store in zip(states, stores, strict=True):
        store.sync(state)
        store.close()
        assert store.load().to_json_bytes() == state.to_json_bytes()
    return saved, refused


def trade_at_random(trader: Trader, randomness: random.Random) -> None:
    """Buy, sell, or let a trade fail."""
    held = [item for item in trader.state.portfolio.open_positions.values() if item.get_quantity()]
    price = randomness.choice((1.5, 10.0, 2_000.0))
    if held and randomness.random() < 0.4:
        position = randomness.choice(held)
        trader.sell(position.pair, position.get_quantity(), price)
        return
    pair, quantity = randomness.choice((WETH_USDC, WBTC_USDC, LINK_USDC)), randomness.choice(("0.5", "1", "3"))
    if randomness.random() < 0.8:
        trader.buy(pair, quantity, price)
        return
    _, trade = trader.plan(pair, quantity, price)
    trader.send(trade)
    trader.fail(trade)


def check_file(state: State, store: JSONFileStore) -> None:
    before = store.path.read_bytes()
    try:
        store.sync(state)
    except BadStateData:
        assert store.path.read_bytes() == before
    else:
        assert without_computed(store.load().to_dict()) == without_computed(state.to_dict())


def test_the_rules_of_constructors_are_those_of_saves():
    """Saving calls `check_rules`; what a constructor refused beyond that could be saved after an assignment."""
    for cls in CLASSES:
        if "__post_init__" in vars(cls):
            tree = ast.parse(textwrap.dedent(inspect.getsource(vars(cls)["__post_init__"])))
            assert not any(isinstance(node, ast.Raise) for node in ast.walk(tree)), cls


@pytest.mark.slow
def test_what_a_field_accepts_can_be_saved_and_loaded(memory: Path):
    cases = CASES if SOAK == 1 else CASES * max(10, SOAK // 10)
    saved, refused = run(memory, cases, 0 if SOAK == 1 else random.randrange(1 << 30))
    assert saved + refused == cases
    assert saved > cases / 4
    assert refused > cases / 20
