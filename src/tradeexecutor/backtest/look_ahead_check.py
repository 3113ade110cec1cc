"""Look-ahead: whether an indicator uses candles that are later than the decision that reads it.

An indicator is calculated once, from all candles, and read at each decision. It has no look-ahead if each value that a
decision can see is the same as without the candles after the decision. The test does exactly this: it removes the later
candles, calculates again, and compares the visible values.
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

#: Largest differences of equal values, relative to the value and to the scale of the column: sums over series of
#: different lengths may be rounded differently.
_RELATIVE_TOLERANCE = 1e-7
_SCALE_TOLERANCE = 1e-10

#: Largest number of candles of a cut, of all pairs together and of each pair, in addition to those that the indicators
#: need for their first values. This limits the cost of the check, which does not depend on the clock.
_MOST_CANDLES = 2_000
_MOST_CANDLES_OF_A_PAIR = 250

#: Where `check_indicators` cuts, as shares of these candles; two, so that not both are at the end of a week or month.
_CUTS = (0.47, 0.7)

#: Number of ended candles at one more cut: values that are filled backwards are only found at the beginning.
_EARLY_CANDLES = 5

#: Largest number of indicators with times of their own for which it cuts where a value has just become visible.
_MOST_PERIODS = 2


@dataclass(frozen=True, slots=True)
class IndicatorChange:
    """A column of an indicator whose visible values depend on later candles.

    Attributes
    ----------
    name, column
        The indicator, and the column if its function returned a DataFrame.
    pair_id, ticker
        The pair; `UNIVERSE` and an empty text for an indicator of the whole universe.
    at
        The decision that could see it, naive UTC.
    stamp
        Time of the last value that differs.
    value, known_value
        That value in the run, and calculated from the candles known at the decision; None for no value.
    count
        Number of visible values that differ.
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
        """Unique key of the column: name, pair, column."""
        return (self.name, self.pair_id, self.column)

    def describe(self) -> str:
        """Return e.g. ``indicator 'bands', column 'top', of BTC-USD``."""
        column = f", column {self.column!r}" + ("," if self.ticker else "") if self.column is not None else ""
        return f"indicator {self.name!r}{column}" + (f" of {self.ticker}" if self.ticker else "")


def format_value(value: float | None) -> str:
    """Return a value of an indicator as text."""
    return "no value" if value is None else f"{value:.6g}"


# --- What was known


def cut_universe(
    universe: TradingStrategyUniverse, at: datetime.datetime, *, with_open: bool = False
) -> TradingStrategyUniverse:
    """Return the universe with the candles that had ended at a time.

    A pair without such candles is left out.

    Parameters
    ----------
    universe
        All data.
    at
        The time, naive UTC.
    with_open
        Whether to keep the candles that had started, too, with all prices at the open and no volume, so that trades at
        `at` are possible without later prices.

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
    """Return the columns whose visible values at a decision depend on later candles.

    Parameters
    ----------
    full
        Indicators from all candles.
    known
        Indicators from the candles that had ended at the decision.
    at
        Time of the decision, naive UTC.
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
    """Return stamps and values that are visible at `now`, and the other values with the same stamps (NaN for none).

    A series that holds a value for each day of a week ends, without later candles, at the first day of the week. So
    after the last of the other stamps the last of the other values counts: it is what a decision reads.
    """
    visible = int(np.searchsorted(np.asarray(series.cursor.ends), now, side="right"))
    stamps = series.get_stamps()[:visible]
    mine = np.asarray(series.values)[:visible]
    theirs = np.full(visible, math.nan)
    if other is not None and visible:
        other_stamps, other_values = other.get_stamps(), np.asarray(other.values)
        place = np.minimum(np.searchsorted(other_stamps, stamps), len(other_stamps) - 1)
        hit = other_stamps[place] == stamps
        theirs[hit] = other_values[place[hit]]
        theirs[stamps > other_stamps[-1]] = other_values[-1]
    return stamps, mine, theirs


def _are_same(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.bool_]:
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():  # nearly always
        return same
    finite = np.abs(a[np.isfinite(a)])
    scale = float(np.median(finite)) if len(finite) else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        close = np.abs(a - b) <= _RELATIVE_TOLERANCE * np.minimum(np.abs(a), np.abs(b)) + _SCALE_TOLERANCE * scale
    # The distance of infinities is undefined, so they are compared by equality.
    return same | (close & np.isfinite(a) & np.isfinite(b))


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
        Indicators of the run.
    times
        Times of the decisions, increasing.
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
        # Indicators that differ on the same data are random, and cannot be checked.
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
    """Return the indicators from the data known at a time (None for all data); None when the calculation fails."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return calculate(universe if at is None else cut_universe(universe, at))
    except TradeExecutorError:
        return None
