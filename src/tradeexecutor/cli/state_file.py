"""Opening the state file that a command was given."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["StateFile", "describe_state", "load_state", "require_state_file"]

#: The argument of commands that read one state file.
StateFile = Annotated[
    Path,
    typer.Argument(
        metavar="STATE_FILE",
        help="State file (JSON) of a backtest or a live strategy.",
        show_default=False,
        readable=False,  # reported by us, in one line
    ),
]


def load_state(path: Path) -> "State":
    """Read a state file.

    Raises
    ------
    CommandFailed
        There is no such file, or it is a folder.
    StateFileError, OSError
        It cannot be read.
    """
    require_state_file(path)
    from tradeexecutor.state.state import State

    return State.read_json_file(path)


def require_state_file(path: Path) -> None:
    """Refuse a path under which there is no file; raises `CommandFailed`."""
    if path.is_dir():
        candidates = sorted(path.glob("*.json"))
        hint = f"Did you mean {candidates[0]}?" if candidates else ""
        raise CommandFailed(f"{path} is a folder, not a state file", hint)
    if not path.exists():
        raise CommandFailed(f"there is no file {path}")


def describe_state(state: "State", path: Path) -> str:
    """Return the name of the strategy, or of the file when it has none."""
    return state.name or path.name
