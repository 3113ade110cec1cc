"""Which part of the requested period the market data does not cover; reported once, at the end of a run.

A market with closing hours has expected gaps in its candles: nights, weekends, holidays. They are distinguished from
missing candles because they repeat at regular times.
"""

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.strategy.candle_length import describe_length
from tradeexecutor.strategy.market_data import Candles, from_us, to_us
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["Gap", "describe_coverage", "describe_widened", "find_gaps", "has_closing_hours"]

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY

#: Longest closure of a market for holidays, weekends around them included, us.
_LONGEST_CLOSING = 5 * _DAY

#: Smallest share, and number, of gaps at one time of the day or week that are closing hours of a market.
_REGULAR_SHARE = 0.25
_FEWEST_CLOSINGS = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """A period without candles between two candles, naive UTC, and the number of missing candles."""

    start_at: datetime.datetime
    end_at: datetime.datetime
    candles: int


def describe_coverage(
    universe: TradingStrategyUniverse,
    wanted: tuple[datetime.datetime | None, datetime.datetime | None],
    used: tuple[datetime.datetime, datetime.datetime],
) -> list[str]:
    """Return sentences about missing data; empty when nothing is missing.

    Parameters
    ----------
    universe
        The market data.
    wanted
        Start and end that the strategy or the user requested; None for all data.
    used
        Start and end of the run.
    """
    can_close = {pair: has_closing_hours(universe.get_candles(pair)) for pair in universe.iterate_pairs()}
    notes = _describe_period(universe, wanted, used, can_close=any(can_close.values()))
    for pair, closes in can_close.items():
        notes += _describe_pair(pair.get_ticker(), universe.get_candles(pair), used, can_close=closes)
    return notes


def describe_widened(universe: TradingStrategyUniverse) -> list[str]:
    """Return a sentence for each pair whose data has opens or closes outside low - high; empty without any."""
    notes: list[str] = []
    for pair in universe.iterate_pairs():
        widened = universe.get_candles(pair).widened
        if widened:
            notes.append(
                f"{pair.get_ticker()}: {widened:,} candles had an open or a close outside low - high, and their range "
                "was widened to it; --strict, or strict=True, refuses such data"
            )
    return notes


def _describe_period(
    universe: TradingStrategyUniverse,
    wanted: tuple[datetime.datetime | None, datetime.datetime | None],
    used: tuple[datetime.datetime, datetime.datetime],
    *,
    can_close: bool,
) -> list[str]:
    notes: list[str] = []
    all_candles = {pair.get_ticker(): universe.get_candles(pair) for pair in universe.iterate_pairs()}
    tolerance = datetime.timedelta(microseconds=_LONGEST_CLOSING if can_close else 0)
    start, end = used
    if wanted[0] is not None and start - wanted[0] > tolerance:
        notes.append(f"The run starts {_show(start)} and not {_show(wanted[0])}: the market data begins then.")
    if wanted[1] is not None and wanted[1] - end > tolerance:
        notes.append(f"The run ends {_show(end)} and not {_show(wanted[1])}: the market data ends then.")
    if wanted[0] is None:
        first_ticker, first = min(all_candles.items(), key=lambda item: item[1].first_start_at)
        last_ticker, last = max(all_candles.items(), key=lambda item: item[1].first_start_at)
        if start == last.first_start_at and start - first.first_start_at > tolerance:
            notes.append(
                f"The run starts {_show(start)}, when {last_ticker} begins; "
                f"{first_ticker} begins {_show(first.first_start_at)}."
            )
    return notes


