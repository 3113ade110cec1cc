"""What ``tradeexecutor lookahead`` prints."""

import dataclasses
import math
from typing import Any

from tradeexecutor.backtest.look_ahead_check import format_value
from tradeexecutor.cli.output import Column, format_time, print_facts, print_heading, print_line, print_table
from tradeexecutor.research.look_ahead import ChangedDecision, ChangedIndicator, LookAheadReport

#: Number of pairs that are named; of more only the count is shown.
_MAX_NAMED = 3

_INDICATOR_COLUMNS = (
    Column("Indicator", is_text=True),
    Column("Pairs", is_text=True, priority=2),
    Column("First seen (UTC)"),
    Column("Value of", priority=3),
    Column("In the run", right=True),
    Column("Known then", right=True),
    Column("Cuts", right=True, priority=1),
    Column("Reads", is_text=True, priority=4),
)

_DECISION_COLUMNS = (
    Column("Decision (UTC)"),
    Column("In the run", is_text=True),
    Column("With known candles", is_text=True),
)


def look_ahead_to_json(report: LookAheadReport) -> dict[str, Any]:
    """Return the report as plain data; a value that is not a finite number is null."""
    return {"clean": report.is_clean} | _make_finite(dataclasses.asdict(report))


def _make_finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _make_finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_make_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_look_ahead(report: LookAheadReport, *, limit: int) -> None:
    """Print the indicators and decisions that depend on later candles, and the verdict.

    Parameters
    ----------
    limit
        How many indicators, and how many decisions, to list.
    """
    where = "every decision" if report.is_exact else f"{report.cuts:,} of them"
    print_facts(
        {
            "Decisions": f"{report.decisions_made:,}, {format_time(report.start_at)} to {format_time(report.end_at)}",
            "Data cut at": where,
        }
    )
    if report.indicators:
        print_heading(f"Indicators that depend on later candles: {len(report.indicators):,}")
        shown = report.indicators[:limit]
        print_table(_INDICATOR_COLUMNS, [_format_indicator(item, report.cuts) for item in shown])
        _print_rest(len(report.indicators) - len(shown))
    if report.decisions:
        print_heading(f"Decisions that differ without later candles: {len(report.decisions):,}")
        shown = report.decisions[:limit]
        print_table(_DECISION_COLUMNS, [_format_decision(item) for item in shown])
        _print_rest(len(report.decisions) - len(shown))
    _print_limits(report)
    print_line()
    if report.is_clean:
        print_line("CLEAN. Nothing was found that depends on later candles.", "bold green")
        return
    print_line("LOOK-AHEAD. The result of this backtest cannot be achieved in real trading.", "bold red")
    if not report.is_exact:
        print_line("The first dates are the first ones found; --every-decision finds the exact ones, and takes longer.")


def _print_rest(count: int) -> None:
    if count > 0:
        print_line(f"and {count:,} more (--limit)", "dim")


def _print_limits(report: LookAheadReport) -> None:
    """Print what the comparison does not cover."""
    for name in report.unstable_indicators:
        print_line()
        print_line(f"Indicator {name!r} gives different values on the same data, so it was not compared.", "yellow")
    if report.has_unstable_decisions:
        print_line()
        print_line("The strategy makes different decisions on the same data, so decisions were not compared.", "yellow")
    if report.skipped:
        first = report.skipped[0]
        print_line()
        print_line(
            f"{len(report.skipped):,} cuts could not be compared, the first at {format_time(first.at)}: {first.reason}",
            "yellow",
        )


def _format_indicator(item: ChangedIndicator, cuts: int) -> tuple[str, ...]:
    more = f" and {len(item.tickers) - _MAX_NAMED} more" if len(item.tickers) > _MAX_NAMED else ""
    return (
        item.name if item.column is None else f"{item.name}, {item.column}",
        ", ".join(item.tickers[:_MAX_NAMED]) + more,
        format_time(item.first_at),
        format_time(item.stamp),
        format_value(item.value),
        format_value(item.known_value),
        f"{item.cuts} of {cuts}",
        ", ".join(item.reads),
    )


def _format_decision(item: ChangedDecision) -> tuple[str, ...]:
    return (
        format_time(item.at),
        "; ".join(item.with_future) or "nothing",
        "; ".join(item.without_future) or "nothing",
    )
