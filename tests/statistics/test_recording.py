"""Samples of the portfolio and its positions, and when they are taken."""

import math
from decimal import Decimal

import pytest

from tests.kit.markets import START as MARKET_START
from tests.kit.markets import buy, flat
from tests.kit.portfolios import DAY, START, add_closed, add_open, make_state, trade
from tests.kit.runner import RecordingStore, make_runner
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import Treasury
from tradeexecutor.statistics.core import (
    calculate_compounded_profitability,
    calculate_statistics,
    needs_long_short_table,
    update_statistics,
)

LIVE = ExecutionMode.real_trading
NOW = START + 5 * DAY


def record(state: State, mode: ExecutionMode = ExecutionMode.one_off, at=NOW) -> None:
    update_statistics(at, state.stats, state.portfolio, mode, treasury=state.sync.treasury)


def test_a_sample_of_an_empty_portfolio_is_its_cash():
    sample = calculate_statistics(NOW, make_state().portfolio, LIVE).portfolio
    assert (sample.total_equity, sample.net_asset_value, sample.free_cash) == (1000, 1000, 1000)
    assert (sample.open_position_count, sample.closed_position_count, sample.frozen_position_count) == (0, 0, 0)
    assert sample.unrealised_profitability == 0
    assert sample.first_trade_at is sample.last_trade_at is None
    assert sample.summary is not None
    assert sample.summary.total_positions == 0


def test_a_live_sample_has_counts_and_profits():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_open(state, 101.0, START + 2 * DAY, price_now=111.1)
    statistics = calculate_statistics(NOW, state.portfolio, LIVE, strategy_cycle_at=NOW)
    sample = statistics.portfolio
    assert sample.total_equity == pytest.approx(1000 + 10 + 10.1)
    assert sample.free_cash == pytest.approx(1010 - 101)
    assert sample.open_position_equity == pytest.approx(111.1)
    assert (sample.open_position_count, sample.closed_position_count) == (1, 1)
    assert sample.realised_profit_usd == pytest.approx(10.0)
    assert sample.unrealised_profit_usd == pytest.approx(10.1)
    assert sample.unrealised_profitability == pytest.approx(1.01 * 1.01 - 1)
    assert (sample.first_trade_at, sample.last_trade_at) == (START, START + 2 * DAY)
    assert list(statistics.positions) == [2]
    position = statistics.positions[2]
    assert (position.value, position.quantity, position.underlying_price) == (pytest.approx(111.1), 1.0, 111.1)
    assert position.profit_usd == pytest.approx(10.1)
    assert position.profitability == pytest.approx(0.1)


def test_a_backtested_sample_has_only_the_equity():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    sample = calculate_statistics(NOW, state.portfolio, ExecutionMode.backtesting).portfolio
    assert sample.total_equity == pytest.approx(1010)
    assert sample.summary is sample.open_position_count is sample.unrealised_profitability is None


def test_frozen_positions_count_in_the_net_asset_value_alone():
    state = make_state()
    position = add_open(state, 100.0, START)
    state.portfolio.frozen_positions[1] = state.portfolio.open_positions.pop(1)
    position.frozen_at = NOW
    sample = calculate_statistics(NOW, state.portfolio, LIVE).portfolio
    assert sample.total_equity == pytest.approx(900)
    assert sample.net_asset_value == pytest.approx(1000)
    assert sample.frozen_position_equity == pytest.approx(100)


@pytest.mark.parametrize(("shares", "price"), [(Decimal(500), 2.0), (Decimal(0), None), (None, None)])
def test_the_share_price_is_the_net_asset_value_per_share(shares: Decimal | None, price: float | None):
    treasury = Treasury(share_count=shares)
    assert calculate_statistics(NOW, make_state().portfolio, LIVE, treasury=treasury).portfolio.share_price_usd == price


def test_old_files_have_no_compounded_profitability():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1).portfolio_value_at_open = None
    assert calculate_compounded_profitability(state.portfolio) == 0


