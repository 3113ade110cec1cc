"""Totals of the positions of a strategy.

>>> from tradeexecutor.state.portfolio import Portfolio
>>> build_trade_analysis(Portfolio()).calculate_summary_statistics().total_positions
0

The figures of `TradeSummary` keep the definitions of recorded files: a deposit counts as profit in its returns,
drawdown and ratios. Figures that are adjusted for deposits are in :mod:`tradeexecutor.analysis.adjusted.summary`.
"""

import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tradeexecutor.analysis.memo import share_results, shared
from tradeexecutor.analysis.position_figures import measure_position
from tradeexecutor.analysis.recorded.equity_series import (
    calculate_daily_returns,
    calculate_equity_curve,
    calculate_returns,
)
from tradeexecutor.analysis.recorded.long_short.table import Sides, compare_sides
from tradeexecutor.analysis.recorded.position_order import Includes, PositionGroup, group_positions, is_long, is_short
from tradeexecutor.analysis.recorded.position_returns import (
    calculate_compounding_realised_trading_profitability,
    calculate_long_compounding_realised_trading_profitability,
    calculate_short_compounding_realised_trading_profitability,
)
from tradeexecutor.analysis.recorded.position_tally import PositionTally, average_duration
from tradeexecutor.analysis.recorded.ratios import (
    calculate_annualised_return,
    calculate_max_drawdown,
    calculate_max_runup,
    calculate_profit_factor,
    calculate_sharpe,
    calculate_sortino,
)
from tradeexecutor.analysis.recorded.time_in_market import MarketTime, calculate_time_in_market
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.lookup import comparing_closed_once
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade_summary import TradeSummary
from tradeexecutor.state.types import Percent
from tradeexecutor.utils.reference_paths import refuse_names

__all__ = ["TradeAnalysis", "TradeSummary", "build_trade_analysis", "calculate_annualised_return"]

__getattr__ = refuse_names(__name__)

#: Internal id of the pair, None where it is not recorded, and the position.
PairAndPosition = tuple[int | None, TradingPosition]

#: Ratios of the equity by field of the summary.
Ratios = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """A selection of positions, and the function that compounds their returns."""

    name: str
    #: None includes all positions.
    includes: Includes | None
    compound: Callable[[State], "pd.Series[float]"]


_ALL = Side("all", None, calculate_compounding_realised_trading_profitability)
_LONG = Side("long", is_long, calculate_long_compounding_realised_trading_profitability)
_SHORT = Side("short", is_short, calculate_short_compounding_realised_trading_profitability)


_NOTHING = datetime.timedelta(0)

#: Figures by field that have a value without a state, too.
_WITHOUT_STATE: dict[str, Any] = {
    "average_duration_between_position_openings": _NOTHING,
    "time_in_market": 0,
    "time_in_market_volatile": 0,
}


