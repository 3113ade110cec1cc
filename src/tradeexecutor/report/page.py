"""The report: one self-contained HTML page with everything about a state.

The page contains its own styles and scripts, including plotly.js, loads nothing from the network (its content security
policy forbids it), and has light and dark colours. Data from the state is escaped by the template, or packed as data
that the script writes as text. A chart is drawn when it is scrolled into view, and tables show one page of rows at a
time, so the page opens at once for any length of the history.
"""

import base64
import datetime
import functools
import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from tradeexecutor import __version__
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.ledger.proof import Proof, Verdict, prove
from tradeexecutor.report.fact_lists import make_lists
from tradeexecutor.report.figures import Figure, FigureGroup, describe_performance
from tradeexecutor.report.fine_candles import FineCandles
from tradeexecutor.report.glossary import GLOSSARY
from tradeexecutor.report.jumps import describe_jumps
from tradeexecutor.report.page_charts import DrawnChart, draw_charts
from tradeexecutor.report.problems import Problem, find_problems
from tradeexecutor.report.statistics_tables import StatisticsReport, collect_statistics
from tradeexecutor.report.table_data import (
    TableData,
    make_closed_positions,
    make_flows,
    make_open_positions,
    make_trades,
)
from tradeexecutor.state.checks import Check, check_state
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.gc_pause import pause_garbage_collection
from tradeexecutor.state.display.formatting import (
    format_percent,
    format_span,
    format_time,
)
from tradeexecutor.state.display.visible import make_visible_in
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.holdings import find_main_holding
from tradeexecutor.visual.parts.theme import THEMES, Theme

__all__ = ["ReportContents", "ReportOptions", "collect_report", "make_report", "render_report"]

_TEMPLATES = Path(__file__).parent / "templates"

#: Largest number of listed problems; the others are only counted.
_MAX_PROBLEMS = 200

_CARDS = ("final_equity", "profit", "total_return", "cagr", "max_drawdown", "sharpe", "win_rate", "fees")

