"""How much of a vault position can be redeemed, when the vault limits what leaves it at once."""

from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.raw_units import round_down_to_units
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeFlag
from tradeexecutor.state.types import USDollarAmount
from tradeexecutor.strategy.pandas_trader.position_rules import (
    PositionManagerError,
    check_position,
    get_sellable_quantity,
)

__all__ = ["HypercorePositionReductionPlan", "plan_vault_reduction"]


@dataclass(frozen=True, slots=True)
class HypercorePositionReductionPlan:
    """What of a vault position is redeemed; the arguments of `PositionManager.adjust_position`.

    Attributes
    ----------
    position
        The position.
    dollar_delta
        Value that is redeemed, USD, negative; 0 when nothing can be.
    quantity_delta
        Shares that are redeemed, negative.
    flags
        `TradeFlag.close` when what is left is within the close epsilon of the pair, so that all is redeemed.
    """

    position: TradingPosition
    dollar_delta: USDollarAmount
    quantity_delta: Decimal
    flags: frozenset[TradeFlag]

    @property
    def is_full_close(self) -> bool:
        """Whether the position is closed."""
        return TradeFlag.close in self.flags


def plan_vault_reduction(
    position: TradingPosition, dollar_delta: USDollarAmount, max_redemption: USDollarAmount | None
) -> HypercorePositionReductionPlan:
    """Return how much is redeemed of a wanted reduction.

    Parameters
    ----------
    position
        An open position of a vault, at its last price.
    dollar_delta
        Wanted reduction, USD, negative.
    max_redemption
        What the vault pays out at most, USD; None for any amount.

    Raises
    ------
    PositionManagerError
        It is no vault position, an amount is invalid, or the position has no price.
    """
    check_position(position)
    if not position.is_vault():
        raise PositionManagerError(f"{position} is not a position of a vault")
    if not dollar_delta < 0:
        raise PositionManagerError(f"a reduction is negative, not {dollar_delta}")
    if max_redemption is not None and not max_redemption >= 0:
        raise PositionManagerError(f"the largest redemption must not be negative, it is {max_redemption}")
    price = position.last_token_price
    if not price > 0:
        raise PositionManagerError(f"{position} has no price")
    available = get_sellable_quantity(position)
    cap = available if max_redemption is None else min(Decimal(max_redemption / price), available)
    quantity = min(Decimal(-dollar_delta / price), cap)
    flags = {TradeFlag.reduce}
    if available - quantity <= get_close_epsilon_for_pair(position.pair) and cap >= available:
        quantity, flags = available, {TradeFlag.reduce, TradeFlag.close}
    quantity = round_down_to_units(quantity, position.pair.base.decimals)
    return HypercorePositionReductionPlan(position, -float(quantity) * price, -quantity, frozenset(flags))
