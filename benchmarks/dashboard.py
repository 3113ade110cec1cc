"""The dashboard in a browser, served by ``webapi``: three times that a user feels.

They are the time until the largest real state is in view, how fast 100,000 closed positions answer, and how soon a
trade of a running strategy is on the page. Needs Chromium and Playwright. Server, browser and strategy are processes of
their own on the same machine, and their times depend on what else it does: each figure is the median and the most of
several.
"""

import contextlib
import datetime
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import brotli

from benchmarks.sources import find_state_files
from tradeexecutor.report.browser import require_browser
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.gc_pause import pause_full_collections
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.trade import TradeType
from tradeexecutor.web.dashboard.serving import read_assets

COMMAND = Path(sys.executable).parent / "tradeexecutor"

TURNS = 7

#: Longest wait for an answer of the server, seconds: it reads a state of 100,000 positions in half a minute.
PATIENCE = 600.0

#: Time at which an element was first painted, milliseconds since the page was asked for.
_PAINTED = """
(selector) => new Promise((done) => {
  const look = () => requestAnimationFrame(() => document.querySelector(selector) ? done(performance.now()) : look());
  look();
})
"""

#: Does something, and returns the milliseconds until what the user sees has followed and was painted: until an element
#: is there, or until what is watched has changed.
_ANSWERED = """
([selector, action, value, watched, wanted]) => new Promise((done, fail) => {
  const element = document.querySelector(selector);
  const show = () => document.documentElement.dataset.theme + document.querySelector(watched)?.innerHTML;
  const before = show();
  const isDone = () => (wanted ? document.querySelector(wanted) !== null : show() !== before);
  const from = performance.now();
  if (action === "click") element.click();
  if (action === "back") history.back();
  if (action === "scroll") element.scrollTop = value * element.scrollHeight;
  if (action === "key") element.dispatchEvent(new KeyboardEvent("keydown", {key: value, bubbles: true}));
  if (action === "type") {
    element.value = value;
    element.dispatchEvent(new Event("input", {bubbles: true}));
  }
  const look = () => requestAnimationFrame(() => {
    if (isDone()) requestAnimationFrame(() => done(performance.now() - from));
    else if (performance.now() - from > 30_000) fail(new Error(`nothing has changed: ${selector} ${action} ${value}`));
    else look();
  });
  look();
})
"""

#: Scrolls on in every frame, and returns the milliseconds that each frame took.
_SCROLLED = """
([selector, frames, step]) => new Promise((done) => {
  const element = document.querySelector(selector);
  const times = [];
  let last = performance.now();
  const next = () => requestAnimationFrame(() => {
    const now = performance.now();
    times.push(now - last);
    last = now;
    element.scrollTop += step;
    if (times.length < frames) next(); else done(times.slice(1));
  });
  next();
})
"""

#: Waits until the latest trade is in view; its time is taken outside, because the trade is made there.
_SHOWN = """
(number) => new Promise((done) => {
  const look = () => requestAnimationFrame(() => {
    const first = document.querySelector("[aria-label='latest trades'].rows tbody td");
    if (first !== null && first.textContent === number) done(); else look();
  });
  look();
})
"""


@dataclass(frozen=True, slots=True)
class _Action:
    """Something that a user does again and again, in a table or anywhere on its page.

    Attributes
    ----------
    name
        How the figure is called.
    element
        Selector of what is clicked, written into, scrolled, or gets a key.
    kind
        ``click``, ``type``, ``scroll``, ``key``, or ``back`` in the history of the browser.
    values
        What is written, the part of the table that is scrolled to, or the key; in turn.
    watched
        Selector of what changes; the rows of the table by default.
    wanted
        Selector of what is there afterwards and was not before.
    """

    name: str
    element: str
    kind: str = "click"
    values: tuple[str | float | None, ...] = (None,)
    watched: str = ""
    wanted: str = ""


def _name_table(label: str) -> str:
    return f"[aria-label='{label}'].rows"


_CLOSED = _name_table("closed positions")


def _sort(table: str, column: str) -> _Action:
    return _Action(f"sort by {column}", f"{table} th button[data-column='{column}']")


def _search(label: str, name: str, *values: str) -> _Action:
    return _Action(name, f"[aria-label='Search in {label}']", "type", values)


