"""The dashboard in a browser: when the largest real state is in view, how fast 100,000 closed positions answer, and how
soon a save of a running strategy is on the page.

Needs Chromium and Playwright. Times of a browser depend on what else the machine does: each is the least of several.
"""

import contextlib
import json
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brotli

from benchmarks.sources import find_state_files
from tradeexecutor.report.browser import require_browser
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.dashboard.serving import read_assets
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.server import BackgroundServer, open_socket
from tradeexecutor.web.sources import read_catalogue

CLOSED = 100_000

TURNS = 7

#: Time at which an element was first painted, milliseconds since the page was asked for.
_PAINTED = """
(selector) => new Promise((done) => {
  const look = () => requestAnimationFrame(() => document.querySelector(selector) ? done(performance.now()) : look());
  look();
})
"""

#: Does something, and returns the milliseconds until the page has been drawn again.
_ANSWERED = """
([selector, action, value]) => new Promise((done) => {
  const element = document.querySelector(selector);
  const from = performance.now();
  if (action === "click") element.click();
  if (action === "scroll") element.scrollTop = value;
  if (action === "key") element.dispatchEvent(new KeyboardEvent("keydown", {key: value, bubbles: true}));
  if (action === "search") location.hash = location.hash.replace(/[?].*/, "") + "?cq=" + encodeURIComponent(value);
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - from)));
})
"""

#: Waits until the number of a save is on the page; its time is taken outside, because the save is made there.
_SHOWN = """
(text) => new Promise((done) => {
  const look = () => requestAnimationFrame(() =>
    document.querySelector(".strategy-head").textContent.includes(text) ? done() : look());
  look();
})
"""

_TABLE = "[aria-label='closed positions'].rows"

#: Name, element, action and its values in turn.
_ACTIONS = (
    ("scroll", _TABLE, "scroll", (1_700_000, 900_000)),
    ("next page of rows by key", _TABLE, "key", ("PageDown", "PageDown")),
    ("sort by number", f"{_TABLE} th:nth-child(4) button", "click", (None, None)),
    ("sort by text", f"{_TABLE} th:nth-child(2) button", "click", (None, None)),
    ("search a text", _TABLE, "search", ("pair-77", "pair-12")),
    ("search a comparison", _TABLE, "search", ("profit>90", "profit<-90")),
)


def run() -> None:
    """Print the figures."""
    from playwright.sync_api import sync_playwright

    sizes = [len(brotli.compress(asset.content, quality=4)) for asset in read_assets().values()]
    print(f"{len(sizes)} files, {sum(sizes) / 1000:.0f} kB compressed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=require_browser(), args=["--no-sandbox"])
        _measure_paint(browser, max(find_state_files(), key=lambda path: path.stat().st_size))
        _measure_rows(browser)
        _measure_saves(browser)
        browser.close()


@contextlib.contextmanager
def _serve(path: Path) -> Iterator[str]:
    site = Site(read_catalogue([path]))
    with open_socket("127.0.0.1", 0) as listening, BackgroundServer(make_app(site, Settings(rate=0)), listening):
        (strategy,) = site.catalogue.list()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/dashboard/#/{strategy.id}"


def _measure_paint(browser: Any, path: Path) -> None:
    """Print when the figures and the chart of the largest real state are in view."""

    def measure(address: str, selector: str) -> float:
        context = browser.new_context()  # nothing is kept from the visit before
        page = context.new_page()
        page.goto(address)
        took = page.evaluate(_PAINTED, selector)
        context.close()
        return took

    parts = (("figures", ".tiles"), ("chart", ".u-over"))
    first: dict[str, float] = {}
    for name, selector in parts:
        times: list[float] = []
        for _ in range(2):
            with _serve(path) as address:
                times.append(measure(address, selector))
        first[name] = min(times)
    with _serve(path) as address:
        later = {name: min(measure(address, selector) for _ in range(TURNS)) for name, selector in parts}
    for kind, found in (("first visitor of a server", first), ("later ones", later)):
        print(f"{path.stat().st_size / 1e6:.1f} MB, {kind}: " + ", ".join(f"{k} {v:.0f} ms" for k, v in found.items()))


def _make_rows() -> str:
    """Return the answer of the server with many closed positions, in the form of `views/tables/closed`."""
    numbers = range(CLOSED)
    columns: list[tuple[str, str, Callable[[int], Any]]] = [
        ("#", "id", lambda n: n + 1),
        ("Pair", "text", lambda n: f"PAIR-{n * 7919 % 100}"),
        ("Closed", "time", lambda n: 1_700_000_000_000 + n * 60_000),
        ("Profit, USD", "profit", lambda n: (n * 7919 % 20_011) / 100 - 100),
        ("Profit", "gain", lambda n: (n * 7919 % 20_011) / 100_000 - 0.1),
        ("Exit", "text", lambda n: ("stop loss", "decision", "take profit")[n % 3]),
        ("Bought, USD", "usd", lambda n: 1_000.0 + n % 500),
        ("Trades", "count", lambda n: 2),
    ]
    made = [
        {"name": name, "kind": kind, "minor": False, "values": [make(number) for number in numbers]}
        for name, kind, make in columns
    ]
    return json.dumps({"name": "closed", "sort": 2, "columns": made})


def _measure_rows(browser: Any) -> None:
    """Print how fast a table of many rows answers."""
    rows = _make_rows()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.json"
        with JSONFileStore(path) as store:
            store.sync(State(name="Long"))
        with _serve(path) as address:
            page = browser.new_page()
            page.route(
                "**/views/tables/closed*",
                lambda route: route.fulfill(body=rows, content_type="application/json"),
            )
            page.goto(f"{address}/positions")
            page.wait_for_selector(f"{_TABLE} tbody td")
            print(f"{CLOSED:,} closed positions, {len(rows) / 1e6:.1f} MB of JSON")
            for name, element, action, values in _ACTIONS:
                times = [page.evaluate(_ANSWERED, [element, action, values[turn % 2]]) for turn in range(TURNS)]
                print(f"  {name:<28}{min(times):>7.0f} ms")


def _measure_saves(browser: Any) -> None:
    """Print how soon a save of the largest real state is on the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "largest.json"
        shutil.copy(max(find_state_files(), key=lambda state: state.stat().st_size), path)
        path.chmod(0o600)
        with JSONFileStore(path) as store:
            state = store.load()
            store.sync(state)
            with _serve(path) as address:
                page = browser.new_page()
                page.goto(address)
                page.wait_for_selector(".live.live")
                (first,) = re.findall(r"save (\d+)", page.inner_text(".strategy-head"))
                times: list[float] = []
                for number in range(int(first) + 1, int(first) + 1 + TURNS):
                    state.cycle += 1
                    store.sync(state)
                    saved = time.perf_counter()
                    page.evaluate(_SHOWN, f"save {number}")
                    times.append((time.perf_counter() - saved) * 1000)
    print(f"a save is on the page after {min(times):.0f}-{max(times):.0f} ms, median {statistics.median(times):.0f} ms")
