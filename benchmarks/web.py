"""The web API under load: answers from memory, and a writer beside many followers and readers."""

import asyncio
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.sources import find_state_files
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.web.app import Settings, make_app
from tradeexecutor.web.endpoints import Site
from tradeexecutor.web.sources import read_catalogue

FOLLOWERS = 200
REQUESTS_PER_SECOND = 50
SECONDS = 30

#: Saves once a second and prints the time that each took; after a warm-up.
WRITER = """
import sys, time
from tradeexecutor.state.store import JSONFileStore
with JSONFileStore(sys.argv[1]) as store:
    state = store.load()
    for number in range(int(sys.argv[2]) + 2):
        state.cycle += 1
        started = time.perf_counter()
        store.sync(state)
        took = time.perf_counter() - started
        if number >= 2:
            print(took, flush=True)
        time.sleep(max(0.0, 1.0 - took))
"""


def run() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "largest.json"
        shutil.copy(max(find_state_files(), key=lambda state: state.stat().st_size), path)
        path.chmod(0o600)
        with JSONFileStore(path) as store:
            store.sync(store.load())
        print(f"{path.stat().st_size:,} bytes")
        asyncio.run(measure_memory_answers(path))
        asyncio.run(measure_load(path))


async def ask(app: Any, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], int]:
    """Ask the application without a network: status, headers and size of the answer."""
    status, found, size = 0, {}, 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        nonlocal status, found, size
        if message["type"] == "http.response.start":
            status = message["status"]
            found = {name.decode(): value.decode() for name, value in message["headers"]}
        size += len(message.get("body", b""))

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }
    await app(scope, receive, send)
    return status, found, size


async def measure_memory_answers(path: Path) -> None:
    """Time of an answer from memory, and of 304."""
    site = Site(read_catalogue([path]))
    app = make_app(site, Settings(rate=0))
    for encoding in ("identity", "gzip", "br", "zstd"):
        headers = {"accept-encoding": encoding}
        started = time.perf_counter()
        _, found, size = await ask(app, "/state", headers)
        first = time.perf_counter() - started
        later = await repeat(app, headers, 200)
        print(f"/state {encoding:8} {size:>10,} bytes: first {first * 1e3:7.1f} ms, from memory {later * 1e3:.2f} ms")
    known = await repeat(app, {"if-none-match": found["etag"]}, 200)
    print(f"/state 304: {known * 1e3:.2f} ms")
    site.computations.close()


async def repeat(app: Any, headers: dict[str, str], count: int) -> float:
    """Median of the times, seconds."""
    times: list[float] = []
    for _ in range(count):
        started = time.perf_counter()
        await ask(app, "/state", headers)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


@contextlib.contextmanager
def serve(path: Path) -> Iterator[tuple[int, int]]:
    """A server in a process of its own: its port and process id."""
    command = [sys.executable, "-m", "tradeexecutor.cli.main", "webapi", str(path), "--port", "0", "--rate", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        yield int(found[1]), process.pid
    finally:
        process.terminate()
        process.communicate(timeout=30)


async def measure_load(path: Path) -> None:
    """Saves of a writer alone, and beside a server with followers and readers."""
    alone = await write(path)
    with serve(path) as (port, pid):
        idle = read_memory(pid)
        received: list[int] = [0] * FOLLOWERS
        followers = [asyncio.create_task(follow(port, received, number)) for number in range(FOLLOWERS)]
        while not all(count > 1_000_000 for count in received):
            await asyncio.sleep(0.5)
        loaded = asyncio.create_task(write(path))
        await asyncio.sleep(3)
        before, worked = sum(received), read_work(pid)
        times: list[float] = []
        statuses: dict[int, int] = {}
        readers: list[asyncio.Task[None]] = []
        started = time.perf_counter()
        for number in range(SECONDS * REQUESTS_PER_SECOND // 2):
            await asyncio.sleep(max(0.0, started + number / REQUESTS_PER_SECOND - time.perf_counter()))
            readers.append(asyncio.create_task(read(port, times, statuses)))
        await asyncio.gather(*readers)
        rate = len(readers) / (time.perf_counter() - started)
        worked = read_work(pid) - worked
        streamed = (sum(received) - before) / FOLLOWERS
        beside = await loaded
        print(
            f"{FOLLOWERS} followers ({streamed:,.0f} bytes of patches each), {rate:.0f} requests/s of /state as gzip:"
        )
        times.sort()
        places = [times[int(len(times) * share)] * 1e3 for share in (0.5, 0.99)]
        print(f"  p50 {places[0]:.0f} ms, p99 {places[1]:.0f} ms, statuses {statuses}")
        print(f"  processor time of the server: {worked:.1f} s, {worked / len(readers) * 1e3:.1f} ms for each request")
        print(f"  load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"  memory of the server: idle {idle:,} MB, loaded {read_memory(pid):,} MB, peak {read_peak(pid):,} MB")
        for name, saves in (("alone", alone), ("beside the server", beside)):
            print(f"  a save {name}: median {statistics.median(saves) * 1e3:.1f} ms, worst {max(saves) * 1e3:.1f} ms")
        print(f"  ratio of the medians: {statistics.median(beside) / statistics.median(alone):.2f}")
        for task in followers:
            task.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def write(path: Path) -> list[float]:
    """Run the writer; returns the times of its saves, seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), str(SECONDS // 2), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    return [float(line) for line in printed.split()]


async def follow(port: int, received: list[int], number: int) -> None:
    """Follow the stream and count its bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/largest/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        while chunk := await reader.read(1 << 16):
            received[number] += len(chunk)
    finally:
        writer.close()


async def read(port: int, times: list[float], statuses: dict[int, int]) -> None:
    """Ask for the state once."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /state HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
    answer = await reader.read(-1)
    writer.close()
    times.append(time.perf_counter() - started)
    status = int(answer.split(b" ", 2)[1]) if answer else 0
    statuses[status] = statuses.get(status, 0) + 1


def read_work(pid: int) -> float:
    """Processor time of a process so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_memory(pid: int) -> int:
    """Resident memory of a process, MB."""
    return _read_status(pid, "VmRSS")


def read_peak(pid: int) -> int:
    """Largest resident memory of a process so far, MB."""
    return _read_status(pid, "VmHWM")


def _read_status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) // 1024
