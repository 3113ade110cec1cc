"""What a strategy earned and risked, from the equity it recorded.

The functions work on a `EquityCurve`; `read_equity_curve` makes one from a state.  Deposits and redemptions that the
state recorded are not taken for profit: a return is

    r[i] = (value[i] - flow[i]) / value[i - 1] - 1

where `flow[i]` is what came in (+) or went out (-) after sample i - 1, up to sample i.  This is the time-weighted
return (CFA Institute, "Global Investment Performance Standards", 2020, section 2.A), with flows at the end of their
period, because the strategy books a deposit and takes the sample in the same cycle.  Money that more than doubles the
portfolio counts from the start of the period instead, r[i] = value[i] / (value[i - 1] + flow[i]) - 1: there, what it
cost to put the new money to work outweighs what the old money earned.

All ratios are fractions, 0.05 is 5 %.  A year has 365 days.
"""

import datetime
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.memo import shared
from tradeexecutor.state.balance_update import INVESTOR_FLOWS
from tradeexecutor.state.state import State
from tradeexecutor.state.types import EPOCH, Percent, USDollarAmount

__all__ = [
    "EquityCurve",
    "calculate_cagr",
    "calculate_drawdowns",
    "calculate_max_drawdown",
    "calculate_max_runup",
    "calculate_periods_per_year",
    "calculate_returns",
    "calculate_sharpe",
    "calculate_sortino",
    "calculate_total_return",
    "calculate_years",
    "iterate_flows",
    "read_equity_curve",
    "to_time_index",
]

_YEAR_US = 365 * 86_400 * 1_000_000

#: Below this deviation per period the returns are constant but for rounding.
_NO_DEVIATION = 1e-14


#: Causes of balance updates that are no profit.
@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Value of a portfolio over time.

    Attributes
    ----------
    times
        Microseconds since 1970, ascending, no time twice.
    values
        Net asset value at these times, USD.
    flows
        Net deposits since the previous sample, USD; the first entry holds everything up to the first sample.
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    flows: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times)


@shared
def read_equity_curve(state: State) -> EquityCurve:
    """Read the recorded net asset values, where old files lack them the total equity, and the recorded flows.

    Of several samples of one time the last one counts.  Wallets into which money was moved without a record show it as
    profit: nothing in the state tells the two apart.
    """
    samples = state.stats.portfolio
    recorded = to_time_index(sample.calculated_at for sample in samples).asi8
    order = np.argsort(recorded, kind="stable")
    times = recorded[order]
    is_last = np.ones(len(times), dtype=np.bool_)
    is_last[:-1] = times[1:] != times[:-1]
    times = times[is_last]
    values = np.array([sample.get_value() for sample in samples], dtype=np.float64)[order][is_last]
    flows = np.zeros(len(times))
    for when, usd_value in iterate_flows(state):
        index = int(np.searchsorted(times, _to_us(when)))
        if index < len(flows):
            flows[index] += usd_value
    _move_late_flows(values, flows)
    return EquityCurve(times, values, flows)


def iterate_flows(state: State) -> Iterator[tuple[datetime.datetime, USDollarAmount]]:
    """Yield time and value of each deposit and redemption.

    The treasury lists them.  Some files have them with the reserve alone, and those count as well.
    """
    listed: set[int] = set()
    for ref in state.sync.treasury.balance_update_refs:
        listed.add(ref.balance_event_id)
        if ref.cause in INVESTOR_FLOWS and ref.usd_value and ref.strategy_cycle_included_at is not None:
            yield ref.strategy_cycle_included_at, ref.usd_value
    for reserve in state.portfolio.reserves.values():
        for event in reserve.balance_updates.values():
            if event.cause in INVESTOR_FLOWS and event.usd_value and event.balance_update_id not in listed:
                yield event.strategy_cycle_included_at or event.block_mined_at, event.usd_value


def _move_late_flows(values: NDArray[np.float64], flows: NDArray[np.float64]) -> None:
    """Move a flow on to the next sample when its own cannot contain it: value below the flow, and a jump one later."""
    for index in np.flatnonzero(flows).tolist():
        while 0 < index < len(flows) - 1 and flows[index] > values[index]:
            flow = flows[index]
            here, after = np.diff(values[index - 1 : index + 2])
            if abs(after - flow) >= abs(here - flow):
                break
            flows[index] = 0.0
            index += 1
            flows[index] += flow


def to_time_index(times: Iterable[datetime.datetime]) -> pd.DatetimeIndex:
    """Return naive datetimes as a pandas index of microseconds."""
    # pandas reads a list of datetimes twenty times faster than numpy.
    return pd.DatetimeIndex(list(times)).as_unit("us")


def _to_us(when: datetime.datetime) -> int:
    return (when - EPOCH) // datetime.timedelta(microseconds=1)


