"""Commands on the page: previewed, then confirmed, and recorded in the state with who gave them."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.dashboard import Visit, serve, start_browser, visit
from tests.kit.operated import DATA, fail_always, run_operated
from tests.kit.trader import T0, WETH_USDC, Trader, new_state
from tradeexecutor.operations.operator_commands import is_paused, list_actions, pause
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


def test_a_paused_strategy_is_resumed_and_both_are_in_the_record(browser: Any, path: Path):
    with JSONFileStore(path) as store:
        state = store.load()
        pause(state, T0, "Bob", "a holiday")
        store.sync(state)
    settings = Settings(rate=0, access=Access(operate_token=TOKEN))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine/operate")
        # The command that makes sense is there at once.
        seen.page.get_by_role("heading", name="Resume decisions").wait_for()
        fill_in(seen)
        changed = seen.page.get_by_role("region", name="Changes")
        changed.wait_for()
        # Both values of what changes are shown.
        assert ["true", "false"] in [row[2:] for row in read_rows(changed)]
        seen.page.get_by_role("button", name="Do it").click()
        seen.page.get_by_text("This was done").wait_for()
        assert not is_paused(JSONFileStore(path).snapshot().state)
        record = seen.page.locator("section[aria-label='What operators did'] li")
        seen.wait_until("document.querySelectorAll(\"section[aria-label='What operators did'] li\").length === 2")
        assert [text.split()[0] for text in record.all_inner_texts()] == ["resume", "pause"]
        seen.assert_clean()


def read_rows(table: Any) -> list[list[str]]:
    rows = table.locator("tbody tr")
    return [rows.nth(at).locator("td").all_inner_texts() for at in range(rows.count())]


def test_a_failed_trade_is_tried_again_from_what_needs_attention(browser: Any, tmp_path: Path):
    folder = tmp_path / "served"
    folder.mkdir()
    path = folder / "mine.json"
    with JSONFileStore(path) as store:
        store.sync(run_operated(tmp_path, fail_always))
    settings = Settings(rate=0, access=Access(operate_token=TOKEN))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine/attention")
        seen.page.get_by_role("link", name="Try trade #1 again").click()
        seen.page.get_by_label("Data set at whose prices").fill(DATA)
        assert seen.page.get_by_label("Number of the trade").input_value() == "1"
        fill_in(seen)
        trades = seen.page.get_by_role("region", name="Trades of the command")
        trades.wait_for()
        assert "success" in trades.inner_text()
        assert not list_actions(JSONFileStore(path).snapshot().state)
        seen.page.get_by_role("button", name="Do it").click()
        seen.page.get_by_text("This was done").wait_for()
        state = JSONFileStore(path).snapshot().state
        assert [trade.is_success() for trade in state.portfolio.get_all_trades()][-1]
        (action,) = list_actions(state)
        assert (action["action"], action["by"]) == ("retry", "Alice <b>")
        seen.assert_clean()


def test_a_check_is_a_page_and_can_be_recorded(browser: Any, path: Path):
    settings = Settings(rate=0, access=Access(operate_token=TOKEN))
    with serve(Site(read_catalogue([path])), settings) as address, visit(browser, address) as seen:
        seen.go("mine/operate")
        seen.page.get_by_role("link", name="Run a check").click()
        seen.page.get_by_text("all passed").wait_for()
        for command in ("validate", "check-trades", "audit"):
            assert f"tradeexecutor {command} mine.json" in seen.text
        fill_in(seen)
        seen.page.get_by_text("Nothing has changed yet.").wait_for()
        seen.page.get_by_role("button", name="Do it").click()
        seen.page.get_by_text("This was done").wait_for()
        (action,) = list_actions(JSONFileStore(path).snapshot().state)
        assert (action["action"], action["by"]) == ("check", "Alice <b>")
        assert action["details"]["outcome"].startswith("validate: ")
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
