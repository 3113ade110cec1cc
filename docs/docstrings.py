"""How the docstrings of the sources become pages: an extension of the tool that reads them for the site.

Methods that a class takes from a function of another module (``get_cash = cash.get_cash`` in `Portfolio`) are shown
with the function's signature and docstring. Cross-references, literal blocks and examples, which docstrings write as
Sphinx does, become Markdown. Comments with
``#:`` are the docstrings of fields and constants.
"""

import copy
import linecache
import re
from pathlib import Path
from typing import Any

import griffe

_ROLE = re.compile(r":(?:py:)?(?:mod|class|func|meth|attr|data|exc):`(~?)([\w.]+)`")
_LITERAL = re.compile(r"^( *)(?:(.*\S):|):\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
_EXAMPLE = re.compile(r"^( *)>>> .*\n(?:\1(?=\S).*\n)*", re.MULTILINE)


def to_markdown(text: str) -> str:
    """Return a docstring whose references, literal blocks and examples are Markdown."""
    text = _ROLE.sub(_link, text + "\n")
    text = _LITERAL.sub(_fence_literal, text)
    # Examples in a section of that name are known to the reader of NumPy docstrings.
    head, section, tail = text.partition("Examples\n--------\n")
    return _EXAMPLE.sub(_fence_example, head) + section + tail


def _link(match: re.Match[str]) -> str:
    short, path = match.groups()
    name = path.rpartition(".")[2] if short else path
    return f"[`{name}`][{path}]" if path.startswith("tradeexecutor.") else f"`{name}`"


def _fence_literal(match: re.Match[str]) -> str:
    indent, sentence, block = match.groups()
    opening = f"{indent}{sentence}:\n\n" if sentence else ""
    return f"{opening}{indent}```text\n{block.strip(chr(10))}\n{indent}```\n\n"


def _fence_example(match: re.Match[str]) -> str:
    return f"{match.group(1)}```pycon\n{match.group(0)}{match.group(1)}```\n"


class Docstrings(griffe.Extension):
    """Apply both to everything that was read."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Walk all modules when they are loaded, so that every function can be found."""
        del kwargs
        self._walk(pkg, pkg)

    def _walk(self, parent: griffe.Module | griffe.Class, package: griffe.Module) -> None:
        if parent.docstring is not None:
            parent.docstring.value = to_markdown(parent.docstring.value)
        for name, member in list(parent.members.items()):
            if member.is_alias:
                continue
            if isinstance(member, griffe.Module | griffe.Class):
                self._walk(member, package)
                continue
            if isinstance(parent, griffe.Class) and isinstance(member, griffe.Attribute):
                function = _find_function(member, package)
                if function is not None:
                    method = copy.copy(function)
                    method.name, method.parent = name, parent
                    parent.set_member(name, method)
                    continue
            if member.docstring is None and isinstance(member, griffe.Attribute):
                comment = _find_comment(member)
                member.docstring = griffe.Docstring(comment, parent=member) if comment else None
            if member.docstring is not None:
                member.docstring.value = to_markdown(member.docstring.value)


def _find_comment(attribute: griffe.Attribute) -> str:
    """Return the comment with ``#:`` above an attribute or behind it, the docstring of a field or a constant."""
    if attribute.lineno is None or not isinstance(attribute.filepath, Path):
        return ""
    lines: list[str] = []
    number = attribute.lineno - 1
    while (line := linecache.getline(str(attribute.filepath), number).strip()).startswith("#:"):
        lines.insert(0, line.removeprefix("#:").strip())
        number -= 1
    behind = linecache.getline(str(attribute.filepath), attribute.lineno).partition("#:")[2].strip()
    return " ".join([*lines, behind]).strip()


def _find_function(attribute: griffe.Attribute, package: griffe.Module) -> griffe.Function | None:
    value = attribute.value
    if not isinstance(value, griffe.ExprAttribute | griffe.ExprName):
        return None
    try:
        target: Any = package[value.canonical_path.removeprefix(f"{package.path}.")]
        target = target.final_target if target.is_alias else target
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None
    return target if isinstance(target, griffe.Function) else None
