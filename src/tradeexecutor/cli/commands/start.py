"""``tradeexecutor start``."""

import contextlib
import datetime
import signal
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from tradeexecutor.cli.chain_options import (
    ChainOption,
    KeystoreOption,
    MaxGasPriceOption,
    RpcOption,
    open_chain,
    open_wallet,
)
from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.cli.option_values import parse_parameters
from tradeexecutor.cli.output import print_facts, print_line, print_problem
from tradeexecutor.cli.run_options import SetOption, StrategyArgument
from tradeexecutor.cli.web_options import HostOption, OperateOption, PortOption, make_settings, require_web
from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.state.clock import utc_now

if TYPE_CHECKING:
    from tradeexecutor.ethereum.chain_file import ChainFile
    from tradeexecutor.ethereum.hot_wallet import HotWallet
    from tradeexecutor.operations.live_loop import LiveSettings
    from tradeexecutor.operations.operator_commands import CommandQueue
    from tradeexecutor.state.state import State
    from tradeexecutor.state.store import JSONFileStore
    from tradeexecutor.strategy.runner import Models
    from tradeexecutor.strategy.strategy_module import StrategyModule

EXAMPLES = (
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc https://mainnet.base.org --new",
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc URL --rpc OTHER_URL --keystore wallet.json",
    "tradeexecutor start my_strategy.py state.json --chain base.json --rpc URL --decide-at-once --max-cycles 1",
)


_StateFileArgument = Annotated[
    Path, typer.Argument(metavar="STATE_FILE", help="State file of the strategy.", show_default=False, readable=False)
]
_NewOption = Annotated[
    bool, typer.Option("--new", help="Create the state file; the balance of the wallet becomes the opening balance.")
]
_OffsetOption = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="Delay of a decision after the tick of the cycle.")
]
_TriggerCheckOption = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="Time between checks of stop losses; 0 is never.")
]
_ValuationOption = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="Time between valuations of positions; 0 is never.")
]
_MaxDataDelayOption = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="Largest age of the newest candle at a decision.")
]
_DecideAtOnceOption = Annotated[bool, typer.Option("--decide-at-once", help="Make the first decision right away.")]
_MaxCyclesOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Stop after N decisions.", show_default="no limit")
]
_HttpEnabledOption = Annotated[
    bool,
    typer.Option("--http-enabled", help="Serve the state over HTTP while the strategy runs; see the command webapi."),
]


@dataclass(frozen=True, slots=True)
class _WebOptions:
    """The strategy file to show, the address to listen on, and whether commands are accepted."""

    file: Path
    host: str
    port: int
    operate: bool