@dataclass(slots=True)
class TradeAnalysis:
    """Analysis of the open, closed and frozen positions of a portfolio."""

    portfolio: Portfolio

    # --- Which positions

    def get_first_opened_at(self) -> datetime.datetime | None:
        """Return when the first position was opened; None without positions."""
        return min((position.opened_at for position in self.portfolio.get_all_positions()), default=None)

    def get_last_closed_at(self) -> datetime.datetime | None:
        """Return when the last position was closed; None when none was."""
        positions = self.portfolio.get_all_positions()
        return max((position.closed_at for position in positions if position.closed_at is not None), default=None)

    def get_all_positions(self) -> Iterator[PairAndPosition]:
        """Yield open, closed and frozen positions, each after the internal id of its pair."""
        for position in self.portfolio.get_all_positions():
            yield position.pair.internal_id, position

    def get_open_positions(self) -> Iterator[PairAndPosition]:
        """Yield positions that are not closed, frozen ones included."""
        return (entry for entry in self.get_all_positions() if entry[1].is_open())

    def get_short_positions(self) -> Iterator[PairAndPosition]:
        """Yield positions that profit from falling prices."""
        return (entry for entry in self.get_all_positions() if entry[1].is_short())

    def get_long_positions(self) -> Iterator[PairAndPosition]:
        """Yield positions that profit from rising prices."""
        return (entry for entry in self.get_all_positions() if entry[1].is_long())

    def create_timeline(self) -> pd.DataFrame:
        """Return a row for each position, by opening: ``position_id``, ``opened_at``, ``closed_at``, ``position``."""
        positions = sorted(self.portfolio.get_all_positions(), key=TradingPosition.get_entered_at)
        return pd.DataFrame(
            {
                "position_id": [position.position_id for position in positions],
                "opened_at": pd.to_datetime([position.get_entered_at() for position in positions]),
                "closed_at": pd.DatetimeIndex([position.closed_at or pd.NaT for position in positions]),
                "position": positions,
            }
        )

    # --- Figures

    def calculate_summary_statistics(
        self, time_bucket: TimeBucket | None = None, state: State | None = None
    ) -> TradeSummary:
        """Return counts, profits, fees and risks of all positions.

        Parameters
        ----------
        time_bucket
            Candle length, passed through for display.
        state
            The state of the portfolio. Without it, `duration` is from the first to the last executed trade, zero when
            none was, and everything that needs the recorded equity or the strategy's start and end is empty:
            `daily_returns`, `compounding_returns`, `sharpe_ratio`, `sortino_ratio`, `profit_factor`, `max_drawdown`,
            `max_runup`, `time_in_market`, `start_at`, `end_at` and the time between openings. A ratio that would be
            NaN or infinite is None.
        """
        return self._summarise_side(time_bucket, state, _ALL)

    def calculate_short_summary_statistics(self, time_bucket: TimeBucket | None, state: State | None) -> TradeSummary:
        """Return the summary of the short positions alone; the cash and the equity are those of the whole portfolio.

        With a state, `return_percent` is the compounded return of the closed shorts.
        """
        return self._summarise_side(time_bucket, state, _SHORT)

    def calculate_long_summary_statistics(self, time_bucket: TimeBucket | None, state: State | None) -> TradeSummary:
        """Return the summary of the long positions alone; see `calculate_short_summary_statistics`."""
        return self._summarise_side(time_bucket, state, _LONG)

    def _summarise_side(
        self,
        time_bucket: TimeBucket | None,
        state: State | None,
        side: Side,
        ratios: Ratios | None = None,
        everything: "_Totals | None" = None,
    ) -> TradeSummary:
        compounded = None if state is None else _find_compounded_returns(state, side.compound)
        if state is not None:
            ratios = {**(_calculate_ratios(state) if ratios is None else ratios), "compounding_returns": compounded}
        group = group_positions(self.portfolio)
        if side.includes is not None:
            group = group.select(side.includes, side.name)
        # Adding up is the cost of a summary, so a side with all positions reuses these totals.
        totals = everything if everything is not None and len(group) == everything.positions else _add_up(group)
        summary = self._summarise_totals(time_bucket, state, totals, ratios)
        if side is not _ALL and compounded is not None:
            summary.return_percent = float(compounded.iloc[-1])
        return summary

    def calculate_summary_statistics_for_positions(
        self, time_bucket: TimeBucket | None, state: State | None, positions: Iterable[TradingPosition]
    ) -> TradeSummary:
        """Return the summary of some positions; see `calculate_summary_statistics`."""
        totals = _add_up(PositionGroup(before=[*map(measure_position, positions)]))
        return self._summarise_totals(time_bucket, state, totals)

    def _summarise_totals(
        self,
        time_bucket: TimeBucket | None,
        state: State | None,
        totals: "_Totals",
        ratios: Ratios | None = None,
    ) -> TradeSummary:
        figures: dict[str, Any] = {}
        if state is not None:
            figures = _calculate_figures_of_state(state, totals)
            figures |= _calculate_ratios(state) if ratios is None else ratios
        return _summarise(totals.tally, self.portfolio, time_bucket, state, figures)

    def calculate_time_in_market(self, state: State | None, sorted_positions: Sequence[TradingPosition]) -> Percent:
        """Return the recorded figure for the fraction of time in the market; 0 without a state.

        See :py:func:`tradeexecutor.analysis.recorded.time_in_market.calculate_time_in_market`.
        """
        if state is None:
            return 0
        _, end = state.get_strategy_time_range()
        return calculate_time_in_market(sorted_positions, end, state.get_strategy_duration())

    def get_capital_tied_at_open(self, position: TradingPosition) -> Percent | None:
        """Return the fraction of the portfolio that a position used at open; None if an old file does not have it."""
        try:
            return position.get_capital_tied_at_open_pct()
        except LegacyDataException:
            return None

    @contract_signature
    def calculate_all_summary_stats_by_side(
        self, time_bucket: TimeBucket | None = None, state: State | None = None, urls: bool = False
    ) -> pd.DataFrame:
        """Return the summaries of all, long and short positions as texts, see `compare_sides`."""
        return compare_sides(self.summarise_sides(time_bucket, state), urls=urls)

    def render_summary_statistics_side_by_side(
        self, time_bucket: TimeBucket | None = None, state: State | None = None
    ) -> pd.DataFrame:
        """Same as `calculate_all_summary_stats_by_side` without links."""
        return self.calculate_all_summary_stats_by_side(time_bucket, state)

    def summarise_sides(self, time_bucket: TimeBucket | None = None, state: State | None = None) -> Sides:
        """Return the summaries of all, long and short positions."""
        with share_results(), comparing_closed_once(self.portfolio):
            # The ratios of the equity are the same for all sides.
            ratios = None if state is None else _calculate_ratios(state)
            everything = _add_up(group_positions(self.portfolio))
            return Sides(
                self._summarise_side(time_bucket, state, _ALL, ratios, everything),
                self._summarise_side(time_bucket, state, _LONG, ratios, everything),
                self._summarise_side(time_bucket, state, _SHORT, ratios, everything),
            )


