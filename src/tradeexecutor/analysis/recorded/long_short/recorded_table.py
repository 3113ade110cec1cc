"""The table of all, long and short positions that live strategies record with their statistics."""

import datetime
from dataclasses import dataclass, field

from tradeexecutor.analysis.memo import share_results
from tradeexecutor.analysis.recorded.long_short.table import Sides, get_sides_rows
from tradeexecutor.analysis.recorded.metrics import KeyMetric, KeyMetricKind, KeyMetricSource
from tradeexecutor.analysis.recorded.position_returns import (
    calculate_compounding_unrealised_trading_profitability,
    calculate_non_cumulative_daily_returns,
)
from tradeexecutor.analysis.recorded.ratios import calculate_annualised_return, calculate_max_drawdown
from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.display.trade_summary_rows import format_duration, format_percent
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.state import State
from tradeexecutor.state.types import Percent, UTCDatetime

__all__ = [
    "StatisticsTable",
    "serialise_backtested_long_short_stats",
    "serialise_live_long_short_stats",
    "serialise_long_short_stats_as_json_table",
]

_COLUMNS = ["All", "Long", "Short"]

#: Kind of the metric by label of the row; rows with other labels are not in the table.
_KINDS = {
    "Trading period length": KeyMetricKind.trading_period_length,
    "Return %": KeyMetricKind.return_percent,
    "Annualised return %": KeyMetricKind.annualised_return_percent,
    "Cash at start": KeyMetricKind.cash_at_start,
    "Value at end": KeyMetricKind.value_at_end,
    "Time in market": KeyMetricKind.time_in_market,
    "Trade volume": KeyMetricKind.trade_volume,
    "Position win percent": KeyMetricKind.position_win_percent,
    "Total positions": KeyMetricKind.total_positions,
    "Won positions": KeyMetricKind.won_positions,
    "Lost positions": KeyMetricKind.lost_positions,
    "Stop losses triggered": KeyMetricKind.stop_losses_triggered,
    "Stop loss % of all": KeyMetricKind.stop_loss_percent_of_all,
    "Winning stop losses": KeyMetricKind.winning_stop_losses,
    "Winning stop losses percent": KeyMetricKind.winning_stop_losses_percent,
    "Losing stop losses": KeyMetricKind.losing_stop_losses,
    "Losing stop losses percent": KeyMetricKind.losing_stop_losses_percent,
    "Take profits triggered": KeyMetricKind.take_profits_triggered,
    "Take profit % of all": KeyMetricKind.take_profit_percent_of_all,
    "Take profit % of won": KeyMetricKind.take_profit_percent_of_won,
    "Zero profit positions": KeyMetricKind.zero_profit_positions,
    "Positions open at the end": KeyMetricKind.positions_open_at_the_end,
    "Realised profit and loss": KeyMetricKind.realised_profit_and_loss,
    "Unrealised profit and loss": KeyMetricKind.unrealised_profit_and_loss,
    "Portfolio unrealised value": KeyMetricKind.portfolio_unrealised_value,
    "Extra returns on lending pool interest": KeyMetricKind.extra_returns_on_lending_pool_interest,
    "Cash left at the end": KeyMetricKind.cash_left_at_the_end,
    "Average winning position profit %": KeyMetricKind.average_winning_position_profit_percent,
    "Average losing position loss %": KeyMetricKind.average_losing_position_loss_percent,
    "Biggest winning position %": KeyMetricKind.biggest_winning_position_percent,
    "Biggest losing position %": KeyMetricKind.biggest_losing_position_percent,
    "Average duration of winning positions": KeyMetricKind.average_duration_of_winning_positions,
    "Average duration of losing positions": KeyMetricKind.average_duration_of_losing_positions,
    "Average duration between position openings": KeyMetricKind.average_duration_between_position_openings,
    "Average positions per day": KeyMetricKind.average_position_frequency,
    "Average interest paid": KeyMetricKind.average_interest_paid_usd,
    "Median interest paid": KeyMetricKind.median_interest_paid_usd,
    "Total interest paid": KeyMetricKind.total_interest_paid_usd,
    "LP fees paid": KeyMetricKind.lp_fees_paid,
    "LP fees paid % of volume": KeyMetricKind.lp_fees_paid_percent_of_volume,
    "Average position": KeyMetricKind.average_position,
    "Median position": KeyMetricKind.median_position,
    "Most consecutive wins": KeyMetricKind.most_consecutive_wins,
    "Most consecutive losses": KeyMetricKind.most_consecutive_losses,
    "Biggest realised risk": KeyMetricKind.biggest_realised_risk,
    "Avg realised risk": KeyMetricKind.avg_realised_risk,
    "Max pullback of total capital": KeyMetricKind.max_pullback_of_total_capital,
    "Max loss risk at opening of position": KeyMetricKind.max_loss_risk_at_opening_of_position,
    "Max drawdown": KeyMetricKind.max_drawdown,
}


