"""Candles that a price chart of the page shows when the reader zooms in.

The chart itself has at most a thousand candles, merged from what there is.  The candles before merging are packed into
the page beside it, and its script shows them, or what is merged from fewer of them, in the time that is zoomed into.
They are integers: prices in units of the last digit that matters, each as its difference from the one before, which
compresses to about six bytes a candle.
"""

import base64
import gzip
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.candles import find_candles, find_pair, list_pairs
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import crop
from tradeexecutor.visual.parts.price_rows import find_range
from tradeexecutor.visual.parts.thinning import merge_candles

__all__ = ["MAX_FINE_SIZE", "FineCandles", "pack_candles", "pack_fine_candles"]

#: Bytes of the packed candles of one chart; where there are more, they are merged until they fit.
MAX_FINE_SIZE = 1_500_000

#: Digits of a price that matter to the eye, however deep it zooms.
_DIGITS = 7


@dataclass(frozen=True, slots=True)
class FineCandles:
    """Packed candles, and which traces of the figure they belong to.

    Attributes
    ----------
    packed
        Base64 of compressed JSON, see `pack_candles`.
    prices, volume
        Index of the trace of candles, and of that of their volume; None: it shows no volume.
    """

    packed: str
    prices: int
    volume: int | None


def pack_fine_candles(state: State, options: ChartOptions, figure: go.Figure) -> FineCandles | None:
    """Return the candles from which those of a price chart were merged; None where it shows all there are.

    Parameters
    ----------
    options
        With which the figure was drawn.
    """
    traces: Any = figure.data
    prices = next((index for index, trace in enumerate(traces) if trace.type == "candlestick"), None)
    if prices is None:
        return None
    pair = find_pair(state, options.pair if options.pair is not None else list_pairs(state)[0])
    candles = find_candles(options.candles, pair)
    if candles is None:
        return None
    candles = crop(candles, *find_range(state, options.start_at, options.end_at, candles))
    shown = len(traces[prices].x)
    packed = ""
    while len(candles) > shown:
        packed = pack_candles(candles)
        if len(packed) <= MAX_FINE_SIZE:
            break
        candles, _ = merge_candles(candles, len(candles) // 2)
    if len(candles) <= shown:
        return None
    volume = next((index for index, trace in enumerate(traces) if trace.type == "bar"), None)
    return FineCandles(packed, prices, volume)


def pack_candles(candles: pd.DataFrame) -> str:
    """Return candles as base64 of compressed JSON.

    The JSON has ``scale``, by which prices were multiplied, and lists of integers: ``t``, milliseconds since 1970 and
    then differences; ``o``, open less the close before; ``c``, close less open; ``h``, high less the higher of both;
    ``l``, the lower of both less low; ``v``, volume with four digits, where there is any.
    """
    values = {name: candles[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close")}
    largest = max(float(np.nanmax(values["high"])), 1e-300)
    scale = 10.0 ** max(_DIGITS - 1 - math.floor(math.log10(largest)), 0)
    units = {name: np.rint(column * scale).astype(np.int64) for name, column in values.items()}
    first, last = units["open"], units["close"]
    times = pd.DatetimeIndex(candles.index).as_unit("ms").asi8
    data: dict[str, Any] = {
        "scale": scale,
        "t": _difference(times),
        "o": (first - np.concatenate(([0], last[:-1]))).tolist(),
        "c": (last - first).tolist(),
        "h": (units["high"] - np.maximum(first, last)).tolist(),
        "l": (np.minimum(first, last) - units["low"]).tolist(),
    }
    if "volume" in candles and candles["volume"].any():
        data["v"] = [float(f"{value:.4g}") for value in candles["volume"].fillna(0.0).tolist()]
    return base64.b64encode(gzip.compress(orjson.dumps(data), compresslevel=6, mtime=0)).decode("ascii")


def _difference(values: NDArray[np.int64]) -> list[int]:
    return np.diff(values, prepend=0).tolist()
