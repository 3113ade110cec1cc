"""What ``tradeexecutor optimize`` prints."""

import datetime
from typing import Any

from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_percent,
    print_facts,
    print_heading,
    print_line,
    print_next_steps,
    print_table,
    shorten_path,
)
from tradeexecutor.operations.optimise_page import describe_luck, describe_verdict, format_figure, name_figure
from tradeexecutor.operations.optimise_run import OptimiseOutcome
from tradeexecutor.research.assessment import Assessment
from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.optimisation import Optimisation
from tradeexecutor.research.results import describe_parameters, make_results_table
from tradeexecutor.research.walk_forward import WalkForward

__all__ = ["optimisation_to_json", "print_optimisation"]

#: Figures in the table besides the objectives.
_BESIDE = ("total_return", "sharpe", "max_drawdown", "trades")

_COLOURS = {"good": "green", "doubt": "yellow", "bad": "red"}

#: Failed runs that are listed.
_MAX_FAILED = 3


def print_optimisation(outcome: OptimiseOutcome, *, limit: int) -> None:
    """Print the best runs, how much of the best one is luck, and the walk-forward.

    Parameters
    ----------
    limit
        Number of runs to list.
    """
    result, assessment = outcome.result, outcome.assessment
    _print_facts(result)
    _print_failed(result)
    if result.best is None:
        print_line()
        print_line("No run meets the requirements.", "bold red")
        return
    print_heading(f"Best of {assessment.tries:,} tries")
    _print_ranked(result, assessment, limit)
    _print_assessment(result, assessment)
    if outcome.forward is not None:
        _print_forward(outcome.forward)
    for note in result.notes:
        print_line()
        print_line(f"Note: {note}", "yellow")
    steps = {
        "the page about it": f"open {outcome.page}",
        "all runs": f'tradeexecutor query "select * from results order by rank" {outcome.files[0]}',
    }
    if result.states:
        steps["the best run"] = f"tradeexecutor report {shorten_path(next(iter(result.states.values())))}"
    print_next_steps(steps)


def _print_facts(result: Optimisation) -> None:
    facts = {
        "Strategy": result.strategy,
        "Parameters": ", ".join(f"{item.name} ({len(item.values):,})" for item in result.space.parameters),
        "Runs": f"{len(result.rows):,} by {result.sampler}"
        + (f", {result.known:,} of them known" if result.known else "")
        + (f", {len(result.failed):,} failed" if result.failed else ""),
        "Objective": ", ".join(f"{'lowest' if item.is_low else 'highest'} {item.name}" for item in result.objectives),
        "Time": str(datetime.timedelta(seconds=round(result.seconds))),
    }
    if result.requirements:
        facts["Required"] = " and ".join(condition.text for condition in result.requirements)
        facts["Ranked"] = f"{len(result.ranked):,} runs meet it"
    print_facts(facts)


def _print_failed(result: Optimisation) -> None:
    for row in result.failed[:_MAX_FAILED]:
        print_line()
        print_line(f"Run {row.number} failed ({describe_parameters(row)}): {row.error}", "yellow")
    if len(result.failed) > _MAX_FAILED:
        print_line(f"and {len(result.failed) - _MAX_FAILED:,} more, see results.parquet", "dim")


def _print_ranked(result: Optimisation, assessment: Assessment, limit: int) -> None:
    names = [item.name for item in result.objectives]
    beside = [name for name in _BESIDE if name not in names]
    front = {row.number for row in result.front} if len(names) > 1 else set[int]()
    columns = (
        Column("Run", right=True),
        *(Column(name, right=True) for name in result.space.names),
        *(Column(name_figure(name), right=True) for name in names),
        *(Column(name_figure(name), right=True, priority=2 + place) for place, name in enumerate(beside)),
        Column("Tries", right=True, priority=1),
        Column("Deflated Sharpe", right=True),
        Column("Front", priority=1),
    )
    rows = [_format_row(row, names, beside, assessment, front) for row in result.ranked[:limit]]
    print_table(columns, rows)
    if len(result.ranked) > limit:
        print_line(f"and {len(result.ranked) - limit:,} more (--limit)", "dim")


def _format_row(
    row: RunResult, names: list[str], beside: list[str], assessment: Assessment, front: set[int]
) -> tuple[str, ...]:
    deflated = assessment.deflated_sharpe.get(row.number)
    return (
        str(row.number),
        *(str(getattr(value, "value", value)) for value in row.parameters.values()),
        *(format_figure(name, value) for name, value in zip(names, row.objectives, strict=True)),
        *(format_figure(name, row.figures.get(name)) for name in beside),
        f"{assessment.tries:,}",
        NOTHING if deflated is None else format_percent(deflated),
        "yes" if row.number in front else "",
    )


