"""Parsing the texts of options: durations, fractions, parameters."""

import ast
import datetime
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer

from tradeexecutor.cli.failure import CommandFailed

__all__ = ["TIME_FORMATS", "parse_duration", "parse_fraction", "parse_parameters", "read_option"]

T = TypeVar("T")

#: How dates and times are written.
TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]

_UNITS = {
    "ms": datetime.timedelta(milliseconds=1),
    "s": datetime.timedelta(seconds=1),
    "m": datetime.timedelta(minutes=1),
    "min": datetime.timedelta(minutes=1),
    "h": datetime.timedelta(hours=1),
    "d": datetime.timedelta(days=1),
}

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d+))?"


def parse_duration(text: str) -> datetime.timedelta:
    """Return the duration of e.g. ``30s``, ``5m``, ``1.5h``, ``2d``, or ``0``; raises ``typer.BadParameter``.

    >>> str(parse_duration("1.5h"))
    '1:30:00'
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)", text.strip())
    if found and found[2] == "M":
        raise typer.BadParameter(f"{text!r} can be months or minutes: write 5min for minutes and 30d for a month")
    unit = _UNITS.get(found[2].lower()) if found else None
    if found and not found[2] and not float(found[1]):
        return datetime.timedelta(0)
    if found is None or unit is None:
        raise typer.BadParameter(f"{text!r} is not a time: write 30s, 5m, 1h or 2d")
    try:
        return float(found[1]) * unit
    except OverflowError:
        raise typer.BadParameter(f"{text} is too long") from None


def parse_fraction(text: str) -> float:
    """Return a fraction, given as ``0.001`` or ``0.1%``; raises ``typer.BadParameter``.

    >>> parse_fraction("0.001"), parse_fraction("0.1 %")
    (0.001, 0.001)
    """
    found = re.fullmatch(rf"({_NUMBER})\s*(%?)", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a fraction: write 0.001 or 0.1%")
    return float(found[1]) / (100 if found[4] else 1)


def read_option(option: str, parse: Callable[[str], T], text: str) -> T:
    """Return the parsed text of an option; raises ``typer.BadParameter`` that names the option."""
    try:
        return parse(text)
    except typer.BadParameter as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def parse_parameters(assignments: Iterable[str]) -> dict[str, Any]:
    """Return ``NAME=VALUE`` settings by name; a value that is not a Python literal is a text.

    >>> parse_parameters(["fast=10", "pairs=('a', 'b')", "mode=quick"])
    {'fast': 10, 'pairs': ('a', 'b'), 'mode': 'quick'}

    Raises
    ------
    CommandFailed
        The ``=`` or the name is missing.
    """
    result: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip().isidentifier():
            raise CommandFailed(f"--set {assignment}: write NAME=VALUE, e.g. --set fast=10")
        try:
            result[name.strip()] = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            result[name.strip()] = text.strip()
    return result