@dataclass(frozen=True, slots=True)
class _Totals:
    """Totals of some positions; when the first and the last was entered, None without positions."""

    positions: int
    tally: PositionTally
    time: MarketTime
    #: Without lending.
    volatile_time: MarketTime
    span: tuple[datetime.datetime, datetime.datetime] | None


def _add_up(group: PositionGroup) -> _Totals:
    return _Totals(
        len(group),
        group.add_in_order_of_opening(PositionTally(), "tally"),
        group.add_in_order_of_entry(MarketTime(), "market time"),
        group.add_in_order_of_entry(MarketTime(is_volatile=True), "volatile market time"),
        group.get_span() if len(group) else None,
    )


def build_trade_analysis(portfolio: Portfolio) -> TradeAnalysis:
    """Return the analysis of a portfolio."""
    return TradeAnalysis(portfolio)


def _find_compounded_returns(
    state: State, compound: Callable[[State], "pd.Series[float]"]
) -> "pd.Series[float] | None":
    """Return the compounded returns of closed positions; None without any, or if an old file does not have them."""
    try:
        returns = compound(state)
    except LegacyDataException:
        return None
    return returns if len(returns) else None


def _summarise(
    tally: PositionTally,
    portfolio: Portfolio,
    time_bucket: TimeBucket | None,
    state: State | None,
    figures: dict[str, Any],
) -> TradeSummary:
    """Return a complete summary, made in one step.

    Parameters
    ----------
    figures
        Figures by field that need the recorded equity or the start and end of the strategy.
    """
    if state is None:
        duration = portfolio.get_trading_history_duration() or _NOTHING
    else:
        duration = state.get_strategy_duration()
    return TradeSummary(
        uninvested_cash=portfolio.get_cash(),
        initial_cash=portfolio.get_initial_cash() or 0,
        extra_return=0,
        duration=duration,
        time_bucket=None if time_bucket is None else TimeBucket(time_bucket),
        **_summarise_outcomes(tally),
        **_summarise_costs(tally),
        **(_WITHOUT_STATE | figures),
    )


