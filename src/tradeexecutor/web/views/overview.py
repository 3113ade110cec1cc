"""A strategy at a glance: its value, its result, and the state of the process that runs it."""

import datetime

import numpy as np

from tradeexecutor.analysis.adjusted.drawdown import calculate_drawdowns
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.operations.operator_commands import is_paused
from tradeexecutor.report.figures import get_cagr
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.types import to_epoch
from tradeexecutor.visual.parts.thinning import choose_points
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.series import get_growth
from tradeexecutor.web.views.months import list_months
from tradeexecutor.web.views.records import ProcessState, ProcessView, SummaryView

__all__ = ["make_process_view", "make_summary_view", "to_seconds"]

#: Points of the small line beside a strategy.
_SPARK_POINTS = 80

#: A live strategy that was not saved for so long is probably stopped.
_OLD = datetime.timedelta(days=1)


def to_seconds(when: datetime.datetime | None) -> float | None:
    """Return epoch seconds of a naive UTC time."""
    return None if when is None else to_epoch(when)


def make_summary_view(question: Question) -> Body:
    """Return a strategy at a glance: value, return, drawdown, and how much needs attention."""
    saved, state = question.saved, question.saved.state
    with share_results():
        performance = summarise_performance(state)
        drawdown = _get_drawdown(state)
        months = list_months(state)[-2:]
    issues = find_issues(state)
    initial = performance.initial_equity
    portfolio = state.portfolio
    view = SummaryView(
        id=question.strategy.id,
        name=state.name,
        kind="live" if state.backtest_data is None else "backtest",
        key=saved.key,
        revision=saved.snapshot.revision,
        saved_at=to_seconds(saved.saved_at),
        start_at=to_seconds(performance.start_at),
        end_at=to_seconds(performance.end_at),
        value=performance.final_equity,
        cash=portfolio.get_cash(),
        net_deposits=performance.net_deposits,
        profit=None if initial is None else performance.final_equity - initial - performance.net_deposits,
        total_return=performance.total_return,
        cagr=get_cagr(performance),
        buy_and_hold=performance.buy_and_hold,
        max_drawdown=performance.max_drawdown,
        drawdown=drawdown,
        sharpe=performance.sharpe,
        growth=_make_spark(state),
        months=months,
        open_positions=len(portfolio.open_positions),
        frozen_positions=len(portfolio.frozen_positions),
        pending_positions=len(portfolio.pending_positions),
        closed_positions=len(portfolio.closed_positions),
        trades=performance.trades,
        failed_trades=performance.failed_trades,
        last_trade_at=_find_last_trade(state),
        last_cycle=state.cycle,
        issues=len(issues),
        blocking_issues=sum(issue.is_blocking for issue in issues),
        is_paused=is_paused(state),
    )
    return encode(view)


def _get_drawdown(state: State) -> float | None:
    """Return how far the growth is below its highest point now, a fraction <= 0."""
    observations = read_observations(state)
    if not len(observations):
        return None
    return float(calculate_drawdowns(observations.path)[-1])


def _make_spark(state: State) -> list[float]:
    growth = get_growth(state)
    times = np.array([at for at, _ in growth])
    values = np.array([value for _, value in growth])
    return [float(values[index]) for index in choose_points(times, values, _SPARK_POINTS)]


def _find_last_trade(state: State) -> float | None:
    times = [trade.executed_at for trade in state.portfolio.get_all_trades() if trade.executed_at is not None]
    return to_seconds(max(times, default=None))


def make_process_view(question: Question) -> Body:
    """Return what is known about the process that runs the strategy."""
    site, strategy, saved = question.site, question.strategy, question.saved
    status = site.statuses.get(strategy.id)
    is_closed = "closed_source" in site.describe(strategy).tags
    return encode(
        ProcessView(
            state=_name_state(question),
            started_at=to_seconds(status.started_at) if status else None,
            crashed_at=to_seconds(status.crashed_at) if status else None,
            error=status.error if status else None,
            wallet_gas=status.wallet_gas if status else None,
            gas_warning=status.gas_warning if status else None,
            has_source=bool(site.sources.get(strategy.id)) and not is_closed,
            saved_at=to_seconds(saved.saved_at),
        )
    )


def _name_state(question: Question) -> ProcessState:
    status = question.site.statuses.get(question.strategy.id)
    if status is not None:
        return "running" if status.is_running else "crashed"
    saved = question.saved
    if saved.state.backtest_data is not None:
        return "backtest"
    return "seen" if saved.saved_at is not None and utc_now() - saved.saved_at < _OLD else "old"
