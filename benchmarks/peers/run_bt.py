"""Rebalancing of many pairs to equal weights in bt; run as a module, by the environment of the peers.

Arguments: a CSV file with a column of closing prices for each pair, the fee and the invested share as fractions, and
the days between two rebalancings.
"""

# pyright: reportMissingImports=false

import sys
from typing import Any

import bt
import pandas as pd

from benchmarks.peers.timing import report


def main(prices: str, fee: str, allocation: str, days: str) -> None:
    """Run the backtest and print what it took."""
    closes: Any = pd.read_csv(prices, index_col=0, parse_dates=True)
    rate = float(fee)
    weights = dict.fromkeys(closes.columns, float(allocation) / len(closes.columns))

    def run() -> dict[str, Any]:
        strategy = bt.Strategy(
            "Equal weights",
            [
                bt.algos.RunEveryNPeriods(int(days)),
                bt.algos.SelectAll(),
                bt.algos.WeighSpecified(**weights),
                bt.algos.Rebalance(),
            ],
        )
        test = bt.Backtest(
            strategy,
            closes,
            initial_capital=1_000_000,
            commissions=lambda quantity, price: abs(quantity) * price * rate,
            integer_positions=False,
            progress_bar=False,
        )
        result = bt.run(test)
        return {"count": len(result.get_transactions()), "version": bt.__version__}

    report(run)


if __name__ == "__main__":
    main(*sys.argv[1:])
