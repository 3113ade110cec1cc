"""Which values of which parameters to try.

A parameter is described by a text::

    fast=5:50:5             5, 10, ... 50: first, last (inclusive) and step; without a step 1, for whole numbers
    stop=0.80:0.95:0.05     decimal steps are exact: 0.8, 0.85, 0.9, 0.95
    mode=quick,safe         a list; items are numbers, true, false, none, quoted or plain texts, or Python tuples
    trailing=true,false

The space of several parameters is every combination of their values for which the conditions hold, such as
``fast < slow``.
"""

import ast
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from tradeexecutor.research.condition import Condition, parse_condition
from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["ParameterNotValid", "ParameterSpace", "ParameterValues", "make_space", "parse_parameter"]

#: Largest number of values of one parameter; more is a mistyped step.
MAX_VALUES = 100_000

_WORDS = {"true": True, "false": False, "none": None}


class ParameterNotValid(TradeExecutorError, ValueError):
    """The description of a parameter or of a space cannot be used."""


@dataclass(frozen=True, slots=True)
class ParameterValues:
    """A parameter and its values to try, without duplicates, in the order in which they were given."""

    name: str
    values: tuple[Any, ...]

    @property
    def is_ordered(self) -> bool:
        """Whether the values are increasing or decreasing numbers, so that neighbours are similar."""
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in self.values):
            return False
        steps = [after - before for before, after in itertools.pairwise(self.values)]
        return all(step > 0 for step in steps) or all(step < 0 for step in steps)


@dataclass(frozen=True, slots=True)
class ParameterSpace:
    """Combinations of values of parameters.

    Attributes
    ----------
    parameters
        At least one.
    conditions
        Conditions between parameters that a combination must meet.
    """

    parameters: tuple[ParameterValues, ...]
    conditions: tuple[Condition, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(item.name for item in self.parameters)

    @property
    def size(self) -> int:
        """Number of combinations, before conditions."""
        return math.prod(len(item.values) for item in self.parameters)

    def get_combination(self, index: int) -> dict[str, Any]:
        """Return the combination at an index from 0 to `size` - 1; the last parameter changes fastest."""
        chosen: dict[str, Any] = {}
        for item in reversed(self.parameters):
            index, place = divmod(index, len(item.values))
            chosen[item.name] = item.values[place]
        return {name: chosen[name] for name in self.names}

    def allows(self, combination: Mapping[str, Any]) -> bool:
        """Return whether all conditions hold; raises `ConditionNotValid`."""
        return all(condition.holds(combination) for condition in self.conditions)

    def iterate_grid(self) -> Iterator[dict[str, Any]]:
        """Iterate over all combinations that the conditions allow."""
        for index in range(self.size):
            combination = self.get_combination(index)
            if self.allows(combination):
                yield combination

    def iterate_random(self, seed: int) -> Iterator[dict[str, Any]]:
        """Iterate over the same combinations in random order, each once."""
        for index in _iterate_shuffled(self.size, random.Random(seed)):
            combination = self.get_combination(index)
            if self.allows(combination):
                yield combination


def _iterate_shuffled(size: int, source: random.Random) -> Iterator[int]:
    """Iterate over 0 to `size` - 1 in random order; the memory grows with what is taken, not with `size`."""
    moved: dict[int, int] = {}
    for last in range(size - 1, -1, -1):
        # The shuffle of Fisher and Yates, on an array of which only the changed places exist.
        place = source.randint(0, last)
        yield moved.get(place, place)
        moved[place] = moved.pop(last, last)


def make_space(
    parameters: Mapping[str, Sequence[Any] | str], conditions: Sequence[str | Condition] = ()
) -> ParameterSpace:
    """Return the space of parameters.

    Parameters
    ----------
    parameters
        By name: the values, or their description as text, see the top of this module.
    conditions
        Which combinations to try, e.g. ``fast < slow``.

    Raises
    ------
    ParameterNotValid
        There is no parameter, one has no values, or a description cannot be read.
    ConditionNotValid
        A condition cannot be read, or names something that is not a parameter.
    """
    if not parameters:
        raise ParameterNotValid("there is no parameter to change")
    found = [
        parse_parameter(f"{name}={values}") if isinstance(values, str) else _make_values(name, values)
        for name, values in parameters.items()
    ]
    checked = tuple(item if isinstance(item, Condition) else parse_condition(item) for item in conditions)
    space = ParameterSpace(tuple(found), checked)
    space.allows(space.get_combination(0))  # raises for an unknown name
    return space


def parse_parameter(text: str) -> ParameterValues:
    """Return the parameter of a description, see the top of this module.

    >>> parse_parameter("fast=5:20:5").values
    (5, 10, 15, 20)

    Raises
    ------
    ParameterNotValid
        The text cannot be read.
    """
    name, equals, values = text.partition("=")
    name, values = name.strip(), values.strip()
    if not equals or not name.isidentifier() or not values:
        raise ParameterNotValid(f"{text!r}: write NAME=FIRST:LAST:STEP or NAME=VALUE,VALUE, e.g. fast=5:50:5")
    parts = [part.strip() for part in values.split(":")]
    numbers = [_read_decimal(part) for part in parts]
    if len(parts) in (2, 3) and all(number is not None for number in numbers):
        return _make_values(name, _make_range(text, *(number for number in numbers if number is not None)))
    items = [item.strip() for item in _split(values)]
    if "" in items:
        raise ParameterNotValid(f"{text!r} has an empty value; write '' for an empty text")
    return _make_values(name, [_read_item(item) for item in items])


def _read_decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _make_range(text: str, first: Decimal, last: Decimal, step: Decimal | None = None) -> list[int | float]:
    """Return the numbers from first to last; whole if all three are written as whole numbers."""
    written = [first, last] if step is None else [first, last, step]
    is_whole = all(number.as_tuple().exponent == 0 for number in written)
    if step is None:
        if not is_whole:
            raise ParameterNotValid(f"{text!r}: a range of decimals needs a step, FIRST:LAST:STEP")
        step = Decimal(1) if last >= first else Decimal(-1)
    if step == 0 or (last - first) * step < 0:
        raise ParameterNotValid(f"{text!r}: a step of {step} does not lead from {first} to {last}")
    count = int((last - first) / step) + 1
    if count > MAX_VALUES:
        raise ParameterNotValid(f"{text!r} has {count:,} values; at most {MAX_VALUES:,} are possible")
    values = [first + step * number for number in range(count)]
    return [int(value) for value in values] if is_whole else [float(value) for value in values]


def _split(text: str) -> list[str]:
    """Return the items between commas; commas inside brackets and quotes separate nothing."""
    items, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            items.append("")
            continue
        items[-1] += character
    return items


def _read_item(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _make_values(name: str, values: Sequence[Any]) -> ParameterValues:
    if not name.isidentifier():
        raise ParameterNotValid(f"{name!r} cannot be the name of a parameter")
    # True == 1, but both can be tried.
    unique = {(type(value), repr(value)): value for value in values}
    if not unique:
        raise ParameterNotValid(f"{name} has no values")
    if len(unique) > MAX_VALUES:
        raise ParameterNotValid(f"{name} has {len(unique):,} values; at most {MAX_VALUES:,} are possible")
    return ParameterValues(name, tuple(unique.values()))
