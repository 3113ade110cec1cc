"""``tradeexecutor store``: verify, generations, recover; the other commands stand in modules of their own."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.commands.store.databases import recover_database, verify_databases
from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.database.address import DatabaseAddress

if TYPE_CHECKING:
    from tradeexecutor.state.store.copies import Generation, Recovery

__all__ = ["EXAMPLES", "generations", "recover", "verify"]

_File = Annotated[
    StatePlace,
    typer.Argument(metavar="STATE_FILE", help="State file (JSON).", show_default=False, parser=parse_place),
]
_Place = Annotated[
    StatePlace,
    typer.Argument(
        metavar="STATE_FILE",
        help="State file (JSON), or strategy in a database: sqlite:///trading.db#my-strategy.",
        show_default=False,
        parser=parse_place,
    ),
]


def verify(
    files: Annotated[
        list[StatePlace],
        typer.Argument(
            metavar="STATE_FILE...",
            help="State files, backups or compressed copies (.br), databases (sqlite:///trading.db) or"
            " strategies in them (sqlite:///trading.db#my-strategy).",
            show_default=False,
            parser=parse_place,
        ),
    ],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell whether a file or a database is what was saved, bit for bit.

    A file that a strategy saved carries a checksum of all its bytes. Files of
    other programs have none: only their form can be checked. In a database
    every save is checked, not only the newest.

    Nothing is changed. The exit code is 1 when something is damaged or cannot be
    read. `tradeexecutor validate` goes on from here and checks whether the
    content of the state makes sense.
    """
    from tradeexecutor.cli.output import print_json, print_line
    from tradeexecutor.state.store.copies import GenerationKind, examine

    databases = [file for file in files if isinstance(file, DatabaseAddress)]
    if databases:
        if len(databases) < len(files):
            raise CommandFailed("files and databases are checked one after the other: name only one kind")
        verify_databases(databases, json_)
        return
    found: list[Generation] = []
    for file in files:
        assert isinstance(file, Path)
        _require_file(file)
        kind = GenerationKind.compressed if file.suffix == ".br" else GenerationKind.current
        found.append(examine(file, kind))
    if json_:
        print_json([_describe(item) for item in found])
    else:
        for index, item in enumerate(found):
            if index:
                print_line()
            _print_verdict(item)
    if not all(item.is_good for item in found):
        raise typer.Exit(EXIT_FAILURE)


