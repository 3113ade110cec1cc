"""A JSON text with a key twice is refused with its path, however it is printed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.codec.codec import parse
from tradeexecutor.state.codec.duplicate_keys import require_unique_keys
from tradeexecutor.state.errors import InvalidStateFile
from tradeexecutor.state.state import State


def require(text: str) -> None:
    require_unique_keys(text, parse(text))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"a":1,"a":1}', "a"),
        ('{"a":{"b":[0,{"c":1,"d":2,"c":3}]}}', "a.b[1].c"),
        ('{"a" : 1, "a": 2}', "a"),
        ('{"a"\n:1,"a"\t:2}', "a"),
        ('{"\\u0061":1,"a":2}', "a"),
        ('{"a":"x\\u003ay","a":"x\\u003Ay"}', "a"),
        ('{"note":"\\u003a","a":1,"a":2}', "a"),
        ('{"big":123456789012345678901234567890,"a":1,"a":2}', "a"),
        ('{"x":{"":1,"":2}}', "x."),
        ('{"a":{"b":1,"b":2},"a":1}', "a"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_path(text: str, path: str):
    with pytest.raises(InvalidStateFile, match="is there twice") as caught:
        require(text)
    assert f"the key {path} is" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"a":1,"A":2}',
        '{"a":"\\"a\\":1","b":"{\\"b\\":2}"}',
        '{"a":"\\u003a\\u0022:"}',
        '{"a" : [ { "a" : 1 } , { "a" : 2 } ]}',
        '{"big":123456789012345678901234567890,"a":":"}',
    ],
)
def test_other_texts_are_accepted(text: str):
    require(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='a":\\,{}u03 \n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='ab":\\', max_size=2), inner),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]), st.booleans(), st.data())
def test_exactly_the_texts_with_a_key_twice_are_refused(
    value: Any, separators: tuple[str, str], ascii_only: bool, data: st.DataObject
):
    def print_json(value: Any, ensure_ascii: bool) -> str:
        return json.dumps(value, separators=separators, ensure_ascii=ensure_ascii)

    text = print_json({"before": value, "after": value}, ascii_only)
    require(text)
    key, colon = data.draw(st.sampled_from(["before", "after"])), separators[1]
    extra = f'{{"{key}"{colon}{print_json(value, ascii_only)}{separators[0]}{text[1:]}'
    with pytest.raises(InvalidStateFile, match="is there twice"):
        require(extra)


def test_a_state_file_with_a_position_twice_is_refused():
    """One of the two positions would be lost, with all that it holds."""
    text = State(name="x").to_json()
    twice = text.replace('"name":"x"', '"name":"x","name":"y"')
    for read in (State.read_json_blob, State.from_json):
        with pytest.raises(InvalidStateFile, match="the key name is there twice"):
            read(twice)
