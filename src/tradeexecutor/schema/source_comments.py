"""What the source says about a field or an enum member.

That is its ``#:`` comment, or its entry in the section "Attributes" of the docstring, and the unit that its annotation
names. Python keeps neither at run time. The annotation ``USDollarAmount`` is the class ``float`` there, and a comment
is gone.
"""

import ast
import functools
import inspect
import re
from dataclasses import dataclass
from pathlib import Path

from tradeexecutor.state.types import UNITS

__all__ = ["FieldSource", "get_summary", "read_field_sources"]

_ROLE = re.compile(r":[a-z]+:`~?\.?([^`]*)`")
_COMMENT = "#:"
#: Words of Python, and what JSON calls them.
_IN_JSON = {"None": "null", "True": "true", "False": "false"}
_PYTHON_WORD = re.compile(rf"\b({'|'.join(_IN_JSON)})\b")


@dataclass(frozen=True, slots=True)
class FieldSource:
    """What the source says about one field.

    Attributes
    ----------
    comment
        Text of the comment above the field, or of its entry in the docstring; empty without one.
    unit
        Unit of the number or text, from `UNITS`; None if the annotation names none.
    """

    comment: str
    unit: str | None


def read_field_sources(cls: type) -> dict[str, FieldSource]:
    """Return what the source says about the attributes of a class and of its bases, by name.

    A class without source, such as one made at run time, contributes nothing.
    """
    result: dict[str, FieldSource] = {}
    for base in reversed(cls.__mro__):
        result.update(_read_own(base))
    return result


def get_summary(cls: type) -> str:
    """Return the docstring of a class as plain text, without the list of errors; empty without a docstring."""
    docstring = inspect.cleandoc(cls.__doc__ or "")
    return clean(re.split(r"\n\n(?:Raises|Attributes|Parameters|Examples)\n-+\n", docstring)[0])


def clean(text: str) -> str:
    """Return a text without the marks of reStructuredText, with the words of JSON, each paragraph on one line."""
    paragraphs = re.split(r"\n\s*\n", text)
    joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    named = _ROLE.sub(lambda found: found[1].rpartition(".")[2], joined).replace("``", "`").strip()
    return _PYTHON_WORD.sub(lambda found: _IN_JSON[found[1]], named)


@functools.cache
def _read_own(cls: type) -> dict[str, FieldSource]:
    try:
        path = inspect.getsourcefile(cls)
    except (OSError, TypeError):  # built-in
        return {}
    # Our own source only: `object` and `Enum` have nothing to say about a field.
    if path is None or not cls.__module__.startswith("tradeexecutor."):
        return {}
    text = _read(Path(path))
    names = cls.__qualname__.split(".")
    body: list[ast.stmt] = _parse(text).body
    for name in names:
        found = [node for node in _walk_classes(body) if node.name == name]
        if not found:
            return {}
        body = found[-1].body
    lines = text.splitlines()
    entries = read_attributes(cls.__dict__.get("__doc__") or "")
    return {name: _describe(node, lines, entries.get(name, "")) for node in body for name in _get_names(node)}


def read_attributes(docstring: str) -> dict[str, str]:
    """Return the texts of the section "Attributes" of a NumPy docstring by name; one entry may have several names."""
    section = re.search(
        r"^Attributes\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", inspect.cleandoc(docstring), re.DOTALL | re.MULTILINE
    )
    entries = re.findall(r"^(\S.*)\n((?:(?:[ \t].*)?\n?)*)", section[1], re.MULTILINE) if section else []
    return {name.strip(): clean(inspect.cleandoc(text)) for names, text in entries for name in names.split(",")}


@functools.cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def _parse(text: str) -> ast.Module:
    return ast.parse(text)


def _walk_classes(body: list[ast.stmt]) -> list[ast.ClassDef]:
    """Return the classes of a body, including those in the branches of an ``if``."""
    found: list[ast.ClassDef] = []
    for node in body:
        if isinstance(node, ast.ClassDef):
            found.append(node)
        elif isinstance(node, ast.If):
            found += _walk_classes(node.body) + _walk_classes(node.orelse)
    return found


def _get_names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _describe(node: ast.stmt, lines: list[str], entry: str) -> FieldSource:
    above = node.lineno - 2
    comment: list[str] = []
    while above >= 0 and lines[above].strip().startswith(_COMMENT):
        comment.insert(0, lines[above].strip().removeprefix(_COMMENT))
        above -= 1
    unit = None
    if isinstance(node, ast.AnnAssign):
        named = [name.id for name in ast.walk(node.annotation) if isinstance(name, ast.Name) and name.id in UNITS]
        unit = UNITS[named[0]] if named else None
    return FieldSource(clean("\n".join(comment)) or entry, unit)
