"""Notifications: what is told, to a webhook on loopback, and that a receiver which fails delays nothing."""

import datetime
import threading

import pytest

from tests.kit.markets import START, at_cycle, buy, flat, run, sell
from tests.kit.portfolios import record_flow
from tests.kit.webhook import serve_webhook
from tradeexecutor.operations.notifications import AppriseReceiver, Event, JobNotifier, Message, Notifier, StateWatcher
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State

HOUR = datetime.timedelta(hours=1)


class Kept:
    """A receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)


class Hanging(Kept):
    """A receiver that hangs until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def send(self, message: Message) -> None:
        self.released.wait(20)
        super().send(message)


class Failing:
    def send(self, message: Message) -> None:
        raise OSError("no network")


def make_message(title: str = "Hello") -> Message:
    return Message(Event.trade, title, "text")


def make_traded(failing: int = 0) -> State:
    """A buy at the start, and a sale four hours later."""
    plans = {1: buy(1_000.0), 5: sell}
    return run([flat(100)] * 6, at_cycle(plans), failures=lambda trade: trade.trade_id == failing).state


# --- What is told


def test_trades_and_failures_are_told_once():
    watcher = StateWatcher(HOUR)
    watcher.begin(State(created_at=START), START)
    news = watcher.look(make_traded(failing=2), START)
    assert [(item.event, item.title) for item in news] == [
        (Event.deposit, "deposit of 10,000.00 USD"),
        (Event.trade, "Buy #1 BTC-USD"),
        (Event.failure, "Sell #2 BTC-USD failed"),
    ]
    assert news[1].text == "10 at 100, 1,000.00 USD."
    assert news[2].text == "simulated failure"
    assert watcher.look(make_traded(failing=2), START) == []


def test_what_was_there_at_the_start_is_no_news():
    state = make_traded()
    watcher = StateWatcher(HOUR)
    watcher.begin(state, START)
    assert watcher.look(state, START) == []


def test_missed_decisions_are_told():
    state = State(created_at=START)
    state.last_cycle_at = START
    watcher = StateWatcher(HOUR)
    watcher.begin(state, START)
    state.last_cycle_at = START + HOUR
    assert watcher.look(state, START) == []
    state.last_cycle_at = START + 4 * HOUR
    (missed,) = watcher.look(state, START)
    assert (missed.event, missed.title) == (Event.missed_cycle, "2 decisions were missed")


def test_a_new_day_has_a_summary():
    state = make_traded()
    watcher = StateWatcher(HOUR)
    watcher.begin(state, START)
    (summary,) = watcher.look(state, START + 24 * HOUR)
    assert summary.event is Event.summary
    assert summary.title == "Equity 10,000.00 USD, 0.00 % since the last summary"
    assert watcher.look(state, START + 25 * HOUR) == []


def test_a_loop_tells_failures_once_and_its_end():
    kept = Kept()
    state = State(created_at=START)

    def loop() -> None:
        with JobNotifier("mine", Notifier(kept), HOUR, lambda: START) as jobs:
            jobs.on_start(state)
            for problem in (OSError("no node"), OSError("no node"), None, OSError("no node")):
                jobs.on_job("decision", problem)
            record_flow(state, 0, 250)
            jobs.on_job("triggers", None)
            raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError):
        loop()
    assert [(item.event, item.title) for item in kept.messages] == [
        (Event.failure, "mine: decision failed"),
        (Event.failure, "mine: decision failed"),
        (Event.deposit, "mine: deposit of 250.00 USD"),
        (Event.crash, "mine: the program has stopped"),
    ]


# --- Receivers


def test_a_receiver_that_hangs_delays_nothing_and_gets_what_fits():
    hanging = Hanging()
    notifier = Notifier(hanging, size=3)
    for number in range(10):  # would wait twenty seconds for each, if posting waited
        notifier.post(make_message(str(number)))
    assert notifier.lost >= 6
    assert hanging.messages == []
    hanging.released.set()
    notifier.close()
    assert len(hanging.messages) == 10 - notifier.lost
    assert hanging.messages[0].title == "0"


def test_a_receiver_that_fails_loses_messages_and_nothing_else(caplog: pytest.LogCaptureFixture):
    notifier = Notifier(Failing())
    notifier.post(make_message("one"))
    notifier.post(make_message("two"))
    notifier.close()
    assert notifier.lost == 2
    assert "not delivered (OSError): one" in caplog.text


# --- apprise and a webhook


#: apprise imports a module that Python 3.13 no longer has.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def test_a_webhook_receives_a_message():
    pytest.importorskip("apprise")
    with serve_webhook() as (address, received):
        notifier = Notifier(AppriseReceiver([address]))
        notifier.post(make_message("Buy #1 ETH-USD"))
        notifier.close()
    assert notifier.lost == 0
    assert [(item["title"], item["message"]) for item in received] == [("Buy #1 ETH-USD", "text")]


def test_an_address_that_nobody_answers_is_a_lost_message():
    pytest.importorskip("apprise")
    notifier = Notifier(AppriseReceiver(["json://127.0.0.1:9/"]))
    notifier.post(make_message())
    notifier.close()
    assert notifier.lost == 1


def test_a_wrong_address_is_refused_without_its_password():
    pytest.importorskip("apprise")
    with pytest.raises(OperationRefused, match=r"address 2 \(nonsense://\.\.\.\)") as refused:
        AppriseReceiver(["json://localhost/", "nonsense://user:secret@host"])
    assert "secret" not in str(refused.value)
