"""``tradeexecutor store convert``."""

import re
import shlex
from typing import Annotated, Any

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_json, print_line, print_next_steps
from tradeexecutor.cli.progress import showing_progress
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.copying import copy_strategy
from tradeexecutor.operations.databases import open_address
from tradeexecutor.operations.state_location import StateLocation, require_state_file

EXAMPLES = (
    "tradeexecutor store convert state.json sqlite:///trading.db#demo",
    "tradeexecutor store convert sqlite:///trading.db#demo postgresql://user@host/trading#demo",
    "tradeexecutor store convert sqlite:///trading.db#demo state.json",
)


def _make_argument(name: str) -> Any:
    return typer.Argument(
        metavar=name,
        help="State file, or strategy in a database: sqlite:///trading.db#my-strategy.",
        show_default=False,
        parser=parse_place,
    )


def convert(
    source: Annotated[StatePlace, _make_argument("SOURCE")],
    target: Annotated[StatePlace, _make_argument("TARGET")],
    *,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy a strategy from a file to a database, or back, or between databases.

    The copy is read back and compared byte for byte. Between databases all saves
    are copied, otherwise only the newest one. Archives of pruned details are
    copied, too.

    The source does not change, and nothing is ever overwritten. Stop the strategy
    first: later saves are not in the copy.
    """
    if not isinstance(source, DatabaseAddress) and not isinstance(target, DatabaseAddress):
        raise typer.BadParameter("source or target must be a strategy in a database; copy files with `cp`")
    old = _resolve_source(source)
    new = _resolve_target(target, source)
    with showing_progress("Copying") as progress:
        done = copy_strategy(old, new, progress)
    if json_:
        print_json(done)
        return
    saves = f"{done.saves:,} saves" if done.saves > 1 else "the newest save"
    print_line(f"Copied {saves} to {done.target}.", "bold green")
    print_line(f"Source and copy have the same {done.size:,} bytes of JSON.")
    if done.archives:
        print_line(f"Archives copied: {done.archives:,}.")
    print_next_steps({"Look into it": f"tradeexecutor show-positions {shlex.quote(done.target)}"})


def _resolve_source(path: StateLocation) -> StateLocation:
    if not isinstance(path, DatabaseAddress):
        require_state_file(path)
        return path

    address = open_address(path)
    if address != address.newest:
        raise CommandFailed(
            "only a whole strategy can be copied",
            f"`tradeexecutor store show {path} --json > FILE` writes one save into a file",
        )
    return address


def _resolve_target(path: StateLocation, source: StateLocation) -> StateLocation:
    if not isinstance(path, DatabaseAddress):
        if path.is_dir():
            raise CommandFailed(f"{path} is a folder; name the file to write")
        return path
    if path != path.newest:
        raise CommandFailed(f"leave out the part after the @ in {path}: a copy has all saves")
    if path.strategy is not None:
        return path
    if isinstance(source, DatabaseAddress):
        name = open_address(source).strategy or ""
    else:
        name = source.stem
    return path.with_strategy(re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-") or "strategy")
