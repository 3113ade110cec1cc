"""``tradeexecutor show-valuation``."""

from typing import Annotated

import typer

from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.printers.positions import PositionType
from tradeexecutor.cli.printers.valuation import collect_valuation, print_valuation
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import load_state

EXAMPLES = (
    "tradeexecutor show-valuation state.json",
    "tradeexecutor show-valuation state.json --position-type all",
    "tradeexecutor show-valuation state.json --json | jq '.positions[] | select(.age > 86400) | .ticker'",
)


def show_valuation(
    state_file: StateFile,
    *,
    position_type: Annotated[PositionType, typer.Option(help="Which positions.")] = PositionType.open_and_frozen,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; ages are seconds.")] = False,
) -> None:
    """Show what positions are worth, at which price, and how old that price is.

    The age is measured at the time the state was last saved; in a backtest, at
    its last cycle.
    """
    state = load_state(state_file)

    report = collect_valuation(state, position_type)
    if json_:
        print_json(report)
    else:
        print_valuation(report, state, state_file)
