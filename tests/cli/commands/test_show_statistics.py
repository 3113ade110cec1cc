"""show-statistics: figures first that deposits do not disturb, and what misleads is marked."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command_runner import Run
from tests.kit.portfolios import DAY, START, add_closed, make_state, record_equity, record_flow
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.report.figures import format_value
from tradeexecutor.state.state import State


def iterate_numbers(data: Any) -> Any:
    if isinstance(data, dict):
        for value in data.values():
            yield from iterate_numbers(value)
    elif isinstance(data, list):
        for value in data:
            yield from iterate_numbers(value)
    elif isinstance(data, float):
        yield data


@pytest.mark.slow
def test_every_real_state_has_statistics(run: Run, state_file: Path):
    result = run("show-statistics", state_file)
    assert result.exit_code == 0, result.output
    for heading in ("Result", "Risk", "Positions", "Trading", "Key metrics, as defined by dashboards"):
        assert f"\n{heading}\n" in result.stdout
    assert "nan" not in result.stdout.lower().replace("financ", "")
    assert "None" not in result.stdout
    data = json.loads(run("show-statistics", state_file, "--json").stdout)
    assert all(map(math.isfinite, iterate_numbers(data)))
    assert data["performance"]["max_drawdown"] == summarise_performance(State.read_json_file(state_file)).max_drawdown


@pytest.mark.slow
def test_the_same_file_gives_the_same_text_on_any_day(run: Run, state_file: Path, monkeypatch: pytest.MonkeyPatch):
    before = run("show-statistics", state_file).stdout
    import tradeexecutor.statistics.key_metric as key_metric

    monkeypatch.setattr(key_metric, "utc_now", lambda: START + 100_000 * DAY)
    assert run("show-statistics", state_file).stdout == before


@pytest.fixture
def deposited(tmp_path: Path) -> Path:
    """A live strategy that earns nothing on 1000 USD, gets 1000 more, and then 10 %."""
    state = make_state(1000)
    add_closed(state, 100.0, 100.0, START, 1)
    add_closed(state, 100.0, 100.0, START + 100 * DAY, 1)
    record_equity(state, {0: 1000, 1: 1000, 2: 2000, 102: 2200})
    record_flow(state, 0, 1000)
    record_flow(state, 2, 1000)
    state.last_updated_at = START + 103 * DAY
    for sample in state.stats.portfolio:
        sample.net_asset_value = sample.total_equity
    for table in state.portfolio.get_position_tables():
        for position in table.values():
            position.portfolio_value_at_open = 1000.0
    path = tmp_path / "deposited.json"
    state.write_json_file(path)
    return path


def test_a_deposit_is_no_profit_and_figures_that_take_it_for_profit_are_marked(run: Run, deposited: Path):
    data = json.loads(run("show-statistics", deposited, "--json").stdout)
    assert data["performance"]["total_return"] == pytest.approx(0.10)
    assert data["performance"]["net_deposits"] == 1000
    metric = data["key_metrics"]["profitability"]
    assert metric["source"] == "live"
    assert metric["caveat"] == "closed positions only, compounded one after another"
    text = run("show-statistics", deposited).stdout
    assert "[1] closed positions only, compounded one after another." in text


def test_a_backtest_with_deposits_is_marked(run: Run, backtest_state: Path, tmp_path: Path):
    state = State.read_json_file(backtest_state)
    record_flow(state, 5, 700)
    for sample in state.stats.portfolio[5:]:
        sample.total_equity += 700
        assert sample.net_asset_value is not None
        sample.net_asset_value += 700
    path = tmp_path / "more.json"
    state.write_json_file(path)
    plain = json.loads(run("show-statistics", backtest_state, "--json").stdout)
    more = json.loads(run("show-statistics", path, "--json").stdout)
    assert plain["key_metrics"]["sharpe"]["caveat"] == ""
    assert more["key_metrics"]["sharpe"]["caveat"] == "counts deposits as profit"
    assert more["key_metrics"]["profitability"]["value"] > 0.6
    assert more["performance"]["total_return"] < plain["performance"]["total_return"] + 0.01
    assert more["tables"][0]["source"] == "backtest"


def test_money_that_nobody_recorded_is_warned_about(run: Run, shared_dir: Path):
    result = run("show-statistics", shared_dir / "states" / "cli--show-positions-long.json")
    assert "jumps from 5,109.16 to 3,658.60 USD at 2024-10-24 00:28" in result.stderr


def test_key_metrics_come_from_the_backtest_until_live_trading_lasted(run: Run, backtest_state: Path, deposited: Path):
    options = ("show-statistics", deposited, "--backtest", backtest_state)
    assert json.loads(run(*options, "--json").stdout)["key_metrics"]["profitability"]["source"] == "live"
    data = json.loads(run(*options, "--history", "200d", "--json").stdout)
    assert data["key_metrics"]["profitability"]["source"] == "backtest"
    assert [table["source"] for table in data["tables"]] == ["live", "backtest"]
    assert "Live and backtest\n" in run(*options).stdout


def test_wrong_input_is_explained(run: Run, backtest_state: Path):
    assert run("show-statistics", "missing.json").exit_code == 1
    result = run("show-statistics", backtest_state, "--history", "long")
    assert result.exit_code == 2
    assert "--history" in result.stderr


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_fit_the_terminal(run: Run, shared_dir: Path, monkeypatch: pytest.MonkeyPatch, width: int):
    monkeypatch.setenv("COLUMNS", str(width))
    output = run("show-statistics", shared_dir / "states" / "legacy--trade-missing-tx.json").stdout
    assert max(map(len, output.splitlines())) <= width


@pytest.mark.parametrize("unit", ["usd", "fraction", "ratio", "count", "time", "span", "text"])
def test_what_does_not_exist_is_a_dash(unit: Any):
    assert format_value(None, unit) == "-"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_dash(value: float):
    assert [format_value(value, unit) for unit in ("usd", "fraction", "ratio")] == ["-", "-", "-"]


def test_no_figure_is_cut_off_at_eighty_columns(run: Run, backtest_state: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    output = run("show-statistics", backtest_state).stdout
    assert "Average duration of winning positions" in output
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 80