PageTheme = Literal["auto", "light", "dark"]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Options of the page.

    Attributes
    ----------
    backtest
        State of a backtest of the same strategy, shown beside a live state; None for no backtest.
    candles
        Market data for the price chart, see `ChartOptions`; None for the prices recorded in the state.
    theme
        Initial colours; ``auto`` uses those of the reader's system.
    source
        Origin of the state, e.g. the name of its file; shown at the end.
    checks
        Outcome of the checks of the file; None for the checks that need only the state.
    now
        Time of the report, naive UTC; None for the present time.
    """

    backtest: State | None = None
    candles: Any = None
    theme: PageTheme = "auto"
    source: str = ""
    checks: Sequence[Check] | None = None
    now: datetime.datetime | None = None


@dataclass(frozen=True, slots=True)
class Chip:
    """A status in the header of the page; `target` is the section to which it links."""

    level: Literal["good", "bad", "doubt", "plain"]
    text: str
    target: str


@dataclass(frozen=True, slots=True)
class ReportContents:
    """All contents of the page.

    Attributes
    ----------
    values
        Variables of the template, by name.
    charts, tables
        Data of the page.
    caveats
        Why figures mislead; a figure refers to them by number.
    mismatch
        Why the state beside is hardly of the same strategy; empty when they may be.
    """

    values: dict[str, Any]
    charts: list[DrawnChart]
    tables: list[TableData]
    caveats: list[str]
    mismatch: str = ""


def make_report(state: State, options: ReportOptions | None = None, *, packed: bool = True) -> str:
    """Return the page of a state as HTML text; see `collect_report` and `render_report` for the parameters."""
    return render_report(collect_report(state, options or ReportOptions()), packed=packed)


def collect_report(state: State, options: ReportOptions) -> ReportContents:
    """Calculate and draw all contents of the page.

    Parameters
    ----------
    state
        The state, which is not changed.
    options
        See `ReportOptions`.

    Raises
    ------
    InvalidValue
        The candles have a form that charts do not accept.
    """
    # Many small objects are created, and few of them, the figures of charts, are part of a cycle.
    with pause_garbage_collection(), share_results(), comparing_closed_once(state.portfolio):
        return _collect(state, options)


def _collect(state: State, options: ReportOptions) -> ReportContents:
    held = find_main_holding(state, options.candles)
    statistics = collect_statistics(state, options.backtest, held=held)
    proof = prove(state)
    checks = list(options.checks) if options.checks is not None else check_state(state)
    problems = find_problems(state, checks, proof, statistics.jumps)
    tables = [make_open_positions(state), make_closed_positions(state), make_trades(state), make_flows(state)]
    charts, not_drawn = draw_charts(state, options.candles)
    figures = {figure.key: figure for group in statistics.groups for figure in group.figures}
    values = {
        "title": state.name or "Strategy without a name",
        "kind": _describe_kind(state, options.backtest),
        "period": _describe_period(state, statistics),
        "theme": options.theme,
        "version": __version__,
        "source": options.source,
        "made_at": options.now or utc_now(),
        "chips": _make_chips(state, checks, proof, problems),
        "warnings": [text for text in (statistics.mismatch, describe_jumps(statistics.jumps)) if text],
        "beside": statistics.columns,
        "cards": [figures[key] for key in _CARDS],
        "unders": _describe_cards(statistics),
        "groups": statistics.groups,
        "backtest_texts": _list_backtest_texts(options.backtest, statistics),
        "charts": charts,
        "not_drawn": not_drawn,
        "problems": problems[:_MAX_PROBLEMS],
        "problem_count": len(problems),
        "checks": checks,
        "all_passed": all(check.passed for check in checks) and proof.is_balanced,
        "proof": _describe_proof(proof),
        "metrics": statistics.metrics,
        "sides_tables": statistics.tables,
        "lists": make_lists(statistics),
        "caveats": statistics.caveats,
        "glossary": list(GLOSSARY.values()),
    }
    return ReportContents(values, charts, tables, statistics.caveats, statistics.mismatch)


def render_report(contents: ReportContents, *, packed: bool = True, template: str = "page.html") -> str:
    """Return the page as HTML text.

    Parameters
    ----------
    contents
        Result of `collect_report`.
    packed
        Whether plotly.js and the data are compressed, which reduces the page to a third. If False, everything is
        drawn before the page counts as loaded, as printing needs it.
    template
        Name of the template.
    """
    data = orjson.dumps(make_visible_in(_make_data(contents.charts, contents.tables), keep_newlines=True))
    plotly: str = ""
    if contents.charts:
        plotly = _pack_plotly() if packed else Markup(_read_plotly())
    page = _make_environment(contents.tables, contents.caveats).get_template(template)
    return page.render(
        contents.values,
        packed=packed,
        css=_read_css(),
        js=Markup(_read("page.js")),
        # Only "<" could end a script element.
        data=_pack(data) if packed else Markup(data.decode().replace("<", "\\u003c")),
        plotly=plotly,
    )


# --- Words


def _describe_kind(state: State, backtest: State | None) -> str:
    kind = "Live strategy" if state.backtest_data is None else "Backtest"
    if backtest is None:
        return kind
    return f"{kind}, beside {'a backtest' if backtest.backtest_data is not None else 'a live strategy'}"


def _describe_period(state: State, statistics: StatisticsReport) -> str:
    performance = statistics.performance
    start, end = performance.start_at, performance.end_at
    if start is None or end is None:
        return f"Created {format_time(state.created_at)}, nothing recorded yet"
    return f"{format_time(start)} to {format_time(end)} UTC, {format_span(end - start)}"


def _describe_cards(statistics: StatisticsReport) -> dict[str, str]:
    performance = statistics.performance
    figures = {figure.key: figure for group in statistics.groups for figure in group.figures}
    return {
        "final_equity": f"from {figures['initial_equity'].text}" if performance.initial_equity is not None else "",
        "profit": f"net deposits {figures['net_deposits'].text}" if performance.net_deposits else "",
        "total_return": _describe_holding(performance.buy_and_hold),
        "cagr": "per year",
        "max_drawdown": f"longest {figures['longest_drawdown'].text}",
        "sharpe": f"Sortino {figures['sortino'].text}",
        "win_rate": figures["positions"].text,
        "fees": f"{figures['fee_rate'].text} of volume" if performance.volume else "",
    }


def _describe_holding(buy_and_hold: float | None) -> str:
    return "time-weighted" if buy_and_hold is None else f"buy and hold {format_percent(buy_and_hold)}"


def _list_backtest_texts(backtest: State | None, statistics: StatisticsReport) -> dict[str, str]:
    if backtest is None:
        return {}
    groups: Iterable[FigureGroup] = describe_performance(backtest, statistics.backtest)
    return {figure.key: figure.text for group in groups for figure in group.figures}


def _make_chips(state: State, checks: Sequence[Check], proof: Proof, problems: Sequence[Problem]) -> list[Chip]:
    failed = sum(not check.passed for check in checks)
    chips = [
        Chip("bad", f"File: {failed} of {len(checks)} checks failed", "problems")
        if failed
        else Chip("good", f"File: all {len(checks)} checks passed", "problems")
    ]
    words = _describe_proof(proof)
    levels: dict[str, Literal["good", "bad", "doubt"]] = {"error": "bad", "warning": "doubt", "good": "good"}
    chips.append(Chip(levels[words["level"]], f"Balances: {words['verdict']}", "problems"))
    portfolio = state.portfolio
    if portfolio.frozen_positions:
        chips.append(Chip("bad", _count(len(portfolio.frozen_positions), "frozen position"), "problems"))
    failures = sum(problem.topic == "failed" for problem in problems)
    if failures:
        chips.append(Chip("doubt", _count(failures, "failed trade"), "problems"))
    repaired = sum(problem.topic == "repaired" for problem in problems)
    if repaired:
        chips.append(Chip("plain", _count(repaired, "repaired trade"), "problems"))
    if portfolio.open_positions:
        chips.append(Chip("plain", _count(len(portfolio.open_positions), "open position"), "positions"))
    return chips


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _describe_proof(proof: Proof) -> dict[str, str]:
    counts = {verdict: len(proof.get_findings(verdict)) for verdict in Verdict}
    listed = ", ".join(f"{verdict.label}: {count:,}" for verdict, count in counts.items() if count)
    entries = f"{len(proof.journal.entries):,} entries, {len(proof.findings):,} balances: {listed or 'none'}"
    if counts[Verdict.mismatch]:
        verdict, level = f"{counts[Verdict.mismatch]:,} of {len(proof.findings):,} do not add up", "error"
    elif counts[Verdict.unprovable]:
        verdict, level = f"{counts[Verdict.unprovable]:,} of {len(proof.findings):,} cannot be proven", "warning"
    else:
        verdict, level = f"all {len(proof.findings):,} add up", "good"
    return {"verdict": verdict, "level": level, "text": entries}


# --- Data of the page


def _make_data(charts: Sequence[DrawnChart], tables: Sequence[TableData]) -> dict[str, Any]:
    return {
        "charts": [
            {"figure": chart.figure, "dark": chart.dark, "fine": _describe_fine(chart.fine)} for chart in charts
        ],
        "tables": [table.to_dict() for table in tables if len(table)],
    }


def _describe_fine(fine: FineCandles | None) -> dict[str, int | None] | None:
    """Return which traces finer candles belong to; the candles stand in a script element of their own."""
    return None if fine is None else {"prices": fine.prices, "volume": fine.volume}


def _pack(data: bytes) -> str:
    # mtime is 0, so that the same state gives the same page.
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode("ascii")


@functools.cache
def _read_plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


@functools.cache
def _pack_plotly() -> str:
    return _pack(_read_plotly().encode())


@functools.cache
def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text("utf-8")


def _read_css() -> Markup:
    light, dark = (_make_variables(THEMES[name]) for name in ("light", "dark"))
    variables = (
        f":root {{ color-scheme: light; {light} }}\n"
        "@media screen and (prefers-color-scheme: dark) "
        f'{{ :root[data-theme="auto"] {{ color-scheme: dark; {dark} }} }}\n'
        f'@media screen {{ :root[data-theme="dark"] {{ color-scheme: dark; {dark} }} }}\n'
    )
    return Markup(_read("page.css").replace("@@variables@@", variables))


def _make_variables(theme: Theme) -> str:
    is_dark = theme.name == "dark"
    values = {
        "page": "#0e1116" if is_dark else "#f5f6f8",
        "doubt": "#e8b04a" if is_dark else "#a86500",
        "background": theme.background,
        "text": theme.text,
        "faint": theme.faint_text,
        "grid": theme.grid,
        "zero": theme.zero,
        "main": theme.main,
        "gain": theme.gain,
        "loss": theme.loss,
    }
    return " ".join(f"--{name}: {value};" for name, value in values.items())


# --- Template


def _make_environment(tables: Sequence[TableData], caveats: Sequence[str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    environment.finalize = lambda value: value if isinstance(value, Markup) else make_visible_in(value)
    lengths = {table.name: len(table) for table in tables}

    def table(name: str, nothing: str) -> Markup:
        if not lengths[name]:
            return Markup('<p class="note">{}</p>').format(nothing)
        return Markup('<div id="table-{}"><p class="note">{:,} rows</p></div>').format(name, lengths[name])

    def mark(caveat: str) -> Markup:
        return Markup(" <small>[{}]</small>").format(caveats.index(caveat) + 1) if caveat else Markup("")

    environment.globals.update(format_time=format_time, table=table, mark=mark, sign=_get_sign)
    return environment


_SIGNED = {"profit", "total_return", "cagr", "max_drawdown", "sharpe", "sortino"}


def _get_sign(figure: Figure) -> str:
    if figure.key not in _SIGNED or not isinstance(figure.value, int | float) or not figure.value:
        return ""
    return "loss" if figure.value < 0 else "gain" if figure.key in ("profit", "total_return") else ""
