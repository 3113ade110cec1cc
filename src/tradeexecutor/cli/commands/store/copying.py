"""``tradeexecutor store``: convert, compact."""

import contextlib
import re
import shlex
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.commands.store.history import AddressArgument, require_address
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.operations.state_location import require_state_file

if TYPE_CHECKING:
    from tradeexecutor.database.compaction import Compaction
    from tradeexecutor.database.verification import Progress

__all__ = ["EXAMPLES", "compact", "convert", "showing_progress"]

#: A thousand years.
_MAX_DAYS = 365_000.0

EXAMPLES = {
    "convert": (
        "tradeexecutor store convert state.json sqlite:///trading.db#demo",
        "tradeexecutor store convert sqlite:///trading.db#demo postgresql://user@host/trading#demo",
        "tradeexecutor store convert sqlite:///trading.db#demo state.json",
    ),
    "compact": (
        "tradeexecutor store compact sqlite:///trading.db#demo --keep 1000 --dry-run",
        "tradeexecutor store compact sqlite:///trading.db#demo --days 90",
    ),
}


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
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy a strategy from a file to a database, or back, or between databases.

    The copy is read again and compared byte for byte. Between databases all
    saves are copied, else the newest one. Archives of pruned detail go along.

    The source stays as it is, and nothing is ever overwritten. Stop the
    strategy first: what it saves meanwhile is not in the copy.
    """
    from tradeexecutor.cli.output import print_json, print_line, print_next_steps
    from tradeexecutor.database.copying import copy_strategy

    if not isinstance(source, DatabaseAddress) and not isinstance(target, DatabaseAddress):
        raise typer.BadParameter("one of both has to be a strategy in a database; a file is copied with `cp`")
    old = _resolve_source(source)
    new = _resolve_target(target, source)
    with showing_progress("Copying") as progress:
        done = copy_strategy(old, new, progress)
    if json_:
        print_json(done)
        return
    saves = f"{done.saves:,} saves" if done.saves > 1 else "the newest save"
    print_line(f"Copied {saves} to {done.target}.", "bold green")
    print_line(f"Both give the same {done.size:,} bytes of JSON.")
    if done.archives:
        print_line(f"Archives copied along: {done.archives:,}.")
    print_next_steps({"Look into it": f"tradeexecutor show-positions {shlex.quote(done.target)}"})


def compact(
    address: AddressArgument,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help="Keep the N newest saves.")] = None,
    days: Annotated[
        float | None,
        typer.Option(min=0.0, max=_MAX_DAYS, metavar="D", help="Keep the saves of the D days before the newest."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")] = False,
) -> None:
    """Remove old saves of a strategy, and give their space back.

    The saves that stay are what they were, to the byte. With --keep and --days
    a save stays when one of them keeps it. The strategy must not run.
    """
    if keep is None and not days:
        raise typer.BadParameter("say what to keep: --keep N saves, or the saves of --days D")
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")
    from tradeexecutor.cli.output import print_json, print_line
    from tradeexecutor.database.compaction import compact as run_compaction
    from tradeexecutor.database.compaction import plan_compaction
    from tradeexecutor.database.store import SQLStateStore
    from tradeexecutor.operations.databases import open_address

    found = open_address(require_address(address))
    if found != found.newest:
        raise CommandFailed(f"leave out what stands after the @: {found.newest} is compacted as a whole")
    with SQLStateStore(found) as store:
        plan = plan_compaction(store, keep, days or None)
        if not json_:
            _print_plan(plan)
        done = plan
        if plan.removed_revisions and not dry_run:
            if not yes and not typer.confirm("Remove them?"):
                print_line("Nothing was changed.")
                raise typer.Exit(1)
            done = run_compaction(store, keep, days or None)
    if json_:
        print_json(_describe(done, done is not plan))
    elif done is not plan:
        _print_done(done)


def _describe(compaction: "Compaction", is_done: bool) -> dict[str, Any]:
    return {
        "changed": is_done,
        "removed_saves": compaction.removed_revisions,
        "removed_parts": compaction.removed_rows,
        "removed_bytes": compaction.removed_bytes,
        "oldest": compaction.oldest,
        "newest": compaction.newest,
        "size_before": compaction.size_before,
        "size_after": compaction.size_after,
    }


def _print_plan(plan: "Compaction") -> None:
    from tradeexecutor.cli.output import print_line

    if not plan.removed_revisions:
        print_line("There is nothing to remove.", "bold green")
        return
    is_one = plan.oldest == plan.newest
    stay = f"Save {plan.newest:,} stays." if is_one else f"Saves {plan.oldest:,} to {plan.newest:,} stay."
    print_line(stay, "bold")
    print_line(
        f"To be removed: {_count(plan.removed_revisions, 'older save')}, and {_count(plan.removed_rows, 'part')}"
        f" ({plan.removed_bytes:,} bytes of JSON) that nothing else needs."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _print_done(done: "Compaction") -> None:
    from tradeexecutor.cli.output import print_line

    print_line("Done.", "bold green")
    if done.size_before is not None and done.size_after is not None:
        print_line(
            f"The database had {done.size_before:,} bytes and has {done.size_after:,}:"
            f" {done.size_before - done.size_after:,} bytes were freed."
        )
    else:
        print_line(f"The server uses the space of {done.removed_bytes:,} bytes of JSON again.")


def _resolve_source(path: StatePlace) -> StatePlace:
    if not isinstance(path, DatabaseAddress):
        require_state_file(path)
        return path
    from tradeexecutor.operations.databases import open_address

    address = open_address(path)
    if address != address.newest:
        raise CommandFailed(
            "only a whole strategy can be copied",
            f"`tradeexecutor store show {path} --json > FILE` writes one save into a file",
        )
    return address


def _resolve_target(path: StatePlace, source: StatePlace) -> StatePlace:
    if not isinstance(path, DatabaseAddress):
        if path.is_dir():
            raise CommandFailed(f"{path} is a folder; name the file to write")
        return path
    if path != path.newest:
        raise CommandFailed(f"leave out what stands after the @ in {path}: a copy has all saves")
    if path.strategy is not None:
        return path
    if isinstance(source, DatabaseAddress):
        from tradeexecutor.operations.databases import open_address

        name = open_address(source).strategy or ""
    else:
        name = source.stem
    return path.with_strategy(re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-") or "strategy")


@contextlib.contextmanager
def showing_progress(text: str) -> "Iterator[Progress | None]":
    """Show a bar on a terminal while long work runs; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import Progress as Bar

    from tradeexecutor.cli.output import make_console

    with Bar(console=make_console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
