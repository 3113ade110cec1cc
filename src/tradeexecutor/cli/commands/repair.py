"""``tradeexecutor repair``."""

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.state_file import StateFile, load_state
from tradeexecutor.operations.state_change import DryRunOption, JsonOption, YesOption, mend

if TYPE_CHECKING:
    from tradeexecutor.operations.repair import RepairRequest
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor repair state.json --dry-run",
    "tradeexecutor repair state.json",
    "tradeexecutor repair state.json --only unsent --yes",
    "tradeexecutor repair state.json --failed 12 --filled 13:0.5:1024.10",
    "tradeexecutor repair state.json --yes --json | jq .result.left_alone",
)


class Kind(enum.StrEnum):
    """A sort of repair, in the order in which they are made."""

    unsent = "unsent"
    empty = "empty"
    failed = "failed"
    dust = "dust"
    duplicates = "duplicates"


class Allocation(enum.StrEnum):
    """What happened to the capital of a failed trade."""

    returned = "returned"
    missing = "missing"


def repair(
    state_file: StateFile,
    only: Annotated[
        list[Kind] | None,
        typer.Option(help="Only this sort of repair; may be repeated.", show_default="all but duplicates"),
    ] = None,
    failed: Annotated[
        list[int] | None,
        typer.Option(
            metavar="TRADE",
            help="You have looked it up: the transactions of this trade did not go through.",
            show_default=False,
        ),
    ] = None,
    filled: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TRADE:QUANTITY:RESERVE",
            help="You have looked it up: this trade exchanged so many tokens for so much of the reserve currency.",
            show_default=False,
        ),
    ] = None,
    allocation: Annotated[
        Allocation | None,
        typer.Option(
            help="What happened to the capital of failed trades of which the file does not tell.",
            show_default="ask, or leave the trade alone",
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option("--merge-dustless-duplicates", help="Close positions in Hypercore vaults that are there twice."),
    ] = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Make good what went wrong with trades. The strategy must not run.

    In this order:

    unsent: trades that were planned or started and never sent did not happen;
    what was set aside for them goes back.

    empty: open positions that hold nothing are closed.

    failed: failed trades get a counter trade, and frozen positions go back into
    use. Whether the capital of a failed trade came back long ago is read from
    the balances that the file records; it is paid back once, and not twice.

    dust: Hypercore vaults of which a redemption left less than 2 units are closed.

    duplicates: only when asked for. Of two positions in one Hypercore vault the
    one that does not exist is closed.

    No trade is made and no chain is asked. A trade that was sent and never
    confirmed has to be looked up by you: --failed and --filled record what you
    found. `tradeexecutor check-trades` lists what needs attention.

    The exit code is 1 when something had to be left as it is.
    """
    from tradeexecutor.operations.repair import RepairRequest, describe_report, parse_fill, print_report, run_repairs

    kinds = frozenset(kind.value for kind in only or (item for item in Kind if item is not Kind.duplicates))
    if merge:
        kinds |= {Kind.duplicates.value}
    request = RepairRequest(
        kinds,
        frozenset(failed or ()),
        dict(parse_fill(text) for text in filled or ()),
        None if allocation is None else allocation is Allocation.returned,
    )
    twice = request.failed & request.filled.keys()
    if twice:
        raise typer.BadParameter(f"trade {min(twice)} either failed or was filled", param_hint="--failed")
    if allocation is None and "failed" in kinds and not (yes or dry_run or json_):
        _ask(load_state(state_file), request)
    report = mend(
        state_file,
        lambda state, now: run_repairs(state, now, request),
        command="repair",
        print_result=print_report,
        to_json=describe_report,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="repair-backup",
    )
    if report.left_alone:
        raise typer.Exit(EXIT_FAILURE)


def _ask(state: "State", request: "RepairRequest") -> None:
    """Ask about the failed trades of which the file does not tell whether their capital came back."""
    from tradeexecutor.cli.output import print_line
    from tradeexecutor.operations.repair import find_unknown_refunds

    for trade, refund in find_unknown_refunds(state):
        print_line(f"{trade} of position #{trade.position_id} failed at {trade.failed_at}.", "bold")
        print_line(f"Whether its {refund.amount} {trade.reserve_currency.token_symbol} came back: {refund.evidence}.")
        request.answers[trade.trade_id] = typer.confirm("Has the capital come back?")
