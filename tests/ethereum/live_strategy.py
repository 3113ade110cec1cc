"""A strategy that runs live on a local chain, by a clock that jumps."""

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.ethereum.trader import Trader
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile, read_chain_file
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.execution import EthereumExecution
from tradeexecutor.ethereum.live import RETRYABLE, connect, make_live_models
from tradeexecutor.operations.live_loop import LiveLoop, LiveSettings, StaleMarketData
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.strategy_module import read_strategy_module

HOUR = datetime.timedelta(hours=1)

STRATEGY = """
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"
name = "In and out"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    slippage_tolerance = 0.01
    amount = 1_000
    stop_loss_pct = None


def decide_trades(input):
    manager = input.get_position_manager()
    if manager.is_any_open():
        return manager.close_all()
    pair = input.strategy_universe.get_single_pair()
    return manager.open_spot(pair, input.parameters.amount, stop_loss_pct=input.parameters.stop_loss_pct)
"""


def write_live_folder(trader: Trader, tmp_path: Path) -> Path:
    """Write a strategy, candles up to now, and the file that says what is traded where."""
    (tmp_path / "strategy.py").write_text(STRATEGY)
    start = trader.chain.now.replace(minute=0, second=0, microsecond=0) - 10 * HOUR
    rows = [f"{(start + hour * HOUR).isoformat()},2000,2010,1990,2000,5" for hour in range(40)]
    (tmp_path / "candles.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    market, pair = trader.market, trader.market.pair
    content = {
        "chain_id": 31337,
        "confirmations": 1,
        "reserve": {"symbol": "USDC", "address": market.usdc.address, "decimals": 6},
        "venues": [{"kind": "uniswap_v2", "factory": market.exchange.factory, "router": market.exchange.router}],
        "pairs": [
            {
                "symbol": "WETH",
                "address": market.weth.address,
                "decimals": 18,
                "pool": pair.pool_address,
                "factory": market.exchange.factory,
                "fee": 0.003,
                "candles": "candles.csv",
            }
        ],
    }
    (tmp_path / "chain.json").write_text(json.dumps(content))
    return tmp_path


class Live:
    """A loop by a clock that jumps when somebody waits."""

    def __init__(
        self,
        trader: Trader,
        folder: Path,
        connection: ChainConnection | None = None,
        *,
        in_database: bool = False,
        **settings: Any,
    ):
        self.trader = trader
        self.file: ChainFile = read_chain_file(folder / "chain.json")
        self.now = trader.chain.now.replace(minute=0, second=0, microsecond=0) + HOUR
        self.jobs: list[tuple[str, str | None]] = []
        self.store: JSONFileStore | SQLStateStore = (
            SQLStateStore(f"sqlite:///{folder / 'states.db'}#live")
            if in_database
            else JSONFileStore(folder / "state.json")
        )
        self.connection = connection or connect(self.file, [trader.chain.anvil.url])
        self.before_job: Callable[[], None] = lambda: None
        self.models = make_live_models(
            self.file,
            self.connection,
            trader.wallet,
            self.store.sync,
            wait_rules=WaitRules(timeout=1, poll=0.01),
        )
        module = read_strategy_module(folder / "strategy.py")
        module.apply_parameters({name: settings.pop(name) for name in ("stop_loss_pct",) if name in settings})
        options = {"trigger_check": None, "valuation": None, "max_cycles": 4, **settings}
        self.loop = LiveLoop(
            module,
            self.store,
            self.models,
            lambda now: self.file.load_universe(),
            LiveSettings(cycle=CycleDuration.cycle_1h, retryable=(*RETRYABLE, StaleMarketData), **options),
            mode=ExecutionMode.unit_testing_trading,
            clock=lambda: self.now,
            wait=self.wait,
            on_job=lambda name, error: self.jobs.append((name, error and type(error).__name__)),
        )

    @property
    def execution(self) -> EthereumExecution:
        assert isinstance(self.models.execution, EthereumExecution)
        return self.models.execution

    def prepare(self) -> "Live":
        state = self.store.create("live")
        self.models.sync.sync_initial(state, reserve_assets=[self.file.reserve])
        self.store.sync(state)
        return self

    def wait(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=max(seconds, 0.001))
