"""Who imports whom inside the package: there is no circle, neither at run time nor in annotations."""

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tradeexecutor

ROOT = Path(tradeexecutor.__file__).parent.parent


def find_modules() -> dict[str, Path]:
    """Dotted name -> file, for every module of the package."""
    names = {}
    for path in sorted((ROOT / "tradeexecutor").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts).removesuffix(".__init__")] = path
    return names


MODULES = find_modules()


def iterate_imported_names(tree: ast.AST, modules: Collection[str]) -> Iterator[str]:
    """Every import of a module, those for type checking and those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                # A name in a package is a module of it, or something that its door has.
                module = f"{node.module}.{alias.name}"
                yield module if module in modules else str(node.module)


def make_graph(modules: dict[str, str]) -> dict[str, set[str]]:
    """Module -> modules that it imports, from the source text of each."""
    return {
        name: {other for other in iterate_imported_names(ast.parse(text), modules) if other in modules} - {name}
        for name, text in modules.items()
    }


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules each of which imports the next, the last one again the first; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_module_imports_itself_in_a_circle():
    graph = make_graph({name: path.read_text() for name, path in MODULES.items()})
    assert sum(map(len, graph.values())) > 1000, "the imports were not found"
    assert find_circle(graph) == []


@pytest.mark.parametrize(
    "imports",
    [
        "from tradeexecutor.state import state",
        "import tradeexecutor.state",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tradeexecutor.state import State",
        "def load():\n    from tradeexecutor.state import State",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(imports: str):
    graph = make_graph({"tradeexecutor.state": "import tradeexecutor.store", "tradeexecutor.store": imports})
    assert set(find_circle(graph)) == {"tradeexecutor.state", "tradeexecutor.store"}
