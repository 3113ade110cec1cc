"""The table of long and short positions."""

from pathlib import Path

import pytest

from tests.kit.portfolios import DAY, START, add_closed, make_state, record_equity
from tradeexecutor.analysis.recorded.long_short.recorded_table import (
    StatisticsTable,
    serialise_long_short_stats_as_json_table,
)
from tradeexecutor.analysis.recorded.metrics import KeyMetricSource
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.statistics.core import update_statistics

NOW = START + 73 * DAY


def make_traded() -> State:
    state = make_state()
    state.last_updated_at = START + 10 * DAY
    add_closed(state, 100.0, 110.0, START, 1)
    record_equity(state, {0: 1000, 1: 1010, 2: 2010})  # the last rise is a deposit
    return state


def test_without_a_state_a_table_has_no_rows():
    tables = serialise_long_short_stats_as_json_table(now_=NOW)
    assert [tables[key].source.value for key in ("live_stats", "backtested_stats")] == ["live_trading", "backtesting"]
    assert all(table.rows == {} and table.columns == ["All", "Long", "Short"] for table in tables.values())


def test_the_live_table_takes_its_return_from_positions_and_shares_it_between_the_sides():
    rows = serialise_long_short_stats_as_json_table(make_traded(), now_=NOW)["live_stats"].rows
    # 10 USD of 1000, all of it long; the deposit does not count.
    assert rows["return_percent"].value == {"All": "1.00%", "Long": "1.00%", "Short": "0.00%"}
    assert rows["annualised_return_percent"].value == {"All": "5.00%", "Long": "5.00%", "Short": "-"}
    assert rows["trading_period_length"].value == {"All": "73 days 0 hours", "Long": "-", "Short": "-"}
    assert rows["won_positions"].value == {"All": "1", "Long": "1", "Short": "0"}
    assert rows["realised_profit_and_loss"].value == {"All": "$10.00", "Long": "$10.00", "Short": "$0.00"}
    assert rows["max_drawdown"].value == {"All": "0.00%", "Long": "-", "Short": "-"}


def test_the_table_of_a_backtest_has_the_figures_of_the_trade_summary():
    state = make_traded()
    rows = serialise_long_short_stats_as_json_table(None, state, NOW)["backtested_stats"].rows
    assert rows["trading_period_length"].value["All"] == "10 days 0 hours"
    assert rows["value_at_end"].value["All"] == "$1,010.00"
    assert rows["return_percent"].value["All"] == "1.00%"
    assert rows["return_percent"].source is KeyMetricSource.backtesting
    assert rows["return_percent"].name == "Return %"
    assert str(rows["return_percent"].help_link).endswith("/aggregate-return")


def test_without_any_profit_the_sides_have_no_return():
    state = make_state()
    rows = serialise_long_short_stats_as_json_table(state, now_=NOW)["live_stats"].rows
    assert rows["return_percent"].value == {"All": "0.00%", "Long": "-", "Short": "-"}
    assert "max_drawdown" not in rows


def test_a_decision_dated_before_the_state_was_made_has_no_negative_period():
    rows = serialise_long_short_stats_as_json_table(make_state(), now_=START - DAY)["live_stats"].rows
    assert rows["trading_period_length"].value["All"] == "0 hours 0 minutes"


def test_a_recorded_table_is_an_object_until_it_is_saved():
    state = make_traded()
    tables = serialise_long_short_stats_as_json_table(state, state, NOW)
    update_statistics(
        NOW, state.stats, state.portfolio, ExecutionMode.real_trading, long_short_metrics_latest=dict(tables)
    )
    recorded = state.stats.long_short_metrics_latest
    assert recorded is not None
    assert recorded["live_stats"] is tables["live_stats"]
    assert recorded["live_stats"].rows["total_positions"].value["All"] == "1"
    loaded = State.read_json_blob(state.to_json()).stats.long_short_metrics_latest
    assert loaded is not None
    assert loaded == {key: table.to_dict() for key, table in tables.items()}
    assert StatisticsTable.from_dict(loaded["live_stats"]) == tables["live_stats"]


@pytest.mark.golden
def test_every_recorded_row_is_still_there_under_its_name(state_file: Path):
    state = State.read_json_file(state_file)
    recorded = state.stats.long_short_metrics_latest
    if recorded is None:
        pytest.skip("the file has no table")
    ours = serialise_long_short_stats_as_json_table(state, state, NOW)["live_stats"].rows
    for kind, row in recorded["live_stats"]["rows"].items():
        metric = ours[kind].to_dict()
        assert metric["name"] == row["name"]
        assert metric["help_link"] == row["help_link"]
        assert list(metric) == list(row)
    order = [kind for kind in ours if kind in recorded["live_stats"]["rows"]]
    assert order == list(recorded["live_stats"]["rows"])


@pytest.mark.golden
def test_returns_and_drawdown_agree_with_recorded_ones(shared_dir: Path):
    state = State.read_json_file(shared_dir / "states" / "arbitrum-btc-usd-sls-binance-data-1h.json")
    tables = serialise_long_short_stats_as_json_table(state, state)
    texts = {
        key: [table.rows[kind].value["All"] for kind in ("return_percent", "annualised_return_percent", "max_drawdown")]
        for key, table in tables.items()
    }
    assert texts["backtested_stats"] == ["5.78%", "8.86%", "-6.46%"]
    assert (texts["live_stats"][0], texts["live_stats"][2]) == ("5.78%", "5.85%")
