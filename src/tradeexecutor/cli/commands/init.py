"""``tradeexecutor init``."""

import shlex
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.output import format_quantity, print_facts, print_json, print_line, print_next_steps
from tradeexecutor.operations.create_state import NewStrategy, create_state_file, is_contract_address
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.chain import describe_chain
from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor init state.json --name 'Ape in' --chain-id 137 --symbol USDC --decimals 6 "
    "--address 0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174",
    "tradeexecutor init state.json --name Paper --chain-id 1 --address 0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48 "
    "--deposit 1000",
)


def init(
    state_file: Annotated[
        Path, typer.Argument(metavar="STATE_FILE", help="The file to create.", show_default=False, readable=False)
    ],
    *,
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
        typer.Option(metavar="AMOUNT", help="Initial cash, booked as a deposit.", show_default="nothing"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the state file of a new strategy.

    The strategy has one reserve currency, valued at one dollar, and no positions.
    An existing file is never overwritten: `tradeexecutor reset-state` starts an
    existing strategy again.
    """
    for text, option in ((name, "--name"), (symbol, "--symbol")):
        if not text.strip():
            raise typer.BadParameter("is empty", param_hint=option)
    if not is_contract_address(address):
        raise typer.BadParameter(f"{address} is not an address, or its checksum is wrong", param_hint="--address")
    try:
        strategy = NewStrategy(name, AssetIdentifier(chain_id, address, symbol, decimals), _parse_amount(deposit))
    except InvalidValue as error:
        raise typer.BadParameter(str(error), param_hint="--deposit" if deposit else None) from None
    state = create_state_file(state_file, strategy)
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


def _parse_amount(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number", param_hint="--deposit") from None


def _print(state: State, state_file: Path) -> None:
    reserve = state.portfolio.get_default_reserve_position()
    asset = reserve.asset
    print_line(f"{state_file} was created.", "bold green")
    print_facts(
        {
            "Strategy": state.name or "",
            "Reserve": f"{asset.token_symbol} on {describe_chain(asset.chain_id)}, {asset.decimals} decimals",
            "Contract": asset.address,
            "Cash": f"{format_quantity(reserve.quantity)} {asset.token_symbol}",
        }
    )
    print_next_steps({"See what it says": shlex.join(["tradeexecutor", "show-valuation", str(state_file)])})
