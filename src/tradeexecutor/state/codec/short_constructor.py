"""Constructors that take only some fields of a record, for records that are made for every trade.

The constructor of a data class with 75 fields takes most of its time for the values that nobody passes. A short
constructor sets them to their defaults, checks the values that it was given like the constructor of the class, and
takes half of the time.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tradeexecutor.accounting.values import require_bounded
from tradeexecutor.state.codec.bounds import find_decimal_fields, refuse_values
from tradeexecutor.state.codec.generated_code import compile_function

T = TypeVar("T")

#: Factories of defaults, and the expression that does the same faster.
_LITERALS: dict[Any, str] = {list: "[]", dict: "{}"}


def make_short_constructor(
    cls: type[T],
    names: Sequence[str],
    error: Callable[[str], Exception],
    *,
    checks_values: bool = True,
    checks_rules: bool = True,
) -> Callable[..., T]:
    """Return a function that makes a record from the values of the named fields, passed by position in this order.

    It does what the constructor and `__post_init__` of the class do: it checks the Decimals among the values and calls
    ``check_rules`` if the class has it. The class must not do more than that in `__post_init__`, and none of the named
    fields can be free data.

    Parameters
    ----------
    error
        Raised by the function if a value is out of bounds.
    checks_values
        Whether to check the Decimals; not if the caller does.
    checks_rules
        Whether to call ``check_rules``; not if no values of the named fields can break a rule, or if the caller does.
    """
    slots: dict[str, str] = getattr(cls, "slot_names", {})
    namespace: dict[str, Any] = {"cls": cls, "new": object.__new__, "bounded": require_bounded}
    namespace |= {"refuse_values": refuse_values, "error": error}
    lines = [f"def make({', '.join(names)}):", "    o = new(cls)"]
    is_frozen = cls.__setattr__ is not object.__setattr__
    for field in dataclasses.fields(cls):  # pyright: ignore[reportArgumentType]  # every caller passes a data class
        slot, value = slots.get(field.name, field.name), _get_value(field, names, namespace)
        if is_frozen:
            namespace[f"set_{slot}"] = getattr(cls, slot).__set__
        lines.append(f"    set_{slot}(o, {value})" if is_frozen else f"    o.{slot} = {value}")
    wrong = [
        f"({name} is not None and not bounded({name}).is_finite())"
        for name in find_decimal_fields(cls)
        if name in names
    ]
    if wrong and checks_values:
        lines += [
            "    try:",
            f"        is_wrong = {' or '.join(wrong)}",
            "    except (ArithmeticError, TypeError):",
            "        is_wrong = True",
            "    if is_wrong:",
            "        refuse_values(o, error)",
        ]
    if checks_rules and hasattr(cls, "check_rules"):
        lines.append("    o.check_rules()")
    lines.append("    return o")
    return compile_function("make", "\n".join(lines), namespace, f"short constructor of {cls.__qualname__}")


def _get_value(field: "dataclasses.Field[Any]", names: Sequence[str], namespace: dict[str, Any]) -> str:
    """Return the expression of the value of a field; adds to the namespace what the expression needs."""
    if field.name in names:
        return field.name
    if field.default is None or field.default is False:
        return str(field.default)
    factory = field.default_factory
    if factory in _LITERALS:
        return _LITERALS[factory]
    name = f"default_of_{field.name}"
    if factory is dataclasses.MISSING:
        namespace[name] = field.default
        return name
    namespace[name] = factory
    return f"{name}()"
