"""What the page about a search shows: the outcome of `optimise_strategy_file` in the words of the report."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tradeexecutor.report.page import Chip
from tradeexecutor.report.search_page import Card, Dimension, FactList, Growth, HeatMap, SearchPage
from tradeexecutor.report.table_data import ColumnData, Kind, TableData
from tradeexecutor.research.assessment import Assessment
from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.optimisation import Optimisation
from tradeexecutor.research.results import describe_parameters, describe_value
from tradeexecutor.research.run_figures import FIGURES
from tradeexecutor.research.walk_forward import WalkForward
from tradeexecutor.state.display.formatting import NOTHING, format_percent, format_ratio, format_usd

__all__ = ["describe_luck", "describe_search", "describe_verdict", "format_figure", "name_figure"]

#: From this chance on the search is called overfitted, and below this probability a result can be luck.
_LIKELY, _CONVINCING = 0.5, 0.95

#: Heat maps are drawn of the pairs of so many parameters, those with the most influence.
_MOST_PARAMETERS = 3

#: Lines of the parallel coordinates: the best runs and, evenly spread, others.
_MOST_LINES = 500

#: Figures in the table of runs besides the objectives.
_BESIDE = ("total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "trades")


def name_figure(name: str) -> str:
    """Return the name of a figure for people."""
    if name == "cagr":
        return "CAGR"
    return name.replace("_", " ").capitalize() if name in FIGURES else name


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


def describe_verdict(result: Optimisation, assessment: Assessment) -> tuple[str, str]:
    """Return ``good``, ``doubt`` or ``bad``, and a sentence; two empty texts where nothing can be said."""
    best = result.best
    deflated = None if best is None else assessment.deflated_sharpe.get(best.number)
    if assessment.overfitting is not None and assessment.overfitting.probability >= _LIKELY:
        return "bad", "OVERFITTED. What is best in one half of the time is not better in the other half."
    if deflated is None:
        return "", ""
    if deflated < _CONVINCING:
        return "doubt", "DOUBTFUL. After so many tries a result like this one can be luck."
    return "good", "HOLDS. The result is better than luck, as far as these figures can tell."


def describe_luck(result: Optimisation, assessment: Assessment) -> dict[str, str]:
    """Return sentences about how much of the best result is luck, by their subject; a run must be ranked."""
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
            f"{stability.neighbours}, one step away: {name_figure(name)} {format_figure(name, stability.mean)} on "
            f"average, {format_figure(name, stability.worst)} at worst, after {format_figure(name, best.objectives[0])}"
        )
    if stability is not None:
        known = {name: value for name, value in stability.influence.items() if value is not None}
        facts["Influence"] = ", ".join(f"{name} {format_percent(value)}" for name, value in known.items()) or NOTHING
    return facts


def describe_search(result: Optimisation, assessment: Assessment, forward: WalkForward | None) -> SearchPage:
    """Return the contents of the page."""
    best = result.best
    level, verdict = describe_verdict(result, assessment)
    names = ", ".join(f"{item.name} ({len(item.values):,} values)" for item in result.space.parameters)
    conditions = " and ".join(condition.text for condition in (*result.space.conditions, *result.requirements))
    warnings = [verdict] if verdict and level != "good" else []
    return SearchPage(
        title=result.strategy,
        lead=f"{len(result.rows):,} runs by {result.sampler}: {names}"
        + (f", where {conditions}" if conditions else ""),
        chips=_make_chips(result, assessment, verdict if level == "good" else ""),
        cards=[] if best is None else _make_cards(result, assessment, best),
        warnings=[*warnings, *result.notes] if best is not None else ["No run meets the requirements."],
        runs=_make_runs(result, assessment),
        heat_maps=[] if best is None else _make_heat_maps(result, assessment, best),
        coordinates=_make_coordinates(result),
        luck=FactList(
            "How much of it is luck",
            ("What", "How much"),
            [] if best is None else list(describe_luck(result, assessment).items()),
            "The best of many runs looks better than the strategy is.",
        ),
        windows=None if forward is None else _make_windows(forward),
        growth=None if forward is None else _make_growth(forward),
    )


def _make_chips(result: Optimisation, assessment: Assessment, verdict: str) -> list[Chip]:
    chips = [Chip("plain", f"{assessment.tries:,} tries", "runs")]
    if verdict:
        chips.append(Chip("good", verdict.partition(".")[0].capitalize(), "luck"))
    if assessment.overfitting is not None:
        chance = assessment.overfitting.probability
        chips.append(Chip("bad" if chance >= _LIKELY else "plain", f"Overfitting: {format_percent(chance)}", "luck"))
    if result.failed:
        chips.append(Chip("bad", f"{len(result.failed):,} runs failed", "runs"))
    return chips


def _make_cards(result: Optimisation, assessment: Assessment, best: RunResult) -> list[Card]:
    deflated = assessment.deflated_sharpe.get(best.number)
    cards = [
        Card(
            f"Best {name_figure(item.name)}",
            format_figure(item.name, value),
            f"of {assessment.tries:,} tries" if place == 0 else "of the same run",
        )
        for place, (item, value) in enumerate(zip(result.objectives, best.objectives, strict=True))
    ]
    cards += [Card(name, describe_value(value), f"run {best.number}") for name, value in best.parameters.items()]
    level = "" if deflated is None else "gain" if deflated >= _CONVINCING else "doubt"
    cards.append(
        Card(
            "Deflated Sharpe", NOTHING if deflated is None else format_percent(deflated), "probability of skill", level
        )
    )
    if assessment.overfitting is not None:
        chance = assessment.overfitting.probability
        cards.append(Card("Overfitting", format_percent(chance), "probability", "loss" if chance >= _LIKELY else ""))
    return cards


_KINDS: dict[str, Kind] = {"percent": "gain", "usd": "usd", "count": "count", "ratio": "quantity", "days": "count"}


def _make_runs(result: Optimisation, assessment: Assessment) -> TableData:
    ranked = result.ranked
    others = [row for row in result.rows if row.number not in {item.number for item in ranked}]
    rows = [*ranked, *others]
    columns = [
        ColumnData("Rank", "count", [*range(1, len(ranked) + 1), *([None] * len(others))]),
        ColumnData("Run", "id", [row.number for row in rows], is_minor=True),
    ]
    for name in result.space.names:
        values = [row.parameters[name] for row in rows]
        is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        shown = values if is_number else [describe_value(value) for value in values]
        columns.append(ColumnData(name, "quantity" if is_number else "text", shown))
    measured = [item.name for item in result.objectives]
    for place, name in enumerate(measured):
        values = [row.objectives[place] if row.objectives else None for row in rows]
        kind = _KINDS[FIGURES[name].kind] if name in FIGURES else "quantity"
        columns.append(ColumnData(name_figure(name), kind, values))
    deflated = [assessment.deflated_sharpe.get(row.number) for row in rows]
    columns.append(ColumnData("Tries", "count", [assessment.tries] * len(rows), is_minor=True))
    columns.append(ColumnData("Deflated Sharpe", "fraction", deflated))
    for name in _BESIDE:
        if name not in measured:
            values = [row.figures.get(name) for row in rows]
            columns.append(ColumnData(name_figure(name), _KINDS[FIGURES[name].kind], values, is_minor=True))
    if result.failed:
        columns.append(ColumnData("Error", "text", [row.error for row in rows], is_minor=True))
    return TableData("runs", tuple(columns))


def _make_heat_maps(result: Optimisation, assessment: Assessment, best: RunResult) -> list[HeatMap]:
    stability = assessment.stability
    influence = {} if stability is None else stability.influence
    several = [item for item in result.space.parameters if len(item.values) > 1]
    several.sort(key=lambda item: -(influence.get(item.name) or 0.0))
    chosen = several[:_MOST_PARAMETERS]
    objective = result.objectives[0]
    note = "A cell is the mean of all runs with these values." if len(several) > 2 else "A cell is a run."
    maps: list[HeatMap] = []
    for x, y in itertools.combinations(chosen, 2):
        places = [{repr(value): place for place, value in enumerate(item.values)} for item in (x, y)]
        cells: dict[tuple[int, int], list[float]] = {}
        for row in result.rows:
            if row.objectives and row.objectives[0] is not None:
                cell = (places[1][repr(row.parameters[y.name])], places[0][repr(row.parameters[x.name])])
                cells.setdefault(cell, []).append(row.objectives[0])
        values = np.full((len(y.values), len(x.values)), math.nan)
        for cell, reached in cells.items():
            values[cell] = sum(reached) / len(reached)
        maps.append(
            HeatMap(
                x=x.name,
                y=y.name,
                x_values=[describe_value(value) for value in x.values],
                y_values=[describe_value(value) for value in y.values],
                values=values,
                best=(places[0][repr(best.parameters[x.name])], places[1][repr(best.parameters[y.name])]),
                objective=name_figure(objective.name),
                is_percent=_is_percent(objective.name),
                note=note,
            )
        )
    return maps


def _is_percent(name: str) -> bool:
    return name in FIGURES and FIGURES[name].kind == "percent"


def _make_coordinates(result: Optimisation) -> list[Dimension]:
    ranked = result.ranked
    step = max(len(ranked) // _MOST_LINES, 1)
    rows: Sequence[RunResult] = [*ranked[: _MOST_LINES // 2], *ranked[_MOST_LINES // 2 :: step]]
    if len(rows) < 2:
        return []
    dimensions: list[Dimension] = []
    for item in result.space.parameters:
        if item.is_ordered:
            dimensions.append(Dimension(item.name, [float(row.parameters[item.name]) for row in rows]))
        else:
            places = {repr(value): place for place, value in enumerate(item.values)}
            values = [float(places[repr(row.parameters[item.name])]) for row in rows]
            dimensions.append(Dimension(item.name, values, [describe_value(value) for value in item.values]))
    for place, objective in reversed(list(enumerate(result.objectives))):
        measured: list[Any] = [row.objectives[place] for row in rows]
        dimensions.append(Dimension(name_figure(objective.name), measured, is_percent=_is_percent(objective.name)))
    return dimensions


def _make_windows(forward: WalkForward) -> FactList:
    name = forward.objectives[0].name
    rows: list[tuple[str, ...]] = []
    for window in forward.windows:
        chosen, test = window.chosen, window.test
        tested = test.objectives[0] if test is not None and test.objectives else None
        rows.append(
            (
                f"{window.train_start:%Y-%m-%d} – {window.train_end:%Y-%m-%d}",
                f"{window.test_start:%Y-%m-%d} – {window.test_end:%Y-%m-%d}",
                format_figure(name, None if chosen is None else chosen.objectives[0]),
                format_figure(name, tested) if test is None or not test.is_failed else "failed",
                format_figure("total_return", None if test is None else test.figures.get("total_return")),
                "nothing, stays in cash" if chosen is None else describe_parameters(chosen),
            )
        )
    figures = ", ".join(f"{name_figure(key)} {format_figure(key, value)}" for key, value in forward.figures.items())
    efficiency = "" if forward.efficiency is None else f", {format_percent(forward.efficiency)} of that in training"
    title = name_figure(name)
    columns = ("Training", "Test", f"{title} in training", f"{title} in test", "Return of the test", "Chosen")
    return FactList("Walk-forward", columns, rows, f"The tests together: {figures}{efficiency}.")


def _make_growth(forward: WalkForward) -> Growth:
    observed = forward.observations
    starts = [window.test_start for window in forward.windows]
    return Growth(observed.path_times, np.asarray(np.cumprod(1.0 + observed.path), dtype=np.float64), starts)
