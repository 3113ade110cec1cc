"""The ``tradeexecutor`` command: global options, and the commands of `command_table`."""

from typing import Annotated

import typer

from tradeexecutor import __version__
from tradeexecutor.cli.command_table import COMMANDS, KEEP, STORE_COMMANDS
from tradeexecutor.cli.failure import DEBUG_VARIABLE, DebugOption, set_debug
from tradeexecutor.cli.lazy_commands import make_lazy_group
from tradeexecutor.cli.output import print_line

__all__ = ["app"]

_HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="tradeexecutor",
    cls=make_lazy_group(*COMMANDS),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=_HELP_OPTIONS,
    epilog="New here? Start with:\n\n$ tradeexecutor demo",
)

_store = typer.Typer(
    cls=make_lazy_group(*STORE_COMMANDS),
    help="Check the saves of a strategy, show earlier ones, and restore one.\n\n"
    "A live strategy saves its state into a file or a database. Beside a file there are earlier saves"
    " (FILE.backups), an optional compressed copy (FILE.br), and backups that were made before a change. A database"
    " keeps every save.",
    no_args_is_help=True,
    context_settings=_HELP_OPTIONS,
)


@_store.callback()
def set_store_options(*, debug: DebugOption = False) -> None:
    """Set the options of the group."""
    if debug:
        set_debug(enabled=True)


app.add_typer(_store, name="store", rich_help_panel=KEEP)


def _print_version(*, is_asked: bool) -> None:
    if is_asked:
        print_line(f"tradeexecutor {__version__}")
        raise typer.Exit


@app.callback()
def set_global_options(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show tracebacks and log messages.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version, instead of a command."
        ),
    ] = False,
) -> None:
    """Backtest trading strategies, and examine the state files that backtests and live strategies write."""
    del version  # its callback has printed it, and nothing else runs
    set_debug(enabled=debug)


if __name__ == "__main__":
    app()
