"""Strategy files of every engine version, whose universe is made in code, run as they are."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from tests.kit.markets import DAY, flat, make_candles
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.engine_versions import SUPPORTED_ENGINE_VERSIONS, WrongArguments
from tradeexecutor.strategy.strategy_module import StrategyModuleNotValid

UNIVERSE = """
import datetime

from tradeexecutor.state.cycle_duration import CycleDuration, TimeBucket
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.strategy.data_universe import DataUniverse, GroupedCandles
from tradeexecutor.strategy.default_routing_options import TradeRouting
from tradeexecutor.strategy.execution_context import ExecutionContext
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.reserve_currency import ReserveCurrency
from tradeexecutor.strategy.strategy_type import StrategyType
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, create_pair_universe_from_code
from tradeexecutor.strategy.universe_model import UniverseOptions
from tradeexecutor.testing.synthetic_ethereum_data import generate_random_ethereum_address
from tradeexecutor.testing.synthetic_exchange_data import generate_exchange
from tradeexecutor.testing.synthetic_price_data import generate_ohlcv_candles

TRADING_STRATEGY_TYPE = StrategyType.managed_positions
trade_routing = TradeRouting.ignore
reserve_currency = ReserveCurrency.usdc
start_at, end_at = datetime.datetime(2024, 1, 1), datetime.datetime(2024, 3, 1)


def create_trading_universe(ts, client, execution_context: ExecutionContext, universe_options: UniverseOptions):
    exchange = generate_exchange(exchange_id=1, chain_id=1, address=generate_random_ethereum_address())
    usdc = AssetIdentifier(1, generate_random_ethereum_address(), "USDC", 6, 1)
    weth = AssetIdentifier(1, generate_random_ethereum_address(), "WETH", 18, 2)
    pair = TradingPairIdentifier(
        weth, usdc, generate_random_ethereum_address(), exchange.address,
        internal_id=555, internal_exchange_id=exchange.exchange_id, fee=0.003,
    )
    candles = generate_ohlcv_candles(TimeBucket.d1, start_at, end_at, pair_id=pair.internal_id)
    universe = DataUniverse(
        time_bucket=TimeBucket.d1,
        chains={1},
        exchanges={exchange},
        pairs=create_pair_universe_from_code(1, [pair]),
        candles=GroupedCandles(candles),
        liquidity=None,
    )
    return TradingStrategyUniverse(data_universe=universe, reserve_assets=[usdc])
"""

#: What every version does: hold every other ten days.
DECIDE = """
def decide(timestamp, manager, pair):
    holds = timestamp.day % 20 < 10
    if holds and not manager.is_any_open():
        return manager.open_1x_long(pair, 1000.0)
    if not holds and manager.is_any_open():
        return manager.close_all()
    return []
"""

SETTINGS = """
trading_strategy_cycle = CycleDuration.cycle_1d
initial_cash = 10_000
"""

PARAMETERS = """
class Parameters:
    cycle_duration = CycleDuration.cycle_1d
    initial_cash = 10_000
"""

INDICATORS = '''
from tradeexecutor.strategy.chart.definition import ChartKind, ChartRegistry
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet


def create_indicators(timestamp, parameters, strategy_universe, execution_context):
    return IndicatorSet()


def equity(input):
    """The equity."""


def create_charts(timestamp, parameters, strategy_universe, execution_context):
    charts = ChartRegistry()
    charts.register(equity, ChartKind.state_all_pairs)
    return charts
'''

OLD_DECISION = """
def decide_trades(timestamp, universe, state, pricing_model, cycle_debug_data):
    assert set(cycle_debug_data) >= {"cycle", "timestamp"}
    pair = universe.pairs.get_single()
    finished = universe.candles.get_single_pair_data(timestamp, sample_count=5, raise_on_not_enough_data=False)
    assert len(finished) <= 5 and all(finished.index < timestamp)
    return decide(timestamp, PositionManager(timestamp, universe, state, pricing_model), pair)
