"""``tradeexecutor store compact``."""

from typing import Annotated

import typer

from tradeexecutor.cli.database_argument import AddressArgument, require_address
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.output import print_json, print_line
from tradeexecutor.cli.printers.compaction import compaction_to_json, print_compaction, print_compaction_plan
from tradeexecutor.database import compaction
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.operations.databases import open_address

EXAMPLES = (
    "tradeexecutor store compact sqlite:///trading.db#demo --keep 1000 --dry-run",
    "tradeexecutor store compact sqlite:///trading.db#demo --days 90",
)


#: Largest value of ``--days``: a thousand years, so that dates do not overflow.
_MAX_DAYS = 365_000.0


def compact(
    address: AddressArgument,
    *,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help="Keep the N newest saves.")] = None,
    days: Annotated[
        float | None,
        typer.Option(min=0.0, max=_MAX_DAYS, metavar="D", help="Keep the saves of the D days before the newest."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; needs --yes or --dry-run.")] = False,
) -> None:
    """Remove old saves of a strategy, and free their space.

    The remaining saves do not change by a byte. With both --keep and --days, a
    save is kept when either keeps it. The strategy must not be running.
    """
    if keep is None and not days:
        raise typer.BadParameter("say what to keep: --keep N saves, or the saves of --days D")
    if json_ and not (yes or dry_run):
        raise typer.BadParameter("--json needs --yes or --dry-run: it cannot ask")

    found = open_address(require_address(address))
    if found != found.newest:
        raise CommandFailed(f"leave out the part after the @: {found.newest} is compacted as a whole")
    with SQLStateStore(found) as store:
        plan = compaction.plan_compaction(store, keep, days or None)
        if not json_:
            print_compaction_plan(plan)
        done = plan
        if plan.removed_revisions and not dry_run:
            if not yes and not typer.confirm("Remove them?"):
                print_line("Nothing was changed.")
                raise typer.Exit(1)
            done = compaction.compact(store, keep, days or None)
    if json_:
        print_json(compaction_to_json(done, is_done=done is not plan))
    elif done is not plan:
        print_compaction(done)
