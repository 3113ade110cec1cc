"""Operators retry trades and close positions over HTTP: previewed, carried out, and recorded in the file."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.kit.operated import DATA, fail_always, fail_never, run_operated
from tests.kit.web import Browser, browse
from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.errors import ChainUnavailable
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations import candle_market, close_position, live_trading, operator_commands, retry
from tradeexecutor.operations.operator_commands import CommandQueue, list_actions
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.operations.retry import RetryReport
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.json_patch import apply_patch
from tradeexecutor.state.errors import NotEnoughMoney, OperationRefused, SaveFailed, UncleanState
from tradeexecutor.state.repair import RepairResult
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web import operating
from tradeexecutor.web.app import Settings
from tradeexecutor.web.remedies import describe_remedy
from tradeexecutor.web.security import Access

OPERATE = "operate-token-of-the-test"


class Office:
    """A served file, and its operator."""

    def __init__(self, browser: Browser, path: Path):
        self.browser, self.path = browser, path

    def load(self) -> State:
        return State.read_json_file(self.path)

    def ask(self, name: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        response = self.browser.get(
            f"/v1/mine/operations/{name}",
            method="POST",
            json={"by": "Alice", "reason": "asked to", **fields},
            headers={"authorization": f"Bearer {OPERATE}"},
        )
        assert response.status_code == status, response.text
        return response.json()

    def check(self, name: str, **fields: Any) -> tuple[State, dict[str, Any]]:
        """Preview and carry out a command; what was previewed is what happened."""
        original, before = self.path.read_bytes(), self.load()
        preview = self.ask(name, **fields)
        assert (preview["is_done"], self.path.read_bytes()) == (False, original)
        started = to_epoch(utc_now())
        done = self.ask(name, confirm=preview["confirm"], **fields)
        assert done["is_done"]
        assert done["trades"] == preview["trades"]
        assert [(item["op"], item["path"]) for item in done["patch"]] == [
            (item["op"], item["path"]) for item in preview["patch"]
        ]
        state = self.load()
        patched, saved = apply_patch(before.to_dict(), done["patch"]), state.to_dict()
        assert patched | {"last_updated_at": saved["last_updated_at"]} == saved  # it is set by the save
        (action,) = list_actions(state)
        assert (action["by"], action["action"]) == ("Alice", name)
        assert action["details"]["reason"] == "asked to"
        assert started <= action["at"] <= to_epoch(utc_now())
        (backup,) = self.path.parent.glob(f"mine.{name}-backup-*.json")
        assert backup.read_bytes() == original
        state.perform_integrity_check()
        assert prove(state).is_balanced
        assert self.ask(name, 409, confirm=preview["confirm"], **fields)  # not twice
        return state, done


@pytest.fixture
def make_office(tmp_path: Path) -> Iterator[Any]:
    folder = tmp_path / "served"
    folder.mkdir()
    path = folder / "mine.json"
    with browse(folder, settings=Settings(rate=0, access=Access(operate_token=OPERATE))) as browser:

        def make(fails: Any) -> Office:
            state = run_operated(tmp_path, fails)
            with JSONFileStore(path) as store:
                store.sync(state)
            return Office(browser, path)

        yield make


def test_a_check_is_recorded_with_its_outcome(make_office: Any):
    office = make_office(fail_always)
    state, done = office.check("check")
    (action,) = list_actions(state)
    outcome = action["details"]["outcome"]
    assert re.search(r"validate: \d+ checks passed; check-trades: \d+ to look at; audit: \d+ balanced", outcome)
    changed = {item["path"]: item for item in done["patch"]}
    # What was there before is told beside what is new.
    assert {path for path, item in changed.items() if item["op"] == "add"} == {
        path for path, item in changed.items() if "old" not in item
    }


def test_a_position_is_sold(make_office: Any):
    office = make_office(fail_never)
    state, done = office.check("close-position", position_id=1, data=[DATA])
    (position,) = state.portfolio.closed_positions.values()
    sale = position.get_last_trade()
    assert done["trades"] == [
        {
            "trade_id": sale.trade_id,
            "position_id": 1,
            "ticker": sale.pair.get_ticker(),
            "quantity": f"{sale.executed_quantity:f}",
            "price": sale.executed_price,
            "status": "success",
            "failure": None,
        }
    ]
    assert list_actions(state)[0]["details"]["position_id"] == 1


def test_a_position_is_written_off(make_office: Any):
    office = make_office(fail_never)
    state, done = office.check("close-position", position_id=1, write_off=True)
    assert done["trades"] == []
    assert state.portfolio.closed_positions[1].is_closed()


def test_a_failed_trade_is_retried(make_office: Any):
    office = make_office(fail_always)
    failed = [trade.trade_id for trade in office.load().portfolio.get_all_trades() if trade.is_failed()]
    assert len(failed) == 1
    tolerant = office.load()
    for trade in tolerant.portfolio.get_all_trades():
        trade.slippage_tolerance = 0.3  # the price of the retry is that of months later
    with JSONFileStore(office.path) as store:
        store.load()
        store.sync(tolerant)
    state, done = office.check("retry", data=[DATA], trade_ids=failed)
    assert [(trade["trade_id"], trade["status"]) for trade in done["trades"]] == [(failed[0], "success")]
    assert list_actions(state)[0]["details"]["trade_ids"] == failed
    assert not state.portfolio.frozen_positions


def test_without_anything_to_retry_nothing_is_confirmed_or_recorded(make_office: Any):
    office = make_office(fail_never)
    answer = office.ask("retry", data=[DATA])
    assert answer["note"] == "there is nothing to do: no trade has failed"
    assert (answer["is_done"], answer["confirm"], answer["patch"], answer["trades"]) == (False, None, [], [])


# --- Refusals


def refuse(office: Office, name: str, status: int = 409, **fields: Any) -> dict[str, Any]:
    """The problem of a refused command, which must have changed nothing, previewed or confirmed."""
    before = office.path.read_bytes()
    problem = office.ask(name, status, **fields)
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert office.path.read_bytes() == before
    return problem


def run_command_line(office: Office, *arguments: str) -> str:
    """What the command line says about the same."""
    result = CliRunner().invoke(app, [arguments[0], str(office.path), *arguments[1:], "--yes"], env={"COLUMNS": "300"})
    assert result.exit_code == 1
    return " ".join(result.output.split())


def test_a_retry_of_a_trade_that_has_not_failed_is_explained(make_office: Any):
    office = make_office(fail_never)
    problem = refuse(office, "retry", data=[DATA], trade_ids=[77])
    assert problem["detail"] == "trade #77 is not a failed trade of an open or frozen position. Failed: none."
    told = run_command_line(office, "retry", "--data", DATA, "--trade", "77")
    assert problem["detail"].split(". ")[0] in told


def test_a_retry_that_can_send_nothing_is_refused_with_the_reason_of_each_trade(make_office: Any):
    office = make_office(fail_always)
    problem = refuse(office, "retry", data=["goog-daily"])
    assert problem["detail"].startswith(
        "no trade can be tried again: trade #1: the market data has no price of BTC-USD"
    )
    reason = problem["detail"].split("trade #1: ")[1]
    assert reason in run_command_line(office, "retry", "--data", "goog-daily")


def test_a_retry_of_real_transactions_says_what_to_do(make_office: Any):
    office = make_office(fail_always)
    state = office.load()
    (trade,) = (trade for trade in state.portfolio.get_all_trades() if trade.is_failed())
    trade.blockchain_transactions[-1].tx_hash = "0x" + "ab" * 32
    with JSONFileStore(office.path) as store:
        store.load()
        store.sync(state)
    problem = refuse(office, "retry", data=[DATA])
    assert "real blockchain transaction" in problem["detail"]
    assert "Give the command to the running strategy" in problem["remedy"]
    told = run_command_line(office, "retry", "--data", DATA)
    assert problem["detail"] in told
    assert "--chain" in told  # the same advice, in terms of a command line


@pytest.mark.parametrize(
    ("name", "fields", "detail", "remedy"),
    [
        ("resume", {}, "the strategy is not paused", None),
        ("close-position", {"position_id": 9}, "there is no position #9. Open or frozen: #1.", None),
        ("close-position", {"position_id": 1}, "position #1 holds", "set `write_off`"),
        ("close-position", {"position_id": 1, "data": ["goog-daily"]}, "no price of BTC-USD", None),
    ],
)
def test_a_refusal_says_why_and_what_to_do(
    make_office: Any, name: str, fields: dict[str, Any], detail: str, remedy: str | None
):
    problem = refuse(make_office(fail_never), name, **fields)
    assert detail in problem["detail"]
    assert remedy is None or remedy in problem["remedy"]


def test_a_position_with_a_failed_trade_is_not_closed_before_it_is_repaired(make_office: Any):
    problem = refuse(make_office(fail_always), "close-position", position_id=1, write_off=True)
    assert "failed trades that are not repaired" in problem["detail"]
    assert "check-trades" in problem["remedy"]


def test_a_strategy_that_runs_elsewhere_is_not_changed(make_office: Any):
    office = make_office(fail_never)
    confirm = office.ask("pause")["confirm"]
    with JSONFileStore(office.path) as store:
        store.acquire_writer_lock()
        problem = refuse(office, "pause", confirm=confirm)
    assert problem["detail"].startswith("the state is being written by process ")
    assert str(office.path) not in problem["detail"]
    assert "stop it first" in problem["remedy"]


def test_trades_that_are_left_alone_are_named_beside_those_that_are_tried(
    make_office: Any, monkeypatch: pytest.MonkeyPatch
):
    office = make_office(fail_always)
    state = office.load()
    (failed,) = (trade for trade in state.portfolio.get_all_trades() if trade.is_failed())

    def retry_one(state: State, request: object) -> RetryReport:
        return RetryReport(None, RepairResult(new_trades=[failed], left_alone={7: "it lacks money"}), {})

    monkeypatch.setattr(operating, "retry_failed_trades", retry_one)
    answer = office.ask("retry", data=[DATA])
    assert [trade["trade_id"] for trade in answer["trades"]] == [failed.trade_id]
    assert answer["left_alone"] == [{"trade_id": 7, "reason": "it lacks money"}]
    assert answer["confirm"]


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (NotEnoughMoney("5 USDC are needed"), 409, "USDC"),
        (UncleanState("trade #3 is in flight"), 409, "trade #3 is in flight"),
        (ChainUnavailable("the node does not answer"), 503, "the node does not answer"),
        (SaveFailed("/x/y.json", OSError(28, "No space left"), in_place=False, advice=""), 503, "nothing has changed"),
        (KeyError("/secret/path"), 500, "the log of the server has the details"),
    ],
)
def test_an_error_in_a_command_has_its_text_and_a_status(
    make_office: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, detail: str
):
    office = make_office(fail_never)

    def fail(*unused: object) -> None:
        raise error

    monkeypatch.setattr(operating, "pause", fail)
    problem = refuse(office, "pause", status)
    assert detail in problem["detail"]
    assert "/x/y.json" not in problem["detail"]


def test_every_remedy_of_these_commands_has_words():
    modules = (candle_market, close_position, live_trading, operator_commands, retry)
    named = {name for module in modules for name in re.findall(r"Remedy\.(\w+)", inspect.getsource(module))}
    assert len(named) >= 6
    assert all(describe_remedy(Remedy[name]) for name in named)
    assert describe_remedy(None) is None


# --- The queue of a running strategy


def test_a_command_that_waits_too_long_is_withdrawn(make_office: Any, monkeypatch: pytest.MonkeyPatch):
    office = make_office(fail_never)
    monkeypatch.setattr(operating, "_LIVE_WAIT", 0.01)
    queue = office.browser.site.queues["mine"] = CommandQueue()
    assert "busy" in office.ask("pause", 503)["detail"]
    waiting = queue._waiting.get_nowait()  # pyright: ignore[reportPrivateUsage]
    assert waiting.outcome.cancelled()


def test_candles_are_not_the_market_of_a_running_strategy(make_office: Any):
    office = make_office(fail_never)
    office.browser.site.queues["mine"] = CommandQueue()
    assert "its own market" in office.ask("close-position", 400, position_id=1, data=[DATA])["detail"]


def test_a_strategy_that_has_stopped_refuses_commands(make_office: Any):
    office = make_office(fail_never)
    queue = office.browser.site.queues["mine"] = CommandQueue()
    asked = queue.submit(lambda books, now: None)
    queue.close()
    with pytest.raises(OperationRefused, match="has stopped"):
        asked.result(0)
    assert "has stopped" in office.ask("pause", 409)["detail"]


def test_an_error_of_a_command_that_trades_ends_the_strategy_and_others_do_not():
    queue, books = CommandQueue(), Books()

    def fail(books: object, now: object) -> None:
        raise KeyError("a defect")

    for may_trade, harmless in ((False, False), (True, True)):
        outcome = queue.submit(fail, may_trade=may_trade)
        queue.run_all(books, lambda error, harmless=harmless: harmless)  # pyright: ignore[reportArgumentType]
        with pytest.raises(KeyError):
            outcome.result(0)
    outcome = queue.submit(fail, may_trade=True)
    with pytest.raises(KeyError):
        queue.run_all(books)  # pyright: ignore[reportArgumentType]
    assert isinstance(outcome.exception(0), KeyError)


class Books:
    """Books of which nothing but the time is needed."""

    clock = staticmethod(utc_now)
