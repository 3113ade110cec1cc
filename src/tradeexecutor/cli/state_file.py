"""The command line argument with the location of the state."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.operations.state_location import StateLocation, parse_state_location
from tradeexecutor.state.errors import InvalidValue

__all__ = ["StateFile", "StateFiles", "StatePlace", "parse_place", "require_existing_file", "require_no_folder"]


def parse_place(text: str) -> StateLocation:
    """Return the path, or the database address, of an argument.

    Raises
    ------
    typer.BadParameter
        It is neither. Other errors would make typer print the argument, which may contain a password.
    """
    try:
        return parse_state_location(text)
    except InvalidValue as error:
        raise typer.BadParameter(str(error)) from None


def require_no_folder(path: Path) -> None:
    """Raise `CommandFailed` for a folder."""
    if path.is_dir():
        raise CommandFailed(f"{path} is a folder, not a state file")


def require_existing_file(path: Path) -> None:
    """Raise `CommandFailed` for a folder or a missing file."""
    require_no_folder(path)
    if not path.exists():
        raise CommandFailed(f"there is no file {path}")


if TYPE_CHECKING:
    StatePlace = StateLocation
    StateFile = StateLocation
    StateFiles = list[StateLocation]
else:  # typer accepts no union; the parser returns what the alias says
    StatePlace = Path  # for arguments with a help of their own
    StateFile = Annotated[
        Path,
        typer.Argument(
            metavar="STATE_FILE",
            help="State file (JSON) of a backtest or a live strategy, or a strategy in a database:"
            " sqlite:///trading.db#my-strategy. Commands that change nothing also read #my-strategy@120,"
            " as of save 120.",
            show_default=False,
            parser=parse_place,
        ),
    ]
    StateFiles = Annotated[
        list[Path],
        typer.Argument(
            metavar="STATE_FILE...",
            help="State files (JSON), or strategies in a database: sqlite:///trading.db#my-strategy.",
            show_default=False,
            parser=parse_place,
        ),
    ]
