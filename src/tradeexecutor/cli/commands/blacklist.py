"""``tradeexecutor blacklist``."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.state_file import StateFile, describe_state, load_state
from tradeexecutor.operations.state_change import DryRunOption, YesOption, mend

if TYPE_CHECKING:
    from tradeexecutor.state.identifier import AssetIdentifier
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor blacklist state.json",
    "tradeexecutor blacklist state.json --add-token 0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270 --reason 'takes a tax'",
    "tradeexecutor blacklist state.json --remove-token 0x0d500b1d8e8ef31e21c99d1db9a6444d3adf1270 --yes",
)

#: ``chain-address``; the chain may be negative.
_IDENTIFIER = re.compile(r"^(?P<chain>-?\d+)-(?P<address>.+)$")

_ADDRESS = re.compile(r"^0x[0-9a-f]{40}$")


def blacklist(
    state_file: StateFile,
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
            metavar="ID", help="Chain of the token, where the address does not tell which one.", show_default=False
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; kept with the token.")] = None,
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
    token = add_token or remove_token
    if token is None:
        state = load_state(state_file)
        _show(state, describe_state(state, state_file), json_)
        return
    is_added = add_token is not None

    def change(state: "State", _now: object) -> dict[str, Any]:
        return _add(state, token, chain, reason) if is_added else _remove(state, token, chain)

    mend(
        state_file,
        change,
        command="blacklist",
        print_result=_print_change,
        to_json=lambda change: change,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="blacklist-backup",
    )


# --- Finding tokens


def _split(token: str, chain: int | None) -> tuple[int | None, str]:
    """Return chain and lower-case address; raises `typer.BadParameter`."""
    match = _IDENTIFIER.match(token.strip())
    if match:
        token, chain = match["address"], int(match["chain"])
    address = token.strip().lower()
    if not _ADDRESS.match(address):
        raise typer.BadParameter(f"{token!r} is not an address: 0x and 40 hexadecimal digits")
    return chain, address


def _find_assets(state: "State", chain: int | None, address: str) -> "list[AssetIdentifier]":
    """Return the tokens of the state with an address."""
    known = dict.fromkeys(state.blacklisted_assets)
    for reserve in state.portfolio.reserves.values():
        known[reserve.asset] = None
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            for asset in (position.pair.base, position.pair.quote):
                known[asset] = None
                if asset.underlying is not None:
                    known[asset.underlying] = None
    return sorted(
        (asset for asset in known if asset.address == address and chain in (None, asset.chain_id)),
        key=lambda asset: asset.chain_id,
    )


def _choose(state: "State", token: str, chain: int | None) -> "tuple[AssetIdentifier | None, int | None, str]":
    """Return the token if the state knows it, and its chain and address."""
    chain, address = _split(token, chain)
    found = _find_assets(state, chain, address)
    if len(found) > 1:
        chains = ", ".join(str(asset.chain_id) for asset in found)
        raise CommandFailed(f"{address} is a token on the chains {chains}", "Say with --chain which one.")
    return (found[0], found[0].chain_id, address) if found else (None, chain, address)


# --- Changing


def _add(state: "State", token: str, chain: int | None, reason: str | None) -> dict[str, Any]:
    asset, chain, address = _choose(state, token, chain)
    if chain is None:
        raise CommandFailed(
            f"the state knows no token {address}, so its chain is not known either", "Say it with --chain."
        )
    identifier = f"{chain}-{address}"
    was_listed = _list_keys(state, chain, address)
    held = [] if asset is None else _find_holders(state, asset)
    if not was_listed:
        if asset is not None:
            state.blacklist_asset(asset, reason)
        else:
            from tradeexecutor.state.clock import utc_now

            # A token that was never traded: what it is called and how many decimals it has is not known.
            state.asset_blacklist.add(identifier)
            state.blacklist_reason[identifier] = f"Blacklisted {utc_now()}:\n{reason or '-'}"
    return {
        "action": "was blacklisted before" if was_listed else "blacklisted",
        "token": identifier,
        "symbol": asset and asset.token_symbol,
        "positions": held,
    }


def _list_keys(state: "State", chain: int | None, address: str) -> list[str]:
    """Return the entries of the blacklist about a token; old files have bare addresses."""
    keys = sorted(
        key
        for key in state.asset_blacklist
        if key == address
        or ((match := _IDENTIFIER.match(key)) and match["address"] == address and chain in (None, int(match["chain"])))
    )
    assets = (a for a in state.blacklisted_assets if a.address == address and chain in (None, a.chain_id))
    return sorted({*keys, *(asset.get_identifier() for asset in assets)})


def _find_holders(state: "State", asset: "AssetIdentifier") -> list[int]:
    positions = state.portfolio.get_open_and_frozen_positions()
    return [position.position_id for position in positions if asset in (position.pair.base, position.pair.quote)]


def _remove(state: "State", token: str, chain: int | None) -> dict[str, Any]:
    chain, address = _split(token, chain)
    keys = _list_keys(state, chain, address)
    if not keys:
        raise CommandFailed(f"{address} is not blacklisted", "`tradeexecutor blacklist STATE_FILE` lists what is.")
    if len(keys) > 1:
        raise CommandFailed(f"{address} is blacklisted as {', '.join(keys)}", "Say with --chain which one.")
    symbol = _get_symbol(state, keys[0])
    state.asset_blacklist.discard(keys[0])
    gone = {asset for asset in state.blacklisted_assets if asset.get_identifier() == keys[0]}
    state.blacklisted_assets -= gone
    state.blacklist_reason.pop(keys[0], None)
    return {"action": "allowed again", "token": keys[0], "symbol": symbol, "positions": []}


def _get_symbol(state: "State", key: str) -> str | None:
    match = _IDENTIFIER.match(key)
    chain, address = (int(match["chain"]), match["address"]) if match else (None, key)
    found = _find_assets(state, chain, address)
    return found[0].token_symbol if found else None


# --- Telling


def _print_change(change: dict[str, Any]) -> None:
    from tradeexecutor.cli.output import print_line

    print_line(f"{change['symbol'] or 'The token'} {change['token']}: {change['action']}.", "bold")
    if change["positions"]:
        numbers = ", ".join(f"#{number}" for number in change["positions"])
        print_line(f"Position {numbers} holds it and stays; `tradeexecutor close-position` closes it.", "yellow")


def _show(state: "State", name: str, json_: bool) -> None:
    from tradeexecutor.cli.output import Column, format_line, print_json, print_line, print_table

    keys = sorted({*state.asset_blacklist, *(asset.get_identifier() for asset in state.blacklisted_assets)})
    rows = [
        {"token": key, "symbol": _get_symbol(state, key), "reason": state.blacklist_reason.get(key)} for key in keys
    ]
    if json_:
        print_json(rows)
        return
    print_line(name, "bold")
    if not rows:
        print_line("No token is blacklisted.")
        return
    columns = (Column("Token"), Column("Address"), Column("Reason", is_text=True, priority=1))
    print_table(columns, [(row["symbol"] or "?", row["token"] or "", format_line(row["reason"])) for row in rows])
