"""The same run gives the same bytes, whenever and wherever it happens."""

import json
import os
import subprocess
import sys

from tests.kit.markets import START, buy, random_walk, run, sell
from tests.support import REPOSITORY
from tradeexecutor.state.state import State

SCRIPT = """
import sys
from tests.backtest.test_determinism import make_json
sys.stdout.write(make_json())
"""


def make_json() -> str:
    """A run with deposits, stop losses, failures, plots and several positions."""

    def plan(input):
        manager = input.get_position_manager()
        if manager.is_problematic_pair(input.get_default_pair()):
            return []
        input.state.visualisation.add_message(input.timestamp, f"cycle {input.cycle}")
        input.other_data.save(input.cycle, "price", input.indicators.get_price() or 0.0)
        if input.cycle % 5 == 1 and not manager.is_any_open():
            return buy(1_000, stop_loss_pct=0.97, take_profit_pct=1.05)(input)
        return sell(input) if input.cycle % 5 == 0 and manager.is_any_open() else []

    options = {"failures": lambda trade: trade.trade_id == 30, "funding": [(START, 500), (START, 20)]}
    result = run(random_walk(7, 120), plan, fee=0.001, **options)
    assert result.diagnostics_data["trades"] > 20
    return result.state.to_json_safe()


def test_two_runs_give_the_same_bytes():
    assert make_json() == make_json()


def test_another_process_with_other_hashes_gives_the_same_bytes():
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo"}
    other = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout == make_json()


def test_a_backtest_survives_saving_and_loading():
    text = make_json()
    # As values, not as text: a sum over no positions is the integer 0 in memory and 0.0 after loading.
    assert json.loads(State.read_json_blob(text).to_json_safe()) == json.loads(text)
