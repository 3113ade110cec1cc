"""The report of the largest state at hand: seconds for each part, and how large the page is.

Then what a report costs as the history grows: made-up states of 10,000 and of 100,000 closed positions with ten
portfolio samples each; ten times the history should cost ten times as much, and no chart more than 2 MB.

What the page costs the reader is measured in a browser: open it, and look at ``data-ready`` of the ``html`` element,
milliseconds from the start of loading until tables can be sorted.
"""

from pathlib import Path

import orjson

from benchmarks.charts import make_samples
from benchmarks.measure import timed
from benchmarks.sources import find_state_files
from benchmarks.trades import trade
from tradeexecutor.ledger.proof import prove
from tradeexecutor.report.page import ReportOptions, collect_report, render_report
from tradeexecutor.report.statistics_tables import collect_statistics
from tradeexecutor.report.table_data import make_closed_positions, make_trades
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.state import State


def run() -> None:
    """Print the figures of the largest real state, or of a backtest over a bundled data set."""
    path: Path = max(find_state_files(), key=lambda file: file.stat().st_size)
    state = State.read_json_file(path)
    trades = sum(1 for _ in state.portfolio.get_all_trades())
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {trades:,} trades, {len(state.stats.portfolio):,} samples")
    collect_report(state, ReportOptions())  # imports, and what plotly makes once
    for name, task in (
        ("statistics", lambda: collect_statistics(state)),
        ("proof of the balances", lambda: prove(state)),
        ("tables", lambda: (make_closed_positions(state), make_trades(state))),
        ("everything, charts included", lambda: collect_report(state, ReportOptions())),
    ):
        print(f"{name:<30}{min(timed(task)[0] for _ in range(3)):>9.3f}s")
    contents = collect_report(state, ReportOptions())
    seconds, page = timed(lambda: render_report(contents))
    print(f"{'writing the page':<30}{seconds:>9.3f}s, {len(page) / 1e6:.2f} MB")
    seconds, page = timed(lambda: render_report(contents, packed=False))
    print(f"{'writing the page for printing':<30}{seconds:>9.3f}s, {len(page) / 1e6:.2f} MB")
    for count in (10_000, 100_000):
        _measure_growth(count)


def _measure_growth(count: int) -> None:
    with pause_full_collections():
        state = trade(2 * count)
        state.stats.portfolio = make_samples(10 * count).stats.portfolio
        for sample in state.stats.portfolio:
            sample.free_cash = None  # made up apart from the trades, it would only make the proof search for causes
        seconds, contents = timed(lambda: collect_report(state, ReportOptions()))
        proof, _ = timed(lambda: prove(state))
    largest = max(len(orjson.dumps(chart.figure)) for chart in contents.charts)
    print(
        f"{count:>9,} positions, {10 * count:,} samples: {seconds:.1f} s, {proof:.1f} s of them the proof; "
        f"{len(contents.charts)} charts, the largest {largest / 1e6:.2f} MB"
    )