def test_recording_appends_a_sample_and_one_of_each_position():
    state = make_state()
    add_open(state, 100.0, START)
    record(state, at=START + DAY)
    record(state)
    assert [sample.calculated_at for sample in state.stats.portfolio] == [START + DAY, NOW]
    assert [sample.calculated_at for sample in state.stats.positions[1]] == [START + DAY, NOW]
    assert state.stats.closed_positions == {}


def test_a_closed_position_gets_its_final_figures_once():
    state = make_state()
    position = add_open(state, 100.0, START)
    record(state, at=START + DAY)
    position.revalue_base_asset(START + 2 * DAY, 130.0)
    record(state, at=START + 2 * DAY)
    trade(state, -1, 120.0, START + 3 * DAY)
    record(state, at=START + 3 * DAY)
    final = state.stats.closed_positions[1]
    assert (final.trade_count, final.value_at_open, final.value_at_max) == (2, 100.0, 130.0)
    assert [sample.value for sample in state.stats.positions[1]] == pytest.approx([100.0, 130.0, 0.0])
    record(state)
    assert state.stats.closed_positions[1] is final
    assert len(state.stats.positions[1]) == 3


def test_a_position_opened_and_closed_between_samples_has_one():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    record(state)
    assert len(state.stats.positions[1]) == 1
    assert math.isclose(state.stats.positions[1][0].profit_usd, 10.0)


@pytest.mark.parametrize("mode", [ExecutionMode.real_trading, ExecutionMode.simulated_trading])
def test_live_trading_does_not_record_without_the_long_short_table(mode: ExecutionMode):
    state = make_state()
    before = state.to_json()
    with pytest.raises(InvalidValue, match=mode.value):
        record(state, mode)
    assert state.to_json() == before


@pytest.mark.parametrize("mode", [mode for mode in ExecutionMode if not needs_long_short_table(mode)])
def test_elsewhere_the_table_may_be_missing(mode: ExecutionMode):
    state = make_state()
    state.stats.long_short_metrics_latest = {"live_stats": {}}
    record(state, mode)
    assert len(state.stats.portfolio) == 1
    assert state.stats.long_short_metrics_latest is None


# --- The strategy loop


def test_a_live_cycle_records_the_table_of_the_settled_portfolio():
    runner = make_runner({1: buy(1_000)}, [flat(100)] * 4, ExecutionMode.real_trading, RecordingStore())
    runner.tick(1, MARKET_START)
    (sample,) = runner.state.stats.portfolio
    assert sample.open_position_count == 1
    tables = runner.state.stats.long_short_metrics_latest
    assert tables is not None
    rows = tables["live_stats"]["rows"]
    # What the cycle itself bought is in it.
    assert rows["positions_open_at_the_end"]["value"] == {"All": "1", "Long": "1", "Short": "0"}
    assert rows["portfolio_unrealised_value"]["value"]["All"] == "$1,000.00"
    assert tables["backtested_stats"]["rows"] == {}


def test_the_backtest_is_shown_beside_the_live_figures():
    runner = make_runner({}, [flat(100)] * 4, ExecutionMode.real_trading, RecordingStore())
    runner.backtested_state = make_state()
    add_closed(runner.backtested_state, 100.0, 110.0, START, 1)
    runner.tick(1, MARKET_START)
    tables = runner.state.stats.long_short_metrics_latest
    assert tables is not None
    assert tables["backtested_stats"]["rows"]["won_positions"]["value"]["All"] == "1"
    assert tables["live_stats"]["rows"]["won_positions"]["value"]["All"] == "0"


def test_a_cycle_that_fails_records_nothing():
    def crash(strategy_input):
        raise RuntimeError("no idea")

    store = RecordingStore()
    runner = make_runner({1: crash}, [flat(100)] * 4, ExecutionMode.real_trading, store)
    with pytest.raises(Exception, match="no idea"):
        runner.tick(1, MARKET_START)
    assert runner.state.stats.portfolio == []
    assert runner.state.stats.long_short_metrics_latest is None


def test_a_backtest_records_no_table():
    runner = make_runner({1: buy(1_000)}, [flat(100)] * 4, ExecutionMode.backtesting, RecordingStore())
    runner.tick(1, MARKET_START)
    assert len(runner.state.stats.portfolio) == 1
    assert runner.state.stats.long_short_metrics_latest is None
