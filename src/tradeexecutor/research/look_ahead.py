"""Look-ahead analysis: which indicators and decisions of a backtest change without later data.

The strategy runs once over all data. Then the data is cut at a decision, so that only the candles known at that time
remain, the indicators are calculated again and the strategy runs again up to the decision. This is repeated for many
decisions. An indicator or decision that differs depends on later data::

    candles        1  2  3  4  5  6  7  8  9       indicators of all candles    a b c d e f g h i
    cut at 6       1  2  3  4  5                   indicators of the known      a b c d X             e looks ahead

The candle that begins at the cut has only its open, at which the decision trades.

An indicator that differs between calculations on the same data, and decisions that differ between runs, are reported
separately: they are random, and do not show whether later candles are used.
"""

import contextlib
import dataclasses
import datetime
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tradeexecutor.backtest.backtest_engine import find_decision_times, find_period, to_datetimes
from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.backtest.backtest_runner import make_context, replay_decisions
from tradeexecutor.backtest.look_ahead_check import IndicatorChange, cut_universe, find_changes
from tradeexecutor.backtest.progress import show_progress
from tradeexecutor.research.decision_record import Action, Decision, DecisionRecorder, find_first_difference
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.strategy.decision import DecisionFailed
from tradeexecutor.strategy.market_data import from_us
from tradeexecutor.strategy.pandas_trader.indicator_results import IndicatorResults, calculate_indicators
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = [
    "DEFAULT_CUTS",
    "ChangedDecision",
    "ChangedIndicator",
    "LookAheadNotPossible",
    "LookAheadReport",
    "SkippedCut",
    "analyse_look_ahead",
]

#: Default number of decisions at which the data is cut.
DEFAULT_CUTS = 40

#: Largest number of calculations to find the first decision of changed indicators between two cuts.
_MAX_REFINEMENTS = 100

#: Name, pair id, column.
_Key = tuple[str, int, str | None]


class LookAheadNotPossible(TradeExecutorError, ValueError):
    """There is no decision at which the data can be cut."""


@dataclass(frozen=True, slots=True)
class ChangedIndicator:
    """An indicator that depends on later candles.

    Attributes
    ----------
    name, column
        The indicator, and the column if its function returned a DataFrame.
    tickers
        The affected pairs; empty for an indicator of the whole universe.
    first_at
        The first decision found that could see such a value, naive UTC.
    ticker, stamp, value, known_value
        That value: its pair (empty for none), its time, its value in the run, and its value from known data; None for
        no value.
    cuts
        Number of cuts at which it differs for any pair.
    reads
        Changed indicators that it reads, which may be the cause.
    """

    name: str
    column: str | None
    tickers: tuple[str, ...]
    first_at: datetime.datetime
    ticker: str
    stamp: datetime.datetime
    value: float | None
    known_value: float | None
    cuts: int
    reads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangedDecision:
    """A decision that differs without later candles.

    Attributes
    ----------
    at
        Time of the decision, naive UTC.
    cut_at
        Time of the cut: at the decision, or after it.
    with_future, without_future
        Actions only with all data, and only with known data, as texts; empty for none.
    """

    at: datetime.datetime
    cut_at: datetime.datetime
    with_future: tuple[str, ...]
    without_future: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SkippedCut:
    """A cut that could not be compared, with the reason."""

    at: datetime.datetime
    reason: str


