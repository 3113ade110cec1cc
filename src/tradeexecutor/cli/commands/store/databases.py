"""What ``tradeexecutor store verify`` and ``recover`` do with databases."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from tradeexecutor.cli.commands.store.copying import showing_progress
from tradeexecutor.cli.commands.store.history import describe_revision
from tradeexecutor.cli.failure import EXIT_FAILURE, CommandFailed
from tradeexecutor.database.address import DatabaseAddress

if TYPE_CHECKING:
    from tradeexecutor.database.recovery import DatabaseRecovery
    from tradeexecutor.database.verification import StrategyCheck

__all__ = ["recover_database", "verify_databases"]

#: So many damaged saves are named.
_MAX_NAMED = 10


def verify_databases(places: Sequence[DatabaseAddress], json_: bool) -> None:
    """Check every save; exit code 1 when one is damaged."""
    from tradeexecutor.cli.output import print_json, print_line
    from tradeexecutor.database.verification import verify_database
    from tradeexecutor.state.errors import DamagedStateFile, NewerStateFile

    is_good = True
    described: list[dict[str, Any]] = []
    for number, place in enumerate(places):
        address = place.newest
        if number and not json_:
            print_line()
        try:
            with showing_progress("Checking") as progress:
                checks = verify_database(address, progress)
        except (DamagedStateFile, NewerStateFile) as error:
            is_good = False
            reason = error.reason if isinstance(error, DamagedStateFile) else str(error)
            described.append({"address": str(address), "verdict": "damaged", "reason": reason})
            if not json_:
                print_line(str(address), "bold")
                print_line(f"  DAMAGED: {reason}", "red")
            continue
        for check in checks:
            is_good = is_good and check.is_good
            described.append(_describe_check(address.with_strategy(check.strategy.name), check))
            if not json_:
                _print_check(address.with_strategy(check.strategy.name), check)
    if json_:
        print_json(described)
    if not is_good:
        raise typer.Exit(EXIT_FAILURE)


def _describe_check(address: object, check: "StrategyCheck") -> dict[str, Any]:
    return {
        "address": str(address),
        "verdict": "good" if check.is_good else "newer_schema" if check.is_newer_schema else "damaged",
        "reason": check.problem,
        "intact_saves": len(check.intact),
        "damaged_saves": check.damaged,
        "newest": check.newest and describe_revision(check.newest),
    }


def _print_check(address: object, check: "StrategyCheck") -> None:
    from tradeexecutor.cli.output import format_time, print_facts, print_line

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


def recover_database(place: DatabaseAddress, at: int | None, *, yes: bool, dry_run: bool, json_: bool) -> None:
    """Go back to an earlier save of a strategy in a database."""
    from tradeexecutor.cli.output import print_json, print_line, print_next_steps
    from tradeexecutor.database.recovery import plan_recovery, recover
    from tradeexecutor.operations.databases import open_address

    address = open_address(place)
    if address != address.newest:
        raise CommandFailed("leave out what stands after the @, and say --at NUMBER")
    plan = plan_recovery(address, at)
    if not json_:
        _print_plan(plan)
    if plan.chosen is None or dry_run:
        if json_:
            print_json(_describe_recovery(plan))
        return
    if not yes and not typer.confirm("Do it?"):
        print_line("Nothing was changed.")
        raise typer.Exit(EXIT_FAILURE)
    done = recover(address, at)
    if json_:
        print_json(_describe_recovery(done))
        return
    assert done.chosen is not None
    print_line(f"Went back to save {done.chosen.number:,}; it is the newest save again.", "bold green")
    if done.kept_as is not None:
        print_line(f"The damaged file is now {done.kept_as}.")
    print_next_steps({"Look into it": f"tradeexecutor show-positions {shlex.quote(str(address))}"})


def _print_plan(plan: "DatabaseRecovery") -> None:
    from tradeexecutor.cli.output import format_time, print_line

    if plan.chosen is None:
        print_line(f"{plan.address} is intact; there is nothing to recover.", "bold green")
        return
    print_line(str(plan.address), "bold")
    print_line(f"  now: {f'DAMAGED: {plan.problem}' if plan.problem else 'the newest save is intact'}")
    print_line(f"  new: save {plan.chosen.number:,} of {format_time(plan.chosen.saved_at, seconds=True)}")
    if plan.is_rebuilt:
        print_line("A new file is made with the newest readable save of each strategy; the damaged file is kept.")
    if plan.lost:
        print_line(f"Nothing can be read of: {', '.join(plan.lost)}.", "red")


def _describe_recovery(plan: "DatabaseRecovery") -> dict[str, Any]:
    return {
        "address": str(plan.address),
        "intact": not plan.problem,
        "reason": plan.problem,
        "chosen": plan.chosen and describe_revision(plan.chosen),
        "rebuilt": plan.is_rebuilt,
        "lost": plan.lost,
        "kept_as": plan.kept_as,
    }
