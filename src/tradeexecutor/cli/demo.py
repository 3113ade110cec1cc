"""``tradeexecutor demo``."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = ("tradeexecutor demo", "tradeexecutor demo --output /tmp/demo")


def demo(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path("demo"),
) -> None:
    """Run the example strategies on the price data that comes with the program.

    Results of an earlier demo in the same folder are replaced.
    """
    import shlex
    import shutil

    from tradeexecutor.cli.backtest_run import BacktestRequest, run_backtest_and_save
    from tradeexecutor.cli.example_files import find_examples, get_title
    from tradeexecutor.cli.output import print_heading, print_line, print_next_steps
    from tradeexecutor.cli.performance_report import print_comparison, print_warnings

    examples = find_examples()
    print_line(f"Running {len(examples)} example strategies over years of prices, with fees.")
    outcomes = []
    for example in examples:
        print_heading(f"{example.name}: {get_title(example)}")
        folder = output / example.stem
        outcome = run_backtest_and_save(BacktestRequest(strategy=example, output=folder, overwrite=True))
        # A copy to read and change; the original may be inside an installed package.
        strategy = folder / "strategy.py"
        shutil.copyfile(example, strategy)
        outcomes.append(outcome)
        performance = outcome.performance
        print_line(
            f"  {outcome.decisions:,} decisions and {performance.trades:,} trades in {outcome.seconds:.1f} s; "
            f"{performance.initial_equity or 0:,.0f} USD became {performance.final_equity:,.0f} USD"
        )
        print_line(f"  {outcome.state_file}")
        print_warnings(outcome)
    print_heading("How they did")
    print_comparison(outcomes)
    first = outcomes[0].state_file
    strategy = first.parent / "strategy.py"
    print_next_steps(
        {
            f"tradeexecutor show-positions {shlex.quote(str(first))} --position-type all": "Every position and trade",
            f"tradeexecutor validate {shlex.quote(str(output))}/*/state.json": "Check the state files",
            f"tradeexecutor backtest {shlex.quote(str(strategy))}": "Change a strategy, and run it again",
            "tradeexecutor backtest --help": "Run it on other prices",
        }
    )
