"""``tradeexecutor init``."""

import shlex
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.failure import CommandFailed

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor init state.json --name 'Ape in' --chain-id 137 --symbol USDC --decimals 6 "
    "--address 0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174",
    "tradeexecutor init state.json --name Paper --chain-id 1 --address 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 "
    "--deposit 1000",
)


def init(
    state_file: Annotated[
        Path, typer.Argument(metavar="STATE_FILE", help="The file to make.", show_default=False, readable=False)
    ],
    name: Annotated[str, typer.Option(metavar="TEXT", help="Name of the strategy.", show_default=False)],
    address: Annotated[
        str, typer.Option(metavar="0x...", help="Contract of the reserve currency.", show_default=False)
    ],
    chain_id: Annotated[
        int, typer.Option(metavar="N", help="Chain of the reserve currency; 1 is Ethereum.", show_default=False)
    ],
    symbol: Annotated[str, typer.Option(metavar="TEXT", help="Ticker of the reserve currency.")] = "USDC",
    decimals: Annotated[int, typer.Option(min=1, max=36, metavar="N", help="Decimals of the reserve currency.")] = 6,
    deposit: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="Cash to begin with, booked as a deposit.", show_default="nothing"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the state file of a new strategy.

    The strategy has one reserve currency, counted as one dollar, and no positions.
    A file that exists is never overwritten: `tradeexecutor reset-state` starts an
    existing strategy anew.
    """
    for text, option in ((name, "--name"), (symbol, "--symbol")):
        if not text.strip():
            raise typer.BadParameter("is empty", param_hint=option)
    amount = _parse_amount(deposit, decimals)
    if not _is_address(address):
        raise typer.BadParameter(f"{address} is no address, or its checksum is wrong", param_hint="--address")
    if state_file.exists():
        command = shlex.join(["tradeexecutor", "reset-state", str(state_file)])
        raise CommandFailed(f"{state_file} exists", f"To start this strategy anew: {command}")
    from tradeexecutor.cli.output import print_json
    from tradeexecutor.state.store import JSONFileStore

    with JSONFileStore(state_file) as store:
        if not store.is_pristine():
            raise CommandFailed(
                f"{state_file} is gone, but earlier saves of it are there",
                f"To bring it back: {shlex.join(['tradeexecutor', 'store', 'recover', str(state_file)])}",
            )
        store.acquire_writer_lock()
        if state_file.exists():  # made by somebody else meanwhile
            raise CommandFailed(f"{state_file} exists")
        state = store.create(name)
        _fill(state, chain_id, address, symbol, decimals, amount)
        store.sync(state)
    if json_:
        reserve = state.portfolio.get_default_reserve_position()
        print_json(
            {
                "file": state_file,
                "name": name,
                "reserve": reserve.get_identifier(),
                "symbol": symbol,
                "decimals": decimals,
                "cash": reserve.quantity,
            }
        )
    else:
        _print(state, state_file)


def _is_address(text: str) -> bool:
    """Tell whether a text is an address, and if it has upper and lower case, whether these are the right ones."""
    from eth_utils.address import is_checksum_address, is_checksum_formatted_address, is_hex_address

    return is_hex_address(text) and (not is_checksum_formatted_address(text) or is_checksum_address(text))


def _parse_amount(text: str | None, decimals: int) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is no number", param_hint="--deposit") from None
    if not amount.is_finite() or amount <= 0:
        raise typer.BadParameter(f"a deposit is more than nothing, got {text}", param_hint="--deposit")
    if amount != amount.scaleb(decimals).to_integral_value().scaleb(-decimals):
        raise typer.BadParameter(f"{text} has more than {decimals} decimals", param_hint="--deposit")
    return amount


def _fill(state: "State", chain_id: int, address: str, symbol: str, decimals: int, amount: Decimal | None) -> None:
    from tradeexecutor.state.booking.treasury import EventOrigin, book_reserve_flow
    from tradeexecutor.state.identifier import AssetIdentifier

    asset = AssetIdentifier(chain_id, address, symbol, decimals)
    state.portfolio.initialise_reserves(asset, reserve_token_price=1.0)
    if amount is not None:
        book_reserve_flow(state, asset, amount, EventOrigin(state.created_at, notes="Booked when the state was made"))


def _print(state: "State", state_file: Path) -> None:
    from tradeexecutor.cli.output import format_quantity, print_facts, print_line, print_next_steps
    from tradeexecutor.state.identifier.chain import describe_chain

    reserve = state.portfolio.get_default_reserve_position()
    asset = reserve.asset
    print_line(f"{state_file} was made.", "bold green")
    print_facts(
        {
            "Strategy": state.name or "",
            "Reserve": f"{asset.token_symbol} on {describe_chain(asset.chain_id)}, {asset.decimals} decimals",
            "Contract": asset.address,
            "Cash": f"{format_quantity(reserve.quantity)} {asset.token_symbol}",
        }
    )
    print_next_steps({"See what it says": shlex.join(["tradeexecutor", "show-valuation", str(state_file)])})
