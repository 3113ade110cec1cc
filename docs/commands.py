"""Write docs/commands.md, the reference of all commands: `python docs/commands.py`, or `make docs-commands`.

Everything on the page is read from the table of commands and from the signature and the docstring of each command, so
that it says what `--help` says.
"""

import datetime
import enum
import importlib
import inspect
import itertools
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, OptionInfo

from tradeexecutor.cli import failure, main
from tradeexecutor.cli.command_table import COMMANDS, KEEP, STORE_COMMANDS
from tradeexecutor.cli.environment import find_variable
from tradeexecutor.cli.lazy_commands import CommandEntry

PAGE = Path(__file__).resolve().with_name("commands.md")

_HEAD = """# Commands

Written by `make docs-commands` from the code of the commands: do not edit this page. `tradeexecutor COMMAND --help`
says the same in the terminal. What to do when something went wrong is in [operations.md](operations.md).

Options stand in any order, before or after the arguments. Each of them can also be in the environment variable that the
table names; the command line is stronger. A state is a file, or a strategy in a database such as
`sqlite:///trading.db#my-strategy`, see [stores.md](stores.md).
"""

_WHAT_IS_COMMON = """## Exit codes

{codes}

Errors are one line on standard error; results are on standard output, with `--json` as one JSON document.

## Global options

`--debug` stands before or after the command, `--version` alone.

{options}
"""

