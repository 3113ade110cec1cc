"""``tradeexecutor close-position``."""

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
from tradeexecutor.cli.simulation_options import (
    AtOption,
    DateFormatOption,
    FeeOption,
    PairOption,
    SlippageOption,
    TimeFrameOption,
)
from tradeexecutor.cli.state_changing import DryRunOption, JsonOption, YesOption, run_change
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import StateLocation

EXAMPLES = (
    "tradeexecutor close-position backtests/ema_cross/state.json --position-id 3 --data btc-usd-monthly",
    "tradeexecutor close-position state.json --position-id 7 --write-off --blacklist",
    "tradeexecutor close-position state.json --close-dust",
    "tradeexecutor close-position state.json --position-id 7 --chain base.json --rpc https://mainnet.base.org",
    "tradeexecutor close-position state.json --all-test-trades --data candles.csv --pair ETH-USD --dry-run",
)


_PositionIdOption = Annotated[
    list[int] | None,
    typer.Option(
        "--position-id",
        "--position",
        metavar="ID",
        help="Close this position; may be repeated.",
        show_default=False,
    ),
]
_AllTestTradesOption = Annotated[bool, typer.Option("--all-test-trades", help="Close the positions of test trades.")]
_CloseDustOption = Annotated[
    bool, typer.Option("--close-dust", help="Close the positions that hold nothing or only dust.")
]
_WriteOffOption = Annotated[
    bool,
    typer.Option(
        "--write-off", help="Value positions that cannot be sold at zero and close them. The tokens are not touched."
    ),
]
_DataOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Sell in a simulation at the prices of these candles: a CSV, Parquet, Feather or JSON file, or "
        "the name of a data set that comes with the program. May be repeated.",
        show_default=False,
    ),
]
_BlacklistOption = Annotated[bool, typer.Option("--blacklist", help="Stop trading the tokens of the closed positions.")]


def close_position(
    state_file: StateFile,
    *,
    position_id: _PositionIdOption = None,
    all_test_trades: _AllTestTradesOption = False,
    close_dust: _CloseDustOption = False,
    write_off: _WriteOffOption = False,
    data: _DataOption = None,
    pair: PairOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    at: AtOption = None,
    fee: FeeOption = 0.001,
    slippage: SlippageOption = 0.0,
    blacklist: _BlacklistOption = False,
    chain: OptionalChainOption = None,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    max_gas_price: MaxGasPriceOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    # Longer than 70 lines: most of them declare the options and their help.
    """Close positions: sell them on the chain or in a simulation, or write them off.

    A position that holds nothing or only dust is closed with an empty trade.

    Any other position is sold at the prices of --data. This works for the states
    of backtests and paper trading, not for those with real blockchain
    transactions.

    With --chain it is sold on the chain, with real money: the sales are shown at
    present prices before anything is sent, and cannot be undone. The strategy must
    not be running.

    With --write-off the position is closed without a sale: its price becomes 0,
    and its value becomes a loss of the portfolio. Use it for tokens without a
    market.

    The exit code is 1 when a sale failed.
    """
    if not (position_id or all_test_trades or close_dust):
        raise typer.BadParameter("choose what to close with --position-id, --all-test-trades or --close-dust")
    if (pair or at) and not data:
        raise typer.BadParameter("is used only together with --data", param_hint="--pair" if pair else "--at")
    if write_off and data:
        raise typer.BadParameter("either sell with --data or write off", param_hint="--write-off")
    if chain is not None:
        if data or write_off or close_dust or blacklist:
            raise typer.BadParameter("sells; it cannot be combined with other ways of closing", param_hint="--chain")
        access = ChainAccess(chain, rpc, keystore, max_gas_price, password_file)
        chosen = tuple(dict.fromkeys(position_id or ()))
        questions = {"yes": yes, "dry_run": dry_run, "json_": json_}
        _close_on_chain(state_file, access, chosen, all_test_trades=all_test_trades, **questions)
        return
    from tradeexecutor.cli.data_form import read_data_form
    from tradeexecutor.cli.printers.close_position import closing_to_json, print_closing
    from tradeexecutor.operations.close_position import CloseRequest, close_positions

    request = CloseRequest(
        position_ids=tuple(dict.fromkeys(position_id or ())),
        all_test_trades=all_test_trades,
        close_dust=close_dust,
        write_off=write_off,
        data=tuple(data or ()),
        form=read_data_form(time_frame, date_format, has_data=bool(data)),
        pairs=tuple(pair or ()),
        at=at,
        fee=fee,
        slippage=slippage,
        blacklist=blacklist,
    )
    report = run_change(
        state_file,
        lambda state, now: close_positions(state, now, request),
        command="close-position",
        print_result=print_closing,
        to_json=closing_to_json,
        yes=yes,
        dry_run=dry_run,
        json_=json_,
        backup_suffix="close-position-backup",
    )
    if any(not item.is_closed for item in report.items):
        raise typer.Exit(EXIT_FAILURE)


def _close_on_chain(
    place: StateLocation,
    access: ChainAccess,
    position_ids: tuple[int, ...],
    *,
    all_test_trades: bool,
    yes: bool,
    dry_run: bool,
    json_: bool,
) -> None:
    require_chain_packages()
    from tradeexecutor.cli.chain_trading import close_on_chain
    from tradeexecutor.operations.close_position import CloseRequest

    request = CloseRequest(position_ids, all_test_trades=all_test_trades)
    close_on_chain(place, access, request, yes=yes, dry_run=dry_run, json_=json_)
