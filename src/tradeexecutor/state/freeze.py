"""Freezing of positions after a failed trade, until they are repaired."""

import datetime
import logging
from collections.abc import Iterable

from tradeexecutor.state.errors import WrongPositionStatus
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

logger = logging.getLogger(__name__)


def freeze_position_on_failed_trade(
    ts: datetime.datetime, state: State, trades: Iterable[TradeExecution]
) -> tuple[list[TradeExecution], list[TradeExecution]]:
    """Move the positions of failed trades from the open or pending to the frozen positions.

    The position is found by the position id of the trade. A second failed trade of the same position only adds a note.
    A position that was frozen and repaired earlier is frozen again. No money moves, and nothing is blacklisted.

    Parameters
    ----------
    ts
        Time to record as `frozen_at`, naive UTC.

    Returns
    -------
    tuple
        Trades that did not fail, and trades that failed, each in input order.

    Raises
    ------
    WrongPositionStatus
        The position of a failed trade is neither open, pending nor frozen; the state is unchanged.
    """
    state.portfolio.owner.claim()
    succeeded: list[TradeExecution] = []
    failed: list[TradeExecution] = []
    for trade in trades:
        (failed if trade.is_failed() else succeeded).append(trade)
    if not failed:
        return succeeded, failed
    portfolio = state.portfolio
    movable = (portfolio.open_positions, portfolio.pending_positions)
    tables = (*movable, portfolio.frozen_positions)
    positions = [
        next((table[trade.position_id] for table in tables if trade.position_id in table), None) for trade in failed
    ]
    for trade, position in zip(failed, positions, strict=True):
        if position is None:
            raise WrongPositionStatus(f"position #{trade.position_id} of failed trade #{trade.trade_id} is not open")
    for trade, position in zip(failed, positions, strict=True):
        assert position is not None
        reason = trade.get_revert_reason()
        if position.position_id not in portfolio.frozen_positions:
            for table in movable:
                table.pop(position.position_id, None)
            portfolio.frozen_positions[position.position_id] = position
            position.pending_since_at = None
            position.frozen_at = ts
            position.unfrozen_at = None
        position.add_notes_message(f"Frozen at {ts} due to trade {trade.trade_id} failing: {reason}")
        logger.error("Position %s frozen, trade %s failed: %s", position, trade, reason)
    return succeeded, failed
