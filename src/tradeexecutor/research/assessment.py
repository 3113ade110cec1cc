"""How much of the best result of a search is luck.

**Deflated Sharpe ratio** (D. H. Bailey, M. Lopez de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio
Management, 2014): the probability that the true Sharpe ratio of the best of N tries is above zero. The best of N tries
without any skill is expected to have the Sharpe ratio ::

    SR0 = sqrt(V) * ((1 - g) * Z(1 - 1 / N) + g * Z(1 - 1 / (N e)))

with the variance V of the Sharpe ratios of the tries, the constant g of Euler and Mascheroni, and the quantiles Z of
the normal distribution. The probability that the measured ratio SR is above it, in T returns with skewness s and
kurtosis k (3 for a normal distribution), is ::

    DSR = F((SR - SR0) * sqrt(T - 1) / sqrt(1 - s * SR + (k - 1) / 4 * SR ^ 2))

Ratios are per period here, not annual. The tries count as independent; neighbours are not, so the probability is on the
low side.

**Probability of backtest overfitting** (D. H. Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu, "The Probability of
Backtest Overfitting", Journal of Computational Finance, 2015), by combinatorially symmetric cross-validation: the
returns are cut into S blocks; in each choice of half of the blocks the run with the highest Sharpe ratio is found, and
ranked among all runs in the other half. The probability is the fraction of choices in which it is at or below the
median there.

**Stability**: what the neighbours of the best combination achieve, which differ from it by one step of one parameter;
and how much of the variance of the objective each parameter explains by itself (correlation ratio).
"""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.periods import Observations
from tradeexecutor.research.backtest_job import RunResult
from tradeexecutor.research.optimisation import Optimisation

__all__ = [
    "Assessment",
    "Overfitting",
    "Stability",
    "assess",
    "calculate_deflated_sharpe",
    "calculate_expected_best_sharpe",
    "calculate_overfitting",
    "calculate_probabilistic_sharpe",
]

#: Constant of Euler and Mascheroni.
_EULER = 0.5772156649015329

_NORMAL = statistics.NormalDist()

#: Most and fewest blocks of returns; 16 blocks have 12,870 choices of half of them.
_MOST_BLOCKS, _FEWEST_BLOCKS = 16, 4

#: Fewest returns of a block.
_BLOCK_LENGTH = 5

#: Choices that are computed at once, which bounds the memory.
_CHUNK = 1024

_NO_DEVIATION = 1e-14

_DAY_US = 86_400 * 1_000_000


# --- Deflated Sharpe ratio


