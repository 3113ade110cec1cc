"""Statistics of a long history: seconds for each, and how they grow with the history.

A closed position has two trades and about ten samples of the portfolio, so the largest size has 100,000 positions and
1,000,000 samples.
"""

import datetime
import math
from collections.abc import Callable
from functools import partial

from benchmarks.measure import timed
from benchmarks.trades import trade
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.frames import portfolio_to_frame, positions_to_frame
from tradeexecutor.analysis.recorded.equity_series import calculate_daily_returns, calculate_equity_curve
from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.statistics.statistics_table import serialise_long_short_stats_as_json_table
from tradeexecutor.statistics.summary import calculate_summary_statistics

#: Closed positions.
SIZES = (1_000, 10_000, 100_000)

SAMPLES_PER_POSITION = 10

_START = datetime.datetime(2014, 1, 1)
_YEARS = datetime.timedelta(days=3650)


def make_history(positions: int) -> State:
    """Make a state with closed positions and samples over ten years, whatever their number."""
    state = trade(2 * positions)
    state.created_at = _START
    state.last_updated_at = _START + _YEARS
    for number, position in enumerate(state.portfolio.closed_positions.values()):
        # Spread over the ten years instead of seconds apart.
        position.opened_at = _START + _YEARS * (number / positions)
        position.closed_at = position.opened_at + datetime.timedelta(hours=1)
    count = positions * SAMPLES_PER_POSITION
    step = _YEARS / count
    state.stats.portfolio = [
        PortfolioStatistics(
            _START + step * number,
            total_equity=1_000_000 + 1_000 * math.sin(number),
            net_asset_value=1_000_000 + 1_000 * math.sin(number),
            unrealised_profitability=math.sin(number) / 1_000,
        )
        for number in range(count)
    ]
    return state


TASKS: dict[str, Callable[[State], object]] = {
    "equity curve": calculate_equity_curve,
    "daily returns": calculate_daily_returns,
    "trade summary": lambda state: build_trade_analysis(state.portfolio).calculate_summary_statistics(state=state),
    "performance": summarise_performance,
    "long/short table": serialise_long_short_stats_as_json_table,
    "start page": calculate_summary_statistics,
    "positions as a frame": positions_to_frame,
    "portfolio as a frame": portfolio_to_frame,
}


def run(sizes: tuple[int, ...] = SIZES) -> None:
    """Print seconds per task and size, and how much longer ten times the history takes (10: linear)."""
    seconds: dict[str, list[float]] = {name: [] for name in TASKS}
    for size in sizes:
        with pause_full_collections():
            state = make_history(size)
            for name, task in TASKS.items():
                seconds[name].append(min(timed(partial(task, state))[0] for _ in range(3)))
    print(f"{'closed positions':<22}" + "".join(f"{size:>10,}" for size in sizes) + f"{'x10 costs':>12}")
    for name, figures in seconds.items():
        growth = figures[-1] / figures[-2]
        print(f"{name:<22}" + "".join(f"{figure:>9.3f}s" for figure in figures) + f"{growth:>12.1f}")
