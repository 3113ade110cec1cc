"""Wrong samples are found by comparison with their neighbours, and taken out; early history is cut off."""

import datetime
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit import samples
from tests.kit.share_prices import HOUR, make_state
from tests.kit.trader import DAY, T0
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.correct_history import (
    detect_duplicate_portfolio_stat_timestamps,
    detect_nav_sync_outliers,
    detect_share_price_outliers,
    filter_share_price_outliers,
    find_nav_sync_outliers,
    find_share_price_outliers,
    prune_history,
    remove_portfolio_stat_indices,
    remove_share_price_outliers,
)
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import FinalPositionStatistics, PositionStatistics
from tradeexecutor.state.visualisation import PlotKind

# --- Share prices


def test_a_price_far_from_its_neighbours_is_found_with_what_it_was_compared_with():
    state = make_state(1.0, 1.02, 1.04, 5.0, 1.06, 1.08, 1.1)
    assert find_share_price_outliers(state) == {3: 1.05}
    assert detect_share_price_outliers(state) == {3}


@pytest.mark.parametrize(("price", "is_far"), [(1.2, False), (1.2001, True), (0.8, False), (0.7999, True)])
def test_the_threshold_itself_is_not_far(price: float, is_far: bool):
    assert (detect_share_price_outliers(make_state(1.0, 1.0, price, 1.0, 1.0)) == {2}) is is_far


def test_outliers_side_by_side_do_not_hide_each_other():
    """Between 1.0 and 1.5 the 1.25 is at the median; once the 1.5 is found, it is far from the 1.0."""
    state = make_state(1.0, 1.0, 1.0, 1.5, 1.25)
    assert find_share_price_outliers(state, window_size=2) == {3: 1.0, 4: 1.0}


@pytest.mark.parametrize("prices", [(), (1.0,), (1.0, 9.0), (1.0, None, None, 9.0)])
def test_fewer_than_three_prices_have_no_outliers(prices: tuple[float | None, ...]):
    assert detect_share_price_outliers(make_state(*prices)) == set()


def test_samples_without_a_price_neither_count_nor_are_found():
    state = make_state(1.0, None, 1.0, 5.0, None, 1.0, 1.0)
    assert detect_share_price_outliers(state) == {3}


def test_a_median_of_zero_says_nothing():
    assert detect_share_price_outliers(make_state(0.0, 0.0, 5.0, 0.0, 0.0)) == set()


@pytest.mark.parametrize(("window_size", "threshold"), [(0, 0.2), (-1, 0.2), (1.5, 0.2), (5, -0.1), (5, float("nan"))])
def test_a_window_is_a_number_of_samples_and_a_threshold_a_fraction(window_size: Any, threshold: float):
    with pytest.raises(InvalidValue):
        detect_share_price_outliers(make_state(1.0, 1.0, 1.0), window_size, threshold)


def find_plainly(prices: list[float], size: int, threshold: float) -> set[int]:
    """The definition, word by word."""

    def go_round(passed_over: set[int]) -> set[int]:
        found: set[int] = set()
        for place, price in enumerate(prices):
            around = range(max(place - size, 0), min(place + size + 1, len(prices)))
            others = [prices[item] for item in around if item != place and item not in passed_over]
            if place in passed_over or not others:
                continue
            middle = statistics.median(others)
            if middle and abs(price - middle) / middle > threshold:
                found.add(place)
        return found

    if len(prices) < 3:
        return set()
    first = go_round(set())
    return first | go_round(first)


@given(
    st.lists(st.one_of(st.floats(0.5, 2), st.sampled_from([0.0, 1.0, 1.25, 10.0])), max_size=40),
    st.integers(1, 30),
    st.sampled_from([0.0, 0.2, 0.5]),
)
def test_what_is_found_is_what_the_definition_says(prices: list[float], size: int, threshold: float):
    assert detect_share_price_outliers(make_state(*prices), size, threshold) == find_plainly(prices, size, threshold)


# --- Money on its way


def test_a_far_price_counts_only_near_a_jump_of_cash_or_positions():
    prices = [1.0] * 5 + [1.5] + [1.0] * 5
    calm = make_state(*prices, cash=[100.0] * 11)
    assert detect_nav_sync_outliers(calm) == set()
    cash = make_state(*prices, cash=[100.0] * 5 + [150.0] + [100.0] * 5)
    assert find_nav_sync_outliers(cash) == {5: 1.0}
    equity = make_state(*prices, cash=[100.0] * 11, equity=[0.0] * 5 + [50.0] + [0.0] * 5)
    assert detect_nav_sync_outliers(equity) == {5}


def test_the_smallest_change_itself_is_a_jump():
    state = make_state(*([1.0] * 5 + [1.5] + [1.0] * 5), cash=[100.0] * 5 + [137.5] + [100.0] * 5)
    assert detect_nav_sync_outliers(state, min_component_change=0.25) == {5}
    assert detect_nav_sync_outliers(state, min_component_change=0.2501) == set()


