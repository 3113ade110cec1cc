"""``tradeexecutor audit``."""

from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import make_console, print_json
from tradeexecutor.cli.printers.audit import AuditSelection, audit_to_json, print_entries, print_proof
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.prune import restore_in_memory
from tradeexecutor.operations.state_location import StateLocation, load_state
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor audit state.json",
    "tradeexecutor audit state.json --all --strict",
    "tradeexecutor audit state.json --entries --asset USDC --limit 20",
    "tradeexecutor audit state.json --entries --account cash",
    "tradeexecutor audit state.json --json | jq '.findings[] | select(.verdict == \"mismatch\")'",
)

#: Number of trades from which booking takes long enough to show a status line.
_MIN_TRADES_FOR_STATUS = 5_000


def audit(
    state_file: StateFile,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Also list the balances of closed positions.")] = False,
    entries: Annotated[bool, typer.Option("--entries", help="List the entries instead of the balances.")] = False,
    account: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only accounts whose name contains this: cash, in_flight, position #3."),
    ] = None,
    asset: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="Only this asset: a ticker or an address.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the N latest entries.", show_default="all")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Also fail when a balance cannot be proven.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove that every balance is the sum of its recorded movements.

    Trades, deposits, redemptions, interest and corrections are booked as double
    entries. Each balance that the file records - cash, positions, loans, capital
    in flight - is then compared with the sum of its entries, exactly.

    balanced: the balance is that sum, and so were its recorded earlier values.
    balanced at the end: the balance is that sum now, but was not at some earlier
    time.
    does not balance: the balance is not that sum. The report shows after which
    entry, by how much, and the likely cause.
    cannot be proven: the file does not record enough.

    Details that `tradeexecutor prune-state` moved into archives beside the file
    are included. Nothing is changed. The exit code is 1 when a balance does not
    match or is impossibly negative; with --strict also when one cannot be proven.
    """
    state = load_state(state_file)
    lack = _restore(state, state_file)

    console = make_console(stderr=True)
    if console.is_terminal and state.portfolio.next_trade_id > _MIN_TRADES_FOR_STATUS:
        with console.status(f"Booking {state.portfolio.next_trade_id - 1:,} trades"):
            proof = prove(state)
    else:
        proof = prove(state)
    if lack:
        proof.remarks.append(lack)
    selection = AuditSelection(account, asset, limit)
    if json_:
        print_json(audit_to_json(proof, state, selection, entries=entries))
    elif entries:
        print_entries(proof, state, state_file, selection)
    else:
        print_proof(proof, state, state_file, selection, all_=all_)
    if proof.has_mismatch or proof.impossible or (strict and (lack or not proof.is_balanced)):
        raise typer.Exit(EXIT_FAILURE)


def _restore(state: State, place: StateLocation) -> str:
    """Restore pruned details in memory; return a warning when that is not possible, else an empty text."""
    positions = sum(ref.positions for ref in state.archives)
    problem = restore_in_memory(state, place)
    return problem and f"the pruned details of {positions:,} closed positions were not examined: {problem}"
