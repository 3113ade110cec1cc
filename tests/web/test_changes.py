"""The change stream: whoever follows it has the state, byte for byte, however often he leaves."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.soak import SOAK
from tradeexecutor.database.address import DatabaseAddress
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.codec import dump
from tradeexecutor.state.codec.json_patch import apply_patch
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.caching import Computations
from tradeexecutor.web.changes import ChangeStreams, StreamLimits, Watcher
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import Saved, read_catalogue

#: So few that a client that is away for long has to begin again.
SMALL = StreamLimits(interval=0.005, max_kept=1_500, heartbeat=0.05)

Store = JSONFileStore | SQLStateStore

#: Patches that all clients together have got at least.
MIN_PATCHES = 20


def parse_event(frame: bytes) -> tuple[str, str | None, Any]:
    """Kind, id and data of an event."""
    fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
    return fields["event"], fields.get("id"), json.loads(fields["data"])


@dataclass
class Client:
    """Follows a stream and keeps the tree."""

    tree: Any = None
    last: str | None = None
    snapshots: int = 0
    patches: int = 0
    wrong: list[str] = field(default_factory=list)

    def receive(self, frame: bytes) -> None:
        if frame.startswith(b"retry"):
            return
        kind, key, data = parse_event(frame)
        if kind == "heartbeat":
            # A save whose patch still waits for this follower is not named yet.
            if data["id"] != self.last:
                self.wrong.append(f"heartbeat of {data['id']} after {self.last}")
            return
        if kind == "snapshot":
            self.tree = data["document"]
            self.snapshots += 1
        elif kind == "patch":
            if data["before"] != self.last:
                self.wrong.append(f"{data['before']} after {self.last}")
            self.tree = apply_patch(self.tree, data["patch"])
            self.patches += 1
        assert data.get("id") == key
        self.last = key


def change(state: State, dice: random.Random) -> None:
    """Change something."""
    assert state.other_data is not None
    for _ in range(dice.randint(1, 4)):
        kind = dice.randrange(6)
        if kind == 0:
            state.cycle += 1
        elif kind == 1:
            key = dice.choice(["a", "b/c", "d~e", "é", "0"])
            state.other_data.save(dice.randint(1, 5), key, [dice.random(), {"x": None}] * dice.randint(0, 4))
        elif kind == 2:
            state.stats.portfolio.append(PortfolioStatistics(utc_now(), total_equity=dice.random()))
        elif kind == 3 and state.stats.portfolio:
            del state.stats.portfolio[dice.randrange(len(state.stats.portfolio)) :]
        elif kind == 4 and state.other_data.data:
            del state.other_data.data[dice.choice(list(state.other_data.data))]
        else:
            state.name = dice.choice(["One", "Two", None])


def make_file(folder: Path) -> tuple[Store, Any]:
    return JSONFileStore(folder / "followed.json", backups=None), folder / "followed.json"


def make_database(folder: Path) -> tuple[Store, Any]:
    address = DatabaseAddress.parse(f"sqlite:///{folder}/followed.db#followed")
    return SQLStateStore(address), address


async def follow_for(watcher: Watcher, client: Client, dice: random.Random) -> None:
    """Follow a while, and leave."""
    frames = watcher.follow(client.last)
    left = dice.randint(1, 6)
    async for frame in frames:
        client.receive(frame)
        left -= 1
        if left == 0:
            break
    await frames.aclose()


async def live(watcher: Watcher, client: Client, dice: random.Random, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        await follow_for(watcher, client, dice)
        await asyncio.sleep(dice.choice([0, 0.001, 0.02, 0.2]))


async def run_saves(store: Store, place: Any, count: int, seed: int) -> list[Client]:
    """Save again and again while clients come and go; returns them when all have the newest save."""
    dice = random.Random(seed)
    state = store.create("Followed")
    store.sync(state)
    site = Site(read_catalogue([place]), Computations())
    streams = ChangeStreams(site.computations, SMALL)
    strategy = site.catalogue.list()[0]
    watcher = streams.get_watcher(strategy)
    clients = [Client() for _ in range(4)]
    is_over = asyncio.Event()
    tasks = [
        asyncio.create_task(live(watcher, client, random.Random(seed + n), is_over)) for n, client in enumerate(clients)
    ]
    for number in range(10 * count):
        # On a busy machine clients are slower than saves, and get snapshots instead of patches.
        if number >= count and sum(client.patches for client in clients) > MIN_PATCHES:
            break
        change(state, dice)
        store.sync(state)
        await asyncio.sleep(dice.choice([0, 0.002, 0.01]))
    is_over.set()
    await asyncio.gather(*tasks)
    newest = strategy.read()
    expected = dump(newest.read_tree())
    for client in clients:
        frames = watcher.follow(client.last)
        while client.last != newest.key:
            client.receive(await anext(frames))
        await frames.aclose()
        assert dump(client.tree) == expected
    assert not watcher.followers
    site.computations.close()
    return clients


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_file, make_database])
def test_followers_that_come_and_go_have_the_state(make: Callable[[Path], tuple[Store, Any]], tmp_path: Path):
    store, place = make(tmp_path)
    with store:
        clients = asyncio.run(run_saves(store, place, 60 if SOAK == 1 else 1_000, seed=SOAK))
    assert [client.wrong for client in clients] == [[]] * len(clients)
    assert sum(client.patches for client in clients) > MIN_PATCHES  # it does not begin again each time
    assert sum(client.snapshots for client in clients) > len(clients)  # and some were away for too long


def test_a_gap_is_answered_with_a_snapshot(tmp_path: Path):
    store, place = make_file(tmp_path)

    async def talk() -> None:
        state = State(name="Gap")
        store.sync(state)
        site = Site(read_catalogue([place]))
        watcher = ChangeStreams(site.computations, SMALL).get_watcher(site.catalogue.list()[0])
        for last in (None, "7-0123456789abcdef", "nonsense", "1-0123456789abcdef"):
            frames = watcher.follow(last)
            kind, _, data = parse_event(await anext(frames))
            assert (kind, data["document"]["name"]) == ("snapshot", "Gap")
            await frames.aclose()
        site.computations.close()

    with store:
        asyncio.run(talk())


def test_a_follower_that_has_everything_gets_nothing_but_heartbeats(tmp_path: Path):
    store, place = make_file(tmp_path)

    async def talk() -> None:
        store.sync(State())
        site = Site(read_catalogue([place]))
        strategy = site.catalogue.list()[0]
        watcher = ChangeStreams(site.computations, SMALL).get_watcher(strategy)
        frames = watcher.follow(strategy.read().key)
        for _ in range(2):
            assert parse_event(await anext(frames)) == ("heartbeat", None, {"id": strategy.read().key})
        await frames.aclose()
        site.computations.close()

    with store:
        asyncio.run(talk())


def test_a_heartbeat_names_the_save_of_the_events_before_it_not_the_newest(tmp_path: Path):
    store, place = make_file(tmp_path)

    async def talk() -> None:
        state = State()
        store.sync(state)
        site = Site(read_catalogue([place]))
        strategy = site.catalogue.list()[0]
        first = strategy.read().key
        watcher = Watcher(strategy, site.computations, StreamLimits(heartbeat=0.001), Saved.read_tree)
        frames = watcher.follow(None)
        assert parse_event(await anext(frames))[:2] == ("snapshot", first)
        assert parse_event(await anext(frames)) == ("heartbeat", None, {"id": first})
        state.cycle += 1
        store.sync(state)
        asked = asyncio.ensure_future(anext(frames))
        await asyncio.sleep(0)  # it waits for news, and the time of a heartbeat passes while the save is read
        await asyncio.wait_for(watcher.look(), 60)
        second = strategy.read().key
        told: list[tuple[str, str | None]] = []
        while not told or told[-1] != ("heartbeat", second):
            kind, _, data = parse_event(await asked)
            told.append((kind, data["id"]))
            asked = asyncio.ensure_future(anext(frames))
        place_of_patch = told.index(("patch", second))
        assert set(told[:place_of_patch]) <= {("heartbeat", first)}
        assert told[place_of_patch:] == [("patch", second), ("heartbeat", second)]
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await frames.aclose()
        site.computations.close()

    with store:
        asyncio.run(talk())


def test_a_follower_that_does_not_read_is_cut_off(tmp_path: Path):
    store, place = make_file(tmp_path)
    limits = StreamLimits(interval=0.005, max_waiting=2_000, send_timeout=0.2)

    async def talk() -> None:
        state = State()
        store.sync(state)
        site = Site(read_catalogue([place]))
        streams = ChangeStreams(site.computations, limits)
        strategy = site.catalogue.list()[0]
        sent: list[bytes] = []
        stuck = asyncio.Event()

        async def receive() -> Any:
            await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))
            if len(sent) > 3:  # the connection takes nothing more
                stuck.set()
                await asyncio.Event().wait()

        stream = asyncio.create_task(streams.send(strategy, None, receive, send))
        for number in range(400):
            assert state.other_data is not None
            state.other_data.save(number, "text", "x" * 500)
            store.sync(state)
            await asyncio.sleep(0.005)
            if stream.done():
                break
        await asyncio.wait_for(stream, 5)
        assert streams.followers == 0
        assert sum(map(len, sent)) < 10_000
        site.computations.close()

    with store:
        asyncio.run(talk())


def test_a_follower_is_told_that_the_state_is_damaged_and_that_it_is_well_again(tmp_path: Path):
    store, place = make_file(tmp_path)

    async def talk() -> None:
        store.sync(State(name="Well"))
        text = place.read_bytes()
        site = Site(read_catalogue([place]))
        watcher = ChangeStreams(site.computations, SMALL).get_watcher(site.catalogue.list()[0])
        client = Client()
        frames = watcher.follow(None)
        client.receive(await anext(frames))
        place.write_bytes(text.replace(b"Well", b"Hell"))
        kind, data = "", {}
        while kind != "error":
            frame = await anext(frames)
            kind, _, data = parse_event(frame)
        assert data["status"] == 503
        place.write_bytes(text)
        store.close()
        with JSONFileStore(place, backups=None) as again:
            state = again.load()
            state.name = "Again"
            again.sync(state)
        while client.tree["name"] != "Again":
            frame = await anext(frames)
            if b"event: error" not in frame:
                client.receive(frame)
        assert client.wrong == []
        await frames.aclose()
        site.computations.close()

    asyncio.run(talk())


def test_the_stream_of_an_unknown_strategy_and_too_many_followers(tmp_path: Path):
    from tests.kit.web import connect

    store, place = make_file(tmp_path)
    store.sync(State())
    store.close()
    site = Site(read_catalogue([place]))
    app = make_app(site, Settings(rate=0, streams=StreamLimits(max_followers=0)))

    async def talk() -> None:
        async with connect(app) as client:
            assert (await client.get("/v1/other/changes")).status_code == 404
            answer = await client.get("/v1/followed/changes")
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "30"

    asyncio.run(talk())
    site.computations.close()
