"""Import path of existing strategies: options of ``create_trading_universe``, and a universe that never changes."""

import datetime
from dataclasses import dataclass
from typing import Any

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

__all__ = ["DataTooOld", "StaticUniverseModel", "UniverseOptions", "default_universe_options"]


class DataTooOld(TradeExecutorError, RuntimeError):
    """The newest candle is older than a strategy accepts."""


@dataclass(frozen=True, slots=True)
class UniverseOptions:
    """What a run asks of ``create_trading_universe``; None leaves it to the strategy.

    Attributes
    ----------
    candle_time_bucket_override, stop_loss_time_bucket_override
        Length of the candles of decisions and of levels.
    history_period
        Length of the history.
    start_at, end_at
        Period, naive UTC.
    """

    candle_time_bucket_override: Any = None
    stop_loss_time_bucket_override: Any = None
    history_period: datetime.timedelta | None = None
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None


#: Everything is left to the strategy.
default_universe_options = UniverseOptions()


class StaticUniverseModel:
    """Source of a universe that is the same at any time."""

    def __init__(self, universe: TradingStrategyUniverse):
        self.universe = universe

    def construct_universe(self, *_when: object, **_options: object) -> TradingStrategyUniverse:
        """Return the universe."""
        return self.universe
