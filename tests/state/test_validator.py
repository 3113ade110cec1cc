"""Free-form data is checked before it can reach a file; the error says where the fault is."""

import datetime
import decimal
import enum
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.samples import T0, position_statistics, uptime
from tradeexecutor.state import errors, validator
from tradeexecutor.state.types import JS_MAX_INT
from tradeexecutor.state.validator import (
    BadStateData,
    validate_nested_state_dict,
    validate_state_serialisation,
    validate_state_value,
    walk,
)


class Colour(enum.Enum):
    red = 1


GOOD = [
    "text", 1.5, None, True, (1, ("a",)), Colour.red, decimal.Decimal("1E-18"), datetime.timedelta(1), T0,
    pd.Timestamp(T0), pd.Timedelta(1), np.float64(1.5), JS_MAX_INT, -JS_MAX_INT, [], {}, {1: {2.5: "x"}},
]  # fmt: skip

BAD = [
    math.nan, math.inf, -math.inf, np.float64("nan"), np.float32(1), np.int64(1), np.bool_(True), {1, 2}, b"x",
    pd.Series([1]), ..., decimal.Decimal("NaN"), decimal.Decimal("Infinity"), JS_MAX_INT + 1, -JS_MAX_INT - 1,
    pd.NaT, datetime.date(2024, 1, 1), T0.replace(tzinfo=datetime.UTC), (1, [...]),
]  # fmt: skip


@pytest.mark.parametrize("value", GOOD, ids=repr)
def test_accepted(value: Any):
    validate_nested_state_dict({"a": value})


@pytest.mark.parametrize("value", BAD, ids=repr)
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda value: {"a": value}, "state.a"),
        (lambda value: {"a": [0, {"b": value}]}, "state.a[1].b"),
        (lambda value: {"a": (0, (value,))}, "state.a[1][0]"),
        (lambda value: {1: {2.5: value}}, "state[1][2.5]"),
    ],
)
def test_refused_with_its_path(value: Any, wrap: Callable[[Any], dict[Any, Any]], path: str):
    with pytest.raises(BadStateData) as error:
        validate_nested_state_dict(wrap(value))
    assert error.value.path.startswith(path)


@pytest.mark.parametrize("key", [True, None, (1,), Colour.red, np.int64(1), T0, b"x"], ids=repr)
@pytest.mark.parametrize("value", [1, {}, [], ()])
def test_odd_keys_are_refused_over_values_and_containers(key: Any, value: Any):
    with pytest.raises(BadStateData, match="bad key type"):
        validate_nested_state_dict({"a": {key: value}})


def test_data_that_contains_itself():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(BadStateData, match="contains itself"):
        validate_nested_state_dict({"a": loop})


def test_message_says_what_and_why():
    with pytest.raises(
        BadStateData, match=r"count: 9007199254740992 \(<class 'int'> - larger than JavaScript max int\)"
    ):
        validate_state_value("count", JS_MAX_INT + 1)


def test_walk_checks_the_key_too():
    walk("x", {"a": 1}, str)
    with pytest.raises(BadStateData):
        walk("x", 1, bytes)


def test_records_are_checked_by_writing_them():
    validate_state_serialisation(uptime())
    sample = position_statistics()
    sample.value = math.nan
    with pytest.raises(BadStateData, match=r"^value"):
        validate_state_serialisation(sample)


def test_error_class_is_the_one_of_the_error_tree():
    assert validator.BadStateData is errors.BadStateData
