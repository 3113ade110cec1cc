"""Size estimates never grant more than was asked for."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.samples import size_risk
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue
from tradeexecutor.state.size_risk import SizeRisk


def test_granted_fraction_of_the_asked_size():
    assert size_risk(asked_size=5000.0, accepted_size=2500.0).get_relative_capped_amount() == 0.5


@pytest.mark.parametrize("asked", [None, 0.0])
def test_nothing_asked_means_nothing_capped(asked):
    assert size_risk(asked_size=asked, accepted_size=None).get_relative_capped_amount() == 1.0


def test_unknown_accepted_size_counts_as_nothing_granted():
    assert size_risk(accepted_size=None).get_relative_capped_amount() == 0


def test_time_and_cap_may_be_unknown():
    assert SizeRisk.from_dict(size_risk(timestamp=None, capped=None).to_dict()).capped is None


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": 1},
        {"asked_quantity": 1.0},
        {"accepted_quantity": 1},
        {"diagnostics_data": []},
        {"capped": 1},
        {"asked_size": 100.0, "accepted_size": 100.1},
    ],
)
def test_constructor_refuses(change: dict[str, Any]):
    with pytest.raises(InvalidValue):
        size_risk(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": "now"},
        {"asked_quantity": "many"},
        {"diagnostics_data": []},
        {"capped": 1},
        {"sizing_type": 5},
        {"asked_size": 1.0, "accepted_size": 2.0},
    ],
)
def test_file_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        SizeRisk.from_dict(size_risk().to_dict() | change)


def test_quantities_are_exact():
    value = SizeRisk.from_dict(size_risk(asked_quantity=Decimal("1E-18")).to_dict())
    assert str(value.asked_quantity) == "1E-18"
