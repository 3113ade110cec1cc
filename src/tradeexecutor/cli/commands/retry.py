"""``tradeexecutor retry``."""

from typing import Annotated

import typer

from tradeexecutor.cli.chain_options import (
    ChainAccess,
    KeystoreOption,
    MaxGasPriceOption,
    OptionalChainOption,
    PasswordFileOption,
    RpcOption,
    require_chain_packages,
)
from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.output import print_line
from tradeexecutor.cli.simulation_options import (
    AtOption,
    DateFormatOption,
    FeeOption,
    OptionalDataOption,
    PairOption,
    SlippageOption,
    TimeFrameOption,
)
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.state.trade import TradeExecution

EXAMPLES = (
    "tradeexecutor retry backtests/ema_cross/state.json --data btc-usd-monthly --dry-run",
    "tradeexecutor retry state.json --data candles.csv --pair ETH-USD --at '2023-05-01 12:00' --tolerance 0.1",
    "tradeexecutor retry state.json --data candles.parquet --trade 12 --slippage 0.001 --yes",
    "tradeexecutor retry state.json --chain base.json --rpc https://mainnet.base.org --trade 12",
)


def retry(
    state_file: StateFile,
    *,
    data: OptionalDataOption = None,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    max_gas_price: MaxGasPriceOption = None,
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
    # Longer than 70 lines: most of them declare the options and their help.
    """Try failed trades again, on the chain or in a simulation.

    With --chain they are sent again with real money, at the present price and with
    the slippage tolerance of each trade. The strategy must not be running.

    With --data they are simulated at the prices of candles, for the states of
    backtests and paper trading. They fill at the market price of the time of the
    retry, whatever price was planned, and fail again if that price is worse than
    planned by more than their slippage tolerance.

    A trade that succeeds is booked as any other, and its position is unfrozen; a
    trade that fails again stays failed, and its capital is returned.

    The exit code is 1 when a trade failed again or could not be tried.
    """
    if (data is None) == (chain is None):
        raise typer.BadParameter("either --data FILE or --chain FILE is needed", param_hint="--data")
    if chain is not None:
        access = ChainAccess(chain, rpc, keystore, max_gas_price, password_file)
        _retry_on_chain(state_file, access, frozenset(trade or ()), yes=yes, dry_run=dry_run, json_=json_)
        return
    from tradeexecutor.cli.data_form import read_data_form
    from tradeexecutor.cli.printers.retry import print_retry, retry_to_json
    from tradeexecutor.operations.retry import RetryRequest, retry_failed_trades

    request = RetryRequest(
        data=tuple(data or ()),
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


def _retry_on_chain(
    place: StateLocation, access: ChainAccess, trade_ids: frozenset[int], *, yes: bool, dry_run: bool, json_: bool
) -> None:
    require_chain_packages()
    from tradeexecutor.cli.chain_trading import open_books, print_left_alone, trade_after_question
    from tradeexecutor.operations.live_trading import list_failed_trades, retry_live

    with open_books(place, access, dry_run=dry_run) as books:
        failed = list_failed_trades(books, trade_ids)
        if not json_:
            print_line("\n".join(f"Failed: {trade}" for trade in failed) or "No trade has failed.")
        if not failed:
            return

        def send() -> list[TradeExecution]:
            result = retry_live(books, failed)
            print_left_alone(result)
            return result.new_trades

        trade_after_question(send, yes=yes, dry_run=dry_run, json_=json_)
