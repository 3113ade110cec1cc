"""Kept texts of closed positions: a save that uses them writes what a save without them would write."""

import copy
import dataclasses
import datetime
import pickle
import random
import threading
import tracemalloc
from typing import Any

import orjson
import pandas as pd
import pytest

from tests.kit.edits import edit, make_closed_state, walk
from tests.kit.trader import DAY, WETH_USDC, Trader, new_state
from tests.kit.whole import make_whole_state
from tradeexecutor.state.codec import kept_groups
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.codec.kept_groups import GROUP_SIZE, UNKEPT_SAVES, KeptGroups
from tradeexecutor.state.codec.kept_lists import LONG_LIST
from tradeexecutor.state.errors import BadStateData, TradeExecutorError
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.state import State

DAY_ONE = datetime.datetime(2031, 1, 1)


def save(state: Serialisable) -> object:
    try:
        return state.to_json_bytes()
    except TradeExecutorError as error:
        return str(error)


def save_without_texts(state: Serialisable) -> object:
    try:
        return orjson.dumps(state.to_dict())
    except TradeExecutorError as error:
        return str(error)


def get_kept(state: State) -> dict[int, Any]:
    """The kept texts by position id."""
    kept = state.portfolio.closed_positions.kept  # pyright: ignore[reportAttributeAccessIssue]
    groups = [] if kept is None else [group for group in kept._groups if group.texts is not None]
    return {key: text for group in groups for key, text in zip(group.keys, group.texts, strict=True)}


def keep_texts(state: State) -> dict[int, Any]:
    for _ in range(UNKEPT_SAVES + 1):
        state.to_json_bytes()
    return get_kept(state)


