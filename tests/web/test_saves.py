"""The stream of saves tells the newest one at once, says when the state cannot be read, and ends with its followers."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.web import connect
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.saves import SaveLimits, SaveWatcher
from tradeexecutor.web.sources import read_catalogue

QUICK = SaveLimits(file_interval=0.002, database_interval=0.002, error_interval=0.002, heartbeat=30.0)

#: Longest wait for what must come.
PATIENCE = 60.0

Frames = AsyncGenerator[bytes, None]


def parse(frame: bytes) -> tuple[str, Any]:
    fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
    return fields["event"], json.loads(fields["data"])


async def take(frames: Frames) -> tuple[str, Any]:
    return parse(await asyncio.wait_for(anext(frames), PATIENCE))


def open_file(folder: Path) -> tuple[Any, Any]:
    return JSONFileStore(folder / "mine.json", backups=None), folder / "mine.json"


def open_database(folder: Path) -> tuple[Any, Any]:
    address = DatabaseAddress.parse(f"sqlite:///{folder}/mine.db#mine")
    return SQLStateStore(address), address


@pytest.mark.parametrize("open_store", [open_file, open_database], ids=["file", "database"])
def test_a_follower_is_told_the_newest_save_and_never_one_that_it_has(tmp_path: Path, open_store: Callable[..., Any]):
    store, place = open_store(tmp_path)
    with store:
        state = store.create("Mine")
        store.sync(state)
        site = Site(read_catalogue([place]))
        (strategy,) = site.catalogue.list()

        async def follow() -> None:
            watcher = SaveWatcher(strategy, site.computations, QUICK)
            await watcher.look()
            new, knowing = watcher.follow(None), watcher.follow(strategy.read().key)
            kind, data = await take(new)
            assert (kind, data["id"], data["revision"]) == ("save", strategy.read().key, 1)
            waiting = asyncio.ensure_future(anext(knowing))
            for number in (2, 3):
                state.cycle = number
                store.sync(state)
                _, data = parse(await asyncio.wait_for(asyncio.shield(waiting), PATIENCE))
                assert (data["id"], data["revision"]) == (strategy.read().key, number)
                assert data["id"] == (await take(new))[1]["id"]
                waiting = asyncio.ensure_future(anext(knowing))
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await new.aclose()
            await knowing.aclose()
            assert watcher.followers == 0

        asyncio.run(follow())
        site.computations.close()


def test_a_state_that_cannot_be_read_is_said_once_and_shown_again(tmp_path: Path):
    store, path = open_file(tmp_path)
    with store:
        store.sync(store.create("Mine"))
    site = Site(read_catalogue([path]))
    (strategy,) = site.catalogue.list()

    async def follow() -> None:
        watcher = SaveWatcher(strategy, site.computations, QUICK)
        await watcher.look()
        key = strategy.read().key
        frames = watcher.follow(key)
        waiting = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)
        content = path.read_bytes()
        path.write_bytes(content[:-5])
        kind, data = parse(await asyncio.wait_for(waiting, PATIENCE))
        assert kind == "error"
        assert data["status"] == 503
        path.write_bytes(content)
        # The same save is told again, because it can be read again.
        kind, data = await take(frames)
        assert (kind, data["id"]) == ("save", key)
        await frames.aclose()

    asyncio.run(follow())
    site.computations.close()


def test_a_stream_without_news_has_heartbeats_and_ends_when_the_server_does(tmp_path: Path):
    store, path = open_file(tmp_path)
    with store:
        store.sync(store.create("Mine"))
    site = Site(read_catalogue([path]))
    (strategy,) = site.catalogue.list()

    async def follow() -> list[tuple[str, Any]]:
        watcher = SaveWatcher(strategy, site.computations, SaveLimits(heartbeat=0.001))
        await watcher.look()
        found: list[tuple[str, Any]] = []
        async for frame in watcher.follow(strategy.read().key):
            found.append(parse(frame))
            if len(found) == 2:
                watcher.close()
        return found

    assert asyncio.run(follow()) == [("heartbeat", {"id": strategy.read().key})] * 2
    site.computations.close()


def test_the_number_of_followers_is_limited(tmp_path: Path):
    store, path = open_file(tmp_path)
    with store:
        store.sync(store.create("Mine"))
    app = make_app(Site(read_catalogue([path])), Settings(rate=0, saves=SaveLimits(max_followers=0)))

    async def ask() -> tuple[int, int]:
        async with connect(app) as client:
            return (await client.get("/v1/mine/saves")).status_code, (await client.get("/v1/no/saves")).status_code

    assert asyncio.run(ask()) == (503, 404)
