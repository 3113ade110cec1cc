"""``tradeexecutor show-valuation``."""

from typing import Annotated

import typer

from tradeexecutor.cli.commands.show_positions import PositionType
from tradeexecutor.cli.state_file import StateFile, load_state

EXAMPLES = (
    "tradeexecutor show-valuation state.json",
    "tradeexecutor show-valuation state.json --position-type all",
    "tradeexecutor show-valuation state.json --json | jq '.positions[] | select(.age > 86400) | .ticker'",
)


def show_valuation(
    state_file: StateFile,
    position_type: Annotated[PositionType, typer.Option(help="Which positions.")] = PositionType.open_and_frozen,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON; ages are seconds.")] = False,
) -> None:
    """Show what positions are worth, at which price, and how old that price is.

    The age is counted up to the time at which the state was last saved, in a
    backtest up to its last cycle.
    """
    state = load_state(state_file)
    from tradeexecutor.cli.output import print_json
    from tradeexecutor.cli.printers.valuation import make_report, print_report

    report = make_report(state, position_type)
    if json_:
        print_json(report)
    else:
        print_report(report, state, state_file)
