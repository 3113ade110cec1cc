"""Cached texts of closed positions: a save that uses them writes what a save without them would write."""

import copy
import dataclasses
import datetime
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from tests.kit.trader import DAY, WETH_USDC, Trader, new_state
from tests.kit.whole import make_whole_state
from tradeexecutor.state.codec import cached_texts
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.state import State


def make_state() -> State:
    """A state whose closed positions contain every class that a position can contain."""
    state = make_whole_state()
    portfolio = state.portfolio
    for table in (portfolio.open_positions, portfolio.frozen_positions):
        for key in list(table):
            portfolio.closed_positions[key] = table.pop(key)
    for position in portfolio.closed_positions.values():
        position.other_data |= {"n": 1, "x": 2.0, "list": [1, {"a": "b", "c": None}], "empty": {}}  # pyright: ignore[reportOperatorIssue]
    return State.read_json_blob(state.to_json_bytes())


def save(state: Serialisable) -> object:
    try:
        return state.to_json_bytes()
    except TradeExecutorError as error:
        return str(error)


def save_without_cache(state: Serialisable) -> object:
    try:
        return orjson.dumps(state.to_dict())
    except TradeExecutorError as error:
        return str(error)


def get_kept(state: State) -> dict[int, Any]:
    texts = state.portfolio.closed_positions.cached_texts  # pyright: ignore[reportAttributeAccessIssue]
    return {} if texts is None else dict(texts._kept)


def fill_cache(state: State) -> dict[int, Any]:
    state.to_json_bytes()
    state.to_json_bytes()
    return get_kept(state)


# --- Edits


def walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield every record and container inside a value."""
    if isinstance(value, dict):
        items = list(value.values())
    elif isinstance(value, (list, set, tuple)):
        items = list(value)
    elif dataclasses.is_dataclass(value):
        items = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        return
    if id(value) not in seen:
        seen.add(id(value))
        yield value
        for item in items:
            yield from walk(item, seen)


def vary(value: Any) -> list[Any]:
    """Return values beside `value`, among them equal ones with another text."""
    others: list[Any] = [None, 0, 1, 1.0, True, "x", Decimal("1.0"), [], {}, np.array([1, 2]), copy.copy(value)]
    if isinstance(value, (int, float)):
        others += [float(value), int(value), -value, value + 1, np.float64(value), Decimal(value)]
    elif isinstance(value, Decimal):
        others += [value + Decimal("0.000"), value * 2, value.normalize(), -value]
    elif isinstance(value, datetime.datetime):
        others += [pd.Timestamp(value), value + DAY, pd.Timestamp(value) + pd.Timedelta("1us")]
    elif isinstance(value, str):
        others += [value + "x", value.upper()]
    return others


def edit(owner: Any, choose: random.Random) -> Callable[[], None]:
    """Change a record or container at random; return the function that takes the change back."""
    if isinstance(owner, dict):
        before = dict(owner)
        keys = list(owner)
        key = choose.choice(keys) if keys else None
        match choose.randrange(5):
            case 0 if keys:
                owner[key] = owner.pop(key)  # at the end now
            case 1 if keys:
                new = key + "y" if isinstance(key, str) else key + 1000  # pyright: ignore[reportOptionalOperand]
                owner[new] = owner.pop(key)
            case 2 if keys:
                del owner[key]
            case 3 if keys:
                owner[key] = choose.choice(vary(owner[key]))
            case _:
                owner["z" if not keys or isinstance(key, str) else 999] = 1

        def restore() -> None:
            owner.clear()
            owner.update(before)

    elif isinstance(owner, list):
        copied = list(owner)
        match choose.randrange(3):
            case 0 if owner:
                owner.pop(choose.randrange(len(owner)))
            case 1 if owner:
                place = choose.randrange(len(owner))
                owner[place] = choose.choice(vary(owner[place]))
            case _:
                owner.insert(0, 1)

        def restore() -> None:
            owner[:] = copied

    elif isinstance(owner, set):
        members = set(owner)
        owner.symmetric_difference_update({choose.choice(list(owner))} if owner else {"x"})

        def restore() -> None:
            owner.clear()
            owner.update(members)

    else:
        name = choose.choice([field.name for field in dataclasses.fields(owner)])
        value = getattr(owner, name)
        object.__setattr__(owner, name, choose.choice(vary(value)))  # also of a frozen record

        def restore() -> None:
            object.__setattr__(owner, name, value)

    return restore


@pytest.mark.parametrize("edits", [50, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_save_after_any_edit_is_the_same_as_one_without_cached_texts(edits: int):
    state = make_state()
    assert len(fill_cache(state)) == len(state.portfolio.closed_positions) == 3
    portfolio = state.portfolio
    before = portfolio.to_json_bytes()
    choose = random.Random(edits)
    noticed = 0
    for number in range(edits):
        owners = [owner for owner in walk(portfolio.closed_positions, set()) if not isinstance(owner, tuple)]
        restore = edit(choose.choice(owners), choose)
        expected = save_without_cache(portfolio)
        assert save(portfolio) == expected, number
        noticed += expected != before
        restore()
        assert save(portfolio) == before, number
    assert noticed > edits / 2


def test_an_item_that_moves_to_the_next_list_is_noticed():
    state = make_state()
    position = next(iter(state.portfolio.closed_positions.values()))
    position.other_data = {"a": [[1.5], []]}
    fill_cache(state)
    first, second = position.other_data["a"]
    second.append(first.pop())
    assert save(state) == save_without_cache(state)


def test_a_replaced_pair_is_noticed_in_all_positions():
    state = new_state(100_000)
    trader = Trader(state)
    for _ in range(3):
        position, _ = trader.buy(WETH_USDC, "1", 2000.0)
        trader.sell(WETH_USDC, position.get_quantity(), 2000.0)
    state = State.read_json_blob(state.to_json_bytes())
    assert len(fill_cache(state)) == 3
    pair = state.portfolio.closed_positions[1].pair
    assert pair is state.portfolio.closed_positions[3].pair
    pair.other_data["vault_name"] = "Other"  # pyright: ignore[reportOptionalSubscript]
    pair.base.token_symbol = "OTHER"
    written = state.to_json_bytes()
    assert written == save_without_cache(state)
    assert written.count(b"OTHER") > 3


def test_only_what_has_changed_is_encoded_again():
    state = make_state()
    before = fill_cache(state)
    state.portfolio.closed_positions[1].notes = "changed"
    state.to_json_bytes()
    after = get_kept(state)
    assert [key for key in before if after[key] is not before[key]] == [1]


def test_a_state_that_is_saved_once_keeps_no_texts():
    state = make_state()
    state.to_json_bytes()
    assert not get_kept(state)


def test_texts_of_removed_positions_are_discarded():
    state = make_state()
    fill_cache(state)
    del state.portfolio.closed_positions[2]
    state.to_json_bytes()
    assert set(get_kept(state)) == {1, 3}
    state.portfolio.closed_positions.clear()
    state.to_json_bytes()
    assert not get_kept(state)


def test_a_copy_has_no_texts_of_its_original():
    state = make_state()
    fill_cache(state)
    again = copy.deepcopy(state)
    assert not get_kept(again)
    assert again.to_json_bytes() == state.to_json_bytes()


def test_the_kept_texts_are_bounded(monkeypatch: pytest.MonkeyPatch):
    state = make_state()
    sizes = [kept.size for kept in fill_cache(state).values()]
    monkeypatch.setattr(cached_texts, "MAX_CACHED_BYTES", sizes[0] + sizes[1])
    again = copy.deepcopy(state)
    assert len(fill_cache(again)) == 2
    assert again.to_json_bytes() == state.to_json_bytes()


def test_an_object_that_may_change_unnoticed_is_encoded_in_every_save():
    class Text(str):
        __slots__ = ()

    state = make_state()
    position = next(iter(state.portfolio.closed_positions.values()))
    position.other_data["map"] = pd.Series([1])  # pyright: ignore[reportOptionalSubscript] - refused in every save, not only in the first
    for _ in range(3):
        assert isinstance(save(state), str)
    position.other_data["map"] = Text("x")  # pyright: ignore[reportOptionalSubscript]
    fill_cache(state)
    assert save(state) == save_without_cache(state)


def test_the_first_saves_share_the_work_of_keeping_texts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cached_texts, "MAX_NEW_TEXTS", 1)
    state = make_state()
    written = {state.to_json_bytes() for _ in range(2)}
    counts = [len(get_kept(state))]
    for _ in range(3):
        written.add(state.to_json_bytes())
        counts.append(len(get_kept(state)))
    assert counts == [1, 2, 3, 3]
    assert written == {save_without_cache(state)}
