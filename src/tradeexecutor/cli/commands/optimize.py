"""``tradeexecutor optimize``."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import parse_duration, parse_parameters, read_option
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.run_options import (
    CashOption,
    CycleOption,
    EndOption,
    SetOption,
    StartOption,
    StrategyArgument,
    TradingFeeOption,
)
from tradeexecutor.cli.simulation_options import DateFormatOption, PairOption, SlippageOption, TimeFrameOption

EXAMPLES = (
    "tradeexecutor optimize my_strategy.py --param fast=5:50:5 --param slow=20:200:20 --where 'fast < slow'",
    "tradeexecutor optimize my_strategy.py --param stop=0.8:0.95:0.05 --objective calmar --require 'trades >= 30'",
    "tradeexecutor optimize my_strategy.py --param fast=2:100 --param slow=10:400 --sampler tpe --runs 300",
    "tradeexecutor optimize my_strategy.py --param fast=5:50:5 --train 730d --test 180d --walk-forward rolling",
    "tradeexecutor optimize my_strategy.py --param mode=quick,safe --objective sharpe --objective min:volatility",
    "tradeexecutor optimize my_strategy.py --param fast=5:50:5 --json | jq .best.parameters",
)

_ParamOption = Annotated[
    list[str],
    typer.Option(
        "--param",
        metavar="NAME=VALUES",
        help="Values to try of a parameter: FIRST:LAST:STEP with both ends, e.g. fast=5:50:5, or a list, "
        "e.g. mode=quick,safe or on=true,false. May be repeated.",
        show_default=False,
    ),
]
_WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Try only combinations for which this holds, e.g. 'fast < slow'. May be repeated.",
        show_default=False,
    ),
]
_ObjectiveOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIGURE",
        help="What to make best: a figure such as sharpe, cagr, calmar, max_drawdown, profit_factor (a wrong name "
        "lists all), or FILE.py:FUNCTION, a function of the state. min: or max: before it sets the direction. May be "
        "repeated, the most important first.",
        show_default="sharpe",
    ),
]
_RequireOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Rank only runs whose figures meet this, e.g. 'trades >= 30'. May be repeated.",
        show_default=False,
    ),
]
_SamplerOption = Annotated[
    Literal["grid", "random", "tpe", "nsga2"],
    typer.Option(help="How to choose: all combinations, random ones, or by what earlier runs showed (needs Optuna)."),
]
_OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR",
        help="Folder for runs and results; it continues here.",
        show_default="optimisations/STRATEGY",
    ),
]
_DataOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Candles, as for backtest. May be repeated. Without it, the strategy's own data is used.",
        show_default=False,
    ),
]


def optimize(
    # Longer than 70 lines: most of them declare the options and their help.
    strategy: StrategyArgument,
    *,
    param: _ParamOption,
    where: _WhereOption = None,
    objective: _ObjectiveOption = None,
    require: _RequireOption = None,
    sampler: _SamplerOption = "grid",
    runs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of runs, unless all are tried.", show_default="100"),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of random choices.")] = 0,
    walk_forward: Annotated[
        Literal["rolling", "anchored"] | None,
        typer.Option(
            help="Also choose on each --train period, and trade the choice on the --test period after it; "
            "anchored trainings all begin at the start.",
            show_default=False,
        ),
    ] = None,
    train: Annotated[
        str | None, typer.Option(metavar="TIME", help="Length of a training, e.g. 730d.", show_default=False)
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="TIME", help="Length of a test, e.g. 180d.", show_default=False)
    ] = None,
    data: _DataOption = None,
    pair: PairOption = None,
    start: StartOption = None,
    end: EndOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    cash: CashOption = None,
    fee: TradingFeeOption = 0.001,
    slippage: SlippageOption = 0.0,
    cycle: CycleOption = None,
    set_: SetOption = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Runs at once.", show_default="one per processor"),
    ] = None,
    backend: Annotated[
        Literal["processes", "dask", "ray"], typer.Option(help="Where to run: this machine, or a cluster.")
    ] = "processes",
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of a running cluster, for dask and ray.", show_default=False),
    ] = None,
    keep_states: Annotated[int, typer.Option(min=0, metavar="N", help="Save the states of the N best runs.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute runs again that the folder has.")] = False,
    output: _OutputOption = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="List the N best runs.")] = 10,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Search for the parameters of a strategy: many backtests, ranked.

    Every run is recorded in the output folder as soon as it is finished. The same
    command continues a search that was interrupted, and computes no run twice
    while strategy, data and settings are the same. A run that fails is listed
    with its error. All runs are saved there as results.parquet and as a table of
    results.db, and `tradeexecutor query` reads them.

    The best of many runs looks better than the strategy is. The table has the
    number of tries beside each result, and the deflated Sharpe ratio: the
    probability that something is left of it. The chance of overfitting is how
    often the best run of one half of the time is below the median in the other.
    --walk-forward measures what the search itself would have earned: it chooses
    on a period and trades on the next one.

    The exit code is 0 when a run meets the requirements, and 1 when none does.
    """
    if pair and not data:
        raise typer.BadParameter("is used only together with --data", param_hint="--pair")
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter(f"{end} is not after the start, {start}", param_hint="--end")
    if (walk_forward is None) != (train is None) or (train is None) != (test is None):
        raise typer.BadParameter("needs --train and --test, and they need it", param_hint="--walk-forward")
    from tradeexecutor.cli.data_form import parse_cycle, read_data_form
    from tradeexecutor.cli.printers.optimisation import optimisation_to_json, print_optimisation
    from tradeexecutor.operations.optimise_run import OptimiseRequest, optimise_strategy_file

    request = OptimiseRequest(
        strategy=strategy,
        output=output or Path("optimisations") / strategy.stem,
        parameters=tuple(param),
        where=tuple(where or ()),
        objective=tuple(objective or ("sharpe",)),
        require=tuple(require or ()),
        sampler=sampler,
        runs=runs,
        seed=seed,
        jobs=jobs,
        backend=backend,
        address=address,
        fresh=fresh,
        keep_states=keep_states,
        fixed=parse_parameters(set_ or ()),
        data=tuple(data or ()),
        pairs=tuple(pair or ()),
        form=read_data_form(time_frame, date_format, has_data=bool(data)),
        start_at=start,
        end_at=end,
        cash=cash,
        fee=fee,
        slippage=slippage,
        cycle_duration=parse_cycle(cycle) if cycle else None,
        train=None if train is None else read_option("--train", parse_duration, train),
        test=None if test is None else read_option("--test", parse_duration, test),
        anchored=walk_forward == "anchored",
        progress=None,
    )
    # Output of the strategy must not mix with the lines of a report.
    with contextlib.redirect_stdout(sys.stderr):
        outcome = optimise_strategy_file(request)
    if json_:
        print_json(optimisation_to_json(outcome))
    else:
        print_optimisation(outcome, limit=limit)
    if outcome.result.best is None:
        raise typer.Exit(EXIT_FAILURE)
