"""``tradeexecutor init``."""

import shlex
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.chain_options import OptionalChainOption, RpcOption, open_chain, open_wallet
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
    "tradeexecutor init state.json --name Live --chain base.json --rpc URL --wallet 0x...",
)


def init(
    state_file: Annotated[
        Path, typer.Argument(metavar="STATE_FILE", help="The file to create.", show_default=False, readable=False)
    ],
    *,
    name: Annotated[str, typer.Option(metavar="TEXT", help="Name of the strategy.", show_default=False)],
    address: Annotated[
        str | None, typer.Option(metavar="0x...", help="Contract of the reserve currency.", show_default=False)
    ] = None,
    chain_id: Annotated[
        int | None,
        typer.Option(metavar="N", help="Chain of the reserve currency; 1 is Ethereum.", show_default=False),
    ] = None,
    symbol: Annotated[str, typer.Option(metavar="TEXT", help="Ticker of the reserve currency.")] = "USDC",
    decimals: Annotated[int, typer.Option(min=1, max=36, metavar="N", help="Decimals of the reserve currency.")] = 6,
    deposit: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="Initial cash, booked as a deposit.", show_default="nothing"),
    ] = None,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    wallet: Annotated[
        str | None,
        typer.Option(
            metavar="0x...",
            help="With --chain: wallet of the strategy.",
            show_default="that of the key in PRIVATE_KEY",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the state file of a new strategy.

    The strategy has one reserve currency, valued at one dollar, and no positions.
    With --chain it is ready for `tradeexecutor start`: the reserve currency is that of
    the settings, and the balance of the wallet becomes the opening balance. No key is
    needed for that if the wallet is named. Without --chain, --address and --chain-id
    are needed. An existing file is never overwritten: `tradeexecutor reset-state` starts an
    existing strategy again.
    """
    if chain is not None:
        if address is not None or chain_id is not None or deposit is not None:
            raise typer.BadParameter("says what --address, --chain-id and --deposit say", param_hint="--chain")
        _report(_create_on_chain(state_file, name, chain, rpc, wallet), state_file, json_=json_)
        return
    if address is None or chain_id is None:
        raise typer.BadParameter("is missing; --chain FILE has it, too", param_hint="--address and --chain-id")
    for text, option in ((name, "--name"), (symbol, "--symbol")):
        if not text.strip():
            raise typer.BadParameter("is empty", param_hint=option)
    if not is_contract_address(address):
        raise typer.BadParameter(f"{address} is not an address, or its checksum is wrong", param_hint="--address")
    try:
        strategy = NewStrategy(name, AssetIdentifier(chain_id, address, symbol, decimals), _parse_amount(deposit))
    except InvalidValue as error:
        raise typer.BadParameter(str(error), param_hint="--deposit" if deposit else None) from None
    _report(create_state_file(state_file, strategy), state_file, json_=json_)


def _create_on_chain(path: Path, name: str, chain: Path, rpc: list[str] | None, wallet: str | None) -> State:
    if wallet is not None and not is_contract_address(wallet):
        raise typer.BadParameter(f"{wallet} is not an address, or its checksum is wrong", param_hint="--wallet")
    settings, connection = open_chain(chain, rpc)
    from tradeexecutor.operations.chain_treasury import create_state_of_wallet

    return create_state_of_wallet(path, name, settings, connection, wallet or open_wallet(None).address)


def _report(state: State, path: Path, *, json_: bool) -> None:
    if not json_:
        _print(state, path)
        return
    reserve = state.portfolio.get_default_reserve_position()
    print_json(
        {
            "file": path,
            "name": state.name,
            "reserve": reserve.get_identifier(),
            "symbol": reserve.asset.token_symbol,
            "decimals": reserve.asset.decimals,
            "cash": reserve.quantity,
        }
    )


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
    print_next_steps({"See its contents": shlex.join(["tradeexecutor", "show-valuation", str(state_file)])})
