"""A search finds the best runs, survives kill -9, and computes nothing twice."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tests.kit.searches import make_days, write_strategy
from tradeexecutor.backtest.backtest_options import BacktestOptions
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.research import Optimisation, optimize
from tradeexecutor.research.condition import ConditionNotValid
from tradeexecutor.research.journal import JournalInUse, RunJournal
from tradeexecutor.research.optimisation import SearchSettings
from tradeexecutor.research.parameter_space import ParameterNotValid
from tradeexecutor.research.results import make_results_table, save_results
from tradeexecutor.research.run_figures import ObjectiveNotValid
from tradeexecutor.state.state import State
from tradeexecutor.strategy.strategy_module import StrategyModuleNotValid, read_strategy_module

SPACE: dict[str, Any] = {"first": "1:3", "last": [10, 20]}


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    return write_strategy(tmp_path)


def search(strategy: Path, parameters: dict[str, Any] | None = None, **settings: Any) -> Optimisation:
    given: SearchSettings = {"universe": make_days(), "jobs": 2, **settings}  # type: ignore[typeddict-item]
    return optimize(strategy, SPACE if parameters is None else parameters, **given)


def test_the_figures_are_those_of_single_backtests(strategy: Path):
    found = search(strategy, objective="total_return")
    assert [row.parameters for row in found.rows] == [
        {"first": first, "last": last} for first in (1, 2, 3) for last in (10, 20)
    ]
    for row in found.rows:
        state, _, _ = run_backtest_for_module(strategy, universe=make_days(), parameters=row.parameters, progress=False)
        value = state.portfolio.get_net_asset_value()
        assert row.figures["final_equity"] == value
        assert row.objectives == (pytest.approx(value / 1000 - 1),)
    assert found.best is not None
    assert found.best.objectives[0] == max(row.objectives[0] for row in found.rows if row.objectives[0] is not None)


READING = """
from tradeexecutor.analysis.adjusted.summary import summarise_performance

decide = decide_trades


def decide_trades(input):
    summarise_performance(input.state)
    return decide(input)
