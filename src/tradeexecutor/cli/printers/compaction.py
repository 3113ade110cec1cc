"""Printing which saves of a database are removed."""

from typing import Any

from tradeexecutor.cli.output import print_line
from tradeexecutor.database.compaction import Compaction

__all__ = ["compaction_to_json", "print_compaction", "print_compaction_plan"]


def compaction_to_json(compaction: Compaction, *, is_done: bool) -> dict[str, Any]:
    """Return the saves that will be, or were, removed as plain data."""
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


def print_compaction_plan(plan: Compaction) -> None:
    """Print which saves would be removed."""
    if not plan.removed_revisions:
        print_line("There is nothing to remove.", "bold green")
        return
    is_one = plan.oldest == plan.newest
    stay = f"Save {plan.newest:,} stays." if is_one else f"Saves {plan.oldest:,} to {plan.newest:,} stay."
    print_line(stay, "bold")
    print_line(
        f"To be removed: {_count(plan.removed_revisions, 'older save')}, and {_count(plan.removed_rows, 'part')}"
        f" ({plan.removed_bytes:,} bytes of JSON) that no other save uses."
    )


def print_compaction(done: Compaction) -> None:
    """Print how much space the removal gave back."""
    print_line("Done.", "bold green")
    if done.size_before is not None and done.size_after is not None:
        print_line(
            f"The database had {done.size_before:,} bytes and has {done.size_after:,}:"
            f" {done.size_before - done.size_after:,} bytes were freed."
        )
    else:
        print_line(f"The server can reuse the space of {done.removed_bytes:,} bytes of JSON.")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
