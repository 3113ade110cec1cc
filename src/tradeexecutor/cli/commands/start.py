"""``tradeexecutor start``."""

import contextlib
import datetime
import signal
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from tradeexecutor.cli.approval import TerminalApproval, require_terminal
from tradeexecutor.cli.chain_options import (
    KeystoreOption,
    MaxGasPriceOption,
    OptionalStartChainOption,
    PasswordFileOption,
    RpcOption,
    open_chain,
    open_wallet,
)
from tradeexecutor.cli.config_file import ConfigOption
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
    OffsetOption,
    RunSingleCycleOption,
    SyncTreasuryOption,
    TriggerCheckOption,
    ValuationOption,
    WatchdogOption,
)
from tradeexecutor.cli.option_values import parse_duration, parse_fraction, parse_parameters, read_option
from tradeexecutor.cli.output import print_facts, print_line, print_problem
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
from tradeexecutor.cli.run_options import CashOption, SetOption, StrategyArgument, TradingFeeOption
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.cli.web_options import HostOption, HttpOperateOption, PortOption, make_settings, require_web
from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.operations.state_location import StateLocation, open_new_store, open_store
from tradeexecutor.operations.watchdog import JobHangs, Watchdog
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import TradeExecutorError

if TYPE_CHECKING:
    from tradeexecutor.ethereum.chain_file import ChainFile
    from tradeexecutor.ethereum.connection import ChainConnection
    from tradeexecutor.ethereum.hot_wallet import HotWallet
    from tradeexecutor.operations.live_loop import LiveSettings
    from tradeexecutor.operations.operator_commands import CommandQueue
    from tradeexecutor.operations.paper_market import PaperData
    from tradeexecutor.state.state import State
    from tradeexecutor.state.store import StateStore
    from tradeexecutor.strategy.runner import Models
    from tradeexecutor.strategy.strategy_module import StrategyModule
    from tradeexecutor.web.summary import ProcessStatus

EXAMPLES = (
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc https://mainnet.base.org --new",
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc URL --rpc OTHER_URL --keystore wallet.json",
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc URL --decide-at-once --max-cycles 1",
    "tradeexecutor start my_strategy.py sqlite:///trading.db#mine --chain base.json --rpc URL --check-accounts",
    "tradeexecutor start --config live.toml",
    "tradeexecutor start my_strategy.py paper.json --paper --feed exchange.toml --new",
    "tradeexecutor start my_strategy.py backtests/my_strategy/state.json --paper --data candles",
)


@dataclass(frozen=True, slots=True)
class _WebOptions:
    """The strategy file to show, the address to listen on, and whether commands are accepted."""

    file: Path
    host: str
    port: int
    operate: bool


