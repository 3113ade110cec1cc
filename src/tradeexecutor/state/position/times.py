"""Times of a position: when it was valued and changed, and how long it was open."""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import (
    InvalidValue,
)
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.position.fields import PositionFields
from tradeexecutor.state.position.trades import get_executed_trades

# --- Times


def get_last_valued_at(position: PositionFields) -> datetime.datetime:
    """Return the time of the last valuation; for loans the time of the last interest update."""
    if position.loan is not None and position.pair.kind.is_credit_based():
        times = [position.loan.collateral_interest.last_updated_at]
        if position.loan.borrowed_interest is not None:
            times.append(position.loan.borrowed_interest.last_updated_at)
        return max(times)
    return position.valuation_updates[-1].valued_at if position.valuation_updates else position.last_pricing_at


def get_last_updated_at(position: PositionFields) -> datetime.datetime:
    """Return the latest of the opening, closing, pricing and trading times."""
    times = (position.opened_at, position.closed_at, position.last_pricing_at, position.last_trade_at)
    return max(time for time in times if time is not None)


def get_entered_at(position: PositionFields) -> datetime.datetime:
    """Return when the position began to hold something: its first fill if the entry waited, else `opened_at`.

    If the entry waits for a price, or for its market to open, the position is created when the order is placed, and
    holds nothing until the order is filled. An entry that is executed at once counts from the decision, as in recorded
    figures.
    """
    if not _has_waited(position):
        return position.opened_at
    times = [trade.executed_at for trade in get_executed_trades(position) if trade.executed_at is not None]
    return min(times, default=position.opened_at)


def _has_waited(position: PositionFields) -> bool:
    """Return True if the opening trade waited for a trigger."""
    if position.pending_since_at is not None:
        return True
    for trade in position._trades.values():
        return trade.has_waited()
    return False


# --- Over time


@contract_signature
def get_duration(
    position: PositionFields,
    partial: bool = False,
    execution_mode: ExecutionMode = ExecutionMode.real_trading,
    end_at: datetime.datetime | None = None,
) -> datetime.timedelta | None:
    """Return how long the position was open; None for an open position, unless `partial`.

    The time is counted from `get_entered_at`, so it excludes the time in which the entry waited for its price.

    Parameters
    ----------
    partial
        Count an open position, until `end_at` in backtests and until now in live trading.

    Raises
    ------
    InvalidValue
        An open position of a backtest needs `end_at`.
    """
    if position.closed_at is not None:
        return position.closed_at - get_entered_at(position)
    if not partial:
        return None
    if execution_mode.is_backtesting():
        if end_at is None:
            raise InvalidValue("the duration of an open position in a backtest needs end_at")
        return end_at - get_entered_at(position)
    return utc_now() - get_entered_at(position)
