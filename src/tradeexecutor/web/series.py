"""Time series for charts of the public client.

The client draws a growth line from two series: the recorded profit of positions, and the return of the share price.
Backtests record neither, and the recorded profit of positions is not what the strategy returned. Both are therefore the
growth of the net asset value, adjusted for deposits and redemptions, wherever the state has samples of it; this is the
return that ``show-statistics`` prints. The recorded series keep their names in ``/v1/{id}/charts``.
"""

import numpy as np

from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.state.errors import LegacyDataException
from tradeexecutor.state.state import State
from tradeexecutor.visual.web_chart import WebChart, WebChartSource, WebChartType, render_web_chart

__all__ = ["get_growth", "make_ascending", "render_client_chart"]

Points = list[tuple[float, float]]

_GLOSSARY = "https://tradingstrategy.ai/glossary/"

_HELP_LINKS = {
    WebChartType.total_equity: "total-equity",
    WebChartType.netflow: "netflow",
    WebChartType.share_price: "share-price",
}

_GROWTH = (
    WebChartType.compounding_unrealised_trading_profitability_sampled,
    WebChartType.share_price_based_return,
)


def get_growth(state: State) -> Points:
    """Return (epoch seconds, return since the start as a fraction), ascending; empty with fewer than two samples.

    The last value is the total return of `tradeexecutor.analysis.adjusted.summary.PerformanceSummary`.
    """
    observations = read_observations(state)
    if not len(observations):
        return []
    growth = np.cumprod(1.0 + observations.path) - 1.0
    times = observations.path_times / 1_000_000
    return make_ascending(list(zip(times.tolist(), growth.tolist(), strict=True)))


def make_ascending(points: Points) -> Points:
    """Return the points that a chart can draw: finite, after 1970, each at a later time than the one before.

    Of several points of one time the last is kept.
    """
    kept: dict[float, float] = {
        at: value for at, value in sorted(points, key=lambda point: point[0]) if at >= 0 and np.isfinite(value)
    }
    return list(kept.items())


def render_client_chart(state: State, chart: WebChartType, source: WebChartSource) -> WebChart:
    """Return a chart in the terms of the public client; the help link is never None.

    Raises
    ------
    InvalidValue
        The chart or source does not exist.
    """
    try:
        drawn = render_web_chart(state, chart, source)
        data, title, help_link = drawn.data, drawn.title, drawn.help_link
    except LegacyDataException:
        data, title, help_link = [], chart.value.replace("_", " ").capitalize(), None
    has_own_price = chart is WebChartType.share_price_based_return and data
    if chart in _GROWTH and not has_own_price:
        data = get_growth(state) or data
    link = help_link or _GLOSSARY + _HELP_LINKS.get(chart, "profitability")
    return WebChart(make_ascending(data), title, link, source)
