"""A patch turns the older tree into the newer one, to the byte, and says what is different."""

from typing import Any

import jsonpatch
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.codec.json_patch import apply_patch, find_changes, format_pointer, make_patch, parse_pointer
from tradeexecutor.state.errors import PatchFailed

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.0, -0.0, 1.0, 0.5])
    | st.sampled_from(["", "a", "~", "/", "1", "é"])
)
_KEYS = st.sampled_from(["a", "b", "c", "1", "2", "a/b", "~0", ""])
TREES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_KEYS, inner), max_leaves=25)


@given(TREES, TREES)
def test_applying_a_patch_gives_the_newer_text(old: Any, new: Any) -> None:
    before = orjson.dumps(old)
    patch = make_patch(old, new)
    assert orjson.dumps(apply_patch(old, patch)) == orjson.dumps(new)
    assert orjson.dumps(old) == before
    assert bool(patch) == (before != orjson.dumps(new))


@pytest.mark.slow
@given(TREES, TREES)
def test_another_implementation_of_rfc_6902_understands_the_patch(old: Any, new: Any) -> None:
    patch = orjson.loads(orjson.dumps(make_patch(old, new)))
    assert jsonpatch.apply_patch(old, patch) == new


@given(st.lists(st.integers(0, 30), unique=True, max_size=20), st.sets(st.integers(0, 19)))
def test_items_removed_from_a_list_show_as_just_that(items: list[int], places: set[int]) -> None:
    old = [{"id": item} for item in items]
    new = [item for place, item in enumerate(old) if place not in places]
    changes = list(find_changes(old, new))
    assert [change.op for change in changes] == ["remove"] * (len(old) - len(new))
    assert [change.before for change in changes] == [item for item in old if item not in new]


def test_an_item_that_changed_in_a_list_shows_by_its_field() -> None:
    old = [{"id": 1, "hash": None}, {"id": 2}, {"id": 3}]
    new = [{"id": 1, "hash": "0x1"}, {"id": 3}, {"id": 4}]
    assert make_patch(old, new) == [
        {"op": "replace", "path": "/0/hash", "value": "0x1"},
        {"op": "remove", "path": "/1"},
        {"op": "add", "path": "/2", "value": {"id": 4}},
    ]


@pytest.mark.parametrize(("old", "new"), [(1, 1.0), (1, True), (0.0, -0.0), ({"a": 1, "b": 2}, {"b": 2, "a": 1})])
def test_what_prints_otherwise_is_a_difference(old: Any, new: Any) -> None:
    patch = make_patch(old, new)
    assert patch
    assert orjson.dumps(apply_patch(old, patch)) == orjson.dumps(new)


def test_a_patch_does_not_change_what_it_shares_with_its_result() -> None:
    patch: list[dict[str, Any]] = [
        {"op": "add", "path": "/trades", "value": []},
        {"op": "add", "path": "/trades/-", "value": {"id": 1}},
        {"op": "replace", "path": "/trades/0/id", "value": 2},
    ]
    assert apply_patch({}, patch) == {"trades": [{"id": 2}]}
    assert patch[0]["value"] == []
    assert patch[1]["value"] == {"id": 1}


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"op": "remove", "path": "/b"}, "there is no 'b'"),
        ({"op": "replace", "path": "/a/3", "value": 1}, "the list has only 2 items"),
        ({"op": "add", "path": "/a/01", "value": 1}, "'01' is not an index"),
        ({"op": "remove", "path": "/a/-"}, "'-' is not an index"),
        ({"op": "add", "path": "/a/0/b", "value": 1}, "there is no object or list"),
        ({"op": "test", "path": "/a/0", "value": 1.0}, "the value is another one"),
        ({"op": "remove", "path": ""}, "impossible here"),
        ({"op": "copy", "path": "/a", "from": "/a"}, "unknown"),
        ({"op": "add", "path": "a", "value": 1}, "begins with a slash"),
        ({"op": "add", "path": "/a"}, "there is no 'value'"),
    ],
)
def test_a_patch_for_another_document_is_refused(operation: dict[str, Any], reason: str) -> None:
    document = {"a": [1, 2]}
    with pytest.raises(PatchFailed, match=reason) as caught:
        apply_patch(document, [{"op": "replace", "path": "/a/0", "value": 1}, operation])
    assert caught.value.number == 1
    assert caught.value.path == operation["path"]
    assert document == {"a": [1, 2]}


def test_a_test_that_holds_lets_the_rest_through() -> None:
    patch = [{"op": "test", "path": "/a", "value": 1}, {"op": "replace", "path": "", "value": []}]
    assert apply_patch({"a": 1}, patch) == []


def test_pointers_escape_what_they_have_to() -> None:
    assert format_pointer(("a/b~", 0, "")) == "/a~1b~0/0/"
    assert parse_pointer("/a~1b~0/0/") == ["a/b~", "0", ""]
    assert parse_pointer("") == []
