"""Performance of a backtest as text."""

import datetime
import shlex
import sys
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.text import Text

from tradeexecutor.analysis.adjusted.drawdown import calculate_drawdowns
from tradeexecutor.analysis.adjusted.summary import PerformanceSummary, PositionResult
from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_percent,
    format_ratio,
    format_usd,
    make_console,
    print_facts,
    print_heading,
    print_line,
    print_next_steps,
    print_problem,
    print_table,
)
from tradeexecutor.cli.printers.sparkline import (
    MonthlyReturn,
    can_show_blocks,
    compound,
    group_by_year,
    list_monthly_returns,
    make_sparkline,
)
from tradeexecutor.operations.backtest_run import BacktestOutcome

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Width in characters of a sparkline, and of the texts before and after it.
_MIN_SPARKLINE, _MAX_SPARKLINE = 20, 72
_LABEL_WIDTH, _VALUE_WIDTH = 14, 28

#: Number of years that are shown month by month.
_MAX_YEARS = 20

#: Shortest period for which figures are annualised; shorter ones give meaningless yearly figures.
_SHORTEST_ANNUALISED = datetime.timedelta(days=30)

_YEAR_DAYS = 365.0


def print_outcome(outcome: BacktestOutcome) -> None:
    """Print the result of one backtest and commands to try next."""
    performance = outcome.performance
    print_line(performance.name or outcome.strategy.stem, "bold")
    print_facts(make_facts(outcome))
    print_history(outcome)
    print_line()
    print_line(f"State saved to {outcome.state_file}")
    _print_earlier_result(outcome)
    print_warnings(outcome)
    path = shlex.quote(str(outcome.state_file))
    print_next_steps(
        {
            "Everything on one page": f"tradeexecutor report {path}",
            "Positions and their trades": f"tradeexecutor show-positions {path} --position-type all",
            "The latest trades": f"tradeexecutor show-trades {path} --limit 20",
            "Check the state file": f"tradeexecutor validate {path}",
        }
    )


def print_run(outcome: BacktestOutcome) -> None:
    """Print the result of one of several backtests, in a few lines."""
    performance = outcome.performance
    print_line(
        f"  {outcome.decisions:,} decisions and {performance.trades:,} trades in {outcome.seconds:.1f} s; "
        f"{performance.initial_equity or 0:,.0f} USD became {performance.final_equity:,.0f} USD"
    )
    print_line(f"  {outcome.state_file}")
    _print_earlier_result(outcome)
    print_warnings(outcome)


def _print_earlier_result(outcome: BacktestOutcome) -> None:
    if outcome.earlier_result is not None:
        print_line(f"The earlier result is kept as {outcome.earlier_result}")


def make_facts(outcome: BacktestOutcome) -> dict[str, str]:
    """Return names and values of the figures of one backtest."""
    performance = outcome.performance
    facts = {
        "Market": ", ".join(outcome.pairs),
        "Period": _format_period(performance),
        "Decisions": f"{outcome.decisions:,} in {outcome.seconds:.1f} s",
        "Initial equity": f"{format_usd(performance.initial_equity)} USD",
        "Final equity": f"{format_usd(performance.final_equity)} USD",
        "Return": format_percent(performance.total_return),
        "Buy and hold": format_percent(performance.buy_and_hold),
        "CAGR": _format_cagr(performance),
        "Max drawdown": format_percent(performance.max_drawdown),
        "Sharpe ratio": format_ratio(performance.sharpe),
        "Time in market": format_percent(performance.exposure),
        "Positions": f"{performance.positions_closed} closed, {performance.positions_open} open",
        "Win rate": _format_win_rate(performance),
        "Profit factor": _format_profit_factor(performance),
        "Best position": _format_position(performance.best_position),
        "Worst position": _format_position(performance.worst_position),
        "Trades": f"{performance.trades:,}, volume {format_usd(performance.volume)} USD",
        "Fees": f"{format_usd(performance.fees)} USD",
    }
    if performance.positions_frozen:
        facts["Positions"] += f", {performance.positions_frozen} frozen"
    if performance.stop_losses or performance.take_profits:
        facts["Exits"] = f"{performance.stop_losses} by stop loss, {performance.take_profits} by take profit"
    if performance.has_interest:
        earned, paid = format_usd(performance.interest_earned), format_usd(performance.interest_paid)
        facts["Interest"] = f"{earned} USD earned, {paid} USD paid"
    if performance.funding:
        facts["Funding"] = f"{format_usd(performance.funding)} USD"
    if performance.liquidations:
        penalties = format_usd(performance.liquidation_penalties)
        facts["Liquidations"] = f"{performance.liquidations}, penalties {penalties} USD"
    if performance.net_deposits:
        facts["Net deposits"] = f"{format_usd(performance.net_deposits)} USD after the start"
    return facts


def print_history(outcome: BacktestOutcome) -> None:
    """Print equity, drawdown and monthly returns as lines of text; with fewer than two samples print nothing."""
    curve, observed = outcome.curve, outcome.observations
    times, returns = observed.path_times, observed.path
    if len(curve) < 2:
        return
    console = make_console()
    blocks = can_show_blocks(sys.stdout.encoding)
    width = max(min(console.width - _LABEL_WIDTH - _VALUE_WIDTH, _MAX_SPARKLINE), _MIN_SPARKLINE)
    drawdowns = -calculate_drawdowns(returns)
    monthly = list_monthly_returns(observed.start, times, returns)
    latest = np.array([item.value for item in monthly[-width:]])
    months = "" if len(latest) == len(monthly) else f", last {len(latest)}"
    lines = (
        ("Equity", make_sparkline(curve.times, curve.values, width, blocks=blocks), _describe_range(outcome)),
        (
            "Drawdown",
            make_sparkline(times, drawdowns, width, blocks=blocks, low=0.0),
            f"deepest {format_percent(-float(drawdowns.max()))}",
        ),
        (
            "Months",
            make_sparkline(np.arange(len(latest)), latest, len(latest), blocks=blocks).ljust(width),
            f"{format_percent(float(latest.min()))} to {format_percent(float(latest.max()))}{months}",
        ),
    )
    print_line()
    for label, line, text in lines:
        print_line(f"  {label:<{_LABEL_WIDTH - 4}}{line}  {text}")
    _print_months(monthly, console)