#: On the page of positions. What is written begins and ends with another view of the table than the one before.
_POSITIONS = (
    _Action("scroll to another part", _CLOSED, "scroll", (0.5, 0.25, 0.9, 0.1)),
    _Action("next page of rows by key", _CLOSED, "key", ("PageDown",)),
    _Action("next row by key", _CLOSED, "key", ("ArrowDown",)),
    _sort(_CLOSED, "Profit, USD"),
    _sort(_CLOSED, "Pair"),
    _sort(_CLOSED, "Closed"),
    _sort(_CLOSED, "#"),
    _search("closed positions", "type a text", "1", "1-", "11", "n1", "n12"),
    _search("closed positions", "type two words", "1- coin2", "1- coin", "1- coin3", "n1 3-"),
    _search("closed positions", "filter by number", "profit>9", "profit<-9", "profit<-9 #4", "profit>49"),
    _search(
        "closed positions",
        "filter by date",
        "closed>=2024-03",
        "closed<2024-02",
        "closed>=2024-06-15",
        "opened<2024-05",
    ),
    _search("closed positions", "no filter", "coin7-", ""),
    _Action("other colours", ".top button", watched=".top"),
)

#: On the page of trades, twice as many rows.
_TRADES = (
    _search("trades", "filter trades by side", "sell", "buy"),
    _search("trades", "filter trades by status and date", "success decided<2024-02", "sell decided<2024-03"),
    _sort(_name_table("trades"), "Price"),
)

#: Times that each is done.
REPEATS = 16


def run(positions: int = 100_000) -> None:
    """Print the figures."""
    from playwright.sync_api import sync_playwright

    sizes = [len(brotli.compress(asset.content, quality=4)) for asset in read_assets().values()]
    print(f"{len(sizes)} files, {sum(sizes) / 1000:.0f} kB compressed")
    largest = max(find_state_files(), key=lambda path: path.stat().st_size)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=require_browser(), args=["--no-sandbox"])
        _measure_paint(browser, largest)
        _measure_trades(browser, largest)
        _measure_rows(browser, positions)
        browser.close()


