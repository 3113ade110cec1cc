"""The README: its commands run in the order given in an empty folder, and its figures are those of BENCHMARKS.md."""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.kit.example_runs import Demo
from tests.support import REPOSITORY
from tradeexecutor.backtest.dataset import load_dataset
from tradeexecutor.cli.main import app

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BENCHMARKS = (REPOSITORY / "BENCHMARKS.md").read_text(encoding="utf-8")
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")

#: Targets of make that are tested in another way: the chain in tests/ethereum/test_demo_live.py.
NOT_AGAIN = {"demo-live", "test"}


def find_commands() -> list[str]:
    """Return the commands of the README, in their order, without remarks."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [
        command.split("  #")[0].strip() for block in blocks for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE)
    ]


def get_free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Server:
    """`tradeexecutor webapi` as a process, on a port of its own instead of the usual one."""

    def __init__(self, arguments: list[str], folder: Path):
        self.port = get_free_port()
        command = [sys.executable, "-P", "-m", "tradeexecutor.cli.main", *arguments, "--port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(self, address: str) -> bytes:
        """Ask for an address of the README as soon as the server answers."""
        url = address.replace(":3456", f":{self.port}")
        for _ in range(300):
            try:
                with urllib.request.urlopen(url, timeout=30) as answer:
                    return answer.read()
            except OSError:
                assert self.process.poll() is None, "the server has ended"
                time.sleep(0.1)
        raise AssertionError(f"no answer from {url}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.stop()


@pytest.mark.slow
def test_the_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: list[Server], demo: Demo):
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    # The reader's own candles.
    load_dataset("goog-daily")["GOOG-USD"].to_dataframe().to_parquet(tmp_path / "candles.parquet")
    monkeypatch.chdir(tmp_path)
    ran = 0
    for command in find_commands():
        program, *arguments = shlex.split(command)
        if program == "make":
            (target,) = arguments
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)
            if target in NOT_AGAIN:
                continue
            assert target == "demo"
            assert ran == 0
            assert "$(BIN)/tradeexecutor demo\n" in MAKEFILE
            # It has run in an empty folder: what it left is here when the next command runs.
            shutil.copytree(demo.folder, tmp_path, dirs_exist_ok=True)
            ran += 1
            continue
        if program == ".venv/bin/pip":
            continue  # What it would install is installed, and the lock file is in the repository.
        if program == "curl":
            assert servers[-1].get(arguments[-1])
        elif arguments[0] == "webapi":
            servers.append(Server(arguments, tmp_path))
        else:
            assert program == ".venv/bin/tradeexecutor"
            result = CliRunner().invoke(app, arguments)
            expected = 1 if arguments[0] == "compare" else 0  # The two runs are different.
            assert result.exit_code == expected, f"{command}: {result.output}"
        ran += 1
    assert ran >= 19


# --- Figures

#: What the README says, and where BENCHMARKS.md says it: the numbers in brackets agree, as the README rounds them.
FIGURES = [
    (r"([\d.]+)x the time of `orjson.loads`", r"\*\*median\*\* \| \| \*\*([\d.]+)x\*\*"),
    (r"([\d.]+)x that of `orjson.dumps`", r"\*\*median\*\* \| \| \*\*[\d.]+x\*\* \| \*\*([\d.]+)x\*\*"),
    (r"([\d,]+)-([\d,]+) trades/s", r"Between ([\d,]+) and ([\d,]+) trades/s"),
    (r"a closed round trip takes ([\d.]+) kB", r"A closed round trip, a position and\s+two trades, takes ([\d.]+) kB"),
    (r"([\d,]+) bars/s deciding", r"([\d,]+)\s+bars/s, 516 round trips"),
    (r"writes (\d+)-(\d+) kB into a database", r"writes ([\d,]+) bytes after 1,000 trades, ([\d,]+) after 10,000"),
    (r"opens in ([\d.]+)-([\d.]+) s", r"ready in ([\d.]+)-([\d.]+) s"),
    (r"1,000,000 samples take (\d+) s", r"100,000 closed positions and 1,000,000 samples \| ([\d.]+) s"),
    (r"followers and (\d+) requests/s: p99 (\d+) ms", r"others ask (\d+) times a second.*?p99 (\d+) ms"),
    (r"saves take ([\d.]+)x", r"beside the server [\d.]+ ms: ([\d.]+)x"),
    (r"(\d[\d,]*) hourly candles", r"([\d,]+) hourly BTC/USDT candles"),
    (r"(\d+) kB compressed", r"Files of the\s+page:\s+(\d+) kB compressed"),
]  # fmt: skip

_UNIT = re.compile(r"\d[\d,.]*(?= ?(?:trades/s|bars/s|requests/s|kB|MB|ms|s)\b)|\d[\d.]*(?=x\b)")


def read(number: str) -> float:
    return float(number.replace(",", ""))


@pytest.mark.parametrize(("quoted", "measured"), FIGURES)
def test_a_figure_is_that_of_the_benchmarks(quoted: str, measured: str):
    here, there = re.search(quoted, README), re.search(measured, BENCHMARKS, re.DOTALL)
    assert here is not None
    assert there is not None, measured
    for shown, seen in zip(here.groups(), there.groups(), strict=True):
        exact = read(seen) / (1000 if read(seen) >= 1000 * read(shown) / 2 and read(shown) < 1000 else 1)
        digits = len(shown.partition(".")[2])
        rounded = round(exact, digits) if exact < 1000 else round(exact, -3 if shown.endswith("000") else 0)
        assert read(shown) == rounded, f"{shown} in the README, {seen} in BENCHMARKS.md"


def test_the_counts_of_recorded_values_are_those_that_must_not_fall():
    floor = json.loads((REPOSITORY / ".ci" / "golden-floor.json").read_text(encoding="utf-8"))
    quoted = re.findall(r"\| ([\d,]+) of [\d,]+ on real files, ([\d,]+) of [\d,]+ on the others", README)
    assert [read(number) for row in quoted for number in row] == [
        floor[name] for name in ("accessors", "made accessors", "statistics", "made statistics")
    ]


def test_the_first_screen_has_three_pictures_and_the_commands():
    first_screen = README[: README.index("## A short tour")]
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", first_screen)
    assert len(pictures) == 3
    assert all((REPOSITORY / picture).stat().st_size > 1_000 for picture in pictures)
    assert re.findall(r"^\$ (make [a-z-]+)", first_screen, re.MULTILINE) == ["make demo", "make demo-live", "make test"]


def test_no_other_speed_or_size_is_quoted():
    status = README[README.index("## Status") :]
    quoted = [here for here, _ in FIGURES]
    covered = [match.span() for pattern in quoted for match in re.finditer(pattern, status)]
    loose = [
        status[max(0, match.start() - 30) : match.end() + 12]
        for match in _UNIT.finditer(status)
        if not any(begin <= match.start() <= end for begin, end in covered)
    ]
    assert loose == [], "a figure that no row of FIGURES compares with BENCHMARKS.md"
