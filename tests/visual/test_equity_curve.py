"""Series of equity, deposits and positions, with numbers worked out by hand."""

import datetime
import math
from decimal import Decimal

import pandas as pd
import pytest

from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state, record_equity, record_flow
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.errors import InvalidValue, LegacyDataException
from tradeexecutor.state.state import BacktestData, State
from tradeexecutor.visual import equity_curve as curves

HOUR = DAY / 24


def make_recorded(values: dict[float, float], end_day: float | None = None) -> State:
    state = make_state()
    record_equity(state, values)
    if end_day is not None:
        state.last_updated_at = START + end_day * DAY
    return state


def as_pairs(series: "pd.Series[float]") -> list[tuple[float, float]]:
    """Days after the start, and values."""
    times = pd.DatetimeIndex(series.index).to_pydatetime()
    return [((time - START) / DAY, value) for time, value in zip(times, series.round(9), strict=True)]


# --- Equity


def test_the_equity_curve_is_what_was_recorded():
    series = curves.calculate_equity_curve(make_recorded({0: 100, 1: 90}))
    assert as_pairs(series) == [(0, 100), (1, 90)]
    assert series.attrs == {"name": "by hand", "curve": "equity"}


def test_of_samples_of_one_time_the_last_one_counts():
    state = make_recorded({0: 100, 1: 90})
    record_equity(state, {1: 95})
    assert as_pairs(curves.calculate_equity_curve(state)) == [(0, 100), (1, 95)]


def test_any_recorded_figure_can_be_drawn_and_unknown_values_are_gaps():
    state = make_recorded({0: 100, 1: 90})
    state.stats.portfolio[1].net_asset_value = 91.0
    series = curves.calculate_equity_curve(state, attribute_name="net_asset_value")
    assert math.isnan(series.iloc[0])
    assert series.iloc[1] == 91.0


def test_gaps_are_filled_with_nothing_before_and_the_last_value_after():
    state = make_recorded({1: 100, 2: 90}, end_day=4)
    assert as_pairs(curves.calculate_equity_curve(state, fill_time_gaps=True)) == [(0, 0), (1, 100), (2, 90), (4, 90)]


def test_a_curve_that_spans_the_strategy_is_not_filled():
    state = make_recorded({0: 100, 2: 90}, end_day=2)
    assert as_pairs(curves.calculate_equity_curve(state, fill_time_gaps=True)) == [(0, 100), (2, 90)]


@pytest.mark.parametrize("fill", [False, True])
def test_without_samples_there_is_no_curve(fill: bool):
    state = make_state()
    assert len(curves.calculate_equity_curve(state, fill_time_gaps=fill)) == 0
    assert len(curves.calculate_daily_returns(state)) == 0
    assert len(curves.calculate_deposit_adjusted_returns(state)) == 0
    assert len(curves.calculate_time_weighted_returns(state)) == 0
    assert len(curves.calculate_share_price(state)) == 0


def test_returns_are_changes_and_the_first_one_is_zero():
    series = curves.calculate_returns(curves.calculate_equity_curve(make_recorded({0: 100, 1: 110, 2: 99})))
    assert as_pairs(series) == [(0, 0), (1, 0.1), (2, -0.1)]
    assert series.attrs["curve"] == "returns"
    assert as_pairs(curves.generate_buy_and_hold_returns(series + 1)) == [
        (0, 0),
        (1, 0.1),
        (2, round(0.9 / 1.1 - 1, 9)),
    ]


def test_equity_from_nothing_and_negative_equity_give_their_plain_quotients():
    series = curves.calculate_returns(curves.calculate_equity_curve(make_recorded({0: 0, 1: 100, 2: -50})))
    assert series.tolist() == [0.0, math.inf, -1.5]


def test_the_grid_of_aggregate_returns_starts_with_the_first_sample():
    state = make_recorded({0.5: 100, 1.25: 120, 1.75: 130, 2.5: 156})
    series = curves.calculate_aggregate_returns(curves.calculate_equity_curve(state), freq="D")
    assert [time for time, _ in as_pairs(series)] == [0.5, 1.5, 2.5]
    assert math.isnan(series.iloc[0])
    assert series.tolist()[1:] == pytest.approx([0.2, 0.3])