def _describe_pair(
    ticker: str, candles: Candles, used: tuple[datetime.datetime, datetime.datetime], *, can_close: bool
) -> list[str]:
    start, end = used
    tolerance = max(datetime.timedelta(microseconds=_LONGEST_CLOSING if can_close else 0), candles.typical_length)
    notes: list[str] = []
    if candles.first_start_at - start > tolerance:
        notes.append(f"{ticker} begins {_show(candles.first_start_at)}, after the start of the run.")
    if end - candles.last_end_at > tolerance:
        notes.append(f"{ticker} ends {_show(candles.last_end_at)}, before the end of the run.")
    gaps = [gap for gap in find_gaps(candles, can_close=can_close) if start < gap.end_at and gap.start_at < end]
    if not gaps:
        return notes
    longest = max(gaps, key=lambda gap: gap.end_at - gap.start_at)
    when = f"{_show(longest.start_at)} to {_show(longest.end_at)}"
    if can_close:
        places = "" if len(gaps) == 1 else f"{len(gaps)} times for more than five days, the longest "
        notes.append(f"{ticker} has no prices {places}from {when}.")
    else:
        missing = sum(gap.candles for gap in gaps)
        present = int(((candles.starts >= to_us(start)) & (candles.starts < to_us(end))).sum())
        candle = f"candles of {describe_length(candles.bucket)}"
        places = "" if len(gaps) == 1 else f" in {len(gaps):,} places, the most"
        notes.append(f"{ticker} lacks {missing:,} of {missing + present:,} {candle},{places} from {when}.")
    return notes


def _show(time: datetime.datetime) -> str:
    return f"{time:%Y-%m-%d}" if time.time() == datetime.time() else f"{time:%Y-%m-%d %H:%M}"


# --- Gaps


def find_gaps(candles: Candles, *, can_close: bool) -> list[Gap]:
    """Return the unexpected periods without candles.

    These are all of them if the market never closes; otherwise, with `can_close`, those that are longer than holidays.
    """
    starts, lengths = _find_periods_without_candles(candles)
    if can_close:
        kept = lengths > _LONGEST_CLOSING
        starts, lengths = starts[kept], lengths[kept]
    step = candles.typical_length // datetime.timedelta(microseconds=1)
    return [
        Gap(from_us(start), from_us(start + length), max(round(length / step), 1))
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)
    ]


def _find_periods_without_candles(candles: Candles) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = candles.starts[1:] - candles.ends[:-1]
    # The hour that daylight saving removes from a day is not a gap, nor are the days before the first trading day of
    # a week or month.
    shortest = _HOUR if candles.typical_length > datetime.timedelta(hours=1) else 0
    if candles.typical_length >= datetime.timedelta(days=7):
        shortest = candles.typical_length // datetime.timedelta(microseconds=2)
    gaps = np.flatnonzero(lengths > shortest)
    return candles.ends[gaps], lengths[gaps]


def has_closing_hours(candles: Candles) -> bool:
    """Return True if the market closes regularly, at night or at weekends.

    It does if no candle of a week or more starts at a weekend, or if gaps repeat at one time of the day (of the week,
    for candles of a day), up to an hour earlier or later because of daylight saving.
    """
    if isinstance(candles.bucket, str) or candles.bucket > datetime.timedelta(days=3):
        return False
    weekdays = (candles.starts // _DAY + 3) % 7
    spans_weekend = candles.starts[-1] - candles.starts[0] >= 3 * _DAY
    if spans_weekend and candles.typical_length <= datetime.timedelta(days=1) and not (weekdays >= 5).any():
        days = np.unique((candles.starts // _DAY + 3) // 7)
        if len(days) > 1:
            return True
    starts, _ = _find_periods_without_candles(candles)
    if len(starts) < _FEWEST_CLOSINGS:
        return False
    period = _DAY if candles.bucket < datetime.timedelta(days=1) else _WEEK
    phases, counts = np.unique(starts % period, return_counts=True)
    later = dict(zip(phases.tolist(), counts.tolist(), strict=True))
    most = max(count + later.get((phase + _HOUR) % period, 0) for phase, count in later.items())
    weeks = max(1, int(candles.starts[-1] - candles.starts[0]) // _WEEK)
    return most >= max(_FEWEST_CLOSINGS, 0.3 * weeks) and most >= _REGULAR_SHARE * len(starts)
