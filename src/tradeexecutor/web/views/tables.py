"""Every table of the page by name: by column for the page, and as a file for a spreadsheet or a data frame."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tradeexecutor.report.table_data import (
    ColumnData,
    TableData,
    make_closed_positions,
    make_flows,
    make_open_positions,
    make_position_trades,
    make_trades,
    to_milliseconds,
)
from tradeexecutor.state.codec.json_patch import find_changes, format_pointer
from tradeexecutor.state.state import State
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.v1 import find_save
from tradeexecutor.web.views.actions import describe_actions
from tradeexecutor.web.views.attention import find_attention
from tradeexecutor.web.views.checks import check
from tradeexecutor.web.views.columns import (
    Column,
    from_table_view,
    tabulate,
    to_csv,
    to_parquet,
    to_table_view,
)
from tradeexecutor.web.views.comparison import compare
from tradeexecutor.web.views.figures import calculate_figures
from tradeexecutor.web.views.ledger import prove_ledger
from tradeexecutor.web.views.plots import list_plot_points
from tradeexecutor.web.views.position import find_position, list_transactions, make_events
from tradeexecutor.web.views.records import ColumnView, FactView, FigureGroupView, TableView

__all__ = ["COMPARED", "TABLES", "make_change_file", "make_compared_file", "make_table_file", "make_table_view"]

MakeTable = Callable[[Question], TableData]


# --- Of one save


def _of_state(make: Callable[[State], TableData]) -> MakeTable:
    return lambda question: make(question.saved.state)


def _make_messages(question: Question) -> TableData:
    """Return the messages of the strategy, the latest first."""
    messages = question.saved.state.visualisation.messages
    rows = [(second * 1000, text) for second in sorted(messages, reverse=True) for text in messages[second]]
    columns = (
        ColumnData("Time", "time", [at for at, _ in rows]),
        ColumnData("Message", "text", [text for _, text in rows]),
    )
    return TableData("messages", columns)


def _make_plots(question: Question) -> TableData:
    """Return every point of every plot, at the time with which it was recorded."""
    rows = list(list_plot_points(question.saved.state))
    columns = (
        ColumnData("Time", "time", [to_milliseconds(at) for at, _, _, _ in rows]),
        ColumnData("Plot", "text", [name for _, name, _, _ in rows]),
        ColumnData("Pair", "text", [pair for _, _, pair, _ in rows]),
        ColumnData("Value", "quantity", [value for _, _, _, value in rows]),
    )
    return TableData("plots", columns)


_ATTENTION: tuple[Column, ...] = (
    ("Level", "text", "level"),
    ("Kind", "text", "kind"),
    ("Subject", "text", "subject"),
    ("Position", "id", "position_id"),
    ("Trade", "id", "trade_id"),
    ("Since", "time", "at"),
    ("What", "text", "text"),
    ("Advice", "text", "advice"),
    ("Command", "text", "command"),
)

_ACTIONS: tuple[Column, ...] = (
    ("Time", "time", "at"),
    ("Operator", "text", "by"),
    ("Action", "text", "action"),
    ("Details", "text", "details"),
)

_LEDGER: tuple[Column, ...] = (
    ("Balance", "text", "name"),
    ("Position", "id", "position_id"),
    ("Verdict", "text", "verdict"),
    ("Recorded", "text", "recorded"),
    ("Sum of movements", "text", "derived"),
    ("Difference", "text", "difference"),
    ("Reason", "text", "reason"),
    ("First break", "time", "first_break_at"),
    ("First entry", "text", "first_entry"),
    ("Breaks", "count", "breaks"),
)

_TRANSACTIONS: tuple[Column, ...] = (
    ("Trade", "id", "trade_id"),
    ("Status", "text", "status"),
    ("Function", "text", "function"),
    ("Contract", "text", "contract"),
    ("Hash", "text", "tx_hash"),
    ("Chain", "count", "chain_id"),
    ("Nonce", "count", "nonce"),
    ("Block", "count", "block_number"),
    ("Sent", "time", "broadcasted_at"),
    ("Included", "time", "included_at"),
    ("Gas", "count", "gas_used"),
    ("Fee, native token", "quantity", "fee"),
    ("Why it failed", "text", "reason"),
)

_PERIODS: tuple[Column, ...] = (
    ("Period", "text", "label"),
    ("Return", "gain", "value"),
    ("Profit, USD", "profit", "profit"),
    ("Buy and hold", "gain", "benchmark"),
)

_METRICS: tuple[Column, ...] = (
    ("Metric", "text", "name"),
    ("Value", "text", "text"),
    ("From", "text", "source"),
    ("Reason", "text", "reason"),
    ("Remark", "text", "caveat"),
)

_SIDES: tuple[Column, ...] = (
    ("Group", "text", "group"),
    ("Figure", "text", "label"),
    ("All", "text", "all"),
    ("Long", "text", "long"),
    ("Short", "text", "short"),
    ("Remark", "text", "caveat"),
)


def _make_checks(question: Question) -> TableData:
    """Return what was checked."""
    rows = [(run.name, item) for run in check(question).runs for item in run.results]
    columns = (
        ColumnData("Command", "text", [name for name, _ in rows]),
        ColumnData("Check", "text", [item.name for _, item in rows]),
        ColumnData("Passed", "text", ["yes" if item.passed else "no" for _, item in rows]),
        ColumnData("Detail", "text", [item.detail for _, item in rows]),
    )
    return TableData("checks", columns)


def _make_figures(question: Question) -> TableData:
    return _tabulate_figures(calculate_figures(question.saved.state).groups)


def _tabulate_figures(groups: Iterable[FigureGroupView]) -> TableData:
    rows = [(group.title, figure) for group in groups for figure in group.figures]
    columns = (
        ColumnData("Group", "text", [title for title, _ in rows]),
        ColumnData("Figure", "text", [figure.name for _, figure in rows]),
        ColumnData("Value", "quantity", [_get_number(figure) for _, figure in rows]),
        ColumnData("Text", "text", [figure.text for _, figure in rows]),
        ColumnData("Unit", "text", [figure.unit for _, figure in rows]),
        ColumnData("Note", "text", [figure.note for _, figure in rows]),
    )
    return TableData("figures", columns)


def _get_number(figure: FactView | None) -> float | None:
    value = None if figure is None else figure.value
    return float(value) if isinstance(value, (int, float)) else None


def _break_down(name: str) -> MakeTable:
    def make(question: Question) -> TableData:
        views = {view.name: view for view in calculate_figures(question.saved.state).breakdowns}
        empty = TableView(name=name, sort=None, columns=[ColumnView(name="Group", kind="text", minor=False, values=[])])
        return from_table_view(views.get(name, empty))

    return make


def _make_position_trades(question: Question) -> TableData:
    return make_position_trades(find_position(question.saved.state, question["position"])[1])


def _make_position_events(question: Question) -> TableData:
    return from_table_view(make_events(find_position(question.saved.state, question["position"])[1]))


def _make_position_transactions(question: Question) -> TableData:
    _, position = find_position(question.saved.state, question["position"])
    return tabulate("transactions", list_transactions(position), _TRANSACTIONS)


TABLES: dict[str, MakeTable] = {
    "open": _of_state(make_open_positions),
    "closed": _of_state(make_closed_positions),
    "trades": lambda question: make_trades(question.saved.state, question.values.get("last")),
    "deposits": _of_state(make_flows),
    "messages": _make_messages,
    "plots": _make_plots,
    "attention": lambda question: tabulate("attention", find_attention(question).items, _ATTENTION),
    "actions": lambda question: tabulate("actions", describe_actions(question.saved.state), _ACTIONS),
    "checks": _make_checks,
    "ledger": lambda question: tabulate("ledger", prove_ledger(question).lines, _LEDGER),
    "figures": _make_figures,
    "months": lambda question: tabulate("months", calculate_figures(question.saved.state).months, _PERIODS[:3]),
    "years": lambda question: tabulate("years", calculate_figures(question.saved.state).years, _PERIODS),
    "metrics": lambda question: tabulate("metrics", calculate_figures(question.saved.state).recorded, _METRICS),
    "sides": lambda question: tabulate("sides", calculate_figures(question.saved.state).sides, _SIDES),
    "by-pair": _break_down("pair"),
    "by-entry": _break_down("entry"),
    "by-exit": _break_down("exit"),
    "by-weekday": _break_down("weekday"),
    "by-hour": _break_down("hour"),
    "position-trades": _make_position_trades,
    "position-events": _make_position_events,
    "position-transactions": _make_position_transactions,
}


def make_table_view(question: Question) -> Body:
    """Return a table by column, e.g. open or closed positions, trades, or deposits."""
    return encode(to_table_view(TABLES[question["table"]](question)))


def make_table_file(question: Question) -> Body:
    """Return a table as a CSV or Parquet file; times are UTC, a span of time is milliseconds."""
    return _make_file(TABLES[question["table"]](question), question, question["table"])


def _make_file(table: TableData, question: Question, title: str) -> Body:
    kind = question["format"]
    headers = (("Content-Disposition", f'attachment; filename="{question.strategy.id}-{title}.{kind}"'),)
    if kind == "csv":
        return Body(to_csv(table), "text/csv; charset=utf-8", headers)
    return Body(to_parquet(table), "application/vnd.apache.parquet", headers)


# --- Of two strategies, or two saves


def _make_compared_figures(question: Question) -> TableData:
    view = compare(question)
    others = {figure.key: figure for group in view.other_groups for figure in group.figures}
    rows = [(group.title, figure) for group in view.groups for figure in group.figures]
    columns = (
        ColumnData("Group", "text", [title for title, _ in rows]),
        ColumnData("Figure", "text", [figure.name for _, figure in rows]),
        ColumnData("Unit", "text", [figure.unit for _, figure in rows]),
        ColumnData("A", "quantity", [_get_number(figure) for _, figure in rows]),
        ColumnData("B", "quantity", [_get_number(others.get(figure.key)) for _, figure in rows]),
    )
    return TableData("figures", columns)


_CAUSES: tuple[Column, ...] = (
    ("Cause", "text", "text"),
    ("USD", "profit", "usd"),
    ("Trades", "count", "trades"),
    ("First", "text", "first"),
)

COMPARED: dict[str, MakeTable] = {
    "figures": _make_compared_figures,
    "causes": lambda question: tabulate("causes", compare(question).causes, _CAUSES),
    "trades": lambda question: from_table_view(compare(question).differing),
}


def make_compared_file(question: Question) -> Body:
    """Return a table of the comparison of two strategies as a CSV or Parquet file."""
    return _make_file(COMPARED[question["table"]](question), question, f"compared-{question['table']}")


@dataclass(frozen=True, slots=True)
class _Row:
    """A change between two saves, values as JSON."""

    what: str
    where: str
    old: str | None
    new: str | None


_CHANGES: tuple[Column, ...] = (
    ("What", "text", "what"),
    ("Where", "text", "where"),
    ("Old value", "text", "old"),
    ("New value", "text", "new"),
)

_WORDS = {"add": "new", "remove": "gone", "replace": "changed"}


def make_change_file(question: Question) -> Body:
    """Return what changed between two saves as a CSV or Parquet file, each value as JSON."""
    before, after = (find_save(question.strategy, question[name]) for name in ("before", "after"))
    changes = find_changes(question.site.get_tree(before), question.site.get_tree(after))
    rows = [
        _Row(
            _WORDS[change.op],
            format_pointer(change.path),
            None if change.op == "add" else _to_json(change.before),
            None if change.op == "remove" else _to_json(change.after),
        )
        for change in changes
    ]
    return _make_file(tabulate("changes", rows, _CHANGES), question, "changes")


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
