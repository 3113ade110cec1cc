"""``tradeexecutor blacklist``."""

import dataclasses
import datetime
from typing import Annotated

import typer

from tradeexecutor.cli.output import Column, format_line, print_json, print_line, print_table
from tradeexecutor.cli.state_changing import DryRunOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.blacklist import (
    BlacklistChange,
    BlacklistedToken,
    TokenAddress,
    add_to_blacklist,
    list_blacklist,
    remove_from_blacklist,
)
from tradeexecutor.operations.state_location import describe_state, load_state
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor blacklist state.json",
    "tradeexecutor blacklist state.json --add-token 0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270 --reason 'takes a tax'",
    "tradeexecutor blacklist state.json --remove-token 0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270 --yes",
)


def blacklist(
    state_file: StateFile,
    *,
    add_token: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Stop trading this token; its positions stay.", show_default=False),
    ] = None,
    remove_token: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Allow this token again.", show_default=False)
    ] = None,
    chain: Annotated[
        int | None,
        typer.Option(
            metavar="ID", help="Chain of the token, when the address alone does not identify it.", show_default=False
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Reason, stored with the token.")] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; a change then needs --yes or --dry-run.")] = False,
) -> None:
    """List the tokens that the strategy must not trade, add one or remove one.

    An address may be written with its chain in front: 137-0x0d50...
    """
    if add_token is not None and remove_token is not None:
        raise typer.BadParameter("add a token or remove one", param_hint="--remove-token")
    if reason is not None and add_token is None:
        raise typer.BadParameter("a reason belongs to --add-token", param_hint="--reason")
    text = add_token or remove_token
    if text is None:
        state = load_state(state_file)
        _show(list_blacklist(state), describe_state(state, state_file), json_=json_)
        return
    try:
        token = TokenAddress.parse(text, chain)
    except InvalidValue as error:
        raise typer.BadParameter(str(error)) from None

    def change(state: State, now: datetime.datetime) -> BlacklistChange:
        if add_token is not None:
            return add_to_blacklist(state, token, now, reason=reason)
        return remove_from_blacklist(state, token)

    run_change(
        state_file,
        change,
        command="blacklist",
        print_result=_print_change,
        to_json=dataclasses.asdict,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="blacklist-backup",
    )


def _print_change(change: BlacklistChange) -> None:
    print_line(f"{change.symbol or 'The token'} {change.token}: {change.action}.", "bold")
    if change.positions:
        numbers = ", ".join(f"#{number}" for number in change.positions)
        print_line(f"Position {numbers} holds it and stays open; `tradeexecutor close-position` closes it.", "yellow")


def _show(tokens: list[BlacklistedToken], name: str, *, json_: bool) -> None:
    if json_:
        print_json(tokens)
        return
    print_line(name, "bold")
    if not tokens:
        print_line("No token is blacklisted.")
        return
    columns = (Column("Token"), Column("Address"), Column("Reason", is_text=True, priority=1))
    print_table(columns, [(item.symbol or "?", item.token, format_line(item.reason)) for item in tokens])
