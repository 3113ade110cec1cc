"""Commands of operators: previewed, then confirmed, and recorded in the state with the name of who gave them.

A command without ``confirm`` changes nothing: the answer has the changes that it would make as a JSON Patch, and a text
to confirm exactly them. With that text it is carried out, unless the state has changed in between.

A strategy that this process runs gets its commands through a queue: its own thread carries them out between two jobs,
and trades with its own models. What the market gives cannot be previewed, so the preview of such a trade names what is
sold at which price.
"""

import dataclasses
import datetime
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec

from tradeexecutor.backtest.dataset import list_datasets
from tradeexecutor.operations.close_position import CloseRequest, choose_positions, close_positions, is_empty
from tradeexecutor.operations.live_trading import (
    LiveBooks,
    PlannedSale,
    find_obstacles,
    list_failed_trades,
    plan_sales,
    require_clean,
    retry_live,
    sell_positions,
    settle_books,
)
from tradeexecutor.operations.operator_commands import (
    CommandQueue,
    Job,
    change_running,
    pause,
    record_action,
    resume,
)
from tradeexecutor.operations.retry import RetryRequest, retry_failed_trades
from tradeexecutor.operations.run_checks import run_checks, summarise_runs
from tradeexecutor.operations.state_change import Change, prepare_change
from tradeexecutor.state.codec.json_patch import Change as Difference
from tradeexecutor.state.codec.json_patch import find_changes
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.sources import Strategy

__all__ = ["COMMANDS", "CommandAnswer", "CommandName", "CommandRequest", "carry_out"]

CommandName = Literal["pause", "resume", "close-position", "retry", "check"]

#: Longest time until a running strategy comes to a command between two jobs, seconds.
_LIVE_WAIT = 30.0

_DataSet = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,60}(:[A-Za-z0-9-]{1,40})?$")]


class CommandRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command.

    Attributes
    ----------
    by
        Name of the operator, for the record.
    reason
        Why, for the record.
    confirm
        Text of the preview; None asks for a preview.
    position_id
        Position to close.
    write_off
        Whether a position that holds something is written off.
    data
        Data sets of the program at whose prices a simulation sells or retries. A strategy that runs in this process
        trades with its own market instead.
    trade_ids
        Trades to retry; empty for all failed ones.
    """

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    reason: Annotated[str, msgspec.Meta(max_length=1_000)] = ""
    confirm: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    position_id: Annotated[int, msgspec.Meta(ge=1)] | None = None
    write_off: bool = False
    data: list[_DataSet] = msgspec.field(default_factory=list[_DataSet])
    trade_ids: list[int] = msgspec.field(default_factory=list[int])


class CommandTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade of a command.

    Attributes
    ----------
    trade_id
        Id of the trade; None for one that is not planned yet.
    position_id
        Its position.
    ticker
        Pair, e.g. ``WETH-USDC``.
    quantity
        Token units as text, negative for a sale: executed, or planned if nothing was executed.
    price
        USD for a token unit: executed, or expected if nothing was executed.
    status
        Status of the trade, e.g. ``success`` or ``failed``; ``expected`` in the preview of a running strategy.
    failure
        Why it failed; None otherwise.
    """

    trade_id: int | None
    position_id: int
    ticker: str
    quantity: str
    price: float | None
    status: str
    failure: str | None = None


class LeftAlone(msgspec.Struct, frozen=True, kw_only=True):
    """A failed trade that a retry does not send again.

    Attributes
    ----------
    trade_id
        Id of the trade.
    reason
        Why it cannot be sent.
    """

    trade_id: int
    reason: str


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command changed, or would change.

    Attributes
    ----------
    is_done
        Whether it was carried out.
    confirm
        Text that confirms the preview; None when it was carried out, or would change nothing.
    patch
        The changes as a JSON Patch, with the value before as ``old``. It is empty in the preview of a trade of a
        running strategy, because only the market decides what comes out.
    trades
        The trades that were made, or would be made.
    left_alone
        Failed trades that were not tried again, or would not be. If there are no others, the command is refused.
    note
        Why nothing would change; None if something would.
    """

    is_done: bool
    confirm: str | None
    patch: list[dict[str, Any]]
    trades: list[CommandTrade] = []
    left_alone: list[LeftAlone] = []
    note: str | None = None


@dataclass(frozen=True, slots=True)
class TradesOfChange:
    """The trades that a change made, and the reasons for those that it left alone, by trade id."""

    made: Sequence[TradeExecution] = ()
    left_alone: Mapping[int, str] = field(default_factory=dict[int, str])


#: Makes a change, and returns its trades.
TradingChange = Change[TradesOfChange]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command changed, or would change, its trades, and the reasons for those left alone, by trade id."""

    patch: list[dict[str, Any]]
    trades: list[CommandTrade]
    left_alone: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def is_empty(self) -> bool:
        """Return True if the command changes nothing."""
        return not self.patch and not self.trades


