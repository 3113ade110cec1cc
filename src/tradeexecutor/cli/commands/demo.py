"""``tradeexecutor demo``."""

import contextlib
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.example_files import find_examples, get_title
from tradeexecutor.cli.output import print_heading, print_json, print_line, print_next_steps, shorten_path

EXAMPLES = (
    "tradeexecutor demo",
    "tradeexecutor demo --output /tmp/demo",
    "tradeexecutor demo --json | jq '.[].sharpe'",
)


def demo(
    *,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("backtests/demo"),
    json_: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run the example strategies.

    They trade on price data that comes with the program. Results of an earlier demo
    in the same folder are kept as those of `tradeexecutor backtest` are.
    """
    from tradeexecutor.cli.printers.performance import print_comparison, print_run
    from tradeexecutor.operations.backtest_run import BacktestRequest, run_backtest_and_save

    examples = find_examples()
    if not json_:
        print_line(f"Running {len(examples)} example strategies over years of prices, with fees.")
    outcomes = []
    for example in examples:
        if not json_:
            print_heading(f"{example.name}: {get_title(example)}")
        with contextlib.redirect_stdout(sys.stderr):  # the output of the strategy is not part of the table
            outcome = run_backtest_and_save(BacktestRequest(example, output / example.stem, progress=None))
        outcomes.append(outcome)
        if not json_:
            print_run(outcome)
    if json_:
        print_json([outcome.to_dict() for outcome in outcomes])
        return
    print_heading("Results")
    print_comparison(outcomes)
    _print_what_next(outcomes[-1].strategy, outcomes[-1].state_file, output)


def _print_what_next(strategy: Path, state_file: Path, output: Path) -> None:
    state = shlex.quote(str(state_file))
    print_next_steps(
        {
            "Everything on one page": f"tradeexecutor report {state} -o report.html",
            "Positions and trades": f"tradeexecutor show-positions {state} --position-type all",
            "Check the state files": f"tradeexecutor validate {shlex.quote(str(output))}/*/state.json",
            "Prove its balances": f"tradeexecutor audit {state}",
            "Make a strategy your own": f"cp {shlex.quote(shorten_path(strategy))} my_strategy.py",
            "Run it on other prices": "tradeexecutor backtest my_strategy.py --data us-stocks-daily:AAPL-USD",
            "What else a backtest can do": "tradeexecutor backtest --help",
        }
    )
