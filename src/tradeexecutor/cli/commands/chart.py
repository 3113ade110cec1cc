"""``tradeexecutor chart``."""

import datetime
import enum
from pathlib import Path
from typing import Annotated

import typer

from tradeexecutor.cli.failure import EXIT_FAILURE
from tradeexecutor.cli.option_values import TIME_FORMATS
from tradeexecutor.cli.output import Column, print_json, print_line, print_problem, print_table
from tradeexecutor.cli.simulation_options import DateFormatOption, TimeFrameOption
from tradeexecutor.cli.state_file import StatePlace, parse_place
from tradeexecutor.operations.state_location import describe_state, load_state

EXAMPLES = (
    "tradeexecutor chart --list",
    "tradeexecutor chart equity state.json",
    "tradeexecutor chart price state.json --pair ETH-USDC --candles ETH-USDC=candles.parquet",
    "tradeexecutor chart price state.json --position 12 --candles us-stocks-daily:AAPL-USD -o entry.png",
    "tradeexecutor chart drawdown state.json --start 2023-01-01 --theme dark -o drawdown.svg",
)


class ThemeName(enum.StrEnum):
    """Colour themes of a chart."""

    light = "light"
    dark = "dark"


_NameArgument = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="Name of the chart; --list shows the names.", show_default=False),
]
_StateFileArgument = Annotated[
    StatePlace | None,
    typer.Argument(
        metavar="STATE_FILE",
        help="State file (JSON), or a strategy in a database: sqlite:///trading.db#my-strategy.",
        show_default=False,
        parser=parse_place,
    ),
]
_OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File to write; its ending sets the format: .html, .png, .svg, .pdf, .jpeg, .webp, or .json for plotly. "
        "In a folder, NAME.html is written. An existing file is replaced.",
        show_default="NAME.html in the current folder",
    ),
]
_ListOption = Annotated[bool, typer.Option("--list", help="List the charts and what they show.")]
_ThemeOption = Annotated[ThemeName, typer.Option(help="Colours.")]
_CandlesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Prices: a CSV, Parquet, Feather or JSON file, PAIR=FILE, or the name of a data set that comes with "
        "the program. May be repeated. Without it, charts show the prices that trades and valuations recorded.",
        show_default=False,
    ),
]
_BenchmarkOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Prices to compare the strategy with, in the same forms: NAME=FILE. May be repeated.",
        show_default=False,
    ),
]
_StartOption = Annotated[
    datetime.datetime | None,
    typer.Option(formats=TIME_FORMATS, metavar="DATE", help="Start of the chart, UTC.", show_default=False),
]
_EndOption = Annotated[
    datetime.datetime | None,
    typer.Option(formats=TIME_FORMATS, metavar="DATE", help="End of the chart, UTC.", show_default=False),
]
_PairOption = Annotated[
    str | None,
    typer.Option(metavar="PAIR", help="Ticker, base token or id of the pair to show.", show_default=False),
]
_PositionOption = Annotated[
    int | None,
    typer.Option(
        "--position",
        "--position-id",
        metavar="ID",
        help="Id of the position to show.",
        show_default=False,
    ),
]
_WidthOption = Annotated[
    int, typer.Option(min=200, max=8000, help="Width of an image in pixels; a page fits its window.")
]
_HeightOption = Annotated[
    int | None, typer.Option(min=150, max=8000, help="Height in pixels.", show_default="depends on the chart")
]


def chart(
    name: _NameArgument = None,
    state_file: _StateFileArgument = None,
    *,
    output: _OutputOption = None,
    list_: _ListOption = False,
    theme: _ThemeOption = ThemeName.light,
    candles: _CandlesOption = None,
    benchmark: _BenchmarkOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    start: _StartOption = None,
    end: _EndOption = None,
    pair: _PairOption = None,
    position: _PositionOption = None,
    width: _WidthOption = 1200,
    height: _HeightOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print what was written, or the list, as JSON.")] = False,
) -> None:
    """Draw a chart of a state file.

    A page (.html) works without a network: hover for figures, drag to zoom.
    Images need the package kaleido, and Chromium or Chrome.

    Deposits that the state recorded are not shown as profit. A line with more
    points than a screen can show is thinned, and the chart says so.

    The exit code is 1 when the state has no data for the chart; then nothing is
    written.
    """
    if list_:
        _list_charts(json_=json_)
        return
    if name is None:
        raise typer.BadParameter("missing; --list shows the names", param_hint="NAME")
    if state_file is None:
        raise typer.BadParameter("the state file is missing", param_hint="STATE_FILE")
    if start is not None and end is not None and end < start:
        raise typer.BadParameter(f"{end} is before the start, {start}", param_hint="--end")
    from tradeexecutor.cli.chart_files import (
        choose_output,
        find_chart,
        read_benchmarks,
        read_candles,
        write_chart,
    )
    from tradeexecutor.cli.data_form import read_data_form
    from tradeexecutor.visual.parts.chart import ChartOptions, get_explanation

    form = read_data_form(time_frame, date_format, has_data=bool(candles or benchmark))
    drawn = find_chart(name)
    path = choose_output(output, drawn.name)
    state = load_state(state_file)
    options = ChartOptions(
        theme=theme.value,
        start_at=start,
        end_at=end,
        candles=read_candles(candles or (), state, form),
        pair=int(pair) if pair is not None and pair.isdecimal() else pair,
        position=position,
        benchmarks=read_benchmarks(benchmark or (), form),
        height=height,
    )
    figure = drawn.draw(state, options)
    reason = get_explanation(figure)
    if reason is None:
        write_chart(figure, path, f"{drawn.title} - {describe_state(state, state_file)}", width)
    _print_result(drawn.name, path, reason, json_=json_)
    if reason is not None:
        raise typer.Exit(EXIT_FAILURE)


def _print_result(chart_name: str, path: Path, reason: str | None, *, json_: bool) -> None:
    """Print the path of the chart, or why nothing was drawn."""
    if json_:
        print_json({"chart": chart_name, "file": None if reason else path, "nothing_to_draw": reason})
    elif reason is None:
        print_line(f"Wrote {path}")
    else:
        print_problem(f"Nothing to draw: {reason}.")


def _list_charts(*, json_: bool) -> None:
    from tradeexecutor.visual.charts import CHARTS

    if json_:
        print_json(
            [{"name": item.name, "title": item.title, "description": item.description} for item in CHARTS.values()]
        )
        return
    columns = (Column("Name"), Column("What it shows", is_text=True))
    print_table(columns, [(item.name, item.description) for item in CHARTS.values()])
