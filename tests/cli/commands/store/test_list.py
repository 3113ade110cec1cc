"""store list: the strategies in a database."""

import json

from tests.kit.command_runner import Run
from tests.kit.store_contract import make_state
from tradeexecutor.database.store import SQLStateStore


def test_list(run: Run, address: str):
    with SQLStateStore("sqlite:///trading.db#other") as store:
        store.sync(make_state())
    output = run("store", "list", "sqlite:///trading.db").stdout
    assert [line.split()[:3] for line in output.splitlines()[2:]] == [["demo", "4", "4"], ["other", "1", "1"]]
    listed = json.loads(run("store", "list", "sqlite:///trading.db", "--json").stdout)
    assert [item["strategy"] for item in listed] == ["demo", "other"]
