"""The 20/60 cross in NautilusTrader; run as a module, by the environment of the peers.

Arguments: a CSV file of candles, and the fee as a fraction. Only the run of the engine is timed, not the preparation of
its data.
"""

# pyright: reportMissingImports=false

import sys
from decimal import Decimal
from typing import Any

import nautilus_trader
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from benchmarks.peers.timing import report

CASH = 10_000_000


class Cross(Strategy):
    """Holds while the fast average is above the slow one, entered on the cross."""

    def __init__(self, instrument: Any, bar_type: Any) -> None:
        super().__init__()
        self.instrument, self.bar_type = instrument, bar_type
        self.fast, self.slow = SimpleMovingAverage(20), SimpleMovingAverage(60)
        self.was_above: bool | None = None
        self.is_long = False

    def on_start(self) -> None:
        """Subscribe to the bars."""
        self.register_indicator_for_bars(self.bar_type, self.fast)
        self.register_indicator_for_bars(self.bar_type, self.slow)
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Any) -> None:
        """Decide at the close of a bar."""
        if not self.slow.initialized:
            return
        is_above = self.fast.value > self.slow.value
        if self.is_long and self.fast.value < self.slow.value:
            self.is_long = False
            self.close_all_positions(self.instrument.id)
        elif not self.is_long and is_above and self.was_above is False:
            self.is_long = True
            free = self.portfolio.account(self.instrument.venue).balance_free(USDT).as_double()
            quantity = self.instrument.make_qty(Decimal(str(round(free * 0.95 / bar.close.as_double(), 6))))
            self.submit_order(self.order_factory.market(self.instrument.id, OrderSide.BUY, quantity))
        self.was_above = is_above


def main(candles: str, fee: str) -> None:
    """Run the engine twice and print what the faster run took."""
    instrument = TestInstrumentProvider.btcusdt_binance()
    bar_type = BarType.from_str(f"{instrument.id}-1-HOUR-LAST-EXTERNAL")
    frame: Any = pd.read_csv(candles, index_col=0, parse_dates=True)
    frame.index = frame.index.tz_localize("UTC") + pd.Timedelta(hours=1)  # a bar has the time of its end
    bars = BarDataWrangler(bar_type, instrument).process(frame)
    engine = BacktestEngine(config=BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, [Money(CASH, USDT)], base_currency=None)
    engine.add_instrument(instrument)
    engine.add_data(bars)
    engine.add_strategy(Cross(instrument, bar_type))

    def run() -> dict[str, Any]:
        engine.run()
        return {"count": len(engine.cache.orders_closed()) // 2, "version": nautilus_trader.__version__}

    report(run, runs=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
