"""The loop of a backtest: decisions at candle opens, triggers in between.

The order of events for a strategy that decides at `T1` and `T2`::

    T1: open of a candle      orders that were queued for their market fill at the open
                              resting orders meet the open (a gap through a level fills here)
                              decision, with candles that ended at or before T1; trades at the open
                              (just before it, when a deposit or redemption is due: a sample of the equity)
    T1 - T2                   each candle that ends in between: the orders of a latency that have reached their market
                              inside it, then its path through the levels
                              each further candle that starts in between: its open against the levels
                              each midnight: a sample of the equity, after what fills then
    T2: open of a candle      ...

Each candle is checked twice: by its open, and after its end by its path, see `tradeexecutor.strategy.candle_path`. A
level that was reached inside a candle is booked at the price of the level and at the end of the candle, the first time
at which it is certainly in the past.
"""

import datetime
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from tradeexecutor.analysis.memo import share_nothing
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel
from tradeexecutor.backtest.delisting import DelistingPolicy
from tradeexecutor.backtest.equity_sampling import DAY_US, EquitySampling, find_sample_times
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.arrivals import fill_at_open, fill_inside, fill_lending
from tradeexecutor.strategy.market_data import CandleCursor, TimeArray, from_us, to_us
from tradeexecutor.strategy.pandas_trader.position_rules import has_no_market
from tradeexecutor.strategy.runner import StrategyRunner
from tradeexecutor.strategy.stop_loss import PriceRange, has_triggers, iterate_positions_with_triggers
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["BacktestEngine", "BacktestPeriodNotValid", "find_decision_times", "find_period", "to_datetimes"]

#: Called with the number of decisions made and the time of the last one.
ProgressCallback = Callable[[int, datetime.datetime], None]

#: Start of the grid of cycles, us: a Monday, so weekly cycles start on Mondays.
_GRID_ORIGIN = to_us(datetime.datetime(1, 1, 1))

#: Order of events at the same time: candles end before the next ones start, and what needs no market arrives.
_ENDED, _STARTED, _ARRIVED = 0, 1, 2


class BacktestPeriodNotValid(TradeExecutorError, ValueError):
    """There is nothing to simulate between start and end."""


def find_period(
    universe: TradingStrategyUniverse, start_at: datetime.datetime | None, end_at: datetime.datetime | None
) -> tuple[datetime.datetime, datetime.datetime]:
    """Return start and end of a run.

    The default start is the first time at which all pairs have a price; the default end is the end of the last candle.

    Raises
    ------
    BacktestPeriodNotValid
        The market data does not cover the period, or it is empty.
    """
    first, last = universe.get_time_range()
    start = start_at or max(universe.get_candles(pair).first_start_at for pair in universe.iterate_pairs())
    end = min(end_at or last, last)
    if start_at is None and start >= end > first:
        raise BacktestPeriodNotValid(
            f"the pairs have no common period: the last one begins {start}, the data ends {end}"
        )
    if start >= end or end <= first:
        raise BacktestPeriodNotValid(
            f"no data between {start} and {end_at or end}; the market data covers {first} - {last}"
        )
    return max(start, first), end


def find_decision_times(
    universe: TradingStrategyUniverse,
    cycle_duration: CycleDuration | None,
    start_at: datetime.datetime,
    end_at: datetime.datetime,
) -> TimeArray:
    """Return the times of decisions, us: the first candle open of each cycle, over all pairs.

    A decision never happens while all markets are closed; a weekly strategy on stocks decides on Tuesday when Monday
    is a holiday. A cycle without any candle is skipped.

    Parameters
    ----------
    universe
        The market data.
    cycle_duration
        Length of a cycle; None or unknown decides at every candle open.
    start_at, end_at
        Period, inclusive and exclusive, naive UTC.
    """
    columns = [universe.get_candles(pair).starts for pair in universe.iterate_pairs()]
    starts = np.unique(np.concatenate(columns)) if len(columns) > 1 else columns[0]
    starts = starts[(starts >= to_us(start_at)) & (starts < to_us(end_at))]
    if cycle_duration is not None and cycle_duration is not CycleDuration.cycle_unknown:
        step = cycle_duration.to_timedelta() // datetime.timedelta(microseconds=1)
        cycles = (starts - _GRID_ORIGIN) // step
        starts = starts[np.flatnonzero(np.r_[True, cycles[1:] != cycles[:-1]])] if len(starts) else starts
    return starts