def test_a_jump_outside_the_window_does_not_count():
    prices = [1.0] * 10 + [1.5] + [1.0] * 10
    cash = [200.0] + [100.0] * 20
    assert detect_nav_sync_outliers(make_state(*prices, cash=cash), window_size=10) == {10}
    assert detect_nav_sync_outliers(make_state(*prices, cash=cash), window_size=9) == set()


def test_missing_components_count_as_nothing_and_a_missing_value_is_the_equity():
    state = make_state(*([1.0] * 5 + [1.5] + [1.0] * 5), cash=[100.0] * 5 + [150.0] + [100.0] * 5)
    for item in state.stats.portfolio:
        item.net_asset_value = item.open_position_equity = None
    assert detect_nav_sync_outliers(state) == {5}
    for item in state.stats.portfolio:
        item.free_cash = None
    assert detect_nav_sync_outliers(state) == set()


def test_the_search_is_repeated_without_what_was_found():
    prices = [1.0] * 4 + [1.3] * 3 + [1.6] * 2 + [1.3] * 3 + [1.0] * 4
    state = make_state(*prices)
    first = detect_nav_sync_outliers(state, window_size=4, max_passes=1)
    assert first
    assert first < detect_nav_sync_outliers(state, window_size=4)


def test_without_share_prices_there_is_nothing_to_compare():
    assert detect_nav_sync_outliers(make_state(None, None, None, None)) == set()


# --- The same time twice


def test_all_but_the_last_sample_of_a_time_are_duplicates():
    state = make_state(1.0, 1.0, 1.0, 1.0, 1.0)
    for index in (1, 3, 4):
        state.stats.portfolio[index].calculated_at = T0
    assert detect_duplicate_portfolio_stat_timestamps(state) == {0, 1, 3}
    remove_portfolio_stat_indices(state, {0, 1, 3})
    assert detect_duplicate_portfolio_stat_timestamps(state) == set()


# --- Removing


def test_returns_start_at_the_first_price_that_is_left():
    state = make_state(9.0, 2.0, 3.0)
    assert remove_portfolio_stat_indices(state, {0}) == 1
    assert [item.share_price_usd for item in state.stats.portfolio] == [2.0, 3.0]
    assert state.initial_share_price == 2.0


@pytest.mark.parametrize("prices", [(9.0,), (9.0, None, 3.0)])
def test_without_a_first_price_the_start_of_returns_stays(prices: tuple[float | None, ...]):
    state = make_state(*prices)
    state.initial_share_price = 7.0
    remove_share_price_outliers(state, [0])
    assert state.initial_share_price == 7.0


def test_removing_nothing_changes_nothing():
    state = make_state(9.0, 2.0)
    before = state.to_json()
    assert remove_portfolio_stat_indices(state, ()) == 0
    assert state.to_json() == before


@pytest.mark.parametrize("index", [-1, 3, 99, "1", 1.0, True])
def test_a_sample_that_does_not_exist_is_refused_before_any_is_removed(index: Any):
    state = make_state(1.0, 2.0, 3.0)
    before = state.to_json()
    with pytest.raises(InvalidValue):
        remove_portfolio_stat_indices(state, [0, index])
    assert state.to_json() == before


def test_filtering_removes_what_is_found_and_is_done_then():
    state = make_state(1.0, 1.0, 5.0, 1.0, 1.0)
    assert filter_share_price_outliers(state) == 1
    assert filter_share_price_outliers(state) == 0
    assert len(state.stats.portfolio) == 4


def test_samples_of_positions_stay():
    state = make_state(1.0, 1.0, 5.0, 1.0, 1.0)
    state.stats.positions[1] = [samples.position_statistics()]
    filter_share_price_outliers(state)
    assert state.stats.positions == {1: [samples.position_statistics()]}


# --- Early history


def make_history() -> State:
    state = make_state(1.0, 2.0, 3.0, 4.0)
    times = [T0 + number * HOUR for number in range(4)]
    state.stats.positions[1] = [PositionStatistics(at, at, 0.0, 0.0, 1.0, 1.0) for at in times]
    state.stats.positions[2] = [PositionStatistics(at, at, 0.0, 0.0, 1.0, 1.0) for at in times[:2]]
    state.stats.closed_positions = {
        number: FinalPositionStatistics(at, 1, 1.0, 1.0) for number, at in enumerate(times, 1)
    }
    for number, at in enumerate(times):
        state.visualisation.add_message(at, f"message {number}")
        state.visualisation.add_calculations(at, {"number": number})
        state.visualisation.plot_indicator(at, "close", PlotKind.technical_indicator_on_price, 1.0)
        state.uptime.record_cycle_complete(number + 1, at)
    state.uptime.uptime_checks = times[:]
    state.other_data = OtherData()
    return state


