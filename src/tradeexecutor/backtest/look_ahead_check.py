"""Look-ahead: whether an indicator knows candles that came after the decision that read it.

An indicator is calculated once, over all candles, and read decision by decision. It is honest when each value that a
decision could see is the same as if the candles after the decision had never come. That is also the test: leave them
out, calculate again, compare what was visible.
"""

import contextlib
import datetime
import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.strategy.market_data import Candles, from_us, to_us
from tradeexecutor.strategy.pandas_trader.indicator_results import UNIVERSE, IndicatorResults, IndicatorSeries
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, UniverseNotValid

__all__ = ["IndicatorChange", "Spent", "check_indicators", "cut_universe", "find_changes", "format_value"]

#: Calculates the indicators of a strategy from the candles of a universe.
Calculate = Callable[[TradingStrategyUniverse], IndicatorResults]

#: Values that are closer than this are the same: sums over series of another length may be rounded otherwise.
_RELATIVE_TOLERANCE = 1e-7
_SCALE_TOLERANCE = 1e-10

#: Of the time of a run, the share that `check_indicators` may take, and what it may always take, in seconds.
_BUDGET_SHARE = 0.03
_BUDGET_SECONDS = 0.005

#: Where `check_indicators` cuts, as shares of the decisions. Two, so that an end of a week or month is not met twice.
_CUTS = (0.47, 0.7)

#: How much of the budget that is left each cut may take.
_BUDGET_PARTS = (0.4, 1.0)


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


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds that the indicators and the decisions of a run took."""

    indicators: float
    decisions: float


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
    calculate: Calculate, full: IndicatorResults, times: Sequence[datetime.datetime], spent: Spent
) -> list[IndicatorChange]:
    """Calculate indicators again from the data known at two decisions; return what differs.

    Aims at three per cent of the time of the run: where indicators are slow, the cuts move to the beginning of the
    data, where there is less to calculate. Finds what depends on later candles at nearly every decision; what does it
    only now and then needs a full analysis.

    Parameters
    ----------
    calculate
        Calculates the indicators of the strategy.
    full
        Those of the run.
    times
        When the strategy decided, increasing.
    spent
        Time of the run.
    """
    if not len(full):
        return []
    budget = max(_BUDGET_SHARE * (spent.indicators + spent.decisions), _BUDGET_SECONDS)
    # Seconds for all the data. The first estimate is often too high: it has loading and warming up in it.
    cost = spent.indicators
    found: dict[tuple[str, int, str | None], IndicatorChange] = {}
    done: set[int] = set()
    for share, part in zip(_CUTS, _BUDGET_PARTS, strict=True):
        share = min(share, budget * part / cost) if cost > 0 else share
        number = int(share * len(times))
        if number in done:
            continue
        done.add(number)
        began = time.perf_counter()
        known = _try_to_calculate(calculate, full.universe, times[number])
        taken = time.perf_counter() - began
        if known is not None:
            for change in find_changes(full, known, times[number]):
                found.setdefault(change.key, change)
        budget -= taken
        if budget <= 0:
            break
        cost = taken / max(share, 1 / len(times))
    if found:
        # What is not the same twice on the same data says nothing about later candles.
        again = _try_to_calculate(calculate, full.universe, None)
        end = full.universe.get_time_range()[1]
        for change in find_changes(full, again, end) if again is not None else ():
            found.pop(change.key, None)
    return list(found.values())


def _try_to_calculate(
    calculate: Calculate, universe: TradingStrategyUniverse, at: datetime.datetime | None
) -> IndicatorResults | None:
    """Return the indicators as known at a time, None: at the end; None when that is impossible."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return calculate(universe if at is None else cut_universe(universe, at))
    except TradeExecutorError:
        return None
