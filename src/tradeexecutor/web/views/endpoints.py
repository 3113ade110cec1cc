"""The addresses of the views, below ``/v1/{id}``."""

from typing import Annotated, Literal

import msgspec

from tradeexecutor.web.endpoints import Endpoint, Parameter
from tradeexecutor.web.v1 import AsOfText, Number, Time
from tradeexecutor.web.views import records
from tradeexecutor.web.views.actions import make_action_list
from tradeexecutor.web.views.attention import make_attention_view
from tradeexecutor.web.views.charts import make_drawing, make_drawing_list
from tradeexecutor.web.views.checks import make_checks_view
from tradeexecutor.web.views.comparison import make_comparison_view
from tradeexecutor.web.views.equity import make_equity_view
from tradeexecutor.web.views.figures import make_statistics_view
from tradeexecutor.web.views.ledger import make_ledger_view
from tradeexecutor.web.views.overview import make_process_view, make_summary_view
from tradeexecutor.web.views.plots import make_plots_view
from tradeexecutor.web.views.position import make_position_view
from tradeexecutor.web.views.tables import make_change_file, make_compared_file, make_table_file, make_table_view

__all__ = ["ENDPOINTS"]

TableName = Literal[
    "open", "closed", "trades", "deposits", "messages", "plots", "attention", "actions", "checks", "ledger",
    "figures", "months", "years", "metrics", "sides", "by-pair", "by-entry", "by-exit", "by-weekday", "by-hour",
    "position-trades", "position-events", "position-transactions",
]  # fmt: skip
ComparedName = Literal["figures", "causes", "trades"]
Points = Annotated[int, msgspec.Meta(ge=10, le=100_000)]
ShortText = Annotated[str, msgspec.Meta(max_length=200)]

_AT = Parameter("at", AsOfText, "The save to read, or the newest one at that time. Default: the newest.", None)
_START = Parameter("start", Time, "First time, epoch seconds.", 0.0)
_END = Parameter("end", Time, "Last time, epoch seconds.", None)
_POINTS = Parameter("points", Points, "Largest number of points of a line.", 1_500)
_TABLE = Parameter("table", TableName, "Which table.", in_path=True)
_OF_POSITION = Parameter("position", Number, "Id of the position, for the tables of one.", None)
_LAST = Parameter("last", Points, "Only so many of the latest trades; other tables are whole.", None)
_OTHER = Parameter("other", ShortText, "Id of the strategy to compare with.")
_FORMAT = Parameter("format", Literal["csv", "parquet"], "Format of the file.", "csv")
_FILES = ("text/csv; charset=utf-8", "application/vnd.apache.parquet")


#: Below ``/v1/{id}``, beside those of `tradeexecutor.web.v1`.
ENDPOINTS = (
    Endpoint.of("/views/summary", records.SummaryView, make_summary_view, _AT),
    Endpoint.of("/views/process", records.ProcessView, make_process_view, is_stable=False),
    Endpoint.of(
        "/views/equity",
        records.EquityView,
        make_equity_view,
        _START,
        _END,
        _POINTS,
        _AT,
    ),
    Endpoint.of("/views/tables/{table}", records.TableView, make_table_view, _TABLE, _OF_POSITION, _LAST, _AT),
    Endpoint.of(
        "/views/tables/{table}/file",
        bytes,
        make_table_file,
        _TABLE,
        _FORMAT,
        _OF_POSITION,
        _AT,
        media_types=_FILES,
    ),
    Endpoint.of(
        "/views/positions/{position_id}",
        records.PositionView,
        make_position_view,
        Parameter("position_id", Number, "Id of the position.", in_path=True),
        _AT,
    ),
    Endpoint.of("/views/actions", records.ActionList, make_action_list, _AT),
    Endpoint.of("/views/ledger", records.LedgerView, make_ledger_view, _AT),
    Endpoint.of(
        "/views/plots",
        records.PlotsView,
        make_plots_view,
        Parameter("pair", ShortText, "Ticker of the pair. Default: the most traded one.", None),
        _START,
        _END,
        _POINTS,
        _AT,
    ),
    Endpoint.of("/views/checks", records.ChecksView, make_checks_view, _AT),
    Endpoint.of("/views/comparison", records.ComparisonView, make_comparison_view, _OTHER, _AT, is_stable=False),
    Endpoint.of(
        "/views/comparison/{table}/file",
        bytes,
        make_compared_file,
        Parameter("table", ComparedName, "Which table.", in_path=True),
        _FORMAT,
        _OTHER,
        _AT,
        media_types=_FILES,
        is_stable=False,
    ),
    Endpoint.of(
        "/views/changes/file",
        bytes,
        make_change_file,
        Parameter("before", AsOfText, "The older save."),
        Parameter("after", AsOfText, "The newer save; default: the newest one.", None),
        _FORMAT,
        media_types=_FILES,
        is_stable=False,
    ),
    Endpoint.of("/views/attention", records.Attention, make_attention_view, _AT),
    Endpoint.of("/views/statistics", records.StatisticsView, make_statistics_view, _AT),
    Endpoint.of("/views/charts", records.DrawingList, make_drawing_list, is_stable=False),
    Endpoint.of(
        "/views/charts/{name}",
        records.Drawing,
        make_drawing,
        Parameter("name", ShortText, "Name of the chart.", in_path=True),
        Parameter("theme", Literal["light", "dark"], "Colours.", "light"),
        Parameter("pair", ShortText, "Ticker of the pair, for charts that are drawn for one.", None),
        Parameter("start", Time, "First time, epoch seconds; with it, every point of the range is drawn.", None),
        Parameter("end", Time, "Last time, epoch seconds.", None),
        _AT,
        is_slow=True,
        problems=(422,),
    ),
)
