"""Checks of the position manager, and the conversion of relative levels to prices."""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import sum_decimal
from tradeexecutor.state.booking.waiting_orders import is_waiting
from tradeexecutor.state.errors import TooSmallTrade, TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeFlag
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

__all__ = [
    "NoSingleOpenPositionException",
    "NotEnoughCashForBuys",
    "OpeningLevels",
    "OrderTooSmall",
    "PositionManagerError",
    "RelativeLevels",
    "TradeTerms",
    "check_lock_up",
    "check_pair",
    "check_position",
    "check_size",
    "get_lock_up_end",
    "get_sellable_quantity",
    "has_no_market",
    "is_closing",
]


class PositionManagerError(TradeExecutorError, ValueError, AssertionError):
    """The arguments of the strategy are invalid; nothing was planned."""


class OrderTooSmall(PositionManagerError, TooSmallTrade):
    """What is left of an order after rounding to whole units of the tokens is nothing, or dust; nothing was planned.

    Attributes
    ----------
    quantity, limit
        What it would have traded, and the dust limit of the pair, base token units; None when the money itself is less
        than one unit of its currency.
    """


class NoSingleOpenPositionException(TradeExecutorError, LookupError):
    """There is not exactly one open position."""


class NotEnoughCashForBuys(TradeExecutorError, ValueError):
    """The planned buys cost more than cash and the proceeds of planned sells.

    Attributes
    ----------
    available, needed
        Cash with proceeds, and cost of the buys, USD.
    """

    def __init__(self, message: str, available: USDollarAmount, needed: USDollarAmount):
        super().__init__(message)
        self.available = available
        self.needed = needed


def check_pair(pair: object) -> None:
    """Check that an argument is a trading pair, not e.g. a ticker or None.

    Raises
    ------
    PositionManagerError
        It is not; the message explains how to get a pair.
    """
    if isinstance(pair, TradingPairIdentifier):
        return
    if isinstance(pair, str):
        raise PositionManagerError(f"{pair!r} is a text, not a trading pair; get_trading_pair({pair!r}) finds the pair")
    raise PositionManagerError(
        f"a trading pair is needed, not {pair!r}; input.get_default_pair() or "
        "input.strategy_universe.iterate_pairs() give pairs"
    )


def has_no_market(pair: TradingPairIdentifier) -> bool:
    """Return True if trades of a pair do not depend on a price: lending, and transfers over a bridge."""
    return pair.is_credit_supply() or pair.is_cctp_bridge()


def check_position(position: object) -> None:
    """Check that an argument is a position, not e.g. a pair or None.

    Raises
    ------
    PositionManagerError
        It is not; the message explains how to get a position.
    """
    if not isinstance(position, TradingPosition):
        raise PositionManagerError(
            f"a position is needed, not {position!r}; get_current_position_for_pair(pair) finds it, "
            "and returns None when none is open"
        )


def get_lock_up_end(position: TradingPosition) -> datetime.datetime | None:
    """Return until when a vault keeps the shares of a position, naive UTC; None without a lock-up."""
    text = position.other_data.get("vault_lockup_expires_at") if position.other_data else None
    return None if text is None else datetime.datetime.fromisoformat(text)


def check_lock_up(position: TradingPosition, ts: datetime.datetime) -> None:
    """Raise `PositionManagerError` if a vault keeps the shares of a position at a time."""
    until = get_lock_up_end(position)
    if until is not None and ts < until:
        raise PositionManagerError(f"the shares of {position} are locked until {until}")


def check_size(pair: TradingPairIdentifier, quantity: Decimal, what: str) -> None:
    """Refuse to plan a trade of nothing but dust.

    Parameters
    ----------
    pair
        What is traded.
    quantity
        What is left after rounding to whole units, positive.
    what
        The order, for the error, e.g. ``5 USD at 20000``.

    Raises
    ------
    OrderTooSmall
        The quantity is less than one unit of the token, or not above the dust limit of the pair.
    """
    limit = get_dust_epsilon_for_pair(pair)
    if quantity <= limit:
        least = "less than one unit" if not quantity else f"{quantity}, not more than the dust limit {limit}"
        raise OrderTooSmall(
            f"{what}: {least} of {pair.base.token_symbol}; ask is_too_small(pair, value) first", quantity, limit
        )


