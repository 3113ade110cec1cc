"""The report: complete, self-contained, escaped, and the same for the same state."""

import base64
import dataclasses
import datetime
import gzip
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.kit.markets import buy, make_candles, random_walk, run_two
from tests.kit.nasty import NASTY, find_raw_characters, make_nasty_state
from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state, record_equity, record_flow
from tradeexecutor.report.browser import find_browser
from tradeexecutor.report.page import ReportContents, ReportOptions, collect_report, make_report, render_report
from tradeexecutor.report.problems import Severity, find_problems
from tradeexecutor.report.table_data import make_closed_positions, make_flows, make_open_positions, make_trades
from tradeexecutor.state.checks import Check, check_state
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

pytestmark = pytest.mark.slow

NOW = datetime.datetime(2026, 1, 1)


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.texts.append(data)
        else:
            self.scripts[self._script] = data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(gzip.decompress(base64.b64decode(self.scripts["data"])))

    def get_table(self, name: str) -> dict[str, list[Any]]:
        table = next(table for table in self.data["tables"] if table["name"] == name)
        return {column["name"]: column["values"] for column in table["columns"]}


def make_traded() -> State:
    state = make_state()
    state.name = "By hand"
    add_closed(state, 100.0, 110.0, START, 1)
    add_closed(state, 100.0, 90.0, START + 2 * DAY, 1)
    add_open(state, 100.0, START + 40 * DAY, price_now=125.0)
    record_equity(state, {0: 1000, 1: 1010, 3: 1000, 40: 1025})
    return state


@pytest.fixture(scope="module")
def traded_text() -> str:
    return make_report(make_traded(), ReportOptions(source="by-hand.json", now=NOW))


@pytest.fixture(scope="module")
def traded_page(traded_text: str) -> Page:
    return Page(traded_text)


#: A backtest, a live strategy with failures, and one with hardly anything; with SOAK=2, every real file.
REAL = ("arbitrum-btc-usd-sls-binance-data-1h", "legacy--legacy-repair-dump", "hyperliquid--state--hyperai-cleanup")


@pytest.mark.slow
def test_a_real_state_has_a_page_with_all_its_rows(state_file: Path):
    if state_file.stem not in REAL and int(os.environ.get("SOAK", "1")) == 1:
        pytest.skip("drawing every real file takes a minute: set SOAK=2")
    state = State.read_json_file(state_file)
    page = Page(make_report(state, ReportOptions(now=NOW)))
    portfolio = state.portfolio
    tables = {table["name"]: len(table["columns"][0]["values"]) for table in page.data["tables"]}
    assert tables.get("closed", 0) == len(portfolio.closed_positions)
    assert tables["trades"] >= len(list(portfolio.get_all_trades()))
    assert tables.get("open", 0) == sum(
        map(len, (portfolio.open_positions, portfolio.frozen_positions, portfolio.pending_positions))
    )
    assert "nan" not in re.findall(r"[a-z]+", page.text.lower())
    assert len(page.data["charts"]) == sum(attrs.get("class") == "chart" for _, attrs in page.elements)


