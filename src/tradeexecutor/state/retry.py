"""Retries of failed trades.

The failure gave the capital back, so a new attempt takes it again. If it succeeds, the trade is an ordinary successful
trade and its position is unfrozen. The trade is not marked as repaired, because it did what was planned.
:mod:`~tradeexecutor.state.repair.attempts` describes the record of the earlier attempts.
"""

import datetime
from collections.abc import Collection
from typing import Any, Protocol

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidTrade, RepairAborted
from tradeexecutor.state.repair import RepairResult, find_trades_to_be_repaired, unfreeze_repaired_positions
from tradeexecutor.state.repair.attempts import get_failed_attempts, has_failed_before
from tradeexecutor.state.repair.unsent import Confirm
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.capital_at_risk import has_capital_at_risk

__all__ = [
    "Rebroadcaster",
    "find_obstacle",
    "get_failed_attempts",
    "has_failed_before",
    "rebroadcast_trade",
    "retry_trades",
]


class Rebroadcaster(Protocol):
    """Methods of an execution model that a retry needs; see `tradeexecutor.execution.interface.ExecutionModel`."""

    def find_rebroadcast_obstacle(self, state: State, trade: TradeExecution) -> str | None:
        """Return why a failed trade cannot be sent again; None when it can be."""
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
        """Send failed trades again with `rebroadcast`, and book their outcomes."""
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
    """Send a failed trade again, and return it with its outcome, which is success or another failure.

    Parameters
    ----------
    now
        Time of the attempt, naive UTC.

    Raises
    ------
    WrongTradeStatus
        The trade has not failed, or is already repaired.
    ExecutionError, UnsupportedPairKind
        The execution model cannot send it; nothing has changed.
    """
    t.check_status(TradeStatus.failed)
    now = utc_now() if now is None else now
    require_naive_utc(now, "time of the retry", InvalidTrade)
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
    """Send all failed trades again, sells first, and unfreeze the positions that have no other problem.

    Trades that cannot be sent, e.g. for lack of cash, and trades of positions with capital at risk elsewhere are not
    changed.

    Parameters
    ----------
    attempt_repair
        False only returns the trades and positions, without a retry.
    now
        Time of the attempts, naive UTC.
    confirm
        Called with the failed trades before anything changes.
    trade_ids
        Ids of the trades to send; None for all.

    Returns
    -------
    RepairResult
        `RepairResult.new_trades` are the trades that were sent again; those that failed again still need repair.

    Raises
    ------
    RepairAborted
        `confirm` returned False.
    """
    portfolio = state.portfolio
    now = utc_now() if now is None else now
    require_naive_utc(now, "time of the retry", InvalidTrade)
    result = RepairResult(
        frozen_positions=list(portfolio.frozen_positions.values()),
        trades_needing_repair=[
            trade for trade in find_trades_to_be_repaired(state) if trade_ids is None or trade.trade_id in trade_ids
        ],
    )
    if not attempt_repair:
        return result
    portfolio.owner.claim()
    candidates = _choose_candidates(state, result)
    if candidates and confirm is not None and not confirm(candidates):
        raise RepairAborted([trade.trade_id for trade in candidates])
    for trade in candidates:
        # Checked immediately before each trade, because earlier sells may have provided the money.
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


def find_obstacle(state: State, execution_model: Rebroadcaster, trade: TradeExecution) -> str | None:
    """Return why a retry would leave a failed trade alone at present; None if it would send it again.

    Sells come first in a retry, so that a buy which lacks money at present may still be sent.
    """
    return _find_outside_capital(state, trade) or execution_model.find_rebroadcast_obstacle(state, trade)


def _find_outside_capital(state: State, trade: TradeExecution) -> str | None:
    position = state.portfolio.find_position_for_trade(trade)
    return f"capital of position #{position.position_id} is outside" if has_capital_at_risk(position) else None


def _choose_candidates(state: State, result: RepairResult) -> list[TradeExecution]:
    """Return the failed trades that can be sent again, sells first; the result contains the reasons for the others."""
    candidates: list[TradeExecution] = []
    for trade in sorted(result.trades_needing_repair, key=TradeExecution.get_execution_sort_position):
        obstacle = _find_outside_capital(state, trade)
        if obstacle is not None:
            result.left_alone[trade.trade_id] = obstacle
        else:
            candidates.append(trade)
    return candidates


def _unfreeze(state: State, result: RepairResult, now: datetime.datetime) -> None:
    """Unfreeze the frozen positions that have no problem any more."""
    still_frozen = [p for p in result.frozen_positions if p.position_id in state.portfolio.frozen_positions]
    for position in result.frozen_positions:
        # A successful sell may have closed its position, which is then no longer frozen.
        if position.closed_at is not None:
            position.unfrozen_at = now
            position.add_notes_message(f"Unfrozen at {now}")
    unfreeze_repaired_positions(state, still_frozen, now)
    result.unfrozen_positions = [position for position in result.frozen_positions if not position.is_frozen()]
