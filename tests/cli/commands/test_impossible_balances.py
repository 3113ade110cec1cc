"""The three commands that check a state agree about balances that cannot be."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.trader import USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.state import State


def make_sound() -> State:
    trader = Trader(new_state(), 0.0, 1.0)
    trader.buy(WETH_USDC, "10", 100.0)
    return trader.state


def make_oversold() -> State:
    state = make_sound()
    state.portfolio.open_positions[1].trades[1].executed_quantity = Decimal("-15")
    return state


def make_overspent() -> State:
    state = make_sound()
    state.portfolio.adjust_reserves(USDC, Decimal(-1_000_000))
    return state


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (make_sound, ""),
        (make_oversold, "the holding of position #1 is -15 WETH"),
        (make_overspent, "the cash is -991000 USDC"),
    ],
    ids=["sound", "oversold", "overspent"],
)
def test_they_agree(run: Run, tmp_path: Path, make: Callable[[], State], text: str):
    path = tmp_path / "state.json"
    make().write_json_file(path)
    validated = {check["name"]: check for check in json.loads(run("validate", path, "--json").stdout)[0]["checks"]}
    (checked,) = json.loads(run("check-trades", path, "--json").stdout)
    issues = [issue["reason"] for issue in checked["issues"] if issue["kind"] == "impossible"]
    audited = json.loads(run("audit", path, "--json").stdout)
    assert validated["balances"]["passed"] is not bool(text)
    assert validated["balances"]["detail"].startswith(text)
    assert [reason[: len(text)] for reason in issues] == ([text] if text else [])
    assert len(audited["impossible"]) == len(issues)
    if text:
        for command in ("validate", "check-trades", "audit"):
            result = run(command, path)
            assert result.exit_code == 1
            assert text in " ".join(result.stdout.split())


@pytest.mark.parametrize("name", ["oversold", "overspent"])
def test_files_of_programs_that_check_less(run: Run, shared_dir: Path, name: str):
    path = shared_dir / "faults" / f"{name}.json"
    assert [run(command, path).exit_code for command in ("validate", "check-trades", "audit")] == [1, 1, 1]
