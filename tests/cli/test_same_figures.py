"""One figure, one definition: every screen shows the same return, drawdown, ratios, buy and hold and counts of a state.

The states are both demos, a run with deposits and withdrawals, and a real file.
"""

import datetime
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.kit.example_runs import Demo
from tests.kit.markets import DAY, START, make_candles, random_walk, run_two
from tradeexecutor.cli.main import app
from tradeexecutor.state.display.formatting import format_percent, format_ratio
from tradeexecutor.state.state import State
from tradeexecutor.visual.charts import CHARTS, get_explanation

pytestmark = pytest.mark.slow

REAL = "arbitrum-btc-usd-sls-binance-data-1h"
NAMES = ("rebalancing", "trend_following", "deposits", REAL)

#: Figure -> how it is written.
FRACTIONS = ("total_return", "max_drawdown", "buy_and_hold", "alpha", "cagr", "win_rate")
RATIOS = ("sharpe", "sortino", "beta", "profit_factor")
COUNTS = ("trades", "failed_trades", "expired_trades")


def invoke(*arguments: object) -> str:
    """Run a command; `compare` exits with 0 for a state and itself."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "250"})
    assert result.exit_code == 0, result.output
    return result.stdout


@dataclass(frozen=True)
class Case:
    """A state, what `show-statistics --json` says about it, and the line of the demo table, if there is one."""

    name: str
    path: Path
    statistics: dict[str, Any]
    demo_line: str | None

    @property
    def figures(self) -> dict[str, Any]:
        return self.statistics["performance"]


def make_deposits(path: Path) -> None:
    """Ninety days in two markets, with money that comes and goes, a stop, and an order that lapses."""

    def plan(input):
        manager = input.get_position_manager()
        if input.cycle % 9 == 1 and not manager.is_any_open():
            pair = list(input.strategy_universe.iterate_pairs())[input.cycle // 9 % 2]
            return manager.open_spot(pair, manager.get_current_cash() * 0.6, stop_loss_pct=0.9)
        return manager.close_all() if input.cycle % 9 == 7 and manager.is_any_open() else []

    btc, eth = (make_candles(random_walk(seed, 90), bucket=DAY) for seed in (11, 12))
    funding = [(START + 20 * DAY, 40_000), (START + 55 * DAY, -12_000)]
    run_two(btc, eth, plan, funding=funding).state.write_json_file(path)


@pytest.fixture(scope="module")
def get_case(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest, demo: Demo
) -> Callable[[str], Case]:
    folder = tmp_path_factory.mktemp("figures")
    titles = {"rebalancing": "Risk-balanced portfolio", "trend_following": "Trend following"}
    lines = {name: re.search(rf"^{title} .*$", demo.text, re.MULTILINE) for name, title in titles.items()}
    make_deposits(folder / "deposits.json")
    cases: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in cases:
            if name == REAL:
                path = request.getfixturevalue("shared_dir") / "states" / f"{name}.json"
            else:
                path = demo.find_state(name) if name in titles else folder / f"{name}.json"
            line = lines.get(name)
            statistics = json.loads(invoke("show-statistics", path, "--json"))
            cases[name] = Case(name, path, statistics, line and line.group())
        return cases[name]

    return get


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, get_case: Callable[[str], Case]) -> Case:
    return get_case(request.param)


def format_figure(case: Case, key: str) -> str:
    value = case.figures[key]
    if key in FRACTIONS:
        return format_percent(value)
    return format_ratio(value) if key in RATIOS else f"{value:,}"


def test_the_cases_have_something_to_tell_apart(get_case: Callable[[str], Case]):
    deposits = get_case("deposits").figures
    assert deposits["net_deposits"] == 28_000
    assert deposits["max_drawdown"] < 0
    assert None not in (deposits["buy_and_hold"], deposits["beta"], deposits["sortino"])
    # Deposits are no profit: what the equity grew by says something else.
    assert abs(deposits["final_equity"] / deposits["initial_equity"] - 1 - deposits["total_return"]) > 1


def test_the_terminal_says_what_its_json_says(case: Case):
    text = invoke("show-statistics", case.path)
    for group in case.statistics["groups"]:
        for figure in group["figures"]:
            assert re.search(rf"^  {re.escape(figure['name'])} +{re.escape(figure['text'])}( |$)", text, re.MULTILINE)
    for key in (*FRACTIONS, *RATIOS, *COUNTS):
        shown = [f for group in case.statistics["groups"] for f in group["figures"] if f["key"] == key]
        assert [figure["text"] for figure in shown] == [format_figure(case, key)]


def test_the_report_says_the_same(case: Case, tmp_path: Path):
    invoke("report", case.path, "-o", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    body = page[: page.index('<script type="text/plain" id="data">')]
    rows = re.findall(r'<tr><th scope="row"[^>]*>([^<]*)</th>\s*<td[^>]*>([^<]*)', body)
    found = {html.unescape(name): html.unescape(text).strip() for name, text in rows}
    expected = {f["name"]: f["text"] for group in case.statistics["groups"] for f in group["figures"]}
    assert found == expected
    cards = re.findall(r'<span class="name">([^<]*)</span>\s*<span class="value[^"]*">([^<]*)</span>', body)
    assert {name: html.unescape(text) for name, text in cards}.items() <= expected.items()
    assert len(cards) == 8
    # Recorded definitions are called that.
    assert "have the definitions of dashboards and recorded files" in body


def draw(case: Case, name: str) -> Any:
    figure = CHARTS[name].draw(State.read_json_file(case.path))
    assert get_explanation(figure) is None
    return figure


def test_the_charts_end_where_the_figures_do(case: Case):
    figures = case.figures
    traces = {trace.name: trace for trace in draw(case, "equity").data}
    assert traces["Growth without deposits"].y[-1] == pytest.approx(figures["total_return"], abs=1e-9)
    assert min(draw(case, "drawdown").data[0].y) == pytest.approx(figures["max_drawdown"], abs=1e-9)
    benchmark = draw(case, "benchmark")
    is_factor = benchmark.layout.yaxis.type == "log"
    ends = {trace.name: trace.y[-1] - is_factor for trace in benchmark.data}
    assert ends["Strategy"] == pytest.approx(figures["total_return"], abs=1e-9)
    held = [end for name, end in ends.items() if name.startswith("Hold")]
    if figures["buy_and_hold"] is None:
        # The file has no prices: nothing is called buy and hold.
        assert held == []
        assert "Buy and hold" not in traces
    else:
        assert held[0] == pytest.approx(figures["buy_and_hold"], abs=1e-9)
        assert [trace.y[-1] for trace in draw(case, "equity").data if trace.name == "Buy and hold"][1] == pytest.approx(
            figures["buy_and_hold"], abs=1e-9
        )


def test_compare_says_the_same(case: Case):
    summary = json.loads(invoke("compare", case.path, case.path, "--json"))["summary"]
    assert summary["a"] == summary["b"] == case.figures
    text = invoke("compare", case.path, case.path)
    names = {"Return": "total_return", "Buy and hold": "buy_and_hold", "Max drawdown": "max_drawdown",
             "Sharpe ratio": "sharpe", "Sortino ratio": "sortino", "Trades": "trades"}  # fmt: skip
    for name, key in names.items():
        if case.figures[key] is not None:
            assert re.search(rf"^{name} +{re.escape(format_figure(case, key))} +", text, re.MULTILINE), name


@pytest.mark.parametrize("name", ["rebalancing", "trend_following"])
def test_the_table_of_the_demo_says_the_same(get_case: Callable[[str], Case], name: str):
    case = get_case(name)
    assert case.demo_line is not None
    cells = re.split(r"  +", case.demo_line.strip())
    keys = ("total_return", "buy_and_hold", "cagr", "max_drawdown", "sharpe")
    assert cells[3:8] == [format_figure(case, key) for key in keys]


def test_the_tear_sheet_says_the_same(case: Case, tmp_path: Path):
    pytest.importorskip("quantstats", reason="the extra tradeexecutor[tearsheet] is not installed")
    invoke("report", case.path, "--tearsheet", tmp_path / "sheet.html")
    text = (tmp_path / "sheet.html").read_text("utf-8")
    rows = (
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    )
    found = {html.unescape(row[0]).strip(): [html.unescape(cell) for cell in row[1:]] for row in rows if len(row) > 1}
    figures = case.figures

    def read(name: str, column: int = -1) -> float:
        cell = found[name][column].replace(",", "")
        return float(cell.removesuffix("%")) / (100 if cell.endswith("%") else 1)

    assert read("Cumulative Return") == pytest.approx(figures["total_return"], abs=1e-4)
    assert read("Max Drawdown") == pytest.approx(figures["max_drawdown"], abs=1e-4)
    # Two digits; its first day has the costs of the entry.
    assert read("Sharpe") == pytest.approx(figures["sharpe"], abs=0.011)
    assert read("Sortino") == pytest.approx(figures["sortino"], abs=0.016)
    if figures["buy_and_hold"] is not None:
        assert read("Cumulative Return", -2) == pytest.approx(figures["buy_and_hold"], abs=1e-4)
        assert read("Beta") == pytest.approx(figures["beta"], abs=0.011)


def test_a_file_whose_positions_contradict_its_equity_says_so_beside_the_figure(shared_dir: Path, tmp_path: Path):
    path = shared_dir / "states" / "legacy--legacy-repair-dump.json"
    state = State.read_json_file(path)
    figures = json.loads(invoke("show-statistics", path, "--json"))["groups"][0]["figures"]
    profit = next(figure for figure in figures if figure["key"] == "profit")
    earned = state.portfolio.get_net_profit_usd()
    assert abs(earned - profit["value"]) > 0.02 * abs(profit["value"])
    note = f"its positions earned {earned:,.2f}"
    assert note in profit["note"]
    assert note in invoke("show-statistics", path)
    invoke("report", path, "-o", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count(note) == 2  # the card and the table


def test_the_time_of_the_figures_is_that_of_the_state(case: Case):
    samples = State.read_json_file(case.path).stats.portfolio
    assert datetime.datetime.fromisoformat(case.figures["end_at"]) == samples[-1].calculated_at
