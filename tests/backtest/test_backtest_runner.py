"""Entry points: a strategy file, data from outside, overrides, progress."""

import datetime
from pathlib import Path

import pytest

from tests.kit.markets import DAY, HOUR, START, flat, make_candles, random_walk, run
from tradeexecutor.backtest.backtest_engine import BacktestPeriodNotValid, find_decision_times, to_datetimes
from tradeexecutor.backtest.backtest_runner import (
    BacktestNotPossible,
    load_market_data,
    run_backtest_for_module,
    run_backtest_inline,
)
from tradeexecutor.backtest.progress import show_progress
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.strategy.strategy_module import StrategyModuleNotValid

STRATEGY = """
trading_strategy_engine_version = "0.5"

class Parameters:
    cycle_duration = "1h"
    initial_cash = 1000
    share = 0.5

def decide_trades(input):
    manager = input.get_position_manager()
    if manager.is_any_open():
        return []
    return manager.open_spot(input.get_default_pair(), manager.get_current_cash() * input.parameters.share)
"""


@pytest.fixture
def strategy_file(tmp_path: Path) -> Path:
    path = tmp_path / "half.py"
    path.write_text(STRATEGY)
    return path


@pytest.fixture
def candle_file(tmp_path: Path) -> Path:
    path = tmp_path / "ETHUSDT-1h.csv"
    make_candles(random_walk(1, 48)).to_dataframe().to_csv(path)
    return path


def test_a_strategy_file_runs_on_a_candle_file(strategy_file: Path, candle_file: Path):
    result = run_backtest_for_module(strategy_file, candle_file, progress=False)
    assert result.state.name == "half"
    assert result.strategy_universe.get_single_pair().get_ticker() == "ETH-USDT"
    assert result.diagnostics_data["decisions"] == 48
    assert result.state.portfolio.get_cash() == 500
    state, universe, diagnostics = result
    assert (state, universe, diagnostics) == (result.state, result.strategy_universe, result.diagnostics_data)


def test_settings_from_outside_win(strategy_file: Path, candle_file: Path):
    result = run_backtest_for_module(
        strategy_file,
        candle_file,
        pair="DOGE-USD",
        start_at=START + HOUR,
        initial_deposit=2000,
        cycle_duration=CycleDuration.cycle_1d,
        parameters={"share": 0.25},
        name="mine",
        progress=False,
    )
    assert result.state.name == "mine"
    assert result.state.portfolio.get_cash() == 1500
    assert result.diagnostics_data["decisions"] == 2
    assert result.strategy_universe.get_single_pair().get_ticker() == "DOGE-USD"
    assert result.state.backtest_data is not None
    assert result.state.backtest_data.decision_cycle_duration is CycleDuration.cycle_1d


def test_parameters_of_the_run_can_be_overridden_too(strategy_file: Path, candle_file: Path):
    overrides = {"cycle_duration": "4h", "initial_cash": 800}
    result = run_backtest_for_module(strategy_file, candle_file, parameters=overrides, progress=False)
    assert result.diagnostics_data["decisions"] == 12
    assert result.state.portfolio.get_cash() == 400


def test_unknown_parameters_are_refused(strategy_file: Path, candle_file: Path):
    with pytest.raises(
        StrategyModuleNotValid, match=r"no parameter 'shrae' \(it has: cycle_duration, initial_cash, share\)"
    ):
        run_backtest_for_module(strategy_file, candle_file, parameters={"shrae": 1})


def test_without_data_the_strategy_must_choose(strategy_file: Path):
    with pytest.raises(StrategyModuleNotValid, match="no market data was given"):
        run_backtest_for_module(strategy_file)
    text = STRATEGY + "\ndef create_trading_universe(input):\n    return input.load_market_data('btc-usd-monthly')\n"
    strategy_file.write_text(text)
    result = run_backtest_for_module(strategy_file, cycle_duration=CycleDuration.cycle_unknown, progress=False)
    assert result.diagnostics_data["decisions"] == 156


def test_market_data_by_name(candle_file: Path):
    universe = load_market_data(candle_file, "btc-usd-monthly", fee=0.0)
    assert [pair.get_ticker() for pair in universe.pairs] == ["ETH-USDT", "BTC-USDT"]
    assert load_market_data(candle_file, pair="SOL-USD").get_single_pair().get_ticker() == "SOL-USD"
    for names in ([candle_file, "goog-daily"], ["goog-daily"]):
        with pytest.raises(BacktestNotPossible, match="single file only"):
            load_market_data(*names, pair="SOL-USD")
    with pytest.raises(BacktestNotPossible, match="market data is missing"):
        load_market_data()


def test_markets_without_a_common_period_are_refused():
    early = make_candles([flat(1)] * 5)
    late = make_candles([flat(1)] * 5, start=START + 50 * HOUR)
    universe = create_universe({"BTC-USD": early, "ETH-USD": late.between(None, None)})
    result = run_backtest_inline(decide_trades=lambda input: [], universe=universe, initial_deposit=1, progress=False)
    assert result.state.created_at == START + 50 * HOUR
    with pytest.raises(BacktestPeriodNotValid, match="no common period"):
        run_backtest_inline(
            decide_trades=lambda input: [], universe=universe, initial_deposit=1, end_at=START + 9 * HOUR
        )


def test_decisions_happen_when_a_market_is_open():
    # A week of daily candles without the weekend, and without the Monday holiday.
    days = make_candles([flat(1)] * 7, start=datetime.datetime(2024, 1, 4), bucket=DAY, skip=[2, 3, 4])
    universe = create_universe({"GOOG-USD": days})

    def get_days(cycle: CycleDuration | None) -> list[int]:
        moments = find_decision_times(universe, cycle, START, datetime.datetime(2025, 1, 1))
        return [ts.day for ts in to_datetimes(moments)]

    assert get_days(None) == [4, 5, 9, 10, 11, 12, 13]
    assert get_days(CycleDuration.cycle_1d) == get_days(CycleDuration.cycle_1h) == get_days(None)
    assert get_days(CycleDuration.cycle_7d) == [4, 9], "the cycle that began on Monday decides on Tuesday"


def test_progress_is_drawn_when_asked(capsys: pytest.CaptureFixture[str]):
    with show_progress(10, "Half", enabled=True) as update:
        assert update is not None
        update(10, START)
    assert "2024-01-01" in capsys.readouterr().err
    with show_progress(10, "Half", enabled=False) as update:
        assert update is None
    run([flat(1)] * 3, {})
    assert capsys.readouterr().err == ""
