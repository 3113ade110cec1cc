"""The cursor over candles gives what a search gives, whatever times it was asked for before."""

import bisect
import datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.markets import flat, make_candles
from tradeexecutor.strategy.market_data import CandleCursor, Candles

MINUTE = 60_000_000

#: Candles of some minutes with gaps between them: lengths and gaps, minutes.
CANDLES = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=12)
#: Steps of the time that is asked for: forwards on most bars, also backwards.
STEPS = st.lists(st.sampled_from((0, 1, 1, 2, 3, 7, -1, -4)), min_size=1, max_size=40)


def make_irregular(lengths: list[tuple[int, int]]) -> Candles:
    starts: list[int] = []
    ends: list[int] = []
    now = 10 * MINUTE
    for length, gap in lengths:
        starts.append(now)
        ends.append(now + length * MINUTE)
        now = ends[-1] + gap * MINUTE
    prices = np.ones(len(starts))
    columns = (np.array(starts), prices, prices, prices, prices)
    return Candles(*columns, bucket=datetime.timedelta(minutes=1), ends=np.array(ends))


@given(CANDLES, st.integers(5, 60), STEPS)
def test_the_last_candle_that_has_ended_is_found_from_any_place(
    lengths: list[tuple[int, int]], first: int, steps: list[int]
):
    candles = make_irregular(lengths)
    cursor, ends, starts = CandleCursor(candles), candles.ends.tolist(), candles.starts.tolist()
    now = first * MINUTE
    for step in steps:
        now += step * MINUTE
        found = cursor.seek_visible(now)
        assert found == cursor.visible == bisect.bisect_right(ends, now) - 1
        assert cursor.asked == now
        if found >= 0:
            assert cursor.visible_age == now - ends[found]
        assert cursor.seek(now) == bisect.bisect_right(starts, now) - 1


def test_the_next_candle_is_found_without_a_search():
    candles = make_candles([flat(1.0)] * 50)
    searched: list[int] = []

    class Counting(CandleCursor):
        def seek(self, now: int) -> int:
            searched.append(now)
            return super().seek(now)

    cursor = Counting(candles)
    for number, end in enumerate(candles.ends.tolist()):
        assert cursor.seek_visible(end) == number
    assert len(searched) == 1
