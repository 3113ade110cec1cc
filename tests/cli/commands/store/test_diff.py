"""store diff: the difference between two saves."""

import json

from tests.kit.command_runner import Run
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.json_patch import apply_patch


def test_diff(run: Run, address: str):
    output = run("store", "diff", address).stdout
    assert "from save 3 of" in output
    assert "to save 4 of" in output
    assert "portfolio.open_positions.2" in output
    store = SQLStateStore(address)
    patch = json.loads(run("store", "diff", address, "1", "cycle:3", "--json").stdout)
    assert apply_patch(json.loads(store.read(1)[1]), patch) == json.loads(store.read(3)[1])
    assert "There is no difference." in run("store", "diff", address, "2", "2").stdout
