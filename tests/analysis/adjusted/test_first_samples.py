"""The first samples give the beginning of what all samples give, so that a look at them can settle a question."""

import numpy as np
import pytest

from tests.kit.recorded_backtests import BACKTESTS
from tradeexecutor.analysis.adjusted.equity import read_equity_curve
from tradeexecutor.analysis.adjusted.periods import read_observations
from tradeexecutor.analysis.samples import read_net_asset_values
from tradeexecutor.state.state import State


def assert_first_samples_are_a_beginning(state: State) -> None:
    times, values = read_net_asset_values(state)
    curve, observations = read_equity_curve(state), read_observations(state)
    for most in (0, 1, 2, 3, 7, 20, 22, len(times) - 1, len(times), len(times) + 5):
        first_times, first_values = read_net_asset_values(state, most)
        assert list(first_times) == list(times[:most])
        assert list(first_values) == list(values[:most])
        first = read_equity_curve(state, most)
        for column, whole in ((first.times, curve.times), (first.values, curve.values), (first.flows, curve.flows)):
            assert list(column[:-1]) == list(whole[: max(len(first) - 1, 0)])
        seen = read_observations(state, most)
        if seen.is_daily:
            kept = len(seen.returns) - 1
            assert np.array_equal(seen.returns[:-1], observations.returns[:kept])
            assert np.array_equal(seen.ends[:-1], observations.ends[:kept])


@pytest.mark.parametrize("name", ["daily with failures and funding", "several pairs"])
def test_the_first_samples_are_those_of_all(name: str):
    state = BACKTESTS[name]()
    assert not state.stats.is_read
    assert_first_samples_are_a_beginning(state)
    assert not state.stats.is_read, "no objects were made"
    assert state.stats.portfolio
    assert_first_samples_are_a_beginning(state)
