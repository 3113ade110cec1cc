"""``tradeexecutor repair``."""

import enum
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from tradeexecutor.cli.chain_options import (
    ChainAccess,
    KeystoreOption,
    OptionalChainOption,
    PasswordFileOption,
    RpcOption,
    require_chain_packages,
)
from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import print_line
from tradeexecutor.cli.printers.repair import print_repair, repair_to_json
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.repair import RepairKind, RepairRequest, find_unknown_refunds, repair_state
from tradeexecutor.operations.state_location import StateLocation, load_state
from tradeexecutor.state.repair import ReportedOutcome
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor repair state.json --dry-run",
    "tradeexecutor repair state.json",
    "tradeexecutor repair state.json --only unsent --yes",
    "tradeexecutor repair state.json --failed 12 --filled 13:0.5:1024.10",
    "tradeexecutor repair state.json --chain base.json --rpc URL",
    "tradeexecutor repair state.json --yes --json | jq .result.left_alone",
)


class Allocation(enum.StrEnum):
    """What happened to the capital of a failed trade."""

    returned = "returned"
    missing = "missing"


_OnlyOption = Annotated[
    list[RepairKind] | None,
    typer.Option(help="Only this kind of repair; may be repeated.", show_default="all but duplicates"),
]
_FailedOption = Annotated[
    list[int] | None,
    typer.Option(
        metavar="TRADE",
        help="Record that the transactions of this trade failed, after you have looked them up.",
        show_default=False,
    ),
]
_FilledOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TRADE:QUANTITY:RESERVE",
        help="Record that this trade was filled: quantity in tokens, and amount of the reserve currency.",
        show_default=False,
    ),
]
_AllocationOption = Annotated[
    Allocation | None,
    typer.Option(
        help="What happened to the capital of failed trades, where the file does not record it.",
        show_default="ask, or leave the trade alone",
    ),
]
_MergeOption = Annotated[
    bool,
    typer.Option("--merge-dustless-duplicates", help="Close duplicate positions in Hypercore vaults."),
]


def repair(
    state_file: StateFile,
    *,
    only: _OnlyOption = None,
    failed: _FailedOption = None,
    filled: _FilledOption = None,
    allocation: _AllocationOption = None,
    merge: _MergeOption = False,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    # Longer than 70 lines: many of them declare the options and their help.
    """Repair failed and unfinished trades. The strategy must not be running.

    In this order:

    unsent: trades that were planned or started and never sent are cancelled, and
    the capital allocated to them is returned.

    failed: failed trades get a counter trade, and frozen positions are unfrozen.
    The balances in the file show whether the capital of a failed trade was
    already returned; it is never returned twice.

    empty: open positions that hold nothing are closed.

    dust: Hypercore vaults with less than 2 units left after a redemption are
    closed.

    duplicates: only with --merge-dustless-duplicates. Of two positions in one
    Hypercore vault, the one that does not exist is closed.

    With --chain, the outcomes of trades that were sent and never confirmed are read
    from the chain first, and booked; transactions that it has dropped are sent again,
    with the recorded bytes. That is saved at once and cannot be undone. Without it no
    chain is read: look the trades up yourself, and record their outcome with --failed
    and --filled. `tradeexecutor check-trades` lists what needs attention.

    The exit code is 1 when something could not be repaired.
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
    if chain is not None:
        _resolve(
            state_file, ChainAccess(chain, rpc, keystore, None, password_file), yes=yes, dry_run=dry_run, json_=json_
        )
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


def _resolve(place: StateLocation, access: ChainAccess, *, yes: bool, dry_run: bool, json_: bool) -> None:
    """Book the outcomes of trades on the chain before the repair."""
    if dry_run or json_:
        raise typer.BadParameter("cannot be combined with --dry-run or --json", param_hint="--chain")
    require_chain_packages()
    from tradeexecutor.cli.chain_trading import resolve_on_chain

    resolve_on_chain(place, access, yes=yes)


def _ask(state: State, request: RepairRequest) -> None:
    """Ask whether the capital of failed trades came back, where the file does not record it."""
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
