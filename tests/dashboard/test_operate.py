"""Commands on the page: previewed, then confirmed, and recorded in the state with who gave them."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.dashboard import Visit, serve, start_browser, visit
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.operations.operator_commands import is_paused, list_actions
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.security import Access
from tradeexecutor.web.sources import read_catalogue

pytestmark = pytest.mark.slow

TOKEN = "operate-token-of-the-test"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with JSONFileStore(tmp_path / "mine.json") as store:
        state = new_state()
        trader = Trader(state)
        trader.buy(WETH_USDC, Decimal("0.5"), 1_700.0)
        store.sync(state)
    return tmp_path / "mine.json"


def fill_in(seen: Visit, token: str = TOKEN) -> None:
    seen.page.get_by_label("Your name").fill("Alice <b>")
    seen.page.get_by_label("Reason").fill("the exchange is down")
    seen.page.get_by_label("Token for commands").fill(token)
    seen.page.get_by_role("button", name="Show what it would do").click()


def test_a_strategy_is_paused_after_a_preview(browser: Any, path: Path):
    settings = Settings(rate=0, access=Access(operate_token=TOKEN))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine/operate/pause")
        fill_in(seen)
        seen.page.get_by_text("Nothing has changed yet.").wait_for()
        assert "operator_paused" in seen.text
        assert not is_paused(JSONFileStore(path).snapshot().state)
        seen.page.get_by_role("button", name="Do it").click()
        seen.page.get_by_text("This was done").wait_for()
        state = JSONFileStore(path).snapshot().state
        assert is_paused(state)
        (action,) = list_actions(state)
        assert (action["by"], action["details"]) == ("Alice <b>", {"reason": "the exchange is down"})
        seen.wait_until("document.querySelector('.strategy-head').textContent.includes('paused')")
        assert "Alice <b>" in seen.page.inner_text(".attention")
        seen.assert_clean()


def test_a_position_is_closed_from_its_page(browser: Any, path: Path):
    settings = Settings(rate=0, access=Access(operate_token=TOKEN))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine/position/1")
        seen.page.get_by_role("link", name="Close it").click()
        seen.settle()
        assert seen.page.get_by_label("Number of the position").input_value() == "1"
        fill_in(seen)
        seen.page.locator("p.problem").wait_for()  # it holds something, and nothing runs that could sell it
        seen.page.get_by_label("Write off").check()
        seen.page.get_by_role("button", name="Show what it would do").click()
        seen.page.get_by_role("button", name="Do it").click()
        seen.page.get_by_text("This was done").wait_for()
        assert not JSONFileStore(path).snapshot().state.portfolio.open_positions


@pytest.mark.parametrize(
    ("operate", "given", "said"),
    [
        (None, TOKEN, "commands are switched off"),
        (TOKEN, "another-token-of-the-test", "the token for commands is needed"),
    ],
)
def test_a_command_that_is_not_allowed_says_why(browser: Any, path: Path, operate: str | None, given: str, said: str):
    settings = Settings(rate=0, access=Access(operate_token=operate))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine/operate/pause")
        fill_in(seen, given)
        assert said in seen.page.locator("p.problem").inner_text()
        assert not list_actions(JSONFileStore(path).snapshot().state)


def test_the_page_asks_for_the_token_of_readers(browser: Any, path: Path):
    settings = Settings(rate=0, access=Access(read_token=TOKEN))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine")
        seen.page.get_by_label("Token").first.fill(TOKEN)
        seen.page.get_by_role("button", name="Continue").first.click()
        seen.wait_until("document.querySelector('.live.live') !== null")
        seen.wait_until("document.body.innerText.includes('Value, USD')")
        assert TOKEN not in seen.page.url
