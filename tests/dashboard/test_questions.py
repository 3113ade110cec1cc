"""Questions of an owner, each answered from the page of all strategies with few clicks, and within a minute.

docs/dashboard.md tells the same ways.
"""

import datetime
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.dashboard import Visit, serve, start_browser, visit
from tests.kit.funded_trader import fail, fund
from tests.kit.trader import T0, WETH_USDC, Trader
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import read_catalogue

pytestmark = pytest.mark.slow

#: Longest time from the page of all strategies to the answer, seconds; and most clicks.
LONGEST = 60.0
MOST_CLICKS = 3

DAY = datetime.timedelta(days=1)


def sample(state: State, at: datetime.datetime) -> None:
    """Record the value of the portfolio."""
    value = state.portfolio.get_net_asset_value()
    state.stats.portfolio.append(PortfolioStatistics(at, total_equity=value, net_asset_value=value))


def make_run(last_price: float) -> State:
    """Three months of a strategy that buys 0.1 at 1700, and sells at 1800 in January, at `last_price` in February."""
    trader = fund()
    state = trader.state
    state.name = "Careful"
    for month, price in ((1, 1_800.0), (2, last_price)):
        trader.ts = datetime.datetime(2022, month, 3)
        sample(state, trader.ts - DAY)
        trader.buy(WETH_USDC, "0.1", 1_700.0)
        trader.ts += 5 * DAY
        trader.sell(WETH_USDC, "0.1", price)
        sample(state, trader.ts)
    sample(state, datetime.datetime(2022, 3, 5))
    return state


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A live run that was saved two days ago, and then again with a failed trade; and its backtest."""
    folder = tmp_path_factory.mktemp("served")
    backtest = make_run(1_900.0)
    backtest.backtest_data = BacktestData(T0, T0 + 60 * DAY, CycleDuration.cycle_1d)
    with JSONFileStore(folder / "backtest.json") as store:
        store.sync(backtest)
    live = make_run(1_850.0)
    with JSONFileStore(folder / "live.json") as store:
        store.sync(live)
        trader = Trader(live)
        trader.ts = datetime.datetime(2022, 3, 6)
        fail(trader, WETH_USDC, "0.2", 1_700.0)
        store.sync(live)
    (backup,) = (folder / "live.json.backups").iterdir()
    before = utc_now() - 2 * DAY
    backup.rename(backup.with_name(f"{backup.name.partition('-')[0]}-{before:%Y-%m-%dT%H-%M-%SZ}.json"))
    with serve(Site(read_catalogue([folder]))) as served:
        yield served


class Walk:
    """A way through the pages, from that of all strategies, with its clicks and its time."""

    def __init__(self, seen: Visit):
        self.seen = seen
        self.page = seen.page
        self.started = time.monotonic()
        self.clicks = 0
        seen.go("")
        self.card = self.page.locator("article.strategy").filter(has_text="live")

    def click(self, target: Any) -> None:
        target.click()
        self.clicks += 1

    def open(self) -> None:
        """Open the live strategy."""
        self.click(self.card.get_by_role("link", name="Careful"))

    def go_to(self, page: str) -> None:
        """Open a page of the strategy."""
        pages = self.page.get_by_role("navigation", name="Pages of the strategy")
        self.click(pages.get_by_role("link", name=page, exact=False).first)

    def finish(self) -> None:
        assert self.clicks <= MOST_CLICKS
        assert time.monotonic() - self.started < LONGEST
        self.seen.assert_clean()


@pytest.fixture
def walk(browser: Any, address: str) -> Iterator[Walk]:
    with visit(browser, address) as seen:
        made = Walk(seen)
        yield made
        made.finish()


def test_what_did_i_earn_last_month_and_why(walk: Walk):
    walk.open()
    tile = walk.page.locator(".tile").filter(has_text="February 2022")
    tile.wait_for()
    assert "+15.00" in tile.inner_text()
    walk.click(tile.get_by_role("link", name="Why"))
    table = walk.page.get_by_role("region", name="closed positions", exact=True)
    table.wait_for()
    # One position was closed in that month, and its profit is shown.
    assert table.locator("tbody tr").count() == 1
    assert "#2" in table.inner_text()
    walk.page.get_by_text("1 of 2 rows, together +15.00 USD").wait_for()


def test_which_trade_failed_and_what_do_i_do(walk: Walk):
    walk.click(walk.card.get_by_role("link", name="to look at"))
    item = walk.page.locator(".attention li").filter(has_text="trade #5")
    item.wait_for()
    assert "tradeexecutor " in item.locator("code").inner_text()
    assert item.get_by_role("link", name="Try trade #5 again").count() == 1


def test_did_the_books_balance_on_a_date(walk: Walk):
    walk.open()
    walk.go_to("Ledger")
    walk.page.get_by_label("Day whose beginning").fill(f"{utc_now() - DAY:%Y-%m-%d}")
    walk.clicks += 1
    walk.page.get_by_text("You look at an earlier save").wait_for()
    walk.seen.settle()
    verdict = walk.page.locator(".verdict")
    assert verdict.inner_text().startswith("balanced")
    # The books of that day: the trade that has failed since has no entry.
    earlier = verdict.inner_text()
    walk.page.get_by_role("link", name="Show the newest").click()
    walk.seen.wait_until("!location.hash.includes('at=')")
    walk.seen.wait_until(f"document.querySelector('.verdict').innerText !== {earlier!r}")


def test_what_changed_since_yesterday(walk: Walk):
    walk.click(walk.card.get_by_role("link", name="since yesterday"))
    walk.page.get_by_role("heading", name="What changed from save 1 to 2").wait_for()
    walk.page.get_by_text("0 → 1").first.wait_for()
    facts = walk.page.locator("dl.facts").inner_text()
    assert "Failed trades\n0 → 1" in facts
    assert "Trades\n4 → 5" in facts
    walk.page.get_by_text("trade #5").first.wait_for()


def test_does_my_live_run_follow_its_backtest(walk: Walk):
    walk.open()
    walk.go_to("Compare")
    verdict = walk.page.locator(".verdict")
    verdict.wait_for()
    # The backtest sold 0.1 at a price that is 50 USD higher.
    assert "they differ" in verdict.inner_text()
    assert "5.00 USD more than that of A" in verdict.inner_text()
    assert "+5.00" in walk.page.get_by_role("region", name="Causes").inner_text()


def test_the_ways_are_those_of_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    for way in ("Why", "since yesterday", "As it was on", "issues to look at"):
        assert f'"{way}"' in page