@dataclass(slots=True)
class StatisticsTable(Serialisable):
    """Metrics by column; each value is a text per column.

    Attributes
    ----------
    columns
        ``All``, ``Long``, ``Short``.
    rows
        Metrics by the value of their kind; empty without a state.
    created_at
        Time of the calculation, naive UTC.
    source
        Live trading or backtesting.
    calculation_window_start_at, calculation_window_end_at
        Not used, because each row has its own.
    """

    columns: list[str]
    created_at: UTCDatetime
    source: KeyMetricSource
    rows: dict[str, KeyMetric] = field(default_factory=dict[str, KeyMetric])
    calculation_window_start_at: UTCDatetime | None = None
    calculation_window_end_at: UTCDatetime | None = None


def serialise_long_short_stats_as_json_table(
    live_state: State | None = None, backtested_state: State | None = None, now_: datetime.datetime | None = None
) -> dict[str, StatisticsTable]:
    """Return both tables by the keys of `Statistics.long_short_metrics_latest`, which takes them as they are.

    They are written as JSON when the state is saved, and are plain data in a state that was loaded.

    Parameters
    ----------
    live_state, backtested_state
        States; None for a table without rows.
    now_
        Current time, naive UTC; None reads the clock.
    """
    return {
        "live_stats": serialise_live_long_short_stats(live_state, now_),
        "backtested_stats": serialise_backtested_long_short_stats(backtested_state, now_),
    }


def serialise_backtested_long_short_stats(
    state: State | None, now_: datetime.datetime | None = None
) -> StatisticsTable:
    """Return the table of a backtest: the figures of the trade summary; drawdown is negative."""
    table = StatisticsTable(list(_COLUMNS), now_ or utc_now(), KeyMetricSource.backtesting)
    if state is not None:
        start, end = state.get_strategy_time_range()
        _fill(table, _summarise(state), start, end)
    return table


def serialise_live_long_short_stats(state: State | None, now_: datetime.datetime | None = None) -> StatisticsTable:
    """Return the table of a live strategy.

    Its period ends now. Its return is the compounded profit of the positions, which excludes deposits, divided between
    the sides. Its drawdown is that of the closed positions, positive as in recorded tables.
    """
    now_ = now_ or utc_now()
    table = StatisticsTable(list(_COLUMNS), now_, KeyMetricSource.live_trading)
    if state is not None:
        with share_results(), comparing_closed_once(state.portfolio):
            sides = _summarise(state)
            total_return, max_drawdown = _calculate_from_positions(state)
        # A decision is dated by its cycle, which may have begun before the state was created.
        duration = max(now_ - state.created_at, datetime.timedelta(0))
        sides.all.duration = duration
        _fill(table, sides, state.created_at, now_, total_return)
        _replace_all(table, KeyMetricKind.trading_period_length, format_duration(duration))
        _replace_all(table, KeyMetricKind.return_percent, format_percent(total_return))
        annualised = calculate_annualised_return(total_return, duration)
        _replace_all(table, KeyMetricKind.annualised_return_percent, format_percent(annualised))
        _replace_all(table, KeyMetricKind.max_drawdown, format_percent(max_drawdown))
    return table


def _summarise(state: State) -> Sides:
    return build_trade_analysis(state.portfolio).summarise_sides(state=state)


def _calculate_from_positions(state: State) -> tuple[Percent, Percent | None]:
    """Return the compounded profit of all positions and the drawdown, >= 0, of the closed ones."""
    try:
        profit = calculate_compounding_unrealised_trading_profitability(state)
        daily = calculate_non_cumulative_daily_returns(state)
    except LegacyDataException:
        return 0.0, None
    total_return = float(profit.iloc[-1]) if len(profit) else 0.0
    return total_return, abs(calculate_max_drawdown(daily)) if len(daily) else None


def _fill(
    table: StatisticsTable,
    sides: Sides,
    start: datetime.datetime | None,
    end: datetime.datetime | None,
    all_return: Percent | None = None,
) -> None:
    for row in get_sides_rows(sides, all_return):
        kind = _KINDS.get(row.label)
        if kind is not None:
            table.rows[kind.value] = KeyMetric(
                kind, table.source, row.texts, start, end, help_link=row.help_link, name=row.label
            )


def _replace_all(table: StatisticsTable, kind: KeyMetricKind, text: str) -> None:
    row = table.rows.get(kind.value)
    if row is not None:  # without samples there is no drawdown
        row.value["All"] = text
