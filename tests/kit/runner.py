"""A strategy runner put together by hand, and a store that keeps what was saved."""

from decimal import Decimal
from typing import Any

from tests.kit.markets import START, at_cycle, make_candles
from tradeexecutor.backtest.backtest_execution import BacktestExecution
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel
from tradeexecutor.backtest.backtest_valuation import BacktestValuationModel
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.state import State
from tradeexecutor.strategy.execution_context import ExecutionContext, ExecutionMode
from tradeexecutor.strategy.pandas_trader.indicator import IndicatorSet
from tradeexecutor.strategy.pandas_trader.indicator_results import calculate_indicators
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInputIndicators
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.runner import (
    Models,
    StrategyRunner,
)


class RecordingStore:
    """Keeps what was saved."""

    def __init__(self) -> None:
        self.saved: list[State] = []

    def sync(self, state: State) -> None:
        self.saved.append(State.read_json_blob(state.to_json_safe()))


def make_runner(plans: Any, bars: Any, mode: ExecutionMode, store: RecordingStore, sync: Any = None) -> StrategyRunner:
    """A runner put together by hand, as a live program would."""
    universe = create_universe({"BTC-USD": make_candles(bars)}, fee=0)
    wallet = SimulatedWallet()
    sync = sync or BacktestSyncModel(wallet, Decimal(10_000))
    pricing = BacktestPricing(universe)
    context = ExecutionContext(mode)
    results = calculate_indicators(IndicatorSet(), universe, context)
    models = Models(pricing, BacktestValuationModel(pricing), sync, BacktestExecution(wallet))
    return StrategyRunner(
        state=State(created_at=START),
        strategy_universe=universe,
        decide_trades=at_cycle(plans),
        parameters=StrategyParameters(),
        indicators=StrategyInputIndicators(universe, results),
        execution_context=context,
        models=models,
        store=store,
    )