def start(
    strategy: StrategyArgument,
    state_file: _StateFileArgument,
    *,
    chain: ChainOption,
    rpc: RpcOption = None,
    keystore: KeystoreOption = None,
    new: _NewOption = False,
    offset: _OffsetOption = 8,
    trigger_check: _TriggerCheckOption = 3,
    valuation: _ValuationOption = 60,
    max_data_delay: _MaxDataDelayOption = 1440,
    max_gas_price: MaxGasPriceOption = None,
    decide_at_once: _DecideAtOnceOption = False,
    max_cycles: _MaxCyclesOption = None,
    http_enabled: _HttpEnabledOption = False,
    http_host: HostOption = "127.0.0.1",
    http_port: PortOption = 3456,
    http_operate: OperateOption = False,
    set_: SetOption = None,
) -> None:
    """Run a strategy live, with real money.

    The program trades with a hot wallet on one chain until it is stopped (Ctrl-C or
    SIGTERM); it finishes the current job first. After a crash it looks up the outcome of
    pending transactions on the chain. The key is read from the environment or an encrypted
    file, never from the command line.
    """
    if http_enabled:
        require_web()
    settings, connection = open_chain(chain, rpc)
    # Slow to import.
    from tradeexecutor.ethereum.hot_wallet import FeeRules
    from tradeexecutor.ethereum.live import RETRYABLE, make_live_models
    from tradeexecutor.operations.live_loop import LiveSettings, StaleMarketData
    from tradeexecutor.state.store import JSONFileStore
    from tradeexecutor.strategy.strategy_module import read_strategy_module

    module = read_strategy_module(strategy)
    module.apply_parameters(parse_parameters(set_ or []))
    wallet = open_wallet(keystore)
    _check_state_file(state_file, is_new=new)
    cycle = module.cycle_duration
    if cycle is None:
        raise CommandFailed(f"{strategy} does not say how often to decide (cycle_duration in Parameters)")
    live_settings = LiveSettings(
        cycle=cycle,
        offset=datetime.timedelta(minutes=offset),
        trigger_check=datetime.timedelta(minutes=trigger_check) if trigger_check else None,
        valuation=datetime.timedelta(minutes=valuation) if valuation else None,
        max_data_delay=datetime.timedelta(minutes=max_data_delay),
        decide_at_once=decide_at_once,
        max_cycles=max_cycles,
        retryable=(*RETRYABLE, StaleMarketData),
    )
    with JSONFileStore(state_file) as store:
        fees = FeeRules(max_fee=None if max_gas_price is None else int(max_gas_price * 1e9))
        models = make_live_models(settings, connection, wallet, store.sync, fee_rules=fees)
        if new:
            state = store.create(module.name or strategy.stem)
            models.sync.sync_initial(state, reserve_assets=[settings.reserve])
            store.sync(state)
        _print_start(module.name or strategy.stem, wallet, settings, live_settings)
        web = _WebOptions(strategy, http_host, http_port, http_operate) if http_enabled else None
        state = _run_and_serve(module, store, models, settings, live_settings, web)
        print_line(f"Stopped after cycle {state.cycle - 1}. {state_file} is saved.")


@contextlib.contextmanager
def _serve(
    module: "StrategyModule", store: "JSONFileStore", commands: "CommandQueue", web: _WebOptions
) -> Generator[None]:
    """Serve the state over HTTP, in a thread, while the strategy runs."""
    # Slow to import.
    from tradeexecutor.web.app import make_app
    from tradeexecutor.web.drawings import read_author_charts
    from tradeexecutor.web.endpoints import Site
    from tradeexecutor.web.server import BackgroundServer, LogRing, open_socket
    from tradeexecutor.web.sources import Catalogue, Strategy, make_id
    from tradeexecutor.web.summary import Description, ProcessStatus

    name = make_id(store.path)
    status = ProcessStatus()
    about = Description(
        name=module.name, short_description=module.short_description, long_description=module.long_description
    )
    site = Site(
        Catalogue([Strategy(name, store.path, store, is_live=True)]),
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
            yield
        except Exception as error:
            status.is_running, status.crashed_at, status.error = False, utc_now(), describe_error(error)
            raise


def _check_state_file(state_file: Path, *, is_new: bool) -> None:
    if is_new and state_file.exists():
        raise CommandFailed(f"{state_file} exists already", "leave out --new to continue with it")
    if not is_new and not state_file.exists():
        raise CommandFailed(f"there is no file {state_file}", "add --new to create it")


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


def _run_and_serve(
    module: "StrategyModule",
    store: "JSONFileStore",
    models: "Models",
    chain: "ChainFile",
    settings: "LiveSettings",
    web: _WebOptions | None,
) -> "State":
    """Run the strategy until it is stopped, and serve its state meanwhile if `web` is given; return the state."""
    from tradeexecutor.operations.operator_commands import CommandQueue

    commands = CommandQueue()
    with contextlib.ExitStack() as stack:
        if web is not None:
            stack.enter_context(_serve(module, store, commands, web))
        return _run_until_stopped(module, store, models, chain, settings, commands)


def _run_until_stopped(
    module: "StrategyModule",
    store: "JSONFileStore",
    models: "Models",
    chain: "ChainFile",
    settings: "LiveSettings",
    commands: "CommandQueue",
) -> "State":
    """Decide, trade and save until the cycles are done or a signal ends them; return the state."""
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
        on_job=_report,
        commands=commands,
    )
    with _stop_by_signal(stopping):
        return loop.run()


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
