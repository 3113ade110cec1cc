"""A key is the same for the same run, and another one when anything changes that the result can depend on."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.searches import make_days, write_strategy
from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.research import run_key
from tradeexecutor.research.backtest_job import RunRequest, Workload
from tradeexecutor.research.run_figures import Objective
from tradeexecutor.research.run_queue import RunQueue
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.state import State


def find_key(workload: Workload, parameters: dict[str, Any] | None = None) -> str:
    executor: Any = None
    return RunQueue(workload, executor).make_key(RunRequest(1, parameters or {"first": 2}))


@pytest.fixture
def workload(tmp_path: Path) -> Workload:
    return Workload(write_strategy(tmp_path), make_days(), objectives=(Objective("sharpe"),))


def test_the_same_run_has_the_same_key(workload: Workload):
    again = dataclasses.replace(workload, universe=make_days(), options=BacktestOptions(progress=True))
    assert find_key(workload) == find_key(again)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: dataclasses.replace(w, universe=make_days(seed=2)),
        lambda w: dataclasses.replace(w, universe=make_days(days=39)),
        lambda w: dataclasses.replace(w, options=BacktestOptions(slippage=0.001)),
        lambda w: dataclasses.replace(w, options=BacktestOptions(slippage=lambda pricing: None)),  # type: ignore[arg-type]
        lambda w: dataclasses.replace(w, options=BacktestOptions(initial_deposit=5)),
        lambda w: dataclasses.replace(w, parameters={"share": 0.4}),
        lambda w: dataclasses.replace(w, cycle_duration=CycleDuration.cycle_7d),
        lambda w: dataclasses.replace(w, fee=0.003),
        lambda w: dataclasses.replace(w, objectives=(Objective("cagr"),)),
        lambda w: dataclasses.replace(w, objectives=(Objective("sharpe", function=lambda state: 1.0),)),
    ],
)
def test_settings_and_data_are_part_of_it(workload: Workload, change: Callable[[Workload], Workload]):
    assert find_key(workload) != find_key(change(workload))


def test_parameters_are_part_of_it_with_their_type(workload: Workload):
    keys = {find_key(workload, {"first": value}) for value in (1, 2, True, 1.0, "1")}
    assert len(keys) == 5


def test_the_strategy_and_every_module_that_it_imports_are_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "levels_of_mine").mkdir()
    (tmp_path / "levels_of_mine" / "__init__.py").write_text("from . import inner\n")
    (tmp_path / "levels_of_mine" / "inner.py").write_text("import outer_of_mine\n")
    (tmp_path / "outer_of_mine.py").write_text("X = 1\n")
    path = write_strategy(tmp_path)
    path.write_text(path.read_text() + "\ndef f():\n    import levels_of_mine.inner\n    import pandas, os\n")
    found = {run_key.fingerprint_file(path)}
    assert found == {run_key.fingerprint_file(path)}
    for file in (path, tmp_path / "levels_of_mine/__init__.py", tmp_path / "levels_of_mine/inner.py",
                 tmp_path / "outer_of_mine.py"):  # fmt: skip
        file.write_text(file.read_text() + "# changed\n")
        found.add(run_key.fingerprint_file(path))
    assert len(found) == 5
    (tmp_path / "unrelated.py").write_text("")
    assert run_key.fingerprint_file(path) in found
    assert "levels_of_mine" not in sys.modules


def test_this_program_is_part_of_it(workload: Workload, monkeypatch: pytest.MonkeyPatch):
    before = find_key(workload)
    monkeypatch.setattr("tradeexecutor.research.run_queue.fingerprint_engine", lambda: "another")
    assert find_key(workload) != before


def test_a_function_is_told_by_what_it_does_and_encloses():
    def make(limit: float) -> Callable[[State], float]:
        return lambda state: limit

    def other(state: State) -> float:
        return 2.0

    assert run_key.fingerprint_function(make(1)) == run_key.fingerprint_function(make(1))
    assert len({run_key.fingerprint_function(item) for item in (make(1), make(2), other)}) == 3


def test_data_that_the_strategy_chooses_by_its_parameters_is_part_of_it(tmp_path: Path):
    path = write_strategy(tmp_path)
    path.write_text(
        path.read_text() + "\ndef create_trading_universe(input):\n"
        '    return input.load_market_data(["btc-usd-monthly", "goog-daily"][input.parameters.first])\n'
    )
    workload = Workload(path)
    assert find_key(workload, {"first": 0}) != find_key(workload, {"first": 1})
    assert find_key(workload, {"first": 2}) == "", "no such data: the run will say so"
