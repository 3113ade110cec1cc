"""Large diagnostics of a file stay text until they are read; nothing else about them is different."""

import copy
import json
import pickle
import threading
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tradeexecutor.state.codec import deferred_fields
from tradeexecutor.state.codec.deferred_fields import DeferredData
from tradeexecutor.state.errors import BadStateData, InvalidStateFile
from tradeexecutor.state.state import State

DATA = {"model": {"weights": [0.5, 1e-7, 1e22, None], "names": ["é", 'a "b"', "x:y"]}, "count": 3}


@pytest.fixture(autouse=True)
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Defer short data, too."""
    monkeypatch.setattr(deferred_fields, "_LEAST_SIZE", 0)


def make_tree(data: Any = DATA, calculations: Any = None) -> dict[str, Any]:
    tree = State(name="diagnostics").to_dict()
    tree["visualisation"]["discardable_data"] = data
    tree["visualisation"]["calculations"] = {"1700000000": DATA} if calculations is None else calculations
    return tree


def load(tree: Any) -> State:
    return State.read_json_blob(json.dumps(tree))


def are_deferred(state: State) -> list[bool]:
    shown: Any = state.visualisation
    return [type(value) is DeferredData for value in (shown._discardable_data, shown._calculations)]


def test_data_is_made_when_it_is_read():
    state = load(make_tree())
    assert are_deferred(state) == [True, True]
    assert state.visualisation.discardable_data == DATA
    assert are_deferred(state) == [False, True]
    assert state.visualisation.discardable_data is state.visualisation.discardable_data
    assert state.visualisation.calculations == {1_700_000_000: DATA}
    assert are_deferred(state) == [False, False]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab:\\é", max_size=3), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text("ab:1", max_size=3), JSON_VALUES, max_size=3),
    st.dictionaries(
        st.integers(-(10**13), 10**13).map(str), st.dictionaries(st.text("ab", max_size=2), JSON_VALUES), max_size=3
    ),
)
def test_a_save_is_the_same_whether_the_data_was_read_or_not(data: Any, calculations: Any):
    tree = make_tree(data, calculations)
    unread, read, general = load(tree), load(tree), State.from_dict(json.loads(json.dumps(tree)))
    assert are_deferred(unread) == [bool(data), bool(calculations)]
    assert read.visualisation == general.visualisation
    assert are_deferred(read) == [False, False]
    assert unread.to_json_bytes() == read.to_json_bytes() == general.to_json_bytes()
    assert unread.to_dict() == read.to_dict() == general.to_dict()
    assert orjson.dumps(unread.to_dict()) == unread.to_json_bytes()
    assert are_deferred(unread) == [bool(data), bool(calculations)]


def test_a_change_after_reading_is_saved():
    state = load(make_tree())
    state.visualisation.discardable_data["model"]["weights"][0] = 7.5
    state.visualisation.calculations[1_700_000_000]["count"] = 4
    saved = json.loads(state.to_json())["visualisation"]
    assert saved["discardable_data"]["model"]["weights"][0] == 7.5
    assert saved["calculations"]["1700000000"]["count"] == 4
    state.visualisation.discardable_data["bad"] = float("nan")
    with pytest.raises(BadStateData, match="bad"):
        state.to_json_bytes()


def test_a_program_may_replace_the_data_before_reading_it():
    state = load(make_tree())
    state.visualisation.discardable_data = {"new": 1}
    assert json.loads(state.to_json())["visualisation"]["discardable_data"] == {"new": 1}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state))])
def test_a_copy_has_data_of_its_own(copied: Any):
    state = load(make_tree())
    other = copied(state)
    other.visualisation.discardable_data["model"]["weights"].clear()
    assert state.visualisation.discardable_data == DATA


def test_all_threads_get_the_same_data():
    state = load(make_tree())
    gate = threading.Barrier(4)
    found: list[Any] = []

    def read() -> None:
        gate.wait()
        found.append(state.visualisation.discardable_data)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(data) for data in found}) == 1


@pytest.mark.parametrize(
    ("data", "calculations"),
    [
        ([1], None),
        ("text", None),
        ({"a": 2**53}, None),
        ({"a": json.loads("[" * 70 + "]" * 70)}, None),
        (DATA, {"1": None}),
        (DATA, {"1": [1]}),
        (DATA, {"one": {}}),
        (DATA, {"1": {"a": 2**70}}),
    ],
)
def test_damaged_data_is_refused_when_the_file_is_loaded(data: Any, calculations: Any):
    tree = make_tree(data, calculations)
    with pytest.raises(InvalidStateFile) as fast:
        load(tree)
    with pytest.raises(InvalidStateFile) as general:
        State.from_dict(tree)
    assert str(fast.value) == str(general.value)


def test_a_key_that_is_there_twice_is_found():
    text = State(name="twice").to_json().replace('"discardable_data":{', '"discardable_data":{"a":{"b":1,"b":2}')
    with pytest.raises(InvalidStateFile, match="there twice"):
        State.read_json_blob(text)


@pytest.mark.parametrize("key", ["01", " 1", "1_0"])
def test_a_number_in_an_unusual_form_is_read_as_before(key: str):
    tree = make_tree(DATA, {key: {"a": 1}})
    try:
        expected = State.from_dict(json.loads(json.dumps(tree))).to_json_bytes()
    except InvalidStateFile:
        with pytest.raises(InvalidStateFile):
            load(tree)
    else:
        assert load(tree).to_json_bytes() == expected


def test_short_data_is_not_deferred(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deferred_fields, "_LEAST_SIZE", 1_000)
    assert are_deferred(load(make_tree())) == [False, False]
