"""The report of the largest state at hand: seconds for each part, and how large the page is.

What the page costs the reader is measured in a browser: open it, and look at ``data-ready`` of the ``html`` element,
milliseconds from the start of loading until tables can be sorted.
"""

from pathlib import Path

from benchmarks.measure import timed
from benchmarks.sources import find_state_files
from tradeexecutor.ledger.proof import prove
from tradeexecutor.report.page import ReportOptions, collect_report, render_report
from tradeexecutor.report.statistics_tables import collect_statistics
from tradeexecutor.report.table_data import make_closed_positions, make_trades
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
