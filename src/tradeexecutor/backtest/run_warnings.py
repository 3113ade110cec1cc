"""Warnings about results that the author of a strategy may not have intended, at the end of a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.benchmark import Holding, read_holdings, sample_benchmark
from tradeexecutor.analysis.adjusted.periods import Observations, read_observations
from tradeexecutor.analysis.adjusted.positions import measure_trading
from tradeexecutor.backtest.backtest_sync import DelayedRedemption
from tradeexecutor.backtest.delisting import DelistingPolicy
from tradeexecutor.backtest.look_ahead_check import IndicatorChange, format_value
from tradeexecutor.execution.shortage import Shortages
from tradeexecutor.state.display.formatting import format_percent, format_quantity
from tradeexecutor.state.state import State
from tradeexecutor.strategy.market_queue import MarketQueue
from tradeexecutor.strategy.pandas_trader.indicator_results import IndicatorResults

__all__ = ["find_warnings"]

#: Distance of a stop loss below the entry, a fraction, above which it is probably a mistake: 0.05 written for 0.95.
_SUSPICIOUS_STOP = 0.5

#: Largest difference of daily returns that count as the same, a fraction.
_SAME_RETURN = 1e-6

#: Number of samples that tell most strategies from their benchmark, so that the others need not be read.
_FIRST_SAMPLES = 1000

#: Start of the failure reason of a trade with too much slippage, see `SimulatedExecution`.
_SLIPPAGE_REASON = "slippage "


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of orders that were not simply executed at once.

    Attributes
    ----------
    queue
        Those that came while their market had no price.
    delisting
        Positions in markets that are gone.
    shortages
        Buys for which there was less cash than planned.
    redemptions
        Those that exceeded the cash when they were due.
    """

    queue: MarketQueue
    delisting: DelistingPolicy
    shortages: Shortages
    redemptions: Sequence[DelayedRedemption] = ()

    def count(self) -> dict[str, Any]:
        """Return the diagnostics of a run about them, see `BacktestResult`."""
        return {
            "delayed_trades": sum(trade.executed_at is not None for trade in self.queue.taken),
            "refused_trades": len(self.queue.refused),
            "reduced_trades": len(self.shortages.reduced),
            "unpaid_trades": len(self.shortages.refused),
            "delisted_positions": self.delisting.closed,
        }


def find_warnings(
    state: State,
    indicators: IndicatorResults,
    decisions: int,
    outcomes: Outcomes,
    look_ahead: Sequence[IndicatorChange] = (),
) -> list[str]:
    """Return warnings as sentences, the most important first; empty if there are none."""
    return [
        *_find_look_ahead(look_ahead),
        *_find_missing_trades(state, decisions),
        *_find_empty_indicators(indicators),
        *_find_late_indicators(indicators),
        *_find_slippage_failures(state),
        *_find_suspicious_stops(state),
        *_find_own_benchmark(state),
        *_find_shortages(outcomes.shortages),
        *_find_delayed_orders(outcomes.queue),
        *_find_delayed_redemptions(outcomes.redemptions),
        *_find_delistings(outcomes.delisting),
    ]


def _find_look_ahead(changes: Sequence[IndicatorChange]) -> Iterator[str]:
    by_name: dict[str, list[IndicatorChange]] = {}
    for change in changes:
        by_name.setdefault(change.name, []).append(change)
    for found in by_name.values():
        first = found[0]
        others = len({change.ticker for change in found}) - 1
        more = f" (and of {others} more pairs)" if others > 0 else ""
        yield (
            f"{first.describe()}{more} depends on later candles, so this result cannot be had in real trading: at the "
            f"decision of {first.at} its value for {first.stamp} was {format_value(first.value)}, with the data known "
            f"at that time it is {format_value(first.known_value)}; `tradeexecutor lookahead` finds what it changes"
        )


def _find_missing_trades(state: State, decisions: int) -> Iterator[str]:
    figures = measure_trading(state.portfolio)
    if figures.trades > figures.failed:
        return
    tried = f"{figures.failed:,} trades were tried and failed" if figures.failed else "no trade was made"
    lapsed = f", {figures.expired:,} orders lapsed" if figures.expired else ""
    yield f"the strategy never traded: it decided {decisions:,} times, {tried}{lapsed}"


def _find_empty_indicators(indicators: IndicatorResults) -> Iterator[str]:
    for name, where in indicators.find_empty():
        yield f"indicator {name!r}{where} has no value at all: every one is NaN; is its window longer than the data?"


def _find_late_indicators(indicators: IndicatorResults) -> Iterator[str]:
    told: set[str] = set()
    for name, where, last in indicators.find_labelled_by_end():
        if name not in told:
            told.add(name)
            yield (
                f"indicator {name!r}{where} is labelled by the ends of its periods, the last one {last}: a time is "
                "taken for the start of a period, so each value was visible one period late; resample with "
                '"MS", "QS", "YS", or label="left", closed="left"'
            )


