"""Printing whether databases are intact, and the steps of a recovery."""

from typing import Any

from tradeexecutor.cli.output import format_time, print_facts, print_line
from tradeexecutor.cli.printers.revisions import revision_to_json
from tradeexecutor.database.recovery import DatabaseRecovery
from tradeexecutor.database.verification import StrategyCheck

__all__ = ["check_to_json", "print_check", "print_recovery_plan", "recovery_to_json"]

#: Number of damaged saves that are named.
_MAX_NAMED = 10


def check_to_json(address: object, check: StrategyCheck) -> dict[str, Any]:
    """Return the verdict on a strategy in a database as plain data."""
    return {
        "address": str(address),
        "verdict": "good" if check.is_good else "newer_schema" if check.is_newer_schema else "damaged",
        "reason": check.problem,
        "intact_saves": len(check.intact),
        "damaged_saves": check.damaged,
        "newest": check.newest and revision_to_json(check.newest),
    }


def print_check(address: object, check: StrategyCheck) -> None:
    """Print the verdict on a strategy in a database."""
    print_line(str(address), "bold")
    verdict = f"good, all checksums match ({len(check.intact):,} saves)"
    if check.is_newer_schema:
        verdict = f"NEWER SCHEMA: {check.problem}"
    elif check.problem:
        verdict = f"DAMAGED: {check.problem}"
    elif check.damaged:
        verdict = "good, but earlier saves are damaged"
    facts = {"Verdict": verdict}
    if check.damaged:
        named = ", ".join(f"{number:,}" for number in check.damaged[-_MAX_NAMED:])
        facts["Damaged"] = f"{len(check.damaged):,} saves: {'... ' if len(check.damaged) > _MAX_NAMED else ''}{named}"
    if check.newest is not None:
        facts |= {
            "Newest save": f"{check.newest.number:,} of {format_time(check.newest.saved_at, seconds=True)}",
            "Size": f"{check.newest.size:,} bytes of JSON",
            "Schema": str(check.newest.schema_version),
        }
    print_facts(facts)


def print_recovery_plan(plan: DatabaseRecovery) -> None:
    """Print the save to which a recovery goes back."""
    if plan.chosen is None:
        print_line(f"{plan.address} is intact; there is nothing to recover.", "bold green")
        return
    print_line(str(plan.address), "bold")
    print_line(f"  now: {f'DAMAGED: {plan.problem}' if plan.problem else 'the newest save is intact'}")
    print_line(f"  new: save {plan.chosen.number:,} of {format_time(plan.chosen.saved_at, seconds=True)}")
    if plan.is_rebuilt:
        print_line("A new file is made with the newest readable save of each strategy; the damaged file is kept.")
    if plan.lost:
        print_line(f"No save can be read of: {', '.join(plan.lost)}.", "red")


def recovery_to_json(plan: DatabaseRecovery) -> dict[str, Any]:
    """Return a recovery as plain data."""
    return {
        "address": str(plan.address),
        "intact": not plan.problem,
        "reason": plan.problem,
        "chosen": plan.chosen and revision_to_json(plan.chosen),
        "rebuilt": plan.is_rebuilt,
        "lost": plan.lost,
        "kept_as": plan.kept_as,
    }