"""


def test_a_strategy_may_read_its_figures_while_they_change(strategy: Path):
    plain = search(strategy, {"first": [2]}).rows[0]
    strategy.write_text(strategy.read_text() + READING)
    (reading,) = search(strategy, {"first": [2]}).rows
    assert reading.figures == plain.figures
    assert reading.figures["trades"] == 2


def test_parameters_reach_the_strategy_as_its_own_values(strategy: Path):
    strategy.write_text(
        strategy.read_text().replace(
            "    parameters = input.parameters\n",
            "    parameters = input.parameters\n    assert type(parameters.share) is float, parameters\n"
            "    assert parameters['first'] == parameters.first and parameters.last == 20\n",
        )
    )
    assert not search(strategy, {"first": "1:3", "share": "0.1:0.3:0.1"}).failed


def test_a_low_figure_and_a_function_are_objectives(strategy: Path):
    def count(state: State) -> float:
        return float(len(list(state.portfolio.get_all_trades())))

    found = search(strategy, {"first": "1:2", "last": "10,50"}, objective=["volatility", count])
    assert found.best is not None
    assert found.best.objectives[0] == min(row.objectives[0] for row in found.rows if row.objectives[0] is not None)
    assert [row.objectives[1] for row in found.rows] == [2.0, 1.0, 2.0, 1.0]


def test_a_function_of_a_file_is_an_objective(strategy: Path, tmp_path: Path):
    (tmp_path / "mine.py").write_text("def cash(state):\n    return state.portfolio.get_cash()\n")
    found = search(strategy, objective=f"min:{tmp_path / 'mine.py'}:cash")
    assert found.objectives[0].name == "cash"
    assert found.best is not None
    assert found.best.objectives[0] == min(row.objectives[0] for row in found.rows if row.objectives[0] is not None)


def test_the_front_is_what_no_other_run_beats(strategy: Path):
    found = search(strategy, {"first": "1:4", "share": "0.1:0.9:0.2"}, objective=["total_return", "max_drawdown"])
    values: dict[int, tuple[float, float]] = {row.number: row.objectives for row in found.rows}  # type: ignore[misc]
    expected = {
        number
        for number, (gain, loss) in values.items()
        if not any(a >= gain and b >= loss and (a, b) != (gain, loss) for a, b in values.values())
    }
    assert {row.number for row in found.front} == expected
    assert 1 < len(expected) < len(values)


def test_what_does_not_meet_the_requirements_is_not_ranked(strategy: Path):
    found = search(strategy, {"first": "1:3", "last": [10, 50]}, require=["positions_closed >= 1", "first > 1"])
    assert [row.parameters for row in sorted(found.ranked, key=lambda row: row.number)] == [
        {"first": 2, "last": 10},
        {"first": 3, "last": 10},
    ]
    assert search(strategy, require=["trades > 99"]).best is None


def test_a_failed_run_ends_nothing(strategy: Path):
    found = search(strategy, {"trap": ["", "raise"], "first": "1:2"})
    assert [row.number for row in found.failed] == [3, 4]
    assert len(found.ranked) == 2
    assert "searched.py" in found.failed[0].error or "a trap" in found.failed[0].error


@pytest.mark.parametrize(
    ("parameters", "settings", "error", "message"),
    [
        ({"fist": "1:3"}, {}, StrategyModuleNotValid, "no parameter 'fist'"),
        ({}, {}, ParameterNotValid, "no parameter to change"),
        (SPACE, {"where": ["first > 5"]}, ParameterNotValid, "no combination"),
        (SPACE, {"where": ["first > 5"], "sampler": "random"}, ParameterNotValid, "no combination"),
        (SPACE, {"where": ["fist > 5"]}, ConditionNotValid, "no 'fist'"),
        (SPACE, {"require": ["trade > 5"]}, ConditionNotValid, "no 'trade'"),
        (SPACE, {"objective": "sharp"}, ObjectiveNotValid, "no figure 'sharp'"),
        (SPACE, {"objective": "nothing.py:f"}, ObjectiveNotValid, "no file"),
        (SPACE, {"objective": []}, ParameterNotValid, "no objective"),
        (SPACE, {"sampler": "guess"}, ParameterNotValid, "no sampler 'guess'"),
        (SPACE, {"runs": 3}, ParameterNotValid, "every combination"),
        (SPACE, {"keep_states": 1}, ParameterNotValid, "none was given"),
    ],
)
def test_a_mistake_is_explained_before_anything_runs(
    strategy: Path, parameters: dict[str, Any], settings: dict[str, Any], error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        search(strategy, parameters, **settings)


def test_a_strategy_of_functions_is_searched_like_a_file(strategy: Path):
    module = dataclasses.replace(read_strategy_module(strategy), path=None)
    found = optimize(module, SPACE, universe=make_days(), jobs=2)
    assert [row.objectives for row in found.rows] == [row.objectives for row in search(strategy).rows]


def test_random_runs_are_those_of_the_seed(strategy: Path):
    parameters = {"first": "1:9", "last": "10:30"}
    once, again, other = (
        [row.parameters for row in search(strategy, parameters, sampler="random", runs=6, seed=seed).rows]
        for seed in (3, 3, 4)
    )
    assert once == again != other
    assert len({tuple(item.values()) for item in once}) == 6


# --- Recording


def test_a_second_search_computes_only_what_is_new(strategy: Path, tmp_path: Path):
    folder = tmp_path / "found"
    first = search(strategy, folder=folder)
    again = search(strategy, folder=folder)
    assert (first.known, again.known) == (0, 6)
    assert [row.objectives for row in again.rows] == [row.objectives for row in first.rows]
    assert [row.figures for row in again.rows] == [row.figures for row in first.rows]
    for one, other in zip(first.rows, again.rows, strict=True):
        assert one.observations is not None
        assert other.observations is not None
        assert one.observations.ends.tolist() == other.observations.ends.tolist()
        assert one.observations.returns.tolist() == other.observations.returns.tolist()
    assert search(strategy, {"first": "2:4", "last": "20"}, folder=folder).known == 2
    assert search(strategy, folder=folder, fresh=True).known == 0
    assert search(strategy, folder=folder, options=BacktestOptions(slippage=0.01)).known == 0
    strategy.write_text(strategy.read_text() + "\n")
    assert search(strategy, folder=folder).known == 0


def test_failed_runs_are_tried_again(strategy: Path, tmp_path: Path):
    parameters = {"trap": ["raise"], "first": "1:2"}
    assert search(strategy, parameters, folder=tmp_path).known == 0
    assert search(strategy, parameters, folder=tmp_path).known == 0


def test_a_half_written_line_costs_one_run(strategy: Path, tmp_path: Path):
    search(strategy, folder=tmp_path)
    path = tmp_path / "runs.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{broken}\n", *lines[3:5], lines[5][:40]]))
    assert search(strategy, folder=tmp_path).known == 4
    assert len(path.read_bytes().splitlines()) == 7
    assert search(strategy, folder=tmp_path).known == 6


def test_two_searches_do_not_write_to_one_folder(strategy: Path, tmp_path: Path):
    with RunJournal(tmp_path / "runs.jsonl"), pytest.raises(JournalInUse, match="another process"):
        search(strategy, folder=tmp_path)


KILLED = """
import sys
from pathlib import Path
from tests.kit.searches import make_days
from tradeexecutor.research import optimize

