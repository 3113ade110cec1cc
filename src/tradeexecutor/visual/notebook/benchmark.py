"""Comparison of a strategy with benchmarks: holding cash, holding an asset, another curve.

The equity of a strategy with deposits cannot be compared with a price. Its line is therefore its growth without
deposits, applied to the cash with which the benchmarks start. If there are no deposits, this is its equity.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.analysis.recorded.equity_series import Frequency, resample_returns
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.visualisation import Plot
from tradeexecutor.visual.charts.comparison import make_interest_figure, make_long_short_figure
from tradeexecutor.visual.parts.candles import find_candles
from tradeexecutor.visual.parts.chart import MAX_POINTS, ChartOptions
from tradeexecutor.visual.parts.history import crop, read_history
from tradeexecutor.visual.parts.indicators import visualise_technical_indicator
from tradeexecutor.visual.parts.theme import finish, get_theme, get_theme_name, shorten
from tradeexecutor.visual.parts.thinning import Thinner

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = [
    "create_benchmark_equity_curves",
    "transform_to_equity_curve",
    "visualise_equity_curve_benchmark",
    "visualise_equity_curves",
    "visualise_long_short_benchmark",
    "visualise_portfolio_interest_curve",
    "visualise_vs_returns",
]

ALL_CASH = "All cash"


def visualise_long_short_benchmark(
    state: "State",
    name: str | None = None,
    height: int = 800,
    theme: str = "plotly_white",
    max_points: int = MAX_POINTS,
) -> go.Figure:
    """Draw the compounded profit of all closed positions, of the long positions and of the short positions.

    Returns are relative to the size of the portfolio when a position was opened.

    Raises
    ------
    NothingToDraw
        No position was closed, or the file did not record portfolio values.
    """
    options = ChartOptions(theme=get_theme_name(theme), height=height, max_points=max_points)
    return make_long_short_figure(state, name or "Long and short positions", options, complete=True)


@contract_signature
def visualise_equity_curve_benchmark(
    name: str | None = None,
    title: str | None = None,
    state: "State | None" = None,
    portfolio_statistics: Sequence[PortfolioStatistics] | None = None,
    all_cash: float | None = None,
    buy_and_hold_asset_name: str | None = None,
    buy_and_hold_price_series: "pd.Series[float] | None" = None,
    benchmark_indexes: pd.DataFrame | None = None,
    additional_indicators: Collection[Plot] | None = None,
    height: int = 1200,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    log_y: bool = False,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw the value of a strategy in USD together with cash and benchmarks that start with the same cash.

    Parameters
    ----------
    name
        Name of the line of the strategy; None for the name of the state.
    title
        Title of the chart; None for the name.
    state, portfolio_statistics
        Source of the values. Deposits recorded in a state are excluded; statistics are used if there is no state.
    all_cash
        Cash with which the benchmarks start, also drawn as a line, USD. None for the initial cash of a backtest, or
        else the first portfolio value, without a line.
    buy_and_hold_asset_name, buy_and_hold_price_series
        Name and price of one benchmark.
    benchmark_indexes
        A price series in each column; a series whose ``attrs["curve"]`` is ``"returns"`` is compounded.
        ``attrs["colours"]`` of the frame may contain colours by column.

    Raises
    ------
    NothingToDraw, InvalidValue
        Fewer than two portfolio values in the time range; neither a state nor statistics, or prices without a name.
    """
    if state is None and portfolio_statistics is None:
        raise InvalidValue("a benchmark chart needs a state or portfolio statistics")
    if buy_and_hold_price_series is not None and not buy_and_hold_asset_name:
        raise InvalidValue("buy_and_hold_price_series needs buy_and_hold_asset_name")
    theme_ = get_theme(theme)
    equity = _read_equity(state, portfolio_statistics, start_at, end_at)
    if all_cash is None and state is not None and state.backtest_data is not None:
        all_cash = state.portfolio.get_initial_cash() or None
    is_cash_known, cash = all_cash is not None, all_cash or float(equity.iloc[0])
    name = name or (state.name if state is not None else None) or "Strategy"
    thinner = Thinner(MAX_POINTS)
    figure = go.Figure()
    _add_usd_line(figure, thinner.thin(equity), shorten(name, 40), theme_.main, 2.2)
    if is_cash_known:
        _add_usd_line(figure, pd.Series(cash, index=equity.index[[0, -1]]), "Hold cash", theme_.neutral, 1.2)
    benchmarks = _iterate_benchmarks(buy_and_hold_asset_name, buy_and_hold_price_series, benchmark_indexes)
    for number, (label, colour, series) in enumerate(benchmarks, start=1):
        scaled = _scale(series, cash, equity.index[0], equity.index[-1])
        if len(scaled):
            line_colour = colour or theme_.get_colour(number)
            _add_usd_line(figure, thinner.thin(scaled), shorten(label, 40), line_colour, 1.4)
    for plot in additional_indicators or ():
        trace = visualise_technical_indicator(plot, start_at, end_at, thinner=thinner)
        if trace is not None:
            figure.add_trace(trace)
    _set_value_axis(figure, log_y=log_y)
    finish(figure, theme_, title or shorten(name, 40), thinner.get_notes(), height)
    return figure.update_layout(legend=_LEGEND_ABOVE)