def _pause(request: CommandRequest, strategy: Strategy) -> TradingChange:
    def change(state: State, now: datetime.datetime) -> TradesOfChange:
        pause(state, now, request.by, request.reason)
        return TradesOfChange()

    return change


def _resume(request: CommandRequest, strategy: Strategy) -> TradingChange:
    def change(state: State, now: datetime.datetime) -> TradesOfChange:
        resume(state, now, request.by, request.reason)
        return TradesOfChange()

    return change


def _require_position(request: CommandRequest) -> int:
    if request.position_id is None:
        raise ProblemRaised(400, "position_id is missing")
    return request.position_id


def _close(request: CommandRequest, strategy: Strategy) -> TradingChange:
    number = _require_position(request)
    wanted = CloseRequest(position_ids=(number,), write_off=request.write_off, data=_check_data(request.data))

    def close(state: State, now: datetime.datetime) -> TradesOfChange:
        report = close_positions(state, now, wanted)
        record_action(state, now, request.by, "close-position", reason=request.reason, position_id=number)
        position = state.portfolio.get_position_by_id(number)
        return TradesOfChange([position.trades[item.trade_id] for item in report.items if item.trade_id is not None])

    return close


def _check(request: CommandRequest, strategy: Strategy) -> TradingChange:
    """Run the checks on the newest save, and record their outcome. They run here, not in the thread of the strategy."""
    outcome = summarise_runs(run_checks(strategy.read().snapshot.text, strategy.place))

    def record(state: State, now: datetime.datetime) -> TradesOfChange:
        record_action(state, now, request.by, "check", reason=request.reason, outcome=outcome)
        return TradesOfChange()

    return record


def _retry(request: CommandRequest, strategy: Strategy) -> TradingChange:
    wanted = RetryRequest(data=_check_data(request.data), trade_ids=frozenset(request.trade_ids))

    def retry(state: State, now: datetime.datetime) -> TradesOfChange:
        result = retry_failed_trades(state, wanted).result
        trades = result.new_trades
        if trades:
            numbers = [trade.trade_id for trade in trades]
            record_action(state, now, request.by, "retry", reason=request.reason, trade_ids=numbers)
        else:
            _require_no_obstacles(result.left_alone)
        return TradesOfChange(trades, result.left_alone)

    return retry


def _require_no_obstacles(left_alone: Mapping[int, str]) -> None:
    """Refuse a retry that would send no trade at all, with the reason for each."""
    if left_alone:
        reasons = "; ".join(f"trade #{number}: {reason}" for number, reason in left_alone.items())
        raise OperationRefused(f"no trade can be tried again: {reasons}")


def _check_data(names: list[str]) -> tuple[str, ...]:
    """Return names of data sets of the program; raises `ProblemRaised` for others, which could be files."""
    known = set(list_datasets())
    unknown = [name for name in names if name.partition(":")[0] not in known]
    if unknown:
        raise ProblemRaised(400, f"there is no data set {unknown[0]}; there are {', '.join(sorted(known))}")
    return tuple(names)


COMMANDS: dict[str, Callable[[CommandRequest, Strategy], TradingChange]] = {
    "pause": _pause,
    "resume": _resume,
    "close-position": _close,
    "retry": _retry,
    "check": _check,
}


# --- A strategy that this process runs


def _close_live(request: CommandRequest, books: LiveBooks, *, is_preview: bool) -> Outcome:
    """Sell a position with the models of the strategy; a preview only asks for the price."""
    number = _require_position(request)
    sales = plan_sales(books, CloseRequest(position_ids=(number,)))
    if is_preview:
        return Outcome([], [_describe_sale(sale) for sale in sales])
    record_action(books.state, books.clock(), request.by, "close-position", reason=request.reason, position_id=number)
    return Outcome([], [_describe_trade(trade) for trade in sell_positions(books, sales)])


def _retry_live(request: CommandRequest, books: LiveBooks, *, is_preview: bool) -> Outcome:
    """Try failed trades again with the models of the strategy."""
    trades = list_failed_trades(books, frozenset(request.trade_ids))
    obstacles = find_obstacles(books, trades)
    if len(obstacles) == len(trades):
        _require_no_obstacles(obstacles)
    if is_preview or not trades:
        return Outcome([], [_describe_trade(trade) for trade in trades], obstacles)
    numbers = [trade.trade_id for trade in trades]
    record_action(books.state, books.clock(), request.by, "retry", reason=request.reason, trade_ids=numbers)
    result = retry_live(books, trades)
    return Outcome([], [_describe_trade(trade) for trade in result.new_trades], result.left_alone)


_LIVE: dict[str, Callable[..., Outcome]] = {"close-position": _close_live, "retry": _retry_live}


