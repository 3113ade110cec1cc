"""``tradeexecutor start``."""

import contextlib
import datetime
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

from tradeexecutor.cli.approval import TerminalApproval, require_terminal
from tradeexecutor.cli.chain_options import (
    ChainAccess,
    KeystoreOption,
    MaxGasPriceOption,
    OptionalStartChainOption,
    PasswordFileOption,
    RpcOption,
    VaultOption,
    open_chain,
    open_wallet,
)
from tradeexecutor.cli.config_file import ConfigOption
from tradeexecutor.cli.exchange_options import ExchangeOption, PairOption, TimeFrameOption, read_feed_source
from tradeexecutor.cli.failure import EXIT_HUNG, CommandFailed
from tradeexecutor.cli.live_options import (
    ApproveOption,
    CheckAccountsOption,
    ConfirmationsOption,
    ConfirmationTimeoutOption,
    CycleDurationOption,
    DecideAtOnceOption,
    HttpEnabledOption,
    MaxCyclesOption,
    MaxDataDelayOption,
    MaxSlippageOption,
    MinGasBalanceOption,
    NewOption,
    NotifyOption,
    OffsetOption,
    RunSingleCycleOption,
    StrategyCycleTriggerOption,
    SyncTreasuryOption,
    TriggerCheckOption,
    ValuationOption,
    WatchdogOption,
)
from tradeexecutor.cli.logs import (
    LogCountOption,
    LogFileOption,
    LogFormatOption,
    LogSizeOption,
    make_log_settings,
    write_log,
)
from tradeexecutor.cli.option_values import parse_duration, parse_fraction, parse_parameters, read_option
from tradeexecutor.cli.output import print_problem
from tradeexecutor.cli.paper_options import (
    FeedOption,
    GapsOption,
    HistoryOption,
    PaperDataOption,
    PaperFromOption,
    PaperOption,
    PaperSlippageOption,
    WarmUpOption,
)
from tradeexecutor.cli.run_options import CashOption, DelistingOption, SetOption, StrategyArgument, TradingFeeOption
from tradeexecutor.cli.run_report import RunReport
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.cli.web_options import HostOption, HttpOperateOption, PortOption, ServingOptions, require_web
from tradeexecutor.operations.fleet import FLEET_VARIABLE
from tradeexecutor.operations.state_location import StateLocation
from tradeexecutor.operations.watchdog import JobHangs, Watchdog
from tradeexecutor.state.cycle_duration import CycleDuration

if TYPE_CHECKING:
    from tradeexecutor.ethereum.chain_file import ChainFile
    from tradeexecutor.ethereum.connection import ChainConnection
    from tradeexecutor.ethereum.hot_wallet import HotWallet
    from tradeexecutor.operations.live_loop import LiveSettings
    from tradeexecutor.operations.live_start import LiveRequest
    from tradeexecutor.operations.notifications import JobNotifier
    from tradeexecutor.operations.operator_commands import CommandQueue
    from tradeexecutor.operations.paper_start import PaperRequest
    from tradeexecutor.state.state import State

EXAMPLES = (
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc https://mainnet.base.org --new",
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc URL --rpc OTHER_URL --keystore wallet.json",
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc URL --decide-at-once --max-cycles 1",
    "tradeexecutor start my_strategy.py sqlite:///trading.db#mine --chain base.json --rpc URL --check-accounts",
    "tradeexecutor start --config live.toml",
    "tradeexecutor start my_strategy.py paper.json --paper --feed exchange.toml --new",
    "tradeexecutor start my_strategy.py paper.json --paper --exchange kraken --pair BTC/USD --time-frame 1h --new",
    "tradeexecutor start my_strategy.py backtests/my_strategy/state.json --paper --data candles",
)


#: Called after each job with its name, and its error or None.
_OnJob = Callable[[str, Exception | None], None]