def calculate_expected_best_sharpe(tries: int, variance: float) -> float:
    """Return the Sharpe ratio per period that the best of some tries without skill is expected to have.

    Parameters
    ----------
    tries
        Number of independent tries; 0.0 for a single one.
    variance
        Variance of their Sharpe ratios per period.
    """
    if tries < 2:
        return 0.0
    high, higher = (_NORMAL.inv_cdf(1 - 1 / count) for count in (tries, tries * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * high + _EULER * higher)


def calculate_probabilistic_sharpe(
    sharpe: float, benchmark: float, periods: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float | None:
    """Return the probability that the true Sharpe ratio is above a benchmark; both are per period.

    Parameters
    ----------
    periods
        Number of returns.
    skew, kurtosis
        Of the returns; the kurtosis of a normal distribution is 3.

    Returns
    -------
    float or None
        None with fewer than two returns, or when they are too skewed for the formula.
    """
    spread = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if periods < 2 or spread <= 0:
        return None
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(periods - 1) / math.sqrt(spread))


def calculate_deflated_sharpe(returns: NDArray[np.float64], tries: int, variance: float) -> float | None:
    """Return the deflated Sharpe ratio of the best of some tries, a probability.

    Parameters
    ----------
    returns
        Of the best try, per period, fractions.
    tries, variance
        See `calculate_expected_best_sharpe`.

    Returns
    -------
    float or None
        None with fewer than two returns, or when they do not vary.
    """
    sharpe = _measure_sharpe(returns)
    if sharpe is None:
        return None
    deviations = returns - returns.mean()
    m2, m3, m4 = (float(np.power(deviations, power).mean()) for power in (2, 3, 4))
    benchmark = calculate_expected_best_sharpe(tries, variance)
    return calculate_probabilistic_sharpe(sharpe, benchmark, len(returns), m3 / m2**1.5, m4 / m2**2)


def _measure_sharpe(returns: NDArray[np.float64]) -> float | None:
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation if deviation > _NO_DEVIATION else None


# --- Probability of backtest overfitting


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Result of the cross-validation.

    Attributes
    ----------
    probability
        Fraction of the choices in which the best run of one half is at or below the median of the other half.
    loss_probability
        Fraction of the choices in which it has a negative Sharpe ratio in the other half.
    choices, blocks, runs
        Number of choices of half of the blocks, of blocks, and of runs.
    """

    probability: float
    loss_probability: float
    choices: int
    blocks: int
    runs: int


def calculate_overfitting(returns: NDArray[np.float64], blocks: int) -> Overfitting:
    """Return the probability of backtest overfitting.

    Parameters
    ----------
    returns
        A row for each period, a column for each run. Rows that do not fill a block are left out at the beginning.
    blocks
        Number of blocks, even.
    """
    rows, runs = returns.shape
    length = rows // blocks
    assert blocks % 2 == 0 < length, "the caller chooses an even number of blocks with returns in each"
    cut = returns[rows - length * blocks :].reshape(blocks, length, runs)
    sums, squares = cut.sum(axis=1), np.square(cut).sum(axis=1)
    halves = np.array(list(itertools.combinations(range(blocks), blocks // 2)))
    chosen = np.zeros((len(halves), blocks))
    np.put_along_axis(chosen, halves, 1.0, axis=1)
    below = losses = 0
    for first in range(0, len(chosen), _CHUNK):
        inside = chosen[first : first + _CHUNK]
        count = length * blocks // 2
        trained = _measure_many(inside @ sums, inside @ squares, count)
        tested = _measure_many((1 - inside) @ sums, (1 - inside) @ squares, count)
        best = tested[np.arange(len(inside)), trained.argmax(axis=1)][:, None]
        # Rank from 1 for the worst to `runs` for the best; of equal ones the mean.
        ranks = (tested < best).sum(axis=1) + ((tested == best).sum(axis=1) + 1) / 2
        below += int((ranks / (runs + 1) <= 0.5).sum())
        losses += int((best[:, 0] < 0).sum())
    return Overfitting(below / len(chosen), losses / len(chosen), len(chosen), blocks, runs)


def _measure_many(sums: NDArray[np.float64], squares: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return Sharpe ratios per period, rounded so that equal runs are equal; 0 where returns do not vary."""
    mean = sums / count
    variance = np.maximum(squares / count - np.square(mean), 0.0) * count / (count - 1)
    ratios = np.divide(mean, np.sqrt(variance), out=np.zeros_like(mean), where=variance > _NO_DEVIATION**2)
    return ratios.round(12)


def _choose_blocks(rows: int) -> int:
    """Return the number of blocks for some returns; 0 if there are too few."""
    blocks = min(_MOST_BLOCKS, rows // _BLOCK_LENGTH // 2 * 2)
    return blocks if blocks >= _FEWEST_BLOCKS else 0


def _align(observed: Sequence[Observations]) -> NDArray[np.float64]:
    """Return daily returns, a row for each day of any run and a column for each run; 0 where a run has none."""
    days = [(item.ends - 1) // _DAY_US for item in observed]
    every = np.unique(np.concatenate(days))
    aligned = np.zeros((len(every), len(observed)))
    for column, (own, item) in enumerate(zip(days, observed, strict=True)):
        aligned[np.searchsorted(every, own), column] = item.returns
    return aligned


# --- Stability


@dataclass(frozen=True, slots=True)
class Stability:
    """What lies around the best combination.

    Attributes
    ----------
    neighbours
        Number of runs that differ from the best by one step of one ordered parameter.
    mean, worst
        Their mean and worst value of the first objective; None without neighbours that have one.
    influence
        Fraction of the variance of the objective that each parameter explains by itself, 0 to 1, by name; None where
        the objective does not vary.
    """

    neighbours: int
    mean: float | None
    worst: float | None
    influence: dict[str, float | None]


def _measure_stability(result: Optimisation, best: RunResult) -> Stability:
    objective = result.objectives[0]
    values = {tuple(map(repr, row.parameters.values())): row for row in result.rows}
    found: list[RunResult] = []
    for item in result.space.parameters:
        if not item.is_ordered:
            continue
        place = item.values.index(best.parameters[item.name])
        for other in (place - 1, place + 1):
            if 0 <= other < len(item.values):
                wanted = {**best.parameters, item.name: item.values[other]}
                row = values.get(tuple(map(repr, wanted.values())))
                if row is not None:
                    found.append(row)
    reached = [row.objectives[0] for row in found if row.objectives]
    known = [value for value in reached if value is not None]
    return Stability(
        neighbours=len(found),
        mean=statistics.fmean(known) if known else None,
        worst=min(known, key=objective.score) if known else None,
        influence={name: _measure_influence(result.rows, name) for name in result.space.names},
    )


def _measure_influence(rows: Sequence[RunResult], name: str) -> float | None:
    """Return the correlation ratio: the variance of the means by value of a parameter, over the whole variance."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        if row.objectives and row.objectives[0] is not None:
            groups.setdefault(repr(row.parameters[name]), []).append(row.objectives[0])
    every = [value for group in groups.values() for value in group]
    if len(every) < 2:
        return None
    mean = statistics.fmean(every)
    whole = sum((value - mean) ** 2 for value in every)
    between = sum(len(group) * (statistics.fmean(group) - mean) ** 2 for group in groups.values())
    return between / whole if whole > 0 else None


# --- Together


@dataclass(frozen=True, slots=True)
class Assessment:
    """How much of the best result is luck.

    Attributes
    ----------
    tries
        Number of runs that did not fail.
    expected_best_sharpe
        Annual Sharpe ratio that the best of so many tries without skill is expected to have; None without ratios.
    deflated_sharpe
        Deflated Sharpe ratio by number of the run, for every ranked run; None where it is not defined.
    overfitting
        None if there are fewer than two runs, or fewer than 20 daily returns.
    stability
        Around the best run; None if no run is ranked.
    """

    tries: int
    expected_best_sharpe: float | None
    deflated_sharpe: dict[int, float | None]
    overfitting: Overfitting | None
    stability: Stability | None


def assess(result: Optimisation) -> Assessment:
    """Return how much of the best result of a search is luck; the runs must have the same period."""
    # By number, because rows come in the order in which the runs ended, and the first of equal runs counts as the best.
    result = dataclasses.replace(result, rows=sorted(result.rows, key=lambda row: row.number))
    tried = [row for row in result.rows if row.observations is not None]
    observed = {row.number: row.observations for row in tried if row.observations is not None}
    ratios = [ratio for item in observed.values() if (ratio := _measure_sharpe(item.returns)) is not None]
    variance = statistics.variance(ratios) if len(ratios) > 1 else 0.0
    ranked = result.ranked
    deflated = {
        row.number: calculate_deflated_sharpe(row.observations.returns, len(tried), variance)
        for row in ranked
        if row.observations is not None
    }
    expected = None
    if ratios and ranked and ranked[0].number in observed:
        periods = observed[ranked[0].number].periods_per_year
        expected = calculate_expected_best_sharpe(len(tried), variance) * math.sqrt(periods)
    return Assessment(
        tries=len(tried),
        expected_best_sharpe=expected,
        deflated_sharpe=deflated,
        overfitting=_find_overfitting([item for item in observed.values() if item.is_daily]),
        stability=_measure_stability(result, ranked[0]) if ranked else None,
    )


def _find_overfitting(observed: Sequence[Observations]) -> Overfitting | None:
    if len(observed) < 2:
        return None
    aligned = _align(observed)
    blocks = _choose_blocks(len(aligned))
    return calculate_overfitting(aligned, blocks) if blocks else None
