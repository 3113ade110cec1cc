"""The same run gives the same bytes, whenever and wherever it happens."""

import json
import os
import subprocess
import sys

import pytest

from tests.kit.markets import make_json
from tests.support import REPOSITORY
from tradeexecutor.state.state import State

SCRIPT = """
import sys
from tests.kit.markets import make_json
sys.stdout.write(make_json())
"""


def test_two_runs_give_the_same_bytes():
    assert make_json() == make_json()


@pytest.mark.slow
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
