"""Samples of portfolio and positions, and the series made of them."""

import datetime
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.kit.samples import (
    DAY,
    T0,
    T1,
    portfolio_statistics,
    position_statistics,
    statistics,
)
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue, NotAvailable
from tradeexecutor.state.statistics import (
    PortfolioStatistics,
    PositionStatistics,
    Statistics,
    calculate_naive_profitability,
)


def equity(*values: float) -> Statistics:
    return Statistics([PortfolioStatistics(T0 + i * DAY, value) for i, value in enumerate(values)])


@pytest.mark.parametrize(
    "change",
    [
        {"calculated_at": 1_700_000_000},
        {"last_valuation_at": None},
        {"profitability": math.nan},
        {"profitability": None},
    ],
)
def test_position_sample_refuses(change: dict[str, Any]):
    with pytest.raises(InvalidValue):
        position_statistics(**change)


@pytest.mark.parametrize("change", [{"calculated_at": "now"}, {"last_valuation_at": None}, {"profitability": None}])
def test_file_with_bad_position_sample_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        PositionStatistics.from_dict(position_statistics().to_dict() | change)


@pytest.mark.parametrize("value", [math.nan, "half", True])
def test_portfolio_sample_refuses_odd_profitability(value: Any):
    with pytest.raises(InvalidValue):
        portfolio_statistics(unrealised_profitability=value)
    if value == value:
        with pytest.raises(InvalidStateFile):
            PortfolioStatistics.from_dict(portfolio_statistics().to_dict() | {"unrealised_profitability": value})


def test_portfolio_sample_takes_integers_and_nothing():
    assert portfolio_statistics(unrealised_profitability=0).unrealised_profitability == 0
    assert portfolio_statistics(unrealised_profitability=None).unrealised_profitability is None


def test_value_is_the_net_asset_value_or_of_old_samples_the_equity():
    assert PortfolioStatistics(T0, 5.0).get_value() == 5.0
    assert PortfolioStatistics(T0, 5.0, net_asset_value=0.0).get_value() == 0.0


def test_latest_and_earliest():
    stats = equity(1.0, 2.0)
    assert stats.get_earliest_portfolio_stats() is stats.portfolio[0]
    assert stats.get_latest_portfolio_stats() is stats.portfolio[1]
    assert Statistics().get_latest_portfolio_stats() is None
    assert Statistics().get_earliest_portfolio_stats() is None


def test_position_samples():
    stats = Statistics()
    assert stats.get_latest_position_stats(1) is None
    assert stats.positions == {}
    first, second = position_statistics(), position_statistics(value=9.0)
    stats.add_positions_stats(1, first)
    stats.add_positions_stats(1, second)
    assert stats.get_latest_position_stats(1) is second
    frame = stats.get_position_statistics_as_dataframe(1)
    assert list(frame["value"]) == [3.0, 9.0]
    assert frame.index.name == "calculated_at"
    assert len(stats.get_position_statistics_as_dataframe(7)) == 0


def test_unknown_positions_behave_the_same_before_and_after_a_reload():
    for stats in (Statistics(), Statistics.from_dict(Statistics().to_dict())):
        stats.positions[5].append(position_statistics())
        assert list(stats.to_dict()["positions"]) == ["5"]


def test_equity_series():
    series = equity(1.0, 2.0).get_equity_series()
    assert series.name == "equity"
    assert list(series.items()) == [(pd.Timestamp(T0), 1.0), (pd.Timestamp(T0 + DAY), 2.0)]
    assert len(Statistics().get_equity_series()) == 0


def test_series_of_a_figure_takes_the_highest_of_each_day():
    stats = Statistics([PortfolioStatistics(T0 + i * DAY / 2, value) for i, value in enumerate([1.0, 5.0, 2.0])])
    series = stats.get_portfolio_statistics_dataframe("total_equity")
    assert list(series.items()) == [(pd.Timestamp(2024, 5, 1), 1.0), (pd.Timestamp(2024, 5, 2), 5.0)]
    with pytest.raises(InvalidValue):
        stats.get_portfolio_statistics_dataframe("total_equity", resampling_method="mean")
    with pytest.raises(NotAvailable):
        Statistics().get_portfolio_statistics_dataframe("total_equity")


@pytest.mark.parametrize(("values", "change"), [((), 0.0), ((100.0, 150.0), 0.5), ((0.0, 10.0), 0.0), ((100.0,), 0.0)])
def test_naive_profit(values: tuple[float, ...], change: float):
    assert equity(*values).get_naive_rolling_pnl_pct() == change


def test_naive_profitability_of_a_period():
    series = equity(100.0, 110.0, 121.0).get_equity_series()
    assert calculate_naive_profitability(series) == (pytest.approx(0.21), 2 * DAY)
    assert calculate_naive_profitability(series, look_back=DAY) == (pytest.approx(0.1), DAY)
    assert calculate_naive_profitability(series, look_back=90 * DAY) == (pytest.approx(0.21), 2 * DAY)
    near = datetime.timedelta(hours=1)
    assert calculate_naive_profitability(series, start_at=T0 + near, end_at=T0 + DAY - near) == (
        pytest.approx(0.1),
        DAY - 2 * near,
    )


def test_naive_profitability_of_too_little_data():
    assert calculate_naive_profitability(equity(1.0).get_equity_series()) == (None, None)
    assert calculate_naive_profitability(equity(0.0, 1.0).get_equity_series()) == (None, DAY)


def test_naive_profitability_with_two_samples_of_the_same_time_uses_the_later():
    stats = equity(100.0, 150.0)
    stats.portfolio.append(PortfolioStatistics(T0 + DAY, 120.0))
    assert calculate_naive_profitability(stats.get_equity_series())[0] == pytest.approx(0.2)


def test_old_samples_without_the_later_fields_load():
    tree = {
        "calculated_at": 1.5,
        "last_valuation_at": 1,
        "profitability": 0,
        "profit_usd": 0,
        "quantity": 0,
        "value": 0,
    }
    sample = PositionStatistics.from_dict(tree)
    assert sample.calculated_at == datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000)
    assert sample.underlying_price is None


def test_real_statistics_survive(state_file: Path):
    tree = json.loads(state_file.read_bytes())["stats"]
    first = Statistics.from_dict(tree)
    text = first.to_json()
    assert Statistics.from_json(text).to_json() == text
    assert len(first.portfolio) == len(tree["portfolio"])
    sample = first.get_latest_portfolio_stats()
    assert sample is not None
    assert sample.total_equity == tree["portfolio"][-1]["total_equity"]


def test_times_keep_their_microseconds():
    assert Statistics.from_json(statistics().to_json()).portfolio[0].calculated_at == T1
