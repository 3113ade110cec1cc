"""``tradeexecutor start``."""

import contextlib
import datetime
import signal
import threading
from collections.abc import Generator
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
from tradeexecutor.operations.error_text import describe_error

if TYPE_CHECKING:
    from tradeexecutor.ethereum.chain_file import ChainFile
    from tradeexecutor.operations.live_loop import LiveSettings
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
    set_: SetOption = None,
) -> None:
    """Run a strategy live, with real money.

    The program trades with a hot wallet on one chain until it is stopped (Ctrl-C or
    SIGTERM); it finishes the current job first. After a crash it looks up the outcome of
    pending transactions on the chain. The key is read from the environment or an encrypted
    file, never from the command line.
    """
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
        print_facts(
            {
                "Strategy": module.name or strategy.stem,
                "Wallet": wallet.address,
                "Chain": str(settings.chain_id),
                "Decides": f"every {cycle.value}, {offset:g} minutes after the tick",
            }
        )
        state = _run_until_stopped(module, store, models, settings, live_settings)
        print_line(f"Stopped after cycle {state.cycle - 1}. {state_file} is saved.")


def _check_state_file(state_file: Path, *, is_new: bool) -> None:
    if is_new and state_file.exists():
        raise CommandFailed(f"{state_file} exists already", "leave out --new to continue with it")
    if not is_new and not state_file.exists():
        raise CommandFailed(f"there is no file {state_file}", "add --new to create it")


def _run_until_stopped(
    module: "StrategyModule",
    store: "JSONFileStore",
    models: "Models",
    chain: "ChainFile",
    settings: "LiveSettings",
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
