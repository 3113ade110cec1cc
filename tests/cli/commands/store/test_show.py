"""store show: one save of a strategy."""

import pytest

from tests.kit.command_runner import Run, Spawn
from tradeexecutor.database.store import SQLStateStore


@pytest.mark.slow
def test_show(run: Run, spawn: Spawn, address: str):
    output = run("store", "show", address, "--at", "2").stdout
    assert "1 open, 0 frozen, 0 closed" in output
    assert f"show-positions '{address}@2'" in output
    assert "0 open, 0 frozen, 1 closed" in run("store", "show", address, "--at", "cycle:3").stdout
    text = spawn("store", "show", address, "--at", "2", "--json").stdout
    assert text.encode() == SQLStateStore(address).read(2)[1] + b"\n"
    assert "no save 9; it keeps saves 1 to 4" in run("store", "show", address, "--at", "9").stderr
    assert "neither a save" in run("store", "show", address, "--at", "noon").stderr
