"""The TypeScript client follows a real server through lost connections and lost patches, and has what was saved."""

import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.web.test_changes import change, make_database, make_file
from tests.web.test_server import serve
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.web.sources import Saved

pytestmark = pytest.mark.slow

SAVES = 200
TOKEN = "read-token-of-the-test"


def print_canonical(tree: Any) -> bytes:
    """The same bytes for the same data: JavaScript orders keys by its own rules, and prints 1.0 as 1."""
    return orjson.dumps(to_canonical(tree), option=orjson.OPT_SORT_KEYS)


def to_canonical(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: to_canonical(value) for key, value in tree.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(tree, list):
        return [to_canonical(item) for item in tree]  # pyright: ignore[reportUnknownVariableType]
    return int(tree) if isinstance(tree, float) and tree.is_integer() else tree


@pytest.mark.parametrize("make", [make_file, make_database])
def test_it_has_every_save_that_it_was_told(typescript_package: Path, make: Any, tmp_path: Path):
    dice = random.Random(7)
    store, place = make(tmp_path)
    saved: dict[int, bytes] = {}
    with store:
        state = store.create("Followed")

        def save() -> None:
            store.sync(state)
            snapshot = store.snapshot()
            saved[snapshot.revision] = print_canonical(Saved.of(snapshot).read_tree())

        save()
        with serve(place, "--rate", 0, TRADEEXECUTOR_READ_TOKEN=TOKEN) as (address, _):
            words = ["node", "test/stream.mjs", f"{address}/v1/followed/changes", "11"]
            environment = {**os.environ, "AUTHORIZATION": f"Bearer {TOKEN}"}
            with subprocess.Popen(
                words,
                cwd=typescript_package,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as client:
                killer = threading.Timer(120, client.kill)
                killer.start()
                received: list[str] = []
                reading = threading.Thread(target=lambda: received.extend(client.stdout or ()))
                reading.start()
                for _ in range(SAVES):
                    change(state, dice)
                    save()
                    time.sleep(dice.choice([0, 0.02, 0.1]))
                state.name = "The end"
                save()
                end = max(saved)
                # A lost last patch would be noticed by the heartbeat after 15 seconds; a change tells it sooner.
                while reading.is_alive():
                    reading.join(1)
                    state.cycle += 1
                    save()
                killer.cancel()
                assert client.stderr is not None
                errors = client.stderr.read()
                assert client.wait(10) == 0, errors
    seen = [json.loads(line) for line in received]
    for item in seen:
        assert print_canonical(item["document"]) == saved[item["revision"]], item["id"]
    revisions = [item["revision"] for item in seen]
    assert revisions == sorted(revisions)
    assert revisions[-1] >= end
    report = json.loads(errors)
    assert len(seen) == report["saves"] > 10
    assert report["connections"] > 3
    if isinstance(store, SQLStateStore):
        assert report["lost"] > 0
    # Each lost patch is noticed, unless the connection broke before the next one.
    assert report["gaps"]["before"] <= report["lost"]
    assert report["gaps"]["patch"] == 0