def _describe_range(outcome: BacktestOutcome) -> str:
    low, high = float(outcome.curve.values.min()), float(outcome.curve.values.max())
    return f"{low:,.0f} to {high:,.0f} USD" if high >= 1000 else f"{format_usd(low)} to {format_usd(high)} USD"


def _print_months(monthly: Sequence[MonthlyReturn], console: Console) -> None:
    """Print a row for each year: the return of each month in percent, and of the whole year."""
    print_heading("Monthly returns, %")
    console.print(Text("        " + "".join(f"{name:>5}" for name in _MONTHS) + "     Year", style="dim"))
    years = group_by_year(monthly)
    shown = sorted(years)[-_MAX_YEARS:]
    if len(shown) < len(years):
        print_line(f"  {min(years)} to {shown[0] - 1}: {format_percent(_compound_years(years, shown[0]))}", "dim")
    for year in shown:
        by_month = {item.month: item.value for item in years[year]}
        line = Text(f"  {year}  ")
        for month in range(1, 13):
            line.append_text(_make_cell(by_month.get(month), 5))
        line.append_text(_make_cell(compound(years[year]), 9, bold=True))
        console.print(line)


def _compound_years(years: Mapping[int, Sequence[MonthlyReturn]], before: int) -> float:
    return compound([item for year, items in years.items() if year < before for item in items])


def _make_cell(value: float | None, width: int, *, bold: bool = False) -> Text:
    if value is None:
        return Text(" " * width)
    percent = value * 100
    text = f"{percent:.1f}" if abs(percent) < 9.95 else f"{percent:,.0f}"
    if float(text.replace(",", "")) == 0:
        return Text(f"{'0' if percent else '.':>{width}}", style="dim")
    colour = "green" if percent > 0 else "red"
    return Text(f"{text:>{width}}", style=f"bold {colour}" if bold else colour)


def print_warnings(outcome: BacktestOutcome) -> None:
    """Print reasons to doubt the result."""
    performance = outcome.performance
    if performance.failed_trades:
        print_problem(f"Warning: {performance.failed_trades} trades failed.", "yellow")
    for warning in outcome.warnings:
        print_problem(f"Warning: {warning.removesuffix('.')}.", "yellow")


_COMPARISON = (
    Column("Strategy"),
    Column("Market", priority=5, is_text=True),
    Column("Period", priority=6),
    Column("Return", right=True),
    Column("Buy & hold", right=True, priority=2),
    Column("CAGR", right=True, priority=3),
    Column("Max drawdown", right=True, priority=1),
    Column("Sharpe", right=True, priority=1),
    Column("Positions", right=True, priority=4),
    Column("Win rate", right=True, priority=7),
    Column("Fees USD", right=True, priority=8),
)


def print_comparison(outcomes: Sequence[BacktestOutcome]) -> None:
    """Print a line for each of several backtests."""
    rows = [
        (
            outcome.performance.name or outcome.strategy.stem,
            ", ".join(outcome.pairs),
            _format_years(outcome.performance),
            format_percent(outcome.performance.total_return),
            format_percent(outcome.performance.buy_and_hold),
            _format_cagr(outcome.performance),
            format_percent(outcome.performance.max_drawdown),
            format_ratio(outcome.performance.sharpe),
            str(outcome.performance.positions_closed + outcome.performance.positions_open),
            format_percent(outcome.performance.win_rate),
            format_usd(outcome.performance.fees),
        )
        for outcome in outcomes
    ]
    print_table(_COMPARISON, rows)


def _format_period(performance: PerformanceSummary) -> str:
    start, end = performance.start_at, performance.end_at
    if start is None or end is None:
        return NOTHING
    days = (end - start) / datetime.timedelta(days=1)
    length = f"{days / _YEAR_DAYS:.1f} years" if days > 2 * _YEAR_DAYS else f"{days:,.0f} days"
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d} ({length})"


def _format_years(performance: PerformanceSummary) -> str:
    start, end = performance.start_at, performance.end_at
    return f"{start:%Y}-{end:%Y}" if start is not None and end is not None else NOTHING


def _format_cagr(performance: PerformanceSummary) -> str:
    start, end = performance.start_at, performance.end_at
    if start is None or end is None or end - start < _SHORTEST_ANNUALISED:
        return f"{NOTHING} (under {_SHORTEST_ANNUALISED.days} days)"
    return format_percent(performance.cagr)


def _format_win_rate(performance: PerformanceSummary) -> str:
    if performance.win_rate is None:
        return NOTHING
    return f"{format_percent(performance.win_rate)} ({performance.won} of {performance.positions_scored})"


def _format_profit_factor(performance: PerformanceSummary) -> str:
    if performance.profit_factor is None and performance.won:
        return f"{NOTHING} (no losing position)"
    return format_ratio(performance.profit_factor)


def _format_position(result: PositionResult | None) -> str:
    if result is None:
        return NOTHING
    return (
        f"{format_percent(result.profit_pct)}, {format_usd(result.profit_usd)} USD "
        f"(#{result.position_id} {result.ticker})"
    )