def start(
    strategy: StrategyArgument,
    state_file: StateFile,
    *,
    chain: OptionalStartChainOption = None,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    vault: VaultOption = None,
    new: NewOption = False,
    offset: OffsetOption = 8,
    strategy_cycle_trigger: StrategyCycleTriggerOption = "cycle_offset",
    trigger_check: TriggerCheckOption = 3,
    valuation: ValuationOption = 60,
    max_data_delay: MaxDataDelayOption = 1440,
    cycle_duration: CycleDurationOption = None,
    confirmations: ConfirmationsOption = None,
    confirmation_timeout: ConfirmationTimeoutOption = 900,
    max_gas_price: MaxGasPriceOption = None,
    min_gas_balance: MinGasBalanceOption = 0,
    max_slippage: MaxSlippageOption = None,
    approve: ApproveOption = False,
    check_accounts: CheckAccountsOption = False,
    sync_treasury_on_startup: SyncTreasuryOption = False,
    decide_at_once: DecideAtOnceOption = False,
    max_cycles: MaxCyclesOption = None,
    run_single_cycle: RunSingleCycleOption = False,
    watchdog: WatchdogOption = 60,
    http_enabled: HttpEnabledOption = False,
    http_host: HostOption = "127.0.0.1",
    http_port: PortOption = 3456,
    http_operate: HttpOperateOption = False,
    paper: PaperOption = False,
    data: PaperDataOption = None,
    feed: FeedOption = None,
    exchange: ExchangeOption = None,
    pair: PairOption = None,
    time_frame: TimeFrameOption = None,
    history: HistoryOption = None,
    warm_up: WarmUpOption = "30d",
    gaps: GapsOption = "keep",
    start_from: PaperFromOption = None,
    cash: CashOption = None,
    fee: TradingFeeOption = 0.001,
    slippage: PaperSlippageOption = 0.0,
    delisting: DelistingOption = "last_price",
    notify: NotifyOption = None,
    set_: SetOption = None,
    log_format: LogFormatOption = "text",
    log_file: LogFileOption = None,
    log_size: LogSizeOption = 10.0,
    log_count: LogCountOption = 5,
    config: ConfigOption = None,
) -> None:
    # Longer than 70 lines: many of them declare the options and their help.
    """Run a strategy live, with real money or on paper.

    The program trades with a hot wallet on one chain until it is stopped (Ctrl-C or
    SIGTERM); it finishes the current job first. After a crash it looks up the outcome of
    pending transactions on the chain. The key is read from the environment or an encrypted
    file, never from the command line.

    With --paper it trades with simulated money at live prices, without a chain:
    the same decisions and fills as a backtest of the same candles. It continues
    a state that `backtest --until` has left open.

    Options can also be in a TOML file (--config) and in environment variables.

    The exit code is 0 when it was stopped, 1 after an error, 3 when a job hung; a service
    that starts it again goes on in each case.
    """
    del config  # its values are those of the other options
    if http_enabled:
        require_web()
    log = make_log_settings(log_format, log_file, log_size, log_count, {"strategy": strategy.stem})
    report = RunReport(is_printed=not log.is_for_programs)
    with write_log(log):
        if paper:
            source = read_feed_source(feed, exchange, pair, time_frame)
            if bool(data) == (source is not None):
                raise typer.BadParameter(
                    "needs market data: either --data or --feed or --exchange", param_hint="--paper"
                )
            trigger = strategy_cycle_trigger != "cycle_offset"
            given = {"--approve": approve, "--cycle-duration": cycle_duration, "--strategy-cycle-trigger": trigger}
            for hint in (option for option, value in {**given, "--vault": vault}.items() if value):
                raise typer.BadParameter("is for real money; --paper decides as the backtest does", param_hint=hint)
            from tradeexecutor.operations.operator_commands import CommandQueue
            from tradeexecutor.operations.paper_start import PaperData, PaperRequest

            request = PaperRequest(
                strategy=strategy,
                place=state_file,
                data=PaperData(
                    data or (), source, history or (), read_option("--warm-up", parse_duration, warm_up), gaps, fee
                ),
                is_new=new,
                start_at=start_from,
                cash=cash,
                slippage=slippage,
                offset=datetime.timedelta(minutes=offset),
                max_data_delay=datetime.timedelta(minutes=max_data_delay),
                max_cycles=1 if run_single_cycle else max_cycles,
                delisting=delisting,
                parameters=parse_parameters(set_ or []),
            )
            web = ServingOptions(strategy, http_host, http_port, http_operate) if http_enabled else None
            _start_paper(request, CommandQueue(), web, notify or (), report)
            return
        if chain is None:
            raise typer.BadParameter("is needed to trade with real money; --paper needs none", param_hint="--chain")
        if approve:
            require_terminal()
        access = ChainAccess(chain, rpc, keystore, max_gas_price, password_file)
        settings, connection = open_chain(chain, rpc, confirmations)
        # Slow to import.
        from tradeexecutor.operations.decision_schedule import CycleTrigger
        from tradeexecutor.operations.live_start import LiveRequest

        live = LiveRequest(
            strategy=strategy,
            place=state_file,
            is_new=new,
            cycle=None if cycle_duration is None else _parse_cycle(cycle_duration),
            offset=datetime.timedelta(minutes=offset),
            trigger=CycleTrigger(strategy_cycle_trigger),
            trigger_check=datetime.timedelta(minutes=trigger_check) if trigger_check else None,
            valuation=datetime.timedelta(minutes=valuation) if valuation else None,
            max_data_delay=datetime.timedelta(minutes=max_data_delay),
            decide_at_once=decide_at_once,
            max_cycles=1 if run_single_cycle else max_cycles,
            max_fee=access.max_fee,
            confirmation_timeout=confirmation_timeout,
            max_slippage=None if max_slippage is None else read_option("--max-slippage", parse_fraction, max_slippage),
            min_gas_balance=Decimal(str(min_gas_balance)),
            vault=vault,
            syncs_treasury=sync_treasury_on_startup,
            checks_accounts=check_accounts,
            parameters=parse_parameters(set_ or []),
        )
        web = ServingOptions(strategy, http_host, http_port, http_operate, min_gas_balance) if http_enabled else None
        dog = Watchdog(60 * watchdog if watchdog else None)
        approval = TerminalApproval(dog.paused) if approve else None
        _start_live(live, settings, connection, access, _Surroundings(web, notify or (), report, dog, approval))


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What surrounds a strategy that trades with real money."""

    web: ServingOptions | None
    notify: Sequence[str]
    report: RunReport
    watchdog: Watchdog
    approval: TerminalApproval | None


def _start_live(
    request: "LiveRequest",
    settings: "ChainFile",
    connection: "ChainConnection",
    access: ChainAccess,
    around: _Surroundings,
) -> None:
    """Trade with real money until the decisions are done or a signal ends them.

    Raises
    ------
    typer.Exit
        A job hung.
    """
    from tradeexecutor.operations.live_start import AccountsDiffer, LiveChain, open_live_loop, read_live_strategy
    from tradeexecutor.operations.operator_commands import CommandQueue

    module, schedule = read_live_strategy(request)
    wallet = open_wallet(access.keystore, access.password_file)
    _check_place(request.place, is_new=request.is_new)
    name, report = module.name or request.strategy.stem, around.report
    chain, commands, stopping = LiveChain(settings, connection, wallet), CommandQueue(), threading.Event()
    with contextlib.ExitStack() as stack:
        opened = open_live_loop(
            request, chain, module, schedule, commands=commands, watchdog=around.watchdog, approval=around.approval
        )
        loop = stack.enter_context(opened)
        loop.wait, loop.should_stop, loop.on_job = stopping.wait, _make_should_stop(stopping), report.tell_job
        report.tell_start(_describe_start(name, wallet, settings, schedule))
        if around.web is not None:
            from tradeexecutor.cli.serving import serve_state, watch_jobs

            serving = serve_state(module, request.place, loop.store, commands, around.web, tell=report.tell)
            watch = watch_jobs(stack.enter_context(serving), lambda: wallet.get_gas_balance(connection))
            loop.on_job = _call_both(loop.on_job, watch)
        if around.notify:
            notifier = stack.enter_context(_make_notifier(name, around.notify, schedule.cycle))
            loop.on_start = _call_in_turn(loop.on_start, notifier.on_start)
            loop.on_job = _call_both(loop.on_job, notifier.on_job)
        stack.enter_context(_stop_by_signal(stopping, report))
        try:
            state = loop.run()
        except JobHangs as error:
            report.tell_hang(str(error), error.place)
            raise typer.Exit(EXIT_HUNG) from None
        except AccountsDiffer as error:
            from tradeexecutor.cli.printers.accounts import print_comparison

            print_comparison(error.comparison, error.state, all_=False)
            raise CommandFailed(str(error), "`tradeexecutor correct-accounts --chain` books it") from None
    report.tell(f"Stopped after cycle {state.cycle - 1}. {request.place} is saved.")


def _start_paper(
    request: "PaperRequest",
    commands: "CommandQueue",
    web: ServingOptions | None,
    notify: Sequence[str],
    report: RunReport,
) -> None:
    """Trade on paper until the decisions are done or a signal ends them."""
    from tradeexecutor.operations.paper_start import open_paper_loop

    _check_place(request.place, is_new=request.is_new)
    stopping = threading.Event()
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(open_paper_loop(request, commands))
        loop.wait, loop.should_stop, loop.on_job = stopping.wait, _make_should_stop(stopping), report.tell_failure
        loop.on_decision = report.tell_decision
        report.tell_start({"Strategy": loop.name, "Trades": "on paper", "State": str(request.place)})
        if web is not None:
            from tradeexecutor.cli.serving import serve_state

            stack.enter_context(serve_state(loop.module, request.place, loop.store, commands, web, tell=report.tell))
        if notify:
            notifier = stack.enter_context(_make_notifier(loop.name, notify, loop.settings.cycle))
            loop.on_start, loop.on_job = notifier.on_start, _call_both(report.tell_failure, notifier.on_job)
        stack.enter_context(_stop_by_signal(stopping, report))
        state = loop.run()
    report.tell(f"Stopped after cycle {state.cycle - 1}. {request.place} is saved.")


def _make_notifier(name: str, addresses: Sequence[str], cycle: CycleDuration) -> "JobNotifier":
    from tradeexecutor.operations.notifications import AppriseReceiver, JobNotifier, Notifier

    return JobNotifier(name, Notifier(AppriseReceiver(addresses)), cycle.to_timedelta())


def _call_in_turn(*calls: Callable[["State"], None]) -> Callable[["State"], None]:
    def on_start(state: "State") -> None:
        for call in calls:
            call(state)

    return on_start


def _call_both(first: _OnJob, second: _OnJob) -> _OnJob:
    def on_job(name: str, error: Exception | None) -> None:
        first(name, error)
        second(name, error)

    return on_job


def _check_place(place: StateLocation, *, is_new: bool) -> None:
    if isinstance(place, Path):
        if is_new and place.exists():
            raise CommandFailed(f"{place} exists already", "leave out --new to continue with it")
        if not is_new and not place.exists():
            raise CommandFailed(f"there is no file {place}", "add --new to create it")


def _parse_cycle(text: str) -> CycleDuration:
    known = {cycle.value: cycle for cycle in CycleDuration}
    cycle = known.get(text)
    if cycle is None or not cycle.to_timedelta():
        raise typer.BadParameter(
            f"{text!r} is no time between decisions: write 1h, 4h or 1d", param_hint="--cycle-duration"
        )
    return cycle


def _describe_start(name: str, wallet: "HotWallet", chain: "ChainFile", settings: "LiveSettings") -> dict[str, str]:
    when = {
        "cycle_offset": f"{settings.offset.total_seconds() / 60:g} minutes after the tick",
        "since_last_cycle_end": "since the end of the latest decision",
        "trading_pair_data_availability": "when the candles of the tick are there",
    }[settings.trigger]
    decides = f"every {settings.cycle.value}, {when}"
    return {"Strategy": name, "Wallet": wallet.address, "Chain": str(chain.chain_id), "Decides": decides}


def _make_should_stop(stopping: threading.Event) -> Callable[[], bool]:
    """Return a function that returns whether to stop: after a signal, or when the fleet of this program was killed."""
    fleet = os.environ.get(FLEET_VARIABLE)
    if fleet is None:
        return stopping.is_set
    return lambda: stopping.is_set() or str(os.getppid()) != fleet


@contextlib.contextmanager
def _stop_by_signal(stopping: threading.Event, report: RunReport) -> Generator[None]:
    """Stop the program after the current job at the first signal, and at once at the second one."""

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()
        if report.is_printed:
            print_problem("Stopping after the current job.", "")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
