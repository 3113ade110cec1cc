"""What values a text describes, and which combinations there are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.research.condition import ConditionNotValid, parse_condition
from tradeexecutor.research.parameter_space import ParameterNotValid, make_space, parse_parameter


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast=5:20:5", (5, 10, 15, 20)),
        ("fast=5:19:5", (5, 10, 15)),
        ("fast=3:5", (3, 4, 5)),
        ("fast=5:3", (5, 4, 3)),
        ("fast=20:5:-5", (20, 15, 10, 5)),
        ("stop=0.8:0.95:0.05", (0.8, 0.85, 0.9, 0.95)),
        ("stop=0:1:0.1", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        ("a=1,2,3", (1, 2, 3)),
        ("a = 1, 2.5 ", (1, 2.5)),
        ("a=true,False,none", (True, False, None)),
        ("mode=quick,safe", ("quick", "safe")),
        ("mode='a,b',\"5\"", ("a,b", "5")),
        ("at=12:30:45", (12,)),
        ("at='12:30:45'", ("12:30:45",)),
        ("pairs=(1, 2),(3, 4)", ((1, 2), (3, 4))),
        ("a=1,1,2", (1, 2)),
        ("a=1,true", (1, True)),
        ("a=7", (7,)),
    ],
)
def test_a_text_describes_values(text: str, values: tuple[object, ...]):
    found = parse_parameter(text).values
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "write NAME="),
        ("=5", "write NAME="),
        ("fast=", "write NAME="),
        ("2fast=5", "write NAME="),
        ("fast=5:10:-1", "does not lead"),
        ("fast=5:10:0", "does not lead"),
        ("fast=0.5:1", "needs a step"),
        ("fast=0:1:0.0000001", "10,000,001 values"),
        ("fast=1,,2", "empty value"),
    ],
)
def test_a_mistake_is_explained(text: str, message: str):
    with pytest.raises(ParameterNotValid, match=message):
        parse_parameter(text)


def test_the_grid_is_every_combination_that_the_conditions_allow():
    space = make_space({"fast": "1:3", "slow": [2, 3], "on": "true,false"}, ["fast < slow", "on or fast == 1"])
    expected = [
        {"fast": fast, "slow": slow, "on": on}
        for fast in (1, 2, 3)
        for slow in (2, 3)
        for on in (True, False)
        if fast < slow and (on or fast == 1)
    ]
    assert list(space.iterate_grid()) == expected
    assert space.size == 12


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 1000))
def test_random_order_has_each_combination_once(sizes: list[int], seed: int):
    space = make_space({f"p{number}": list(range(size)) for number, size in enumerate(sizes)})
    found = [tuple(item.values()) for item in space.iterate_random(seed)]
    assert len(found) == len(set(found)) == math.prod(sizes)
    assert found == [tuple(item.values()) for item in space.iterate_random(seed)]


def test_random_order_of_a_huge_space_needs_no_memory():
    space = make_space({f"p{number}": "1:1000" for number in range(6)})
    assert space.size == 10**18
    assert len({tuple(next(space.iterate_random(seed)).values()) for seed in range(20)}) == 20


def test_only_increasing_or_decreasing_numbers_are_ordered():
    space = make_space({"up": "1:3", "down": "3:1", "mixed": "1,3,2", "flags": "false,true", "texts": "a,b"})
    assert [item.is_ordered for item in space.parameters] == [True, True, False, False, False]


@pytest.mark.parametrize(
    "text", ["__import__('os')", "a.b < 1", "[x for x in y]", "f(1)", "a[0]", "1 < 2", "a <", "lambda: a", "a ** 9"]
)
def test_a_condition_only_computes(text: str):
    with pytest.raises(ConditionNotValid):
        parse_condition(text)


def test_a_condition_on_something_unknown_names_what_there_is():
    with pytest.raises(ConditionNotValid, match=r"no 'slwo' \(there are: fast, slow"):
        make_space({"fast": "1:2", "slow": "1:2"}, ["fast < slwo"])


def test_a_condition_on_an_undefined_figure_does_not_hold():
    assert not parse_condition("sharpe > 1").holds({"sharpe": None})
    with pytest.raises(ConditionNotValid, match="cannot be computed"):
        parse_condition("mode > 1").holds({"mode": "quick"})
