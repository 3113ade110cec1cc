"""A small picture of a result: growth of the strategy and of buy and hold, as SVG without plotly.

It is for places where a chart is too large or too heavy: the HTML of a result in a notebook, the gallery of the
documentation. Its colours are legible on light and on dark pages, and texts have the colour of the page.
"""

import itertools
from html import escape

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.benchmark import read_holdings
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.state.display.formatting import format_percent
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.thinning import choose_points

__all__ = ["draw_growth_svg"]

_STRATEGY, _HELD = "#2f8fd0", "#8a94a0"

#: Margins for the labels, pixels.
_TOP, _BOTTOM, _RIGHT = 8, 20, 140

#: Smallest distance of the two labels at the end of the lines, pixels.
_LINE = 15

#: A line that has fallen to nothing is drawn at this part of its start, because the scale is logarithmic.
_LEAST = 1e-3


def draw_growth_svg(state: State, width: int = 520, height: int = 140) -> str:
    """Return an SVG element with the growth of 1 USD, on a logarithmic scale; empty text without two samples.

    The strategy's growth is time-weighted, so that deposits and redemptions are not in it. Buy and hold is drawn if the
    state recorded it.

    Parameters
    ----------
    width, height
        Size of the picture, pixels; it shrinks with the page.
    """
    observations = read_observations(state)
    if not len(observations):
        return ""
    lines = [("Strategy", _STRATEGY, observations.path_times, np.cumprod(1.0 + observations.path))]
    for holding in read_holdings(state)[:1]:
        times = holding.growth.index.astype("datetime64[us]").astype(np.int64).to_numpy()
        lines.insert(0, ("Buy and hold", _HELD, times, holding.growth.to_numpy(dtype=np.float64)))
    begin, end = int(observations.path_times[0]), int(observations.path_times[-1])
    heights = [np.log(np.maximum(values, _LEAST)) for _, _, _, values in lines]
    low = min(0.0, *(float(np.nanmin(values)) for values in heights))
    high = max(0.0, *(float(np.nanmax(values)) for values in heights))
    scale = (height - _TOP - _BOTTOM) / (high - low or 1.0)

    parts = [_draw_zero(width, _TOP + high * scale)]
    ends: list[float] = []
    for (_, colour, times, _), values in zip(lines, heights, strict=True):
        across = (times - begin) / max(end - begin, 1) * (width - _RIGHT)
        parts.append(_draw_line(across, _TOP + (high - values) * scale, colour, width - _RIGHT))
        ends.append(float(_TOP + (high - values[-1]) * scale))
    for (name, colour, _, values), place in zip(lines, _spread(ends, height), strict=True):
        label = f"{name} {format_percent(float(values[-1]) - 1.0)}"
        parts.append(f'<text x="{width - _RIGHT + 6}" y="{place + 4:.0f}" fill="{colour}">{escape(label)}</text>')
    first, last = (str(np.datetime64(moment, "us").astype("datetime64[D]")) for moment in (begin, end))
    faint = 'fill="currentColor" opacity="0.7"'
    parts.append(f'<text x="0" y="{height - 4}" {faint}>{first}</text>')
    parts.append(f'<text x="{width - _RIGHT}" y="{height - 4}" text-anchor="end" {faint}>{last}</text>')
    described = ", ".join(f"{name} {format_percent(float(values[-1]) - 1.0)}" for name, _, _, values in lines[::-1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="Growth from {first} to {last}: {escape(described)}" '
        f'style="max-width:100%;height:auto" font-family="system-ui, sans-serif" font-size="11">'
        f"{''.join(parts)}</svg>"
    )


def _draw_zero(width: int, place: float) -> str:
    return f'<path d="M0 {place:.1f}H{width - _RIGHT}" stroke="{_HELD}" stroke-dasharray="2 3" opacity="0.6"/>'


def _draw_line(across: NDArray[np.float64], down: NDArray[np.float64], colour: str, limit: int) -> str:
    chosen = choose_points((across * 1000).astype(np.int64), down, limit // 2)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across[chosen], down[chosen], strict=True) if y == y)
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-linejoin="round"/>'


def _spread(places: list[float], height: int) -> list[float]:
    """Return where the labels stand, at least a line apart and inside the picture; the higher one stays higher."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    placed = list(places)
    for before, after in itertools.pairwise(order):
        placed[after] = max(placed[after], placed[before] + _LINE)
    excess = max(0.0, max(placed) - (height - _BOTTOM))
    return [place - excess for place in placed]
