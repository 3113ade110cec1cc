"""Conditions as text, such as ``fast < slow`` or ``trades >= 30 and max_drawdown > -0.3``.

A condition is a Python expression of names, numbers, texts, arithmetic, comparisons, ``and``, ``or``, ``not`` and
``in``. It is checked when it is read and cannot call anything, so that a condition of a stranger does no harm.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradeexecutor.state.errors import TradeExecutorError

__all__ = ["Condition", "ConditionNotValid", "parse_condition"]

_ALLOWED = (
    ast.Expression,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.UnaryOp,
    ast.Not,
    ast.USub,
    ast.UAdd,
    ast.BinOp,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Mod,
    ast.Compare,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.In,
    ast.NotIn,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.Tuple,
    ast.List,
)


class ConditionNotValid(TradeExecutorError, ValueError):
    """The text is not a condition, or it names something that does not exist."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked condition.

    Attributes
    ----------
    text
        The expression.
    names
        Names that it uses, in alphabetical order.
    """

    text: str
    names: tuple[str, ...]

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether the condition is true for the values by name; False if one that it compares is None.

        Raises
        ------
        ConditionNotValid
            A name has no value, or the values cannot be compared or divided.
        """
        missing = [name for name in self.names if name not in values]
        if missing:
            known = ", ".join(sorted(values))
            raise ConditionNotValid(f"{self.text!r}: there is no {missing[0]!r} (there are: {known})")
        used = {name: values[name] for name in self.names}
        try:
            # The expression was checked by `parse_condition`: it reads names and computes, nothing else.
            return bool(eval(compile(self.text.strip(), "<condition>", "eval"), {"__builtins__": {}}, used))
        except (TypeError, ArithmeticError) as error:
            if None in used.values():
                return False
            raise ConditionNotValid(f"{self.text!r} cannot be computed: {error}") from None


def parse_condition(text: str) -> Condition:
    """Return the condition of a text.

    >>> parse_condition("fast < slow").holds({"fast": 5, "slow": 20})
    True

    Raises
    ------
    ConditionNotValid
        The text is not an expression, or does more than compute and compare.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        raise ConditionNotValid(f"{text!r} is not a condition: write e.g. 'fast < slow'") from None
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise ConditionNotValid(f"{text!r}: {type(node).__name__} is not possible in a condition")
    names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    if not names:
        raise ConditionNotValid(f"{text!r} names nothing to compare")
    return Condition(text.strip(), tuple(names))
