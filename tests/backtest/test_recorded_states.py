"""Six kinds of backtests give the states that were recorded before samples were made on demand, byte for byte.

A change of a digest is a change of what backtests record. One that is meant is recorded anew with
``PYTHONPATH=. .venv/bin/python -m tests.backtest.test_recorded_states``.
"""

import hashlib
import json
from pathlib import Path

import pytest

from tests.kit.recorded_backtests import BACKTESTS
from tradeexecutor.state.state import State

RECORDED = Path(__file__).with_name("recorded_states.json")


def digest(state: State) -> str:
    return hashlib.sha256(state.to_json_bytes()).hexdigest()


@pytest.mark.parametrize("name", BACKTESTS)
def test_the_state_is_the_recorded_one(name: str):
    assert digest(BACKTESTS[name]()) == json.loads(RECORDED.read_text())[name]


@pytest.mark.parametrize("name", BACKTESTS)
def test_reading_the_samples_before_saving_changes_nothing(name: str):
    state = BACKTESTS[name]()
    assert state.stats.portfolio
    assert digest(state) == json.loads(RECORDED.read_text())[name]


if __name__ == "__main__":
    RECORDED.write_text(json.dumps({name: digest(make()) for name, make in BACKTESTS.items()}, indent=2) + "\n")
