"""A running strategy on the page: a trade is there at once, a lost connection is shown and heals, nothing jumps."""

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.dashboard import Visit, serve, start_browser, visit
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import Catalogue, Strategy, read_catalogue
from tradeexecutor.web.summary import ProcessStatus

pytestmark = pytest.mark.slow

#: Longest time from a save until the trade is on the page, seconds; a busy machine of tests gets more than the second
#: that BENCHMARKS.md reports.
LONGEST = 5.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


class Process:
    """A strategy that trades when it is told to."""

    def __init__(self, store: JSONFileStore):
        self.store = store
        self.state = new_state()
        self.state.name = "Mine"
        self.trader = Trader(self.state)
        self.trade()

    def trade(self) -> None:
        """Buy, and save."""
        self.trader.buy(WETH_USDC, Decimal("0.001"), 1_700.0)
        self.state.cycle += 1
        self.store.sync(self.state)


def count_trades(process: Process) -> int:
    return sum(1 for _ in process.state.portfolio.get_all_trades())


def wait_for_trades(seen: Visit, process: Process, seconds: float = LONGEST) -> None:
    """Wait until the page says how many trades there are."""
    seen.wait_until(f"/All {count_trades(process)} trades?/.test(document.body.textContent)", seconds)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with JSONFileStore(tmp_path / "mine.json") as store:
        yield Process(store)


@pytest.mark.parametrize("is_own", [True, False], ids=["same process", "other process"])
def test_a_trade_is_on_the_page_at_once(browser: Any, process: Process, is_own: bool):
    path = process.store.path
    catalogue = Catalogue([Strategy("mine", path, process.store, is_live=True)]) if is_own else read_catalogue([path])
    statuses = {"mine": ProcessStatus()} if is_own else {}
    with serve(Site(catalogue, statuses=statuses)) as address, visit(browser, address) as seen:
        seen.go("mine")
        seen.wait_until("document.querySelector('.live.live') !== null")
        assert ("running" in seen.page.inner_text(".strategy-head")) is is_own
        for _ in range(3):
            seen.page.evaluate("globalThis.mark = document.querySelector('.tiles')")
            process.trade()
            wait_for_trades(seen, process)
            # The same elements are still there: the page was not built again.
            assert seen.page.evaluate("document.contains(mark)")
        seen.assert_clean()


def test_new_trades_do_not_move_what_is_looked_at(browser: Any, process: Process):
    for _ in range(60):
        process.trade()
    with serve(Site(read_catalogue([process.store.path]))) as address, visit(browser, address) as seen:
        seen.go("mine/trades?tsort=%23")
        seen.wait_until("document.querySelector('.live.live') !== null")
        table = "document.querySelector('.rows')"
        seen.page.evaluate(f"{table}.scrollTop = 400; scrollTo(0, 40)")
        before = seen.page.evaluate(f"[{table}.scrollTop, scrollY]")
        process.trade()
        seen.wait_until(f"document.body.textContent.includes('{count_trades(process)} rows')", LONGEST)
        assert seen.page.evaluate(f"[{table}.scrollTop, scrollY]") == before
        seen.assert_clean()


def test_a_lost_connection_is_shown_and_heals(browser: Any, process: Process):
    with contextlib.ExitStack() as windows:
        with serve(Site(read_catalogue([process.store.path]))) as address:
            seen = windows.enter_context(visit(browser, address))
            seen.go("mine")
            seen.wait_until("document.querySelector('.live.live') !== null")
        seen.wait_until("document.querySelector('.banner.lost') !== null", 10)
        assert seen.page.locator(".tiles").count() == 1  # what was known stays in view
        process.trade()
        with serve(Site(read_catalogue([process.store.path])), port=int(address.rpartition(":")[2])):
            wait_for_trades(seen, process, 20)
            seen.wait_until("document.querySelector('.banner.lost') === null")


def test_a_state_that_cannot_be_read_for_a_while_is_said_and_shown_again(browser: Any, process: Process):
    path = process.store.path
    with serve(Site(read_catalogue([path]))) as address, visit(browser, address) as seen:
        seen.go("mine")
        seen.wait_until("document.querySelector('.live.live') !== null")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        seen.wait_until("document.querySelector('.banner.lost') !== null", 10)
        assert seen.page.locator(".tiles").count() == 1  # what was known stays in view
        path.write_bytes(content)
        process.trade()
        wait_for_trades(seen, process)
        seen.wait_until("document.querySelector('.banner.lost') === null")
