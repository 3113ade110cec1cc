"""``tradeexecutor backtest``."""

import contextlib
import datetime
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from tradeexecutor.cli.option_values import TIME_FORMATS, parse_duration, parse_parameters, read_option
from tradeexecutor.cli.output import print_json
from tradeexecutor.cli.run_options import (
    CashOption,
    CycleOption,
    DelistingOption,
    EndOption,
    SetOption,
    StartOption,
    StrategyArgument,
    TradingFeeOption,
)
from tradeexecutor.cli.simulation_options import DateFormatOption, PairOption, StrictOption, TimeFrameOption

EXAMPLES = (
    "tradeexecutor backtest my_strategy.py",
    "tradeexecutor backtest my_strategy.py --data btc-usd-monthly",
    "tradeexecutor backtest my_strategy.py --data candles.csv --pair ETH-USD --start 2021-01-01 --end 2023-01-01",
    "tradeexecutor backtest my_strategy.py --data candles.csv --date-format day-first --time-frame 4h",
    "tradeexecutor backtest my_strategy.py --cash 5000 --fee 0.003 --slippage 0.001 --set fast=10 --set slow=50",
    "tradeexecutor backtest my_strategy.py --output runs/first --json | jq .sharpe",
    "tradeexecutor backtest my_strategy.py --data candles/BTC-USD.parquet --until 2026-12-01",
)

_DataOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Candles: a CSV, Parquet, Feather or JSON file, or the name of a data set that comes with the program "
        "(a wrong name lists them; one pair of a set: us-stocks-daily:AAPL-USD). May be repeated. "
        "Without it, the data that the strategy names is used.",
        show_default=False,
    ),
]
_SlippageOption = Annotated[
    float,
    typer.Option(min=0, max=0.5, metavar="FRACTION", help="How much worse than the market price trades fill."),
]
_LatencyOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time between a decision and the arrival of its orders in the market, e.g. 500ms, 30s, 5m.",
        show_default="latency of the strategy, or none",
    ),
]
_ClosedMarketOption = Annotated[
    Literal["wait", "refuse"],
    typer.Option(
        help="What happens to an order while its market has no price: it fills at the next open, or not at all."
    ),
]
_CashShortageOption = Annotated[
    Literal["reduce", "refuse"],
    typer.Option(
        help="What happens to a purchase when the sales before it brought less than planned: it spends what is left, "
        "or expires."
    ),
]
_EquitySamplingOption = Annotated[
    Literal["day", "candle", "decision"],
    typer.Option(
        help="When to record the equity besides decisions: each midnight (UTC), also when a candle ends, or not at all."
    ),
]
_UntilOption = Annotated[
    datetime.datetime | None,
    typer.Option(
        formats=TIME_FORMATS,
        metavar="DATE",
        help="Stop before, UTC, and leave the state open, so that `start --paper` continues it.",
        show_default=False,
    ),
]
_OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", help="Folder for state.json.", show_default="backtests/STRATEGY"),
]
_OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the state.json of an earlier run instead of keeping it.")
]


def backtest(
    strategy: StrategyArgument,
    *,
    data: _DataOption = None,
    pair: PairOption = None,
    start: StartOption = None,
    end: EndOption = None,
    until: _UntilOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    strict: StrictOption = False,
    cash: CashOption = None,
    fee: TradingFeeOption = 0.001,
    slippage: _SlippageOption = 0.0,
    latency: _LatencyOption = None,
    closed_market: _ClosedMarketOption = "wait",
    cash_shortage: _CashShortageOption = "reduce",
    delisting: DelistingOption = "last_price",
    equity_sampling: _EquitySamplingOption = "day",
    cycle: CycleOption = None,
    set_: SetOption = None,
    output: _OutputOption = None,
    overwrite: _OverwriteOption = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a strategy over history.

    Saves the state of the strategy as state.json, and prints its performance. The
    result of an earlier run is kept beside it under the time at which it was
    saved, e.g. state.2026-11-30T205500.json; the last ten are kept.

    A strategy is a Python file; `tradeexecutor demo` runs examples to start from.
    """
    if pair and not data:
        raise typer.BadParameter("is used only together with --data", param_hint="--pair")
    _check_period(start, end, until)
    from tradeexecutor.cli.data_form import parse_cycle, read_data_form
    from tradeexecutor.cli.printers.performance import print_outcome
    from tradeexecutor.operations.backtest_run import BacktestRequest, run_backtest_and_save

    request = BacktestRequest(
        strategy=strategy,
        output=output or Path("backtests") / strategy.stem,
        data=tuple(data or ()),
        pairs=tuple(pair or ()),
        form=read_data_form(time_frame, date_format, has_data=bool(data), strict=strict),
        start_at=start,
        end_at=end or until,
        leaves_open=until is not None,
        cash=cash,
        fee=fee,
        slippage=slippage,
        latency=None if latency is None else read_option("--latency", parse_duration, latency),
        closed_market=closed_market,
        cash_shortage=cash_shortage,
        delisting=delisting,
        equity_sampling=equity_sampling,
        cycle_duration=parse_cycle(cycle) if cycle else None,
        parameters=parse_parameters(set_ or ()),
        overwrite=overwrite,
        progress=None,
    )
    # Output of the strategy must not mix with the lines of a report.
    with contextlib.redirect_stdout(sys.stderr):
        outcome = run_backtest_and_save(request)
    if json_:
        print_json(outcome.to_dict())
    else:
        print_outcome(outcome)


def _check_period(
    start: datetime.datetime | None, end: datetime.datetime | None, until: datetime.datetime | None
) -> None:
    """Refuse a period that ends before it starts, or twice."""
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter(f"{end} is not after the start, {start}", param_hint="--end")
    if until is not None and end is not None:
        raise typer.BadParameter("cannot be used together with --end", param_hint="--until")
