"""``tradeexecutor lookahead``."""

import contextlib
import sys
from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import parse_parameters
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
from tradeexecutor.cli.simulation_options import DateFormatOption, PairOption, StrictOption, TimeFrameOption

EXAMPLES = (
    "tradeexecutor lookahead my_strategy.py",
    "tradeexecutor lookahead my_strategy.py --data candles.csv --start 2021-01-01 --end 2023-01-01",
    "tradeexecutor lookahead my_strategy.py --data btc-usd-monthly --every-decision",
    "tradeexecutor lookahead my_strategy.py --json | jq '.indicators[] | {name, first_at}'",
)


def lookahead(
    strategy: StrategyArgument,
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Candles, as for backtest. May be repeated. Without it, the strategy's own data is used.",
            show_default=False,
        ),
    ] = None,
    pair: PairOption = None,
    start: StartOption = None,
    end: EndOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    strict: StrictOption = False,
    cash: CashOption = None,
    fee: TradingFeeOption = 0.001,
    cycle: CycleOption = None,
    set_: SetOption = None,
    cuts: Annotated[int, typer.Option(min=2, metavar="N", help="Cut the data at N decisions.")] = 40,
    every_decision: Annotated[
        bool, typer.Option("--every-decision", help="Cut the data at every decision: complete, but slow.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="List at most N indicators, and N decisions.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    # Longer than 70 lines: most of them declare the options and their help.
    """Find where a backtest uses data from the future.

    A backtest has all candles at once, so an indicator can use candles that had
    not happened yet. An example is the mean of the closes of yesterday, today and
    tomorrow, `close.rolling(3, center=True).mean()`. In a backtest it turns before
    the price does, and trades on it look profitable; in real trading the close of
    tomorrow is not known. Other examples are `close.shift(-1)`,
    `close / close.max()`, and weekly values that are used before the week ends.

    The strategy runs with all data. Then the data is cut at a decision, so that
    only the candles known at that time remain, and the strategy runs again. This
    is repeated for many decisions. Each indicator and each decision that differs
    is listed with the first date, the value in the run, and the value from known
    candles.

    The exit code is 0 when nothing is found, and 1 when something is.
    """
    if pair and not data:
        raise typer.BadParameter("is used only together with --data", param_hint="--pair")
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter(f"{end} is not after the start, {start}", param_hint="--end")
    from tradeexecutor.cli.data_form import parse_cycle, read_data_form
    from tradeexecutor.cli.printers.look_ahead import look_ahead_to_json, print_look_ahead
    from tradeexecutor.operations.look_ahead_run import LookAheadRequest, analyse_strategy_file

    request = LookAheadRequest(
        strategy=strategy,
        data=tuple(data or ()),
        pairs=tuple(pair or ()),
        form=read_data_form(time_frame, date_format, has_data=bool(data), strict=strict),
        start_at=start,
        end_at=end,
        cash=cash,
        fee=fee,
        cycle_duration=parse_cycle(cycle) if cycle else None,
        parameters=parse_parameters(set_ or ()),
        cuts=cuts,
        every_decision=every_decision,
        progress=None,
    )
    # Output of the strategy must not mix with the lines of a report.
    with contextlib.redirect_stdout(sys.stderr):
        report = analyse_strategy_file(request)
    if json_:
        print_json(look_ahead_to_json(report))
    else:
        print_look_ahead(report, limit=limit)
    if not report.is_clean:
        raise typer.Exit(EXIT_FAILURE)
