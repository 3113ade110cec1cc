"""Commands of operators: previewed, then confirmed, and recorded in the state with the name of who gave them.

A command without ``confirm`` changes nothing: the answer has the changes that it would make as a JSON Patch, and a text
to confirm exactly them. With that text it is carried out, unless the state has changed in between.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec

from tradeexecutor.backtest.dataset import list_datasets
from tradeexecutor.operations.close_position import CloseRequest, close_positions
from tradeexecutor.operations.operator_commands import CommandQueue, pause, record_action, resume
from tradeexecutor.operations.retry import RetryRequest, retry_failed_trades
from tradeexecutor.operations.state_change import Change, prepare_change
from tradeexecutor.state.state import State
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.sources import Strategy

__all__ = ["COMMANDS", "CommandAnswer", "CommandName", "CommandRequest", "carry_out"]

CommandName = Literal["pause", "resume", "close-position", "retry"]

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
        Data sets of the program at whose prices a simulation sells or retries.
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


class CommandAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command changed, or would change.

    Attributes
    ----------
    is_done
        Whether it was carried out.
    confirm
        Text that confirms the preview; None when it was carried out, or would change nothing.
    patch
        The changes as a JSON Patch.
    """

    is_done: bool
    confirm: str | None
    patch: list[dict[str, Any]]


def _pause(request: CommandRequest) -> Change[None]:
    return lambda state, now: pause(state, now, request.by, request.reason)


def _resume(request: CommandRequest) -> Change[None]:
    return lambda state, now: resume(state, now, request.by, request.reason)


def _close(request: CommandRequest) -> Change[None]:
    if request.position_id is None:
        raise ProblemRaised(400, "position_id is missing")
    wanted = CloseRequest(
        position_ids=(request.position_id,), write_off=request.write_off, data=_check_data(request.data)
    )

    def close(state: State, now: Any) -> None:
        close_positions(state, now, wanted)
        record_action(state, now, request.by, "close-position", reason=request.reason, position_id=request.position_id)

    return close


def _retry(request: CommandRequest) -> Change[None]:
    wanted = RetryRequest(data=_check_data(request.data), trade_ids=frozenset(request.trade_ids))

    def retry(state: State, now: Any) -> None:
        report = retry_failed_trades(state, wanted)
        trades = [trade.trade_id for trade in report.result.new_trades]
        record_action(state, now, request.by, "retry", reason=request.reason, trade_ids=trades)

    return retry


def _check_data(names: list[str]) -> tuple[str, ...]:
    """Return names of data sets of the program; raises `ProblemRaised` for others, which could be files."""
    known = set(list_datasets())
    unknown = [name for name in names if name.partition(":")[0] not in known]
    if unknown:
        raise ProblemRaised(400, f"there is no data set {unknown[0]}")
    return tuple(names)


COMMANDS: dict[str, Callable[[CommandRequest], Change[None]]] = {
    "pause": _pause,
    "resume": _resume,
    "close-position": _close,
    "retry": _retry,
}


def carry_out(strategy: Strategy, queue: CommandQueue | None, name: str, request: CommandRequest) -> CommandAnswer:
    """Preview a command, or carry it out. Waits for the strategy, so it is called in a thread.

    Raises
    ------
    ProblemRaised
        The command does not exist, or the preview that was confirmed is out of date.
    OperationRefused, StateFileError, OSError
        The command is refused, or the state cannot be read or written; `StoreLocked` if another process runs the
        strategy.
    """
    if name not in COMMANDS:
        raise ProblemRaised(404, f"there is no command {name}; there are {', '.join(COMMANDS)}")
    change = COMMANDS[name](request)
    expected = _make_confirmation(strategy.read().key, name, request)
    is_preview = request.confirm is None
    if not is_preview and request.confirm != expected:
        raise ProblemRaised(409, "the state or the command has changed since the preview; ask for a new one")
    if queue is not None:
        preview = queue.submit(change, preview=is_preview).result(_LIVE_WAIT)
        patch, is_empty = preview.patch, preview.is_empty
    else:
        with prepare_change(strategy.place, change, preview_only=is_preview) as prepared:
            patch, is_empty = prepared.preview.patch, prepared.is_empty
            if not is_preview and not is_empty:
                if expected != _make_confirmation(strategy.read().key, name, request):
                    raise ProblemRaised(409, "the state has changed since the preview; ask for a new one")
                prepared.save(f"{name}-backup")
    is_done = not is_preview and not is_empty
    return CommandAnswer(is_done=is_done, confirm=expected if is_preview and not is_empty else None, patch=patch)


def _make_confirmation(key: str, name: str, request: CommandRequest) -> str:
    """Return the text that confirms a command on one save."""
    told = msgspec.json.encode(msgspec.structs.replace(request, confirm=None))
    return hashlib.sha256(b"\0".join((key.encode(), name.encode(), told))).hexdigest()[:32]
