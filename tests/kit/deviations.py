"""Two runs of one strategy, of which the second deviates once: in one cycle, one price, one fee or one trade."""

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.kit.markets import HOUR, START, make_candles, random_walk
from tradeexecutor.analysis.compare.causes import Cause
from tradeexecutor.backtest import backtest_runner
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.execution.slippage import SlippageModel
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.market_data import Candles, to_us
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

CYCLES = 40
FEE = 0.003


class Deviation(enum.Enum):
    """What happens in the second run; the value is the cause to be found."""

    missed_cycle = Cause.missed_cycle
    worse_fill = Cause.slippage
    other_mid_price = Cause.price
    higher_fee = Cause.fees
    late_candle = Cause.late_data
    failed_trade = Cause.failed_trade


@dataclass(frozen=True)
class Market:
    """A random market and a random strategy that trades fixed amounts in it."""

    seed: int

    def decide(self, input: StrategyInput) -> list[TradeExecution]:
        """Do what the random numbers of this hour say, as far as the positions allow it."""
        manager = input.get_position_manager()
        trades: list[TradeExecution] = []
        for number, pair in enumerate(input.strategy_universe.iterate_pairs()):
            if manager.is_problematic_pair(pair):
                continue
            random = np.random.default_rng((self.seed, (input.timestamp - START) // HOUR, number))
            action, value = random.integers(0, 6), float(random.integers(50, 400))
            position = input.state.portfolio.get_position_by_trading_pair(pair)
            if action == 0:
                trades += manager.adjust_position(pair, value, value / 1000, 1.0)
            elif position is not None and action == 1:
                held = float(position.get_quantity())
                trades += manager.adjust_position(pair, -0.5 * position.get_value(), -0.5 * held, 0.5)
            elif position is not None and action == 2:
                trades += manager.close_position(position)
        return trades

    def make_candles(self) -> dict[str, Candles]:
        """The candles of two pairs."""
        return {
            name: make_candles(random_walk(self.seed + number, CYCLES, 100.0 * 7**number))
            for number, name in enumerate(("BTC-USD", "ETH-USD"))
        }

    def run(self, **options: Any) -> State:
        """Run it with 10,000 dollars."""
        settings = {"initial_deposit": 10_000, "equity_sampling": "decision", "slippage": 0.001} | options
        return run_backtest_inline(
            decide_trades=self.decide,
            universe=create_universe(self.make_candles(), fee=FEE),
            progress=False,
            **settings,
        ).state


class _WorseAt(SlippageModel):
    """More slippage at one time."""

    def __init__(self, at: datetime.datetime, slippage: float):
        self.at, self.slippage = at, slippage

    def get_slippage(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        return self.slippage if ts == self.at else 0.001


def run_with_deviation(
    market: Market, deviation: Deviation, victim: TradeExecution, size: float, patch: pytest.MonkeyPatch
) -> State:
    """Run a market again, with a deviation at the time of a trade.

    Parameters
    ----------
    victim
        Trade of the first run.
    size
        Fraction: how much worse the price, or higher the fee.
    """
    at = victim.opened_at
    if deviation is Deviation.failed_trade:
        return market.run(failures=lambda trade: trade.opened_at == at and trade.pair == victim.pair)
    if deviation is Deviation.worse_fill:
        return market.run(slippage=_WorseAt(at, 0.001 + size))
    with patch.context() as patched:
        if deviation is Deviation.missed_cycle:
            original = backtest_runner.find_decision_times
            patched.setattr(
                backtest_runner,
                "find_decision_times",
                lambda *arguments: (moments := original(*arguments))[moments != to_us(at)],
            )
        else:
            patched.setattr(backtest_runner, "BacktestPricing", _make_pricing(deviation, at, size))
        return market.run()


def _make_pricing(deviation: Deviation, at: datetime.datetime, size: float) -> Callable[..., BacktestPricing]:
    """Make prices that deviate at one time."""

    class Deviating(BacktestPricing):
        def get_mid_price(self, ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
            mid = super().get_mid_price(ts, pair)
            if ts != at:
                return mid
            if deviation is Deviation.late_candle:
                return super().get_mid_price(ts - HOUR, pair)  # the open of the candle before
            return mid * (1 + size) if deviation is Deviation.other_mid_price else mid

        def _get_market(self, ts: datetime.datetime, pair: Any, mid_price: float | None) -> Any:
            mid, delay = super()._get_market(ts, pair, mid_price)
            if mid_price is None:
                mid = self.get_mid_price(ts, pair)
            is_late = deviation is Deviation.late_candle and ts == at
            return mid, delay + HOUR if is_late else delay

        def _get_fee(self, pair: TradingPairIdentifier) -> float:
            fee = super()._get_fee(pair)
            return fee + size if deviation is Deviation.higher_fee and self._asked_at == at else fee

        def _prepare_sale(self, pair: TradingPairIdentifier) -> Any:
            sale = super()._prepare_sale(pair)
            if deviation is Deviation.higher_fee:
                self._sales.clear()  # the fee depends on the time
            return sale

    return Deviating
