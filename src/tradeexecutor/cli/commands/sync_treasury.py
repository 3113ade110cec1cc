"""``tradeexecutor sync-treasury``."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tradeexecutor.cli.chain_options import OptionalChainOption, RpcOption, VaultOption, open_chain
from tradeexecutor.cli.output import (
    Column,
    format_price,
    format_quantity,
    format_time,
    format_usd,
    print_facts,
    print_heading,
    print_line,
    print_table,
)
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.sync_treasury import TreasuryChange
from tradeexecutor.operations.sync_treasury import sync_treasury as sync_state_treasury
from tradeexecutor.state.balance_update import read_log_index
from tradeexecutor.state.state import State
from tradeexecutor.strategy.accounts.treasury_event import read_treasury_events

EXAMPLES = (
    "tradeexecutor sync-treasury state.json --events events.csv --dry-run",
    "tradeexecutor sync-treasury state.json --events events.json --yes",
    "tradeexecutor sync-treasury state.json --chain base.json --rpc https://mainnet.base.org --dry-run",
)


def sync_treasury(
    state_file: StateFile,
    *,
    events: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Deposits, redemptions and flows: a .csv or .json file.", show_default=False),
    ] = None,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    vault: VaultOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Book deposits, redemptions and flows from a chain, or from a file of events.

    With --chain the transfers of the wallet are read from its chain, from where
    the last reading ended up to the newest final block; no key is needed. Transfers
    that a reorganisation removed are undone. `tradeexecutor start` does the same
    before each decision. With --vault the number of shares of the vault and its
    open requests are recorded, too.

    With --events they are in a file. It has a record for each event:

    kind, time, chain_id, token, amount, tx_hash, log_index, block, owner,
    share_count, position_id, notes

    The columns up to log_index are required. kind is deposit, redemption,
    settlement (net flow of deposits and redemptions that a vault settled
    together) or vault_flow (profit or loss of a position that is tracked by its
    value). token is the contract of a reserve currency, or, for redemptions in
    kind and vault flows, of the token in a position. amount is in tokens;
    settlements and vault flows are signed.

    An event that is already booked is skipped, so the same file can be used
    again, and files may overlap. When an event is impossible, such as a redemption
    of more than the balance, nothing is booked and the exit code is 1.
    """
    run_change(
        state_file,
        _make_change(events, chain, rpc, vault),
        command="sync-treasury",
        print_result=_print,
        to_json=_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="treasury-backup",
    )


def _make_change(
    events: Path | None, chain: Path | None, rpc: list[str] | None, vault: str | None
) -> Callable[[State, datetime.datetime], TreasuryChange]:
    """Return the change for the options; raises ``typer.BadParameter`` unless exactly one source is given."""
    if (events is None) == (chain is None):
        raise typer.BadParameter("either --events FILE or --chain FILE is needed", param_hint="--events")
    if events is not None:
        if vault is not None:
            raise typer.BadParameter("is read from a chain, and needs --chain", param_hint="--vault")
        return lambda state, now: sync_state_treasury(state, read_treasury_events(events), now)
    assert chain is not None, "checked above"
    settings, connection = open_chain(chain, rpc)
    from tradeexecutor.operations.chain_treasury import sync_treasury_from_chain

    return lambda state, now: sync_treasury_from_chain(state, settings, connection, now, vault=vault)


def _print(sync: TreasuryChange) -> None:
    columns = (
        Column("Id", right=True),
        Column("What"),
        Column("Of", is_text=True),
        Column("Amount", right=True),
        Column("USD", right=True),
        Column("When"),
        Column("Transaction", is_text=True, priority=1),
    )
    booked = sync.result.booked
    print_heading(f"{len(booked):,} new events, {len(sync.result.known):,} already booked")
    if booked:
        rows = [
            [
                str(event.balance_update_id),
                event.cause.value,
                event.asset.token_symbol if event.position_id is None else f"position #{event.position_id}",
                format_quantity(event.quantity),
                format_usd(event.usd_value),
                format_time(event.block_mined_at, seconds=True),
                event.tx_hash or "",
            ]
            for event in booked
        ]
        print_table(columns, rows)
        facts = {"Cash": f"{format_usd(sync.before.cash)} USD before, {format_usd(sync.after.cash)} USD after"}
        if sync.after.share_count is not None:
            counts = [format_quantity(count) for count in (sync.before.share_count, sync.after.share_count)]
            prices = [format_price(price) for price in (sync.before.share_price, sync.after.share_price)]
            facts["Shares"] = f"{counts[0]} before, {counts[1]} after"
            facts["Share price"] = f"{prices[0]} USD before, {prices[1]} USD after"
        print_facts(facts)
    elif sync.result.known:
        print_line("There is nothing new.")


def _to_json(sync: TreasuryChange) -> dict[str, Any]:
    return {
        "booked": [
            {
                "balance_update_id": event.balance_update_id,
                "cause": event.cause,
                "asset": event.asset.get_identifier(),
                "position_id": event.position_id,
                "quantity": event.quantity,
                "usd_value": event.usd_value,
                "time": event.block_mined_at,
                "tx_hash": event.tx_hash,
                "log_index": read_log_index(event.log_index),
            }
            for event in sync.result.booked
        ],
        "known": len(sync.result.known),
        "cash_before": sync.before.cash,
        "cash_after": sync.after.cash,
        "share_count_before": sync.before.share_count,
        "share_count_after": sync.after.share_count,
        "share_price_before": sync.before.share_price,
        "share_price_after": sync.after.share_price,
    }
