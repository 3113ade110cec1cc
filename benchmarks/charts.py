"""What a long history costs a chart: each chart of 10,000 and of 1,000,000 samples, or of 10,000 and 100,000 positions.

Drawing includes the text that a page or a report carries.  Charts are thinned, so the text should hardly grow.
"""

import datetime
import time
from decimal import Decimal

import numpy as np
import pandas as pd

from benchmarks.trades import trade
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics
from tradeexecutor.visual.charts import CHARTS, ChartOptions
from tradeexecutor.visual.parts.thinning import choose_points

AT = datetime.datetime(2020, 1, 1)
MINUTE = datetime.timedelta(minutes=1)

_OF_SAMPLES = ("equity", "drawdown", "monthly-returns", "returns-distribution", "rolling-sharpe", "benchmark")
_OF_POSITIONS = ("positions", "profits", "profit-and-time", "long-short", "price", "exposure", "position")


def make_samples(count: int) -> State:
    """Return a state with a random walk of portfolio values, a minute apart."""
    state = State(created_at=AT)
    reserve = AssetIdentifier(1, f"0x{1:040x}", "USDC", 6)
    position = state.portfolio.initialise_reserves(reserve, 1.0)
    position.quantity = Decimal(10_000)
    values = 10_000 * np.exp(np.random.default_rng(1).normal(0, 1e-4, size=count).cumsum())
    state.stats.portfolio = [
        PortfolioStatistics(AT + number * MINUTE, value, value, free_cash=value)
        for number, value in enumerate(values.tolist())
    ]
    return state


def sample_positions(state: State) -> State:
    """Record the value of the portfolio, and of each closed position, when it was opened and when it was closed."""
    samples = state.stats.portfolio
    for position in state.portfolio.closed_positions.values():
        own = state.stats.positions[position.position_id] = []
        for when, quantity in ((position.opened_at, 0.25), (position.closed_at or position.opened_at, 0.0)):
            value = 2400.0 * quantity
            own.append(PositionStatistics(when, when, 0.0, 0.0, quantity, value))
            samples.append(PortfolioStatistics(when, 1_000_000.0, 1_000_000.0, free_cash=1_000_000.0 - value))
    return state


def _time(name: str, state: State, options: ChartOptions) -> tuple[float, int, bool]:
    start = time.perf_counter()
    figure = CHARTS[name].draw(state, options)
    text = figure.to_json() or ""
    return time.perf_counter() - start, len(text), bool(figure.data)


def _compare(names: tuple[str, ...], short: State, long: State, options: ChartOptions) -> None:
    for name in names:
        CHARTS[name].draw(short, options)  # imports, caches
        (quick, little, _), (slow, much, drawn) = _time(name, short, options), _time(name, long, options)
        note = "" if drawn else "  (nothing to draw)"
        print(f"{name:22} {quick:>8.3f} s {little / 1e3:>8.0f} kB {slow:>8.3f} s {much / 1e3:>8.0f} kB{note}")


def run() -> None:
    """Print times and sizes."""
    with pause_full_collections():
        print(f"{'':22} {'10,000 samples':>22} {'1,000,000 samples':>22}")
        prices = pd.Series(
            np.random.default_rng(2).uniform(90, 110, size=1_000_000),
            index=pd.date_range(AT, periods=1_000_000, freq="min"),
        )
        options = ChartOptions(benchmarks={"Index": prices})
        _compare(_OF_SAMPLES, make_samples(10_000), make_samples(1_000_000), options)

        print(f"\n{'':22} {'10,000 positions':>22} {'100,000 positions':>22}")
        _compare(_OF_POSITIONS, sample_positions(trade(20_000)), sample_positions(trade(200_000)), ChartOptions())

        x = np.arange(1_000_000)
        y = np.random.default_rng(3).normal(size=1_000_000).cumsum()
        start = time.perf_counter()
        kept = len(choose_points(x, y, 4_000))
        print(f"\nThinning 1,000,000 points to {kept:,}: {(time.perf_counter() - start) * 1e3:.1f} ms")