"""

MODULES = {
    "0.1": SETTINGS + OLD_DECISION,
    "0.2": SETTINGS + OLD_DECISION,
    "0.3": SETTINGS
    + """
def decide_trades(timestamp, strategy_universe, state, pricing_model, cycle_debug_data):
    pair = strategy_universe.data_universe.pairs.get_single()
    manager = PositionManager(timestamp, strategy_universe.data_universe, state, pricing_model)
    return decide(timestamp, manager, pair)
""",
    "0.4": PARAMETERS
    + """
def decide_trades(timestamp, parameters, strategy_universe, state, pricing_model):
    assert parameters.initial_cash == 10_000
    manager = PositionManager(timestamp, strategy_universe, state, pricing_model)
    return decide(timestamp, manager, strategy_universe.get_single_pair())
""",
    "0.5": PARAMETERS
    + INDICATORS
    + """
def decide_trades(input):
    return decide(input.timestamp, input.get_position_manager(), input.get_default_pair())
""",
}
MODULES["0.6"] = MODULES["0.5"]


def write(folder: Path, version: str, text: str) -> Path:
    path = folder / "strategy.py"
    path.write_text(f'trading_strategy_engine_version = "{version}"\n' + UNIVERSE + DECIDE + textwrap.dedent(text))
    return path


def test_all_versions_are_listed():
    assert tuple(MODULES) == SUPPORTED_ENGINE_VERSIONS


@pytest.mark.parametrize("version", MODULES)
def test_a_strategy_of_each_version(tmp_path: Path, version: str):
    state = run_backtest_for_module(write(tmp_path, version, MODULES[version])).state
    positions = sorted(state.portfolio.get_all_positions(), key=lambda position: position.position_id)
    assert [position.opened_at.day for position in positions] == [1, 20, 1, 20]
    assert [position.opened_at.month for position in positions] == [1, 1, 2, 2]
    assert {position.pair.get_ticker() for position in positions} == {"WETH-USDC"}


def test_all_versions_trade_the_same(tmp_path: Path):
    """The candles are the same for each run, because they have a seed."""
    cash = {run_backtest_for_module(write(tmp_path, v, MODULES[v])).state.portfolio.get_cash() for v in MODULES}
    assert len(cash) == 1


@pytest.mark.parametrize(
    ("version", "signature", "message"),
    [
        ("0.1", "input", "0.1 takes timestamp, universe, state, pricing_model, cycle_debug_data; it takes input"),
        ("0.4", "timestamp, parameters", "0.4 takes timestamp, parameters, strategy_universe, state, pricing_model"),
        ("0.5", "timestamp, state", r"one argument, the StrategyInput"),
    ],
)
def test_a_decision_with_the_arguments_of_another_version_is_explained(
    tmp_path: Path, version: str, signature: str, message: str
):
    text = f"{PARAMETERS}\ndef decide_trades({signature}):\n    return []\n"
    with pytest.raises(StrategyModuleNotValid, match=message):
        run_backtest_for_module(write(tmp_path, version, text))


def test_functions_of_an_old_version_run_inline_and_ignored_arguments_are_named():
    universe = create_universe({"ETH-USD": make_candles([flat(100.0)] * 3, bucket=DAY)})
    seen = []

    def decide_trades(timestamp, strategy_universe, state, pricing_model, cycle_debug_data):
        seen.append(cycle_debug_data["cycle"])
        return []

    ignored: dict[str, Any] = {"routing_model": object(), "client": None}
    with pytest.warns(UserWarning, match="^routing_model of run_backtest_inline has no effect: the market of a pair"):
        run_backtest_inline(
            decide_trades=decide_trades,
            engine_version="0.3",
            universe=universe,
            initial_deposit=10_000,
            **ignored,
        )
    assert seen == [1, 2, 3]
    with pytest.raises(WrongArguments, match="one argument"):
        run_backtest_inline(decide_trades=decide_trades, universe=universe, initial_deposit=10_000)
