"""Random edits of anything inside closed positions, for tests of what is kept of them."""

import copy
import dataclasses
import datetime
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from tests.kit.trader import DAY
from tests.kit.whole import make_whole_state
from tradeexecutor.state.state import State


def make_closed_state() -> State:
    """A state whose closed positions contain every class that a position can contain."""
    state = make_whole_state()
    portfolio = state.portfolio
    for table in (portfolio.open_positions, portfolio.frozen_positions):
        for key in list(table):
            portfolio.closed_positions[key] = table.pop(key)
    for position in portfolio.closed_positions.values():
        position.other_data |= {"n": 1, "x": 2.0, "list": [1, {"a": "b", "c": None}], "empty": {}}  # pyright: ignore[reportOperatorIssue]
    return State.read_json_blob(state.to_json_bytes())


def walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield every record and container inside a value."""
    if isinstance(value, dict):
        items = list(value.values())
    elif isinstance(value, (list, set, tuple)):
        items = list(value)
    elif dataclasses.is_dataclass(value):
        items = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        return
    if id(value) not in seen:
        seen.add(id(value))
        yield value
        for item in items:
            yield from walk(item, seen)


def vary(value: Any) -> list[Any]:
    """Return values beside `value`, among them equal ones with another text."""
    others: list[Any] = [None, 0, 1, 1.0, True, "x", Decimal("1.0"), [], {}, np.array([1, 2]), copy.copy(value)]
    if isinstance(value, (int, float)):
        others += [float(value), int(value), -value, value + 1, np.float64(value), Decimal(value)]
    elif isinstance(value, Decimal):
        others += [value + Decimal("0.000"), value * 2, value.normalize(), -value]
    elif isinstance(value, datetime.datetime):
        others += [pd.Timestamp(value), value + DAY, pd.Timestamp(value) + pd.Timedelta("1us")]
    elif isinstance(value, str):
        others += [value + "x", value.upper()]
    return others


def edit(owner: Any, choose: random.Random) -> Callable[[], None]:
    """Change a record or container at random; return the function that takes the change back."""
    if isinstance(owner, dict):
        before = dict(owner)
        keys = list(owner)
        key = choose.choice(keys) if keys else None
        match choose.randrange(5):
            case 0 if keys:
                owner[key] = owner.pop(key)  # at the end now
            case 1 if keys:
                new = key + "y" if isinstance(key, str) else key + 1000  # pyright: ignore[reportOptionalOperand]
                owner[new] = owner.pop(key)
            case 2 if keys:
                del owner[key]
            case 3 if keys:
                owner[key] = choose.choice(vary(owner[key]))
            case _:
                owner["z" if not keys or isinstance(key, str) else 999] = 1

        def restore() -> None:
            owner.clear()
            owner.update(before)

    elif isinstance(owner, list):
        copied = list(owner)
        match choose.randrange(3):
            case 0 if owner:
                owner.pop(choose.randrange(len(owner)))
            case 1 if owner:
                place = choose.randrange(len(owner))
                owner[place] = choose.choice(vary(owner[place]))
            case _:
                owner.insert(0, 1)

        def restore() -> None:
            owner[:] = copied

    elif isinstance(owner, set):
        members = set(owner)
        owner.symmetric_difference_update({choose.choice(list(owner))} if owner else {"x"})

        def restore() -> None:
            owner.clear()
            owner.update(members)

    else:
        name = choose.choice([field.name for field in dataclasses.fields(owner)])
        value = getattr(owner, name)
        object.__setattr__(owner, name, choose.choice(vary(value)))  # also of a frozen record

        def restore() -> None:
            object.__setattr__(owner, name, value)

    return restore