def _find_slippage_failures(state: State) -> Iterator[str]:
    reasons = [
        reason
        for trade in state.portfolio.get_all_trades()
        if trade.is_failed() and (reason := trade.get_revert_reason() or "").startswith(_SLIPPAGE_REASON)
    ]
    if reasons:
        yield (
            f"{len(reasons)} trades failed because the simulated slippage is above their tolerance, e.g. {reasons[0]}; "
            "lower the slippage of the run or raise slippage_tolerance of the strategy"
        )


def _find_suspicious_stops(state: State) -> Iterator[str]:
    found: list[float] = []
    for position in state.portfolio.get_all_positions():
        entry = position.get_first_trade().planned_mid_price
        if not entry:
            continue
        # A stop that was moved to the entry may be far below a price that has risen since.
        moved = [(update.stop_loss_after, min(update.mid_price or entry, entry)) for update in position.trigger_updates]
        levels = [(position.get_original_stop_loss(), entry), *moved]
        ratio = min((stop / price for stop, price in levels if stop), default=1.0)
        if ratio < _SUSPICIOUS_STOP:
            found.append(ratio)
    if found:
        ratio = min(found)
        yield (
            f"{len(found)} positions had a stop loss {format_percent(1 - ratio)} below the price: "
            f"stop_loss_pct={ratio:.3g} means a stop at {format_percent(ratio)} of the price, a stop "
            f"{format_percent(ratio)} below it is stop_loss_pct={1 - ratio:.3g}"
        )


def _find_own_benchmark(state: State) -> Iterator[str]:
    holdings = read_holdings(state)
    first = read_observations(state, _FIRST_SAMPLES)
    if first.is_daily:
        holdings = [held for held in holdings if (_compare_moves(held, first) < _SAME_RETURN)[:-1].all()]
    observations = read_observations(state) if holdings else first
    if not observations.is_daily:
        return  # a few days say nothing
    for held in holdings:
        # The amounts of the first day are rounded to units.
        is_same = (_compare_moves(held, observations) < _SAME_RETURN).all()
        if is_same and sample_benchmark(held.growth, observations).std() > _SAME_RETURN:
            yield (
                f"the equity moves exactly like its benchmark, {held.name} bought and held: alpha, beta and the "
                "figures beside it compare the strategy with itself"
            )
            return


def _compare_moves(held: Holding, observations: Observations) -> NDArray[np.float64]:
    """Return how far the returns of the strategy are from those of a benchmark in each period, fractions."""
    return np.abs(observations.returns - sample_benchmark(held.growth, observations))


def _find_shortages(shortages: Shortages) -> Iterator[str]:
    for trades, outcome in ((shortages.reduced, "spent what was left"), (shortages.refused, "expired")):
        if trades:
            first = trades[0]
            yield (
                f"{len(trades)} buys {outcome}, because there was less cash than their decision had planned with, the "
                f"first one, trade #{first.trade_id} of {first.opened_at}; see the notes of the trades"
            )


def _find_delayed_orders(queue: MarketQueue) -> Iterator[str]:
    filled = [trade for trade in queue.taken if trade.executed_at is not None]
    if filled:
        first = filled[0]
        yield (
            f"{len(filled)} orders came while their market had no price and filled at its next open, the first one, "
            f"trade #{first.trade_id} of {first.opened_at}, at {first.executed_at}"
        )
    unfilled = [*queue.cancelled, *(trade for trade in queue.taken if trade.executed_at is None)]
    if unfilled:
        yield f"{len(unfilled)} orders waited for their market to open and never filled, see the notes of the trades"
    if queue.refused:
        first = queue.refused[0]
        yield (
            f"{len(queue.refused)} orders were refused because their market had no price, the first one, "
            f"trade #{first.trade_id}, at {first.opened_at}"
        )


def _find_delayed_redemptions(delayed: Sequence[DelayedRedemption]) -> Iterator[str]:
    paid = [item for item in delayed if item.paid_at is not None]
    if paid:
        yield (
            f"{len(paid)} redemptions waited, because they exceeded the cash, the first one, {_describe(paid[0])}, "
            f"until {paid[0].paid_at}"
        )
    unpaid = [item for item in delayed if item.paid_at is None]
    if unpaid:
        yield (
            f"{len(unpaid)} redemptions were never paid, because they exceeded the cash, the first one, "
            f"{_describe(unpaid[0])}; PositionManager.get_pending_redemptions() returns how much cash they need"
        )


def _describe(item: DelayedRedemption) -> str:
    amount, missing = format_quantity(-item.event.amount), format_quantity(item.missing)
    return f"{amount} at {item.event.timestamp}, of which {missing} were missing"


def _find_delistings(delisting: DelistingPolicy) -> Iterator[str]:
    for item in delisting.closed:
        yield (
            f"{item.ticker} has not traded since {item.last_trade_at}: position #{item.position_id} was closed at "
            f"{item.closed_at} as delisted ({delisting.outcome.value.replace('_', ' ')})"
        )
