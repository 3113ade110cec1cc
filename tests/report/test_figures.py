"""The figures of the report, with numbers worked out by hand."""

import datetime

import pytest

from tests.kit.portfolios import DAY, START, add_closed, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.equity import read_equity_curve
from tradeexecutor.report.figures import Figure, describe_performance
from tradeexecutor.report.glossary import GLOSSARY
from tradeexecutor.report.jumps import find_jumps
from tradeexecutor.state.state import State


def get_figures(state: State) -> dict[str, Figure]:
    return {figure.key: figure for group in describe_performance(state) for figure in group.figures}


def record(values: dict[float, float], flows: dict[float, float] | None = None) -> State:
    state = make_state()
    record_equity(state, values)
    for day, usd in (flows or {}).items():
        record_flow(state, day, usd)
    return state


def test_every_figure_is_in_the_glossary_and_every_entry_says_something():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    assert set(get_figures(state)) <= set(GLOSSARY)
    for name, text in GLOSSARY.values():
        assert name
        assert text.endswith(".")


def test_profit_leaves_deposits_out():
    figures = get_figures(record({0: 1000, 1: 1600, 2: 1500}, {1: 500}))
    assert figures["profit"].value == pytest.approx(0)
    assert figures["net_deposits"].value == 500
    assert figures["total_return"].value == pytest.approx((1100 / 1000) * (1500 / 1600) - 1)


def test_a_yearly_return_needs_thirty_days():
    figures = get_figures(record({0: 100, 29: 110}))
    assert (figures["cagr"].value, figures["cagr"].note) == (None, "under 30 days")
    assert get_figures(record({0: 100, 365: 110}))["cagr"].value == pytest.approx(0.1)


def test_the_longest_drawdown_lasts_from_a_high_to_the_next_one_or_the_end():
    def get_longest(values: dict[float, float]) -> datetime.timedelta:
        return get_figures(record(values))["longest_drawdown"].value

    assert get_longest({0: 100, 1: 110, 2: 120}) == datetime.timedelta(0)
    assert get_longest({0: 100, 1: 90, 2: 95, 5: 101, 6: 100, 7: 102}) == 5 * DAY
    assert get_longest({0: 100, 1: 110, 4: 90, 9: 100}) == 8 * DAY


def test_a_present_value_other_than_the_last_sample_is_said():
    state = record({0: 1000, 1: 990})
    assert get_figures(state)["final_equity"].note == "last sample 990.00"
    record_equity(state, {2: 1000})
    assert get_figures(state)["final_equity"].note == ""


def test_jumps_are_changes_that_no_deposit_explains():
    def find(values: dict[float, float], flows: dict[float, float] | None = None) -> list[float]:
        jumps = find_jumps(read_equity_curve(record(values, flows)))
        return [(jump.at - START) / DAY for jump in jumps]

    assert find({0: 100, 1: 120, 2: 100}) == []
    assert find({0: 100, 1: 130, 2: 100}) == [1, 2]
    assert find({0: 100, 1: 230}, {1: 120}) == []
    assert find({0: 100, 1: 230}, {1: 20}) == [1]
    assert find({0: 0, 1: 100, 2: 101}) == []


def test_a_state_without_samples_has_figures_without_values():
    figures = get_figures(State())
    assert {figures[key].text for key in ("total_return", "cagr", "max_drawdown", "sharpe", "volatility")} == {"-"}
    assert figures["total_return"].note == "fewer than two samples are recorded"
