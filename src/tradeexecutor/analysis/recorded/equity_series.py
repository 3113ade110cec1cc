"""Time series of the recorded equity, share price and deposits.

In a series without "adjusted" in its name, a deposit counts as profit, as in recorded figures.
:py:func:`tradeexecutor.analysis.adjusted.periods.calculate_time_weighted_returns` is adjusted for deposits.

Every function is linear in the number of samples and does not change its argument. Returns are fractions.
"""

import datetime
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tradeexecutor.analysis.samples import read_sample_times
from tradeexecutor.analysis.times import Frequency, read_frequency, to_time_index
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.state.types import USDollarPrice

__all__ = [
    "Frequency",
    "calculate_aggregate_returns",
    "calculate_daily_returns",
    "calculate_deposit_adjusted_returns",
    "calculate_equity_curve",
    "calculate_investment_flow",
    "calculate_returns",
    "calculate_rolling_returns",
    "calculate_rolling_sharpe",
    "calculate_share_price",
    "generate_buy_and_hold_returns",
    "make_time_series",
    "resample_returns",
]

_DAY = "D"


def make_time_series(
    times: Iterable[datetime.datetime], values: Iterable[float | None], name: str | None = None
) -> "pd.Series[float]":
    """Return floats by time, microseconds; None becomes NaN."""
    return pd.Series(np.array(list(values), dtype=np.float64), index=to_time_index(times), name=name)


@contract_signature
def calculate_equity_curve(
    state: State, attribute_name: str = "total_equity", fill_time_gaps: bool = False
) -> "pd.Series[float]":
    """Return a recorded figure of the portfolio over time; of samples with the same time the last one.

    Parameters
    ----------
    state
        Its portfolio samples are read.
    attribute_name
        Numeric field of :py:class:`~tradeexecutor.state.statistics.PortfolioStatistics`; USD unless a ratio.
    fill_time_gaps
        Whether to extend the series to the whole strategy: 0 at its start, the last value at its end. Nothing is added
        if a sample is at or beyond that time.

    Returns
    -------
    pandas.Series
        In the order of recording, with ``name`` of the state and ``curve`` ``"equity"`` in `attrs`. Empty without
        samples.
    """
    values = np.array(state.stats.get_figures(attribute_name), dtype=np.float64)
    curve = pd.Series(values, index=read_sample_times(state))
    if fill_time_gaps and len(curve):
        curve = _fill_gaps(curve, state)
    if not curve.index.is_unique:
        curve = curve[~curve.index.duplicated(keep="last")]
    curve.attrs = {"name": state.name, "curve": "equity"}
    return curve


def _fill_gaps(curve: "pd.Series[float]", state: State) -> "pd.Series[float]":
    start, end = state.get_strategy_time_range()
    parts = [curve]
    if start is not None and start < curve.index.min():
        parts.insert(0, make_time_series([start], [0.0]))
    if end is not None and end > curve.index.max():
        parts.append(make_time_series([end], [float(curve.iloc[-1])]))
    return pd.concat(parts) if len(parts) > 1 else curve


