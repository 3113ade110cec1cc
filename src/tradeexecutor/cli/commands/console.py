"""``tradeexecutor console``."""

import ast
import datetime
import functools
import importlib.util
import sys
import traceback
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed, describe_error
from tradeexecutor.cli.output import print_command, print_line, print_problem, print_text
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.ledger.journal import derive
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.state_location import StateLocation, load_state, open_store
from tradeexecutor.state.display.visible import make_visible
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.backups import backup_state

EXAMPLES = (
    "tradeexecutor console state.json",
    "tradeexecutor console state.json --code 'portfolio.get_net_asset_value()'",
    "tradeexecutor console state.json --code - < report.py",
)

#: Names and their descriptions for the banner; `make_namespace` makes the values.
_NAMES = {
    "state": "the state; portfolio is state.portfolio",
    "positions()": "data frame of all positions; also trades(), balance_updates(), valuations(),",
    "": "portfolio_history(), position_statistics(), ledger()",
    "summary()": "performance of the strategy",
    "proof()": "whether every balance adds up",
    "save()": "back up the file and write the state; nothing else writes",
    "pd, np, Decimal, datetime": "as usual",
}


def console(
    state_file: StateFile,
    *,
    code: Annotated[
        str | None,
        typer.Option(
            "--code",
            "-c",
            metavar="TEXT",
            help="Run this Python code and exit; - reads it from standard input.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Examine a state with Python.

    An interactive shell in which the state is loaded, with functions that return
    it as data frames. Nothing you do changes the file until you call save(),
    which makes a backup first. Strategies in a database are only read.

    --code runs a snippet instead, and prints its last line if that is an
    expression. The exit code is 1 when the snippet fails, or the one that it
    gives to sys.exit().
    """
    if code is None:
        _require_shell()
    if not isinstance(state_file, Path):
        _run(state_file, code, make_namespace(load_state(state_file), None))
        return
    with open_store(state_file) as store:
        assert isinstance(store, JSONFileStore)
        _run(state_file, code, make_namespace(store.load(), store))


def _run(path: StateLocation, code: str | None, names: dict[str, Any]) -> None:
    if code is None:
        _start_shell(path, names)
        return
    status = run_code(_read_code(code), names)
    if status:
        raise typer.Exit(status)


def _read_code(text: str) -> str:
    """Return the code of the option, or that of standard input; raises ``typer.BadParameter``."""
    text = sys.stdin.read() if text == "-" else text
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise typer.BadParameter(f"is not UTF-8 text (character {error.start:,})", param_hint="--code") from None
    return text


def make_namespace(state: State, store: JSONFileStore | None) -> dict[str, Any]:
    """Return the names that code in the console can use.

    Parameters
    ----------
    store
        Where `save` writes; None for a strategy in a database, which is only read.
    """
    import numpy as np
    import pandas as pd

    from tradeexecutor.analysis import frames
    from tradeexecutor.analysis.adjusted.summary import summarise_performance
    from tradeexecutor.analysis.frames import history as history_frames

    def save() -> Path:
        """Back the file up, write the state to it, and return the path of the backup."""
        if store is None:
            raise CommandFailed("a strategy in a database is only read here")
        return _save(state, store)

    bound: dict[str, Any] = {
        "positions": frames.positions_to_frame,
        "trades": frames.trades_to_frame,
        "balance_updates": frames.balance_updates_to_frame,
        "valuations": frames.valuations_to_frame,
        "portfolio_history": frames.portfolio_to_frame,
        "position_statistics": history_frames.position_statistics_to_frame,
        "ledger": history_frames.ledger_to_frame,
        "summary": summarise_performance,
        "proof": prove,
    }
    return {
        "__name__": "__main__",
        "state": state,
        "portfolio": state.portfolio,
        **{name: functools.partial(function, state) for name, function in bound.items()},
        "derive": derive,
        "prove": prove,
        "save": save,
        "pd": pd,
        "np": np,
        "Decimal": Decimal,
        "datetime": datetime,
    }


def _save(state: State, store: JSONFileStore) -> Path:

    store.acquire_writer_lock()
    state.to_json_bytes()  # raises before a backup is made, when the state cannot be saved
    backup = backup_state(store.path, "console-backup")
    store.sync(state)
    print_line(f"{store.path} was saved. To restore the file as it was:", "bold green")
    print_command(f"  {backup.restore_command}")
    return backup.path


def run_code(text: str, names: dict[str, Any]) -> int:
    """Run Python code, print the value of a last line that is an expression, and return the exit status.

    Raises
    ------
    CommandFailed
        The code raised an error, which is the cause.
    """
    try:
        tree = ast.parse(text, "<code>")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<code>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<code>", "eval"), names)
            if value is not None:
                print_text(str(value))
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print_problem(str(error.code))
        return EXIT_FAILURE
    except SyntaxError as error:
        raise CommandFailed(f"line {error.lineno} of the code: {error.msg}") from error
    except Exception as error:
        is_refusal = isinstance(error, PermissionError)  # the path of a lock file does not help a user
        text = describe_error(error) if is_refusal else f"{type(error).__name__}: {error}".strip(": ")
        raise CommandFailed(f"line {_find_line(error)} of the code: {text}") from error
    return 0


def _find_line(error: BaseException) -> int:
    """Return the number of the last line of the snippet in the traceback; lines of functions it calls do not count."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<code>"]
    return (lines[-1] if lines else 1) or 1


def _require_shell() -> None:
    if importlib.util.find_spec("IPython") is None:
        raise CommandFailed(
            "the interactive console needs IPython, which is not installed",
            f"To install it: {sys.executable} -m pip install ipython; --code works without it",
        )


def _start_shell(path: StateLocation, names: dict[str, Any]) -> None:
    import IPython
    from traitlets.config import Config

    width = max(map(len, _NAMES))
    lines = [f"{make_visible(str(path))} is loaded; nothing is written until you call save().", ""]
    lines += [f"  {name:<{width}}  {text}" for name, text in _NAMES.items()]
    config = Config()
    config.TerminalInteractiveShell.banner1 = "\n".join(lines) + "\n"
    config.TerminalInteractiveShell.banner2 = ""
    IPython.start_ipython(argv=[], user_ns=names, config=config)