def _print_assessment(result: Optimisation, assessment: Assessment) -> None:
    print_heading("How much of it is luck")
    print_facts(describe_luck(result, assessment))
    level, verdict = describe_verdict(result, assessment)
    if verdict:
        print_line()
        print_line(verdict, f"bold {_COLOURS[level]}")


_WINDOW_COLUMNS = (
    Column("Training (UTC)"),
    Column("Test (UTC)"),
    Column("Tries", right=True, priority=2),
    Column("Chosen", is_text=True, priority=1),
    Column("In training", right=True),
    Column("In test", right=True),
    Column("Test return", right=True),
)


def _print_forward(forward: WalkForward) -> None:
    kind = "anchored" if forward.is_anchored else "rolling"
    print_heading(f"Walk-forward, {len(forward.windows)} windows, {kind}")
    name = forward.objectives[0].name
    rows: list[tuple[str, ...]] = []
    for window in forward.windows:
        chosen, test = window.chosen, window.test
        measured = test.objectives[0] if test is not None and test.objectives else None
        rows.append(
            (
                f"{window.train_start:%Y-%m-%d} - {window.train_end:%Y-%m-%d}",
                f"{window.test_start:%Y-%m-%d} - {window.test_end:%Y-%m-%d}",
                f"{window.tries:,}",
                "nothing, stays in cash" if chosen is None else describe_parameters(chosen),
                format_figure(name, chosen.objectives[0] if chosen is not None else None),
                format_figure(name, measured) if test is None or not test.is_failed else "failed",
                format_figure("total_return", test.figures.get("total_return") if test is not None else None),
            )
        )
    print_table(_WINDOW_COLUMNS, rows)
    print_line()
    figures = forward.figures
    facts = {name_figure(key): format_figure(key, value) for key, value in figures.items()}
    if forward.efficiency is not None:
        facts["Efficiency"] = f"{format_percent(forward.efficiency)} of the yearly return in training"
    print_facts(facts)


# --- JSON


def optimisation_to_json(outcome: OptimiseOutcome) -> dict[str, Any]:
    """Return the outcome as plain data."""
    result, assessment = outcome.result, outcome.assessment
    rows = make_results_table(result).to_pylist()
    best = result.best
    overfitting, stability = assessment.overfitting, assessment.stability
    return {
        "strategy": result.strategy,
        "sampler": result.sampler,
        "objectives": [{"name": item.name, "direction": "min" if item.is_low else "max"} for item in result.objectives],
        "runs": len(result.rows),
        "known": result.known,
        "failed": len(result.failed),
        "seconds": result.seconds,
        "tries": assessment.tries,
        "expected_best_sharpe": assessment.expected_best_sharpe,
        "overfitting": overfitting,
        "stability": stability,
        "best": None
        if best is None
        else {
            "run": best.number,
            "parameters": {name: _to_plain(value) for name, value in best.parameters.items()},
            "objectives": list(best.objectives),
            "deflated_sharpe": assessment.deflated_sharpe.get(best.number),
        },
        "rows": [row | {"deflated_sharpe": assessment.deflated_sharpe.get(row["run"])} for row in rows],
        "walk_forward": None if outcome.forward is None else _forward_to_json(outcome.forward),
        "states": {str(number): path for number, path in result.states.items()},
        "page": outcome.page,
        "files": list(outcome.files),
        "notes": list(result.notes),
    }


def _to_plain(value: Any) -> Any:
    return (
        value if value is None or isinstance(value, bool | int | float | str) else str(getattr(value, "value", value))
    )


def _forward_to_json(forward: WalkForward) -> dict[str, Any]:
    path = 1.0
    equity: list[tuple[int, float]] = []
    observed = forward.observations
    for at, value in zip(observed.path_times.tolist(), observed.path.tolist(), strict=True):
        path *= 1 + value
        equity.append((at // 1_000_000, path))
    return {
        "anchored": forward.is_anchored,
        "figures": forward.figures,
        "efficiency": forward.efficiency,
        "windows": [
            {
                "train_start": window.train_start,
                "train_end": window.train_end,
                "test_start": window.test_start,
                "test_end": window.test_end,
                "tries": window.tries,
                "parameters": None
                if window.chosen is None
                else {name: _to_plain(value) for name, value in window.chosen.parameters.items()},
                "train": None if window.chosen is None else list(window.chosen.objectives),
                "test": None if window.test is None else list(window.test.objectives),
                "test_return": None if window.test is None else window.test.figures.get("total_return"),
                "error": "" if window.test is None else window.test.error,
            }
            for window in forward.windows
        ],
        # Growth of one unit of money by the end of each period, epoch seconds.
        "growth": equity,
    }
