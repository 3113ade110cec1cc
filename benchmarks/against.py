"""Times of this checkout as ratios to those of another one, such as a worktree of the commit before.

The checkouts take turns in processes of their own, so that what disturbs one disturbs the other. A ratio is that of the
best CPU times. A checkout without an own `.venv` is run by the interpreter and with the libraries of this one.
"""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks import sources

WORK = Path(__file__).with_name("compared_work.py")

#: What can be compared.
KINDS = ("files", "stores", "trades", "backtest", "pairs")

#: Kinds whose items are a kind of work on one of many files.
_OF_FILES = ("files", "stores")

#: Numbers of trades that are made on an empty state.
TRADES = ("3000", "30000")

#: Pairs and days of the rebalancing.
PAIRS, DAYS = "200", "400"


def _measure(checkout: Path, arguments: list[str]) -> dict[str, float]:
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python if python.exists() else sys.executable), "-P", str(WORK), *arguments]
    variables = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
    return json.loads(done.stdout.splitlines()[-1])


def _compare(other: Path, arguments: list[str], turns: int) -> dict[str, float]:
    """Return item -> time here over time there."""
    here: dict[str, list[float]] = defaultdict(list)
    there: dict[str, list[float]] = defaultdict(list)
    for _ in range(turns):
        for checkout, times in ((sources.REPOSITORY, here), (other, there)):
            for item, seconds in _measure(checkout, arguments).items():
                times[item].append(seconds)
    return {item: min(seconds) / min(there[item]) for item, seconds in here.items() if item in there}


def run(other: Path, kinds: list[str], turns: int) -> None:
    """Print the ratios of the named kinds of work, see `KINDS`."""
    files = [str(path) for path in (*sources.find_state_files(), *sources.find_made_state_files())]
    work = {
        "files": files,
        "stores": files,
        "trades": list(TRADES),
        "backtest": [str(sources.STRATEGIES / "ma_cross.py"), str(sources.find_hourly_candles())],
        "pairs": [str(sources.STRATEGIES / "equal_weights.py"), PAIRS, DAYS],
    }
    print(f"CPU time here over CPU time in {other}, best of {turns} processes each")
    for kind in kinds:
        ratios = _compare(other, [kind, *work[kind]], turns)
        for item, ratio in ratios.items():
            print(f"{item:68} {ratio:.3f}")
        if kind in _OF_FILES:
            for name in dict.fromkeys(item.partition(" ")[0] for item in ratios):
                values = [ratio for item, ratio in ratios.items() if item.startswith(f"{name} ")]
                print(f"{name + ', median':68} {statistics.median(values):.3f}")
                print(f"{name + ', worst':68} {max(values):.3f}")