def test_the_old_names_of_frequencies_still_work():
    state = make_recorded({day: 100.0 + day for day in range(70)})
    curve = curves.calculate_equity_curve(state)
    old, new = (curves.calculate_aggregate_returns(curve, freq=freq) for freq in ("BM", "BME"))
    pd.testing.assert_series_equal(old, new)
    assert len(old) == 2


def test_aggregating_leaves_an_unsorted_curve_alone():
    curve = curves.calculate_equity_curve(make_recorded({1: 110, 0: 100}))
    assert curves.calculate_aggregate_returns(curve, freq="D").tolist()[1:] == pytest.approx([0.1])
    assert as_pairs(curve) == [(1, 110), (0, 100)]


def test_daily_returns_of_a_backtest_span_all_of_it():
    state = make_recorded({1: 100, 2: 110}, end_day=None)
    assert len(curves.calculate_daily_returns(state)) == 2
    state.backtest_data = BacktestData(START, START + 4 * DAY, CycleDuration.cycle_1d)
    assert curves.calculate_daily_returns(state).tolist()[1:] == pytest.approx([math.inf, 0.1, 0, 0])


# --- Deposits


def test_investment_flow_lists_deposits_and_redemptions():
    state = make_recorded({0: 100})
    record_flow(state, 0, 100)
    record_flow(state, 2, -20)
    assert as_pairs(curves.calculate_investment_flow(state)) == [(0, 100), (2, -20)]


def test_deposit_adjusted_profit_is_in_dollars_per_day():
    # Day 0: 100 -> 104. Day 1: 104 -> 160, of which 50 were paid in. Day 2: no flow is known any more.
    state = make_recorded({0: 100, 0.9: 104, 1.1: 104, 1.9: 160, 2.1: 160, 2.9: 170})
    record_flow(state, 0.5, 0.0)
    record_flow(state, 1.5, 50.0)
    series = curves.calculate_deposit_adjusted_returns(state)
    assert series.tolist()[:2] == pytest.approx([4.0, 6.0])
    assert math.isnan(series.iloc[2])


def test_without_any_flow_the_dollar_profit_is_unknown_and_the_time_weighted_return_is_not():
    state = make_recorded({0: 100, 0.5: 110})
    assert curves.calculate_deposit_adjusted_returns(state).isna().all()
    assert curves.calculate_time_weighted_returns(state).tolist() == pytest.approx([0.1])


def test_time_weighted_returns_take_a_deposit_in_the_middle_out():
    state = make_recorded({0: 100, 1: 110, 2: 165, 3: 148.5})
    record_flow(state, 2, 55)
    assert as_pairs(curves.calculate_time_weighted_returns(state)) == [(1, 0.1), (2, 0.0), (3, -0.1)]
    assert curves.calculate_time_weighted_returns(state, freq="7D").tolist() == pytest.approx([-0.01])
    # The recorded figure takes the deposit for a profit of 50 %.
    assert curves.calculate_returns(curves.calculate_equity_curve(state)).tolist() == pytest.approx([0, 0.1, 0.5, -0.1])


def test_resampled_returns_are_compounded_and_empty_days_are_zero():
    index = [START, START + HOUR, START + 2 * DAY]
    series = curves.resample_returns(pd.Series([0.1, 0.1, -0.5], index=pd.DatetimeIndex(index)), "D")
    assert as_pairs(series) == [(0, 0.21), (1, 0.0), (2, -0.5)]


def test_rolling_figures_look_back_over_the_window():
    returns = pd.Series([0.1, -0.1, 0.2], index=pd.date_range(START, periods=3, freq="D"))
    assert as_pairs(curves.calculate_rolling_returns(returns, periods=2)) == [(1, -0.01), (2, 0.08)]
    # Mean 0.05, deviation sqrt(2 * 0.15^2) = 0.2121: sqrt(2) * 0.05 / 0.2121 = 1 / 3.
    assert curves.calculate_rolling_sharpe(returns, periods=2).tolist() == pytest.approx([0.0, 1 / 3])
    frame = curves.calculate_rolling_returns(returns, periods=2, diagnose=True)
    assert as_pairs(frame["resampled_returns"]) == [(0, 0.1), (1, -0.1), (2, 0.2)]
    assert as_pairs(frame["rolling_return"].dropna()) == [(1, -0.01), (2, 0.08)]
    diagnosed = curves.calculate_rolling_sharpe(returns, periods=2, diagnose=True)
    assert diagnosed["rolling_sharpe"].tolist()[1:] == pytest.approx([0.0, 1 / 3])
    with pytest.raises(InvalidValue):
        curves.calculate_rolling_returns(returns, periods=0)


