"""``tradeexecutor demo``."""

import contextlib
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.example_files import find_examples, get_title
from tradeexecutor.cli.output import print_heading, print_line, print_next_steps, shorten_path

EXAMPLES = ("tradeexecutor demo", "tradeexecutor demo --output /tmp/demo")


def demo(
    *,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("backtests/demo"),
) -> None:
    """Run the example strategies.

    They trade on price data that comes with the program. Results of an earlier demo
    in the same folder are kept as those of `tradeexecutor backtest` are.
    """
    from tradeexecutor.cli.printers.performance import print_comparison, print_earlier_result, print_warnings
    from tradeexecutor.operations.backtest_run import BacktestRequest, run_backtest_and_save

    examples = find_examples()
    print_line(f"Running {len(examples)} example strategies over years of prices, with fees.")
    outcomes = []
    for example in examples:
        print_heading(f"{example.name}: {get_title(example)}")
        with contextlib.redirect_stdout(sys.stderr):  # what the strategy prints is no part of the table
            request = BacktestRequest(example, output / example.stem, progress=None)
            outcome = run_backtest_and_save(request)
        outcomes.append(outcome)
        performance = outcome.performance
        print_line(
            f"  {outcome.decisions:,} decisions and {performance.trades:,} trades in {outcome.seconds:.1f} s; "
            f"{performance.initial_equity or 0:,.0f} USD became {performance.final_equity:,.0f} USD"
        )
        print_line(f"  {outcome.state_file}")
        print_earlier_result(outcome)
        print_warnings(outcome)
    print_heading("How they did")
    print_comparison(outcomes)
    last = outcomes[-1]
    state_file, strategy = shlex.quote(str(last.state_file)), shlex.quote(shorten_path(last.strategy))
    print_next_steps(
        {
            "Everything on one page": f"tradeexecutor report {state_file} -o report.html",
            "Positions and trades": f"tradeexecutor show-positions {state_file} --position-type all",
            "Check the state files": f"tradeexecutor validate {shlex.quote(str(output))}/*/state.json",
            "Prove its balances": f"tradeexecutor audit {state_file}",
            "Make a strategy your own": f"cp {strategy} my_strategy.py",
            "Run it on other prices": "tradeexecutor backtest my_strategy.py --data us-stocks-daily:AAPL-USD",
            "What else a backtest can do": "tradeexecutor backtest --help",
        }
    )
