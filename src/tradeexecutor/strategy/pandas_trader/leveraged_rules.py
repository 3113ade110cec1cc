"""Amounts, levels and limits of shorts and leveraged longs, see :mod:`.leveraged_positions`."""

import math
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.state.errors import LiquidationRisked, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.loan.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice
from tradeexecutor.strategy.pandas_trader.position_rules import PositionManagerError, check_position

__all__ = [
    "LevelFractions",
    "Swap",
    "check_leveraged",
    "check_quantity",
    "check_worst_fill",
    "find_liquidation_price",
    "get_balances_after",
    "get_debt_and_collateral",
    "get_liquidation_price",
    "get_signed_balances",
    "is_all",
]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Swap:
    """Amounts of a trade of a leveraged position; signs as in `TradeExecution`.

    Attributes
    ----------
    quantity
        Base token units, + bought, - sold.
    reserve
        Own money moved into the loan, reserve token units, >= 0.
    consumption
        What the swap brings (+) or costs (-), reserve token units.
    allocation
        What is released to the cash, reserve token units, <= 0.
    lp_fees
        Fees of the swap, USD.
    """

    quantity: Decimal
    reserve: Decimal
    consumption: Decimal
    allocation: Decimal = _ZERO
    lp_fees: USDollarAmount = 0.0


@dataclass(frozen=True, slots=True)
class LevelFractions:
    """Levels of a new position, relative to its price, see `PositionManager.open_short` and `open_long`."""

    take_profit: Percent | None = None
    stop_loss: Percent | None = None
    trailing_stop_loss: Percent | None = None

    def to_prices(
        self, mid: USDollarPrice, liquidation_price: USDollarPrice, *, is_short: bool
    ) -> tuple[USDollarPrice | None, USDollarPrice | None]:
        """Return take profit and stop loss as prices.

        Raises
        ------
        PositionManagerError
            The levels cannot be meant, or the loan is liquidated before the stop loss.
        """
        if self.stop_loss is not None and self.trailing_stop_loss is not None:
            raise PositionManagerError("give only one of stop loss and trailing stop loss")
        what, better, worse = ("short", "below", "above") if is_short else ("long", "above", "below")
        take_profit = stop_loss = None
        pct = self.take_profit
        if pct is not None:
            if not (1 < pct < 2 if is_short else 1 < pct < math.inf):
                raise PositionManagerError(f"1.05 takes the profit of a {what} 5 % {better} the price, not {pct}")
            take_profit = mid * (2 - pct) if is_short else mid * pct
        pct = self.trailing_stop_loss if self.stop_loss is None else self.stop_loss
        if pct is not None:
            if not 0 < pct < 1:
                raise PositionManagerError(f"0.95 stops a {what} 5 % {worse} the price, not {pct}")
            stop_loss = mid * (2 - pct) if is_short else mid * pct
            if stop_loss >= liquidation_price if is_short else stop_loss <= liquidation_price:
                raise PositionManagerError(
                    f"the stop loss {stop_loss} is beyond the price of liquidation, {liquidation_price}: use less "
                    "leverage or a closer stop"
                )
        return take_profit, stop_loss


def get_debt_and_collateral(loan: Loan) -> tuple[Decimal, Decimal]:
    """Return both sides of a loan with their interest, token units."""
    debt = loan.get_borrowed_principal_and_interest_quantity()
    return debt, loan.collateral.quantity + loan.collateral_interest.get_remaining_interest()


def get_signed_balances(loan: Loan) -> tuple[Decimal, Decimal]:
    """Return base and reserve currency of a loan with their interest, token units; what is owed is negative."""
    debt, collateral = get_debt_and_collateral(loan)
    return (-debt, collateral) if loan.pair.kind.is_shorting() else (collateral, -debt)


def get_liquidation_price(loan: Loan) -> USDollarPrice:
    """Return the price of the base token at which a loan is liquidated, with its interest, USD.

    That of a short is ``collateral * threshold / debt``, and infinity without debt; that of a long is ``debt /
    (collateral * threshold)``, and 0 without debt.
    """
    base, reserve = get_signed_balances(loan)
    return _divide(loan.pair, base, reserve)


