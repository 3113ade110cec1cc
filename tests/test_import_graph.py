"""Who imports whom inside the package: there is no circle, neither at run time nor in annotations."""

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.kit.sources import list_modules, parse_module


def get_dotted_name(module: str) -> str:
    """``state/state.py`` -> ``tradeexecutor.state.state``."""
    return f"tradeexecutor.{module.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")


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


def make_graph(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Module -> modules that it imports, from the tree of each."""
    return {
        name: {other for other in iterate_imported_names(tree, modules) if other in modules} - {name}
        for name, tree in modules.items()
    }


def find_circle(graph: dict[str, set[str]]) -> list[str]:
    """Modules each of which imports the next, the last one again the first; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_module_imports_itself_in_a_circle():
    graph = make_graph({get_dotted_name(module): parse_module(module) for module in list_modules()})
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
    sources = {"tradeexecutor.state": "import tradeexecutor.store", "tradeexecutor.store": imports}
    graph = make_graph({name: ast.parse(text) for name, text in sources.items()})
    assert set(find_circle(graph)) == {"tradeexecutor.state", "tradeexecutor.store"}
