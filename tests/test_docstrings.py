"""Docstrings say what a caller has to know: which errors are raised, and in which unit a number is."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kit.sources import list_modules, parse_module, read_module

#: The command line prints its errors, and its functions are described by their help.
MODULES = [name for name in list_modules() if "cli" not in name.split("/")]

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Words that name a unit, or a quantity that has only one. The verb "Return" is none.
UNIT = re.compile(
    r"USD|\b(fractions?|ratios?|seconds?|minutes?|hours|days|years?|cycles|tokens?|units?|wei|gwei|prices?|number|count|"
    r"leverage|factor|score|probability|deviation|slippage|bytes|pixels|characters|returns?|growth|wealth|beta|"
    r"skewness|kurtosis|brightness|decimals|percentage)\b|\d\.\d"
)


@dataclass(frozen=True)
class PublicFunction:
    """A public function or method, and everything that documents it."""

    where: str
    node: Function
    text: str


def parse_all() -> dict[str, ast.Module]:
    return {name: parse_module(name) for name in MODULES}


def find_classes(trees: dict[str, ast.Module]) -> dict[str, tuple[ast.ClassDef, list[str]]]:
    """Return the classes by name, with the names of their bases."""
    return {
        node.name: (node, [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases])
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


class Source:
    """The functions and errors of some modules."""

    def __init__(self, trees: dict[str, ast.Module]):
        self.trees = trees
        self.classes = find_classes(trees)

    def get_bases(self, name: str, seen: tuple[str, ...] = ()) -> Iterator[str]:
        for base in self.classes.get(name, (None, []))[1]:
            if base not in seen:
                yield base
                yield from self.get_bases(base, (*seen, base))

    def is_own_error(self, name: str) -> bool:
        return "TradeExecutorError" in self.get_bases(name)

    def iterate_functions(self) -> Iterator[PublicFunction]:
        for path, tree in self.trees.items():
            yield from self._iterate(path, tree.body, None)

    def _iterate(self, path: str, body: list[ast.stmt], owner: ast.ClassDef | None) -> Iterator[PublicFunction]:
        for node in body:
            if isinstance(node, ast.ClassDef) and node.name[0] != "_":
                yield from self._iterate(path, node.body, node)
            elif isinstance(node, Function) and node.name[0] != "_":
                yield PublicFunction(f"{path}:{node.lineno} {node.name}", node, self._get_text(node, owner))

    def _get_text(self, node: Function, owner: ast.ClassDef | None) -> str:
        """Return the docstrings of a function, of its class, and of the methods that it overrides."""
        texts = [ast.get_docstring(node)]
        if owner is not None:
            texts.append(ast.get_docstring(owner))
            for base in self.get_bases(owner.name):
                inherited = self.classes.get(base, (None, []))[0]
                members = inherited.body if inherited is not None else []
                texts += [
                    ast.get_docstring(one) for one in members if isinstance(one, Function) and one.name == node.name
                ]
        return "\n".join(filter(None, texts))

    def find_unnamed_errors(self, function: PublicFunction) -> list[str]:
        """Return the errors of ours that a function raises itself and that no docstring names, nor a base of them."""
        unnamed: list[str] = []
        for name in dict.fromkeys(_find_raised(function.node)):
            if self.is_own_error(name):
                known = [name, *(base for base in self.get_bases(name) if base != "TradeExecutorError")]
                if not any(re.search(rf"\b{word}\b", function.text) for word in known):
                    unnamed.append(name)
        return unnamed


def _find_raised(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and child.exc is not None:
            error = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            if isinstance(error, ast.Name):
                yield error.id
        yield from _find_raised(child)


def returns_a_number(node: Function) -> bool:
    """Return True if a function returns a plain float or Decimal, whose type does not tell the unit."""
    if node.returns is None:
        return False
    names = {one.id for one in ast.walk(node.returns) if isinstance(one, ast.Name)}
    return bool(names) and names <= {"float", "Decimal", "None"} and names != {"None"}


def is_documented_elsewhere(node: Function) -> bool:
    """Return True for variants of a signature, and for the body-less members of protocols."""
    decorators = {ast.unparse(one) for one in node.decorator_list}
    is_empty = len(node.body) == 1 and ast.unparse(node.body[0]) == "..."
    return "overload" in decorators or any(one.endswith(".setter") for one in decorators) or is_empty


@pytest.fixture(scope="module")
def source() -> Source:
    return Source(parse_all())


def test_every_public_function_has_a_docstring(source: Source):
    functions = [one for one in source.iterate_functions() if not is_documented_elsewhere(one.node)]
    assert len(functions) > 2_000
    assert [one.where for one in functions if not one.text] == []


def test_every_public_name_has_a_docstring_of_its_own(source: Source):
    """Functions and classes; a number has a comment with ``#:``, which is the docstring of a constant."""
    functions = [one for one in source.iterate_functions() if not is_documented_elsewhere(one.node)]
    assert [one.where for one in functions if ast.get_docstring(one.node) is None] == []
    assert [name for name, (node, _) in source.classes.items() if name[0] != "_" and not ast.get_docstring(node)] == []
    assert [name for path in MODULES for name in find_bare_numbers(parse_module(path), read_module(path))] == []


def find_bare_numbers(tree: ast.Module, text: str) -> Iterator[str]:
    """Yield the public numbers of a module that have no comment with ``#:``, above or behind."""
    lines = text.splitlines()
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Constant):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        is_number = isinstance(node.value.value, int | float)
        if is_number and isinstance(target, ast.Name) and target.id[0] != "_":
            above = lines[node.lineno - 2] if node.lineno > 1 else ""
            if "#:" not in lines[node.lineno - 1] and not above.startswith("#:"):
                yield target.id


def test_every_error_that_a_function_raises_is_named(source: Source):
    found = {one.where: source.find_unnamed_errors(one) for one in source.iterate_functions()}
    assert {where: names for where, names in found.items() if names} == {}


def test_every_number_has_a_unit(source: Source):
    functions = [one for one in source.iterate_functions() if not is_documented_elsewhere(one.node)]
    numbers = [one for one in functions if returns_a_number(one.node)]
    assert len(numbers) > 100
    assert [one.where for one in numbers if not UNIT.search(one.text)] == []


def test_the_rules_see_what_they_forbid():
    text = '''
class TradeExecutorError(Exception):
    pass

class Wrong(TradeExecutorError):
    pass

class Worse(Wrong):
    pass

def silent(x):
    """Return it."""
    if x:
        raise Worse("no")

def general(x):
    """Return it; raises `Wrong`."""
    raise Worse("no")

def hidden(x) -> float:
    """Return it."""
    def inner():
        raise Worse("not this one")
    return 1.0

def bare(x):
    pass
'''
    source = Source({"example.py": ast.parse(text)})
    functions = {one.node.name: one for one in source.iterate_functions()}
    assert source.find_unnamed_errors(functions["silent"]) == ["Worse"]
    assert source.find_unnamed_errors(functions["general"]) == []
    assert source.find_unnamed_errors(functions["hidden"]) == []
    assert returns_a_number(functions["hidden"].node)
    assert not UNIT.search(functions["hidden"].text)
    assert functions["bare"].text == ""
    constants = "A = 1\n#: Seconds.\nB = 2\nC = 3  #: USD.\n_D = 4\nE = 'text'\n"
    assert list(find_bare_numbers(ast.parse(constants), constants)) == ["A"]
