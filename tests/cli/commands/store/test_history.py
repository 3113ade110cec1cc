"""store history: the saves of a strategy."""

import json

from tests.kit.command_runner import Run


def test_history(run: Run, address: str):
    lines = run("store", "history", address).stdout.splitlines()[2:]
    assert "opened #1, trade #1" in lines[1]
    assert "closed #1, trade #2" in lines[2]
    assert len(run("store", "history", address, "--limit", "2").stdout.splitlines()) == 5
    items = json.loads(run("store", "history", "sqlite:///trading.db", "--json").stdout)
    assert [item["save"] for item in items] == [1, 2, 3, 4]
    assert items[1]["cash"] == 8000.0