def get_sellable_quantity(position: TradingPosition) -> Decimal:
    """Return the quantity that a decision can still sell, base units: the holding minus planned sells.

    Planned buys do not count, because they have not filled; resting orders do not count, because a sell replaces them.
    """
    available = position.get_available_trading_quantity()
    if not position.has_planned_trades():
        return available
    return available - sum_decimal(
        trade.get_position_quantity()
        for trade in position.get_unsettled_trades()
        if trade.is_planned() and trade.is_buy() and not is_waiting(position, trade)
    )


def is_closing(position: TradingPosition) -> bool:
    """Return True if planned trades will sell the whole quantity of a position."""
    return position.has_planned_trades() and (
        position.get_available_trading_quantity() <= get_dust_epsilon_for_pair(position.pair)
        and any(
            trade.is_planned() and trade.is_sell() and not is_waiting(position, trade)
            for trade in position.get_unsettled_trades()
        )
    )


@dataclass(frozen=True, slots=True)
class TradeTerms:
    """Terms of a trade other than its size.

    Attributes
    ----------
    flags
        Further flags of the trade.
    notes
        Stored with the trade.
    slippage_tolerance
        How much worse than planned the trade may fill, a fraction; None for the default of the manager.
    trigger_price
        Price at which a resting order fills; None for the market price.
    """

    flags: set[TradeFlag]
    notes: str | None = None
    slippage_tolerance: Percent | None = None
    trigger_price: USDollarPrice | None = None


@dataclass(frozen=True, slots=True)
class RelativeLevels:
    """Levels relative to the mid price of a decision, e.g. 1.05 or 0.95; None for no level.

    Attributes
    ----------
    replaces_stop_loss
        Whether an existing stop loss of the position is replaced.
    """

    take_profit: Percent | None
    stop_loss: Percent | None
    trailing_stop_loss: Percent | None
    replaces_stop_loss: bool = False


class OpeningLevels:
    """Checked stop loss and take profit prices of a new position; None for no level."""

    __slots__ = ("stop_loss", "take_profit", "trailing")

    def __init__(self, take_profit: float | None, stop_loss: float | None, trailing: float | None):
        self.take_profit = take_profit
        self.stop_loss = stop_loss
        self.trailing = trailing

    def apply(self, position: TradingPosition) -> None:
        """Set the levels of a position; a level that is None does not change."""
        if self.take_profit is not None:
            position.take_profit = self.take_profit
        if self.stop_loss is not None:
            position.stop_loss = self.stop_loss
        if self.trailing is not None:
            position.trailing_stop_loss_pct = self.trailing

    @staticmethod
    def check_usd(
        entry: USDollarPrice,
        take_profit: USDollarPrice | None,
        stop_loss: USDollarPrice | None,
        trailing_pct: Percent | None,
    ) -> "OpeningLevels":
        """Return checked levels for a resting entry; a trailing stop loss begins when it fills."""
        levels = OpeningLevels.check(entry, None, take_profit, None, stop_loss, trailing_pct)
        if trailing_pct is not None:
            levels.stop_loss = None
        return levels

    @staticmethod
    def check(
        mid: USDollarPrice,
        take_profit_pct: Percent | None,
        take_profit_usd: USDollarPrice | None,
        stop_loss_pct: Percent | None,
        stop_loss_usd: USDollarPrice | None,
        trailing_pct: Percent | None,
    ) -> "OpeningLevels":
        """Return relative levels as prices; raises `PositionManagerError` for levels that would trigger at once."""
        if (stop_loss_pct, stop_loss_usd, trailing_pct).count(None) < 2:
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
