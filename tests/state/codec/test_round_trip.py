"""Whatever is written comes back the same, whoever wrote it."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit import samples
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.errors import InvalidStateFile

Make = Callable[[], Serialisable]


@pytest.fixture(params=samples.ALL.values(), ids=list(samples.ALL))
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


def test_sample_fills_every_field(make: Make):
    value = make()
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        assert item is not None, f"{field.name} is empty"
        if field.default is not dataclasses.MISSING and field.init:
            assert item != field.default, f"{field.name} has its default"


def test_json_text_comes_back_equal(make: Make):
    value = make()
    text = value.to_json()
    again = type(value).from_json(text)
    assert again.to_json() == text
    if "args" not in (field.name for field in dataclasses.fields(value)):
        assert again == value


def test_every_declared_field_is_written_in_order(make: Make):
    value = make()
    assert list(value.to_dict()) == [field.name for field in dataclasses.fields(value)]


def test_json_is_strict_and_times_are_numbers(make: Make):
    tree = json.loads(make().to_json(), parse_constant=lambda token: pytest.fail(f"{token} is not JSON"))
    for key, item in tree.items():
        if key.endswith("_at") and item is not None and key != "cycles_completed_at":
            assert type(item) in (int, float), key


def test_keys_of_a_newer_program_survive(make: Make):
    value = make()
    tree: dict[str, Any] = value.to_dict() | {"invented_later": {"deep": [1]}}
    again = type(value).from_dict(tree)
    assert again.to_dict() == tree


def test_fields_with_defaults_may_be_absent(make: Make):
    value = make()
    required = {
        field.name
        for field in dataclasses.fields(value)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    tree = value.to_dict()
    type(value).from_dict({name: tree[name] for name in required})
    for name in required:
        with pytest.raises(InvalidStateFile, match=name):
            type(value).from_dict({key: item for key, item in tree.items() if key != name})


def test_comparison_with_another_type_is_false_not_an_error(make: Make):
    value = make()
    assert value != None  # noqa: E711
    assert value != "text"
    assert value not in [None, 1, object()]
