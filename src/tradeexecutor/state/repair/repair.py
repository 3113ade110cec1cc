"""Making good what failed: counter trades for failed trades, and frozen positions back into use.

What a counter trade is, is told in :mod:`~tradeexecutor.state.repair.counter_trade`.  Money moves in two cases only: a
trade that was started and never sent gives back what it had set aside, and files of old versions have failed buys whose
allocation never came back.  Whether that is so cannot be seen from the trade; the caller says it
(`tradeexecutor.ledger.refunds.find_refund` finds out).  `State.mark_trade_failed` gives allocations back at once.

Nothing here asks anybody.  Who wants to be asked passes a function: ``confirm`` gets what would be repaired and
returns whether to go on.  Every function checks all of its work first and then changes, so a refused repair changes
nothing.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import HypercoreDuplicateCloseError, RepairAborted
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
from tradeexecutor.state.value_checks import check_naive_utc

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

#: Tells whether the allocation of a failed trade has come back already; None: nobody knows, leave the trade alone.
AllocationReturned = Callable[[TradeExecution], bool | None]


@dataclass(slots=True)
class RepairResult:
    """What a repair found and did.

    Attributes
    ----------
    frozen_positions
        Frozen before the repair.
    unfrozen_positions
        Back in use, or closed because nothing was left.
    trades_needing_repair
        Failed trades that were found.
    new_trades
        Counter trades, in the order of the trades they repair; after a retry, the trades that were sent again.
    left_alone
        Trade id -> why it was found and not repaired.
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
    """Repair all failed trades and unfreeze the positions that have nothing else wrong with them.

    Positions with capital at risk somewhere else are left alone; positions with a trade in flight stay frozen until a
    later repair.

    Parameters
    ----------
    attempt_repair
        False only finds.
    now
        Time of the repair, naive UTC.
    allocation_returned
        Answers for each failed trade whether its allocation came back when it failed; by default it did.
    confirm
        Given the trades that will be repaired, before anything changes.

    Raises
    ------
    RepairAborted
        `confirm` said no.
    ReserveMissing, PositionNotFound
        There is nothing to give an allocation back to.
    """
    portfolio = state.portfolio
    now = utc_now() if now is None else now
    check_naive_utc(now, "repaired_at")
    result = RepairResult(
        frozen_positions=list(portfolio.frozen_positions.values()),
        trades_needing_repair=find_trades_to_be_repaired(state),
    )
    if not attempt_repair:
        return result
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
    """Unfreeze those of the frozen positions that have nothing wrong with them any more, and return them."""
    repaired = [
        position
        for position in positions
        if find_freeze_obstacle(position) is None and not has_capital_at_risk(position)
    ]
    for position in repaired:
        unfreeze_position(state.portfolio, position, now)
    return repaired
