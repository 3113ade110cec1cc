"""The TypeScript package: its own tests, what it contains, and that its schemas accept what we save."""

import json
from pathlib import Path

import pytest

from tests.kit.every_kind_trader import everything
from tests.kit.node import read_files, run
from tests.kit.trader import USDC, WETH, WETH_USDC, Trader, new_state, pair
from tests.kit.whole import make_whole_state
from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.state import State

pytestmark = pytest.mark.slow

#: Kinds of positions that other programs may leave in a file, and that cannot be opened here.
ONLY_READ = (
    TradingPairKind.spot_market_hold_rebalancing_token,
    TradingPairKind.freqtrade,
    TradingPairKind.lending_protocol_long,
    TradingPairKind.cash,
)


def make_states() -> dict[str, State]:
    """One state with each kind of position, one with every class, and an empty one."""
    states = {"everything": everything(), "whole": make_whole_state(), "empty": State()}
    for kind in ONLY_READ:
        states[kind.name] = new_state()
        position, trade = Trader(states[kind.name]).buy(WETH_USDC, "1", 100.0)
        position.pair = trade.pair = pair(WETH, USDC, 0.003, 101, kind=kind)
    return states


def check_accepted(package: Path, states: dict[str, State], folder: Path) -> None:
    """Each state is accepted as it is saved, and reading loses nothing of it."""
    paths = {name: folder / f"{name}.json" for name in states}
    for name, state in states.items():
        state.write_json_file(paths[name])
    report = read_files(package, list(paths.values()))
    assert report == {str(path): {"issues": [], "kept": True} for path in paths.values()}


def test_its_own_tests_pass(typescript_package: Path):
    tests = sorted(str(path.relative_to(typescript_package)) for path in typescript_package.glob("test/*.test.js"))
    done = run(["node", "--test", *tests], cwd=typescript_package)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "# pass 0" not in done.stdout


def test_it_can_be_packed_and_needs_only_zod(typescript_package: Path):
    done = run(["npm", "pack", "--dry-run", "--json", "--ignore-scripts"], cwd=typescript_package)
    assert done.returncode == 0, done.stderr
    packed = {entry["path"] for entry in next(iter(_as_list(json.loads(done.stdout))))["files"]}
    assert {"package.json", "README.md", "dist/index.js", "dist/index.d.ts", "schema/state.schema.json"} <= packed
    assert not [path for path in packed if path.startswith(("src/", "test/", "node_modules/"))]
    manifest = json.loads((typescript_package / "package.json").read_text())
    assert list(manifest["dependencies"]) == ["zod"]
    assert manifest["type"] == "module"


def _as_list(answer: object) -> list[dict[str, list[dict[str, str]]]]:
    """What ``npm pack --json`` prints: a list, or since npm 11.6 an object by package name."""
    return list(answer.values()) if isinstance(answer, dict) else answer  # pyright: ignore[reportReturnType]


def test_states_of_every_kind_are_accepted(typescript_package: Path, tmp_path: Path):
    states = make_states()
    kinds = {p.pair.kind for state in states.values() for p in state.portfolio.get_all_positions(pending=True)}
    assert kinds == set(TradingPairKind)
    check_accepted(typescript_package, states, tmp_path)


def test_results_of_the_demos_are_accepted(typescript_package: Path, tmp_path: Path):
    examples = [REPOSITORY / "examples" / f"{name}.py" for name in ("trend_following", "rebalancing")]
    states = {path.stem: run_backtest_for_module(path, progress=False).state for path in examples}
    check_accepted(typescript_package, states, tmp_path)


def test_real_files_saved_by_us_are_accepted(typescript_package: Path, tmp_path: Path, shared_dir: Path):
    files = [*(shared_dir / "states").glob("*.json"), *(shared_dir / "made" / "states").glob("*.json")]
    assert len(files) >= 29
    check_accepted(typescript_package, {path.stem: State.read_json_file(path) for path in files}, tmp_path)


def test_what_the_schema_refuses_is_refused_with_its_path(typescript_package: Path, tmp_path: Path):
    tree = everything().to_dict()
    tree["portfolio"]["open_positions"]["1"]["trades"]["1"]["planned_quantity"] = 0.5
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(tree))
    (report,) = read_files(typescript_package, [path]).values()
    assert [issue.split(": ")[0] for issue in report["issues"]] == [
        "portfolio.open_positions.1.trades.1.planned_quantity"
    ]
