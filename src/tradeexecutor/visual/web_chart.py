"""Time series for charts of web pages: data only, without drawing."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tradeexecutor.analysis.recorded.equity_series import (
    calculate_equity_curve,
    calculate_investment_flow,
    calculate_share_price,
)
from tradeexecutor.analysis.recorded.position_returns import (
    calculate_compounding_realised_trading_profitability,
    calculate_realised_profitability,
    extract_compounding_unrealised_trading_profitability_portfolio_statistics,
)
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State

__all__ = ["WebChart", "WebChartSource", "WebChartType", "export_time_series", "render_web_chart"]

_GLOSSARY = "https://tradingstrategy.ai/glossary/"
_PROFITABILITY = f"{_GLOSSARY}profitability"


class WebChartType(enum.StrEnum):
    """Figure to show."""

    compounding_unrealised_trading_profitability_sampled = "compounding_unrealised_trading_profitability_sampled"
    compounding_realised_profitability = "compounding_realised_profitability"
    total_equity = "total_equity"
    netflow = "netflow"
    share_price = "share_price"
    share_price_based_return = "share_price_based_return"
    realised_profitability = "realised_profitability"


class WebChartSource(enum.StrEnum):
    """Origin of the state."""

    live_trading = "live_trading"
    backtest = "backtest"


@dataclass(frozen=True, slots=True)
class WebChart:
    """A series for a web page.

    Attributes
    ----------
    data
        (epoch seconds, value), ascending. Times at which the value is unknown are left out.
    help_link
        Page that explains the figure.
    """

    data: list[tuple[float, float]]
    title: str
    help_link: str
    source: WebChartSource


_Series = Callable[[State], "pd.Series[float]"]

_CHARTS: dict[WebChartType, tuple[str, str, _Series]] = {
    WebChartType.compounding_unrealised_trading_profitability_sampled: (
        "Unrealised trading profitability %",
        _PROFITABILITY,
        extract_compounding_unrealised_trading_profitability_portfolio_statistics,
    ),
    WebChartType.compounding_realised_profitability: (
        "Compounded realised trading position profitability % on close",
        _PROFITABILITY,
        lambda state: _take_last_of_days(calculate_compounding_realised_trading_profitability(state)),
    ),
    WebChartType.total_equity: ("Total equity", f"{_GLOSSARY}total-equity", calculate_equity_curve),
    WebChartType.netflow: ("Netflow", f"{_GLOSSARY}netflow", calculate_investment_flow),
    WebChartType.share_price: (
        "Share price",
        f"{_GLOSSARY}share-price",
        lambda state: calculate_share_price(state)["share_price_usd"],
    ),
    WebChartType.share_price_based_return: (
        "Share price based return %",
        _PROFITABILITY,
        lambda state: calculate_share_price(state)["returns"],
    ),
    WebChartType.realised_profitability: (
        "Realised profitability % of each position",
        _PROFITABILITY,
        calculate_realised_profitability,
    ),
}


def render_web_chart(
    state: State, type: WebChartType, source: WebChartSource = WebChartSource.live_trading
) -> WebChart:
    """Return the series of a chart.

    Profits are fractions, equity and flows USD. The equity has no points before the first or after the last sample.

    Raises
    ------
    InvalidValue
        The chart or source does not exist.
    LegacyDataException
        The file does not contain the data of the chart.
    """
    try:
        type, source = WebChartType(type), WebChartSource(source)
    except ValueError as error:
        raise InvalidValue(str(error)) from None
    title, help_link, read = _CHARTS[type]
    return WebChart(export_time_series(read(state)), title, help_link, source)


def _take_last_of_days(series: "pd.Series[float]") -> "pd.Series[float]":
    """Return the value at the end of each day, which stays until the next change."""
    return series.resample("D").last().ffill() if len(series) else series


def export_time_series(series: "pd.Series[float]") -> list[tuple[float, float]]:
    """Return (epoch seconds, value) of each known value, ascending by time; times are naive UTC.

    NaN is left out: JSON has no such value, and clients draw null as 0.

    Raises
    ------
    InvalidValue
        A value is infinite.
    """
    series = series.dropna().sort_index(kind="stable")
    if not len(series):
        return []
    values = series.to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InvalidValue(f"the series has {values[bad[0]]} at {series.index[bad[0]]}")
    seconds = pd.DatetimeIndex(series.index).as_unit("us").asi8 / 1_000_000
    return list(zip(seconds.tolist(), values.tolist(), strict=True))
