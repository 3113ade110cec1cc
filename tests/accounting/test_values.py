"""Times are naive UTC, amounts are finite: everything else is refused with the caller's own error."""

import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from tradeexecutor.accounting.values import (
    is_finite_decimal,
    is_finite_number,
    is_naive_utc,
    is_pandas_object,
    require_finite_decimal,
    require_naive_utc,
    require_standard_utc,
)
from tradeexecutor.state.errors import InvalidTrade

NOON = datetime.datetime(2022, 1, 1, 12)


def test_a_time_without_a_zone_is_returned_as_it_is():
    assert require_naive_utc(NOON, "time", ValueError) is NOON
    assert require_standard_utc(NOON, "time", ValueError) is NOON


@pytest.mark.parametrize("value", [NOON.replace(tzinfo=datetime.UTC), NOON.date(), 1_641_038_400, "2022", None, pd.NaT])
def test_what_is_no_naive_time_is_refused(value: Any):
    assert not is_naive_utc(value)
    for require in (require_naive_utc, require_standard_utc):
        with pytest.raises(InvalidTrade, match=r"^closed_at must be a naive UTC datetime.*, got "):
            require(value, "closed_at", InvalidTrade)


def test_a_timestamp_of_pandas_is_a_time_and_not_one_of_the_standard_library():
    stamp = pd.Timestamp(NOON)
    assert require_naive_utc(stamp, "time", ValueError) is stamp
    assert is_pandas_object(stamp)
    assert not is_pandas_object(NOON)
    assert not is_naive_utc(pd.Timestamp(NOON, tz="UTC"))
    with pytest.raises(ValueError, match="of the standard library"):
        require_standard_utc(stamp, "time", ValueError)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), 5, 5.0, "5", None])
def test_what_is_no_finite_decimal_is_refused(value: Any):
    assert not is_finite_decimal(value)
    with pytest.raises(InvalidTrade, match=r"^the amount must be a finite Decimal, got "):
        require_finite_decimal(value, "the amount", InvalidTrade)


def test_a_finite_decimal_is_returned_as_it_is():
    amount = Decimal("-0.10")
    assert require_finite_decimal(amount, "the amount", ValueError) is amount


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, True), (1.5, True), (Decimal(2), True), (float("nan"), False),
        (Decimal("sNaN"), False), (Decimal("Infinity"), False), (True, False),
     (None, False), ("1", False)],
)  # fmt: skip
def test_finite_numbers(value: object, expected: bool):
    assert is_finite_number(value) is expected
