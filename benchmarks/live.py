"""A live strategy on a local chain, in accelerated time: do memory and the time of a cycle grow with its history?

Each cycle is an hour of the chain. Every fifth cycle opens a position, three cycles later it is closed, so that 10,000
cycles have 2,000 closed positions. After a tenth of the cycles, 500 at most, a line with the means since the line
before is printed, so that a run that was ended early says something, too. The time of saves is apart, because a save
goes through the whole state.
"""

import datetime
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from tradeexecutor.backtest.candles import load_candles
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.devchain.chain import DevChain
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.pricing import EthereumPricing
from tradeexecutor.ethereum.treasury import EthereumSync
from tradeexecutor.ethereum.valuation import EthereumValuation
from tradeexecutor.ethereum.venues.uniswap_v2 import UniswapV2Venue
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.live_loop import LiveLoop, LiveSettings
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.store import JSONFileStore, StateStore
from tradeexecutor.strategy.runner import Models
from tradeexecutor.strategy.strategy_module import read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

STORES = ("file", "database")
_HOUR = datetime.timedelta(hours=1)
_EPOCH = datetime.datetime(1970, 1, 1)
_PAGE = 4096

_STRATEGY = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    slippage_tolerance = 0.02


def decide_trades(input):
    manager = input.get_position_manager()
    if input.cycle % 5 == 1:
        return manager.open_spot(input.strategy_universe.get_single_pair(), 1_000)
    return manager.close_all() if input.cycle % 5 == 4 else []
"""


def run(cycles: int = 1_000, stores: Sequence[str] = STORES) -> None:
    """Run the strategy on each of the stores, `file` and `database`."""
    try:
        for kind in stores:
            with tempfile.TemporaryDirectory() as folder, DevChain(start_at=datetime.datetime(2024, 1, 1)) as chain:
                _measure(kind, chain, Path(folder), cycles)
    except DevChainUnavailable as error:
        print(f"live: {error}")


@contextmanager
def _open_store(kind: str, folder: Path) -> Iterator[StateStore]:
    if kind == "file":
        with JSONFileStore(folder / "state.json") as store:
            yield store
    else:
        with SQLStateStore(DatabaseAddress.parse(f"sqlite:///{folder / 'trading.db'}#mine")) as store:
            yield store


def _measure(kind: str, chain: DevChain, folder: Path, cycles: int) -> None:
    usdc, token = chain.deploy_token("USDC", 6), chain.deploy_token("WETH", 18)
    exchange = chain.deploy_uniswap_v2()
    pair = chain.create_v2_pool(exchange, token, usdc, Decimal(1_000_000), price=Decimal(2_000))
    wallet = chain.create_wallet({usdc: Decimal(100_000)})
    connection = chain.anvil.connect()
    venue = UniswapV2Venue(connection, exchange.router, exchange.factory)
    pricing = EthereumPricing([venue])
    (folder / "strategy.py").write_text(_STRATEGY)
    rows = [f"{datetime.datetime(2024, 1, 1) + hour * _HOUR},2000,2010,1990,2000,5" for hour in range(24)]
    (folder / "candles.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    candles = load_candles({"WETH-USDC": folder / "candles.csv"})["WETH-USDC"]
    universe = TradingStrategyUniverse({pair: candles}, usdc)
    start = now = chain.now.replace(minute=0, second=0, microsecond=0) + _HOUR
    with _open_store(kind, folder) as store:
        saves = _Clock(store.sync)
        store.sync = saves  # pyright: ignore[reportAttributeAccessIssue]
        rules = WaitRules(timeout=30, poll=0.005)
        models = Models(
            pricing=pricing,
            valuation=EthereumValuation(pricing),
            sync=EthereumSync(connection, wallet),
            execution=EthereumExecution(connection, wallet, [venue], store.sync, wait_rules=rules),
        )
        loop = LiveLoop(
            read_strategy_module(folder / "strategy.py"),
            store,
            models,
            lambda moment: universe,
            LiveSettings(cycle=CycleDuration.cycle_1h, max_data_delay=None),
            mode=ExecutionMode.unit_testing_trading,
            clock=lambda: now,
        )
        state = store.create("live")
        models.sync.sync_initial(state, reserve_assets=[usdc])
        store.sync(state)
        state = loop.start()
        work = _Clock(loop.decide)
        print(f"live, {kind}: processor time of a cycle without saves, of its saves; memory")
        for cycle in range(1, cycles + 1):
            now = start + cycle * _HOUR
            chain.anvil.rpc("evm_setNextBlockTimestamp", int((now - _EPOCH).total_seconds()) + 1)
            chain.anvil.mine()
            work()
            if cycle % _get_step(cycles) == 0:
                spent, saved, closed = work.take(), saves.take(), len(state.portfolio.closed_positions)
                count = _get_step(cycles)
                print(
                    f"  {cycle:6,} cycles {closed:5,} closed {(spent - saved) / count * 1e3:8.1f} ms "
                    f"{saved / count * 1e3:8.1f} ms {_get_memory():8.1f} MB",
                    flush=True,
                )
        print(f"  the state has {len(state.to_json()) / 1e6:.1f} MB", flush=True)  # only now: printing it takes memory
        assert prove(state).is_balanced


def _get_step(cycles: int) -> int:
    """Return the number of cycles of a line: a tenth, whole periods of the strategy, and at most 500."""
    return min(max(cycles // 50 * 5, 5), 500)


class _Clock:
    """Calls a function and adds up the processor time that it takes, seconds."""

    def __init__(self, function: Callable[..., object]):
        self._function = function
        self._total = 0.0

    def __call__(self, *arguments: object) -> None:
        begin = time.process_time()
        self._function(*arguments)
        self._total += time.process_time() - begin

    def take(self) -> float:
        """Return the time since the last call of this method."""
        total, self._total = self._total, 0.0
        return total


def _get_memory() -> float:
    """Return the resident memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6
