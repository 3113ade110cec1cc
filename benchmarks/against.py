"""Times of this checkout as ratios to those of another one, such as a worktree of the commit before.

The checkouts take turns in processes of their own, so that what disturbs one disturbs the other. A ratio is that of the
best CPU times. The other checkout needs an own `.venv`.
"""

import json
import statistics
import subprocess
from collections import defaultdict
from pathlib import Path

from benchmarks import sources

WORK = Path(__file__).with_name("compared_work.py")

#: What can be compared.
KINDS = ("files", "trades", "backtest", "pairs")

#: Numbers of trades that are made on an empty state.
TRADES = ("3000", "30000")

#: Pairs and days of the rebalancing.
PAIRS, DAYS = "200", "400"


def _measure(checkout: Path, arguments: list[str]) -> dict[str, float]:
    command = [str(checkout / ".venv" / "bin" / "python"), "-P", str(WORK), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
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
    """Print the ratios of the named kinds of work: `files`, `trades`, `backtest`, `pairs`."""
    work = {
        "files": [str(path) for path in (*sources.find_state_files(), *sources.find_made_state_files())],
        "trades": list(TRADES),
        "backtest": [str(sources.STRATEGIES / "ma_cross.py"), str(sources.find_hourly_candles())],
        "pairs": [str(sources.STRATEGIES / "equal_weights.py"), PAIRS, DAYS],
    }
    print(f"CPU time here over CPU time in {other}, best of {turns} processes each")
    for kind in kinds:
        ratios = _compare(other, [kind, *work[kind]], turns)
        for item, ratio in ratios.items():
            print(f"{item:68} {ratio:.3f}")
        if kind == "files":
            for name in ("load", "save"):
                values = [ratio for item, ratio in ratios.items() if item.startswith(name)]
                print(f"{name + ', median':68} {statistics.median(values):.3f}")
                print(f"{name + ', worst':68} {max(values):.3f}")
