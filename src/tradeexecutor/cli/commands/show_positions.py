"""``tradeexecutor show-positions``."""

import enum
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.state_file import StateFile, load_state

if TYPE_CHECKING:
    from tradeexecutor.state.position import TradingPosition
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor show-positions state.json",
    "tradeexecutor show-positions state.json --position-type all --trade-type none",
    "tradeexecutor show-positions state.json --position-type all --tx-type failed",
    "tradeexecutor show-positions state.json --json | jq '.positions[].ticker'",
)


class PositionType(enum.StrEnum):
    """Which positions to show."""

    open = "open"
    open_and_frozen = "open_and_frozen"
    all = "all"


class TradeType(enum.StrEnum):
    """Whether to show trades."""

    none = "none"
    all = "all"


class TransactionType(enum.StrEnum):
    """Which transactions to show."""

    none = "none"
    failed = "failed"
    all = "all"


def show_positions(
    state_file: StateFile,
    position_type: Annotated[PositionType, typer.Option(help="Which positions.")] = PositionType.open_and_frozen,
    trade_type: Annotated[TradeType, typer.Option(help="Show the trades of each position.")] = TradeType.all,
    tx_type: Annotated[TransactionType, typer.Option(help="Which blockchain transactions.")] = TransactionType.none,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show positions, their trades and transactions."""
    state = load_state(state_file)
    from tradeexecutor.cli.output import print_json
    from tradeexecutor.cli.printers.positions import make_report, print_report

    report = make_report(
        state,
        select_positions(state, position_type),
        with_trades=trade_type is TradeType.all,
        with_transactions=tx_type is not TransactionType.none,
        failed_transactions_only=tx_type is TransactionType.failed,
    )
    if json_:
        print_json(report)
        return
    print_report(report, state, state_file, position_type.value)


def select_positions(state: "State", position_type: PositionType) -> "list[TradingPosition]":
    """Return the positions of a type, each table in the order of ids."""
    portfolio = state.portfolio
    tables = [portfolio.open_positions]
    if position_type is not PositionType.open:
        tables.append(portfolio.frozen_positions)
    if position_type is PositionType.all:
        tables += [portfolio.pending_positions, portfolio.closed_positions, portfolio.expired_positions]
    return [table[position_id] for table in tables for position_id in sorted(table)]
