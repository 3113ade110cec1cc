"""From what a strategy asks for to the planned amounts of a trade, per kind of instrument."""

import math
from decimal import Decimal

from tradeexecutor.state.errors import InvalidTrade, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairKind
from tradeexecutor.state.types import USDollarPrice

#: Kinds where base tokens are exchanged for reserve at a price.
_PRICED_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.vault,
        TradingPairKind.exchange_account,
        TradingPairKind.cctp_bridge,
    }
)


def plan_exchange(
    kind: TradingPairKind, quantity: Decimal | None, reserve: Decimal | None, assumed_price: USDollarPrice
) -> tuple[Decimal, Decimal]:
    """Complete quantity from reserve, or reserve from quantity, at the assumed price.

    Returns
    -------
    tuple
        Planned quantity (base token units, signed) and planned reserve (reserve token units, >= 0).

    >>> plan_exchange(TradingPairKind.spot_market_hold, None, Decimal(600), 2400.0)
    (Decimal('0.25'), Decimal('600'))
    >>> plan_exchange(TradingPairKind.spot_market_hold, Decimal("-0.25"), None, 2400.0)
    (Decimal('-0.25'), Decimal('600.00'))

    Raises
    ------
    InvalidTrade
        Neither or both amounts are given.
    UnsupportedPairKind
        The kind has no price to exchange at.
    """
    if kind not in _PRICED_KINDS:
        raise UnsupportedPairKind(f"trades of kind {kind.value} are not supported")
    amount = quantity if reserve is None else reserve
    if amount is None or (quantity is not None and reserve is not None):
        raise InvalidTrade(f"give either the quantity or the reserve of a trade, got {quantity!r} and {reserve!r}")
    if not (isinstance(amount, Decimal) and amount.is_finite()):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTrade(f"the amount of a trade must be a finite Decimal, got {amount!r}")
    if (type(assumed_price) is not float and type(assumed_price) is not int) or not 0 < assumed_price < math.inf:
        raise InvalidTrade(f"the price of a trade must be a positive float, got {assumed_price!r}")
    price = Decimal(assumed_price)
    return (amount / price, amount) if quantity is None else (amount, abs(amount * price))
