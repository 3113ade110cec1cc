"""Build the documentation as a site: copy the pages to build/, add a page for each module, and run Zensical.

    make docs

A name has one page, that of the module that defines it; packages that re-export names have none. The pages of the
commands and of the JSON are written by `commands.py` and `make schema` and lie beside the others.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
REPOSITORY = DOCS.parent
PACKAGE = REPOSITORY / "src" / "tradeexecutor"
BUILD = REPOSITORY / "build"

#: Rooms of the house in the order in which a reader needs them, without those that nobody imports from.
ROOMS = tuple(
    "state accounting ledger analysis statistics visual report strategy execution backtest research ethereum "
    "operations database schema web testing".split()
)


def find_public_names(module: Path) -> set[str]:
    """Return the public names that a module defines itself: those of `__all__`, or all without an underscore."""
    exported: set[str] | None = None
    defined: set[str] = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names = [target.id for target in _get_targets(node) if isinstance(target, ast.Name)]
            defined.update(names)
            if names == ["__all__"] and node.value is not None:
                exported = set(ast.literal_eval(node.value))
    return {name for name in defined if name[0] != "_"} if exported is None else exported & defined


def _get_targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def find_modules(room: str) -> Iterator[str]:
    """Yield the dotted names of the packages and modules of a room that have something to say."""
    for path in sorted((PACKAGE / room).rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__":
            if path.read_text(encoding="utf-8").strip():
                yield ".".join(parts[:-1])
        elif find_public_names(path):
            yield ".".join(parts)


def write_reference(folder: Path) -> str:
    """Write the page of each module, and return the lines of the navigation."""
    lines: list[str] = []
    for room in ROOMS:
        lines.append(f'    {{ "{room}" = [')
        for module in find_modules(room):
            name = f"tradeexecutor.{module}"
            page = f"::: {name}\n    options:\n      heading_level: 1\n"
            source = PACKAGE / module.replace(".", "/") / "__init__.py"
            if source.exists() and not find_public_names(source):
                page += "      members: false\n"  # A door: each name has its page where it is defined.
            (folder / f"{module}.md").write_text(page, encoding="utf-8")
            title = module.removeprefix(f"{room}.") if module != room else "overview"
            lines.append(f'      {{ "{title}" = "{folder.name}/{module}.md" }},')
        lines.append("    ] },")
    return "\n".join(lines) + "\n"


def build() -> int:
    """Build the site, and return the exit code: 1 for a dead link or a name that does not exist."""
    pages = BUILD / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.py", "*.toml", "__pycache__"))
    reference = pages / "python"
    reference.mkdir()
    lines = write_reference(reference)
    settings = (DOCS / "site.toml").read_text(encoding="utf-8")
    (BUILD / "zensical.toml").write_text(re.sub(r" *# PYTHON\n", lambda _: lines, settings), encoding="utf-8")
    command = [Path(sys.executable).parent / "zensical", "build", "--strict", "--config-file", "zensical.toml"]
    return subprocess.run(command, cwd=BUILD, check=False).returncode


if __name__ == "__main__":
    sys.exit(build())