def _make_live_job(
    name: str, request: CommandRequest, change: TradingChange, check: Callable[[], None], *, is_preview: bool
) -> Job[Outcome]:
    """Return what the thread of the strategy does: it trades, or makes a change of the books only.

    Positions that are empty or written off are closed in the books. The action is recorded before a transaction is
    sent, so that it is on the disk whatever happens then.
    """

    def run(books: LiveBooks, now: datetime.datetime) -> Outcome:
        check()
        is_trade = name in _LIVE and not _is_closed_in_books(books.state, name, request)
        if is_trade:
            if not is_preview:
                settle_books(books)
            require_clean(books.state)
        else:
            preview = change_running(change, preview=is_preview)(books, now)
            return _describe_change(preview.changes, preview.result)
        before = books.state.to_dict()
        outcome = _LIVE[name](request, books, is_preview=is_preview)
        changes = [] if is_preview else find_changes(before, books.state.to_dict())
        return dataclasses.replace(outcome, patch=_to_patch(changes))

    return run


def _is_closed_in_books(state: State, name: str, request: CommandRequest) -> bool:
    if name != "close-position":
        return False
    (position,) = choose_positions(state, CloseRequest(position_ids=(_require_position(request),)))
    return request.write_off or is_empty(position)


def _to_patch(changes: Iterable[Difference]) -> list[dict[str, Any]]:
    return [change.to_operation(with_old=True) for change in changes]


def _describe_change(changes: Iterable[Difference], trades: TradesOfChange) -> Outcome:
    return Outcome(_to_patch(changes), [_describe_trade(trade) for trade in trades.made], trades.left_alone)


def _describe_sale(sale: PlannedSale) -> CommandTrade:
    return CommandTrade(
        trade_id=None,
        position_id=sale.position.position_id,
        ticker=sale.position.pair.get_ticker(),
        quantity=f"{-sale.quantity:f}",
        price=sale.pricing.price,
        status="expected",
    )


def _describe_trade(trade: TradeExecution) -> CommandTrade:
    quantity = trade.executed_quantity if trade.is_success() else trade.planned_quantity
    return CommandTrade(
        trade_id=trade.trade_id,
        position_id=trade.position_id,
        ticker=trade.pair.get_ticker(),
        quantity=f"{quantity:f}",
        price=trade.executed_price if trade.is_success() else trade.planned_price,
        status=trade.get_status().value,
        failure=trade.get_revert_reason() if trade.is_failed() else None,
    )


# --- Carrying out


def carry_out(strategy: Strategy, queue: CommandQueue | None, name: str, request: CommandRequest) -> CommandAnswer:
    """Preview a command, or carry it out. Waits for the strategy, so it is called in a thread.

    Raises
    ------
    ProblemRaised
        The command does not exist, the preview that was confirmed is out of date, or the strategy is busy.
    OperationRefused, StateFileError, OSError
        The command is refused, or the state cannot be read or written; `StoreLocked` if another process runs the
        strategy.
    """
    if name not in COMMANDS:
        raise ProblemRaised(404, f"there is no command {name}; there are {', '.join(COMMANDS)}")
    change = COMMANDS[name](request, strategy)
    expected = _make_confirmation(strategy.read().key, name, request)
    is_preview = request.confirm is None

    def check() -> None:
        if not is_preview and request.confirm != _make_confirmation(strategy.read().key, name, request):
            raise ProblemRaised(409, "the state or the command has changed since the preview; ask for a new one")

    check()
    if queue is not None:
        if request.data:
            raise ProblemRaised(400, "a running strategy trades in its own market; leave data out")
        job = _make_live_job(name, request, change, check, is_preview=is_preview)
        outcome = _wait(queue.submit(job, may_trade=not is_preview))
    else:
        with prepare_change(strategy.place, change, preview_only=is_preview) as prepared:
            outcome = _describe_change(prepared.preview.changes, prepared.result)
            if not is_preview and not outcome.is_empty:
                check()
                prepared.save(f"{name}-backup")
    is_done = not is_preview and not outcome.is_empty
    confirm = expected if is_preview and not outcome.is_empty else None
    return CommandAnswer(
        is_done=is_done,
        confirm=confirm,
        patch=outcome.patch,
        trades=outcome.trades,
        left_alone=[LeftAlone(trade_id=number, reason=reason) for number, reason in outcome.left_alone.items()],
        # All commands but a retry change something or are refused.
        note="there is nothing to do: no trade has failed" if outcome.is_empty else None,
    )


def _wait(outcome: "Future[Outcome]") -> Outcome:
    """Return the outcome of a job. One that has not begun in time is withdrawn; one that has begun is waited for."""
    try:
        return outcome.result(_LIVE_WAIT)
    except TimeoutError:
        if not outcome.cancel():
            return outcome.result()
        raise ProblemRaised(
            503, "the strategy is busy; nothing was changed, try again", {"Retry-After": "30"}
        ) from None


def _make_confirmation(key: str, name: str, request: CommandRequest) -> str:
    """Return the text that confirms a command on one save."""
    told = msgspec.json.encode(msgspec.structs.replace(request, confirm=None))
    return hashlib.sha256(b"\0".join((key.encode(), name.encode(), told))).hexdigest()[:32]
