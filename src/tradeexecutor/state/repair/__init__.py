"""Repair of a state after failed trades.

`issues` lists the problems and `repair` fixes failed trades; `counter_trade`, `unsent`, `hypercore`, `attempts` and
`reported_outcome` contain the single repairs, and `preview` shows the changes that a repair would make.
"""

from tradeexecutor.state.repair.repair import (
    AllocationReturned,
    Confirm,
    HypercoreDuplicateCloseCandidate,
    HypercoreDuplicateCloseError,
    RepairAborted,
    RepairResult,
    ReportedOutcome,
    close_hypercore_duplicate_clone,
    close_hypercore_dust_positions,
    close_position_with_empty_trade,
    find_hypercore_duplicate_close_candidates,
    find_trades_to_be_repaired,
    make_counter_trade,
    reconfirm_trade,
    repair_trade,
    repair_trades,
    repair_tx_missing,
    repair_tx_not_generated,
    repair_zero_quantity,
    unfreeze_position,
    unfreeze_repaired_positions,
)

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
    "unfreeze_repaired_positions",
]
