"""Work of this project beside the same work of other programs, and the table of it in BENCHMARKS.md.

``make bench-peers`` installs the peers into an environment of their own, as ``requirements-peers.lock`` pins them, and
runs this module. A peer that cannot be installed or run is named, and the others go on. Here and there take turns in
processes of their own; what counts is the CPU time of the best.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

import tradeexecutor
from benchmarks.compared_work import make_random_walks
from benchmarks.optimise import BARS, FAST, SLOW
from benchmarks.serialisation import measure_file
from benchmarks.sources import REPOSITORY, find_hourly_candles, find_state_files
from tradeexecutor.backtest.backtest_runner import load_market_data

LOCK = REPOSITORY / "requirements-peers.lock"
PAGE = REPOSITORY / "BENCHMARKS.md"
#: The table stands between these lines of the page.
START, END = "<!-- table of make bench-peers -->", "<!-- end of the table -->"

FEE = 0.001
#: Lengths of the averages in the search.
GRID = {"fast": list(FAST), "slow": list(SLOW)}
#: The rebalancing: pairs, days, invested share, days between two of them.
PAIRS, DAYS, ALLOCATION, PERIOD = 200, 400, 0.98, 30


class Work(NamedTuple):
    """What is compared: its name, its unit, the package and module of the peer, and the arguments of both."""

    name: str
    unit: str
    package: str
    module: str
    here: Sequence[str]
    there: Sequence[str]


def install(python: Path, packages: Sequence[str]) -> dict[str, str]:
    """Install the peers one by one; return the reason for each that cannot be installed."""
    failed: dict[str, str] = {}
    for package in packages:
        command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        done = subprocess.run([*command, "--constraint", str(LOCK), package], capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            failed[package] = errors[0] if errors else f"pip ended with status {done.returncode}"
    return failed


def list_work(folder: Path) -> list[Work]:
    """Write the data of all runs into a folder, and return what is to be run."""
    universe = load_market_data(find_hourly_candles(), fee=FEE)
    frame = universe.get_candles(universe.get_single_pair()).to_dataframe()
    candles, few, prices = (str(folder / f"{name}.csv") for name in ("candles", "few", "prices"))
    frame.to_csv(candles)
    frame.iloc[:BARS].to_csv(few)
    import pandas as pd

    pd.DataFrame({name: walk["close"] for name, walk in make_random_walks(PAIRS, DAYS).items()}).to_csv(prices)
    fee, grid = str(FEE), json.dumps(GRID)
    rebalancing = [prices, fee, str(ALLOCATION), str(PERIOD)]
    cross = f"20/60 cross over {len(frame):,} bars"
    search = f"search of {len(GRID['fast']) * len(GRID['slow'])} runs over {BARS:,} bars, 2 processes"
    pairs = f"rebalancing of {PAIRS} pairs every {PERIOD} of {DAYS} days"
    return [
        Work(cross, "round trips", "backtesting", "run_backtesting", ["once", candles, fee], ["once", candles, fee]),
        Work(search, "runs", "backtesting", "run_backtesting", ["search", few, fee, grid], ["search", few, fee, grid]),
        Work(cross, "round trips", "nautilus_trader", "run_nautilus", ["once", candles, fee], [candles, fee]),
        Work(pairs, "trades", "bt", "run_bt", ["pairs", str(PAIRS), str(DAYS), fee], rebalancing),
    ]


def measure(command: Sequence[str]) -> dict[str, Any]:
    """Return what a process printed; raises `subprocess.CalledProcessError`."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return json.loads(done.stdout.splitlines()[-1])


def compare(work: Work, python: Path, turns: int) -> str:
    """Return the row of one work; here and there take turns."""
    here: list[dict[str, Any]] = []
    there: list[dict[str, Any]] = []
    for _ in range(turns):
        here.append(measure([sys.executable, "-m", "benchmarks.peers.run_here", *work.here]))
        there.append(measure([str(python), "-m", f"benchmarks.peers.{work.module}", *work.there]))
    best, other = (min(results, key=lambda result: result["seconds"]) for results in (here, there))
    return (
        f"| {work.name} | {work.package} {other['version']} | {best['seconds']:.2f} s | {other['seconds']:.2f} s "
        f"| **{best['seconds'] / other['seconds']:.2f}** | {best['count']:,} and {other['count']:,} {work.unit} |"
    )


def compare_with_orjson() -> list[str]:
    """Return the rows of load and save, which are medians over the state files."""
    ratios = [measure_file(path) for path in find_state_files()]
    names = ("load of a state file, over `loads`", "first save, over `dumps`", "later save, over `dumps`")
    return [
        f"| {name}, median of {len(ratios)} | orjson {orjson.__version__} | | | **{statistics.median(column):.2f}** | |"
        for name, column in zip(names, zip(*ratios, strict=True), strict=True)
    ]


def describe_run(load: float, turns: int) -> str:
    """Return date, machine and versions, and what is measured, as a paragraph."""
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "pandas", "msgspec"))
    return (
        f"Seen on {datetime.date.today():%Y-%m-%d} with Python {platform.python_version()} on {_describe_processor()}, "
        f"{os.cpu_count()} cores, load at the start {load:.1f}; here tradeexecutor {tradeexecutor.__version__}, "
        f"{packages}. Seconds are CPU seconds of all processes of a program together, of the best of {turns} runs of "
        "each in turn: of a whole backtest from candles in memory to its result, of a search with its processes, and "
        "of NautilusTrader only the run of its engine."
    )


def _describe_processor() -> str:
    """Return the name of the processor, where the system tells it; otherwise its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_table(lines: Sequence[str], page: Path = PAGE) -> None:
    """Replace the table of the page."""
    text = page.read_text()
    table = "\n".join([START, *lines, END])
    found = re.compile(f"{re.escape(START)}.*{re.escape(END)}", re.DOTALL)
    if not found.search(text):
        raise SystemExit(f"{page.name} has no place for the table, a line {START} and a line {END}")
    page.write_text(found.sub(lambda _: table, text))


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, measure, print and write the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--python", type=Path, required=True, help="interpreter of the environment of the peers")
    parser.add_argument("--turns", type=int, default=3, help="processes of each program for each row")
    parser.add_argument("--print-only", action="store_true", help="do not write the table into BENCHMARKS.md")
    options = parser.parse_args(arguments)
    python: Path = options.python.absolute()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        work = list_work(Path(folder))
        failed = install(python, sorted({item.package for item in work}))
        rows: list[str] = []
        remarks = [f"{package} is not installed: {reason}" for package, reason in failed.items()]
        for item in work:
            if item.package in failed:
                continue
            try:
                rows.append(compare(item, python, options.turns))
            except subprocess.CalledProcessError as error:
                reason = (error.stderr.strip().splitlines() or ["no message"])[-1]
                remarks.append(f"{item.name}, {item.package}: {reason}")
            print(rows[-1] if rows else remarks[-1], flush=True)
    rows += compare_with_orjson()
    lines = [
        *(describe_run(load, options.turns), ""),
        "| Work | Peer | Here | There | Here over there | Compared |",
        "| --- | --- | ---: | ---: | ---: | --- |",
        *rows,
        *(line for remark in remarks for line in ("", f"{remark}.")),
    ]
    print("\n".join(lines))
    if not options.print_only:
        write_table(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
