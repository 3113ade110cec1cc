"""Small records around the portfolio: uptime, user variables, deployment, sync, metadata, valuations."""

import datetime
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.samples import DAY, T0, T1, USDC, VWETH, balance_update, deployment_info, interest_distribution, sync
from tradeexecutor.state.deployment_info import DeploymentInfo
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue, NotAvailable
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.interest_distribution import AssetInterestData, InterestDistributionOperation
from tradeexecutor.state.metadata import Metadata, OnChainData, StrategyTag
from tradeexecutor.state.other_data import OtherData
from tradeexecutor.state.state import State
from tradeexecutor.state.sync import BalanceEventRef, Deployment, Sync
from tradeexecutor.state.uptime import Uptime, load_latest_live_cycle_end
from tradeexecutor.state.valuation import ValuationUpdate

# --- Uptime


def test_completed_cycles():
    uptime = Uptime()
    uptime.record_cycle_complete(1, T1)
    uptime.record_cycle_complete(2)
    assert uptime.cycles_completed_at[1] == T1
    assert uptime.cycles_completed_at[2].tzinfo is None


def test_repeated_cycle_replaces_the_time_and_warns(caplog: pytest.LogCaptureFixture):
    uptime = Uptime()
    uptime.record_cycle_complete(1, T0)
    with caplog.at_level(logging.WARNING):
        uptime.record_cycle_complete(1, T1)
    assert uptime.cycles_completed_at == {1: T1}
    assert "already completed" in caplog.text


@pytest.mark.parametrize("cycle", [1.0, "1", None, True])
def test_cycle_number_is_an_integer(cycle: Any):
    with pytest.raises(InvalidValue):
        Uptime().record_cycle_complete(cycle, T0)


def test_uptime_counters():
    uptime = Uptime()
    uptime.record_stats_refresh_complete()
    uptime.record_post_valuation_settlement_complete()
    uptime.record_post_valuation_settlement_complete()
    assert (uptime.stats_refresh_completed, uptime.post_valuation_settlements_completed) == (1, 2)


def test_times_come_back_as_times():
    tree = {"uptime_checks": [1.25], "cycles_completed_at": {"7": 1_700_000_000.5}}
    uptime = Uptime.from_dict(tree)
    assert uptime.uptime_checks == [datetime.datetime(1970, 1, 1, 0, 0, 1, 250_000)]
    assert uptime.cycles_completed_at == {7: datetime.datetime(2023, 11, 14, 22, 13, 20, 500_000)}
    assert uptime.to_dict()["cycles_completed_at"] == {"7": 1_700_000_000.5}


# --- End of the latest cycle


@pytest.mark.parametrize("reload", [False, True])
def test_a_restarted_strategy_knows_when_its_latest_cycle_ended(reload: bool):
    state = State()
    assert load_latest_live_cycle_end(state) is None
    state.record_cycle_end(1, T0, live=True)
    state.record_cycle_end(2, T1 + DAY / 7, live=True)
    state = State.read_json_blob(state.to_json()) if reload else state
    assert load_latest_live_cycle_end(state) == T1 + DAY / 7


@pytest.mark.parametrize("reload", [False, True])
def test_without_a_live_record_the_log_of_cycles_says_when(reload: bool):
    state = State()
    state.record_cycle_end(12, T1)
    state.record_cycle_end(3, T0)
    state = State.read_json_blob(state.to_json()) if reload else state
    assert load_latest_live_cycle_end(state) == T1
    state.other_data = None
    assert load_latest_live_cycle_end(state) == T1


def test_only_the_latest_cycle_of_the_user_variables_counts():
    state = State()
    state.record_cycle_end(1, T1, live=True)
    assert state.other_data is not None
    state.other_data.save(2, "loaded_chart_count", 5)
    state.uptime.cycles_completed_at = {1: T0}
    assert load_latest_live_cycle_end(state) == T0


@pytest.mark.parametrize(
    "recorded",
    [1_640_995_200, 1_640_995_200.0, "2022-01-01T00:00:00", "2022-01-01T01:00:00+01:00", datetime.datetime(2022, 1, 1)],
)
def test_the_end_of_a_cycle_may_be_recorded_in_several_forms(recorded: Any):
    state = State()
    state.uptime.cycles_completed_at = {1: recorded}
    assert load_latest_live_cycle_end(state) == datetime.datetime(2022, 1, 1)


@pytest.mark.parametrize("recorded", ["yesterday", [], True, 1e300])
def test_what_is_no_time_is_refused(recorded: Any):
    state = State()
    state.uptime.cycles_completed_at = {1: recorded}
    with pytest.raises(InvalidValue, match="is no time"):
        load_latest_live_cycle_end(state)


# --- User variables


@pytest.mark.parametrize("reload", [False, True])
def test_only_the_latest_cycle_is_searched(reload: bool):
    data = OtherData()
    data.save(1, "x", [1])
    data.save(1, "y", 2)
    data.save(3, "x", [3])
    if reload:
        data = OtherData.from_json(data.to_json())
    assert data.get_latest_stored_cycle() == 3
    assert data.load_latest("x") == [3]
    assert data.load_latest("y", default="none") == "none"
    data.data[5]["z"] = 1
    assert data.load_latest("z") == 1


def test_empty_user_variables():
    assert OtherData().get_latest_stored_cycle() == 0
    assert OtherData().load_latest("x") is None
    assert OtherData().data == {}


