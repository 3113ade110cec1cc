"""``tradeexecutor show-statistics``."""

import datetime
from typing import Annotated

import typer

from tradeexecutor.cli.option_values import TIME_FORMATS, parse_duration, read_option
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.state_file import StateFile, StatePlace, parse_place
from tradeexecutor.operations.state_location import load_state

EXAMPLES = (
    "tradeexecutor show-statistics state.json",
    "tradeexecutor show-statistics live.json --backtest backtest.json",
    "tradeexecutor show-statistics state.json --history 14d",
    "tradeexecutor show-statistics state.json --json | jq .performance.max_drawdown",
)


#: The option of commands that can take a backtest for comparison.
BacktestOption = Annotated[
    StatePlace | None,
    typer.Option(
        metavar="STATE_FILE",
        help="State of a backtest of the same strategy.",
        show_default=False,
        parser=parse_place,
    ),
]


def show_statistics(
    state_file: StateFile,
    *,
    backtest: BacktestOption = None,
    history: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Length of live trading from which key metrics use it instead of the backtest."
        ),
    ] = "90d",
    as_of: Annotated[
        datetime.datetime | None,
        typer.Option(
            formats=TIME_FORMATS,
            metavar="DATE",
            help="Time of the report, UTC.",
            show_default="when the state last changed",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the performance of a strategy: return, risk, positions, costs.

    The first figures count deposits and redemptions neither as profit nor as
    loss. The key metrics and the table of long and short positions follow; they
    use the definitions of dashboards and recorded files. A number in brackets
    marks figures that are misleading for this state; the notes below explain why.
    """
    required = read_option("--history", parse_duration, history)
    state = load_state(state_file)
    tested = load_state(backtest) if backtest is not None else None
    from tradeexecutor.cli.printers.statistics import print_statistics, statistics_to_json
    from tradeexecutor.report.statistics_tables import collect_statistics

    statistics = collect_statistics(state, tested, as_of, required)
    if json_:
        print_json(statistics_to_json(statistics))
    else:
        print_statistics(statistics, state_file)
