"""The zod schemas of the TypeScript package accept what a real server answers about every kind of state."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.kit.node import run
from tests.kit.soak import SOAK
from tests.schema.test_typescript import make_states
from tests.support import REPOSITORY
from tests.web.test_server import serve
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

pytestmark = pytest.mark.slow


def check_answers(package: Path, folder: Path, states: Iterable[tuple[str, State]]) -> None:
    """Every answer about states that we have saved is accepted."""
    for name, state in states:
        with JSONFileStore(folder / f"{name}.json") as store:
            store.sync(state)
    check_served(package, folder)


def check_served(package: Path, folder: Path) -> None:
    count = len(list(folder.glob("*.json")))
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
    """As we have saved them, and as other programs have: with numbers for amounts, and texts for prices."""
    files = sorted([*(shared_dir / "states").glob("*.json"), *(shared_dir / "made" / "states").glob("*.json")])
    if SOAK == 1:
        files = files[::4]
    saved, original = tmp_path / "saved", tmp_path / "original"
    saved.mkdir()
    original.mkdir()
    check_answers(typescript_package, saved, ((path.stem, State.read_json_file(path)) for path in files))
    for path in files:
        shutil.copyfile(path, original / path.name)
    check_served(typescript_package, original)
