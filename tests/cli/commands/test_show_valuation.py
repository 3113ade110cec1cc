"""What positions are worth, and how old their prices are."""

import datetime
import json
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.trader import T0, WBTC_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.cli.printers.valuation import format_age
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import BacktestData, State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An open, a frozen and a closed position; saved two days and an hour after the first price."""
    trader = Trader(new_state(100_000))
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.buy(WBTC_USDC, "1", 10_000.0)
    portfolio = trader.state.portfolio
    portfolio.frozen_positions[2] = portfolio.open_positions.pop(2)
    trader.buy(WBTC_USDC, "1", 10_000.0)
    trader.sell(WBTC_USDC, "1", 10_000.0)
    portfolio.open_positions[1].revalue_base_asset(T0, 2100.0)
    trader.state.last_updated_at = T0 + datetime.timedelta(days=2, hours=1)
    path = tmp_path / "demo.json"
    trader.state.write_json_file(path)
    return path


def show(run: Run, path: Path, *options: str) -> dict[str, object]:
    return json.loads(run("show-valuation", path, "--json", *options).stdout)


def test_a_table_with_prices_and_ages(run: Run, path: Path):
    result = run("show-valuation", path)
    assert result.exit_code == 0, result.output
    first = next(line for line in result.stdout.splitlines() if line.startswith("#1"))
    for text in ("WETH-USDC", "open", "2,100.00", "2022-01-01 00:00", "2 d 1 h"):
        assert text in first
    assert "Saved 2022-01-03 01:00 UTC" in result.stdout
    assert "Oldest price     2 d 1 h" in result.stdout


def test_the_total_is_the_sum_of_what_is_shown(run: Run, path: Path):
    report = show(run, path)
    state = State.read_json_file(path)
    positions = state.portfolio.get_open_and_frozen_positions()
    assert report["shown_value_usd"] == pytest.approx(sum(position.get_value() for position in positions))
    assert report["cash_usd"] == state.portfolio.get_cash()
    assert report["net_asset_value_usd"] == state.portfolio.get_net_asset_value()


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), [1, 2]),
        (("--position-type", "open"), [1]),
        (("--position-type", "open_and_frozen"), [1, 2]),
        (("--position-type", "all"), [1, 2, 3]),
    ],
)
def test_positions_of_a_type(run: Run, path: Path, options: tuple[str, ...], ids: list[int]):
    report = show(run, path, *options)
    assert [item["position_id"] for item in report["positions"]] == ids  # type: ignore[union-attr, index]


def test_a_backtest_is_as_old_as_its_last_cycle(run: Run, path: Path):
    state = State.read_json_file(path)
    state.backtest_data = BacktestData(T0, T0 + datetime.timedelta(days=9), CycleDuration.cycle_1d)
    state.write_json_file(path)
    assert show(run, path)["as_of"] == "2022-01-10T00:00:00"
    state.last_cycle_at = T0 + datetime.timedelta(hours=5)
    state.write_json_file(path)
    assert show(run, path)["as_of"] == "2022-01-01T05:00:00"
    assert "Simulated until 2022-01-01 05:00 UTC" in run("show-valuation", path).stdout


def test_a_state_that_was_never_saved_has_no_ages(run: Run, path: Path):
    state = State.read_json_file(path)
    state.last_updated_at = None
    state.write_json_file(path)
    assert {item["age"] for item in show(run, path)["positions"]} == {None}  # type: ignore[union-attr, index]
    assert run("show-valuation", path).exit_code == 0


def test_an_empty_state(run: Run, tmp_path: Path):
    State().write_json_file(tmp_path / "empty.json")
    result = run("show-valuation", tmp_path / "empty.json")
    assert result.exit_code == 0
    assert "None." in result.stdout


def test_a_missing_file(run: Run, tmp_path: Path):
    assert run("show-valuation", tmp_path / "none.json").exit_code == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3661, "1 h 1 min"),
        (86_400, "1 d"),
        (90_000.5, "1 d 1 h"),
        (86_460, "1 d"),
    ],
)
def test_ages_have_two_units(seconds: float, text: str):
    assert format_age(datetime.timedelta(seconds=seconds)) == text


@pytest.mark.golden
def test_real_files(run: Run, state_file: Path):
    result = run("show-valuation", state_file, "--position-type", "all")
    assert result.exit_code == 0, result.output
    assert "Net asset value" in result.stdout
