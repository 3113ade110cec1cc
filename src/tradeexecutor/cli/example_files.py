"""Where the example strategies are.

They are in the folder ``examples`` of the repository. A wheel has a copy of it inside the package; an editable
installation reads the repository itself.
"""

import ast
from pathlib import Path

from tradeexecutor.cli.failure import CommandFailed

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "examples", _PACKAGE.parents[1] / "examples")


def find_examples() -> list[Path]:
    """Return the paths of the example strategies, sorted by name; raises `CommandFailed` when there are none."""
    for folder in _FOLDERS:
        strategies = [path for path in sorted(folder.glob("*.py")) if not path.name.startswith("_")]
        if strategies:
            return strategies
    raise CommandFailed(f"the example strategies are missing; looked in {' and '.join(map(str, _FOLDERS))}")


def find_example(name: str) -> Path:
    """Return the path of one example strategy; raises `CommandFailed` when it is missing."""
    for path in find_examples():
        if path.name == name:
            return path
    raise CommandFailed(f"the example strategy {name} is missing")


def get_title(path: Path) -> str:
    """Return the first line of the docstring of a strategy file."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")
