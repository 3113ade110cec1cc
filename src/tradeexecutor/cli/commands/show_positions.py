"""``tradeexecutor show-positions``."""

import enum
from typing import Annotated

import typer

from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.printers.positions import PositionType, collect_positions, print_positions, select_positions
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import load_state

EXAMPLES = (
    "tradeexecutor show-positions state.json",
    "tradeexecutor show-positions state.json --position-type all --trade-type none",
    "tradeexecutor show-positions state.json --position-type all --tx-type failed",
    "tradeexecutor show-positions state.json --json | jq '.positions[].ticker'",
)


class ShownTrades(enum.StrEnum):
    """Whether to show trades."""

    none = "none"
    all = "all"


class ShownTransactions(enum.StrEnum):
    """Which transactions to show."""

    none = "none"
    failed = "failed"
    all = "all"


def show_positions(
    state_file: StateFile,
    *,
    position_type: Annotated[PositionType, typer.Option(help="Which positions.")] = PositionType.open_and_frozen,
    trade_type: Annotated[ShownTrades, typer.Option(help="Show the trades of each position.")] = ShownTrades.all,
    tx_type: Annotated[ShownTransactions, typer.Option(help="Which blockchain transactions.")] = ShownTransactions.none,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show positions, their trades and transactions."""
    state = load_state(state_file)

    report = collect_positions(
        state,
        select_positions(state, position_type),
        with_trades=trade_type is ShownTrades.all,
        with_transactions=tx_type is not ShownTransactions.none,
        failed_transactions_only=tx_type is ShownTransactions.failed,
    )
    if json_:
        print_json(report)
        return
    print_positions(report, state, state_file, position_type.value)
