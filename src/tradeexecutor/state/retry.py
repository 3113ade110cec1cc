"""Trying failed trades again.

The failure gave the capital back, so a new attempt takes it again; if it goes through, the trade is a success like any
other, and its position is back in use.  It is not labelled repaired: it did what it was planned to do.
:mod:`~tradeexecutor.state.repair.attempts` tells how the earlier attempts are remembered.
"""

import datetime
from collections.abc import Collection
from typing import Any, Protocol

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import RepairAborted
from tradeexecutor.state.repair import RepairResult, find_trades_to_be_repaired, unfreeze_repaired_positions
from tradeexecutor.state.repair.attempts import get_failed_attempts, has_failed_before
from tradeexecutor.state.repair.unsent import Confirm
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.capital_at_risk import has_capital_at_risk
from tradeexecutor.state.value_checks import check_naive_utc

__all__ = ["Rebroadcaster", "get_failed_attempts", "has_failed_before", "rebroadcast_trade", "retry_trades"]


class Rebroadcaster(Protocol):
    """What a retry needs of an execution model; `tradeexecutor.execution.interface.ExecutionModel` has it."""

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return why a failed trade cannot be sent again; None if it can."""
        ...

    @contract_signature
    def execute_trades(
        self,
        ts: datetime.datetime,
        state: State,
        trades: list[TradeExecution],
        routing_model: Any = None,
        routing_state: Any = None,
        check_balances: bool = False,
        triggered: bool = False,
        rebroadcast: bool = False,
    ) -> object:
        """Send failed trades again, with `rebroadcast`, and book their outcome."""
        ...


def rebroadcast_trade(
    t: TradeExecution,
    *,
    state: State,
    execution_model: Rebroadcaster,
    routing_model: Any = None,
    routing_state: Any = None,
    now: datetime.datetime | None = None,
) -> TradeExecution:
    """Send a failed trade again and return it, with its outcome: success, or failed once more.

    Parameters
    ----------
    now
        Time of the attempt, naive UTC.

    Raises
    ------
    WrongTradeStatus
        The trade has not failed, or is repaired.
    ExecutionError, UnsupportedPairKind
        The execution model cannot send it; nothing has changed.
    """
    t.check_status(TradeStatus.failed)
    now = utc_now() if now is None else now
    check_naive_utc(now, "time of the retry")
    execution_model.execute_trades(now, state, [t], routing_model, routing_state, rebroadcast=True)
    return t


def retry_trades(
    *,
    state: State,
    execution_model: Rebroadcaster,
    routing_model: Any = None,
    routing_state: Any = None,
    attempt_repair: bool = True,
    now: datetime.datetime | None = None,
    confirm: Confirm | None = None,
    trade_ids: Collection[int] | None = None,
) -> RepairResult:
    """Send all failed trades again, sells first, and unfreeze the positions that have nothing else wrong with them.

    Trades that cannot be sent, e.g. because the cash is gone, and those of positions with capital at risk somewhere
    else are left alone.

    Parameters
    ----------
    attempt_repair
        False only finds.
    now
        Time of the attempts, naive UTC.
    confirm
        Given the failed trades, before anything changes.
    trade_ids
        Only these; None: all.

    Returns
    -------
    RepairResult
        `RepairResult.new_trades` are the trades that were sent again; those that failed again still need repair.

    Raises
    ------
    RepairAborted
        `confirm` said no.
    """
    portfolio = state.portfolio
    now = utc_now() if now is None else now
    check_naive_utc(now, "time of the retry")
    result = RepairResult(
        frozen_positions=list(portfolio.frozen_positions.values()),
        trades_needing_repair=[
            trade for trade in find_trades_to_be_repaired(state) if trade_ids is None or trade.trade_id in trade_ids
        ],
    )
    if not attempt_repair:
        return result
    candidates = _choose_candidates(state, result)
    if candidates and confirm is not None and not confirm(candidates):
        raise RepairAborted([trade.trade_id for trade in candidates])
    for trade in candidates:
        # Asked for each when it is its turn: the sells before it may have brought in the money.
        obstacle = execution_model.find_rebroadcast_obstacle(state, trade)
        if obstacle is not None:
            result.left_alone[trade.trade_id] = obstacle
            continue
        rebroadcast_trade(
            trade,
            state=state,
            execution_model=execution_model,
            routing_model=routing_model,
            routing_state=routing_state,
            now=now,
        )
        result.new_trades.append(trade)
    _unfreeze(state, result, now)
    return result


def _choose_candidates(state: State, result: RepairResult) -> list[TradeExecution]:
    """Return the failed trades that can be sent again, sells first; the others are left alone, with the reason."""
    candidates: list[TradeExecution] = []
    for trade in sorted(result.trades_needing_repair, key=TradeExecution.get_execution_sort_position):
        position = state.portfolio.find_position_for_trade(trade)
        if has_capital_at_risk(position):
            result.left_alone[trade.trade_id] = f"capital of position #{position.position_id} is outside"
        else:
            candidates.append(trade)
    return candidates


def _unfreeze(state: State, result: RepairResult, now: datetime.datetime) -> None:
    """Put back into use the frozen positions that have nothing wrong with them any more."""
    still_frozen = [p for p in result.frozen_positions if p.position_id in state.portfolio.frozen_positions]
    for position in result.frozen_positions:
        # A sell that went through has closed its position, which left the frozen ones by that.
        if position.closed_at is not None:
            position.unfrozen_at = now
            position.add_notes_message(f"Unfrozen at {now}")
    unfreeze_repaired_positions(state, still_frozen, now)
    result.unfrozen_positions = [position for position in result.frozen_positions if not position.is_frozen()]
