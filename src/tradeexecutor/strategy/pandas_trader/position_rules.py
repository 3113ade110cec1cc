"""What the position manager refuses, and how it turns relative levels into prices."""

from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

__all__ = [
    "NoSingleOpenPositionException",
    "NotEnoughCashForBuys",
    "OpeningLevels",
    "PositionManagerError",
]


class PositionManagerError(TradeExecutorError, ValueError, AssertionError):
    """The strategy asked for something that makes no sense; nothing was planned."""


class NoSingleOpenPositionException(TradeExecutorError, LookupError):
    """There is not exactly one open position."""


class NotEnoughCashForBuys(TradeExecutorError, ValueError):
    """The planned buys cost more than cash and planned sells bring.

    Attributes
    ----------
    available, needed
        USD.
    """

    def __init__(self, message: str, available: USDollarAmount, needed: USDollarAmount):
        super().__init__(message)
        self.available = available
        self.needed = needed


class OpeningLevels:
    """Checked stop loss and take profit prices of a new position, None where not asked for."""

    __slots__ = ("stop_loss", "take_profit", "trailing")

    def __init__(self, take_profit: float | None, stop_loss: float | None, trailing: float | None):
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.trailing = trailing

    @staticmethod
    def check(
        mid: USDollarPrice,
        take_profit_pct: Percent | None,
        take_profit_usd: USDollarPrice | None,
        stop_loss_pct: Percent | None,
        stop_loss_usd: USDollarPrice | None,
        trailing_pct: Percent | None,
    ) -> "OpeningLevels":
        """Turn relative levels into prices; refuse levels that would fire at once or contradict each other."""
        if sum(level is not None for level in (stop_loss_pct, stop_loss_usd, trailing_pct)) > 1:
            raise PositionManagerError("give only one of stop loss, stop loss in USD and trailing stop loss")
        if take_profit_pct is not None and take_profit_usd is not None:
            raise PositionManagerError("give the take profit as a ratio or in USD, not both")
        if take_profit_pct is not None:
            if not take_profit_pct > 1:
                raise PositionManagerError(f"a take profit is relative to the price, e.g. 1.05, not {take_profit_pct}")
            take_profit_usd = mid * take_profit_pct
        if take_profit_usd is not None and not take_profit_usd > mid:
            raise PositionManagerError(f"the take profit {take_profit_usd} must be above the price {mid}")
        pct = stop_loss_pct if trailing_pct is None else trailing_pct
        if pct is not None:
            if not 0 < pct < 1:
                raise PositionManagerError(f"a stop loss is relative to the price, e.g. 0.95, not {pct}")
            stop_loss_usd = mid * pct
        if stop_loss_usd is not None and not 0 < stop_loss_usd < mid:
            raise PositionManagerError(f"the stop loss {stop_loss_usd} must be below the price {mid}")
        take_profit = None if take_profit_usd is None else float(take_profit_usd)
        stop_loss = None if stop_loss_usd is None else float(stop_loss_usd)
        return OpeningLevels(take_profit, stop_loss, trailing_pct)
