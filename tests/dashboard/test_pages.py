"""Every page in a real browser: both themes, phone and desktop, states of every kind, hostile texts, a broken file."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.chart_states import make_traded
from tests.kit.dashboard import Visit, find_barriers, read_axe, serve, start_browser, visit
from tests.kit.every_kind_trader import everything
from tests.kit.soak import SOAK
from tests.kit.whole import make_whole_state
from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.caching import Computations
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import read_catalogue

pytestmark = pytest.mark.slow

PAGES = (
    "",
    "/positions",
    "/position/1",
    "/trades",
    "/attention",
    "/statistics",
    "/charts",
    "/charts/drawdown",
    "/plots",
    "/ledger",
    "/checks",
    "/history",
    "/compare?with=everything",
    "/operate",
    "/logs",
    "/source",
)

WINDOWS = [(theme, width) for theme in ("light", "dark") for width in (390, 1440)]

#: axe-core takes a second for each page, so it looks at each theme and at each width, not at all four.
WITH_AXE = [("light", 1440), ("dark", 390)]

#: A name that a page must show, never run or be broken by.
HOSTILE = "<script>alert(1)</script>\u202etxet\u202c 🚀" + "x" * 500


def make_hostile() -> State:
    state = State.from_json(make_traded().to_json())  # its pairs are its own, not those of all tests
    state.name = HOSTILE
    for position in state.portfolio.get_all_positions():
        position.notes = HOSTILE
        for trade in position.trades.values():
            trade.notes = '<img src=x onerror="alert(2)">'
            trade.pair.base.token_symbol = HOSTILE[:60]
    return state


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    demo = run_backtest_for_module(REPOSITORY / "examples" / "trend_following.py", progress=False).state
    states = {"demo": demo, "everything": everything(), "whole": make_whole_state(), "hostile": make_hostile()}
    for name, state in {**states, "empty": State(name="Empty")}.items():
        with JSONFileStore(folder / f"{name}.json") as store:
            store.sync(state)
            state.cycle += 1
            store.sync(state)
    (folder / "broken.json").write_text('{"created_at": 1, ')
    # A busy machine is no reason for an answer that tells to wait.
    site = Site(
        read_catalogue([folder]),
        computations=Computations(budget=60.0),
        sources={"demo": "def decide_trades(input):\n    return []\n"},
    )
    with serve(site) as served:
        yield served


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return read_axe(tmp_path_factory.mktemp("axe"))


Case = tuple[str, str, int, tuple[str, ...]]

#: A soak looks at every state in every window, and at every page of the real files. The ordinary run has every page
#: once, and of each other state, in another window, the pages on which it differs.
CASES: list[Case] = [
    (name, *window, PAGES) for name in ("demo", "hostile", "everything", "whole", "empty") for window in WINDOWS
]
REAL_PAGES = ["", "/positions", "/attention", "/statistics", "/ledger", "/charts"]
if SOAK == 1:
    CASES = [
        ("demo", "light", 1440, PAGES),
        ("hostile", "dark", 390, ("", "/position/1", "/trades", "/plots")),
        ("everything", "light", 390, ("/position/1", "/ledger", "/operate")),
        ("whole", "dark", 1440, ("", "/attention", "/checks")),
        ("empty", "dark", 390, ("", "/statistics", "/plots", "/charts")),
    ]


@pytest.mark.parametrize(("name", "theme", "width", "pages"), CASES, ids=lambda value: str(value)[:10])
def test_every_page_is_clean(
    browser: Any, address: str, axe: str, name: str, theme: str, width: int, pages: tuple[str, ...]
):
    with visit(browser, address, theme=theme, width=width) as seen:
        for page in pages:
            if name == "empty" and "position/" in page:
                continue
            seen.go(f"{name}{page}")
            if page.startswith("/charts") and name != "empty":
                seen.page.wait_for_selector(".main-svg, .problem")
            # What the state has nothing for is an answer, not an error of the page.
            seen.errors[:] = [text for text in seen.errors if "422" not in text]
            seen.assert_clean()
            if (theme, width) in WITH_AXE:
                assert find_barriers(seen.page, axe) == [], (name, page)
            assert seen.page.locator("h1").count() == 1


@pytest.mark.parametrize(("theme", "width"), WINDOWS if SOAK > 1 else WITH_AXE)
def test_the_overview_shows_all_and_a_broken_file_with_its_reason(
    browser: Any, address: str, axe: str, theme: str, width: int
):
    with visit(browser, address, theme=theme, width=width) as seen:
        seen.go("")
        seen.assert_clean()
        if (theme, width) in WITH_AXE:
            assert find_barriers(seen.page, axe) == []
        assert "cannot be read" in seen.text
        assert seen.page.locator("li .strategy").count() == 6


def test_real_files_are_shown(browser: Any, state_files: list[Path]):
    """Each page of each file in a soak; otherwise one page of each."""
    site = Site(read_catalogue(state_files), computations=Computations(budget=60.0))
    with serve(site) as real, visit(browser, real) as seen:
        for number, path in enumerate(state_files):
            for page in REAL_PAGES if SOAK > 1 else [REAL_PAGES[number % len(REAL_PAGES)]]:
                seen.go(f"{path.stem}{page}")
                seen.errors[:] = [text for text in seen.errors if "422" not in text]
                seen.assert_clean()
                assert seen.page.locator(".problem").count() == 0 or page == "/charts", (path.stem, page, seen.text)


def test_hostile_texts_are_shown_as_text(browser: Any, address: str):
    with visit(browser, address) as seen:
        dialogs: list[str] = []
        seen.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        for page in ("", "/positions", "/position/1", "/trades"):
            seen.go(f"hostile{page}")
            assert "<script>alert(1)</script>" in seen.page.inner_text("h1")
            assert seen.page.locator("main script, main img").count() == 0
            assert "\u202e" not in seen.text
        assert dialogs == []
        seen.assert_clean()


# --- What a person does


@pytest.fixture
def desk(browser: Any, address: str) -> Iterator[Visit]:
    with visit(browser, address, accept_downloads=True, permissions=["clipboard-read", "clipboard-write"]) as seen:
        yield seen
        seen.assert_clean()


def read_column(seen: Visit, label: str, index: int) -> list[str]:
    rows = seen.page.locator(f"[aria-label='{label}'] tbody tr:not([aria-hidden])")
    return [rows.nth(at).locator("td").nth(index).inner_text() for at in range(rows.count())]


def test_a_table_is_sorted_and_searched_and_the_address_tells_how(desk: Visit):
    desk.go("demo/positions")
    label = "closed positions"
    head = desk.page.locator(f"[aria-label='{label}'] thead button", has_text="Profit, USD")
    head.click()
    desk.settle()
    assert "sort=-Profit" in desk.page.url.replace("csort", "sort")
    amounts = [float(text.replace("−", "-").replace("+", "").replace(",", "")) for text in read_column(desk, label, 5)]
    assert amounts == sorted(amounts, reverse=True)
    head.click()
    desk.settle()
    assert read_column(desk, label, 5)[0].startswith("−")
    desk.page.get_by_label(f"Search in {label}").fill("profit<0")
    desk.page.wait_for_url("**cq=profit*")
    desk.settle()
    found = read_column(desk, label, 5)
    assert found
    assert all(text.startswith("−") for text in found)
    link = desk.page.url
    desk.page.goto("about:blank")
    desk.page.goto(link)
    desk.settle()
    assert read_column(desk, label, 5) == found


def test_a_table_is_used_with_the_keyboard(desk: Visit):
    desk.go("demo/positions")
    desk.page.locator("[aria-label='closed positions'].rows").focus()
    for _ in range(3):
        desk.page.keyboard.press("ArrowDown")
        desk.draw()
    number = desk.page.locator("tr.active td").first.inner_text()
    desk.page.keyboard.press("Enter")
    desk.settle()
    assert f"/position/{number.lstrip('#')}" in desk.page.url


def test_everything_can_be_reached_with_the_tabulator(desk: Visit):
    desk.go("demo")
    reached: set[str] = set()
    for _ in range(80):
        desk.page.keyboard.press("Tab")
        reached.add(desk.page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Skip to the content", "Positions", "Ledger", "Growth", "CSV"} <= reached


def test_tables_and_charts_are_saved_as_files(desk: Visit):
    desk.go("demo/positions")
    box = desk.page.locator("section", has_text="Closed positions")
    for button, ending in (("CSV", ".csv"), ("Parquet", ".parquet")):
        with desk.page.expect_download() as download:
            box.get_by_role("button", name=button).click()
        assert download.value.suggested_filename.endswith(ending)
        assert Path(download.value.path()).stat().st_size > 500
    # Tables that the page draws in its own way are saved by the server.
    own = {"ledger": "the ledger", "compare?with=everything": "causes"}
    for page, what in own.items():
        desk.go(f"demo/{page}")
        for kind in ("CSV", "Parquet"):
            with desk.page.expect_download() as download:
                desk.page.get_by_role("button", name=f"Save {what} as {kind}", exact=True).click()
            assert download.value.suggested_filename.endswith(kind.lower())
            assert Path(download.value.path()).stat().st_size > 100
    desk.go("demo")
    for kind, first in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with desk.page.expect_download() as download:
            desk.page.get_by_role("button", name=f"Save Drawdown as {kind}").click()
        assert Path(download.value.path()).read_bytes().startswith(first)
    desk.go("demo/charts/equity")
    desk.page.wait_for_selector(".main-svg")
    for kind, first in (("PNG", b"\x89PNG"), ("SVG", b"<svg")):
        with desk.page.expect_download() as download:
            desk.page.get_by_role("button", name=f"Save Equity as {kind}").click()
        assert Path(download.value.path()).read_bytes().startswith(first)


def test_a_range_of_the_chart_is_part_of_the_address_and_has_every_sample(desk: Visit):
    desk.go("demo")
    plot = desk.page.locator(".u-over").first
    box = plot.bounding_box()
    assert box is not None
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))
    desk.page.mouse.move(box["x"] + 200, box["y"] + 50)
    desk.page.mouse.down()
    desk.page.mouse.move(box["x"] + 300, box["y"] + 60, steps=5)
    desk.page.mouse.up()
    desk.page.wait_for_url("**from=*")
    desk.settle()
    assert [url for url in asked if "views/equity?start=" in url]
    desk.page.get_by_role("button", name="Whole time").click()
    desk.wait_until("!location.hash.includes('from=')")


def test_zooming_into_the_plots_of_the_strategy_draws_every_point(desk: Visit):
    desk.go("demo/plots")
    status = desk.page.locator(".switch [role=status]")
    assert "points drawn" in status.inner_text()
    legend = desk.page.locator(".chart figcaption").first.inner_text()
    assert "Price of GOOG-USD" in legend
    assert "Fast average" in legend
    box = desk.page.locator(".u-over").first.bounding_box()
    assert box is not None
    desk.page.mouse.move(box["x"] + 200, box["y"] + 50)
    desk.page.mouse.down()
    desk.page.mouse.move(box["x"] + 300, box["y"] + 60, steps=5)
    desk.page.mouse.up()
    desk.page.wait_for_url("**from=*")
    desk.wait_until("document.querySelector('.switch [role=status]')?.textContent.includes('all drawn')")
    with desk.page.expect_download() as download:
        desk.page.get_by_role("button", name="Save Price of GOOG-USD as SVG").click()
    assert "Slow average" in Path(download.value.path()).read_text(encoding="utf-8")
    desk.page.get_by_role("button", name="Whole time").click()
    desk.wait_until("!location.hash.includes('from=')")


def test_a_time_is_utc_and_local_on_hover(browser: Any, address: str):
    with visit(browser, address, timezone_id="Asia/Tokyo") as seen:
        seen.go("demo")
        time = seen.page.locator(".tile time").first
        shown = datetime.datetime.strptime(time.inner_text(), "%Y-%m-%d %H:%M")
        assert time.get_attribute("datetime") == shown.strftime("%Y-%m-%dT%H:%M:00.000Z")
        assert "GMT+9" in (time.get_attribute("title") or "")


def test_the_theme_is_kept(desk: Visit):
    desk.go("demo")
    button = desk.page.get_by_role("button", name="Change them")
    button.click()
    button.click()
    assert desk.page.evaluate("document.documentElement.dataset.theme") == "dark"
    desk.page.reload()
    desk.settle()
    assert desk.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_what_does_not_exist_is_said(browser: Any, address: str):
    with visit(browser, address) as seen:
        seen.go("nothing")
        assert "there is no strategy of this id" in seen.text
        seen.go("demo/position/999")
        assert "there is no position 999" in seen.text
        seen.go("demo/nonsense")
        assert "There is no page of this name" in seen.text
        seen.go("broken")
        assert "This cannot be shown." in seen.text


def test_an_earlier_save_is_looked_at(desk: Visit):
    desk.go("demo/history")
    desk.page.get_by_role("button", name="Earlier save").click()
    desk.settle()
    desk.page.get_by_role("link", name="Look at everything").click()
    desk.page.wait_for_selector(".banner")
    desk.settle()
    assert "You look at an earlier save" in desk.text
    desk.page.get_by_role("link", name="Positions").first.click()
    desk.settle()
    assert "at=" in desk.page.url
    desk.page.get_by_role("link", name="Show the newest").click()
    desk.wait_until("!location.hash.includes('at=')")
    desk.go("demo/history")
    desk.page.get_by_label("Day whose beginning").fill("2100-01-01")
    desk.page.wait_for_selector(".banner")
    assert "at=2100-01-01" in desk.page.url


def test_a_month_leads_to_the_positions_that_made_it(desk: Visit):
    desk.go("demo/statistics")
    desk.page.get_by_title("USD in Oct 2007").click()
    desk.settle()
    closed = read_column(desk, "closed positions", 3) or read_column(desk, "closed positions", 2)
    assert "csort=-Profit" in desk.page.url
    assert all("2007-10" in text for text in closed)


def test_what_the_server_is_still_computing_is_no_error(browser: Any, address: str):
    body = '{"type": "about:blank", "title": "", "status": 503, "detail": "this takes longer than 5 seconds"}'
    with visit(browser, address) as seen:
        asked: list[str] = []

        def answer(route: Any) -> None:
            asked.append(route.request.url)
            if len(asked) == 1:
                route.fulfill(status=503, body=body, content_type="application/problem+json")
            else:
                route.continue_()

        seen.page.route("**/views/ledger*", answer)
        seen.page.goto(f"{address}/dashboard/#/demo/ledger")
        seen.page.get_by_text("The server is still computing this").wait_for()
        seen.page.get_by_text("of the double-entry ledger").wait_for()


def test_a_table_is_in_view_while_the_server_is_still_computing_the_summary(browser: Any, address: str):
    body = '{"type": "about:blank", "title": "", "status": 503, "detail": "this takes longer than 5 seconds"}'
    with visit(browser, address) as seen:
        waiting = [True]

        def answer(route: Any) -> None:
            if waiting[0]:
                route.fulfill(status=503, body=body, content_type="application/problem+json")
            else:
                route.continue_()

        seen.page.route("**/views/summary*", answer)
        seen.page.goto(f"{address}/dashboard/#/demo/positions")
        row = seen.page.locator("[aria-label='closed positions'] tbody td").first
        row.wait_for()
        assert seen.page.get_by_text("The server is still computing this").count() == 1
        seen.page.get_by_label("Search in closed positions").fill("profit<0")
        waiting[0] = False
        seen.page.get_by_text("The server is still computing this").wait_for(state="detached")
        assert seen.page.get_by_label("Search in closed positions").input_value() == "profit<0"
        assert row.is_visible()


# --- Long tables

#: So many that a worker reads them.
LONG = 20_000

#: Of each row: number, pair (none, empty, or with letters that are longer in lower case), profit (some none), time.
LONG_ROWS: list[tuple[int, str | None, float | None, int]] = [
    (
        number,
        (None, "", "\u0130STANBUL-USD", "Weth-USDC", "doge-USDC")[number % 5],
        None if number % 7 == 0 else float(number * 7919 % 1_001 - 500),
        number * 3_600_000,
    )
    for number in range(1, LONG + 1)
]


def make_long_table(rows: list[tuple[int, str | None, float | None, int]]) -> str:
    kinds = (("#", "id"), ("Pair", "text"), ("Profit, USD", "profit"), ("Closed", "time"))
    columns = [
        {"name": name, "kind": kind, "minor": False, "values": [row[index] for row in rows]}
        for index, (name, kind) in enumerate(kinds)
    ]
    return json.dumps({"name": "closed", "sort": 0, "columns": columns})


@pytest.fixture
def long(browser: Any, address: str) -> Iterator[Visit]:
    """A page with a table of `LONG_ROWS`; its answers are counted in `asked`."""
    with visit(browser, address) as seen:
        seen.page.route("**/views/tables/closed*", lambda route: route.fulfill(body=make_long_table(LONG_ROWS)))
        seen.go("demo/positions")
        assert len(seen.page.workers) == 1
        yield seen
        seen.assert_clean()


def read_numbers(seen: Visit) -> list[int]:
    """The numbers of the rows in the page, without those that only make space."""
    script = (
        "[...document.querySelectorAll(\"[aria-label='closed positions'] tbody td:first-child\")].map(c => c.innerText)"
    )
    return [int(text.lstrip("#")) for text in seen.page.evaluate(script)]


def sort_long(index: int, *, is_descending: bool) -> list[int]:
    """Rows without a value come last in either direction, equal ones stay in the order of the table."""
    known = [row for row in LONG_ROWS if row[index] not in (None, "")]
    known.sort(key=lambda row: row[index] or 0, reverse=is_descending)
    return [row[0] for row in (*known, *(row for row in LONG_ROWS if row[index] in (None, "")))]


def test_a_long_table_is_sorted_by_every_kind_of_column(long: Visit):
    for index in (2, 1, 3, 0):
        head = long.page.locator("[aria-label='closed positions'] thead button").nth(index)
        for is_descending in (index != 1, index == 1):  # numbers begin with the highest, texts with the first
            head.click()
            expected = sort_long(index, is_descending=is_descending)
            long.draw()
            found = read_numbers(long)
            assert found == expected[: len(found)], (index, is_descending)
        long.page.evaluate("document.querySelectorAll('.rows')[1].scrollTop = 1e9")
        long.draw()
        found = read_numbers(long)
        assert found == expected[-len(found) :]


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("weth", lambda number, pair, profit: pair.startswith("Weth")),
        ("usdc O", lambda number, pair, profit: pair.startswith("doge")),
        ("tanbul-usd", lambda number, pair, profit: "TANBUL" in pair),
        ("#77", lambda number, pair, profit: number == 77),
        ("profit>499", lambda number, pair, profit: profit is not None and profit > 499),
        ("profit<=-499 usdc", lambda number, pair, profit: profit is not None and profit <= -499 and "USDC" in pair),
        ("closed>=1972-04-01", lambda number, pair, profit: number * 3600 >= 70_934_400),
        ("nothing", lambda number, pair, profit: False),
    ],
)
def test_a_long_table_is_searched(long: Visit, search: str, expected: Any):
    found = [row for row in LONG_ROWS if expected(row[0], row[1] or "", row[2])]
    long.page.get_by_label("Search in closed positions").type(search)  # key by key
    status = long.page.locator("section", has_text="Closed positions").get_by_role("status")
    status.get_by_text(f"{len(found):,} of {LONG:,} rows").wait_for()
    total = f"{abs(sum(row[2] or 0 for row in found)):,.2f} USD"
    assert status.inner_text().endswith(total)
    shown = read_numbers(long)
    assert shown == [row[0] for row in reversed(found)][: len(shown)]
    assert len(shown) == min(len(found), len(shown) or 1)


def test_rows_that_are_used_again_show_what_is_in_view(long: Visit):
    scroll = "top => document.querySelectorAll('.rows')[1].scrollTop = top"
    for top in (0, 34, 100, 1_000, 1_034, 500, 480, 34 * LONG, 34 * LONG - 3_000, 0):
        long.page.evaluate(scroll, top)
        long.draw()
        found = read_numbers(long)
        assert found == list(range(found[0], found[0] - len(found), -1))
        first = LONG - min(top // 34, LONG - 18)
        assert {first, first - 16} <= set(found) | {0}, top
        assert len(found) < 60


def test_a_long_table_is_used_with_the_keyboard(long: Visit):
    long.page.locator("[aria-label='closed positions'].rows").focus()
    active = long.page.locator("[aria-label='closed positions'] tr.active")
    for key, number in (("End", 1), ("ArrowUp", 2), ("Home", LONG), ("PageDown", LONG - 16), ("ArrowDown", LONG - 17)):
        long.page.keyboard.press(key)
        long.draw()
        assert active.count() == 1
        assert active.locator("td").first.inner_text() == f"#{number}", key
        box, row = long.page.locator("[aria-label='closed positions'].rows").bounding_box(), active.bounding_box()
        assert box is not None
        assert row is not None
        assert box["y"] + 33 <= row["y"] <= box["y"] + box["height"] - 33, key
    long.page.get_by_label("Search in closed positions").fill("nothing")
    long.page.get_by_text("Nothing is found").wait_for()
    long.page.locator("[aria-label='closed positions'].rows").press("Home")
    assert active.count() == 0


def test_going_back_to_a_table_does_not_ask_for_it_again(long: Visit):
    asked: list[str] = []
    long.page.on("request", lambda request: asked.append(request.url))
    long.page.locator("[aria-label='closed positions'] tbody a", has_text="#19999").click()
    long.page.get_by_text("there is no position 19999").wait_for()
    assert any("positions/19999" in url for url in asked)
    long.errors.clear()  # that there is none
    long.page.go_back()
    long.settle()
    assert read_numbers(long)[0] == LONG
    assert not any("tables" in url for url in asked)


def test_a_cell_says_more_when_the_pointer_is_over_it(long: Visit):
    cell = long.page.locator("[aria-label='closed positions'] tbody td.time").first
    assert cell.get_attribute("title") is None
    cell.hover()
    assert "1972-04-13 08:00:00 UTC" in (cell.get_attribute("title") or "")
    long.page.evaluate("document.querySelectorAll('.rows')[1].scrollTop = 34 * 1000")
    long.draw()
    titles = long.page.locator("[aria-label='closed positions'] tbody td[title]")
    assert all("1972-04-13 08:00" not in (titles.nth(at).get_attribute("title") or "") for at in range(titles.count()))


def test_an_answer_that_no_worker_can_read_is_a_problem(browser: Any, address: str):
    with visit(browser, address) as seen:
        seen.page.route("**/views/tables/closed*", lambda route: route.fulfill(body=make_long_table(LONG_ROWS)[:-1]))
        seen.page.goto(f"{address}/dashboard/#/demo/positions")
        seen.page.get_by_text("not JSON").wait_for()
