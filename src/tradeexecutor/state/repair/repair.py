"""Repair of failed trades with counter trades, and unfreezing of their positions.

:mod:`~tradeexecutor.state.repair.counter_trade` describes counter trades. Money moves in only two cases: a trade that
was started and never sent gives its capital back, and a failed buy in a file of an old version gives its allocation
back if that did not happen before. The trade itself does not contain whether it happened, so the caller passes it
(`tradeexecutor.ledger.refunds.find_refund` finds out). `State.mark_trade_failed` gives allocations back immediately.

No function asks the user. To ask, the caller passes a function ``confirm``, which gets the objects to repair and
returns whether to continue. Every function makes all checks before the first change, so a refused repair changes
nothing.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import HypercoreDuplicateCloseError, InvalidTrade, RepairAborted
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.counter_trade import (
    PlannedRepair,
    apply_repair,
    close_position_with_empty_trade,
    find_freeze_obstacle,
    make_counter_trade,
    plan_repair,
    repair_trade,
    repair_tx_missing,
    unfreeze_position,
)
from tradeexecutor.state.repair.hypercore import (
    HypercoreDuplicateCloseCandidate,
    close_hypercore_duplicate_clone,
    close_hypercore_dust_positions,
    find_hypercore_duplicate_close_candidates,
)
from tradeexecutor.state.repair.reported_outcome import ReportedOutcome, reconfirm_trade
from tradeexecutor.state.repair.unsent import Confirm, repair_tx_not_generated, repair_zero_quantity
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.capital_at_risk import has_capital_at_risk

__all__ = [
    "AllocationReturned",
    "Confirm",
    "HypercoreDuplicateCloseCandidate",
    "HypercoreDuplicateCloseError",
    "RepairAborted",
    "RepairResult",
    "ReportedOutcome",
    "close_hypercore_duplicate_clone",
    "close_hypercore_dust_positions",
    "close_position_with_empty_trade",
    "find_hypercore_duplicate_close_candidates",
    "find_trades_to_be_repaired",
    "make_counter_trade",
    "reconfirm_trade",
    "repair_trade",
    "repair_trades",
    "repair_tx_missing",
    "repair_tx_not_generated",
    "repair_zero_quantity",
    "unfreeze_position",
]

#: Returns whether the allocation of a failed trade was already given back; None when unknown: the trade is then not
#: repaired.
AllocationReturned = Callable[[TradeExecution], bool | None]


@dataclass(slots=True)
class RepairResult:
    """Result of a repair.

    Attributes
    ----------
    frozen_positions
        Positions that were frozen before the repair.
    unfrozen_positions
        Positions that are open again, or closed because nothing was left.
    trades_needing_repair
        Failed trades before the repair.
    new_trades
        Counter trades, in the order of the repaired trades; after a retry, the trades that were sent again.
    left_alone
        Trade id -> reason why the trade was not repaired.
    """

    frozen_positions: list[TradingPosition] = field(default_factory=list[TradingPosition])
    unfrozen_positions: list[TradingPosition] = field(default_factory=list[TradingPosition])
    trades_needing_repair: list[TradeExecution] = field(default_factory=list[TradeExecution])
    new_trades: list[TradeExecution] = field(default_factory=list[TradeExecution])
    left_alone: dict[int, str] = field(default_factory=dict[int, str])


def find_trades_to_be_repaired(state: State) -> list[TradeExecution]:
    """Return the failed trades of open and frozen positions, in order."""
    return [
        trade
        for position in state.portfolio.get_open_and_frozen_positions()
        for trade in position.trades.values()
        if trade.is_repair_needed()
    ]


@contract_signature
def repair_trades(
    state: State,
    attempt_repair: bool = True,
    now: datetime.datetime | None = None,
    allocation_returned: AllocationReturned | None = None,
    confirm: Confirm | None = None,
) -> RepairResult:
    """Repair all failed trades, and unfreeze the positions that have no other problem.

    Positions with capital at risk elsewhere are not changed. Positions with a trade in flight stay frozen until a later
    repair.

    Parameters
    ----------
    attempt_repair
        False only returns the trades and positions, without repair.
    now
        Time of the repair, naive UTC.
    allocation_returned
        Function that returns for each failed trade whether its allocation was given back; by default it was.
    confirm
        Called with the trades to repair before anything changes.

    Raises
    ------
    RepairAborted
        `confirm` returned False.
    ReserveMissing, PositionNotFound
        The reserve or bridge position for an allocation does not exist.
    """
    portfolio = state.portfolio
    now = utc_now() if now is None else now
    require_naive_utc(now, "repaired_at", InvalidTrade)
    result = RepairResult(
        frozen_positions=list(portfolio.frozen_positions.values()),
        trades_needing_repair=find_trades_to_be_repaired(state),
    )
    if not attempt_repair:
        return result
    portfolio.owner.claim()
    repairs = _plan_repairs(state, result, allocation_returned)
    if repairs and confirm is not None and not confirm([repair.trade for repair in repairs]):
        raise RepairAborted([repair.trade.trade_id for repair in repairs])
    result.new_trades = [apply_repair(portfolio, repair, now) for repair in repairs]
    result.unfrozen_positions = unfreeze_repaired_positions(state, result.frozen_positions, now)
    return result


def _plan_repairs(
    state: State, result: RepairResult, allocation_returned: AllocationReturned | None
) -> list[PlannedRepair]:
    repairs: list[PlannedRepair] = []
    for trade in result.trades_needing_repair:
        position = state.portfolio.find_position_for_trade(trade)
        if has_capital_at_risk(position):
            result.left_alone[trade.trade_id] = f"capital of position #{position.position_id} is outside"
            continue
        returned = True if allocation_returned is None else allocation_returned(trade)
        if returned is None:
            result.left_alone[trade.trade_id] = "it is not known whether its capital came back"
        else:
            repairs.append(plan_repair(state.portfolio, trade, allocation_returned=returned))
    return repairs


def unfreeze_repaired_positions(
    state: State, positions: Sequence[TradingPosition], now: datetime.datetime
) -> list[TradingPosition]:
    """Unfreeze the frozen positions that have no problem any more, and return them."""
    state.portfolio.owner.claim()
    repaired = [
        position
        for position in positions
        if find_freeze_obstacle(position) is None and not has_capital_at_risk(position)
    ]
    for position in repaired:
        unfreeze_position(state.portfolio, position, now)
    return repaired