def start(
    strategy: StrategyArgument,
    state_file: StateFile,
    *,
    chain: OptionalStartChainOption = None,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    password_file: PasswordFileOption = None,
    new: NewOption = False,
    offset: OffsetOption = 8,
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
    history: HistoryOption = None,
    warm_up: WarmUpOption = "30d",
    gaps: GapsOption = "keep",
    start_from: PaperFromOption = None,
    cash: CashOption = None,
    fee: TradingFeeOption = 0.001,
    slippage: PaperSlippageOption = 0.0,
    set_: SetOption = None,
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
    if paper:
        if bool(data) == (feed is not None):
            raise typer.BadParameter("needs market data: either --data or --feed", param_hint="--paper")
        from tradeexecutor.operations.paper_market import PaperData

        named = PaperData(data or (), feed, history or (), read_option("--warm-up", parse_duration, warm_up), gaps, fee)
        plan = _PaperPlan(new, start_from, cash, slippage, offset, max_data_delay, max_cycles)
        web = _WebOptions(strategy, http_host, http_port, http_operate) if http_enabled else None
        _start_paper(strategy, state_file, named, plan, parse_parameters(set_ or []), web)
        return
    if chain is None:
        raise typer.BadParameter("is needed to trade with real money; --paper needs none", param_hint="--chain")
    if approve:
        require_terminal()
    tolerance = None if max_slippage is None else read_option("--max-slippage", parse_fraction, max_slippage)
    settings, connection = open_chain(chain, rpc, confirmations)
    # Slow to import.
    from tradeexecutor.ethereum.broadcast import WaitRules
    from tradeexecutor.ethereum.hot_wallet import FeeRules
    from tradeexecutor.ethereum.live import RETRYABLE, SafetyRules, make_live_models
    from tradeexecutor.operations.live_loop import LiveSettings, StaleMarketData
    from tradeexecutor.operations.operator_commands import CommandQueue
    from tradeexecutor.strategy.strategy_module import read_strategy_module

    module = read_strategy_module(strategy)
    module.apply_parameters(parse_parameters(set_ or []))
    wallet = open_wallet(keystore, password_file)
    _check_place(state_file, is_new=new)
    cycle = module.cycle_duration if cycle_duration is None else _parse_cycle(cycle_duration)
    if cycle is None:
        raise CommandFailed(f"{strategy} does not say how often to decide (cycle_duration in Parameters)")
    live_settings = LiveSettings(
        cycle=cycle,
        offset=datetime.timedelta(minutes=offset),
        trigger_check=datetime.timedelta(minutes=trigger_check) if trigger_check else None,
        valuation=datetime.timedelta(minutes=valuation) if valuation else None,
        max_data_delay=datetime.timedelta(minutes=max_data_delay),
        decide_at_once=decide_at_once,
        max_cycles=1 if run_single_cycle else max_cycles,
        retryable=(*RETRYABLE, StaleMarketData),
    )
    with (open_new_store if new else open_store)(state_file) as store:
        fees = FeeRules(max_fee=None if max_gas_price is None else int(max_gas_price * 1e9))
        dog = Watchdog(60 * watchdog if watchdog else None)
        models = make_live_models(
            settings,
            connection,
            wallet,
            store.sync,
            fee_rules=fees,
            wait_rules=WaitRules(timeout=confirmation_timeout),
            safety=SafetyRules(tolerance, Decimal(str(min_gas_balance))),
            approval=TerminalApproval(dog.paused) if approve else None,
        )
        if new:
            state = store.create(module.name or strategy.stem)
            models.sync.sync_initial(state, reserve_assets=[settings.reserve])
            store.sync(state)
        _print_start(module.name or strategy.stem, wallet, settings, live_settings)

        def prepare(state: "State") -> None:
            if sync_treasury_on_startup:
                models.sync.sync_treasury(utc_now(), state, [settings.reserve])
            if check_accounts:
                _require_clean_accounts(state, settings, connection)

        commands = CommandQueue()
        on_job = _report
        with contextlib.ExitStack() as stack:
            if http_enabled:
                web = _WebOptions(strategy, http_host, http_port, http_operate)
                status = stack.enter_context(_serve(module, state_file, store, commands, web))
                on_job = _make_watch(status, lambda: wallet.get_gas_balance(connection))
            state = _run_until_stopped(
                module,
                store,
                models,
                settings,
                live_settings,
                commands=commands,
                on_start=prepare,
                on_job=on_job,
                watchdog=dog,
            )
        print_line(f"Stopped after cycle {state.cycle - 1}. {state_file} is saved.")


@dataclass(frozen=True, slots=True)
class _PaperPlan:
    """How a paper strategy begins and when it decides; times are minutes."""

    is_new: bool
    start_at: datetime.datetime | None
    cash: float | None
    slippage: float
    offset: float
    max_data_delay: float
    max_cycles: int | None


def _start_paper(
    strategy: Path,
    place: StateLocation,
    named: "PaperData",
    plan: _PaperPlan,
    parameters: dict[str, Any],
    web: _WebOptions | None,
) -> None:
    """Trade on paper until the decisions are done or a signal ends them."""
    # Slow to import.
    from tradeexecutor.operations.operator_commands import CommandQueue
    from tradeexecutor.operations.paper import PaperLoop, PaperSettings, create_paper_state, get_start
    from tradeexecutor.operations.paper_market import open_market
    from tradeexecutor.strategy.strategy_module import read_strategy_module

    module = read_strategy_module(strategy)
    module.apply_parameters(parameters)
    _check_place(place, is_new=plan.is_new)
    if module.cycle_duration is None:
        raise CommandFailed(f"{strategy} does not say how often to decide (cycle_duration in Parameters)")
    settings = PaperSettings(
        module.cycle_duration,
        slippage=plan.slippage,
        offset=datetime.timedelta(minutes=plan.offset),
        max_data_delay=datetime.timedelta(minutes=plan.max_data_delay),
        max_cycles=plan.max_cycles,
    )
    name, start_at = module.name or strategy.stem, plan.start_at or utc_now()
    open_market(named, start_at)  # fail early, before the state exists
    with (open_new_store if plan.is_new else open_store)(place) as store:
        if plan.is_new:
            cash = Decimal(str(plan.cash or module.initial_cash or 0))
            state = create_paper_state(store, name, cash, start_at, module.cycle_duration)
        else:
            state = store.load()
        market = open_market(named, get_start(state))
        print_facts({"Strategy": name, "Trades": "on paper", "State": str(place)})
        stopping, commands = threading.Event(), CommandQueue()
        loop = PaperLoop(
            module,
            store,
            market,
            settings,
            wait=lambda seconds: _wait(stopping, seconds),
            should_stop=stopping.is_set,
            on_job=_report,
            commands=commands,
        )
        with contextlib.ExitStack() as stack:
            if web is not None:
                stack.enter_context(_serve(module, place, store, commands, web))
            stack.enter_context(_stop_by_signal(stopping))
            state = loop.run()
        print_line(f"Stopped after cycle {state.cycle - 1}. {place} is saved.")


@contextlib.contextmanager
def _serve(
    module: "StrategyModule", place: StateLocation, store: "StateStore", commands: "CommandQueue", web: _WebOptions
) -> Generator["ProcessStatus"]:
    """Serve the state over HTTP, in a thread, while the strategy runs; yields what it tells about this process."""
    # Slow to import.
    from tradeexecutor.web.app import make_app
    from tradeexecutor.web.drawings import read_author_charts
    from tradeexecutor.web.endpoints import Site
    from tradeexecutor.web.server import BackgroundServer, LogRing, open_socket
    from tradeexecutor.web.sources import Catalogue, Strategy, make_id
    from tradeexecutor.web.summary import Description, ProcessStatus

    name = make_id(place)
    status = ProcessStatus()
    about = Description(
        name=module.name, short_description=module.short_description, long_description=module.long_description
    )
    site = Site(
        Catalogue([Strategy(name, place, store, is_live=True)]),
        descriptions={name: about},
        statuses={name: status},
        sources={name: web.file.read_text(encoding="utf-8")},
        charts={name: read_author_charts(web.file)},
    )
    if web.operate:
        site.queues[name] = commands
    LogRing(site.logs).attach()
    settings = make_settings(web.host, (), 100.0, operate=web.operate)
    with open_socket(web.host, web.port) as listening, BackgroundServer(make_app(site, settings), listening):
        print_line(f"The state is served at http://{web.host}:{listening.getsockname()[1]}")
        try:
            yield status
        except Exception as error:
            status.is_running, status.crashed_at, status.error = False, utc_now(), describe_error(error)
            raise


def _make_watch(status: "ProcessStatus", get_gas: Callable[[], Decimal]) -> Callable[[str, Exception | None], None]:
    """Return a function that reports a job and updates what is served about this process."""

    def look() -> None:
        with contextlib.suppress(TradeExecutorError):  # the next job looks again
            status.wallet_gas = float(get_gas())

    def watch(job: str, error: Exception | None) -> None:
        _report(job, error)
        status.trigger_checks += job == "triggers"
        look()

    look()
    return watch


def _check_place(place: StateLocation, *, is_new: bool) -> None:
    if isinstance(place, Path):
        if is_new and place.exists():
            raise CommandFailed(f"{place} exists already", "leave out --new to continue with it")
        if not is_new and not place.exists():
            raise CommandFailed(f"there is no file {place}", "add --new to create it")


def _parse_cycle(text: str) -> CycleDuration:
    cycle = CycleDuration(text)
    if not cycle.to_timedelta():
        raise typer.BadParameter(
            f"{text!r} is no time between decisions: write 1h, 4h or 1d", param_hint="--cycle-duration"
        )
    return cycle


def _print_start(name: str, wallet: "HotWallet", chain: "ChainFile", settings: "LiveSettings") -> None:
    offset = settings.offset.total_seconds() / 60
    print_facts(
        {
            "Strategy": name,
            "Wallet": wallet.address,
            "Chain": str(chain.chain_id),
            "Decides": f"every {settings.cycle.value}, {offset:g} minutes after the tick",
        }
    )


def _run_until_stopped(
    module: "StrategyModule",
    store: "StateStore",
    models: "Models",
    chain: "ChainFile",
    settings: "LiveSettings",
    *,
    commands: "CommandQueue",
    on_start: Callable[["State"], None],
    on_job: Callable[[str, Exception | None], None],
    watchdog: Watchdog,
) -> "State":
    """Decide, trade and save until the cycles are done or a signal ends them; return the state.

    Raises
    ------
    typer.Exit
        A job hung.
    """
    from tradeexecutor.operations.live_loop import LiveLoop

    stopping = threading.Event()
    loop = LiveLoop(
        module,
        store,
        models,
        lambda now: chain.load_universe(),
        settings,
        wait=lambda seconds: _wait(stopping, seconds),
        should_stop=stopping.is_set,
        on_start=on_start,
        on_job=on_job,
        commands=commands,
        watchdog=watchdog,
    )
    try:
        with _stop_by_signal(stopping):
            return loop.run()
    except JobHangs as error:
        print_problem(f"Error: {error}. It was interrupted here:")
        print_problem(error.place.rstrip(), "")
        raise typer.Exit(EXIT_HUNG) from None


def _require_clean_accounts(state: "State", settings: "ChainFile", connection: "ChainConnection") -> None:
    from tradeexecutor.cli.printers.accounts import print_comparison
    from tradeexecutor.operations.chain_balances import fetch_state_balances
    from tradeexecutor.operations.check_accounts import check_state_accounts

    result = check_state_accounts(state, fetch_state_balances(state, settings, connection))
    if not result.is_clean:
        print_comparison(result, state, all_=False)
        raise CommandFailed(
            "the books do not agree with the wallet", "`tradeexecutor correct-accounts --chain` books it"
        )


def _wait(stopping: threading.Event, seconds: float) -> None:
    stopping.wait(seconds)


@contextlib.contextmanager
def _stop_by_signal(stopping: threading.Event) -> Generator[None]:
    """Stop the program after the current job at the first signal, and at once at the second one."""

    def stop(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()
        print_problem("Stopping after the current job.", "")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(job: str, error: Exception | None) -> None:
    now = datetime.datetime.now(datetime.UTC)
    if error is None:
        print_line(f"{now:%Y-%m-%d %H:%M:%S} {job} done")
    else:
        print_problem(f"{now:%Y-%m-%d %H:%M:%S} {job} failed, the next one tries again: {describe_error(error)}")
