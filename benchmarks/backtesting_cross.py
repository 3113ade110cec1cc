"""The 20/60 cross in backtesting.py, and its search; it is imported in the environment of the peers, too."""

import multiprocessing
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import backtesting
import pandas as pd
from backtesting import Backtest, Strategy
from backtesting.lib import crossover

__all__ = ["Cross", "run_once", "search"]


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


def _make_test(candles: pd.DataFrame, fee: float) -> Any:
    setattr(backtesting.backtesting, "_tqdm", lambda items, **keywords: items)  # noqa: B010  # no progress bar
    return Backtest(candles.rename(columns=str.capitalize), Cross, cash=10_000_000, commission=fee)


def run_once(candles: pd.DataFrame, fee: float) -> Any:
    """Run the cross, and return the statistics of backtesting.py."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an order that the end of the data leaves open
        return _make_test(candles, fee).run()


def search(candles: pd.DataFrame, fee: float, lengths: Mapping[str, Sequence[int]], jobs: int) -> Any:
    """Run all combinations of lengths on several processes, and return the statistics of the best one."""
    # It takes a pool of as many processes as it is given.
    backtesting.Pool = lambda *args, **keywords: multiprocessing.get_context("fork").Pool(jobs)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _make_test(candles, fee).optimize(**lengths, maximize="Sharpe Ratio", max_tries=None)
