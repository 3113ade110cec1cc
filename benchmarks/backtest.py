"""Bars per second of a backtest that decides on every bar and records statistics on every bar.

The strategy is a 20/60 moving-average cross, the data 52,106 hourly BTC/USDT candles where present.  Each of the
trades is a full `TradeExecution`.  Other back-testers make 516 or 517 round trips with the same rules.
"""

from benchmarks.measure import timed
from benchmarks.sources import STRATEGIES, find_hourly_candles
from tradeexecutor.backtest.backtest_runner import load_market_data, run_backtest_for_module


def run() -> None:
    """Print bars, trades and rate, best of three."""
    source = find_hourly_candles()
    universe = load_market_data(source, fee=0.001)
    runs = [
        timed(lambda: run_backtest_for_module(STRATEGIES / "ma_cross.py", universe=universe, progress=False))
        for _ in range(3)
    ]
    seconds, result = min(runs, key=lambda item: item[0])
    portfolio = result.state.portfolio
    bars = result.diagnostics_data["decisions"]
    round_trips = len(portfolio.closed_positions)
    print(f"{bars:,} bars of {source if isinstance(source, str) else source.name} in {seconds:.2f} s, all included")
    print(f"{bars / seconds:,.0f} bars/s; {round_trips} round trips, {len(portfolio.open_positions)} still open")
