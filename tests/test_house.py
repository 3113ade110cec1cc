"""How the code is built: few positional parameters, booleans by keyword, short functions, short modules.

Imports stand at the head of a module.

What breaks a rule for a reason says so where it stands: functions whose signature existing strategies rely on carry
`contract_signature`, and a long function or module has a comment ``# Longer than ... lines: why`` at its head.
"""

import ast
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.kit.sources import list_modules, parse_module, read_module

MAX_POSITIONAL = 6
MAX_FUNCTION_LINES = 70
MAX_MODULE_LINES = 500


@dataclass(frozen=True)
class Function:
    """One function or method of the package."""

    #: Path of its module below the package.
    module: str
    #: E.g. ``Portfolio.create_trade``.
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    #: Whether it carries `contract_signature`.
    is_contract: bool

    @property
    def positional(self) -> list[ast.arg]:
        """What a caller may give by position."""
        arguments = [*self.node.args.posonlyargs, *self.node.args.args]
        return arguments[1:] if arguments and arguments[0].arg in {"self", "cls"} else arguments

    @property
    def positional_booleans(self) -> list[str]:
        """Names of the parameters that are given True or False, maybe by position."""
        arguments = self.node.args
        defaults = dict(
            zip(
                [argument.arg for argument in reversed([*arguments.posonlyargs, *arguments.args])],
                reversed(arguments.defaults),
                strict=False,
            )
        )
        return [argument.arg for argument in self.positional if _is_boolean(argument, defaults.get(argument.arg))]

    @property
    def lines(self) -> int:
        """How long it is, with its docstring and without its decorators."""
        assert self.node.end_lineno is not None
        return self.node.end_lineno - self.node.lineno + 1


def _is_boolean(argument: ast.arg, default: ast.expr | None) -> bool:
    if isinstance(default, ast.Constant) and isinstance(default.value, bool):
        return True
    return argument.annotation is not None and ast.unparse(argument.annotation) in {"bool", "bool | None"}


