"""The argument that says where the state is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.operations.state_location import StateLocation, parse_state_location
from tradeexecutor.state.errors import InvalidValue

__all__ = ["StateFile", "StateFiles", "StatePlace", "parse_place"]


def parse_place(text: str) -> StateLocation:
    """Return the path, or the address, that a user has typed.

    Raises
    ------
    typer.BadParameter
        It is neither.  Typer would repeat the text of any other error's argument, in which there may be a password.
    """
    try:
        return parse_state_location(text)
    except InvalidValue as error:
        raise typer.BadParameter(str(error)) from None


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
