"""Published values, values by hand, and the plain definitions."""

import dataclasses
import itertools
import math
import random
from pathlib import Path

import numpy as np
import pytest

from tests.kit.searches import make_days, make_result, write_strategy
from tradeexecutor.research import assess, optimize
from tradeexecutor.research.assessment import (
    calculate_deflated_sharpe,
    calculate_expected_best_sharpe,
    calculate_overfitting,
    calculate_probabilistic_sharpe,
)


def test_the_example_of_bailey_and_lopez_de_prado():
    # "The Deflated Sharpe Ratio" (2014), numerical example: 100 tries with a variance of 1/2 a year, five years of 250
    # daily returns, an annual Sharpe ratio of 2.5, skewness -3 and kurtosis 10.
    benchmark = calculate_expected_best_sharpe(100, 0.5 / 250)
    assert benchmark == pytest.approx(0.1132, abs=5e-5)
    sharpe = 2.5 / math.sqrt(250)
    assert calculate_probabilistic_sharpe(sharpe, benchmark, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    # "If the strategist had made his discovery after running only N = 46 independent trials, DSR = 0.9505."
    fewer = calculate_expected_best_sharpe(46, 0.5 / 250)
    assert calculate_probabilistic_sharpe(sharpe, fewer, 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)


def test_one_try_is_not_deflated():
    assert calculate_expected_best_sharpe(1, 0.5) == 0.0
    # Five returns by hand: mean 0.01, sample deviation sqrt(0.0010 / 4); skewness 0, kurtosis 1.7.
    returns = np.array([-0.01, 0.0, 0.01, 0.02, 0.03])
    sharpe = 0.01 / math.sqrt(0.001 / 4)
    z = sharpe * math.sqrt(4) / math.sqrt(1 + 0.7 / 4 * sharpe**2)
    expected = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    assert calculate_deflated_sharpe(returns, 1, 0.0) == pytest.approx(expected)
    assert calculate_deflated_sharpe(returns, 10, 0.1) < expected  # type: ignore[operator]


@pytest.mark.parametrize("returns", [[], [0.1], [0.1, 0.1], [0.0] * 9])
def test_returns_that_do_not_vary_have_no_ratio(returns: list[float]):
    assert calculate_deflated_sharpe(np.array(returns, dtype=np.float64), 5, 0.1) is None


def test_overfitting_by_hand():
    # Two blocks of two returns: run A is the best of the first block and the worst of the second, and the reverse.
    swapped = np.array([[0.03, -0.01], [0.01, -0.03], [-0.02, 0.01], [-0.01, 0.02]])
    found = calculate_overfitting(swapped, 2)
    assert (found.probability, found.loss_probability, found.choices) == (1.0, 1.0, 2)
    # Run A is the best of both.
    steady = np.array([[0.03, -0.01], [0.01, -0.03], [0.02, -0.01], [0.01, -0.02]])
    found = calculate_overfitting(steady, 2)
    assert (found.probability, found.loss_probability) == (0.0, 0.0)


def test_overfitting_is_its_definition():
    returns = np.random.default_rng(5).normal(0.001, 0.02, (43, 7))
    blocks, length = 6, 7
    pieces = np.split(returns[1:], blocks)

    def sharpe(chosen: tuple[int, ...]) -> list[float]:
        rows = np.concatenate([pieces[place] for place in chosen])
        return list(rows.mean(axis=0) / rows.std(axis=0, ddof=1))

    below = losses = 0
    for inside in itertools.combinations(range(blocks), 3):
        trained, tested = sharpe(inside), sharpe(tuple(set(range(blocks)) - set(inside)))
        best = trained.index(max(trained))
        rank = sorted(tested).index(tested[best]) + 1
        below += math.log((rank / 8) / (1 - rank / 8)) <= 0
        losses += tested[best] < 0
    found = calculate_overfitting(returns, blocks)
    assert (found.probability, found.loss_probability) == (below / 20, losses / 20)
    assert (found.choices, found.blocks, found.runs) == (20, 6, 7)
    assert len(pieces[0]) == length


def test_noise_is_overfitted_and_skill_is_not():
    source = np.random.default_rng(8)
    noise = source.normal(0, 0.01, (800, 40))
    assert calculate_overfitting(noise, 16).probability > 0.3
    noise[:, 3] += 0.003
    assert calculate_overfitting(noise, 16).probability < 0.01


def test_the_order_in_which_runs_end_does_not_matter(tmp_path: Path):
    """Also where runs have the same returns: those with a `last` beyond the data."""
    space = {"first": "1:4", "last": [60, 69, 80, 90]}
    result = optimize(write_strategy(tmp_path), space, universe=make_days(70), objective="total_return")
    found = assess(result)
    assert found.overfitting is not None
    for seed in range(4):
        rows = list(result.rows)
        random.Random(seed).shuffle(rows)
        assert assess(dataclasses.replace(result, rows=rows)) == found


def test_a_search_is_assessed(tmp_path: Path):
    space = {"first": "1:4", "share": "0.1:0.4:0.1", "last": [60]}
    result = optimize(write_strategy(tmp_path), space, universe=make_days(70), jobs=2, objective="total_return")
    found = assess(result)
    assert found.tries == 16
    assert found.overfitting is not None
    assert (found.overfitting.blocks, found.overfitting.runs) == (14, 16)
    best = result.best
    assert best is not None
    assert found.stability is not None
    steps = {"first": 1, "share": 0.1}
    expected = [
        float(row.objectives[0] or 0)
        for row in result.rows
        if sum(
            row.parameters[name] != best.parameters[name]
            and abs(row.parameters[name] - best.parameters[name]) < step * 1.01
            for name, step in steps.items()
        )
        == 1
        and sum(row.parameters[name] != best.parameters[name] for name in steps) == 1
    ]
    assert found.stability.neighbours == len(expected)
    assert found.stability.mean == pytest.approx(np.mean(expected))
    assert found.stability.worst == min(expected)  # type: ignore[type-var]
    assert found.stability.influence["last"] == 0.0
    assert 0 < found.stability.influence["first"] + found.stability.influence["share"] <= 1  # type: ignore[operator]
    ratios = {row.number: found.deflated_sharpe[row.number] for row in result.ranked}
    assert len(ratios) == 16
    assert all(value is not None and 0 <= value <= 1 for value in ratios.values())


def test_influence_by_hand():
    # Values 1, 3 for a = 1 and 5, 7 for a = 2: between 16, whole 20; for b: between 4, whole 20.
    result = make_result({"a": [1, 2], "b": [1, 2]}, [1.0, 3.0, 5.0, 7.0])
    found = assess(result).stability
    assert found is not None
    assert found.influence == {"a": pytest.approx(0.8), "b": pytest.approx(0.2)}
    assert (found.neighbours, found.mean, found.worst) == (2, 4.0, 3.0)