def test_the_page_needs_nothing_from_outside(traded_page: Page):
    for tag, attrs in traded_page.elements:
        assert "src" not in attrs, tag
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert (attrs.get("href") or "#").startswith("#")
    policy = next(attrs["content"] for _, attrs in traded_page.elements if attrs.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "url(" not in traded_page.scripts["style"]
    assert "@import" not in traded_page.scripts["style"]


def test_the_page_tells_figures_rows_and_verdicts(traded_page: Page):
    assert "By hand" in traded_page.text
    assert "2024-01-01 00:00 to 2024-02-10 00:00 UTC, 40 d" in traded_page.text
    assert "File: all 3 checks passed" in traded_page.text
    assert "1 won, 1 lost" in traded_page.text
    assert "by-hand.json, made 2026-01-01 00:00 UTC" in traded_page.text
    closed = traded_page.get_table("closed")
    assert closed["Profit, USD"] == [pytest.approx(10), pytest.approx(-10)]
    assert closed["Held"] == [86_400_000, 86_400_000]
    assert traded_page.get_table("open")["Profit"] == [pytest.approx(0.25)]
    assert traded_page.get_table("trades")["Side"] == ["buy", "sell", "buy", "sell", "buy"]


def test_the_same_state_gives_the_same_page(traded_text: str):
    assert make_report(make_traded(), ReportOptions(source="by-hand.json", now=NOW)) == traded_text


def test_dark_charts_are_the_light_ones_with_values_replaced(traded_page: Page):
    charts = traded_page.data["charts"]
    assert charts
    for chart in charts:
        assert chart["dark"]
        for path, value in chart["dark"]:
            node = chart["figure"]
            for key in path[:-1]:
                node = node[key]
            assert node[path[-1]] != value
        assert any(path[-1] == "paper_bgcolor" for path, _ in chart["dark"])


EVIL = "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"


def make_evil() -> State:
    state = State.from_json(make_traded().to_json())  # the pair of the others is shared
    state.name = EVIL
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            position.pair.base.token_symbol = EVIL
            position.notes = EVIL
            for trade in position.trades.values():
                trade.pair.base.token_symbol = EVIL
    return state


@pytest.fixture(scope="module")
def evil() -> ReportContents:
    return collect_report(make_evil(), ReportOptions(source=EVIL, checks=[Check(EVIL, False, EVIL)]))


@pytest.mark.parametrize("packed", [True, False])
def test_names_from_a_file_are_text(evil: ReportContents, packed: bool):
    page = Page(render_report(evil, packed=packed))
    assert [tag for tag, _ in page.elements if tag == "img"] == []
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    assert len(scripts) == 3
    assert EVIL in " ".join(page.texts)
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)


