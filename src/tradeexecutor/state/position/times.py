"""When a position was valued and changed, and how long it was open."""

import datetime

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    InvalidValue,
)
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.position.fields import PositionFields

# --- Times


def get_last_valued_at(position: PositionFields) -> datetime.datetime:
    """Return when the position was last valued; for loans when interest was last updated."""
    if position.loan is not None and position.pair.kind.is_credit_based():
        times = [position.loan.collateral_interest.last_updated_at]
        if position.loan.borrowed_interest is not None:
            times.append(position.loan.borrowed_interest.last_updated_at)
        return max(times)
    return position.valuation_updates[-1].valued_at if position.valuation_updates else position.last_pricing_at


def get_last_updated_at(position: PositionFields) -> datetime.datetime:
    """Return the latest of opening, closing, pricing and trading time."""
    times = (position.opened_at, position.closed_at, position.last_pricing_at, position.last_trade_at)
    return max(time for time in times if time is not None)


# --- Over time


def get_duration(
    position: PositionFields,
    partial: bool = False,
    execution_mode: ExecutionMode = ExecutionMode.real_trading,
    end_at: datetime.datetime | None = None,
) -> datetime.timedelta | None:
    """Return how long the position was open; None while it is, unless `partial`.

    Parameters
    ----------
    partial
        Count an open position until `end_at` in backtests, until now in live trading.
    """
    if position.closed_at is not None:
        return position.closed_at - position.opened_at
    if not partial:
        return None
    if execution_mode.is_backtesting():
        if end_at is None:
            raise InvalidValue("the duration of an open position in a backtest needs end_at")
        return end_at - position.opened_at
    return utc_now() - position.opened_at
