"""Commands whose modules are imported when they run, so that ``--help`` and shell completion answer at once.

A group has the name of each command, one line of help and its module, which is enough for the help of the group. The
module is imported when the command runs, or when the user asks for the help of the command.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tradeexecutor.cli.environment import find_variable, is_of_deployments
from tradeexecutor.cli.failure import accept_debug, guard_streams, report_failures, show_usage_errors

__all__ = ["CommandEntry", "LazyCommand", "make_lazy_group"]


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command in the list of a group.

    Attributes
    ----------
    name
        Name on the command line.
    help
        One line for the list of commands: the first line of the command's own help.
    module
        Name of the module with its function, and with command lines in ``EXAMPLES``.
    panel
        Heading of its list; empty for a group with a single list.
    function
        Name of the function; empty if it is `name` with ``_`` for ``-``.
    """

    name: str
    help: str
    module: str
    panel: str = ""
    function: str = ""

    def load_function(self) -> Callable[..., Any]:
        """Import the module of the command, and return its function."""
        function: Callable[..., Any] = getattr(
            importlib.import_module(self.module), self.function or self.name.replace("-", "_")
        )
        return function


class _FlagsWithoutType:
    """Part of commands and groups: their help shows ``--json``, not ``--json <bool>``, which looks like a value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters."""
        params: list[Any] = super().get_params(ctx)  # pyright: ignore[reportAttributeAccessIssue]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class _Command(_FlagsWithoutType, TyperCommand):
    """A command with its options."""


class LazyCommand(TyperCommand):
    """A command without its options, as its group lists it."""

    def __init__(self, entry: CommandEntry):
        super().__init__(entry.name, help=entry.help, rich_help_panel=entry.panel or None)
        self.entry = entry

    def load(self) -> TyperCommand:
        """Import the module of the command, and return the command with its options."""
        entry = self.entry
        function = entry.load_function()
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        examples = importlib.import_module(entry.module).EXAMPLES
        app.command(entry.name, cls=_Command, epilog=_make_epilog(examples))(accept_debug(report_failures(function)))
        command = get_command(app)
        assert isinstance(command, TyperCommand)
        for parameter in command.params:
            _read_environment(parameter, entry.name)
        return command


def _read_environment(parameter: Any, command: str) -> None:
    """Let an option or argument that the command line lacks be in an environment variable."""
    is_option = parameter.param_type_name == "option"
    if parameter.envvar is not None or parameter.nargs != 1 or (not is_option and parameter.multiple):
        return
    names = [name for name in parameter.opts if name.startswith("--")]
    if is_option and not names:
        return
    parameter.envvar = find_variable(names[0] if is_option else parameter.name, command)
    # With all of them the help of a command would be twice as long; docs/commands.md lists the rest.
    parameter.show_envvar = is_of_deployments(parameter.envvar)


def _make_epilog(examples: tuple[str, ...]) -> str:
    lines = "\n\n".join(f"$ {example}".replace("[", r"\[") for example in examples)
    return f"Examples:\n\n{lines}"


def make_lazy_group(*entries: CommandEntry) -> type[TyperGroup]:
    """Return the class of a group with these commands, in this order: ``typer.Typer(cls=make_lazy_group(...))``."""

    class LazyGroup(_FlagsWithoutType, TyperGroup):
        def __init__(self, **attributes: Any):
            super().__init__(**attributes)
            # Commands and groups that are registered with typer itself come last.
            self.commands = {entry.name: LazyCommand(entry) for entry in entries} | dict(self.commands)

        def main(self, *arguments: Any, **keywords: Any) -> Any:
            with guard_streams():
                return super().main(*arguments, **keywords)

        def make_context(self, *arguments: Any, **keywords: Any) -> Any:
            with show_usage_errors():
                return super().make_context(*arguments, **keywords)

        def invoke(self, ctx: Any) -> Any:
            with show_usage_errors():
                return super().invoke(ctx)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, command, rest = super().resolve_command(ctx, args)
            return name, command.load() if isinstance(command, LazyCommand) else command, rest

    return LazyGroup
