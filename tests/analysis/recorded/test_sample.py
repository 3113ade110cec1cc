"""Mean, median and extremes of a sample to which numbers are added."""

import statistics

from hypothesis import given
from hypothesis import strategies as st

from tradeexecutor.analysis.recorded.sample import Sample

numbers = st.floats(-1e200, 1e200) | st.sampled_from([0.1, 1e-300, 1e16, -1e16, 1.0])


@given(st.lists(st.lists(numbers, min_size=1, max_size=20), min_size=1, max_size=8))
def test_the_figures_are_those_of_all_numbers(batches: list[list[float]]):
    sample = Sample()
    everything: list[float] = []
    for batch in batches:
        copied, count = sample.copy(), len(everything)
        for number in batch:
            sample.add(number)
        everything += batch
        assert sample.get_mean() == statistics.fmean(everything)
        assert sample.get_median() == statistics.median(everything)
        assert (sample.get_lowest(), sample.get_highest()) == (min(everything), max(everything))
        assert (len(sample), len(copied)) == (len(everything), count)


def test_a_sample_without_numbers_has_no_figures():
    sample = Sample()
    assert sample.get_mean() is sample.get_median() is sample.get_lowest() is sample.get_highest() is None
