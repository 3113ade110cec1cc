"""Candles to zoom into: packed small, and the same after unpacking."""

import base64
import gzip
from typing import Any

import numpy as np
import orjson
import pandas as pd

from tests.kit.markets import HOUR, buy, make_candles, random_walk, run
from tradeexecutor.report import fine_candles
from tradeexecutor.report.fine_candles import pack_candles, pack_fine_candles
from tradeexecutor.visual.charts import CHARTS, ChartOptions


def unpack(packed: str) -> pd.DataFrame:
    """Do what the script of the page does."""
    data = orjson.loads(gzip.decompress(base64.b64decode(packed)))
    rows: list[tuple[float, ...]] = []
    time = close = 0
    for number in range(len(data["t"])):
        time += data["t"][number]
        open_ = close + data["o"][number]
        close = open_ + data["c"][number]
        high, low = max(open_, close) + data["h"][number], min(open_, close) - data["l"][number]
        rows.append((time, *(price / data["scale"] for price in (open_, high, low, close))))
    frame = pd.DataFrame(rows, columns=["time", "open", "high", "low", "close"])
    return frame.set_index(pd.DatetimeIndex(frame.pop("time").to_numpy().astype("datetime64[ms]")))


def make_frame(count: int) -> pd.DataFrame:
    return make_candles(random_walk(3, count)).to_dataframe()


def test_unpacked_candles_are_those_that_were_packed():
    candles = make_frame(500)
    found = unpack(pack_candles(candles))
    assert (found.index == candles.index).all()
    for name in found.columns:
        assert np.allclose(found[name], candles[name], rtol=1e-6)


def test_a_candle_takes_a_dozen_bytes():
    assert len(pack_candles(make_frame(5_000))) < 5_000 * 16


def test_a_chart_that_shows_every_candle_has_no_finer_ones():
    candles = make_candles(random_walk(3, 100))
    state = run(candles, {1: buy(10)}).state
    options = ChartOptions(candles=candles.to_dataframe())
    assert pack_fine_candles(state, options, CHARTS["price"].draw(state, options)) is None


def test_what_is_too_large_is_merged_until_it_fits(monkeypatch):
    candles = make_candles(random_walk(3, 3_000))
    state = run(candles, {1: buy(10)}).state
    options = ChartOptions(candles=candles.to_dataframe())
    figure: Any = CHARTS["price"].draw(state, options)
    whole = pack_fine_candles(state, options, figure)
    assert whole is not None
    assert len(unpack(whole.packed)) == 3_000
    assert figure.data[whole.prices].type == "candlestick"
    monkeypatch.setattr(fine_candles, "MAX_FINE_SIZE", len(whole.packed) * 2 // 3)
    merged = pack_fine_candles(state, options, figure)
    assert merged is not None
    frame = unpack(merged.packed)
    assert len(merged.packed) <= len(whole.packed) * 2 // 3
    assert len(frame) == 1_500
    assert frame.index[1] - frame.index[0] == 2 * HOUR
