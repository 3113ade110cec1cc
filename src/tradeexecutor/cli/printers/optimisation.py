"""What ``tradeexecutor optimize`` prints."""

import datetime
from typing import Any

from tradeexecutor.cli.output import (
    NOTHING,
    Column,
    format_percent,
    format_ratio,
    format_usd,
    print_facts,
    print_heading,
    print_line,
    print_next_steps,
    print_table,
    shorten_path,
)
from tradeexecutor.operations.optimise_run import OptimiseOutcome
from tradeexecutor.research.assessment import Assessment
from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.optimisation import Optimisation
from tradeexecutor.research.results import describe_parameters, make_results_table
from tradeexecutor.research.run_figures import FIGURES
from tradeexecutor.research.walk_forward import WalkForward

__all__ = ["format_figure", "optimisation_to_json", "print_optimisation"]

#: Figures in the table besides the objectives.
_BESIDE = ("total_return", "sharpe", "max_drawdown", "trades")

#: From this chance on the search is called overfitted.
_LIKELY = 0.5

#: Below this probability a result is likely luck.
_CONVINCING = 0.95

#: Failed runs that are listed.
_MAX_FAILED = 3


def format_figure(name: str, value: float | None) -> str:
    """Return a figure of a run as text."""
    kind = FIGURES[name].kind if name in FIGURES else "ratio"
    if value is None:
        return NOTHING
    if kind == "percent":
        return format_percent(value)
    if kind == "usd":
        return format_usd(value)
    if kind == "count":
        return f"{value:,.0f}"
    return f"{value:,.0f} days" if kind == "days" else format_ratio(value)


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
    steps = {"all runs": f'tradeexecutor query "select * from results order by rank" {outcome.files[0]}'}
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
        *(Column(_title(name), right=True) for name in names),
        *(Column(_title(name), right=True, priority=2 + place) for place, name in enumerate(beside)),
        Column("Tries", right=True, priority=1),
        Column("Deflated Sharpe", right=True),
        Column("Front", priority=1),
    )
    rows = [_format_row(row, names, beside, assessment, front) for row in result.ranked[:limit]]
    print_table(columns, rows)
    if len(result.ranked) > limit:
        print_line(f"and {len(result.ranked) - limit:,} more (--limit)", "dim")


def _title(name: str) -> str:
    if name == "cagr":
        return "CAGR"
    return name.replace("_", " ").capitalize() if name in FIGURES else name


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
    best = result.ranked[0]
    deflated = assessment.deflated_sharpe.get(best.number)
    facts: dict[str, str] = {}
    if assessment.expected_best_sharpe is not None:
        facts["Sharpe"] = (
            f"{format_ratio(best.figures['sharpe'])}; the best of {assessment.tries:,} tries without any skill is "
            f"expected to have {format_ratio(assessment.expected_best_sharpe)}"
        )
    if deflated is not None:
        facts["Deflated Sharpe"] = f"{format_percent(deflated)}, the probability that it is above zero after all tries"
    overfitting = assessment.overfitting
    if overfitting is None:
        facts["Overfitting"] = "not measured: it needs two runs and 20 days"
    else:
        facts["Overfitting"] = (
            f"{format_percent(overfitting.probability)}: so often the best run of one half of the time is no better "
            f"than the median in the other ({overfitting.choices:,} choices)"
        )
    stability = assessment.stability
    if stability is not None and stability.mean is not None:
        name = result.objectives[0].name
        facts["Neighbours"] = (
            f"{stability.neighbours}, one step away: {_title(name)} {format_figure(name, stability.mean)} on average, "
            f"{format_figure(name, stability.worst)} at worst, after {format_figure(name, best.objectives[0])}"
        )
    if stability is not None:
        known = {name: value for name, value in stability.influence.items() if value is not None}
        facts["Influence"] = ", ".join(f"{name} {format_percent(value)}" for name, value in known.items()) or NOTHING
    print_facts(facts)
    print_line()
    if overfitting is not None and overfitting.probability >= _LIKELY:
        print_line("OVERFITTED. What is best in one half of the time says nothing about the other half.", "bold red")
    elif deflated is not None and deflated < _CONVINCING:
        print_line("DOUBTFUL. After so many tries a result like this one can be luck.", "bold yellow")
    elif deflated is not None:
        print_line("HOLDS. The result is better than luck, as far as these figures can tell.", "bold green")


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
    facts = {_title(key): format_figure(key, value) for key, value in figures.items()}
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
