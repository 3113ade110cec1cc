"""Look-ahead: whether an indicator knows candles that came after the decision that read it.

An indicator is calculated once, over all candles, and read decision by decision. It is honest when each value that a
decision could see is the same as if the candles after the decision had never come. That is also the test: leave them
out, calculate again, compare what was visible.
"""

import bisect
import contextlib
import datetime
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.market_data import Candles, from_us, to_us
from tradeexecutor.strategy.pandas_trader.indicator_results import UNIVERSE, IndicatorResults, IndicatorSeries
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, UniverseNotValid

__all__ = ["IndicatorChange", "check_indicators", "choose_cuts", "cut_universe", "find_changes", "format_value"]

#: Calculates the indicators of a strategy from the candles of a universe.
Calculate = Callable[[TradingStrategyUniverse], IndicatorResults]

#: Values that are closer than this are the same: sums over series of another length may be rounded otherwise.
_RELATIVE_TOLERANCE = 1e-7
_SCALE_TOLERANCE = 1e-10

#: Candles, of all pairs together and at least of each pair, that a cut may have besides those that the indicators need
#: for their first values: what the check costs is bounded, and does not depend on the clock.
_MOST_CANDLES = 2_000
_MOST_CANDLES_OF_A_PAIR = 250

#: Where `check_indicators` cuts, as shares of these candles. Two, so that an end of a week or month is not met twice.
_CUTS = (0.47, 0.7)

#: It also cuts when so many candles have ended: what is filled backwards shows at the beginning only.
_EARLY_CANDLES = 5

#: Of so many indicators with times of their own it cuts where a value has just become visible.
_MOST_PERIODS = 2


@dataclass(frozen=True, slots=True)
class IndicatorChange:
    """A column of an indicator whose visible values depend on later candles.

    Attributes
    ----------
    name, column
        The indicator, and the column where its function returned a DataFrame.
    pair_id, ticker
        Whose it is; `UNIVERSE` and an empty text for an indicator of the whole universe.
    at
        The decision that saw it, naive UTC.
    stamp
        Time of the last value that differs.
    value, known_value
        That value in the run, and calculated from what was known at the decision; None: no value.
    count
        How many of the values that the decision could see differ.
    """

    name: str
    column: str | None
    pair_id: int
    ticker: str
    at: datetime.datetime
    stamp: datetime.datetime
    value: float | None
    known_value: float | None
    count: int

    @property
    def key(self) -> tuple[str, int, str | None]:
        """What tells columns apart: name, pair, column."""
        return (self.name, self.pair_id, self.column)

    def describe(self) -> str:
        """Return e.g. ``indicator 'bands', column 'top', of BTC-USD``."""
        column = f", column {self.column!r}" + ("," if self.ticker else "") if self.column is not None else ""
        return f"indicator {self.name!r}{column}" + (f" of {self.ticker}" if self.ticker else "")


def format_value(value: float | None) -> str:
    """Return a value of an indicator for people."""
    return "no value" if value is None else f"{value:.6g}"


# --- What was known


def cut_universe(
    universe: TradingStrategyUniverse, at: datetime.datetime, *, with_open: bool = False
) -> TradingStrategyUniverse:
    """Return the universe as it was known at a time: the candles that had ended.

    A pair without any is left out.

    Parameters
    ----------
    universe
        All data.
    at
        The time, naive UTC.
    with_open
        Keep the candles that had started, too, with all their prices at the open and no volume: enough to trade at
        `at`, and nothing that is not known then.

    Raises
    ------
    UniverseNotValid
        No candle is left.
    """
    now = to_us(at)
    kept: dict[TradingPairIdentifier, Candles] = {}
    for pair in universe.iterate_pairs():
        candles = universe.get_candles(pair)
        ended = int(np.searchsorted(candles.ends, now, side="right"))
        count = ended + int(with_open and ended < len(candles) and int(candles.starts[ended]) <= now)
        if count:
            kept[pair] = _take(candles, ended, count)
    if not kept:
        raise UniverseNotValid(f"no candle has ended by {at}")
    return TradingStrategyUniverse(kept, universe.reserve_asset)


def _take(candles: Candles, ended: int, count: int) -> Candles:
    """Return the first `count` candles; of those from `ended` on only the open."""

    def hide(values: NDArray[np.float64], known: NDArray[np.float64] | float) -> NDArray[np.float64]:
        if count == ended:
            return values[:count]
        result = values[:count].copy()
        result[ended:] = known
        return result

    opens = candles.open[ended:count]
    return Candles(
        candles.starts[:count],
        candles.open[:count],
        hide(candles.high, opens),
        hide(candles.low, opens),
        hide(candles.close, opens),
        volume=None if candles.volume is None else hide(candles.volume, 0.0),
        bucket=candles.bucket,
        source=candles.source,
        ends=candles.ends[:count],
    )


# --- Comparing


