"""The 20/60 cross for backtesting.py, in a module of its own so that its processes can import it."""

from typing import Any

import pandas as pd
from backtesting import Strategy
from backtesting.lib import crossover


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