@pytest.mark.parametrize(("cycle", "name"), [(1.0, "x"), (True, "x"), (1, 5), (1, None)])
def test_user_variables_need_a_cycle_and_a_name(cycle: Any, name: Any):
    data = OtherData()
    with pytest.raises(InvalidValue):
        data.save(cycle, name, 1)
    assert data.data == {}


# --- Deployment information


def test_first_and_later_updates_are_logged():
    info = DeploymentInfo()
    assert info.update_strategy_file_deployment_data(Path("x.json"), {"a": 1})
    assert not info.update_strategy_file_deployment_data("y.json", {"a": 1})
    assert info.update_strategy_file_deployment_data("y.json", {"a": 2})
    assert (info.source, info.deployment_file, info.data) == ("strategy_file", "y.json", {"a": 2})
    assert [change.change_summary_message for change in info.modified] == [
        "Initialised strategy-file deployment information from x.json",
        "Updated strategy-file deployment information from y.json",
    ]


def test_deployment_data_of_the_caller_stays_his_own():
    info, data = DeploymentInfo(), {"deployments": {"base": 1}}
    assert info.update_strategy_file_deployment_data("x.json", data)
    data["deployments"]["base"] = 2
    assert info.data == {"deployments": {"base": 1}}
    assert info.update_strategy_file_deployment_data("x.json", data)
    assert len(info.modified) == 2


def test_deployment_data_must_be_a_dictionary():
    info = deployment_info()
    with pytest.raises(InvalidValue):
        info.update_strategy_file_deployment_data("x.json", [])  # type: ignore[arg-type]
    assert info == deployment_info()


# --- Sync


def test_initialised_once_the_deployment_block_is_known():
    assert not Sync().is_initialised()
    assert sync().is_initialised()


def test_empty_object_is_a_fresh_sync():
    assert Sync.from_dict({}) == Sync()


def test_chain_of_the_deployment():
    assert Deployment.from_dict({"chain_id": 8453}).chain_id is ChainId.base
    assert Deployment.from_dict({"chain_id": 123456}).to_dict()["chain_id"] == 123456
    with pytest.raises(InvalidStateFile):
        Deployment.from_dict({"chain_id": "8453"})


def test_reference_to_an_event():
    event = balance_update()
    ref = BalanceEventRef.from_balance_update_event(event)
    assert ref == BalanceEventRef(1, T1, event.cause, event.position_type, 3, 100.0)


# --- Interest distribution


def test_distribution_of_an_asset():
    operation = interest_distribution()
    assert operation.duration == T1 - T0
    assert operation.get_interest_data(VWETH).total == Decimal("0.5")
    with pytest.raises(NotAvailable):
        operation.get_interest_data(USDC)
    entry = operation.entries[0]
    assert (entry.asset, entry.quantity) == (VWETH, Decimal("0.5"))
    assert operation.get_diagnostics_data() == [
        {"side": "borrowed", "position": "1", "asset": "vWETH", "quantity": "0.5", "weight": "0.4", "price": "2.0"}
    ]


def test_old_distributions_have_no_entries_by_asset():
    assert AssetInterestData.from_dict({"total": "1.0", "effective_rate": None}).entries == []


def test_distribution_holds_whole_positions():
    tree = interest_distribution().to_dict()
    assert tree["entries"][0]["position"]["loan"]["borrowed"]["quantity"] == "0.5"
    assert InterestDistributionOperation.from_dict(tree).entries[0].position.position_id == 1


# --- Metadata


def test_backtest_data_needs_both_reports(tmp_path: Path):
    metadata = Metadata.create_dummy()
    assert metadata.has_backtest_data() is False
    metadata.backtest_notebook, metadata.backtest_html = tmp_path / "a.ipynb", tmp_path / "a.html"
    metadata.backtest_notebook.touch()
    assert metadata.has_backtest_data() is False
    metadata.backtest_html.touch()
    assert metadata.has_backtest_data() is True


@pytest.mark.parametrize(
    ("line", "badges"), [("a, b ,", ["a", "b", ""]), ("", []), (None, []), ("polygon", ["polygon"])]
)
def test_badges(line: str | None, badges: list[str]):
    assert Metadata.parse_badges_configuration(line) == badges


def test_metadata_defaults():
    metadata = Metadata.create_dummy()
    assert metadata.key_metrics_backtest_cut_off == 730 * DAY
    assert metadata.on_chain_data == OnChainData()
    assert metadata.tags == set()
    assert StrategyTag("hero") is StrategyTag.hero


# --- Execution mode


@pytest.mark.parametrize(
    ("predicate", "names"),
    [
        (
            ExecutionMode.is_live_trading,
            "real_trading paper_trading unit_testing_trading simulated_trading preflight_check one_off web",
        ),
        (ExecutionMode.is_backtesting, "backtesting unit_testing"),
        (ExecutionMode.is_unit_testing, "unit_testing_trading simulated_trading unit_testing"),
        (ExecutionMode.is_fresh_data_always_needed, "real_trading paper_trading simulated_trading"),
    ],
)
def test_execution_modes(predicate, names: str):
    assert [mode.name for mode in ExecutionMode if predicate(mode)] == [
        mode.name for mode in ExecutionMode if mode.name in names.split()
    ]


def test_execution_mode_values():
    assert {mode.name: mode.value for mode in ExecutionMode if mode.name != mode.value} == {
        "unit_testing": "unit_Testing"
    }


# --- Valuation


def test_valuation_takes_attributes_that_are_not_saved():
    update = ValuationUpdate(1, T0, T0, 5.0, 1.0)
    update.model = "test"  # type: ignore[attr-defined]
    assert "model" not in update.to_dict()
    assert update.quantity is None
