"""``tradeexecutor repair``."""

import enum
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import print_line
from tradeexecutor.cli.printers.repair import print_repair, repair_to_json
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.repair import RepairKind, RepairRequest, find_unknown_refunds, repair_state
from tradeexecutor.operations.state_location import load_state
from tradeexecutor.state.repair import ReportedOutcome
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor repair state.json --dry-run",
    "tradeexecutor repair state.json",
    "tradeexecutor repair state.json --only unsent --yes",
    "tradeexecutor repair state.json --failed 12 --filled 13:0.5:1024.10",
    "tradeexecutor repair state.json --yes --json | jq .result.left_alone",
)


class Allocation(enum.StrEnum):
    """What happened to the capital of a failed trade."""

    returned = "returned"
    missing = "missing"


_OnlyOption = Annotated[
    list[RepairKind] | None,
    typer.Option(help="Only this sort of repair; may be repeated.", show_default="all but duplicates"),
]
_FailedOption = Annotated[
    list[int] | None,
    typer.Option(
        metavar="TRADE",
        help="You have looked it up: the transactions of this trade did not go through.",
        show_default=False,
    ),
]
_FilledOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRADE:QUANTITY:RESERVE",
        help="You have looked it up: this trade exchanged so many tokens for so much of the reserve currency.",
        show_default=False,
    ),
]
_AllocationOption = Annotated[
    Allocation | None,
    typer.Option(
        help="What happened to the capital of failed trades of which the file does not tell.",
        show_default="ask, or leave the trade alone",
    ),
]
_MergeOption = Annotated[
    bool,
    typer.Option("--merge-dustless-duplicates", help="Close positions in Hypercore vaults that are there twice."),
]


def repair(
    state_file: StateFile,
    *,
    only: _OnlyOption = None,
    failed: _FailedOption = None,
    filled: _FilledOption = None,
    allocation: _AllocationOption = None,
    merge: _MergeOption = False,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Make good what went wrong with trades. The strategy must not run.

    In this order:

    unsent: trades that were planned or started and never sent did not happen;
    what was set aside for them goes back.

    failed: failed trades get a counter trade, and frozen positions go back into
    use. Whether the capital of a failed trade came back long ago is read from
    the balances that the file records; it is paid back once, and not twice.

    empty: open positions that hold nothing are closed.

    dust: Hypercore vaults of which a redemption left less than 2 units are closed.

    duplicates: only when asked for. Of two positions in one Hypercore vault the
    one that does not exist is closed.

    No trade is made and no chain is asked. A trade that was sent and never
    confirmed has to be looked up by you: --failed and --filled record what you
    found. `tradeexecutor check-trades` lists what needs attention.

    The exit code is 1 when something had to be left as it is.
    """
    kinds = frozenset(only or set(RepairKind) - {RepairKind.duplicates})
    if merge:
        kinds |= {RepairKind.duplicates}
    request = RepairRequest(
        kinds,
        frozenset(failed or ()),
        dict(parse_fill(text) for text in filled or ()),
        None if allocation is None else allocation is Allocation.returned,
    )
    twice = request.failed & request.filled.keys()
    if twice:
        raise typer.BadParameter(f"trade {min(twice)} either failed or was filled", param_hint="--failed")
    if allocation is None and RepairKind.failed in kinds and not (yes or dry_run or json_):
        _ask(load_state(state_file), request)
    report = run_change(
        state_file,
        lambda state, now: repair_state(state, now, request),
        command="repair",
        print_result=print_repair,
        to_json=repair_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="repair-backup",
    )
    if report.left_alone:
        raise typer.Exit(EXIT_FAILURE)


def _ask(state: State, request: RepairRequest) -> None:
    """Ask about the failed trades of which the file does not tell whether their capital came back."""
    for trade, refund in find_unknown_refunds(state):
        print_line(f"{trade} of position #{trade.position_id} failed at {trade.failed_at}.", "bold")
        print_line(f"Whether its {refund.amount} {trade.reserve_currency.token_symbol} came back: {refund.evidence}.")
        request.answers[trade.trade_id] = typer.confirm("Has the capital come back?")


def parse_fill(text: str) -> tuple[int, ReportedOutcome]:
    """Read ``TRADE:QUANTITY:RESERVE``; raises ``typer.BadParameter``.

    >>> parse_fill("13:0.5:1024.10")
    (13, ReportedOutcome(quantity=Decimal('0.5'), reserve=Decimal('1024.10')))
    """
    parts = text.split(":")
    try:
        number, quantity, reserve = parts
        return int(number), ReportedOutcome(Decimal(quantity), Decimal(reserve))
    except (ValueError, InvalidOperation):
        message = f"{text!r} is not TRADE:QUANTITY:RESERVE, e.g. 13:0.5:1024.10"
        raise typer.BadParameter(message, param_hint="--filled") from None
