"""Printing the saves of a state file, whether each is intact, and the steps of a recovery."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_time,
    print_facts,
    print_line,
    print_next_steps,
    print_table,
    shorten_path,
)
from tradeexecutor.state.files.links import resolve_links
from tradeexecutor.state.store.copies import CopyKind, Recovery, StateCopy

__all__ = [
    "generation_to_json",
    "print_generation",
    "print_generations",
    "print_plan",
    "print_recovery",
    "recovery_to_json",
]


def generation_to_json(item: StateCopy) -> dict[str, Any]:
    """Return a save of a file as plain data."""
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


def recovery_to_json(recovery: Recovery) -> dict[str, Any]:
    """Return a recovery as plain data."""
    return {
        "path": recovery.path,
        "intact": recovery.chosen is None,
        "current": recovery.current and generation_to_json(recovery.current),
        "chosen": recovery.chosen and generation_to_json(recovery.chosen),
        "kept_as": recovery.kept_as,
    }


def print_generation(item: StateCopy) -> None:
    """Print the verdict on a file."""
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


def print_generations(file: Path, found: Sequence[StateCopy]) -> None:
    """Print the saves of a file, and how to restore one when the current one is not intact."""
    columns = (
        Column("File", is_text=True),
        Column("Kind"),
        Column("Save", right=True),
        Column("Behind", right=True, priority=2),
        Column("Saved at (UTC)", priority=1),
        Column("Size", right=True, priority=3),
        Column("Verdict", is_text=True),
    )
    folder = resolve_links(file).parent
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
    current = next((item for item in found if item.kind is CopyKind.current), None)
    if current is None or not current.is_good:
        print_line()
        print_line(f"{file} is {'missing' if current is None else 'not intact'}.", "bold red")
        if any(item.is_good for item in found):
            print_next_steps(
                {"Restore the newest intact copy": f"tradeexecutor store recover {shlex.quote(str(file))}"}
            )


def print_plan(plan: Recovery) -> None:
    """Print the save to which a recovery goes back."""
    path = shorten_path(plan.path)
    if plan.chosen is None:
        print_line(f"{path} is intact; there is nothing to recover.", "bold green")
        return
    print_line(path, "bold")
    print_line(f"  now: {_describe_copy(plan.current) if plan.current else 'missing'}")
    print_line(f"  new: {_describe_copy(plan.chosen)}")


def print_recovery(done: Recovery) -> None:
    """Print the result of a recovery."""
    assert done.chosen is not None
    print_line(f"Recovered from {shorten_path(done.chosen.path)}.", "bold green")
    if done.kept_as is not None:
        print_line(f"The previous file is now {shorten_path(done.kept_as)}.")
    print_next_steps({"Check its contents": f"tradeexecutor validate {shlex.quote(shorten_path(done.path))}"})


def _describe_verdict(item: StateCopy, *, is_short: bool = False) -> str:
    if not item.is_good:
        return f"{item.verdict.value.replace('_', ' ').upper()}: {item.reason}"
    if is_short:
        return "good" if item.checksum else "good (no checksum)"
    return "good, the checksum matches" if item.checksum else "good as far as it can be checked without a checksum"


def _describe_age(item: StateCopy, newest: int | None) -> str:
    if newest is None or item.number is None or item.number >= newest:
        return ""
    behind = newest - item.number
    return f"{behind:,} save" if behind == 1 else f"{behind:,} saves"


def _describe_copy(item: StateCopy) -> str:

    if not item.is_good:
        return _describe_verdict(item)
    save = "the state " if item.number is None else f"save {item.number} "
    return f"{save}of {format_time(item.last_updated_at, seconds=True)} ({item.path.name})"