_DEFAULT_EXIT_CODE = "0 when it was done, 1 when it could not be done."
_EXIT_SENTENCE = re.compile(r"\s*The exit code (?:is )?(.*?\.)(?=\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """An argument or option of a command.

    Attributes
    ----------
    names
        As the user types them; of an argument its name on the page.
    default
        Empty where there is nothing to say.
    variable
        Environment variable; empty without one.
    """

    names: str
    text: str
    default: str
    is_option: bool
    is_required: bool
    variable: str


def render() -> str:
    """Return the page."""
    parts = [_HEAD, _WHAT_IS_COMMON.format(codes=_render_exit_codes(), options=_render_global_options())]
    for panel, entries in itertools.groupby(COMMANDS, lambda entry: entry.panel):
        parts.append(f"## {panel}\n")
        parts += [_render_command(entry, f"tradeexecutor {entry.name}") for entry in entries]
        if panel == KEEP:
            parts += [_render_command(entry, f"tradeexecutor store {entry.name}") for entry in STORE_COMMANDS]
    return "\n".join(parts)


def _render_exit_codes() -> str:
    found = re.findall(r"^(\d+)\s+(.+(?:\n {2,}.+)*)$", failure.__doc__ or "", re.MULTILINE)
    return _render_table(("Code", "Meaning"), [(code, " ".join(text.split())) for code, text in found])


def _render_global_options() -> str:
    options = [item for item in read_parameters(main.set_global_options) if item.is_option]
    rows = [(item.names, item.text, item.variable) for item in options]
    return _render_table(("Option", "What it does", "Variable"), rows)


def _render_command(entry: CommandEntry, command: str) -> str:
    function = entry.load_function()
    help_text, exit_code = _split_help(inspect.getdoc(function) or "")
    parameters = read_parameters(function, entry.name)
    arguments = [item for item in parameters if not item.is_option]
    options = [item for item in parameters if item.is_option]
    required = [item.names.replace("`", "") for item in options if item.is_required]
    usage = " ".join([command, *required, *(["[OPTIONS]"] if options else []), *map(_describe_usage, arguments)])
    parts = [f"### {command.removeprefix('tradeexecutor ')}\n", f"{help_text}\n", f"```\n{usage}\n```\n"]
    if arguments:
        parts.append(_render_table(("Argument", "What it is"), [(item.names, item.text) for item in arguments]) + "\n")
    if options:
        rows = [
            (item.names, item.text, "required" if item.is_required else item.default, item.variable) for item in options
        ]
        parts.append(_render_table(("Option", "What it does", "Default", "Variable"), rows) + "\n")
    parts.append(f"Exit code: {exit_code}\n")
    examples: tuple[str, ...] = importlib.import_module(entry.module).EXAMPLES
    parts.append("```console\n" + "\n".join(f"$ {example}" for example in examples) + "\n```\n")
    return "\n".join(parts)


def _split_help(text: str) -> tuple[str, str]:
    """Return a docstring as Markdown, and what it says of the exit code."""
    found = _EXIT_SENTENCE.search(text)
    exit_code = _DEFAULT_EXIT_CODE if found is None else " ".join(found[1].split())
    text = _EXIT_SENTENCE.sub("", text).replace("\\[", "[")
    return re.sub(r"\n{3,}", "\n\n", text).strip(), exit_code


def _describe_usage(argument: Parameter) -> str:
    name = argument.names.strip("`")
    return name if argument.is_required else f"[{name}]"


def _render_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def read_parameters(function: Callable[..., Any], command: str = "") -> list[Parameter]:
    """Return the arguments and options of a command, in their order; without a name they are the global ones."""
    return list(_iterate_parameters(function, command))


def _iterate_parameters(function: Callable[..., Any], command: str) -> Iterator[Parameter]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = typing.get_args(hints[name])
        is_required = parameter.default is inspect.Parameter.empty
        if isinstance(info, ArgumentInfo):
            shown = info.metavar or name.upper()
            variable = "" if typing.get_origin(kind) is list else f"`{find_variable(name, command)}`"
            text = _finish(info.help) + _describe_default_of_argument(info)
            text += f" Environment variable {variable}." if variable else ""
            yield Parameter(f"`{shown}`", text, "", is_option=False, is_required=is_required, variable=variable)
        else:
            assert isinstance(info, OptionInfo)
            names = _list_names(name, info)
            shown = ", ".join(f"`{item}`" for item in names)
            default = "" if is_required else _describe_default(parameter.default, info)
            (first,) = [item for item in names if item.startswith("--")][:1]
            # A global option is in the environment only where its code says so.
            variable = info.envvar or (find_variable(first.partition("/")[0], command) if command else "")
            yield Parameter(
                f"{shown}{_describe_value(kind, info)}",
                _finish(info.help),
                default,
                is_option=True,
                is_required=is_required,
                variable=f"`{variable}`" if variable else "",
            )


def _list_names(name: str, info: OptionInfo) -> list[str]:
    """Return what the user types for an option; typer keeps the first name of an annotation as its default."""
    first = [info.default] if isinstance(info.default, str) else []
    return [*first, *(info.param_decls or ())] or [f"--{name.strip('_').replace('_', '-')}"]


def _finish(text: str | None) -> str:
    """Return the text of an option as a sentence."""
    return (text or "").replace("\\[", "[").rstrip(".") + "."


def _describe_default_of_argument(info: ArgumentInfo) -> str:
    return f" Default: {info.show_default}." if isinstance(info.show_default, str) else ""


def _describe_default(default: object, info: OptionInfo) -> str:
    if isinstance(info.show_default, str):
        return info.show_default
    if default is None or default is False or default == "":
        return ""
    return f"`{default.value if isinstance(default, enum.Enum) else default}`"


def _describe_value(hint: Any, info: OptionInfo) -> str:
    """Return what stands behind an option, in the form of the names: the choices, or a word for the value."""
    kind = _strip(hint)
    if kind is bool:
        return ""
    choices = _list_choices(kind)
    if choices:
        return " " + " / ".join(f"`{choice}`" for choice in choices)
    words = {int: "N", float: "NUMBER", Path: "PATH", datetime.datetime: "TIME"}
    return f" `{info.metavar or words.get(kind, 'TEXT')}`"


def _strip(hint: Any) -> Any:
    """Return the type of one value: without None and list."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        (hint,) = (item for item in typing.get_args(hint) if item is not type(None))
    return typing.get_args(hint)[0] if typing.get_origin(hint) is list else hint


def _list_choices(kind: Any) -> list[str]:
    if typing.get_origin(kind) is typing.Literal:
        return [str(choice) for choice in typing.get_args(kind)]
    return [str(member.value) for member in kind] if isinstance(kind, type) and issubclass(kind, enum.Enum) else []


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