@pytest.mark.parametrize("edits", [50, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_save_after_any_edit_is_the_same_as_one_without_kept_texts(edits: int):
    state = make_closed_state()
    assert len(keep_texts(state)) == len(state.portfolio.closed_positions) == 3
    portfolio = state.portfolio
    before = portfolio.to_json_bytes()
    choose = random.Random(edits)
    noticed = 0
    for number in range(edits):
        owners = [owner for owner in walk(portfolio.closed_positions, set()) if not isinstance(owner, tuple)]
        restore = edit(choose.choice(owners), choose)
        expected = save_without_texts(portfolio)
        assert save(portfolio) == expected, number
        noticed += expected != before
        restore()
        assert save(portfolio) == before, number
    assert noticed > edits / 2


def test_an_item_that_moves_to_the_next_list_is_noticed():
    state = make_closed_state()
    position = next(iter(state.portfolio.closed_positions.values()))
    position.other_data = {"a": [[1.5], []]}
    keep_texts(state)
    first, second = position.other_data["a"]
    second.append(first.pop())
    assert save(state) == save_without_texts(state)


def test_numbers_as_keys_that_become_text_are_noticed():
    state = make_closed_state()
    position = next(iter(state.portfolio.closed_positions.values()))
    data = {1: "x"}
    position.other_data = {"a": data}
    keep_texts(state)
    data.clear()
    data |= {"a": "x", "b": 1}  # pyright: ignore[reportArgumentType]
    assert save(state) == save_without_texts(state)


def test_a_table_that_somebody_still_prints_stays_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_groups, "MAX_NEW_ENTRIES", 2)  # the rest is encoded in every call
    table = {number: {"number": number} for number in range(5)}
    kept = KeptGroups()
    for _ in range(UNKEPT_SAVES):
        assert kept.encode(table, dict) is None
    before = kept.encode(table, dict)
    seen: list[bytes] = []

    def encode(entry: dict[str, int]) -> dict[str, int]:
        seen.append(orjson.dumps(before))
        return dict(entry)

    kept.encode(table, encode)
    assert set(seen) == {orjson.dumps(table, option=orjson.OPT_NON_STR_KEYS)}


def test_a_replaced_pair_is_noticed_in_all_positions():
    state = new_state(100_000)
    trader = Trader(state)
    for _ in range(3):
        position, _ = trader.buy(WETH_USDC, "1", 2000.0)
        trader.sell(WETH_USDC, position.get_quantity(), 2000.0)
    state = State.read_json_blob(state.to_json_bytes())
    assert len(keep_texts(state)) == 3
    pair = state.portfolio.closed_positions[1].pair
    assert pair is state.portfolio.closed_positions[3].pair
    pair.other_data["vault_name"] = "Other"  # pyright: ignore[reportOptionalSubscript]
    pair.base.token_symbol = "OTHER"
    written = state.to_json_bytes()
    assert written == save_without_texts(state)
    assert written.count(b"OTHER") > 3


def test_only_what_has_changed_is_encoded_again():
    state = make_closed_state()
    before = keep_texts(state)
    state.portfolio.closed_positions[1].notes = "changed"
    state.to_json_bytes()
    after = get_kept(state)
    assert [key for key in before if after[key] is not before[key]] == [1]


def test_a_state_that_is_saved_once_keeps_no_texts():
    state = make_closed_state()
    state.to_json_bytes()
    assert not get_kept(state)


def test_texts_of_removed_positions_are_discarded():
    state = make_closed_state()
    keep_texts(state)
    del state.portfolio.closed_positions[2]
    state.to_json_bytes()
    assert set(get_kept(state)) == {1, 3}
    state.portfolio.closed_positions.clear()
    state.to_json_bytes()
    assert not get_kept(state)


def test_a_copy_has_no_texts_of_its_original():
    state = make_closed_state()
    keep_texts(state)
    again = copy.deepcopy(state)
    assert not get_kept(again)
    assert again.to_json_bytes() == state.to_json_bytes()


def test_half_a_surrogate_pair_in_a_closed_position_is_named():
    state = make_closed_state()
    state.to_json_bytes()
    first = next(iter(state.portfolio.closed_positions.values()))
    first.pair = copy.copy(first.pair)
    first.pair.exchange_address = "0x\ud800"
    for _ in range(3):
        with pytest.raises(BadStateData, match="contains half a surrogate pair"):
            state.to_json_bytes()
    first.pair.exchange_address = "0x01"
    assert save(state) == save(state)


def test_the_kept_texts_are_bounded(monkeypatch: pytest.MonkeyPatch):
    state = make_closed_state()
    sizes = [len(orjson.dumps(text)) for text in keep_texts(state).values()]
    monkeypatch.setattr(kept_groups, "MAX_KEPT_BYTES", sizes[0] + sizes[1])
    again = copy.deepcopy(state)
    assert len(keep_texts(again)) == 2
    assert again.to_json_bytes() == state.to_json_bytes()


def test_an_object_that_may_change_unnoticed_is_encoded_in_every_save():
    class Text(str):
        __slots__ = ()

    state = make_closed_state()
    position = next(iter(state.portfolio.closed_positions.values()))
    position.other_data["map"] = pd.Series([1])  # pyright: ignore[reportOptionalSubscript] - refused in every save, not only in the first
    for _ in range(3):
        assert isinstance(save(state), str)
    position.other_data["map"] = Text("x")  # pyright: ignore[reportOptionalSubscript]
    keep_texts(state)
    assert save(state) == save_without_texts(state)


def test_an_asset_that_could_change_unnoticed_for_a_while_is_watched_afterwards():
    state = make_closed_state()
    base = next(iter(state.portfolio.closed_positions.values())).pair.base
    base.other_data["map"] = pd.Series([1])  # pyright: ignore[reportOptionalSubscript]
    for _ in range(3):
        assert isinstance(save(state), str)
    del base.other_data["map"]  # pyright: ignore[reportOptionalSubscript]
    keep_texts(state)
    base.other_data["note"] = 1  # pyright: ignore[reportOptionalSubscript]
    assert save(state) == save_without_texts(state)


def test_a_save_does_not_use_what_another_thread_has_found():
    state = make_closed_state()
    for _ in range(2):
        state.portfolio.get_closed_profit_usd()
    keep_texts(state)
    compares, ends = threading.Event(), threading.Event()

    def read() -> None:
        with comparing_closed_once(state.portfolio):
            state.portfolio.get_closed_profit_usd()
            compares.set()
            ends.wait(60)

    reader = threading.Thread(target=read)
    reader.start()
    assert compares.wait(60)
    try:
        state.portfolio.closed_positions[1].notes = "changed"
        assert save(state) == save_without_texts(state)
    finally:
        ends.set()
        reader.join()


def test_the_first_saves_share_the_work_of_keeping_texts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_groups, "MAX_NEW_ENTRIES", 1)
    state = make_closed_state()
    written = {state.to_json_bytes() for _ in range(UNKEPT_SAVES + 1)}
    counts = [len(get_kept(state))]
    for _ in range(3):
        written.add(state.to_json_bytes())
        counts.append(len(get_kept(state)))
    assert counts == [1, 2, 3, 3]
    assert written == {save_without_texts(state)}


# --- Samples


