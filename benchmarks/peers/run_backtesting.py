"""The 20/60 cross in backtesting.py, and its search; run as a module, by the environment of the peers.

Arguments: ``once`` or ``search``, a CSV file of candles, the fee as a fraction, and for a search the lengths as JSON.
"""

import json
import sys
from typing import Any

import backtesting
import pandas as pd

from benchmarks.backtesting_cross import run_once, search
from benchmarks.peers.timing import report


def main(kind: str, candles: str, fee: str, lengths: str = "{}") -> None:
    """Run one kind of work and print what it took."""
    frame: Any = pd.read_csv(candles, index_col=0, parse_dates=True)
    grid = json.loads(lengths)

    def run() -> dict[str, Any]:
        if kind == "once":
            count = int(run_once(frame, float(fee))["# Trades"])
        else:
            assert search(frame, float(fee), grid, 2)["# Trades"] > 0
            count = len(grid["fast"]) * len(grid["slow"])
        return {"count": count, "version": backtesting.__version__}

    report(run, runs=2 if kind == "once" else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
