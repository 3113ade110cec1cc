"""Decision cycles of a strategy, and the time ranges that follow from them."""

import datetime

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidTrade, InvalidValue
from tradeexecutor.state.state.fields import StateFields


@contract_signature
def record_cycle_end(state: StateFields, cycle: int, now_: datetime.datetime | None = None, live: bool = False) -> None:
    """Record that a decision cycle is complete; a live cycle is also recorded in `other_data`.

    Raises
    ------
    InvalidValue
        The cycle is not an int.
    """
    state.portfolio.owner.claim()
    if type(cycle) is not int:
        raise InvalidValue(f"cycle must be an int, got {cycle!r}")
    now_ = now_ or utc_now()
    if type(now_) is not datetime.datetime or now_.tzinfo is not None:  # nearly never: saves a call
        require_naive_utc(now_, "end of the cycle", InvalidTrade)
    state.uptime.record_cycle_complete(cycle, now_)
    if live and state.other_data is not None:
        state.other_data.save(cycle, "decision_cycle_ended_at", now_.isoformat())


def mark_ready(state: StateFields, timestamp: datetime.datetime) -> None:
    """Record in a backtest when the strategy had enough data to decide; only the first call counts."""
    state.portfolio.owner.claim()
    if state.backtest_data is not None:
        state.backtest_data.mark_ready(timestamp)


# --- Time ranges


def get_strategy_time_range(state: StateFields) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return start and end of the backtest, else the time of creation and of the last save."""
    if state.backtest_data is not None and state.backtest_data.start_at:
        return state.backtest_data.start_at, state.backtest_data.end_at or state.last_cycle_at
    return state.created_at, state.last_updated_at


def get_trading_time_range(state: StateFields) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return the strategy range without the time before the strategy was ready and after the last position closed."""
    start, end = get_strategy_time_range(state)
    if state.backtest_data is not None and state.backtest_data.ready_at:
        return state.backtest_data.ready_at, state.last_open_positions_cycle_at or state.last_cycle_at
    return start, state.last_open_positions_cycle_at or end


def get_strategy_duration(state: StateFields) -> datetime.timedelta | None:
    """Return the length of the strategy range; None if either end is unknown."""
    start, end = get_strategy_time_range(state)
    return end - start if start is not None and end is not None else None


def get_formatted_strategy_duration(state: StateFields) -> str:
    """Return the duration as text: ``3 days 4 hours``, for less than a day ``4 hours 5 minutes``, or ``Unknown``."""
    duration = get_strategy_duration(state)
    if duration is None:
        return "Unknown"
    hours, rest = divmod(duration.seconds, 3600)
    return f"{duration.days} days {hours} hours" if duration.days else f"{hours} hours {rest // 60} minutes"


def get_strategy_start_and_end(state: StateFields) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return the times of the first and last portfolio sample, or of the first and last trade."""
    samples = state.stats.portfolio
    if samples:
        return samples[0].calculated_at, samples[-1].calculated_at
    first, last = state.portfolio.get_first_and_last_executed_trade()
    return (first.opened_at if first else None), (last.executed_at if last else None)