@shared
def _summarise_outcomes(tally: PositionTally) -> dict[str, Any]:
    """Return counts, profits and risks by field."""
    won, lost, zero, neutral = tally.get_closed()
    return {
        "won": len(won),
        "lost": len(lost),
        "zero_loss": len(zero),
        "stop_losses": sum(outcomes.stop_losses for outcomes in tally.get_closed()),
        "undecided": tally.undecided,
        "realised_profit": tally.realised_profit,
        "open_value": tally.open_value,
        "average_winning_trade_profit_pc": won.profits.get_mean() or 0,
        "average_losing_trade_loss_pc": lost.profits.get_mean() or 0,
        "biggest_winning_trade_pc": won.profits.get_highest(),
        "biggest_losing_trade_pc": lost.profits.get_lowest(),
        "average_duration_of_winning_trades": average_duration([won]) or _NOTHING,
        "average_duration_of_losing_trades": average_duration([lost]) or _NOTHING,
        "total_trades": tally.trades,
        "average_trade": tally.profits.get_mean(),
        "median_trade": tally.profits.get_median(),
        "max_pos_cons": tally.streaks.longest_won,
        "max_neg_cons": tally.streaks.longest_lost,
        "max_delta_neutral_cons": tally.longest_credit,
        "max_pullback": tally.streaks.max_pullback,
        "max_loss_risk": tally.largest_risk,
        "max_realised_loss": tally.realised_losses.get_lowest(),
        "avg_realised_risk": tally.realised_losses.get_mean(),
        "average_delta_neutral_profit_pc": neutral.profits.get_mean(),
        "biggest_delta_neutral_pc": neutral.profits.get_highest(),
        "delta_neutral": len(neutral),
        "take_profits": sum(outcomes.take_profits for outcomes in tally.get_closed()),
        "winning_stop_losses": won.stop_losses,
        "losing_stop_losses": lost.stop_losses,
        "winning_take_profits": won.take_profits,
        "losing_take_profits": lost.take_profits,
        "median_win": won.profits.get_median(),
        "median_loss": lost.profits.get_median(),
        "median_delta_neutral": neutral.profits.get_median(),
        "average_duration_of_delta_neutral_positions": average_duration([neutral]) or _NOTHING,
        "average_duration_of_zero_loss_trades": average_duration([zero]),
        "average_duration_of_all_trades": average_duration([won, lost, zero]),
        "unrealised_profit": tally.unrealised_profit,
    }


@shared
def _summarise_costs(tally: PositionTally) -> dict[str, Any]:
    """Return volume, fees and interest by field."""
    return {
        "trade_volume": tally.volume,
        "trade_volume_wo_vault": tally.volume_without_vaults,
        "trade_volume_taxed": tally.volume_taxed,
        "token_tax_paid": tally.token_tax,
        "lp_fees_paid": tally.lp_fees,
        "lp_fees_paid_wo_vault": tally.lp_fees_without_vaults,
        "lp_fees_average_pc": tally.lp_fees / tally.volume if tally.volume else 0,
        "lp_fees_average_pc_wo_vault": (
            tally.lp_fees_without_vaults / tally.volume_without_vaults if tally.volume_without_vaults else 0
        ),
        "average_interest_paid_usd": tally.repaid_interest.get_mean(),
        "total_interest_paid_usd": tally.total_repaid_interest,
        "median_interest_paid_usd": tally.repaid_interest.get_median(),
        "max_interest_paid_usd": tally.repaid_interest.get_highest(),
        "min_interest_paid_usd": tally.repaid_interest.get_lowest(),
        "total_claimed_interest": tally.claimed_interest,
    }


def _calculate_figures_of_state(state: State, totals: _Totals) -> dict[str, Any]:
    """Return figures by field that need the start and end of the strategy."""
    start, end = state.get_strategy_time_range()
    duration = state.get_strategy_duration()
    figures: dict[str, Any] = {
        "start_at": start,
        "end_at": end,
        "time_in_market": totals.time.get_fraction(end, duration),
        "time_in_market_volatile": totals.volatile_time.get_fraction(end, duration),
    }
    if totals.span is not None and totals.positions > 1:
        first, last = totals.span
        figures["average_duration_between_position_openings"] = (last - first) / (totals.positions - 1)
    return figures


def _calculate_ratios(state: State) -> Ratios:
    """Return the ratios of the recorded equity by field; None for a ratio that is not finite."""
    curve = calculate_equity_curve(state)
    if not len(curve):
        return {}
    daily = calculate_daily_returns(state)
    returns = calculate_returns(curve)
    return {
        "daily_returns": daily,
        "sharpe_ratio": _get_finite(calculate_sharpe(daily)),
        "sortino_ratio": _get_finite(calculate_sortino(daily)),
        "profit_factor": _get_finite(calculate_profit_factor(returns)),
        "max_drawdown": _get_finite(calculate_max_drawdown(returns)),
        "max_runup": _get_finite(calculate_max_runup(returns)),
    }


def _get_finite(ratio: float) -> float | None:
    return ratio if math.isfinite(ratio) else None
