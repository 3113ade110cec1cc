"""Two strategies side by side, e.g. a live run and its backtest."""

import datetime

from tradeexecutor.analysis.compare.attribution import Attribution, attribute_difference
from tradeexecutor.analysis.compare.causes import CAUSE_TEXTS
from tradeexecutor.analysis.compare.records import Pairing, TradeFigures
from tradeexecutor.analysis.compare.states import compare_states
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.report.comparison_page import describe_first_input, describe_occurrence
from tradeexecutor.report.figures import describe_performance
from tradeexecutor.report.second_state import describe_mismatch
from tradeexecutor.report.table_data import to_milliseconds
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import read_history
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.views.equity import thin_series
from tradeexecutor.web.views.figures import to_groups
from tradeexecutor.web.views.records import CauseView, ColumnKind, ColumnView, ComparisonView, Curve, TableView

__all__ = ["compare", "make_comparison_view"]

#: Largest number of listed trades.
_MAX_TRADES = 500

_POINTS = 1_500


def make_comparison_view(question: Question) -> Body:
    """Return two strategies side by side: figures, growth, causes of the difference, and trades that differ."""
    return encode(compare(question))


def compare(question: Question) -> ComparisonView:
    """Compare with the strategy that the request names; raises `ProblemRaised` if there is none."""
    other = question.site.catalogue.find(question["other"])
    if other is None:
        raise ProblemRaised(404, "there is no strategy of this id to compare with; /v1/strategies lists them")
    saved = other.read()
    states = question.saved.state, saved.state
    with share_results():
        groups = [to_groups(describe_performance(state)) for state in states]
        growth = [curve for state, name in zip(states, "AB", strict=True) if (curve := _read_growth(state, name))]
        comparison = compare_states(*states)
        attribution = attribute_difference(*states)
    differing = [item for item in comparison.trades if not item.is_equal]
    return ComparisonView(
        first=question.strategy.id,
        second=other.id,
        first_key=question.saved.key,
        second_key=saved.key,
        mismatch=describe_mismatch(*states),
        groups=groups[0],
        other_groups=groups[1],
        growth=growth,
        causes=_list_causes(attribution),
        first_input=describe_first_input(attribution),
        differing=_make_table(differing[:_MAX_TRADES]),
        equal_trades=len(comparison.trades) - len(differing),
    )


def _read_growth(state: State, name: str) -> Curve | None:
    try:
        history = read_history(state, ChartOptions())
    except NothingToDraw:
        return None
    return thin_series(name, "fraction", history.growth, _POINTS)


def _list_causes(attribution: Attribution) -> list[CauseView]:
    rounded = attribution.round_amounts()
    return [
        CauseView(
            text=CAUSE_TEXTS[part.cause],
            usd=float(rounded[part.cause]),
            trades=part.trades,
            first=describe_occurrence(part.first),
        )
        for part in attribution.parts
        if rounded[part.cause]
    ]


def _make_table(trades: list[Pairing[TradeFigures]]) -> TableView:
    """Return the trades that differ, as a table."""
    known: list[tuple[TradeFigures, Pairing[TradeFigures]]] = [
        (trade, item) for item in trades if (trade := item.a or item.b) is not None
    ]

    def column(name: str, kind: ColumnKind, values: list[float | str | None], *, minor: bool = False) -> ColumnView:
        return ColumnView(name=name, kind=kind, minor=minor, values=values)

    def of_both(name: str, kind: ColumnKind, read: str) -> list[ColumnView]:
        return [
            column(f"{name} {side}", kind, [_read(getattr(item, side.lower()), read) for _, item in known])
            for side in "AB"
        ]

    columns = [
        column("Decided", "time", [to_milliseconds(trade.decided_at) for trade, _ in known]),
        column("Pair", "text", [trade.ticker for trade, _ in known]),
        column("Side", "text", [trade.side for trade, _ in known]),
        *of_both("Trade", "id", "trade_id"),
        *of_both("Price", "price", "price"),
        *of_both("Value, USD", "usd", "value"),
        *of_both("Status", "text", "status"),
    ]
    return TableView(name="differing", sort=None, columns=columns)


def _read(trade: TradeFigures | None, name: str) -> float | str | None:
    value = None if trade is None else getattr(trade, name)
    return to_milliseconds(value) if isinstance(value, datetime.datetime) else value