def generations(
    file: _File,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the saves that there are, and which of them are intact.

    current: the last save.
    compressed: the same, compressed.
    backup: an earlier save; some of the last, and one for each of the last days.
    kept: the original from before it was repaired, migrated or recovered.
    temporary: a save that was under way when its process died.

    Nothing is changed. The exit code is 1 when the current file is not intact.
    """
    from tradeexecutor.cli.output import print_json
    from tradeexecutor.state.store.copies import GenerationKind, list_generations

    if isinstance(file, DatabaseAddress):
        raise CommandFailed("a database keeps every save", f"`tradeexecutor store history {file}` lists them")
    _require_no_folder(file)
    found = list_generations(file)
    if not found:
        raise CommandFailed(f"there is no file {file}, and no copy of it")
    if json_:
        print_json([_describe(item) for item in found])
    else:
        _print_generations(file, found)
    if not any(item.is_good for item in found if item.kind is GenerationKind.current):
        raise typer.Exit(EXIT_FAILURE)


def recover(
    file: _Place,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="COPY",
            help="Use this copy, also when the file is intact.",
            readable=False,
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="In a database: go back to this save, also when the newest is intact."),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Restore COPY to the byte, the number of its save included: undoes a change."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")] = False,
) -> None:
    """Replace a damaged or missing state by its newest intact save.

    The damaged file is kept beside it under another name; in a database the
    earlier save is saved anew, and nothing is removed. What is intact is left
    alone, unless you name a copy with --from, or a save of a database with --at.
    The strategy must not run.

    What happened after that save is not in it: compare it with the chain or the
    exchange before you trade on.
    """
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")
    if isinstance(file, DatabaseAddress):
        if source is not None:
            raise typer.BadParameter("--from is for files; --at names a save of a database")
        recover_database(file, at, yes=yes, dry_run=dry_run, json_=json_)
        return
    if at is not None:
        raise typer.BadParameter("--at is for databases; --from names a copy of a file")
    from tradeexecutor.cli.output import print_json, print_line
    from tradeexecutor.state.store.copies import plan_recovery
    from tradeexecutor.state.store.copies import recover as run_recovery

    _require_no_folder(file)
    if source is not None:
        _require_file(source)
    plan = plan_recovery(file, source)
    if not json_:
        _print_plan(plan)
    if plan.chosen is None or dry_run:
        if json_:
            print_json(_describe_recovery(plan))
        return
    if not yes and not typer.confirm("Do it?"):
        print_line("Nothing was changed.")
        raise typer.Exit(EXIT_FAILURE)
    done = run_recovery(file, source, exact=exact)
    if json_:
        print_json(_describe_recovery(done))
    else:
        _print_recovery(done)


EXAMPLES = {
    "verify": (
        "tradeexecutor store verify state.json",
        "tradeexecutor store verify state.json.backups/* state.json.br",
        "tradeexecutor store verify sqlite:///trading.db",
    ),
    "generations": (
        "tradeexecutor store generations state.json",
        "tradeexecutor store generations state.json --json | jq '.[] | select(.verdict == \"good\") | .path'",
    ),
    "recover": (
        "tradeexecutor store recover state.json --dry-run",
        "tradeexecutor store recover state.json",
        "tradeexecutor store recover state.json --from state.backup-1.json",
        "tradeexecutor store recover sqlite:///trading.db#demo --at 118",
    ),
}


def _require_no_folder(path: Path) -> None:
    if path.is_dir():
        raise CommandFailed(f"{path} is a folder, not a state file")


def _require_file(path: Path) -> None:
    _require_no_folder(path)
    if not path.exists():
        raise CommandFailed(f"there is no file {path}")


# --- What is printed


def _describe(item: "Generation") -> dict[str, Any]:
    """Return a generation as plain data."""
    return {
        "path": item.path,
        "kind": item.kind,
        "verdict": item.verdict,
        "reason": item.reason,
        "save": item.number,
        "sha256": item.checksum,
        "schema_version": item.schema_version,
        "last_updated_at": item.last_updated_at,
        "strategy": item.name,
        "size": item.size,
        "modified_at": item.modified_at,
    }


def _describe_recovery(recovery: "Recovery") -> dict[str, Any]:
    return {
        "path": recovery.path,
        "intact": recovery.chosen is None,
        "current": recovery.current and _describe(recovery.current),
        "chosen": recovery.chosen and _describe(recovery.chosen),
        "kept_as": recovery.kept_as,
    }


def _describe_verdict(item: "Generation", is_short: bool = False) -> str:
    if not item.is_good:
        return f"{item.verdict.value.replace('_', ' ').upper()}: {item.reason}"
    if is_short:
        return "good" if item.checksum else "good (no checksum)"
    return "good, the checksum matches" if item.checksum else "good, as far as can be told: it has no checksum"


def _print_verdict(item: "Generation") -> None:
    from tradeexecutor.cli.output import NOTHING, format_time, print_facts, print_line

    print_line(str(item.path), "bold")
    facts = {"Verdict": _describe_verdict(item), "Size": f"{item.size:,} bytes"}
    if item.is_good:
        facts |= {
            "Strategy": item.name or "(no name)",
            "Saved at": format_time(item.last_updated_at, seconds=True),
            "Save": NOTHING if item.number is None else str(item.number),
            "Schema": str(item.schema_version),
        }
    print_facts(facts)


def _print_generations(file: Path, found: Sequence["Generation"]) -> None:
    from tradeexecutor.cli.output import NOTHING, Column, format_time, print_line, print_next_steps, print_table
    from tradeexecutor.state.store.copies import GenerationKind

    columns = (
        Column("File", is_text=True),
        Column("Kind"),
        Column("Save", right=True),
        Column("Behind", right=True, priority=2),
        Column("Saved at (UTC)", priority=1),
        Column("Size", right=True, priority=3),
        Column("Verdict", is_text=True),
    )
    folder = file.resolve().parent
    newest = max((item.number for item in found if item.is_good and item.number is not None), default=None)
    rows = [
        (
            str(item.path.relative_to(folder)),
            item.kind.value,
            NOTHING if item.number is None else str(item.number),
            _describe_age(item, newest),
            format_time(item.last_updated_at, seconds=True),
            f"{item.size:,}",
            _describe_verdict(item, is_short=True),
        )
        for item in found
    ]
    print_table(columns, rows, ["" if item.is_good else "red" for item in found])
    current = next((item for item in found if item.kind is GenerationKind.current), None)
    if current is None or not current.is_good:
        print_line()
        print_line(f"{file} is {'missing' if current is None else 'not intact'}.", "bold red")
        if any(item.is_good for item in found):
            print_next_steps(
                {"Bring back the newest intact copy": f"tradeexecutor store recover {shlex.quote(str(file))}"}
            )


def _describe_age(item: "Generation", newest: int | None) -> str:
    if newest is None or item.number is None or item.number >= newest:
        return ""
    behind = newest - item.number
    return f"{behind:,} save" if behind == 1 else f"{behind:,} saves"


def _print_plan(plan: "Recovery") -> None:
    from tradeexecutor.cli.output import print_line, shorten_path

    path = shorten_path(plan.path)
    if plan.chosen is None:
        print_line(f"{path} is intact; there is nothing to recover.", "bold green")
        return
    print_line(path, "bold")
    print_line(f"  now: {_describe_copy(plan.current) if plan.current else 'missing'}")
    print_line(f"  new: {_describe_copy(plan.chosen)}")


def _describe_copy(item: "Generation") -> str:
    from tradeexecutor.cli.output import format_time

    if not item.is_good:
        return _describe_verdict(item)
    save = "the state " if item.number is None else f"save {item.number} "
    return f"{save}of {format_time(item.last_updated_at, seconds=True)} ({item.path.name})"


def _print_recovery(done: "Recovery") -> None:
    from tradeexecutor.cli.output import print_line, print_next_steps, shorten_path

    assert done.chosen is not None
    print_line(f"Recovered from {shorten_path(done.chosen.path)}.", "bold green")
    if done.kept_as is not None:
        print_line(f"What was there before is now {shorten_path(done.kept_as)}.")
    print_next_steps({"Check what it says": f"tradeexecutor validate {shlex.quote(shorten_path(done.path))}"})