@contextlib.contextmanager
def _serve(path: Path) -> Iterator[str]:
    """The address of the page of a state, in a process of its own."""
    command = [str(COMMAND), "webapi", str(path), "--port", "0", "--rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                found = re.search(r"Dashboard: (\S+)", line)
                if found:
                    yield f"{found[1]}#/{path.stem}"
                    break
            else:
                raise RuntimeError("the server has not started")
        finally:
            server.terminate()
            server.wait(60)


def _tell(times: Sequence[float]) -> str:
    return f"median {statistics.median(times):.0f} ms, at most {max(times):.0f} ms ({len(times)} times)"


def _measure_paint(browser: Any, path: Path) -> None:
    """Print when the figures and the chart of the largest real state are in view."""

    def measure(address: str) -> tuple[float, float]:
        context = browser.new_context()  # nothing is kept from the visit before
        page = context.new_page()
        page.goto(address)
        figures, chart = page.evaluate(_PAINTED, ".tiles"), page.evaluate(_PAINTED, ".u-over")
        context.close()
        return figures, chart

    first: list[tuple[float, float]] = []
    for _ in range(3):
        with _serve(path) as address:
            first.append(measure(address))
    with _serve(path) as address:
        measure(address)
        later = [measure(address) for _ in range(TURNS)]
    for kind, found in (("first visitor of a server", first), ("later ones", later)):
        for name, times in zip(("figures", "chart"), zip(*found, strict=True), strict=True):
            print(f"{path.stat().st_size / 1e6:.1f} MB, {kind}: {name} in view after {_tell(times)}")


def _measure_trades(browser: Any, source: Path) -> None:
    """Print how soon a trade of a process that runs the largest real state is on the page, after it was saved."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "running.json"
        shutil.copy(source, path)
        path.chmod(0o600)
        with JSONFileStore(path) as store:
            state = store.load()
            cash = state.portfolio.get_default_reserve_position()
            pair = _make_pair("WETH", 2, cash.asset)
            cash.quantity += Decimal(1_000)
            _trade(state, pair, utc_now(), Decimal("0.001"), 2_000.0)
            store.sync(state)
            with _serve(path) as address:
                page = browser.new_page()
                page.goto(address)
                page.wait_for_selector(".live.live")
                times: list[float] = []
                for _ in range(2 * TURNS):
                    number = _trade(state, pair, utc_now(), Decimal("0.001"), 2_000.0)
                    store.sync(state)
                    saved = time.perf_counter()
                    page.evaluate(_SHOWN, f"#{number}")
                    times.append((time.perf_counter() - saved) * 1000)
                    time.sleep(0.3)
                page.close()
        print(f"{path.stat().st_size / 1e6:.1f} MB, running elsewhere: a trade is on the page after {_tell(times)}")


def _make_pair(symbol: str, number: int, reserve: AssetIdentifier) -> TradingPairIdentifier:
    token = AssetIdentifier(reserve.chain_id, f"0x{number:040x}", symbol, 18)
    return TradingPairIdentifier(token, reserve, f"0x{1_000 + number:040x}", f"0x{4:040x}")


def _trade(state: State, pair: TradingPairIdentifier, at: datetime.datetime, quantity: Decimal, price: float) -> int:
    """Buy (> 0) or sell at a price; return the number of the trade."""
    reserve = state.portfolio.get_default_reserve_position().asset
    _, trade, _ = state.create_trade(at, pair, quantity, None, price, TradeType.rebalance, reserve, 1.0)
    state.start_execution(at, trade)
    state.mark_broadcasted(at, trade)
    state.mark_trade_success(at, trade, price, trade.planned_quantity, trade.planned_reserve, 0.0, 1.0)
    return trade.trade_id


def _make_long_state(positions: int) -> State:
    """Return a state with so many closed positions of fifty pairs, with profits and losses."""
    state = State(name="Long")
    usdc = AssetIdentifier(1, f"0x{1:040x}", "USDC", 6)
    state.portfolio.initialise_reserves(usdc, 1.0).quantity = Decimal(1_000_000)
    pairs = [_make_pair(f"COIN{number}", 100 + number, usdc) for number in range(50)]
    at = datetime.datetime(2024, 1, 1)
    with pause_full_collections():
        for number in range(positions):
            pair = pairs[number * 7919 % len(pairs)]
            _trade(state, pair, at, Decimal("0.1"), 100.0)
            at += datetime.timedelta(minutes=5)
            _trade(state, pair, at, Decimal("-0.1"), 50.0 + number * 7919 % 101)
            at += datetime.timedelta(minutes=5)
    return state


def _measure_rows(browser: Any, positions: int) -> None:
    """Print how fast tables of many closed positions and trades of a served state answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.json"
        with JSONFileStore(path) as store:
            store.sync(_make_long_state(positions))
        print(f"{positions:,} closed positions, {path.stat().st_size / 1e6:.0f} MB")
        _measure_tables(browser, path)


def _measure_tables(browser: Any, path: Path) -> None:
    with _serve(path) as address:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        tracer = page.context.new_cdp_session(page)
        tracer.send("Performance.enable")
        print(f"  positions in view after {_open(page, f'{address}/positions', _CLOSED):.1f} s, then")
        for action in _POSITIONS:
            _measure_action(page, tracer, action)
        times = page.evaluate(_SCROLLED, [_CLOSED, 120, 1_000])
        print(f"  {'frames while it scrolls on':<34}{_tell(times)}")
        _measure_visits(page)
        print(f"  trades in view after {_open(page, f'{address}/trades', _name_table('trades')):.1f} s, then")
        for action in _TRADES:
            _measure_action(page, tracer, action)
        page.close()


def _open(page: Any, address: str, table: str) -> float:
    """Open a page; return the seconds until its table has rows."""
    asked = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(f"{table} tbody td")
    took = time.perf_counter() - asked
    time.sleep(2.0)  # what the page prepares while nobody waits
    return took


def _do(page: Any, action: _Action, turn: int) -> float:
    """Do something; return the milliseconds until it is seen."""
    table = _CLOSED if "positions" in page.url else _name_table("trades")
    value = action.values[turn % len(action.values)]
    watched = action.watched or f"{table} tbody"
    return page.evaluate(_ANSWERED, [action.element, action.kind, value, watched, action.wanted])


def _measure_action(page: Any, tracer: Any, action: _Action) -> None:
    """Print how long something takes, and how much of it the page works, whatever else the machine does."""
    before = _read_work(tracer)
    times = [_do(page, action, turn) for turn in range(REPEATS)]
    work = (_read_work(tracer) - before) / REPEATS
    print(f"  {action.name:<34}{_tell(times)}, processor time {work:.0f} ms")


def _read_work(tracer: Any) -> float:
    """Processor time of the thread of the page until now, milliseconds."""
    metrics = tracer.send("Performance.getMetrics")["metrics"]
    return next(item["value"] for item in metrics if item["name"] == "ThreadTime") * 1000


def _measure_visits(page: Any) -> None:
    """Print how soon a position is in view, which the server has to be asked for, and the table after going back."""
    opened: list[float] = []
    shown: list[float] = []
    back: list[float] = []
    for turn in range(REPEATS):
        link = f"{_CLOSED} tbody tr:nth-child({2 + turn}) a"
        opened.append(_do(page, _Action("", link, wanted=".loading, .position-head"), 0))
        asked = time.perf_counter()
        page.wait_for_selector(".position-head")
        shown.append(opened[-1] + (time.perf_counter() - asked) * 1000)
        back.append(_do(page, _Action("", "main", "back", wanted=f"{_CLOSED} tbody td"), 0))
    for name, times in (
        ("open a position: its page", opened),
        ("open a position: its figures", shown),
        ("go back", back),
    ):
        print(f"  {name:<34}{_tell(times)}")
