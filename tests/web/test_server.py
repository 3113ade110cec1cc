"""The server as a process: the examples of the documentation, stopping, and clients that behave badly."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import run_backtest_for_module
from tradeexecutor.cli.main import app
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

PAGE = (REPOSITORY / "docs" / "web-api.md").read_text(encoding="utf-8")


@contextmanager
def serve(*arguments: object, **environment: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A running server: its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tradeexecutor.cli.main", "webapi", *map(str, arguments), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    try:
        assert process.stdout is not None
        found = None
        for line in process.stdout:
            found = re.search(r"http://\S+?:\d+", line)
            if found:
                break
        assert found is not None, "the server did not start"
        yield found[0], process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "demo.json"
    result = run_backtest_for_module(REPOSITORY / "examples" / "trend_following.py", progress=False)
    with JSONFileStore(path) as store:
        store.sync(result.state)
        result.state.cycle += 1
        store.sync(result.state)
    return path


@pytest.mark.slow
def test_the_examples_of_the_documentation(demo: Path):
    commands = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)
    # Those of an operator need a token, see test_security.py.
    commands = [command for command in commands if "/operations/" not in command]
    assert len(commands) >= 15
    with serve(demo, "--rate", 0) as (address, _):
        for command in commands:
            done = subprocess.run(
                command, shell=True, capture_output=True, text=True, env={**os.environ, "API": address}, timeout=60
            )
            is_stream = "changes" in command
            assert done.returncode == (28 if is_stream else 0), (command, done.stdout[:300], done.stderr)
            assert ("event: snapshot" in done.stdout) if is_stream else len(done.stdout) > 20, command


@pytest.mark.slow
def test_a_signal_ends_the_server_and_its_streams(tmp_path: Path):
    path = tmp_path / "small.json"
    path.write_text(State(name="Small").to_json())
    with serve(path) as (address, process):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as follower:
            follower.sendall(b"GET /v1/small/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            received = b""
            while b"event: snapshot" not in received:
                received += follower.recv(4096)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            while chunk := follower.recv(4096):
                received += chunk
        assert received.endswith(b"0\r\n\r\n")  # the stream ended, it was not torn off


@pytest.mark.slow
def test_slow_and_broken_clients_do_not_disturb_others(tmp_path: Path):
    path = tmp_path / "small.json"
    path.write_text(State(name="Small").to_json())
    with serve(path, "--rate", 0) as (address, process):
        host, port = address.removeprefix("http://").split(":")
        connections = [socket.create_connection((host, int(port)), timeout=20) for _ in range(30)]
        for number, connection in enumerate(connections):
            connection.sendall(
                [
                    b"GET /state HT",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                    b"POST /state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: " + b"y" * 100_000,
                    b"GET /v1/small/changes HTTP/1.1\r\nHost: localhost\r\n\r\n",
                ][number % 5]
            )
        started = time.monotonic()
        for _ in range(5):
            with urllib.request.urlopen(f"{address}/v1/small/state", timeout=20) as answer:
                assert answer.status == 200
        assert time.monotonic() - started < 20
        for connection in connections:
            connection.close()
        assert process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "environment", "text"),
    [
        (["missing.json"], {}, "there is no file or folder"),
        (["STATE", "--operate"], {}, "needs a token"),
        (["STATE"], {"TRADEEXECUTOR_READ_TOKEN": "short"}, "fewer than 16 characters"),
        (["STATE", "--strategy", "x"], {}, "is not ID=FILE"),
        (["STATE", "--host", "256.0.0.1"], {}, "cannot listen"),
    ],
)
def test_what_is_refused(
    arguments: list[str], environment: dict[str, str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    state = tmp_path / "state.json"
    state.write_text(State(name="Small").to_json())
    words = [str(state) if word == "STATE" else word for word in arguments]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["webapi", *words], env={**environment, "COLUMNS": "400"})
    assert done.exit_code in (1, 2)
    assert text in done.stderr