def test_share_price_returns_are_relative_to_the_initial_price():
    state = make_recorded({0: 100, 1: 110, 2: 120})
    for sample, price in zip(state.stats.portfolio[1:], (1.1, 1.2), strict=True):
        sample.share_price_usd, sample.net_asset_value, sample.share_count = price, price * 100, Decimal(100)
    frame = curves.calculate_share_price(state)
    assert list(frame.columns) == ["share_price_usd", "nav", "returns"]
    assert frame["returns"].tolist() == pytest.approx([0.1, 0.2])
    assert curves.calculate_share_price(state, initial_share_price=0.6)["returns"].iloc[-1] == pytest.approx(1.0)


# --- Positions


def test_realised_returns_are_relative_to_the_portfolio():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)  # 10 % of a tenth of the portfolio
    assert as_pairs(curves.calculate_realised_profitability(state)) == [(1, 0.1)]
    assert as_pairs(curves.calculate_size_relative_realised_trading_returns(state)) == [(1, 0.01)]


def test_realised_returns_are_compounded_from_the_start_to_the_end_of_the_strategy():
    state = make_state()
    state.last_updated_at = START + 9 * DAY
    add_closed(state, 100.0, 110.0, START, 1)
    add_closed(state, 101.0, 90.9, START + 2 * DAY, 1)  # loses a tenth of a tenth of 1010
    want = [(0, 0.0), (1, 0.01), (3, round(1.01 * 0.99 - 1, 9)), (9, round(1.01 * 0.99 - 1, 9))]
    assert as_pairs(curves.calculate_compounding_realised_trading_profitability(state)) == want
    gaps = curves.calculate_compounding_realised_trading_profitability(state, fill_time_gaps=False)
    assert as_pairs(gaps) == want[1:3]
    assert as_pairs(curves.calculate_long_compounding_realised_trading_profitability(state)) == want
    assert len(curves.calculate_short_compounding_realised_trading_profitability(state)) == 0


def test_daily_returns_of_positions_are_zero_where_none_was_closed():
    state = make_state()
    state.last_updated_at = START + 4 * DAY
    add_closed(state, 100.0, 110.0, START, 1)
    add_closed(state, 101.0, 90.9, START + 2 * DAY, 1)
    assert as_pairs(curves.calculate_non_cumulative_daily_returns(state)) == [(1, 0.01), (2, 0.0), (3, -0.01)]
    assert [value for _, value in as_pairs(curves.calculate_cumulative_daily_returns(state))] == [
        0.0, 0.01, 0.01, -0.0001, -0.0001,
    ]  # fmt: skip


def test_open_positions_count_at_their_latest_price():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_open(state, 101.0, START + 3 * DAY, price_now=111.1)
    series = curves.calculate_compounding_unrealised_trading_profitability(state)
    assert as_pairs(series) == [(1, 0.01), (2, 0.01), (3, round(1.01 * 1.01 - 1, 9))]
    assert len(curves.calculate_compounding_unrealised_trading_profitability(state.portfolio, freq=None)) == 2


def test_the_recorded_profitability_leaves_samples_without_one_out():
    state = make_recorded({0: 100, 1: 110})
    state.stats.portfolio[1].unrealised_profitability = 0.1
    series = curves.extract_compounding_unrealised_trading_profitability_portfolio_statistics(state)
    assert as_pairs(series) == [(1, 0.1)]


def test_without_positions_the_series_are_empty():
    state = make_state()
    for calculate in (
        curves.calculate_realised_profitability,
        curves.calculate_compounding_realised_trading_profitability,
        curves.calculate_compounding_unrealised_trading_profitability,
        curves.calculate_non_cumulative_daily_returns,
        curves.calculate_cumulative_daily_returns,
    ):
        series = calculate(state)
        assert len(series) == 0
        assert isinstance(series.index, pd.DatetimeIndex)


def test_old_files_without_portfolio_values_say_so():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1).portfolio_value_at_open = None
    with pytest.raises(LegacyDataException):
        curves.calculate_compounding_unrealised_trading_profitability(state)


def test_times_keep_their_microseconds():
    state = make_state()
    record_equity(state, {0.1234567: 1})
    (time,) = curves.calculate_equity_curve(state).index
    assert time.to_pydatetime() == START + datetime.timedelta(days=0.1234567)