@dataclass(frozen=True, slots=True)
class LookAheadReport:
    """Result of an analysis.

    Attributes
    ----------
    start_at, end_at, decisions_made
        First and last decision of the run, and their number.
    cuts
        Number of decisions at which the data was cut and compared.
    is_exact
        Whether the data was cut at every decision, so that the first dates are exact.
    indicators
        Changed indicators by their first decision; those that read others after these.
    decisions
        Changed decisions in order of time.
    unstable_indicators
        Names of indicators that give different values on the same data.
    has_unstable_decisions
        Whether the strategy makes different decisions on the same data; then its decisions were not compared.
    skipped
        Cuts that could not be compared.
    """

    start_at: datetime.datetime
    end_at: datetime.datetime
    decisions_made: int
    cuts: int
    is_exact: bool
    indicators: tuple[ChangedIndicator, ...]
    decisions: tuple[ChangedDecision, ...]
    unstable_indicators: tuple[str, ...]
    has_unstable_decisions: bool
    skipped: tuple[SkippedCut, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing depends on later candles."""
        return not self.indicators and not self.decisions


def analyse_look_ahead(
    module: StrategyModule,
    universe: TradingStrategyUniverse,
    options: BacktestOptions | None = None,
    *,
    cuts: int = DEFAULT_CUTS,
    every_decision: bool = False,
) -> LookAheadReport:
    """Return the indicators and decisions that depend on later candles.

    Parameters
    ----------
    module, universe, options
        As for `run_backtest`.
    cuts
        Number of decisions at which to cut the data, at least 2: half of them decisions with trades, half evenly
        spread.
    every_decision
        Whether to cut at all decisions instead. The time grows with the square of their number.

    Raises
    ------
    LookAheadNotPossible
        No decision has a finished candle before it, or the calculation failed at all cuts.
    BacktestNotPossible, BacktestPeriodNotValid, DecisionFailed, IndicatorCalculationFailed
        The strategy does not run with all the data.
    """
    if cuts < 2:
        raise LookAheadNotPossible(f"the data must be cut at 2 decisions at least, not {cuts}")
    analysis = _Analysis(module, universe, options or BacktestOptions())
    chosen = analysis.choose(cuts, every_decision=every_decision)
    with show_progress(len(chosen), "look-ahead", enabled=analysis.options.progress) as update:
        for done, number in enumerate(chosen, 1):
            analysis.compare_at(number)
            if update is not None:
                update(done, analysis.times[number])
    return analysis.report(is_exact=every_decision)


@dataclass(slots=True)
class _Analysis:
    """The run over all data, and the results of the cuts."""

    module: StrategyModule
    universe: TradingStrategyUniverse
    options: BacktestOptions
    times: list[datetime.datetime] = field(init=False)
    full: IndicatorResults = field(init=False)
    recorded: list[Decision] = field(init=False)
    unstable_keys: set[_Key] = field(init=False)
    has_unstable_decisions: bool = field(init=False)
    #: Changes by index of the decision, without decisions that could not be compared.
    changes: dict[int, dict[_Key, IndicatorChange]] = field(default_factory=dict[int, dict[_Key, IndicatorChange]])
    cuts: list[int] = field(default_factory=list[int])
    decisions: dict[datetime.datetime, ChangedDecision] = field(
        default_factory=dict[datetime.datetime, ChangedDecision]
    )
    skipped: list[SkippedCut] = field(default_factory=list[SkippedCut])

    def __post_init__(self) -> None:
        module, options = self.module, self.options
        start, end = find_period(
            self.universe, options.start_at or module.backtest_start, options.end_at or module.backtest_end
        )
        self.options = dataclasses.replace(options, start_at=start, end_at=end)
        self.times = to_datetimes(find_decision_times(self.universe, module.cycle_duration, start, end))
        self.full = self.calculate(self.universe)
        self.recorded = self.replay(self.universe, self.full)
        with contextlib.redirect_stdout(io.StringIO()):
            again = self.calculate(self.universe)
            recorded_again = self.replay(self.universe, again)
        last = self.universe.get_time_range()[1]
        self.unstable_keys = {change.key for change in find_changes(self.full, again, last)}
        self.has_unstable_decisions = find_first_difference(self.recorded, recorded_again) is not None

    def calculate(self, universe: TradingStrategyUniverse) -> IndicatorResults:
        """Return the indicators of the strategy from the candles of a universe."""
        start, context = self.options.start_at, make_context(self.module, self.options)
        return calculate_indicators(self.module.make_indicators(start, universe, context), universe, context, start)

    def replay(
        self,
        universe: TradingStrategyUniverse,
        indicators: IndicatorResults,
        until: datetime.datetime | None = None,
        recorder: DecisionRecorder | None = None,
    ) -> list[Decision]:
        """Return what the strategy decides; `until` is the last decision, inclusive."""
        recorder = recorder or DecisionRecorder()
        module = dataclasses.replace(self.module, decide_trades=recorder.wrap(self.module.decide_trades))
        end = self.options.end_at if until is None else until + datetime.timedelta(microseconds=1)
        replay_decisions(module, universe, dataclasses.replace(self.options, end_at=end), indicators)
        return recorder.decisions

    # --- Cutting

    def choose(self, count: int, *, every_decision: bool) -> list[int]:
        """Return the numbers of the decisions to cut at, increasing."""
        candles = [self.universe.get_candles(pair) for pair in self.universe.iterate_pairs()]
        first_known = min(from_us(int(each.ends[0])) for each in candles)
        # Before the first candle of a pair has ended, decisions can see the pair, but indicators cannot.
        unclear = [(each.first_start_at, from_us(int(each.ends[0]))) for each in candles]
        possible = [
            number
            for number, at in enumerate(self.times)
            if at >= first_known and not any(start <= at < end for start, end in unclear)
        ]
        if not possible:
            raise LookAheadNotPossible(f"there is no decision after the first candle has ended at {first_known}")
        if every_decision or len(possible) <= count:
            return possible
        acted = {decision.at for decision in self.recorded if decision.has_trades}
        traded = [number for number in possible if self.times[number] in acted]
        chosen = set(_spread(traded, count // 2))
        others = [number for number in possible if number not in chosen]
        return sorted(chosen | set(_spread(others, count - len(chosen))))

    def compare_at(self, number: int) -> None:
        """Cut the data at a decision, and record the differences."""
        at = self.times[number]
        with contextlib.redirect_stdout(io.StringIO()):
            known = self.find_changes_at(number)
            if known is None:
                return
            self.cuts.append(number)
            if not self.has_unstable_decisions:
                self.compare_decisions(known, at)

    def find_changes_at(self, number: int, *, note: bool = True) -> IndicatorResults | None:
        """Record the indicators that differ, and return those from known data; None if the calculation fails."""
        at = self.times[number]
        try:
            known = self.calculate(cut_universe(self.universe, at))
        except TradeExecutorError as error:
            if note:
                self.skipped.append(SkippedCut(at, str(error)))
            return None
        found = find_changes(self.full, known, at)
        self.changes[number] = {change.key: change for change in found if change.key not in self.unstable_keys}
        return known

    def compare_decisions(self, known: IndicatorResults, at: datetime.datetime) -> None:
        """Run with the data known at a decision, and record the first decision that differs."""
        if known.universe.get_pair_count() < self.universe.get_pair_count():
            # A strategy that fails because a pair is missing does not show whether later candles are used.
            self.skipped.append(SkippedCut(at, "decisions are not compared before all pairs have a finished candle"))
            return
        recorder = DecisionRecorder()
        try:
            self.replay(cut_universe(self.universe, at, with_open=True), known, at, recorder)
        except DecisionFailed as error:
            recorder.decisions.append(Decision(error.timestamp, (Action(f"fails: {error}"),)))
        except TradeExecutorError as error:
            self.skipped.append(SkippedCut(at, f"the decisions could not be compared: {error}"))
            return
        before = [decision for decision in self.recorded if decision.at <= at]
        number = find_first_difference(before, recorder.decisions)
        if number is None:
            return
        mine, other = (side[number] if number < len(side) else None for side in (before, recorder.decisions))
        decided_at = min(decision.at for decision in (mine, other) if decision is not None)
        nothing = Decision(decided_at, ())
        mine, other = mine or nothing, other or nothing
        texts = (mine.describe(besides=other), other.describe(besides=mine))
        self.decisions.setdefault(decided_at, ChangedDecision(decided_at, at, *texts))

    # --- Reporting

    def refine(self) -> dict[_Key, IndicatorChange]:
        """Return the first change of each column, found by bisection between the cuts."""
        budget = _MAX_REFINEMENTS
        first: dict[_Key, IndicatorChange] = {}
        for key in dict.fromkeys(key for number in self.cuts for key in self.changes[number]):
            high = min(number for number in self.cuts if key in self.changes[number])
            low = max((number for number in self.cuts if number < high), default=-1)
            while high - low > 1:
                middle = (low + high) // 2
                if middle not in self.changes:
                    if not budget:
                        break
                    budget -= 1
                    with contextlib.redirect_stdout(io.StringIO()):
                        self.find_changes_at(middle, note=False)
                if key in self.changes.get(middle, ()):
                    high = middle
                else:
                    low = middle
            first[key] = self.changes[high][key]
        return first

    def report(self, *, is_exact: bool) -> LookAheadReport:
        """Sum up."""
        if not self.cuts:
            reason = f"{self.skipped[0].at}: {self.skipped[0].reason}"
            raise LookAheadNotPossible(f"the indicators cannot be calculated from less data, {reason}")
        return LookAheadReport(
            start_at=self.times[0],
            end_at=self.times[-1],
            decisions_made=len(self.times),
            cuts=len(self.cuts),
            is_exact=is_exact,
            indicators=tuple(self._sum_up_indicators()),
            decisions=tuple(self.decisions[at] for at in sorted(self.decisions)),
            unstable_indicators=tuple(dict.fromkeys(name for name, _, _ in sorted(self.unstable_keys, key=str))),
            has_unstable_decisions=self.has_unstable_decisions,
            skipped=tuple(self.skipped),
        )

    def _sum_up_indicators(self) -> Iterable[ChangedIndicator]:
        first = self.refine()
        columns: dict[tuple[str, str | None], list[IndicatorChange]] = {}
        for change in first.values():
            columns.setdefault((change.name, change.column), []).append(change)
        changed_names = {name for name, _ in columns}
        found: list[ChangedIndicator] = []
        for (name, column), changes in columns.items():
            earliest = min(changes, key=lambda change: change.at)
            keys = {change.key for change in changes}
            found.append(
                ChangedIndicator(
                    name=name,
                    column=column,
                    tickers=tuple(change.ticker for change in changes if change.ticker),
                    first_at=earliest.at,
                    ticker=earliest.ticker,
                    stamp=earliest.stamp,
                    value=earliest.value,
                    known_value=earliest.known_value,
                    cuts=sum(not keys.isdisjoint(self.changes[number]) for number in self.cuts),
                    reads=tuple(sorted(self.full.reads.get(name, set()) & changed_names)),
                )
            )
        return sorted(found, key=lambda item: (bool(item.reads), item.first_at))


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """Return up to `count` of the numbers, the first and the last among them, evenly spread."""
    if len(numbers) <= count:
        return list(numbers)
    step = (len(numbers) - 1) / max(count - 1, 1)
    return [numbers[math.floor(place * step + 0.5)] for place in range(count)]
