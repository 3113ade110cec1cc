"""Options of the command that runs a strategy live."""

from typing import Annotated, Literal

import typer

__all__ = [
    "ApproveOption",
    "CheckAccountsOption",
    "ConfirmationTimeoutOption",
    "ConfirmationsOption",
    "CycleDurationOption",
    "DecideAtOnceOption",
    "HttpEnabledOption",
    "MaxCyclesOption",
    "MaxDataDelayOption",
    "MaxSlippageOption",
    "MinGasBalanceOption",
    "NewOption",
    "NotifyOption",
    "OffsetOption",
    "RunSingleCycleOption",
    "StrategyCycleTriggerOption",
    "SyncTreasuryOption",
    "TriggerCheckOption",
    "ValuationOption",
    "WatchdogOption",
]

NewOption = Annotated[
    bool, typer.Option("--new", help="Create the state file; the balance of the wallet becomes the opening balance.")
]
NotifyOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="NOTIFY_URLS",
        metavar="URL",
        help="Send trades, failures, deposits, missed decisions, daily summaries and crashes to this address of "
        "apprise. May be repeated. Needs the extra tradeexecutor\\[notify].",
        show_default=False,
    ),
]
OffsetOption = Annotated[
    float,
    typer.Option(
        min=0, metavar="MINUTES", help="Delay of a decision after the tick of the cycle; only with cycle_offset."
    ),
]
StrategyCycleTriggerOption = Annotated[
    Literal["cycle_offset", "since_last_cycle_end", "trading_pair_data_availability"],
    typer.Option(
        help="What starts a decision: the tick of the cycle plus --offset; one cycle since the end of the latest "
        "decision; or the tick, as soon as every pair has the candles up to it (30 minutes at most)."
    ),
]
TriggerCheckOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="MINUTES",
        help="Time between checks of stop losses; 0 is never.",
    ),
]
ValuationOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="MINUTES",
        help="Time between valuations of positions; 0 is never.",
    ),
]
MaxDataDelayOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="MINUTES",
        help="Largest age of the newest candle at a decision.",
    ),
]
CheckAccountsOption = Annotated[
    bool,
    typer.Option("--check-accounts", help="Start only if the books agree with the wallet."),
]
SyncTreasuryOption = Annotated[
    bool,
    typer.Option(
        "--sync-treasury-on-startup",
        help="Book deposits and redemptions right away.",
    ),
]
DecideAtOnceOption = Annotated[bool, typer.Option("--decide-at-once", help="Make the first decision right away.")]
MaxCyclesOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Stop after N decisions.", show_default="no limit"),
]
HttpEnabledOption = Annotated[
    bool,
    typer.Option("--http-enabled", help="Serve the state over HTTP while the strategy runs; see the command webapi."),
]
ApproveOption = Annotated[
    bool,
    typer.Option(
        "--approve", help="Show the trades of each decision and ask. Stop losses and take profits do not wait for that."
    ),
]
RunSingleCycleOption = Annotated[
    bool, typer.Option("--run-single-cycle", help="Stop after one decision, like --max-cycles 1.")
]
CycleDurationOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Time between decisions, e.g. 1h or 1d.", show_default="that of the strategy"),
]
ConfirmationsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Blocks that make a block final.", show_default="that of the chain file"),
]
ConfirmationTimeoutOption = Annotated[
    float,
    typer.Option(
        min=1, metavar="SECONDS", help="Longest wait for a transaction; then the program ends and has to start again."
    ),
]
MinGasBalanceOption = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="AMOUNT",
        help="Native tokens that are kept for leaving positions: with less the program does not start and enters none.",
    ),
]
MaxSlippageOption = Annotated[
    str | None,
    typer.Option(
        metavar="FRACTION",
        help="Limit of the slippage tolerance of trades, e.g. 0.5%.",
        show_default="that of the strategy",
    ),
]
WatchdogOption = Annotated[
    float,
    typer.Option(
        min=0, metavar="MINUTES", help="End the program with exit code 3 when a job takes longer; 0 is never."
    ),
]
