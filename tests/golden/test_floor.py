"""The counts of agreeing reference values are read correctly and never fall."""

from pathlib import Path

import pytest

from tests.golden.floor import COMPARISONS, Measurement, judge, measure, read_floors

OUTPUT = """\
a.json: 10 of 12 values agree
       2 x positions.get_value: e.g. a.json 1: want 1.0 got 2.0
10 of 12 reference values agree (83.33 %), 1 accessors differ
"""


def test_the_counts_come_from_the_summary_line():
    measurement = Measurement.parse("accessors", OUTPUT)
    assert (measurement.agree, measurement.total) == (10, 12)


def test_the_summary_line_of_statistics_is_understood_too():
    output = "a.json: 1 of 3 statistics agree\n1 of 3 reference statistics agree (33.33 %)\n"
    measurement = Measurement.parse("statistics", output)
    assert (measurement.agree, measurement.total) == (1, 3)


@pytest.mark.parametrize(
    ("output", "floor", "holds"),
    [
        pytest.param(OUTPUT, 0, True, id="above"),
        pytest.param(OUTPUT, 10, True, id="exactly"),
        pytest.param(OUTPUT, 11, False, id="below"),
        pytest.param("ModuleNotFoundError: No module named ...", 0, True, id="not measured yet"),
        pytest.param("ModuleNotFoundError: No module named ...", 1, False, id="no longer runs"),
    ],
)
def test_a_floor_holds_only_if_as_many_values_agree(output: str, floor: int, holds: bool):
    assert judge(Measurement.parse("accessors", output), floor)[0] is holds


@pytest.mark.slow
@pytest.mark.golden
@pytest.mark.parametrize("name", COMPARISONS)
def test_no_recorded_value_that_agreed_differs_now(name: str, shared_dir: Path):
    holds, line = judge(measure(name, shared_dir), read_floors()[name])
    assert holds, line