def _find_functions(module: str, tree: ast.AST, owner: str = "") -> Iterator[Function]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
            yield Function(module, owner + node.name, node, "contract_signature" in decorators)
            yield from _find_functions(module, node, f"{owner}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from _find_functions(module, node, f"{owner}{node.name}.")
        else:
            yield from _find_functions(module, node, owner)


MODULES = {name: read_module(name) for name in list_modules()}


@functools.cache
def get_functions() -> list[Function]:
    """All functions of the package. Not made at import, because every run that collects tests would wait for it."""
    return [function for module in MODULES for function in _find_functions(module, parse_module(module))]


def says_why(lines: list[str], limit: int) -> bool:
    """Whether one of the lines is a comment that excuses the length."""
    start = f"# Longer than {limit} lines: "
    return any(line.strip().startswith(start) and len(line.strip()) > len(start) for line in lines)


def test_only_signatures_of_the_contract_have_many_positional_parameters():
    assert [
        (f.module, f.name) for f in get_functions() if not f.is_contract and len(f.positional) > MAX_POSITIONAL
    ] == []


def test_a_boolean_is_given_by_keyword():
    offenders = [
        (f.module, f.name, f.positional_booleans)
        for f in get_functions()
        if not f.is_contract and f.positional_booleans
    ]
    assert offenders == []


def test_only_signatures_that_need_it_are_marked_as_contract():
    marked = [f for f in get_functions() if f.is_contract]
    assert {"create_trade", "mark_trade_success", "TradingPosition.open_trade"} <= {f.name for f in marked}
    needless = [f.name for f in marked if len(f.positional) <= MAX_POSITIONAL and not f.positional_booleans]
    assert needless == []


def read_head(function: Function) -> list[str]:
    """Return the lines of a function before its docstring."""
    return MODULES[function.module].splitlines()[function.node.lineno - 1 : function.node.body[0].lineno]


def test_functions_are_short():
    long = [f for f in get_functions() if f.lines > MAX_FUNCTION_LINES]
    assert [(f.module, f.name) for f in long if not says_why(read_head(f), MAX_FUNCTION_LINES)] == []


def read_module_head(text: str) -> list[str]:
    """Return the lines of a module before its imports."""
    return text[: text.find("\nimport ")].splitlines()


def test_modules_are_short():
    long = {module: text for module, text in MODULES.items() if len(text.splitlines()) > MAX_MODULE_LINES}
    assert [module for module, text in long.items() if not says_why(read_module_head(text), MAX_MODULE_LINES)] == []


def test_only_what_is_long_has_an_excuse():
    functions = [
        (f.module, f.name)
        for f in get_functions()
        if f.lines <= MAX_FUNCTION_LINES and says_why(read_head(f), MAX_FUNCTION_LINES)
    ]
    modules = [
        module
        for module, text in MODULES.items()
        if len(text.splitlines()) <= MAX_MODULE_LINES and says_why(read_module_head(text), MAX_MODULE_LINES)
    ]
    assert (functions, modules) == ([], [])


#: Own modules that are imported inside a function, by importing module; those of commands are explained in
#: `tradeexecutor.cli.commands`.
LATE_IMPORTS = {
    # They need web3, which is an extra.
    "cli/chain_options.py": {
        "tradeexecutor.ethereum.chain_file",
        "tradeexecutor.ethereum.hot_wallet",
        "tradeexecutor.ethereum.live",
    },
    # It needs pandas, which loads slowly.
    "cli/exchange_options.py": {"tradeexecutor.backtest.feeds.sources"},
    # They need Starlette, which is an extra.
    "cli/web_options.py": {"tradeexecutor.web.app", "tradeexecutor.web.security"},
    "database/connection.py": {"tradeexecutor.database.postgresql"},  # needs psycopg, which is an extra
    "operations/state_location.py": {"tradeexecutor.operations"},  # .databases needs SQLAlchemy, which loads slowly
}

COMMAND_BODIES = "cli/commands/"


def find_late_imports(tree: ast.AST, *, inside: bool = False) -> Iterator[str]:
    """Modules that are imported inside functions."""
    for node in ast.iter_child_nodes(tree):
        if inside and isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif inside and isinstance(node, ast.ImportFrom):
            yield node.module or ""
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from find_late_imports(node, inside=inside or is_function)


def test_only_libraries_and_what_commands_need_are_imported_inside_functions():
    found: dict[str, set[str]] = {}
    for module in MODULES:
        for name in find_late_imports(parse_module(module)):
            top = name.partition(".")[0]
            assert top not in sys.stdlib_module_names, f"{module}: {name} belongs to the head"
            if top == "tradeexecutor" and not module.startswith(COMMAND_BODIES):
                found.setdefault(module, set()).add(name)
    assert found == LATE_IMPORTS


def find_slow_modules() -> set[str]:
    """Own modules that load a slow library, themselves or through modules that they import."""
    slow = {"numpy", "pandas", "plotly", "pyarrow", "quantstats", "sqlalchemy", "web3"}
    imports = {}
    for module in MODULES:
        name = f"tradeexecutor.{module.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"
        named: list[str] = []
        for node in parse_module(module).body:
            if isinstance(node, ast.Import):
                named += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                named += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        imports[name] = set(named)
    found = {name for name, named in imports.items() if {item.partition(".")[0] for item in named} & slow}
    while more := {name for name, named in imports.items() if name not in found and named & found}:
        found |= more
    return found


def test_a_command_imports_late_only_where_its_imports_are_slow():
    slow = find_slow_modules()
    needless = [
        module
        for module in MODULES
        if module.startswith(COMMAND_BODIES)
        and (own := [name for name in find_late_imports(parse_module(module)) if name.startswith("tradeexecutor.")])
        and not any(name in slow for name in own)
    ]
    assert needless == []


def test_the_rules_see_what_they_forbid():
    text = (
        "def f(a, b, c, d, e, f, g, *, h=False): pass\nclass C:\n    def m(self, a: bool, b=True, *, c=False): pass\n"
    )
    many, method = _find_functions("example.py", ast.parse(text))
    assert len(many.positional) == 7
    assert many.positional_booleans == []
    assert (method.name, method.positional_booleans) == ("C.m", ["a", "b"])
    late = "import a\ndef f():\n    import b\n    if True:\n        from c.d import e\n"
    assert list(find_late_imports(ast.parse(late))) == ["b", "c.d"]
    assert says_why(["# Longer than 70 lines: one case of a table each."], 70)
    assert not says_why(["# Longer than 70 lines: "], 70)