def find_changes(full: IndicatorResults, known: IndicatorResults, at: datetime.datetime) -> list[IndicatorChange]:
    """Return the columns of which a decision saw other values than what was known gives.

    Parameters
    ----------
    full
        Calculated from all candles.
    known
        Calculated from the candles that had ended at the decision.
    at
        The decision, naive UTC.
    """
    now = to_us(at)
    known_ids = {pair.internal_id or 0 for pair in known.universe.iterate_pairs()} | {UNIVERSE}
    found: list[IndicatorChange] = []
    for name, pair_id, column, series in full.iterate_columns():
        if pair_id not in known_ids:
            continue
        other = (known.get_columns(name, pair_id) or {}).get(column)
        stamps, mine, theirs = _align(series, other, now)
        different = np.flatnonzero(~_are_same(mine, theirs))
        if len(different):
            last = int(different[-1])
            ticker = full.universe.get_pair_by_id(pair_id).get_ticker() if pair_id != UNIVERSE else ""
            values = (_to_value(mine[last]), _to_value(theirs[last]))
            stamp = from_us(int(stamps[last]))
            found.append(IndicatorChange(name, column, pair_id, ticker, at, stamp, *values, len(different)))
    return found


def _align(
    series: IndicatorSeries, other: IndicatorSeries | None, now: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return stamps and values that are visible at `now`, and the other values with the same stamps (NaN for none)."""
    visible = int(np.searchsorted(np.asarray(series.cursor.ends), now, side="right"))
    stamps = series.get_stamps()[:visible]
    mine = np.asarray(series.values)[:visible]
    theirs = np.full(visible, math.nan)
    if other is not None and visible:
        other_stamps, other_values = other.get_stamps(), np.asarray(other.values)
        place = np.minimum(np.searchsorted(other_stamps, stamps), len(other_stamps) - 1)
        hit = other_stamps[place] == stamps
        theirs[hit] = other_values[place[hit]]
    return stamps, mine, theirs


def _are_same(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    finite = np.abs(a[np.isfinite(a)])
    scale = float(np.median(finite)) if len(finite) else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(a - b) <= _RELATIVE_TOLERANCE * np.minimum(np.abs(a), np.abs(b)) + _SCALE_TOLERANCE * scale
    # The distance of infinities says nothing; of them only equal ones are the same.
    return (a == b) | (close & np.isfinite(a) & np.isfinite(b)) | (np.isnan(a) & np.isnan(b))


def _to_value(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


# --- The cheap check of every backtest


def check_indicators(
    calculate: Calculate, full: IndicatorResults, times: Sequence[datetime.datetime]
) -> list[IndicatorChange]:
    """Calculate indicators again from the data known at a few decisions; return what differs.

    It finds dependence on later candles at nearly every decision, at the beginning, or when a period has just ended;
    `tradeexecutor lookahead` finds it at single decisions, too.

    Parameters
    ----------
    calculate
        Calculates the indicators of the strategy.
    full
        Those of the run.
    times
        When the strategy decided, increasing.
    """
    if not len(full) or not times:
        return []
    found: dict[tuple[str, int, str | None], IndicatorChange] = {}
    for number in choose_cuts(full, times):
        known = _try_to_calculate(calculate, full.universe, times[number])
        if known is not None:
            for change in find_changes(full, known, times[number]):
                found.setdefault(change.key, change)
    if found:
        # What is not the same twice on the same data says nothing about later candles.
        again = _try_to_calculate(calculate, full.universe, None)
        end = full.universe.get_time_range()[1]
        for change in find_changes(full, again, end) if again is not None else ():
            found.pop(change.key, None)
    return list(found.values())


def choose_cuts(full: IndicatorResults, times: Sequence[datetime.datetime]) -> list[int]:
    """Return the numbers of the decisions at which `check_indicators` cuts; the same for the same data.

    First those that tell most, so that their values are reported.
    """
    pairs = [full.universe.get_candles(pair) for pair in full.universe.iterate_pairs()]

    def count(at: datetime.datetime) -> int:
        return sum(int(np.searchsorted(candles.ends, to_us(at), side="right")) for candles in pairs)

    first = min(bisect.bisect_left(times, _find_ready(full), key=to_us), len(times) - 1)
    budget = count(times[first]) + max(_MOST_CANDLES, _MOST_CANDLES_OF_A_PAIR * len(pairs))
    span = bisect.bisect_right(times, budget, lo=first, key=count) - first
    cuts = [first + int(share * span) for share in _CUTS]
    cuts += _find_ends_of_periods(full, times, max(cuts))
    cuts.append(bisect.bisect_left(times, _EARLY_CANDLES, key=count))
    return [number for number in dict.fromkeys(cuts) if number < len(times)]


def _find_ready(full: IndicatorResults) -> int:
    """Return when the last of the columns has its first value, us; 0 when none has any."""
    ready = 0
    for *_, series in full.iterate_columns():
        known = np.flatnonzero(~np.isnan(np.asarray(series.values)))
        if len(known):
            ready = max(ready, int(series.cursor.ends[int(known[0])]))
    return ready


def _find_ends_of_periods(full: IndicatorResults, times: Sequence[datetime.datetime], before: int) -> list[int]:
    """Return decisions up to one at which a value with a time of its own, such as a week's, has just become visible."""
    until = to_us(times[before])
    found: list[int] = []
    for *_, series in full.iterate_columns():
        if series.has_own_times:
            ends = np.asarray(series.cursor.ends)
            index = int(np.searchsorted(ends, until, side="right")) - 1
            if index >= 0:
                found.append(bisect.bisect_left(times, int(ends[index]), key=to_us))
    return list(dict.fromkeys(found))[:_MOST_PERIODS]


def _try_to_calculate(
    calculate: Calculate, universe: TradingStrategyUniverse, at: datetime.datetime | None
) -> IndicatorResults | None:
    """Return the indicators as known at a time, None: at the end; None when that is impossible."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return calculate(universe if at is None else cut_universe(universe, at))
    except TradeExecutorError:
        return None
