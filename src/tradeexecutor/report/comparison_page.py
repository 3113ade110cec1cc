"""The page of a comparison: one self-contained HTML file that needs no network."""

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from tradeexecutor.analysis.compare.attribution import Attribution, Occurrence
from tradeexecutor.analysis.compare.causes import CAUSE_TEXTS
from tradeexecutor.analysis.compare.records import Comparison, Pairing, TradeFigures
from tradeexecutor.report.comparison_charts import draw_causes, draw_difference, draw_equities
from tradeexecutor.state.display.formatting import NOTHING, format_price, format_time, format_usd
from tradeexecutor.state.display.visible import make_visible_in
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.theme import get_theme

__all__ = ["describe_first_input", "describe_occurrence", "make_comparison_page"]

_TEMPLATES = Path(__file__).parent / "templates"

#: Largest number of listed trades.
_MAX_TRADES = 500


def make_comparison_page(
    states: tuple[State, State], names: tuple[str, str], comparison: Comparison, attribution: Attribution
) -> str:
    """Return the page as HTML text.

    Parameters
    ----------
    states
        A and B; they are not changed.
    names
        Their files.
    comparison, attribution
        Results of `compare_states` and `attribute_difference`.
    """
    theme = get_theme("light")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    environment.finalize = lambda value: value if isinstance(value, Markup) else make_visible_in(value)
    rounded = attribution.round_amounts()
    total = sum(rounded.values())
    figures = (draw_causes(attribution, theme), draw_equities(*states, theme), draw_difference(*states, theme))
    differing = [item for item in comparison.trades if not item.is_equal]
    return environment.get_template("comparison.html").render(
        title="Why two runs differ",
        theme=theme,
        names=names,
        summary=_summarise(attribution),
        causes=[
            {
                "text": CAUSE_TEXTS[part.cause],
                "amount": f"{rounded[part.cause]:+,.2f}",
                "trades": f"{part.trades:,}" if part.trades else "",
                "first": describe_occurrence(part.first),
            }
            for part in attribution.parts
            if rounded[part.cause]
        ],
        total=f"{total:+,.2f}",
        gas=f"{attribution.gas:+,.2f}" if attribution.gas else "",
        first_input=_describe_input(attribution),
        charts=_render([figure for figure in figures if figure is not None]),
        trades=[_make_row(item) for item in differing[:_MAX_TRADES]],
        hidden=max(len(differing) - _MAX_TRADES, 0),
    )


def _summarise(attribution: Attribution) -> str:
    a, b = (format_usd(float(value)) for value in (attribution.equity_a, attribution.equity_b))
    return f"Their equity is {a} USD and {b} USD."


def describe_occurrence(first: Occurrence | None) -> str:
    """Return when a cause was seen first, in which pair, and in which trades of both runs; empty without one."""
    if first is None:
        return ""
    ids = [f"#{number} in {name}" for name, number in (("A", first.trade_a), ("B", first.trade_b)) if number]
    return f"{format_time(first.at)} {first.pair} {', '.join(ids)}"


def describe_first_input(attribution: Attribution) -> str:
    """Return the first plotted value that differed before a decision, when, and its values; empty without one."""
    found = attribution.first_input
    if found is None:
        return ""
    a, b = (NOTHING if value is None else format_price(value) for value in (found.a, found.b))
    return f"{found.plot} at {format_time(found.at, seconds=True)}: {a} in A, {b} in B"


def _describe_input(attribution: Attribution) -> str:
    found = describe_first_input(attribution)
    return f"The first plotted value that differed before a decision is {found}." if found else ""


def _render(figures: Sequence[go.Figure]) -> list[Markup]:
    """Return the charts as HTML; the first one contains the drawing library."""
    config = {"responsive": True, "displaylogo": False, "showSendToCloud": False}
    return [
        Markup(  # plotly escapes its data
            figure.to_html(
                full_html=False, include_plotlyjs=number == 0, config=config, default_width="100%", div_id=f"c{number}"
            )
        )
        for number, figure in enumerate(figures)
    ]


def _make_row(item: Pairing[TradeFigures]) -> list[str]:
    a, b = item.a, item.b
    trade = a or b
    assert trade is not None, "a pairing has at least one trade"
    return [
        format_time(trade.decided_at, seconds=True),
        trade.ticker,
        trade.side,
        *("" if side is None else f"#{side.trade_id}" for side in (a, b)),
        *("" if side is None else format_price(side.price) for side in (a, b)),
        *("" if side is None else format_usd(side.value) for side in (a, b)),
        *("" if side is None else side.status for side in (a, b)),
    ]