def calculate_returns(equity_curve: "pd.Series[float]") -> "pd.Series[float]":
    """Return the change of each sample against the one before it; 0 for the first one.

    Infinite where the equity was 0 before.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = equity_curve.pct_change().fillna(0.0)
    returns.attrs = {**equity_curve.attrs, "curve": "returns"}
    return returns


def generate_buy_and_hold_returns(buy_and_hold_price_series: "pd.Series[float]") -> "pd.Series[float]":
    """Return the returns of buying and holding, from prices over time."""
    return calculate_returns(buy_and_hold_price_series)


def calculate_aggregate_returns(equity_curve: "pd.Series[float]", freq: Frequency = "BME") -> "pd.Series[float]":
    """Return the change from point to point of a regular grid, the first one NaN.

    The grid starts with the first sample: with ``"D"`` its points are 24 hours apart from there, not midnights. A
    point has the value of the latest sample up to it.

    Parameters
    ----------
    equity_curve
        No time twice; any order.
    freq
        A pandas offset or its name, the old names of pandas included.
    """
    grid = equity_curve.sort_index().asfreq(read_frequency(freq), method="ffill")  # pyright: ignore[reportArgumentType]
    with np.errstate(divide="ignore", invalid="ignore"):
        return grid.pct_change()


def calculate_daily_returns(state: State, freq: Frequency = _DAY) -> "pd.Series[float]":
    """Return `calculate_aggregate_returns` of the total equity; for backtests over the whole strategy time.

    Empty without samples.
    """
    curve = calculate_equity_curve(state, fill_time_gaps=bool(state.backtest_data))
    return calculate_aggregate_returns(curve, freq=freq) if len(curve) else curve


def calculate_investment_flow(state: State) -> "pd.Series[float]":
    """Return deposits (+) and redemptions (-) in USD, by the time of the cycle that booked them.

    Several at one time are separate. Events without a cycle or a value are left out.
    """
    refs = [
        ref
        for ref in state.sync.treasury.balance_update_refs
        if ref.strategy_cycle_included_at is not None and ref.usd_value is not None
    ]
    return make_time_series([ref.strategy_cycle_included_at for ref in refs], [ref.usd_value for ref in refs])  # pyright: ignore[reportArgumentType]


def calculate_deposit_adjusted_returns(state: State, freq: Frequency = _DAY) -> "pd.Series[float]":
    """Return per period last equity - first equity - net deposits, in USD.

    From the first sample or deposit to the last one. NaN where the period has no sample, or lies before the first or
    after the last deposit. `tradeexecutor.analysis.adjusted.periods.calculate_time_weighted_returns` has fractions,
    for every period.
    """
    freq = read_frequency(freq)
    equity = calculate_equity_curve(state)
    flows = calculate_investment_flow(state)
    if not len(equity) and not len(flows):
        return equity
    per_period = equity.resample(freq)
    change = per_period.last() - per_period.first()
    return change.sub(flows.resample(freq).sum()) if len(flows) else change * np.nan


def resample_returns(returns: "pd.Series[float]", freq: Frequency) -> "pd.Series[float]":
    """Return the compounded return of each period, product(1 + r) - 1; 0 for a period without returns."""
    return (1 + returns).resample(read_frequency(freq)).prod() - 1


@contract_signature
def calculate_rolling_returns(
    returns: "pd.Series[float]", freq: Frequency = _DAY, periods: int = 90, diagnose: bool = False
) -> Any:
    """Return, for each period, the compounded return of it and the ones before it.

    Parameters
    ----------
    returns
        Of any spacing.
    freq
        Compound to this spacing first.
    periods
        Length of the window; nothing is returned for the first ``periods - 1``.
    diagnose
        Return a frame with the returns of the single periods, ``resampled_returns``, and of the windows,
        ``rolling_return``, which is NaN for the first ``periods - 1``.
    """
    _require_window(periods)
    resampled = resample_returns(returns, freq)
    # A sum of logarithms would be faster, but lose digits near 0.
    rolling = (1 + resampled).rolling(periods).apply(np.prod, raw=True) - 1
    if diagnose:
        return pd.DataFrame({"resampled_returns": resampled, "rolling_return": rolling})
    return rolling.dropna()


@contract_signature
def calculate_rolling_sharpe(
    returns: "pd.Series[float]", freq: Frequency = _DAY, periods: int = 90, diagnose: bool = False
) -> Any:
    """Return sqrt(periods) * mean / deviation of a sliding window; same parameters as `calculate_rolling_returns`.

    The factor is the length of the window, so the figure is not annualised. The frame for `diagnose` has the columns
    ``resampled_returns`` and ``rolling_sharpe``.
    """
    _require_window(periods)
    resampled = resample_returns(returns, freq)
    window = resampled.rolling(periods)
    with np.errstate(divide="ignore", invalid="ignore"):
        rolling = periods**0.5 * window.mean() / window.std()
    if diagnose:
        return pd.DataFrame({"resampled_returns": resampled, "rolling_sharpe": rolling})
    return rolling.dropna()


def _require_window(periods: int) -> None:
    if periods < 1:
        raise InvalidValue(f"a window needs at least one period, not {periods}")


def calculate_share_price(state: State, initial_share_price: USDollarPrice | None = None) -> pd.DataFrame:
    """Return the vault share price over time, samples without one left out.

    Parameters
    ----------
    state
        Its portfolio samples are read.
    initial_share_price
        Price that the returns are relative to; None for `State.initial_share_price`.

    Returns
    -------
    pandas.DataFrame
        ``share_price_usd``; ``nav``, USD; ``returns``, a fraction since the start. Of samples with the same time all
        are kept.
    """
    start = state.initial_share_price if initial_share_price is None else initial_share_price
    samples = [
        sample
        for sample in state.stats.portfolio
        if sample.share_price_usd is not None and sample.net_asset_value is not None
    ]
    times = [sample.calculated_at for sample in samples]
    price = make_time_series(times, [sample.share_price_usd for sample in samples])
    columns = {"share_price_usd": price, "nav": [sample.net_asset_value for sample in samples]}
    return pd.DataFrame({**columns, "returns": price / start - 1}, index=price.index)
