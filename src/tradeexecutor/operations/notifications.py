"""Messages to people about a running strategy: trades, failures, deposits, missed decisions, a daily summary, a crash.

Messages are sent by a thread of their own from a bounded queue, so that a receiver that fails or hangs never delays a
decision; what it misses is logged. Receivers are addresses of apprise (mail, Telegram, Discord, Slack, webhooks ...),
which is the extra ``tradeexecutor[notify]``.
"""

import contextlib
import datetime
import enum
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from tradeexecutor.operations.error_text import describe_error
from tradeexecutor.state.balance_update import INVESTOR_FLOWS
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.display.formatting import format_percent, format_price, format_quantity, format_usd
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["AppriseReceiver", "Event", "JobNotifier", "Message", "Notifier", "Receiver", "StateWatcher"]

logger = logging.getLogger(__name__)

#: Largest number of messages that wait for the receiver.
_QUEUE_SIZE = 1_000

#: Longest time to wait for the last messages at the end, seconds.
_LAST_WAIT = 10.0


class Event(enum.StrEnum):
    """What a message is about."""

    trade = "trade"
    failure = "failure"
    deposit = "deposit"
    missed_cycle = "missed_cycle"
    summary = "summary"
    crash = "crash"


@dataclass(frozen=True, slots=True)
class Message:
    """A message to people."""

    event: Event
    title: str
    text: str


class Receiver(Protocol):
    """Where messages go."""

    def send(self, message: Message) -> None:
        """Deliver a message; any error means that it was not delivered."""
        ...


class AppriseReceiver:
    """Addresses of apprise.

    Parameters
    ----------
    addresses
        See the documentation of apprise, e.g. ``mailto://...``, ``tgram://...``, ``json://host/path``.

    Raises
    ------
    OperationRefused
        apprise is not installed, or an address is not one. Addresses contain passwords and are never repeated.
    """

    def __init__(self, addresses: Sequence[str]):
        try:
            import apprise
        except ImportError:
            raise OperationRefused(
                "notifications need the package apprise", "pip install 'tradeexecutor[notify]'"
            ) from None
        # apprise logs addresses.
        logging.getLogger("apprise").setLevel(logging.CRITICAL)
        self._apprise: Any = apprise.Apprise()
        for number, address in enumerate(addresses, 1):
            if not self._apprise.add(address):
                scheme = address.partition("://")[0]
                raise OperationRefused(
                    f"notification address {number} ({scheme}://...) is of no kind that apprise supports"
                )

    def send(self, message: Message) -> None:
        """Send a message to all addresses; raises `OSError` if one of them has failed."""
        if not self._apprise.notify(title=message.title, body=message.text):
            raise OSError("a receiver did not accept the message")


