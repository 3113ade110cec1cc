"""Every example runs on paper as it is, and makes the trades that a backtest of the same candles makes."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.soak import SOAK
from tests.support import REPOSITORY
from tradeexecutor.analysis.compare.states import compare_states
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.backtest.feeds.interface import CandleFeed
from tradeexecutor.backtest.feeds.market import GrowingMarket
from tradeexecutor.backtest.feeds.series import cut
from tradeexecutor.operations.paper import PaperLoop, PaperSettings, create_paper_state
from tradeexecutor.state.cycle_duration import CycleDuration, snap_to_next_tick, snap_to_previous_tick
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.strategy_module import read_strategy_module
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

#: Vaults are not traded on paper: a feed of candles does not say which symbols are shares of one.
EXAMPLES = [path for path in sorted((REPOSITORY / "examples").glob("*.py")) if path.stem != "vault_allocation"]
if SOAK == 1:  # one with orders that wait, one with several pairs, one with loans
    EXAMPLES = [path for path in EXAMPLES if path.stem in ("trend_following", "rebalancing", "idle_cash_in_credit")]

#: The period has this many trades at least; its candles arrive in portions, and between two of them the program was
#: stopped.
TRADES, PORTIONS = 4, 2


class _Growing(CandleFeed):
    """The candles of a market up to the present."""

    def __init__(self, universe: TradingStrategyUniverse):
        self.candles = {pair.get_ticker(): universe.get_candles(pair) for pair in universe.iterate_pairs()}

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        found = {name: cut(candles, now) for name, candles in self.candles.items()}
        return {name: candles for name, candles in found.items() if candles is not None}


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_trades_on_paper_what_it_trades_in_a_backtest(path: Path, tmp_path: Path):
    module = read_strategy_module(path)
    cycle: CycleDuration = module.parameters.cycle_duration
    decided = sorted(
        trade.opened_at for trade in run_backtest_for_module(path, progress=False).state.portfolio.get_all_trades()
    )
    start = snap_to_previous_tick(decided[-TRADES], cycle) - cycle.to_timedelta()
    end = snap_to_next_tick(decided[-1], cycle)
    until = end + datetime.timedelta(microseconds=1)
    whole, universe, _ = run_backtest_for_module(path, start_at=start, end_at=until, progress=False, leaves_open=True)
    fees = {pair.get_ticker(): pair.fee for pair in universe.iterate_pairs()}
    market = GrowingMarket(_Growing(universe), fee={name: fee for name, fee in fees.items() if fee is not None})
    with JSONFileStore(tmp_path / "state.json") as store:
        create_paper_state(store, "paper", Decimal(module.parameters.initial_cash), start, cycle)
        for portion in range(1, PORTIONS + 1):
            now = start + (end - start) * portion / PORTIONS
            loop = PaperLoop(module, store, market, PaperSettings(cycle), clock=lambda now=now: now)
            loop.catch_up(loop.start(), now)
    paper = State.read_json_file(tmp_path / "state.json")
    result = compare_states(whole, paper)
    assert result.is_equal, result.divergence
    assert len(result.trades) >= TRADES / 2
