"""The JSON Schema and the loader agree: states of the state machines, and states in which one value is wrong."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import fastjsonschema
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant

from tests.kit.every_kind_trader import everything
from tests.kit.soak import SOAK
from tests.kit.trading_machine import Trading
from tests.kit.whole import make_whole_state
from tests.properties.test_repair_state_machine import RepairMachine
from tests.properties.test_spot_state_machine import SpotTrading
from tradeexecutor.schema import build_state_schema
from tradeexecutor.state.errors import InvalidStateFile
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

SCHEMA = build_state_schema()
CHECK = fastjsonschema.compile(SCHEMA, use_default=False)
STANDARD = jsonschema.Draft202012Validator(SCHEMA)

Path = tuple[str | int, ...]


class _Checked:
    """A state machine whose every state the schema has to accept."""

    state: State

    @invariant()
    def the_schema_accepts_it(self) -> None:
        if hasattr(self, "state"):
            CHECK(self.state.to_dict())


class CheckedTrading(_Checked, Trading):
    pass


class CheckedSpotTrading(_Checked, SpotTrading):
    pass


class CheckedRepair(_Checked, RepairMachine):
    pass


def _limit(machine: Any) -> Any:
    base = machine.__mro__[2].TestCase.settings
    machine.TestCase.settings = settings(base, max_examples=8 * SOAK, stateful_step_count=25)
    return machine.TestCase


TestCheckedTrading = pytest.mark.slow(_limit(CheckedTrading))
TestCheckedSpotTrading = pytest.mark.slow(_limit(CheckedSpotTrading))
TestCheckedRepair = pytest.mark.slow(_limit(CheckedRepair))


# --- One wrong value


TREES = [everything().to_dict(), make_whole_state().to_dict()]

#: Values of every JSON type, and near the bounds.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 2**53, -(2**60), 0.5, 1.0, 1e300, -1e12, "", "x", "1.5", "+1", "1_0", " 1", "NaN",
    "0x1", "2020-01-01", [], [1], [None], ["x"], {}, {"x": 1}, {"1": None}, [[]], [{}],
)  # fmt: skip


def list_paths(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every value in a tree."""
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from list_paths(item, (*path, key))


PATHS = [list(list_paths(tree)) for tree in TREES]


def change(tree: Any, path: Path, action: str, value: Any) -> Any:
    """Return a copy of a tree in which a value is replaced or removed, or its object has another key."""
    changed = copy.deepcopy(tree)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if action == "remove":
        del holder[path[-1]]
    elif action == "add" and isinstance(holder, dict):
        holder["another_key"] = value
    else:
        holder[path[-1]] = value
    return changed


def is_accepted_by_schema(tree: Any) -> bool:
    try:
        CHECK(tree)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def load(tree: Any) -> str | None:
    """Return why the loader refuses a tree; None if it accepts it."""
    try:
        State.read_json_blob(json.dumps(tree))
    except InvalidStateFile as error:
        return str(error)
    return None


# --- Named exceptions


#: What the loader says about the type of a value or about a missing key. Any other reason is a rule.
_TYPE_ERROR = re.compile(r"Expected `|Object missing required field|Invalid |expected ")


def is_rule(_: Path, __: str, ___: Any, reason: str | None) -> bool:
    """Rules on values and between them: positive ids, known addresses, times in order, bounds of Decimals."""
    return reason is not None and _TYPE_ERROR.search(reason) is None


def is_whole_float(_: Path, __: str, value: Any, ___: str | None) -> bool:
    """JSON Schema counts 1.0 as an integer, as JavaScript does; the loader demands 1."""
    return isinstance(value, float) and value.is_integer()


def is_liberal_number(_: Path, __: str, value: Any, reason: str | None) -> bool:
    """The loader accepts numbers in fields of Decimals, numbers as text in fields of floats, and "+1"."""
    if reason is not None or isinstance(value, bool):
        return False
    try:
        return Decimal(value).is_finite()
    except (InvalidOperation, TypeError, ValueError):
        return False


def is_computed(path: Path, _: str, __: Any, reason: str | None) -> bool:
    """Keys that are computed again at every load are not read."""
    properties = SCHEMA["$defs"]["TradeSummary"]["properties"]
    return reason is None and "summary" in path and properties.get(path[-1], {}).get("readOnly", False)


Exception_ = Callable[[Path, str, Any, str | None], bool]

#: Schema accepts, loader refuses.
STRICTER_LOADER: tuple[Exception_, ...] = (is_rule, is_whole_float)
#: Schema refuses, loader accepts.
STRICTER_SCHEMA: tuple[Exception_, ...] = (is_liberal_number, is_computed)


@pytest.mark.slow
@settings(max_examples=150 * SOAK)
@given(data=st.data())
def test_the_schema_refuses_what_the_loader_refuses(data: st.DataObject):
    number = data.draw(st.integers(0, len(TREES) - 1))
    path = data.draw(st.sampled_from(PATHS[number]))
    action = data.draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
    value = data.draw(st.sampled_from(VALUES)) if action != "remove" else None
    changed = change(TREES[number], path, action, value)
    accepted, reason = is_accepted_by_schema(changed), load(changed)
    if accepted != (reason is None):
        exceptions = STRICTER_LOADER if accepted else STRICTER_SCHEMA
        assert any(is_it(path, action, value, reason) for is_it in exceptions), (path, action, value, accepted, reason)


@pytest.mark.parametrize("number", range(len(TREES)))
def test_the_fast_validator_and_that_of_the_standard_agree(number: int):
    STANDARD.validate(TREES[number])
    for place, path in enumerate(PATHS[number][:: len(PATHS[number]) // 25]):
        changed = change(TREES[number], path, "replace", VALUES[place % len(VALUES)])
        assert STANDARD.is_valid(changed) == is_accepted_by_schema(changed), path
