"""The zod schemas of the TypeScript package accept what a real server answers about every kind of state."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.kit.node import run
from tests.schema.test_typescript import make_states
from tests.support import REPOSITORY
from tests.web.test_server import serve
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

pytestmark = pytest.mark.slow


def check_answers(package: Path, folder: Path, states: Iterable[tuple[str, State]]) -> None:
    """Every answer about states that we have saved is accepted."""
    count = 0
    for name, state in states:
        with JSONFileStore(folder / f"{name}.json") as store:
            store.sync(state)
        count += 1
    with serve(folder, "--rate", 0) as (address, _):
        done = run(["node", "test/answers.mjs", address], cwd=package)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["problems"] == {}
    assert report["strategies"] == count
    assert report["answers"] >= 10 * count


def test_answers_about_every_kind_of_position(typescript_package: Path, tmp_path: Path):
    check_answers(typescript_package, tmp_path, make_states().items())


def test_answers_about_the_demos(typescript_package: Path, tmp_path: Path):
    names = ("trend_following", "rebalancing")
    results = (run_backtest_for_module(REPOSITORY / "examples" / f"{name}.py", progress=False) for name in names)
    check_answers(typescript_package, tmp_path, ((name, done.state) for name, done in zip(names, results, strict=True)))


def test_answers_about_real_files(typescript_package: Path, tmp_path: Path, shared_dir: Path):
    files = [*(shared_dir / "states").glob("*.json"), *(shared_dir / "made" / "states").glob("*.json")]
    check_answers(typescript_package, tmp_path, ((path.stem, State.read_json_file(path)) for path in files))