#: Position of the legend: above the plot, at its right end.
_LEGEND_ABOVE = {"yref": "paper", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"}


def _set_value_axis(figure: go.Figure, *, log_y: bool) -> None:
    title = "Value $ (logarithmic)" if log_y else "Value $"
    figure.update_yaxes(title_text=title, type="log" if log_y else "linear", tickformat="~s")
    figure.update_xaxes(title_text="Time (UTC)")
    figure.update_layout(hovermode="x unified")


def _add_usd_line(figure: go.Figure, line: "pd.Series[float]", name: str, colour: str, width: float) -> None:
    style = {"color": colour, "width": width}
    figure.add_scatter(x=line.index, y=line, name=name, mode="lines", line=style, hovertemplate="%{y:$,.2f}")


def _read_equity(
    state: "State | None",
    samples: Sequence[PortfolioStatistics] | None,
    start_at: datetime.datetime | None,
    end_at: datetime.datetime | None,
) -> "pd.Series[float]":
    if samples is None:
        assert state is not None
        history = read_history(state, ChartOptions(start_at=start_at, end_at=end_at))
        first = float(history.value.iloc[0]) / (1.0 + float(history.returns.iloc[0]))
        return (1.0 + history.growth) * first
    values = pd.Series({sample.calculated_at: sample.get_value() for sample in samples}, dtype="float64").sort_index()
    equity = crop(values.to_frame(), start_at, end_at).iloc[:, 0]
    if len(equity) < 2:
        raise NothingToDraw(f"there are {len(equity)} portfolio values, and this needs at least 2")
    return equity


def _iterate_benchmarks(
    name: str | None, prices: "pd.Series[float] | None", indexes: pd.DataFrame | None
) -> Iterable[tuple[str, str | None, "pd.Series[float]"]]:
    if prices is not None:
        yield f"Buy and hold {name}", prices.attrs.get("colour"), prices
    if indexes is not None:
        colours: Mapping[Any, str] = indexes.attrs.get("colours", {})
        for column in indexes:
            if column != ALL_CASH:
                yield str(column), colours.get(column) or indexes[column].attrs.get("colour"), indexes[column]


def _scale(series: "pd.Series[float]", cash: float, start: Any, end: Any) -> "pd.Series[float]":
    """Return the value of an investment of the cash at the first price, USD."""
    inside = crop(series.dropna().sort_index().to_frame(), start, end).iloc[:, 0]
    if not len(inside):
        return inside
    if series.attrs.get("curve") == "returns":
        return (1.0 + inside).cumprod() * cash
    return inside / inside.iloc[0] * cash


@contract_signature
def create_benchmark_equity_curves(
    strategy_universe: Any,
    pairs: Mapping[str, TradingPairIdentifier],
    initial_cash: float,
    custom_colours: Mapping[str, str] | None = None,
    convert_to_daily: bool = False,
) -> pd.DataFrame:
    """Return the value of an investment of the initial cash in each pair, USD.

    Parameters
    ----------
    strategy_universe
        See :py:mod:`tradeexecutor.visual.parts.candles`.
    pairs
        Name -> pair.
    initial_cash
        Amount invested in each pair at its first close, USD.
    custom_colours
        Colours by name.
    convert_to_daily
        Use only the last close of each day.

    Returns
    -------
    pandas.DataFrame
        A column in USD for each name and for ``All cash``; ``attrs`` contains ``colours`` and ``names``.

    Raises
    ------
    InvalidValue
        There are no candles of a pair.
    """
    curves: dict[str, pd.Series[float]] = {}
    for name, pair in pairs.items():
        candles = find_candles(strategy_universe, pair)
        if candles is None or not len(candles):
            raise InvalidValue(f"there are no candles of {pair.get_ticker()}")
        close = candles["close"].resample("D").last().dropna() if convert_to_daily else candles["close"]
        curves[name] = close / close.iloc[0] * initial_cash
    frame = pd.DataFrame(curves)
    frame[ALL_CASH] = initial_cash
    palette = get_theme("light")
    colours = {name: palette.get_colour(number + 1) for number, name in enumerate(pairs)}
    frame.attrs = {"colours": {**colours, ALL_CASH: palette.neutral, **(custom_colours or {})}, "names": list(frame)}
    return frame


@contract_signature
def visualise_vs_returns(
    returns: "pd.Series[float]",
    benchmark_indexes: pd.DataFrame,
    name: str = "Strategy compared with benchmarks",
    height: int = 800,
    skipped_benchmarks: Collection[str] = (ALL_CASH,),
    freq: Frequency = "MS",
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw how much better the strategy was than each benchmark, by period.

    The value is (1 + return of the strategy) / (1 + return of the benchmark); above 1 the strategy was better.

    Parameters
    ----------
    returns
        Returns of the strategy, fractions by time.
    benchmark_indexes
        Prices or equity, one column for each benchmark.

    Raises
    ------
    NothingToDraw
        There are no returns, or no benchmarks.
    """
    look = get_theme(theme)
    columns = [column for column in benchmark_indexes if column not in skipped_benchmarks]
    if not len(returns) or not columns:
        raise NothingToDraw("there is nothing to compare: no returns or no benchmarks")
    strategy = resample_returns(returns, freq)
    figure = go.Figure()
    for number, column in enumerate(columns):
        closes = benchmark_indexes[column].dropna()
        benchmark = resample_returns(closes.pct_change().dropna(), freq)
        ratio = ((1.0 + strategy) / (1.0 + benchmark)).dropna()
        figure.add_scatter(
            x=ratio.index,
            y=ratio,
            name=shorten(str(column), 40),
            mode="lines+markers",
            line={"color": look.get_colour(number + 1), "width": 1.6},
            hovertemplate="%{y:.3f}",
        )
    figure.add_hline(y=1.0, line={"color": look.text, "width": 1.2})
    figure.update_yaxes(title_text="Strategy / benchmark")
    figure.update_xaxes(title_text="Time (UTC)")
    figure.update_layout(hovermode="x unified")
    return finish(figure, look, name, ["Above 1 the strategy did better in that period"], height)


@contract_signature
def visualise_equity_curves(
    curves: Iterable["pd.Series[float]"],
    name: str = "Equity curves",
    height: int = 800,
    log_y: bool = False,
    start_at: datetime.datetime | None = None,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw several equity curves, each scaled to begin with the first one.

    Parameters
    ----------
    curves
        USD by time; ``attrs`` must have ``name`` and ``curve`` (``"equity"``), and may have ``colour``.
    start_at
        Start of the chart; earlier values are left out.

    Raises
    ------
    InvalidValue
        A curve lacks these attributes.
    NothingToDraw
        No curve has a value.
    """
    look = get_theme(theme)
    thinner = Thinner(MAX_POINTS)
    figure = go.Figure()
    base: float | None = None
    for number, curve in enumerate(curves):
        missing = [key for key in ("name", "curve") if not curve.attrs.get(key)]
        if missing or curve.attrs["curve"] != "equity":
            raise InvalidValue(f"curve {number + 1} needs attrs name and curve='equity', has {curve.attrs}")
        inside = crop(curve.dropna().sort_index().to_frame(), start_at, None).iloc[:, 0]
        if not len(inside):
            continue
        base = base or float(inside.iloc[0])
        colour = curve.attrs.get("colour") or look.get_colour(number)
        _add_usd_line(figure, thinner.thin(inside / inside.iloc[0] * base), curve.attrs["name"], colour, 1.6)
    if base is None:
        raise NothingToDraw("none of the curves has a value in this time")
    _set_value_axis(figure, log_y=log_y)
    return finish(figure, look, name, thinner.get_notes(), height)


def transform_to_equity_curve(
    df: pd.DataFrame, column: str, name: str, colour: str | None = None
) -> "pd.Series[float]":
    """Return a column as a curve for `visualise_equity_curves`; raises `InvalidValue` if there is no such column."""
    if column not in df:
        raise InvalidValue(f"no column {column!r}; there are {', '.join(map(str, df))}")
    curve = df[column].dropna()
    curve.attrs = {"name": name, "curve": "equity", "colour": colour}
    return curve


def visualise_portfolio_interest_curve(
    name: str | None, state: "State", colour: str | None = None, height: int = 1200, theme: str = "plotly_white"
) -> go.Figure:
    """Draw the cumulative profit of the closed credit positions by opening time, USD.

    Raises
    ------
    NothingToDraw
        No credit position was closed.
    """
    options = ChartOptions(theme=get_theme_name(theme), height=height)
    return make_interest_figure(state, name or "Interest earned", options, colour, by_opening=True)