def calculate_returns(curve: EquityCurve) -> NDArray[np.float64]:
    """Return the return of each period, one fewer than samples, deposits taken out.

    A period without any money has no return and counts as 0.

    >>> curve = EquityCurve(np.array([0, 1, 2]), np.array([100.0, 110.0, 220.0]), np.array([100.0, 0.0, 110.0]))
    >>> calculate_returns(curve).round(6).tolist()
    [0.1, 0.0]
    """
    if len(curve) < 2:
        return np.zeros(0)
    start, end, flows = curve.values[:-1], curve.values[1:], curve.flows[1:]
    early = np.where(flows > start, flows, 0.0)
    invested = start + early
    growth = np.divide(end - (flows - early), invested, out=np.ones_like(end), where=invested > 0)
    return np.maximum(growth, 0.0) - 1.0


def calculate_total_return(returns: NDArray[np.float64]) -> Percent:
    """Return the compounded return: the product of (1 + r), minus 1.

    >>> round(calculate_total_return(np.array([0.10, -0.10])), 6)
    -0.01
    """
    return float(np.prod(1.0 + returns)) - 1.0


def calculate_years(curve: EquityCurve) -> float:
    """Return the length from the first to the last sample in years of 365 days."""
    return int(curve.times[-1] - curve.times[0]) / _YEAR_US if len(curve) else 0.0


def calculate_periods_per_year(curve: EquityCurve) -> float:
    """Return how many samples there are per year: periods divided by length; 0.0 without a period.

    Measured, not assumed: hourly samples of a market that closes at night are fewer than 8760.  Samples that were
    added between cycles do no harm to ratios annualised with it: of N returns over T years,
    mean / deviation * sqrt(N / T) is close to sum(r) / sqrt(T * sum(r^2)), where N has cancelled out.
    """
    years = calculate_years(curve)
    return (len(curve) - 1) / years if years else 0.0


def calculate_cagr(total_return: Percent, years: float) -> Percent | None:
    """Return the compound annual growth rate: (1 + total return) ^ (1 / years) - 1.

    Returns
    -------
    float or None
        None when nothing can be said: no time passed, more than everything was lost, or the period is so short that the
        figure exceeds what a float holds.

    >>> round(calculate_cagr(0.21, 2.0), 6)
    0.1
    """
    growth = 1.0 + total_return
    if years <= 0 or growth < 0:
        return None
    if growth == 0:
        return -1.0
    exponent = math.log(growth) / years
    return math.expm1(exponent) if exponent < 700 else None


def calculate_drawdowns(returns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, after each period, how far the wealth is below its highest point so far; 0 at a new high.

    The starting wealth is a point of its own, so that a loss in the very first period counts.
    """
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    return (wealth / np.maximum.accumulate(wealth) - 1.0)[1:]


def calculate_max_drawdown(returns: NDArray[np.float64]) -> Percent:
    """Return the deepest fall from a high, a fraction <= 0 (Magdon-Ismail and Atiya, "Maximum drawdown", 2004).

    >>> round(calculate_max_drawdown(np.array([-0.1, 0.5, -0.2, 0.1])), 6)
    -0.2
    """
    return float(calculate_drawdowns(returns).min(initial=0.0))


def calculate_sharpe(returns: NDArray[np.float64], periods_per_year: float) -> float | None:
    """Return the annualised Sharpe ratio with a risk-free rate of 0.

    mean(r) / deviation(r) * sqrt(periods per year), with the sample deviation, which divides by n - 1
    (W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management, 1994).

    Returns
    -------
    float or None
        None with fewer than two returns or when they do not vary.
    """
    if len(returns) < 2:
        return None
    deviation = float(returns.std(ddof=1))
    if not deviation > _NO_DEVIATION:
        return None
    return float(returns.mean()) / deviation * math.sqrt(periods_per_year)


def calculate_max_runup(returns: NDArray[np.float64]) -> Percent:
    """Return the highest rise from a low, a fraction >= 0; the starting wealth is a point of its own.

    >>> round(calculate_max_runup(np.array([-0.1, 0.5, -0.2])), 6)
    0.5
    """
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    lows = np.minimum.accumulate(wealth)
    return float(np.divide(wealth, lows, out=np.ones_like(wealth), where=lows > 0).max()) - 1.0


def calculate_sortino(returns: NDArray[np.float64], periods_per_year: float) -> float | None:
    """Return the annualised Sortino ratio with a minimum acceptable return of 0.

    mean(r) / sqrt(sum of squared negative r / number of all r) * sqrt(periods per year)
    (Sortino and Price, "Performance Measurement in a Downside Risk Framework", Journal of Investing, 1994).

    Returns
    -------
    float or None
        None with fewer than two returns or without a loss.

    >>> round(calculate_sortino(np.array([0.03, -0.01]), 8.0), 6)
    4.0
    """
    if len(returns) < 2:
        return None
    downside = math.sqrt(float(np.square(np.minimum(returns, 0.0)).mean()))
    if not downside > _NO_DEVIATION:
        return None
    return float(returns.mean()) / downside * math.sqrt(periods_per_year)


def calculate_profit_factor(profits: NDArray[np.float64]) -> float | None:
    """Return what the winners won divided by what the losers lost; None without a loser.

    Parameters
    ----------
    profits
        USD per closed position.

    >>> calculate_profit_factor(np.array([300.0, -100.0, 50.0]))
    3.5
    """
    lost: USDollarAmount = -float(profits[profits < 0].sum())
    return float(profits[profits > 0].sum()) / lost if lost else None
