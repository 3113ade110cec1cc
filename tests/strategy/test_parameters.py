"""Parameters of a strategy, from a class or a dictionary."""

import datetime

import pytest

from tradeexecutor.strategy.parameters import ParameterMissing, ParametersNotValid, StrategyParameters


class Base:
    inherited = 1
    replaced = 1


class Declared(Base):
    replaced = 2
    windows = (5, 10)
    _private = 3

    def method(self):
        pass

    class Nested:
        pass


def test_a_class_gives_its_plain_attributes():
    parameters = StrategyParameters.from_class(Declared)
    assert dict(parameters.iterate_parameters()) == {"inherited": 1, "replaced": 2, "windows": (5, 10)}


def test_values_are_read_as_attributes_and_items():
    parameters = StrategyParameters.from_dict({"fast": 20})
    assert parameters.fast == parameters["fast"] == parameters.get("fast") == 20
    assert "fast" in parameters
    assert parameters.has_parameter("fast")
    assert not parameters.has_parameter("slow")
    assert dict(parameters) == {"fast": 20}
    assert parameters.get("slow", 60) == 60


def test_a_missing_parameter_is_named_with_those_that_exist():
    parameters = StrategyParameters.from_dict({"fast": 20})
    for error in (AttributeError, KeyError, ParameterMissing):
        with pytest.raises(error, match=r"no parameter 'slow' \(it has: fast\)"):
            _ = parameters.slow
    assert not hasattr(parameters, "slow")


def test_changes_are_made_in_a_copy():
    parameters = StrategyParameters.from_dict({"fast": 20})
    assert parameters.replace(fast=5, slow=9) == StrategyParameters.from_dict({"fast": 5, "slow": 9})
    assert parameters.fast == 20


def test_rolling_parameters_change_with_time():
    schedule = {datetime.datetime(2024, 1, 1): 10, datetime.datetime(2024, 2, 1): 20}
    parameters = StrategyParameters.from_dict({"window": schedule, "fixed": 5})
    assert parameters.get_rolling_parameter("window", datetime.datetime(2024, 1, 31)) == 10
    assert parameters.get_rolling_parameter("window", datetime.datetime(2024, 2, 1)) == 20
    assert parameters.get_rolling_parameter("fixed", datetime.datetime(2024, 2, 1)) == 5
    with pytest.raises(ParameterMissing, match="no value in force"):
        parameters.get_rolling_parameter("window", datetime.datetime(2023, 1, 1))


def test_only_classes_and_names_are_accepted():
    with pytest.raises(ParametersNotValid, match="must be a class"):
        StrategyParameters.from_class(Declared())  # pyright: ignore[reportArgumentType]
    with pytest.raises(ParametersNotValid, match="cannot be the name"):
        StrategyParameters.from_dict({"two words": 1})
