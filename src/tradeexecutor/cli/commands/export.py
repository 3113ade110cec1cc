"""``tradeexecutor export``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.export_tables import TABLES, AmountFormat, FileFormat, make_frame, to_arrow, write_table
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import (
    Column,
    make_console,
    print_heading,
    print_json,
    print_line,
    print_table,
    shorten_path,
)
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.prune import restore_in_memory
from tradeexecutor.operations.state_location import StateLocation, load_state
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor export state.json -o tables",
    "tradeexecutor export state.json -o tables --format parquet --table positions,trades",
    "tradeexecutor export state.json --columns --table ledger",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written; `size` in bytes."""

    table: str
    rows: int
    columns: int
    size: int
    path: Path


def export(
    state_file: StateFile,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for the files; created if needed.", show_default=False
        ),
    ] = None,
    file_format: Annotated[
        FileFormat, typer.Option("--format", "-f", help="Format of the files; arrow and feather are the same.")
    ] = FileFormat.csv,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Which tables, separated by commas.", show_default="all"),
    ] = None,
    amounts: Annotated[
        AmountFormat,
        typer.Option(help="Token amounts: text and decimal are exact, float is rounded."),
    ] = AmountFormat.text,
    columns: Annotated[bool, typer.Option("--columns", help="List the columns, write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a state as tables for other programs: CSV, Parquet or Arrow files.

    positions, trades, balance-updates, valuations, portfolio (its recorded
    history), position-statistics, and ledger (every posting). Each table is
    written to a file of its name. The columns are the same for every state;
    --columns lists them with their types and units.

    Token amounts are exact: text with all digits, or with --amounts decimal a
    decimal of 38 digits, 18 of them after the point; an amount that does not fit
    is an error. USD amounts are floating-point numbers, times are naive UTC, and
    unknown values are empty. Details that `prune-state` has archived are included.
    """
    chosen = _choose(table)
    if output is None and not columns:
        raise typer.BadParameter("missing: --output FOLDER", param_hint="--output")
    state = load_state(state_file)
    if columns or output is None:
        _print_columns(state, chosen, amounts, json_=json_)
        return
    files = {name: output / f"{name}.{file_format.value}" for name in chosen}
    existing = [path for path in files.values() if path.exists()]
    if existing and not force:
        raise CommandFailed(f"{existing[0]} exists", "To replace it: --force")
    lack = _restore_archives(state, state_file)
    output.mkdir(parents=True, exist_ok=True)
    _print_result(_write_all(state, files, file_format, amounts), lack, json_=json_)


def _choose(names: list[str] | None) -> list[str]:
    """Return the names of the requested tables in the order of `TABLES`; raises ``typer.BadParameter``."""
    if not names:
        return list(TABLES)
    wanted = {name.strip().lower().replace("_", "-") for item in names for name in item.split(",") if name.strip()}
    unknown = sorted(wanted - set(TABLES))
    if unknown or not wanted:
        raise typer.BadParameter(
            f"there is no table {(unknown or [''])[0]!r}; there are {', '.join(TABLES)}", param_hint="--table"
        )
    return [name for name in TABLES if name in wanted]


def _restore_archives(state: State, place: StateLocation) -> str:
    """Restore pruned details in memory; return a warning when that is not possible, else an empty text."""
    problem = restore_in_memory(state, place)
    return problem and f"pruned details are not in the tables: {problem}"


def _write_all(state: State, files: dict[str, Path], file_format: FileFormat, amounts: AmountFormat) -> list[Exported]:

    console = make_console(stderr=True)
    done: list[Exported] = []
    # The status line appears on terminals only.
    with console.status("Collecting") as status:
        for name, path in files.items():
            status.update(f"Collecting {name} ({len(done) + 1} of {len(files)})")
            content = to_arrow(make_frame(state, name), name, amounts)
            status.update(f"Writing {content.num_rows:,} rows of {name} ({len(done) + 1} of {len(files)})")
            write_table(content, path, file_format)
            done.append(Exported(name, content.num_rows, content.num_columns, path.stat().st_size, path))
    return done


def _print_result(done: list[Exported], lack: str, *, json_: bool) -> None:

    if json_:
        print_json({"files": done, "missing": lack})
        return
    columns = (
        Column("Table"),
        Column("Rows", right=True),
        Column("Columns", right=True),
        Column("Bytes", right=True),
        Column("File", is_text=True),
    )
    rows = [
        [item.table, f"{item.rows:,}", f"{item.columns:,}", f"{item.size:,}", shorten_path(item.path)] for item in done
    ]
    print_table(columns, rows)
    if lack:
        print_line(f"Warning: {lack}", "yellow")


def _print_columns(state: State, tables: list[str], amounts: AmountFormat, *, json_: bool) -> None:

    report = {
        name: [
            {
                "column": field.name,
                "type": str(field.type),
                "unit": (field.metadata or {}).get(b"unit", b"").decode() or None,
            }
            for field in to_arrow(make_frame(state, name).iloc[:0], name, amounts).schema
        ]
        for name in tables
    }
    if json_:
        print_json(report)
        return
    for name, fields in report.items():
        print_heading(f"{name}: {TABLES[name].description}")
        rows = [[field["column"] or "", field["type"] or "", field["unit"] or ""] for field in fields]
        print_table((Column("Column"), Column("Type"), Column("Unit")), rows)