found = optimize(
    sys.argv[1], {"first": "1:15", "last": "16:31"}, universe=make_days(), jobs=2, folder=Path(sys.argv[2]),
    sampler=sys.argv[3], runs=None if sys.argv[3] == "grid" else 60,
)
print(len(found.rows), found.known)
"""


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_search_continues_after_kill_9(strategy: Path, tmp_path: Path, sampler: str):
    if sampler == "tpe":
        pytest.importorskip("optuna")
    folder = tmp_path / "found"
    command = [sys.executable, "-c", KILLED, str(strategy), str(folder), sampler]
    journal = folder / "runs.jsonl"
    with subprocess.Popen(command) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        process.kill()
    finished = len({json.loads(line)["key"] for line in journal.read_bytes().splitlines() if line.endswith(b"}")})
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, known = map(int, done.stdout.split())
    assert rows == (240 if sampler == "grid" else 60)
    assert known == finished if sampler == "grid" else known >= finished - 2
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.split() == [str(rows), str(rows)]


def test_states_of_the_best_runs_are_kept(strategy: Path, tmp_path: Path):
    found = search(strategy, folder=tmp_path, keep_states=2)
    assert list(found.states) == [row.number for row in found.ranked[:2]]
    assert found.notes == ()
    for row in found.ranked[:2]:
        state = State.read_json_file(found.states[row.number])
        assert state.portfolio.get_net_asset_value() == row.figures["final_equity"]
    assert len(list((tmp_path / "states").iterdir())) == 2


def test_a_strategy_that_is_not_deterministic_is_reported(strategy: Path, tmp_path: Path):
    text = strategy.read_text().replace("parameters.share)", "__import__('random').random())")
    strategy.write_text(text)
    found = search(strategy, folder=tmp_path, keep_states=1)
    assert "not deterministic" in found.notes[0]


# --- The table


def test_the_table_has_a_row_for_each_run(strategy: Path, tmp_path: Path):
    def trades(state: State) -> float:
        return 1.0

    def score(state: State) -> float:
        return -1.0

    parameters = {"first": "1:2", "trap": ["", "raise"], "last": [20, 30.5]}
    found = search(strategy, parameters, objective=["sharpe", score, trades])
    table = make_results_table(found)
    save_results(found, tmp_path)
    save_results(found, tmp_path)
    assert pq.read_table(tmp_path / "results.parquet").equals(table)
    rows = table.to_pylist()
    assert [row["run"] for row in rows] == list(range(1, 9))
    assert [row["rank"] for row in rows if row["error"]] == [None] * 4
    assert sorted(row["rank"] for row in rows if not row["error"]) == [1, 2, 3, 4]
    assert [row["last"] for row in rows[:2]] == [20.0, 30.5]
    assert {row["score"] for row in rows} == {-1.0, None}
    assert {row["trades"] for row in rows} == {2, None} or {row["trades"] for row in rows} == {1, 2, None}
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'results.db'}")
    with engine.connect() as connection:
        read = connection.execute(sa.text('select run, "first", "rank", sharpe from results order by run')).all()
    engine.dispose()
    assert [tuple(row) for row in read] == [(r["run"], r["first"], r["rank"], r["sharpe"]) for r in rows]


def test_a_parameter_that_is_called_like_a_figure_has_a_column_of_its_own(strategy: Path):
    strategy.write_text(strategy.read_text().replace("    first = 1\n", "    first = 1\n    trades = 5\n"))
    table = make_results_table(search(strategy, {"trades": "6:7"}))
    assert table["param_trades"].to_pylist() == [6, 7]
    assert table["trades"].to_pylist() != [6, 7]