class Notifier:
    """Queue and thread that send messages; a context manager that waits a moment for the last ones.

    Attributes
    ----------
    lost
        Number of messages that were not delivered.
    """

    def __init__(self, receiver: Receiver, size: int = _QUEUE_SIZE):
        self.lost = 0
        self._receiver = receiver
        self._waiting: queue.Queue[Message | None] = queue.Queue(size)
        self._thread = threading.Thread(target=self._send_all, name="notifications", daemon=True)
        self._thread.start()

    def post(self, message: Message) -> None:
        """Queue a message and return at once."""
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self.lost += 1
            logger.warning("Too many notifications wait, this one is lost: %s", message.title)

    def _send_all(self) -> None:
        while (message := self._waiting.get()) is not None:
            try:
                self._receiver.send(message)
            except Exception as error:  # of any library behind the receiver
                self.lost += 1
                logger.warning("The notification was not delivered (%s): %s", type(error).__name__, message.title)

    def close(self, timeout: float = _LAST_WAIT) -> None:
        """Wait for the messages that are queued, at most for a number of seconds."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=timeout)
        self._thread.join(timeout)


@dataclass(slots=True)
class StateWatcher:
    """What has happened in a state since the last look at it.

    Attributes
    ----------
    cycle
        Time between decisions.
    """

    cycle: datetime.timedelta
    _settled: set[int] = field(default_factory=set[int], init=False, repr=False)
    _flows: int = field(default=0, init=False, repr=False)
    _cycle_at: datetime.datetime | None = field(default=None, init=False, repr=False)
    _day: datetime.date | None = field(default=None, init=False, repr=False)
    _equity: float = field(default=0.0, init=False, repr=False)

    def begin(self, state: State, now: datetime.datetime) -> None:
        """Record a state; nothing that it contains is notified."""
        self._settled = {trade.trade_id for trade in state.portfolio.get_all_trades() if _is_settled(trade)}
        self._flows = len(state.sync.treasury.balance_update_refs)
        self._cycle_at = state.last_cycle_at
        self._day, self._equity = now.date(), state.portfolio.get_net_asset_value()

    def look(self, state: State, now: datetime.datetime) -> list[Message]:
        """Return what is new, oldest first."""
        news = [*self._look_at_cycles(state), *self._look_at_flows(state), *self._look_at_trades(state)]
        if now.date() != self._day:
            news.append(self._summarise(state, now))
        return news

    def _look_at_cycles(self, state: State) -> list[Message]:
        before, self._cycle_at = self._cycle_at, state.last_cycle_at
        if before is None or self._cycle_at is None or self._cycle_at - before <= self.cycle:
            return []
        missed = (self._cycle_at - before) // self.cycle - 1
        text = f"There was no decision between {before:%Y-%m-%d %H:%M} and {self._cycle_at:%Y-%m-%d %H:%M} UTC."
        return [Message(Event.missed_cycle, f"{missed} decisions were missed", text)] if missed else []

    def _look_at_flows(self, state: State) -> list[Message]:
        refs = state.sync.treasury.balance_update_refs[self._flows :]
        self._flows += len(refs)
        return [
            Message(Event.deposit, f"{ref.cause.value} of {format_usd(abs(ref.usd_value or 0.0))} USD", "It is booked.")
            for ref in refs
            if ref.cause in INVESTOR_FLOWS
        ]

    def _look_at_trades(self, state: State) -> list[Message]:
        portfolio = state.portfolio
        settled = portfolio.add_up_closed(_list_settled, _Settled, "settled trades").positions
        new_ids = settled.keys() - self._settled
        new = [portfolio.closed_positions[settled[number]].trades[number] for number in new_ids]
        for table in (portfolio.open_positions, portfolio.frozen_positions):
            trades = (trade for position in table.values() for trade in position.trades.values())
            new += [trade for trade in trades if trade.trade_id not in self._settled and _is_settled(trade)]
        self._settled |= {trade.trade_id for trade in new}
        return [_describe_trade(trade) for trade in sorted(new, key=lambda trade: trade.trade_id)]

    def _summarise(self, state: State, now: datetime.datetime) -> Message:
        portfolio = state.portfolio
        equity, before = portfolio.get_net_asset_value(), self._equity
        change = f", {format_percent(equity / before - 1)} since the last summary" if before > 0 else ""
        self._day, self._equity = now.date(), equity
        text = (
            f"{len(portfolio.open_positions)} positions are open, {len(portfolio.frozen_positions)} are frozen, "
            f"{format_usd(portfolio.get_cash())} USD are cash. Deposits are part of the change."
        )
        return Message(Event.summary, f"Equity {format_usd(equity)} USD{change}", text)


class _Settled:
    """Settled trades of positions.

    Attributes
    ----------
    positions
        Trade id -> position id.
    """

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}

    def extend(self, positions: Sequence[tuple[int, list[int]]]) -> None:
        """Add positions, see `_list_settled`."""
        for position_id, trade_ids in positions:
            self.positions |= dict.fromkeys(trade_ids, position_id)


def _list_settled(position: TradingPosition) -> tuple[int, list[int]]:
    """Return the id of a position and those of its settled trades."""
    return position.position_id, [number for number, trade in position.trades.items() if _is_settled(trade)]


def _is_settled(trade: TradeExecution) -> bool:
    return trade.executed_at is not None or trade.failed_at is not None


def _describe_trade(trade: TradeExecution) -> Message:
    action = f"{'Buy' if trade.is_buy() else 'Sell'} #{trade.trade_id} {trade.pair.get_ticker()}"
    if trade.executed_at is None:
        reasons = [tx.revert_reason for tx in trade.blockchain_transactions if tx.revert_reason]
        return Message(Event.failure, f"{action} failed", "; ".join(reasons) or "No reason is recorded.")
    quantity = format_quantity(abs(trade.get_position_quantity()))
    text = f"{quantity} at {format_price(trade.executed_price)}, {format_usd(trade.get_value())} USD."
    return Message(Event.trade, action, text)


class JobNotifier:
    """Messages about the jobs of a loop; a context manager around the loop.

    Parameters
    ----------
    name
        Name of the strategy, at the start of each title.
    notifier
        Sends the messages; it is closed at the end.
    cycle
        Time between decisions.
    clock
        Returns the time, naive UTC.
    """

    def __init__(
        self,
        name: str,
        notifier: Notifier,
        cycle: datetime.timedelta,
        clock: Callable[[], datetime.datetime] = utc_now,
    ):
        self._name = name
        self._notifier = notifier
        self._watcher = StateWatcher(cycle)
        self._clock = clock
        self._state: State | None = None
        self._problem = ""

    def on_start(self, state: State) -> None:
        """Record the state at the start of the loop."""
        self._state = state
        self._watcher.begin(state, self._clock())

    def on_job(self, job: str, error: Exception | None) -> None:
        """Report what a job has done; of repeated failures only the first one."""
        problem = "" if error is None else describe_error(error)
        if problem and problem != self._problem:
            self._post(Message(Event.failure, f"{job} failed", f"{problem} The next one tries again."))
        self._problem = problem
        if self._state is not None:
            for message in self._watcher.look(self._state, self._clock()):
                self._post(message)

    def _post(self, message: Message) -> None:
        self._notifier.post(Message(message.event, f"{self._name}: {message.title}", message.text))

    def __enter__(self) -> "JobNotifier":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._post(Message(Event.crash, "the program has stopped", describe_error(error)))
        self._notifier.close()
