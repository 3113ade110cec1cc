"""Texts as people are shown them."""

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.state.display.visible import escape_json, make_visible, make_visible_in

NOT_SEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.slow
def test_every_character_that_is_not_seen_is_escaped_and_no_other():
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        shown = make_visible(character)
        if unicodedata.category(character) in NOT_SEEN:
            assert shown.isascii()
            assert shown.isprintable()
            assert shown.startswith("\\")
        elif unicodedata.category(character) != "Cn":  # what other versions of Unicode assign may be either
            assert shown == character


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("WETH", "WETH"),
        ("USD₮0 日本 é", "USD₮0 日本 é"),
        ("a\x1b[31m", r"a\x1b[31m"),
        ("\u202ecod", r"\u202ecod"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("a\tb\nc\r", r"a\tb\nc\r"),
    ],
)
def test_escapes_are_those_of_python(text: str, shown: str):
    assert make_visible(text) == shown


def test_line_feeds_may_stay():
    assert make_visible("a\nb\r\u2028", keep_newlines=True) == "a\nb\\r\\u2028"


@pytest.mark.slow
@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_json_document_says_the_same_with_its_escapes(data: object):
    text = json.dumps(data, ensure_ascii=False, indent=1)
    escaped = escape_json(text)
    assert json.loads(escaped) == data
    assert not {unicodedata.category(character) for character in escaped.replace("\n", "")} & NOT_SEEN


def test_texts_inside_of_data():
    assert make_visible_in({"a\x1b": ["\x1b", 1, None, ("\x07",)]}) == {"a\x1b": [r"\x1b", 1, None, [r"\x07"]]}
