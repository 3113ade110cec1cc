"""Estimates of leveraged shorts for a trading pair.

:mod:`tradeexecutor.accounting.leverage` contains the formulas with worked examples.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.leverage import (
    calculate_short_liquidation_price,
    get_gross_collateral,
    size_short_closing,
    size_short_opening,
)
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.types import LeverageMultiplier, Percent, USDollarAmount, USDollarPrice


@dataclass(slots=True)
class LeverageEstimate:
    """Estimated amounts of a change of a short.

    Signs: `borrowed_quantity` and `additional_collateral_quantity` are positive when they add to debt or collateral.
    """

    #: The trader's own capital, reserve token units; 0 when closing.
    starting_reserve: Decimal
    leverage: LeverageMultiplier
    #: Change of the debt, base token units.
    borrowed_quantity: Decimal
    borrowed_value: USDollarAmount
    #: Change of the collateral by the swap, reserve token units.
    additional_collateral_quantity: Decimal
    #: Collateral afterwards, reserve token units.
    total_collateral_quantity: Decimal
    #: Debt afterwards, base token units.
    total_borrowed_quantity: Decimal
    borrowed_asset_price: USDollarPrice
    fee_tier: Percent
    lp_fees: USDollarAmount
    #: USD per base token, without fees; None when closing.
    liquidation_price: Decimal | None = None

    @staticmethod
    def open_short(
        starting_reserve: Decimal | float,
        leverage: LeverageMultiplier,
        borrowed_asset_price: USDollarPrice,
        shorting_pair: TradingPairIdentifier,
        fee: Percent | None = 0,
    ) -> "LeverageEstimate":
        """Return the estimate of a new short.

        Parameters
        ----------
        starting_reserve
            Reserve token units, > 0.
        leverage
            Debt divided by reserve: above 0, below the maximum of the pair.
        borrowed_asset_price
            USD per base token.
        fee
            Fee fraction of the market where the tokens are sold.

        Raises
        ------
        InvalidValue
            The pair is not a short, or reserve, price, leverage or fee is out of range.
        """
        reserve = Decimal(starting_reserve)
        _check_pair_and_price(shorting_pair, borrowed_asset_price)
        limit = shorting_pair.get_max_leverage_at_open(side="short")
        if not 0 < leverage < limit:
            raise InvalidValue(f"leverage of {shorting_pair} must be between 0 and {limit}, got {leverage}")
        if not (reserve.is_finite() and reserve > 0):
            raise InvalidValue(f"the reserve of a short must be positive, got {reserve}")
        fee = _read_fee(fee)
        opening = size_short_opening(reserve, leverage, borrowed_asset_price, fee)
        return LeverageEstimate(
            starting_reserve=reserve,
            leverage=leverage,
            borrowed_quantity=opening.borrowed_quantity,
            borrowed_value=float(opening.debt_value),
            additional_collateral_quantity=opening.additional_collateral,
            total_collateral_quantity=opening.total_collateral,
            total_borrowed_quantity=opening.borrowed_quantity,
            borrowed_asset_price=borrowed_asset_price,
            fee_tier=fee,
            lp_fees=opening.lp_fees,
            liquidation_price=calculate_liquidation_price(
                get_gross_collateral(reserve, leverage), opening.borrowed_quantity, shorting_pair
            ),
        )

    @staticmethod
    def close_short(
        start_collateral: Decimal,
        start_borrowed: Decimal,
        close_size: Decimal,
        borrowed_asset_price: USDollarPrice,
        fee: Percent | None = 0,
    ) -> "LeverageEstimate":
        """Return the estimate of buying back `close_size` tokens with collateral.

        `leverage` of the result is collateral divided by net asset value (1.0 when nothing is left), which is larger by
        one than `Loan.get_leverage`.

        Parameters
        ----------
        start_collateral
            Reserve token units.
        start_borrowed, close_size
            Base token units; `close_size` > 0.
        borrowed_asset_price
            USD per base token.
        fee
            Fee fraction; None means 0.

        Raises
        ------
        InvalidValue
            Size or price is not positive, or the fee is not a fraction.
        """
        if not (close_size.is_finite() and close_size > 0):
            raise InvalidValue(f"the size to close must be positive, got {close_size}")
        if not 0 < borrowed_asset_price < math.inf:
            raise InvalidValue(f"the price must be positive, got {borrowed_asset_price}")
        fee = _read_fee(fee)
        closing = size_short_closing(start_collateral, start_borrowed, close_size, borrowed_asset_price, fee)
        return LeverageEstimate(
            starting_reserve=ZERO_DECIMAL,
            leverage=closing.leverage,
            borrowed_quantity=-close_size,
            borrowed_value=float(closing.cost),
            additional_collateral_quantity=-closing.cost_with_fee,
            total_collateral_quantity=closing.remaining_collateral,
            total_borrowed_quantity=closing.remaining_debt,
            borrowed_asset_price=borrowed_asset_price,
            fee_tier=fee,
            lp_fees=closing.lp_fees,
        )


def calculate_liquidation_price(
    collateral_size: Decimal, borrow_quantity: Decimal, shorting_pair: TradingPairIdentifier
) -> Decimal:
    """Return the USD price of the base token at which a short is liquidated.

    Parameters
    ----------
    collateral_size
        Reserve token units.
    borrow_quantity
        Base token units, > 0.
    """
    return calculate_short_liquidation_price(
        collateral_size, borrow_quantity, shorting_pair.get_liquidation_threshold()
    )


def calculate_sizes_for_leverage(
    starting_reserve: USDollarAmount, leverage: LeverageMultiplier
) -> tuple[USDollarAmount, USDollarAmount]:
    """Return debt and collateral of a short without fees, USD.

    >>> calculate_sizes_for_leverage(1000.0, 4.0)
    (4000.0, 5000.0)
    """
    return starting_reserve * leverage, starting_reserve * (leverage + 1)


def _check_pair_and_price(pair: TradingPairIdentifier, price: USDollarPrice) -> None:
    if not pair.kind.is_shorting():
        raise InvalidValue(f"{pair} is not a leveraged short")
    if not 0 < price < math.inf:
        raise InvalidValue(f"the price of {pair} must be positive, got {price}")


def _read_fee(fee: Percent | None) -> Percent:
    if fee is not None and not 0 <= fee < 1:
        raise InvalidValue(f"a fee is a fraction of at least 0 and below 1, got {fee}")
    return fee or 0
