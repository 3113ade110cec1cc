"""Value, leverage and health factor of a loan.

Values are USD floats. The examples are a short: 2000 USDC of collateral, a debt of 0.5 ETH at 2000 USD, and a
liquidation threshold of 0.85.

>>> collateral = calculate_side_value(Decimal(2000), Decimal(0), 1.0)
>>> debt = calculate_side_value(Decimal("0.5"), Decimal(0), 2000.0)
>>> calculate_loan_to_value(debt, collateral), calculate_health_factor(0.85, collateral, debt)
(0.5, 1.7)
>>> calculate_leverage(debt, collateral - debt)
1.0
"""

from decimal import Decimal

INFINITE = float("inf")


def calculate_side_value(principal: Decimal, interest: Decimal, price: float) -> float:
    """Return the value of one side of a loan including interest, USD.

    Principal and interest are each multiplied by the price and then added. This order determines the rounding.

    >>> calculate_side_value(Decimal(2000), Decimal("6.5"), 1.0)
    2006.5

    Parameters
    ----------
    principal, interest
        Token units; only interest that was not paid out.
    price
        USD per token.
    """
    return float(principal) * price + float(interest) * price


def calculate_leverage(debt: float, net_asset_value: float) -> float:
    """Return debt divided by net asset value; 0 when the net asset value is 0.

    1.0 means that the debt is as large as the net asset value. (`LeverageEstimate.close_short` reports collateral
    divided by net asset value, which is larger by one.)

    >>> calculate_leverage(2000.0, 994.0)
    2.0120724346076457
    >>> calculate_leverage(1800.0, 1194.0)
    1.5075376884422111

    Parameters
    ----------
    debt
        Principal, USD.
    net_asset_value
        Collateral less debt, both with interest, USD.
    """
    return debt / net_asset_value if net_asset_value else 0.0


def calculate_health_factor(liquidation_threshold: float, collateral: float, debt: float) -> float:
    """Return ``collateral * threshold / debt``; the loan can be liquidated when this is below 1.

    >>> calculate_health_factor(0.85, 2994.0, 2000.0)
    1.27245

    Parameters
    ----------
    liquidation_threshold
        Fraction of the value of the collateral up to which the debt may grow.
    collateral, debt
        USD; debt > 0.
    """
    return liquidation_threshold * collateral / debt


def calculate_loan_to_value(debt: float, collateral: float) -> float:
    """Return debt divided by collateral; 0 without debt, infinite without collateral.

    >>> calculate_loan_to_value(2000.0, 2994.0)
    0.6680026720106881
    >>> calculate_loan_to_value(0.0, 0.0), calculate_loan_to_value(1.0, 0.0)
    (0.0, inf)

    Parameters
    ----------
    debt, collateral
        Principal, USD.
    """
    if debt == 0:
        return 0.0
    return INFINITE if collateral == 0 else debt / collateral


def calculate_collateral_for_loan_to_value(debt: float, loan_to_value: float, collateral_price: float) -> Decimal:
    """Return the collateral that gives a debt the requested loan to value, ``debt / ltv / price``, token units.

    >>> calculate_collateral_for_loan_to_value(1000.0, 0.5, 1.0)
    Decimal('2000')

    Parameters
    ----------
    debt
        USD.
    loan_to_value
        Fraction, > 0.
    collateral_price
        USD per token.
    """
    return Decimal(debt / loan_to_value / collateral_price)


def calculate_collateral_for_leverage(debt: float, leverage: float, collateral_price: float) -> Decimal:
    """Return the collateral for a requested leverage, ``debt * (1 + 1 / leverage) / price``, token units.

    >>> calculate_collateral_for_leverage(1000.0, 3, 1.0)
    Decimal('1333.333333333333257542108185589313507080078125')

    Parameters
    ----------
    debt
        USD.
    leverage
        Debt divided by net asset value, > 0.
    collateral_price
        USD per token.
    """
    return Decimal(debt * (1 + 1 / leverage) / collateral_price)
