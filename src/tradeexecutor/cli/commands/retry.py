"""``tradeexecutor retry``."""

from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.simulation_options import (
    AtOption,
    DataOption,
    DateFormatOption,
    FeeOption,
    PairOption,
    SlippageOption,
    TimeFrameOption,
)
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile

EXAMPLES = (
    "tradeexecutor retry backtests/ema_cross/state.json --data btc-usd-monthly --dry-run",
    "tradeexecutor retry state.json --data candles.csv --pair ETH-USD --at '2023-05-01 12:00' --tolerance 0.1",
    "tradeexecutor retry state.json --data candles.parquet --trade 12 --slippage 0.001 --yes",
)


def retry(
    state_file: StateFile,
    *,
    data: DataOption,
    trade: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="Only this trade; may be repeated.", show_default="all failed trades"),
    ] = None,
    pair: PairOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    at: AtOption = None,
    fee: FeeOption = 0.001,
    slippage: SlippageOption = 0.0,
    tolerance: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.32,
            metavar="FRACTION",
            help="How much worse than planned a trade may fill: 0.02 is 2 %.",
            show_default="the tolerance of each trade",
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Try failed trades again, in a simulation at the prices of candles.

    Use it for the states of backtests and paper trading. A trade that succeeds is
    booked as any other, and its position is unfrozen; a trade that fails again
    stays failed, and its capital is returned. Trades fill at the market price of
    the time of the retry, whatever price was planned. They fail again if that
    price is worse than planned by more than their slippage tolerance.

    States with real blockchain transactions are refused, because a retry needs a
    connection to their chain.

    The exit code is 1 when a trade failed again or could not be tried.
    """
    from tradeexecutor.cli.data_form import read_data_form
    from tradeexecutor.cli.printers.retry import print_retry, retry_to_json
    from tradeexecutor.operations.retry import RetryRequest, retry_failed_trades

    request = RetryRequest(
        data=tuple(data),
        pairs=tuple(pair or ()),
        trade_ids=frozenset(trade or ()),
        at=at,
        fee=fee,
        slippage=slippage,
        tolerance=tolerance,
        form=read_data_form(time_frame, date_format, has_data=True),
    )
    report = run_change(
        state_file,
        lambda state, now: retry_failed_trades(state, request),
        command="retry",
        print_result=print_retry,
        to_json=retry_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="retry-backup",
    )
    if not report.is_all_well:
        raise typer.Exit(EXIT_FAILURE)
