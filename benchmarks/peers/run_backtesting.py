"""The 20/60 cross in backtesting.py, and its search; run by the environment of the peers.

Arguments: ``once`` or ``search``, a CSV file of candles, the fee as a fraction, and for a search the lengths as JSON.
"""

import json
import multiprocessing
import sys
import warnings
from typing import Any

import backtesting
import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import crossover
from timing import report  # pyright: ignore[reportMissingImports]  # in the folder of this script


def average(close: Any, length: int) -> Any:
    """Mean of the last `length` closing prices."""
    return pd.Series(close).rolling(length).mean().to_numpy()


class Cross(Strategy):
    """Holds while the fast average is above the slow one, entered on the cross."""

    fast = 20
    slow = 60

    def init(self) -> None:
        """Calculate both averages."""
        self.quick: Any = self.I(average, self.data.Close, self.fast)
        self.calm: Any = self.I(average, self.data.Close, self.slow)

    def next(self) -> None:
        """Decide at the close of a candle; the order fills at the next open."""
        if self.position:
            if self.quick[-1] < self.calm[-1]:
                self.position.close()
        elif crossover(self.quick, self.calm):
            self.buy(size=0.95)


def main(kind: str, candles: str, fee: str, lengths: str = "{}") -> None:
    """Run one kind of work and print what it took."""
    frame: Any = pd.read_csv(candles, index_col=0, parse_dates=True).rename(columns=str.capitalize)
    warnings.simplefilter("ignore")  # an order that the end of the data leaves open
    # It would print a progress bar, and takes a pool of as many processes as it is given.
    backtesting.Pool = lambda *args, **keywords: multiprocessing.get_context("fork").Pool(2)  # type: ignore[attr-defined]
    setattr(backtesting.backtesting, "_tqdm", lambda items, **keywords: items)  # noqa: B010

    def run() -> dict[str, Any]:
        test: Any = Backtest(frame, Cross, cash=10_000_000, commission=float(fee))
        if kind == "once":
            return {"count": int(test.run()["# Trades"]), "version": backtesting.__version__}
        grid = json.loads(lengths)
        found = test.optimize(**grid, maximize="Sharpe Ratio", max_tries=None)
        assert found["# Trades"] > 0
        return {"count": len(grid["fast"]) * len(grid["slow"]), "version": backtesting.__version__}

    report(run, runs=2 if kind == "once" else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