def _divide(pair: TradingPairIdentifier, base: Decimal, reserve: Decimal) -> USDollarPrice:
    threshold = pair.get_collateral_token().liquidation_threshold
    if pair.kind.is_shorting():
        return math.inf if base >= 0 or threshold is None else float(reserve * Decimal(str(threshold)) / -base)
    return 0.0 if reserve >= 0 or threshold is None else float(-reserve / (base * Decimal(str(threshold))))


def check_leveraged(position: object, *, is_short: bool | None = None) -> None:
    """Check that an argument is a leveraged position, with `is_short` one of this side.

    Raises
    ------
    PositionManagerError
        It is no position.
    UnsupportedPairKind
        It is another kind of position.
    """
    check_position(position)
    assert isinstance(position, TradingPosition), "it was just checked"
    if not position.is_leverage() or (is_short is not None and position.is_short() is not is_short):
        what = "not leveraged" if is_short is None else "not a short" if is_short else "not a leveraged long"
        raise UnsupportedPairKind(f"{position} is {what}")


def check_quantity(quantity: object) -> None:
    """Raise `PositionManagerError` unless a quantity to close is a positive Decimal."""
    if not isinstance(quantity, Decimal) or not quantity > 0:
        raise PositionManagerError(f"the quantity to close must be a positive Decimal, not {quantity!r}")


def is_all(loan: Loan, quantity: Decimal) -> bool:
    """Return True if a quantity leaves nothing but dust of the base of a loan."""
    return abs(get_signed_balances(loan)[0]) - quantity <= get_close_epsilon_for_pair(loan.pair)


def get_balances_after(loan: Loan | None, swap: Swap, factor: Decimal = Decimal(1)) -> tuple[Decimal, Decimal]:
    """Return base and reserve currency of a loan after a swap whose proceeds, or cost, are multiplied by a factor."""
    base, reserve = (_ZERO, _ZERO) if loan is None else get_signed_balances(loan)
    return base + swap.quantity, reserve + swap.reserve + swap.allocation + swap.consumption * factor


def check_worst_fill(
    pair: TradingPairIdentifier, loan: Loan | None, pricing: TradePricing, tolerance: Percent, swap: Swap
) -> None:
    """Raise `LiquidationRisked` if the loan were liquidated after the worst fill that the trade accepts.

    A plan that is only just possible could not be executed with any slippage.
    """
    keep = 1 - Decimal(tolerance)
    buys = swap.consumption < 0
    base, reserve = get_balances_after(loan, swap, 1 / keep if buys else keep)
    if pair.kind.is_shorting():
        price = max(pricing.price / float(keep) if buys else pricing.price, pricing.mid_price or 0.0)
        collateral, debt = float(reserve), -float(base) * price
    else:
        price = min(pricing.price if buys else pricing.price * float(keep), pricing.mid_price or math.inf)
        collateral, debt = float(base) * price, -float(reserve)
    health = collateral * pair.get_liquidation_threshold() / debt if debt > 0 else math.inf
    if health <= 1:
        what = "short" if pair.kind.is_shorting() else "long"
        raise LiquidationRisked(
            f"with a slippage of {tolerance:.2%} the health factor of {pair} would be {health}, it must be above 1: "
            f"use less leverage, or leave more in the {what}",
            health,
            1.0,
        )


def find_liquidation_price(
    pair: TradingPairIdentifier, swap: Swap, leverage: LeverageMultiplier, mid: USDollarPrice
) -> USDollarPrice:
    """Return the price at which a new position is liquidated; raises `LiquidationRisked` if it is that of now."""
    is_short = pair.kind.is_shorting()
    limit = _divide(pair, *get_balances_after(None, swap))
    if limit <= mid if is_short else limit >= mid:
        what = "short" if is_short else "long"
        raise LiquidationRisked(
            f"a {what} with a leverage of {leverage} is liquidated at {limit}, the price is {mid} already: the "
            "fee takes too much of the collateral; use less leverage",
            limit / mid if is_short else mid / limit,
            1.0,
        )
    return limit