def to_datetimes(moments: TimeArray) -> list[datetime.datetime]:
    """Return times in us as naive UTC."""
    return moments.view("datetime64[us]").tolist()


@dataclass(slots=True)
class BacktestEngine:
    """Loop that runs a `StrategyRunner` over history.

    Attributes
    ----------
    runner
        Runner with the models of a backtest.
    pricing
        The pricing model of the runner.
    moments
        Times of the decisions, us, increasing.
    end_at
        Time of the last valuation; open positions stay open.
    delisting
        Closes positions in delisted markets; None keeps them open at the last price.
    sampling
        When the equity is recorded in addition to decisions and fills.
    leaves_open
        Whether the run ends with its last decision, so that `step` can continue it: nothing is valued or cancelled at
        the end.
    decision_times
        Times of the decisions, naive UTC.
    """

    runner: StrategyRunner
    pricing: BacktestPricing
    moments: TimeArray
    end_at: datetime.datetime
    delisting: DelistingPolicy | None = None
    sampling: EquitySampling = EquitySampling.day
    leaves_open: bool = False
    decision_times: list[datetime.datetime] = field(init=False)

    def __post_init__(self) -> None:
        self.decision_times = to_datetimes(self.moments)

    @share_nothing()  # the state changes
    def run(self, on_progress: ProgressCallback | None = None, progress_every: int = 1000) -> None:
        """Simulate all decisions.

        Parameters
        ----------
        on_progress
            Called every `progress_every` decisions.
        progress_every
            Number of decisions between two calls.
        """
        runner = self.runner
        first_cycle = runner.state.cycle
        last_cycle = first_cycle + len(self.decision_times) - 1
        set_price_time, set_indicator_time = self.pricing.move_to, runner.indicators.move_to
        delisting = self.delisting
        delisted_at = datetime.datetime.max if delisting is None else delisting.next_due_at
        sync = runner.models.sync
        flows = sync if isinstance(sync, BacktestSyncModel) else None
        for cycle, ts, now, until, has_samples in self._iterate_steps(first_cycle):
            set_price_time(ts, now)
            set_indicator_time(ts, now)
            if ts >= delisted_at and delisting is not None:
                delisting.apply(runner, ts)
                delisted_at = delisting.next_due_at
            if flows is not None and flows.fund_flow_queue:
                self._sample_before_flow(flows, ts)
            runner.tick(cycle, ts)
            is_last = cycle == last_cycle
            if is_last and self.leaves_open:
                return
            if has_samples:
                self._pass_time(ts, until, is_last=is_last)
            elif self._may_fill():
                self._check_triggers(ts, until, is_last=is_last)
            if on_progress is not None and (cycle - first_cycle) % progress_every == 0:
                on_progress(cycle - first_cycle + 1, ts)
        self.pricing.advance_to(self.end_at)
        if delisting is not None:
            delisting.apply_at_end(runner, self.end_at)
        runner.cancel_queue(self.end_at)
        runner.revalue(self.end_at)
        runner.record_statistics(self.end_at)
        if on_progress is not None:
            on_progress(len(self.decision_times), self.end_at)

    def step(self, after: datetime.datetime | None, ts: datetime.datetime, *, decides: bool = True) -> None:
        """Simulate the time from one decision to the next one, and make the next one.

        Steps do the same as `run` with all decisions, for markets whose data grows in between.

        Parameters
        ----------
        after
            Time of the decision before; None for the first one.
        ts
            Time of the decision.
        decides
            Whether to make it; otherwise only the time passes.
        """
        if after is not None:
            self.pricing.advance_to(after)
            self._pass_time(after, ts, is_last=False)
        self.pricing.advance_to(ts)
        if self.delisting is not None and ts >= self.delisting.next_due_at:
            self.delisting.apply(self.runner, ts)
        if decides:
            sync = self.runner.models.sync
            self._sample_before_flow(sync if isinstance(sync, BacktestSyncModel) else None, ts)
            self.runner.tick(self.runner.state.cycle, ts)

    def _sample_before_flow(self, flows: BacktestSyncModel | None, ts: datetime.datetime) -> None:
        """Record the equity before the deposits and redemptions that the decision will book, if there are any.

        The return before them is then known exactly, independent of later trades.
        """
        state = self.runner.state
        if flows is not None and state.stats.has_portfolio_stats() and flows.has_due_flow(ts, state):
            self.runner.revalue(ts)
            self.runner.record_statistics(ts)

    def _pass_time(self, after: datetime.datetime, until: datetime.datetime, *, is_last: bool) -> None:
        """Simulate the time between two decisions: execute triggers, and record the equity at sample times."""
        runner = self.runner
        for ts in self._find_sample_times(after, until):
            if self._may_fill():
                self._check_triggers(after, ts, is_last=False)
            self.pricing.advance_to(ts)
            if self.delisting is not None and ts >= self.delisting.next_due_at:
                self.delisting.apply(runner, ts)
            runner.revalue(ts)
            runner.record_statistics(ts)
            after = ts
        if self._may_fill():
            self._check_triggers(after, until, is_last=is_last)

    def _may_fill(self) -> bool:
        """Return True if an order rests or waits, or a position has a level; in most steps there is none."""
        runner = self.runner
        portfolio = runner.state.portfolio
        if portfolio.pending_positions or runner.queue.waiting or runner.queue.moves:
            return True
        if portfolio.open_positions:  # empty on many bars; a loop over nothing takes as long as all of the above
            for position in portfolio.open_positions.values():  # `any` takes three times as long
                if has_triggers(position):
                    return True
        return False

    def _iterate_steps(self, first_cycle: int) -> Iterable[tuple[int, datetime.datetime, int, datetime.datetime, bool]]:
        """Return number and time of each decision, the time in us, that of the next one, and `_find_sampled_steps`."""
        times = self.decision_times
        cycles = range(first_cycle, first_cycle + len(times))
        ends = [*times[1:], self.end_at] if times else []
        return zip(cycles, times, self.moments.tolist(), ends, self._find_sampled_steps(), strict=True)

    def _find_sampled_steps(self) -> list[bool]:
        """Return for each decision whether the equity may be recorded between it and the next one."""
        moments = self.moments
        if self.sampling is not EquitySampling.day:
            return [self.sampling is EquitySampling.candle] * len(moments)
        following = np.append(moments[1:], to_us(self.end_at))
        return (moments // DAY_US + 1 < -(-following // DAY_US)).tolist()

    def _find_sample_times(self, after: datetime.datetime, until: datetime.datetime) -> Iterable[datetime.datetime]:
        universe = self.runner.strategy_universe
        cursors = (universe.get_cursor(pair) for pair in universe.iterate_pairs())
        return map(from_us, find_sample_times(self.sampling, cursors, to_us(after), to_us(until)))

    def _check_triggers(self, after: datetime.datetime, until: datetime.datetime, *, is_last: bool) -> None:
        """Check the levels of all positions from one decision to the next, in order of time."""
        runner = self.runner
        portfolio = runner.state.portfolio
        queue = runner.queue
        positions = list(iterate_positions_with_triggers(portfolio))
        if not (positions or queue.waiting or queue.moves):
            return
        universe = runner.strategy_universe
        first, last = to_us(after), to_us(until)
        cursors: dict[int, CandleCursor] = {}
        # First candle of each pair that touches a level: before it nothing can happen.
        first_index: dict[int, int] = {}
        for position in positions:
            cursor = universe.get_cursor(position.pair)
            index = _find_first_touch(position, cursor, first, last)
            if index is not None:
                pair_id = position.pair.internal_id or 0
                cursors[pair_id] = cursor
                first_index[pair_id] = min(index, first_index.get(pair_id, index))
        for pair in [*(trade.pair for trade in queue.waiting), *(move.position.pair for move in queue.moves)]:
            if not has_no_market(pair):
                pair_id = pair.internal_id or 0
                cursor = cursors[pair_id] = universe.get_cursor(pair)
                first_index[pair_id] = max(cursor.seek(first), 0)
        events: dict[tuple[int, int], dict[int, int]] = {}
        for pair_id, cursor in cursors.items():
            _collect_events(events, pair_id, cursor, first_index[pair_id], after=first, until=last, is_last=is_last)
        for arrival in map(to_us, queue.list_arrivals_of_lending()):
            if first < arrival <= last and not (is_last and arrival == last):
                events.setdefault((arrival, _ARRIVED), {})
        traded_at: int | None = None
        for (moment, kind), candles in sorted(events.items()):
            if traded_at is not None and moment != traded_at:
                self._record(traded_at, last)
                traded_at = None
            self.pricing.advance_to(from_us(moment), fills_before=kind == _ENDED)
            if self._check_moment(moment, kind, candles, cursors):
                traded_at = moment
        if traded_at is not None:
            self._record(traded_at, last)

    def _record(self, moment: int, until: int) -> None:
        """Record statistics once for a time with trades; the decision at `until` records its own."""
        if moment < until:
            ts = from_us(moment)
            self.runner.revalue(ts)
            self.runner.record_statistics(ts)

    def _check_moment(self, moment: int, kind: int, candles: dict[int, int], cursors: dict[int, CandleCursor]) -> bool:
        """Check the positions of pairs whose candle ends or starts now; return True if anything was traded."""
        ts = from_us(moment)
        runner = self.runner
        filled: list[TradeExecution] = []
        rests: dict[int, PriceRange] = {}
        if runner.queue.waiting or runner.queue.moves:
            if kind == _STARTED:
                filled = fill_at_open(runner, ts, {number: cursors[number].open[at] for number, at in candles.items()})
            elif kind == _ARRIVED:
                filled = fill_lending(runner, ts)
            elif self.pricing.latency:
                ranges = {pair_id: _get_range(cursors[pair_id], index) for pair_id, index in candles.items()}
                filled, rests = fill_inside(runner, ts, ranges)

        def get_range(position: TradingPosition) -> PriceRange | None:
            pair_id = position.pair.internal_id or 0
            index = candles.get(pair_id)
            if index is None:
                return None
            cursor = cursors[pair_id]
            if kind == _STARTED:
                return PriceRange.at(cursor.open[index])
            return rests.get(position.position_id) or _get_range(cursor, index)

        return bool(runner.check_triggers(ts, get_range, record=False)) or bool(filled)


def _get_range(cursor: CandleCursor, index: int) -> PriceRange:
    """Return the prices of a candle."""
    start = from_us(cursor.starts[index])
    return PriceRange(cursor.open[index], cursor.high[index], cursor.low[index], cursor.close[index], start)


def _find_first_touch(position: TradingPosition, cursor: CandleCursor, first: int, last: int) -> int | None:
    """Return the index of the first candle that touches a level of the position; None, the usual case, if none does."""
    index = max(cursor.seek(first), 0)
    if position.pending_trades or position.pair.kind.is_leverage():
        return index
    stop_loss = position.stop_loss if position.stop_loss is not None else -math.inf
    take_profit = position.take_profit if position.take_profit is not None else math.inf
    trailing = position.trailing_stop_loss_pct
    while index < cursor.count and cursor.starts[index] <= last:
        high = cursor.high[index]
        if cursor.low[index] <= stop_loss or high >= take_profit:
            return index
        if trailing is not None and high * trailing > stop_loss:
            return index
        index += 1
    return None


def _collect_events(
    events: dict[tuple[int, int], dict[int, int]],
    pair_id: int,
    cursor: CandleCursor,
    index: int,
    *,
    after: int,
    until: int,
    is_last: bool,
) -> None:
    """Add the ends and starts of candles from `index` on that are later than `after` and not later than `until` (us).

    A candle that starts at the end of the run is ignored.
    """
    while index < cursor.count:
        start, end = cursor.starts[index], cursor.ends[index]
        if start > until:
            break
        if after < start and not (is_last and start == until):
            events.setdefault((start, _STARTED), {})[pair_id] = index
        if after < end <= until:
            events.setdefault((end, _ENDED), {})[pair_id] = index
        index += 1
