"""What could have been held instead of trading on paper: recorded once a day, as a backtest records it at its end."""

import datetime

from tradeexecutor.backtest.benchmarks import make_benchmarks
from tradeexecutor.state.benchmark import keep_benchmarks, read_benchmarks
from tradeexecutor.state.state import State
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["update_benchmarks"]

_DAY = datetime.timedelta(days=1)


def update_benchmarks(
    state: State, universe: TradingStrategyUniverse, start: datetime.datetime, tick: datetime.datetime
) -> None:
    """Record what holding would have brought up to a decision, unless it was recorded on the same day.

    Candles that do not reach back to the start cannot tell it; then a record that goes further back stays as it is.

    Parameters
    ----------
    universe
        The market data of now.
    start, tick
        Time of the first decision and of this one, naive UTC.
    """
    known = read_benchmarks(state)
    midnight = tick.replace(hour=0, minute=0, second=0, microsecond=0)
    last = max((benchmark.times[-1] for benchmark in known if benchmark.times), default=None)
    if last is not None and last >= midnight.replace(tzinfo=datetime.UTC).timestamp():
        return
    begins = min(universe.get_candles(pair).first_start_at for pair in universe.iterate_pairs())
    if known and begins > start + _DAY:
        return
    keep_benchmarks(state, make_benchmarks(universe, state.portfolio, start, tick))