def test_what_is_not_seen_is_shown_and_nothing_to_paste_is_a_formula():
    state, _ = make_nasty_state()
    contents = collect_report(state, ReportOptions(source=NASTY, checks=[Check("a", False, NASTY)]))
    page = render_report(contents)
    assert find_raw_characters(page) == set()
    assert r"=cmd|\x1b]0;title\x07" in page
    data = Page(page).data
    texts = [
        value
        for table in data["tables"]
        for column in table["columns"]
        if column["kind"] == "text"
        for value in column["values"]
    ]
    assert any(text.startswith("'=cmd|") for text in texts)
    assert not [text for text in texts if text and text[0] in "=+-@"]
    # An escape of JSON in the data is a character in the browser.
    assert find_raw_characters(json.dumps(data, ensure_ascii=False)) == set()
    assert not re.search(r"(?<!\\)(\\\\)*\\u00", json.dumps(data))


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_a_browser_draws_the_page_and_runs_nothing_from_the_file(evil: ReportContents, tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text(render_report(evil, packed=False), "utf-8")
    browser = find_browser()
    assert browser is not None
    command = [
        browser, "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
    ]  # fmt: skip
    if os.geteuid() == 0:
        command.append("--no-sandbox")
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    drawn = Page(done.stdout)
    root = next(attrs for tag, attrs in drawn.elements if tag == "html")
    assert root.get("data-drawn") == "yes", done.stderr[-500:]
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None
    assert title[1].startswith("&lt;/script&gt;")
    assert [attrs for tag, attrs in drawn.elements if tag == "img"] == []
    charts = [attrs for _, attrs in drawn.elements if (attrs.get("class") or "").startswith("chart")]
    assert charts
    assert all("js-plotly-plot" in (attrs["class"] or "") for attrs in charts)
    assert sum(tag == "td" for tag, _ in drawn.elements) > 50


def test_a_backtest_stands_beside_the_live_figures():
    backtest = make_traded()
    page = Page(make_report(make_traded(), ReportOptions(backtest=backtest, now=NOW)))
    assert "Live strategy, beside a live strategy" in page.text
    assert sum(tag == "th" for tag, _ in page.elements) > 0
    assert "This live Other live" in page.text


def test_a_backtest_is_not_called_live_and_another_strategy_is_warned_about():
    state, other = make_backtest("Momentum"), make_backtest("Carry")
    contents = collect_report(state, ReportOptions(backtest=other, now=NOW))
    page = Page(render_report(contents))
    assert "Backtest, beside a backtest" in page.text
    assert "This backtest Other backtest" in page.text
    assert "Live" not in page.text
    assert contents.mismatch == (
        "These are hardly runs of the same strategy: one is called 'Momentum', the other 'Carry'."
    )
    assert contents.mismatch in page.text
    same = collect_report(make_traded(), ReportOptions(backtest=make_backtest("By hand"), now=NOW))
    assert same.mismatch == ""
    assert same.values["beside"] == ("Live", "Backtest")


def make_backtest(name: str) -> State:
    state = make_traded()
    state.name = name
    state.backtest_data = BacktestData(START, START + 40 * DAY, CycleDuration.cycle_1d)
    return state


def test_strategies_that_trade_nothing_in_common_are_warned_about():
    other = make_traded()
    for position in other.portfolio.get_all_positions():
        base = dataclasses.replace(position.pair.base, token_symbol="GOLD", address=f"0x{9:040x}")
        position.pair = dataclasses.replace(position.pair, base=base)
    mismatch = collect_report(make_traded(), ReportOptions(backtest=other, now=NOW)).mismatch
    assert mismatch.endswith("one traded COIN, the other GOLD.")


def test_tables_have_notes_and_the_profit_of_each_sale():
    state = make_traded()
    position = state.portfolio.closed_positions[1]
    first, last = position.trades.values()
    first.notes, last.notes = "Breakout\nabove 100", "Target"
    closed = make_closed_positions(state).to_dict()
    columns = {column["name"]: column["values"] for column in closed["columns"]}
    assert columns["Entry note"] == ["Breakout above 100", ""]
    assert columns["Exit"] == ["decision: Target", "decision"]
    trades = {column["name"]: column["values"] for column in make_trades(state).to_dict()["columns"]}
    assert trades["Profit, USD"] == [None, 10.0, None, -10.0, None]
    assert trades["Note"] == ["Breakout above 100", "Target", "", "", ""]


def test_every_traded_pair_has_a_price_chart():
    btc, eth = (make_candles(random_walk(seed, 1_500)) for seed in (1, 2))
    state = run_two(btc, eth, {1: buy_both}).state
    candles = {"BTC-USD": btc.to_dataframe(), "ETH-USD": eth.to_dataframe()}
    contents = collect_report(state, ReportOptions(candles=candles, now=NOW))
    prices = [chart for chart in contents.charts if chart.title.startswith("Price")]
    assert [chart.title for chart in prices] == ["Price and trades: BTC-USD", "Price and trades: ETH-USD"]
    assert all(chart.fine for chart in prices)
    page = Page(render_report(contents))
    numbers = [number for number, chart in enumerate(page.data["charts"]) if chart["fine"]]
    assert len(numbers) == 2
    assert all(page.scripts[f"candles-{number}"] for number in numbers)


def buy_both(input: StrategyInput) -> list[TradeExecution]:
    return [trade for pair in input.strategy_universe.iterate_pairs() for trade in buy(100, pair)(input)]


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_printing_from_a_browser_draws_every_chart_and_every_row(tmp_path: Path):
    state = make_traded()
    for number in range(60):
        add_closed(state, 100.0, 101.0, START + (50 + number) * DAY, 0.5)
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    text = make_report(state, ReportOptions(now=NOW))
    # Tell in the title what is there when the paper is laid out.
    probe = """addEventListener("beforeprint", () => {
        const drawn = document.querySelectorAll(".chart.js-plotly-plot").length;
        const rows = document.querySelectorAll("#table-trades tbody tr").length;
        const widths = [...document.querySelectorAll(".chart .main-svg")].map(svg => svg.clientWidth);
        document.title = `${drawn} ${document.querySelectorAll(".chart").length} ${rows} ${Math.max(...widths)}`;
    });"""
    page.write_text(text.replace("</body>", f"<script>{probe}</script></body>"), "utf-8")
    command = [
        find_browser() or "", "--headless", "--disable-gpu", "--no-sandbox", "--disable-background-networking",
        "--virtual-time-budget=20000", f"--user-data-dir={tmp_path}/profile",
        f"--print-to-pdf={printed}", page.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    title = re.search(rb"/Title \((\d+) (\d+) (\d+) (\d+)\)", printed.read_bytes())
    assert title is not None
    drawn, charts, rows, width = map(int, title.groups())
    assert drawn == charts > 5
    assert rows == 5 + 2 * 60
    assert width == 680


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_zooming_into_a_price_chart_shows_finer_candles_and_back_the_first_ones(tmp_path: Path):
    candles = make_candles(random_walk(1, 6_000))
    state = run_two(candles, candles, {1: buy_both}).state
    text = make_report(state, ReportOptions(candles={"BTC-USD": candles.to_dataframe()}, now=NOW))
    probe = """(async () => {
        const wait = time => new Promise(done => setTimeout(done, time));
        const hasCandles = chart => chart.data.some(trace => trace.type === "candlestick");
        const find = () => [...document.querySelectorAll(".js-plotly-plot")].find(hasCandles);
        while (!find()) await wait(100);
        const chart = find(), candles = chart.data.find(trace => trace.type === "candlestick"), told = [];
        const tell = () => told.push(candles.x.length, String(candles.x[1]).slice(0, 19), candles.high[1]);
        tell();
        await Plotly.relayout(chart, { "xaxis.range": ["2024-02-01 00:30", "2024-02-09 12:00"] });
        while (!chart.dataset.fine) await wait(100);
        await wait(300);
        tell();
        await Plotly.relayout(chart, { "xaxis.autorange": true });
        while (chart.dataset.fine) await wait(100);
        await wait(300);
        tell();
        document.title = "told " + JSON.stringify(told);
    })();"""
    page = tmp_path / "report.html"
    page.write_text(text.replace("</body>", f"<script>{probe}</script></body>"), "utf-8")
    command = [
        find_browser() or "", "--headless", "--disable-gpu", "--no-sandbox", "--disable-background-networking",
        "--window-size=1200,9000", "--virtual-time-budget=30000", f"--user-data-dir={tmp_path}/profile",
        "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    told = re.search(r"<title>told ([^<]*)</title>", dom)
    assert told is not None
    first, zoomed, last = (json.loads(told[1])[start : start + 3] for start in (0, 3, 6))
    assert first == last
    assert first[0] == 750  # candles of eight hours
    # From the candle before the range to the one after it.
    number = 31 * 24 + 1
    assert zoomed == [205, "2024-02-01T01:00:00", pytest.approx(candles.high[number], rel=1e-5)]


def test_a_state_without_anything_has_a_page():
    page = Page(make_report(State(name="fresh"), ReportOptions(now=NOW)))
    assert "nothing recorded yet" in page.text
    assert "No position has been closed." in page.text
    assert "Nothing: no failed trade" in page.text


def test_a_failed_check_is_told_first():
    checks = [Check("lossless", False, "a key was lost"), Check("clean", True, "fine")]
    page = Page(make_report(make_traded(), ReportOptions(checks=checks, now=NOW)))
    assert "File: 1 of 2 checks failed" in page.text
    assert "a key was lost" in page.text


# --- What went wrong


def list_problems(state: State) -> list[tuple[str, str, str]]:
    from tradeexecutor.analysis.adjusted.equity import read_equity_curve
    from tradeexecutor.ledger.proof import prove
    from tradeexecutor.report.jumps import find_jumps

    found = find_problems(state, check_state(state), prove(state), find_jumps(read_equity_curve(state)))
    return [(item.severity.value, item.topic, item.subject) for item in found]


def test_real_failures_are_found(shared_dir: Path):
    path = shared_dir / "states" / "legacy--legacy-repair-dump.json"
    found = list_problems(State.read_json_file(path))
    assert [item for item in found if item[1] == "frozen"] == [
        ("error", "frozen", "position #36"),
        ("error", "frozen", "position #26"),
        ("error", "frozen", "position #1"),
    ]
    assert ("warning", "failed", "trade #70") in found
    severities = [Severity(item[0]) for item in found]
    assert severities == sorted(severities, key=list(Severity).index)


def test_a_repaired_trade_is_only_a_note(shared_dir: Path):
    path = shared_dir / "states" / "cli--show-positions-long.json"
    assert ("note", "repaired", "trade #6") in list_problems(State.read_json_file(path))


def test_a_jump_of_the_equity_is_doubtful_and_a_deposit_is_not():
    state = make_traded()
    record_equity(state, {41: 2025})
    assert ("warning", "doubtful equity", "sample") in list_problems(state)
    record_flow(state, 41, 1000)
    assert ("warning", "doubtful equity", "sample") not in list_problems(state)


def test_a_trade_of_unknown_outcome_is_found():
    state = make_traded()
    trade = state.portfolio.get_trade_by_id(5)
    assert trade is not None
    trade.executed_at = None
    assert ("warning", "in flight", "trade #5") in list_problems(state)


# --- Tables


def test_tables_hold_every_figure_as_a_plain_value(state_file: Path):
    state = State.read_json_file(state_file)
    for table in (make_open_positions(state), make_closed_positions(state), make_trades(state), make_flows(state)):
        text = json.dumps(table.to_dict(), allow_nan=False)
        assert len({len(column["values"]) for column in json.loads(text)["columns"]}) == 1
        if table.sort is not None:
            assert table.columns[table.sort].kind in ("id", "time", "usd")


def test_a_column_that_says_nothing_is_left_out():
    names = [column.name for column in make_closed_positions(make_traded()).columns]
    assert "Kind" not in names
    assert "Exit" not in names
    assert "Profit" in names


def test_printing_needs_a_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from tradeexecutor.report.browser import print_to_pdf
    from tradeexecutor.state.errors import PrintingFailed

    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(PrintingFailed, match="BROWSER_PATH"):
        print_to_pdf("<p>", tmp_path / "x.pdf")
    monkeypatch.undo()
    false = shutil.which("false")
    assert false is not None
    monkeypatch.setenv("BROWSER_PATH", false)
    with pytest.raises(PrintingFailed, match="made no PDF: exit code 1"):
        print_to_pdf("<p>", tmp_path / "x.pdf")
    assert not list(tmp_path.iterdir())


def close_all(input: StrategyInput) -> list[TradeExecution]:
    return input.get_position_manager().close_all()


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None or shutil.which("pdftotext") is None, reason="no Chromium, or no pdftotext")
def test_each_printed_page_of_a_table_has_its_heading(tmp_path: Path):
    from tradeexecutor.report.browser import print_to_pdf

    candles = make_candles(random_walk(1, 200))
    plans = {cycle: buy_both if cycle % 2 else close_all for cycle in range(1, 100)}
    state = run_two(candles, candles, plans).state
    print_to_pdf(make_report(state, ReportOptions(now=NOW), packed=False), tmp_path / "x.pdf")
    command = ["pdftotext", "-layout", str(tmp_path / "x.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    pages = [page for page in text.split("\f") if page.count("success") > 3]
    assert len(pages) > 2
    assert all("Decided" in page for page in pages)
