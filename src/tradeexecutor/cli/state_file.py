"""The argument that says where the state is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.operations.state_location import StateLocation, parse_state_location

__all__ = ["StateFile", "StateFiles"]

if TYPE_CHECKING:
    StateFile = StateLocation
    StateFiles = list[StateLocation]
else:  # typer accepts no union; the parser returns what the alias says
    StateFile = Annotated[
        Path,
        typer.Argument(
            metavar="STATE_FILE",
            help="State file (JSON) of a backtest or a live strategy, or a strategy in a database:"
            " sqlite:///trading.db#my-strategy. Commands that change nothing also read #my-strategy@120,"
            " as of save 120.",
            show_default=False,
            parser=parse_state_location,
        ),
    ]
    StateFiles = Annotated[
        list[Path],
        typer.Argument(
            metavar="STATE_FILE...",
            help="State files (JSON), or strategies in a database: sqlite:///trading.db#my-strategy.",
            show_default=False,
            parser=parse_state_location,
        ),
    ]
