"""Every executor computes the same rows, and a worker that dies loses nothing."""

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.searches import make_days, write_strategy
from tradeexecutor.research.backtest_job import RunRequest, RunResult, Workload, run_job
from tradeexecutor.research.executors import ExecutorNotAvailable, RunExecutor, make_executor
from tradeexecutor.research.run_figures import make_objective
from tradeexecutor.research.run_key import fingerprint_universe

JOBS = 24


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


BACKENDS = [
    "processes",
    # Clusters start in seconds, and leave sockets and tasks of theirs to the garbage collector.
    pytest.param("dask", marks=[pytest.mark.slow, needs("distributed"), pytest.mark.filterwarnings("ignore")]),
    pytest.param("ray", marks=[pytest.mark.slow, needs("ray"), pytest.mark.filterwarnings("ignore")]),
]


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    path = write_strategy(tmp_path_factory.mktemp("strategy"))
    return Workload(path, make_days(), objectives=(make_objective("sharpe"), make_objective("max_drawdown")))


@pytest.fixture(scope="module", params=BACKENDS)
def executor(workload: Workload, request: pytest.FixtureRequest) -> Iterator[RunExecutor]:
    found = make_executor(workload, request.param, 2)
    yield found
    found.close()
    found.close()


def collect(executor: RunExecutor, requests: list[RunRequest]) -> list[RunResult]:
    for request in requests:
        executor.submit(request)
    rows = [executor.get_completed() for _ in requests]
    with pytest.raises(LookupError):
        executor.get_completed()
    return sorted(rows, key=lambda row: row.number)


def strip(row: RunResult) -> object:
    observed = row.observations
    returns = None if observed is None else (observed.ends.tolist(), observed.returns.tolist())
    return (row.number, dict(row.parameters), row.figures, row.objectives, row.warnings, row.error, returns)


def test_24_jobs_return_the_rows_of_this_process(executor: RunExecutor, workload: Workload):
    requests = [RunRequest(number, {"first": number}) for number in range(1, JOBS + 1)]
    assert executor.jobs == 2
    rows = collect(executor, requests)
    assert [strip(row) for row in rows] == [strip(run_job(workload, request)) for request in requests]
    assert len({row.objectives for row in rows}) == JOBS


def test_a_killed_worker_loses_nothing(executor: RunExecutor, tmp_path: Path):
    traps = {3: f"kill-once {tmp_path / 'three'}", 4: f"kill-once {tmp_path / 'four'}"}
    requests = [RunRequest(number, {"trap": traps.get(number, "")}) for number in range(1, JOBS + 1)]
    rows = collect(executor, requests)
    assert [row.number for row in rows] == list(range(1, JOBS + 1))
    assert [row.error for row in rows] == [""] * JOBS
    assert {path.name for path in tmp_path.iterdir()} == {"three", "four"}, "both were killed"


def test_what_fails_is_a_row_with_its_error(executor: RunExecutor):
    rows = collect(executor, [RunRequest(1, {"trap": "raise"}), RunRequest(2, {}), RunRequest(3, {"unknown": 1})])
    assert "a trap" in rows[0].error
    assert rows[1].error == ""
    assert "no parameter 'unknown'" in rows[2].error
    assert rows[0].figures == {}


def test_a_run_that_kills_every_worker_is_a_row_with_an_error(executor: RunExecutor):
    rows = collect(executor, [RunRequest(1, {"trap": "kill"}), *(RunRequest(n, {"first": n}) for n in range(2, 9))])
    assert "the worker ended 3 times" in rows[0].error
    assert [row.error for row in rows[1:]] == [""] * 7


def test_the_state_comes_back_only_when_it_is_wanted(executor: RunExecutor):
    with_state, without = collect(executor, [RunRequest(1, {}, wants_state=True), RunRequest(2, {})])
    assert with_state.state is not None
    assert b'"portfolio"' in with_state.state
    assert without.state is None


def test_a_universe_that_was_used_can_be_sent_to_another_process():
    universe = make_days()
    universe.get_cursor(universe.get_single_pair()).seek(2**62)
    copied = pickle.loads(pickle.dumps(universe))
    assert fingerprint_universe(copied) == fingerprint_universe(universe)
    assert copied.get_cursor(copied.get_single_pair()).open[0] == universe.get_candles(universe.pairs[0]).open[0]


def test_what_the_strategy_prints_and_logs_is_discarded(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    text = "print('at the head')\n" + write_strategy(tmp_path).read_text().replace(
        "    manager =", "    print('in the loop')\n    manager ="
    )
    row = run_job(Workload(write_strategy(tmp_path, text), make_days()), RunRequest(1, {"share": 0.00001}))
    assert row.error == ""
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("backend", "settings", "message"),
    [
        ("slurm", {}, "no backend 'slurm'"),
        ("processes", {"jobs": 0}, "1 or more"),
        ("processes", {"address": "tcp://somewhere"}, "on this machine"),
    ],
)
def test_a_backend_that_does_not_exist_is_refused(
    workload: Workload, backend: str, settings: dict[str, object], message: str
):
    with pytest.raises(ExecutorNotAvailable, match=message):
        make_executor(workload, backend, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(("backend", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_backend_that_is_not_installed_says_how_to_install_it(
    workload: Workload, monkeypatch: pytest.MonkeyPatch, backend: str, package: str
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExecutorNotAvailable, match="not installed") as caught:
        make_executor(workload, backend)
    assert f"tradeexecutor[{backend}]" in caught.value.hint


def list_children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


ORPHANS = """
import sys, time
from pathlib import Path
from tests.kit.searches import make_days
from tradeexecutor.research.backtest_job import RunRequest, Workload
from tradeexecutor.research.executors import make_executor

executor = make_executor(Workload(Path(sys.argv[1]), make_days()), "processes", 2)
for number in range(8):
    executor.submit(RunRequest(number, {}))
executor.get_completed()
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(tmp_path: Path):
    path = write_strategy(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ORPHANS, str(path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        workers = list_children(parent.pid)
        assert len(workers) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in workers if is_running(pid)] == []
