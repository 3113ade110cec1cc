"""Reading the texts that options are given: lengths of time and fractions."""

import datetime
import re
from collections.abc import Callable
from typing import TypeVar

import typer

__all__ = ["parse_duration", "parse_fraction", "read_option"]

T = TypeVar("T")

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
    """Read e.g. ``30s``, ``5m``, ``1.5h``, ``2d``, or ``0``; raises ``typer.BadParameter``.

    >>> str(parse_duration("1.5h"))
    '1:30:00'
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)", text.strip().lower())
    unit = _UNITS.get(found[2]) if found else None
    if found and not found[2] and not float(found[1]):
        return datetime.timedelta(0)
    if found is None or unit is None:
        raise typer.BadParameter(f"{text!r} is no time: write 30s, 5m, 1h or 2d")
    try:
        return float(found[1]) * unit
    except OverflowError:
        raise typer.BadParameter(f"{text} is too long") from None


def parse_fraction(text: str) -> float:
    """Read a fraction, ``0.001`` or ``0.1%``; raises ``typer.BadParameter``.

    >>> parse_fraction("0.001"), parse_fraction("0.1 %")
    (0.001, 0.001)
    """
    found = re.fullmatch(rf"({_NUMBER})\s*(%?)", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no fraction: write 0.001 or 0.1%")
    return float(found[1]) / (100 if found[4] else 1)


def read_option(option: str, parse: Callable[[str], T], text: str) -> T:
    """Read the text of an option; an error names the option."""
    try:
        return parse(text)
    except typer.BadParameter as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