CUTOFF = T0 + 2 * HOUR


@pytest.fixture
def history() -> State:
    return make_history()


def test_what_was_recorded_before_the_date_goes_and_is_counted(history: State):
    assert prune_history(history, CUTOFF) == {
        "portfolio_stats_removed": 2,
        "position_stats_removed": 4,
        "closed_position_stats_removed": 2,
        "visualisation_messages_removed": 2,
        "visualisation_calculations_removed": 2,
        "visualisation_plot_points_removed": 2,
        "uptime_checks_removed": 2,
        "cycles_completed_removed": 2,
    }
    assert [item.calculated_at for item in history.stats.portfolio] == [CUTOFF, CUTOFF + HOUR]
    assert list(history.stats.positions) == [1], "a position without samples loses its key"
    assert list(history.stats.closed_positions) == [3, 4]
    assert list(history.uptime.cycles_completed_at) == [3, 4]
    assert history.uptime.uptime_checks == [CUTOFF, CUTOFF + HOUR]
    assert len(history.visualisation.plots["close"].points) == 2


def test_the_state_begins_at_the_date(history: State):
    prune_history(history, CUTOFF)
    assert history.created_at == CUTOFF
    assert history.initial_share_price == 3.0


def test_a_date_before_the_state_was_made_changes_nothing(history: State):
    before = history.to_json()
    removed = prune_history(history, T0 - DAY)
    assert set(removed.values()) == {0}
    history.initial_share_price = 1.0
    assert history.to_json() == before


def test_a_second_time_removes_nothing(history: State):
    prune_history(history, CUTOFF)
    once = history.to_json()
    assert set(prune_history(history, CUTOFF).values()) == {0}
    assert history.to_json() == once


def test_new_samples_can_be_recorded_afterwards(history: State):
    prune_history(history, CUTOFF)
    history.stats.positions[9].append(samples.position_statistics())
    assert State.read_json_blob(history.to_json()).to_json() == history.to_json()


def test_a_log_of_numbers_is_understood(history: State):
    history.uptime.uptime_checks = [1, 1.5]  # type: ignore[list-item]
    assert prune_history(history, CUTOFF)["uptime_checks_removed"] == 2


@pytest.mark.parametrize("cutoff", [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "2026-01-01", None])
def test_the_date_is_a_naive_time(history: State, cutoff: Any):
    before = history.to_json()
    with pytest.raises(AssertionError):
        prune_history(history, cutoff)
    assert history.to_json() == before


# --- Real files


@pytest.fixture
def gmx(shared_dir: Path) -> State:
    return State.read_json_file(
        shared_dir / "states" / "mainnet_fork--correct_history_outliers--gmx-ai-current-state.json"
    )


@pytest.mark.golden
def test_a_real_file_with_all_sorts_of_wrong_samples(gmx: State):
    prices, values = detect_share_price_outliers(gmx), detect_nav_sync_outliers(gmx)
    duplicates = detect_duplicate_portfolio_stat_timestamps(gmx)
    assert (len(gmx.stats.portfolio), len(prices), len(values), len(prices | values)) == (519, 8, 49, 52)
    assert (len(duplicates), len(prices | values | duplicates)) == (31, 78)
    assert remove_portfolio_stat_indices(gmx, prices | values) == 52
    assert len(gmx.stats.portfolio) == 467
    assert detect_share_price_outliers(gmx) == detect_nav_sync_outliers(gmx) == set()


@pytest.mark.golden
def test_balances_of_real_files_are_what_they_were(state_file: Path):
    """A sample is a witness of the cash: without it a verdict may get milder, never worse, and no figure changes."""
    state = State.read_json_file(state_file)
    before = prove(state).findings
    remove_portfolio_stat_indices(
        state,
        detect_share_price_outliers(state)
        | detect_nav_sync_outliers(state)
        | detect_duplicate_portfolio_stat_timestamps(state),
    )
    after = prove(state).findings
    order = list(Verdict)
    for old, new in zip(before, after, strict=True):
        assert (old.name, old.derived, old.recorded) == (new.name, new.derived, new.recorded)
        assert order.index(new.verdict) <= order.index(old.verdict)


@pytest.mark.slow
@pytest.mark.golden
def test_early_history_of_real_files_goes_and_the_trades_stay(state_file: Path):
    state = State.read_json_file(state_file)
    portfolio = state.portfolio.to_json()
    first, last = state.get_strategy_start_and_end()
    assert first is not None
    assert last is not None
    cutoff = first + (last - first) / 2
    prune_history(state, cutoff)
    assert all(item.calculated_at >= cutoff for item in state.stats.portfolio)
    assert state.portfolio.to_json() == portfolio
    state.perform_integrity_check()
    assert State.read_json_blob(state.to_json()).to_json() == state.to_json()
