"""``tradeexecutor report``."""

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradeexecutor.cli.commands.show_statistics import BacktestOption
from tradeexecutor.cli.output import print_json, print_line, print_problem
from tradeexecutor.cli.page_target import check_targets
from tradeexecutor.cli.simulation_options import DateFormatOption, TimeFrameOption
from tradeexecutor.cli.state_file import StateFile
from tradeexecutor.operations.state_location import StateLocation, load_state
from tradeexecutor.operations.validate import validate_state
from tradeexecutor.report.browser import print_to_pdf, require_browser
from tradeexecutor.state.checks import Check
from tradeexecutor.state.files.durable_file import write_atomically
from tradeexecutor.state.state import State

if TYPE_CHECKING:
    from tradeexecutor.operations.candle_data import DataForm
    from tradeexecutor.report.page import ReportOptions

EXAMPLES = (
    "tradeexecutor report state.json",
    "tradeexecutor report live.json -o report.html --backtest backtest.json",
    "tradeexecutor report state.json --candles ETH-USD=candles.parquet --theme dark",
    "tradeexecutor report state.json --pdf report.pdf --tearsheet tearsheet.html",
)


class PageTheme(enum.StrEnum):
    """Colours of the page."""

    auto = "auto"
    light = "light"
    dark = "dark"


_OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="The page. An existing file is replaced.",
        show_default="report.html in the current folder, unless --pdf or --tearsheet is given",
    ),
]
_CandlesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Prices for the price charts: a CSV, Parquet, Feather or JSON file, PAIR=FILE, or the name of a data "
        "set that comes with the program. May be repeated. Without it, charts show the prices in the state. "
        "Buy and hold uses them if the state records no benchmark.",
        show_default=False,
    ),
]
_ThemeOption = Annotated[PageTheme, typer.Option(help="Initial colours; auto follows the system of the reader.")]
_PdfOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Print to a PDF file; needs Chromium or Chrome.", show_default=False),
]
_TearsheetOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the tear sheet of quantstats (HTML); needs the extra tradeexecutor\\[tearsheet].",
        show_default=False,
    ),
]


def report(
    state_file: StateFile,
    *,
    output: _OutputOption = None,
    backtest: BacktestOption = None,
    candles: _CandlesOption = None,
    date_format: DateFormatOption = None,
    time_frame: TimeFrameOption = None,
    theme: _ThemeOption = PageTheme.auto,
    pdf: _PdfOption = None,
    tearsheet: _TearsheetOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print which files were written as JSON.")] = False,
) -> None:
    """Make one page with everything about a state.

    The page has key figures, charts, tables of positions and trades to sort and
    search, problems, deposits and redemptions. Deposits never count as profit. The
    page is a single file: it needs no network, and can be mailed, archived and
    printed.

    The exit code is 0 when the page was written, even if it reports problems of
    the state; `validate` and `audit` fail on problems.
    """
    from tradeexecutor.cli.data_form import read_data_form

    form = read_data_form(time_frame, date_format, has_data=bool(candles))
    page = output
    if page is None and pdf is None and tearsheet is None:
        page = Path("report.html")
    elif page is not None and page.is_dir():
        page = page / "report.html"
    check_targets((state_file, backtest), [path for path in (page, pdf, tearsheet) if path is not None])
    if pdf is not None:
        require_browser()  # fail early, before the slow work
    state = load_state(state_file)
    written: dict[str, Path] = {}
    if tearsheet is not None:
        from tradeexecutor.report.tearsheet import write_tearsheet

        write_tearsheet(state, tearsheet)
        written["tearsheet"] = tearsheet
    if page is not None or pdf is not None:
        options = _make_options(state, state_file, backtest, _read_candles(candles, state, form), theme)
        _write_pages(state, options, page, pdf, written)

    if json_:
        print_json(written)
        return
    for path in written.values():
        print_line(f"Wrote {path}")


def _make_options(
    state: State, state_file: StateLocation, backtest: StateLocation | None, candles: Any, theme: PageTheme
) -> "ReportOptions":
    from tradeexecutor.report.page import ReportOptions

    return ReportOptions(
        backtest=None if backtest is None else load_state(backtest),
        candles=candles,
        theme=theme.value,
        source=state_file.name,
        checks=_check_file(state_file),
    )


def _write_pages(
    state: State, options: "ReportOptions", page: Path | None, pdf: Path | None, written: dict[str, Path]
) -> None:
    from tradeexecutor.report.page import collect_report, render_report

    contents = collect_report(state, options)
    if contents.mismatch:
        print_problem(f"Warning: {contents.mismatch}", "yellow")
    if page is not None:
        write_atomically(page, render_report(contents).encode())
        written["page"] = page
    if pdf is not None:
        print_to_pdf(render_report(contents, packed=False), pdf)
        written["pdf"] = pdf


def _read_candles(names: list[str] | None, state: State, form: "DataForm") -> Any:
    if not names:
        return None
    from tradeexecutor.cli.chart_files import read_candles

    return read_candles(names, state, form)


def _check_file(place: StateLocation) -> Sequence[Check] | None:
    """Return the checks of `validate` for a file; None for a database."""
    return validate_state(place).checks if isinstance(place, Path) else None