def make_state_with_samples(count: int) -> State:
    """A state with samples of the portfolio and of two positions, and with the ends of as many cycles."""
    state = make_whole_state()
    for number in range(count):
        at = DAY_ONE + number * DAY
        portfolio = copy.deepcopy(state.stats.portfolio[0])
        portfolio.calculated_at = at
        state.stats.portfolio.append(portfolio)
        for position_id in (1, 2):
            sample = copy.deepcopy(state.stats.positions[1][0])
            sample.calculated_at = at
            state.stats.add_positions_stats(position_id, sample)
        state.uptime.record_cycle_complete(1_000 + number, at)
    loaded = State.read_json_blob(state.to_json_bytes())
    assert loaded.stats.portfolio, "built here; as plain data they would be written without texts to keep"
    assert loaded.stats.positions
    return loaded


@pytest.mark.parametrize("edits", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_a_save_after_any_edit_of_samples_is_the_same_as_one_without_kept_texts(edits: int):
    state = make_state_with_samples(GROUP_SIZE + 3)
    choose = random.Random(edits)
    before = {state.stats.to_json_bytes() for _ in range(3)}.pop()
    noticed = 0
    for number in range(edits):
        found = walk(state.stats, set())
        owners = [owner for owner in found if not isinstance(owner, tuple) and owner is not state.stats]
        restore = edit(choose.choice(owners), choose)
        expected = save_without_texts(state.stats)
        assert save(state.stats) == expected, number
        noticed += expected != before
        restore()
        assert save(state.stats) == before, number
    assert noticed > edits / 2


def test_a_sample_that_is_added_or_removed_is_written():
    state = make_state_with_samples(GROUP_SIZE)
    for _ in range(3):
        state.to_json_bytes()
    samples, ends = state.stats.portfolio, state.uptime.cycles_completed_at
    for change in (
        lambda: samples.append(copy.deepcopy(samples[0])),
        lambda: samples.pop(0),
        lambda: samples.insert(5, samples[5]),
        samples.reverse,
        lambda: ends.update({1_005: DAY_ONE}),
        lambda: ends.pop(1_000),
        lambda: setattr(state.stats, "portfolio", samples[:3]),
        lambda: state.stats.positions.clear(),
    ):
        change()
        for _ in range(2):
            written = state.to_json_bytes()
            assert written == save_without_texts(state)


def test_a_plain_dictionary_of_closed_positions_is_encoded_every_time():
    state = make_closed_state()
    state.portfolio.closed_positions = dict(state.portfolio.closed_positions)
    for number in range(3):
        state.portfolio.closed_positions[1].notes = f"{number}"
        assert state.to_json_bytes() == save_without_texts(state)


def test_a_copy_of_samples_keeps_no_texts():
    state = make_state_with_samples(GROUP_SIZE)
    for _ in range(3):
        state.to_json_bytes()
    assert state.stats.keep("portfolio", KeptGroups)._groups
    for copied in (copy.deepcopy(state.stats), copy.copy(state.stats), pickle.loads(pickle.dumps(state.stats))):
        assert not copied.keep("portfolio", KeptGroups)._groups
        assert copied.to_json_bytes() == state.stats.to_json_bytes()


def test_a_long_list_that_grows_is_kept_in_parts(monkeypatch: pytest.MonkeyPatch):
    state = make_state_with_samples(LONG_LIST + GROUP_SIZE)
    samples = state.stats.positions[1]
    checked: list[object] = []
    check_rules = type(samples[0]).check_rules
    monkeypatch.setattr(type(samples[0]), "check_rules", lambda self: checked.append(self) or check_rules(self))
    counts: list[int] = []
    for _ in range(6):
        samples.append(dataclasses.replace(samples[-1]))
        checked.clear()
        written = state.to_json_bytes()
        counts.append(len(checked))
        assert written == save_without_texts(state)
    assert counts[-1] < GROUP_SIZE < counts[0], counts
    samples[3].value = 7.5
    assert state.to_json_bytes() == save_without_texts(state)
    for _ in range(2):  # it does not grow any more
        assert state.to_json_bytes() == save_without_texts(state)
    samples[3].value = 8.5
    assert state.to_json_bytes() == save_without_texts(state)


def test_kept_texts_take_the_room_that_they_need():
    """orjson leaves each text in a buffer of at least 4 kB."""
    state = State()
    assert state.other_data is not None
    for cycle in range(1, 1_001):
        state.other_data.save(cycle, "value", 1.5)
    for _ in range(UNKEPT_SAVES):
        state.to_json_bytes()
    tracemalloc.start()
    try:
        state.to_json_bytes()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
