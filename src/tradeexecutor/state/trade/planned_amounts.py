"""Computing the planned amounts of a trade from a request, per kind of instrument."""

import math
from decimal import Decimal

import msgspec

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import is_finite_decimal, require_finite_decimal, to_exact_price
from tradeexecutor.state.errors import InvalidTrade, UnsupportedPairKind
from tradeexecutor.state.identifier import TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.loan.leverage import LeverageEstimate
from tradeexecutor.state.trade.fields import TradeType
from tradeexecutor.state.trade.request import TradeRequest
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

_INFINITY = math.inf

#: Kinds that exchange base tokens for reserve at a price.
EXCHANGE_KINDS = frozenset(
    {
        TradingPairKind.spot_market_hold,
        TradingPairKind.vault,
        TradingPairKind.freqtrade,
        TradingPairKind.exchange_account,
        TradingPairKind.cctp_bridge,
    }
)

#: Kinds whose trades move collateral and debt: shorts and leveraged longs.
LEVERAGE_KINDS = frozenset({TradingPairKind.lending_protocol_short, TradingPairKind.lending_protocol_long})

#: Kinds whose trades change a loan.
LOAN_KINDS = LEVERAGE_KINDS | {TradingPairKind.credit_supply}

#: Kinds whose trades can be executed; cash, for example, cannot.
EXECUTABLE_KINDS = EXCHANGE_KINDS | LOAN_KINDS


class PlannedAmounts(msgspec.Struct, frozen=True, gc=False):
    """The planned amounts of a trade on a loan."""

    #: Base token units, signed as in `TradeExecution`.
    quantity: Decimal
    #: Reserve token units, >= 0.
    reserve: Decimal
    #: Leverage: reserve token units that the swap brings (+) or costs (-); None for credit.
    consumption: Decimal | None = None
    allocation: Decimal | None = None
    #: USD; None keeps the estimate of the caller.
    lp_fees: USDollarAmount | None = None


def plan_exchange(kind: TradingPairKind, request: TradeRequest) -> tuple[Decimal, Decimal]:
    """Return quantity (base token units, signed) and reserve (token units); one follows from the other at the price.

    Example: at 2400 USD a buy for 600 USDC gets a quantity of 0.25, and a sell of 0.25 gets a reserve of 600.

    Raises
    ------
    InvalidTrade
        Neither or both amounts are given, or one is not a finite Decimal.
    UnsupportedPairKind
        The kind has no price to exchange at.
    """
    if kind not in EXCHANGE_KINDS:
        raise UnsupportedPairKind(f"trades of kind {kind.value} are not supported")
    quantity, reserve = request.quantity, request.reserve
    amount = quantity if reserve is None else reserve
    if amount is None or (quantity is not None and reserve is not None):
        raise InvalidTrade(f"give either the quantity or the reserve of a trade, got {quantity!r} and {reserve!r}")
    if not is_finite_decimal(amount):
        raise InvalidTrade(f"the amount of a trade must be a finite Decimal, got {amount!r}")
    assumed_price = request.assumed_price
    if type(assumed_price) is not float or not 0.0 < assumed_price < _INFINITY:  # nearly always: saves a call
        _check_price(assumed_price)
    price = to_exact_price(assumed_price)
    return (amount / price, amount) if quantity is None else (amount, abs(amount * price))


def plan_credit(request: TradeRequest) -> PlannedAmounts:
    """Return the amounts of a trade that supplies (+) or recalls (-) credit.

    Raises
    ------
    InvalidTrade
        An amount is missing, zero or not a finite Decimal, or they differ; repairs may have no reserve.
    """
    quantity = _check_amount("quantity", request.quantity)
    reserve = ZERO_DECIMAL if request.reserve is None else _check_amount("reserve", request.reserve)
    if request.trade_type is not TradeType.repair and (not quantity or reserve != abs(quantity)):
        raise InvalidTrade(
            f"quantity and reserve of a credit trade must be equal and not zero, got {quantity} and {reserve}"
        )
    return PlannedAmounts(quantity, reserve)


def plan_leverage(pair: TradingPairIdentifier, loan: Loan | None, request: TradeRequest) -> PlannedAmounts:
    """Compute the amounts of a trade that opens, increases or reduces a short or a leveraged long.

    By default the swap moves minus quantity times price: the assumed price, or the latest price of the debt when a
    short is changed.

    Parameters
    ----------
    loan
        The loan before the trade; None opens one.

    Raises
    ------
    InvalidTrade
        An amount is missing or not a finite Decimal, or the reserve is negative.
    """
    _check_price(request.assumed_price)
    quantity, reserve = _check_amount("quantity", request.quantity), request.reserve
    if loan is None:
        price = request.assumed_price
        reserve = _check_amount("reserve", reserve)
    else:
        if loan.borrowed is None:
            raise InvalidTrade(f"the loan of {pair} has no debt, it is not leveraged")
        price = loan.borrowed.last_usd_price if pair.kind.is_shorting() else request.assumed_price
        reserve = ZERO_DECIMAL if reserve is None else _check_amount("reserve", reserve)
    if reserve < 0:
        raise InvalidTrade(
            f"the reserve of a loan must not be negative, got {reserve}: use planned_collateral_allocation"
        )
    consumption, allocation = request.planned_collateral_consumption, request.planned_collateral_allocation
    default = -quantity * Decimal(price)
    return PlannedAmounts(
        quantity,
        reserve,
        default if consumption is None else _check_amount("planned_collateral_consumption", consumption),
        ZERO_DECIMAL if allocation is None else _check_amount("planned_collateral_allocation", allocation),
    )


def plan_short_closing(pair: TradingPairIdentifier, loan: Loan | None, request: TradeRequest) -> PlannedAmounts:
    """Compute the amounts of a trade that closes a short: buys back the debt and releases the rest to the reserves.

    The default quantity, base token units, is principal plus unpaid interest, or 0 if that is dust.

    Raises
    ------
    InvalidTrade
        There is no debt, the mid price is missing, or amounts are given that are computed from the loan.
    """
    quantity, mid_price = request.quantity, request.planned_mid_price
    if loan is None or loan.borrowed is None:
        raise InvalidTrade(f"there is no open short of {pair} to close")
    if request.reserve is not None or request.planned_collateral_consumption:
        raise InvalidTrade(
            "reserve and consumption of a closing trade follow from the loan, "
            f"got {request.reserve}, {request.planned_collateral_consumption}"
        )
    if mid_price is None:
        raise InvalidTrade(f"closing a short of {pair} needs planned_mid_price")
    _check_price(mid_price)
    interest = loan.collateral_interest.get_remaining_interest()
    if not quantity:
        quantity = loan.get_borrowed_principal_and_interest_quantity()
        if quantity <= get_close_epsilon_for_pair(pair):  # too little to be traded
            quantity = ZERO_DECIMAL
    quantity = _check_amount("quantity", quantity)
    if not quantity:  # there is no debt: the rest of the collateral is released
        return PlannedAmounts(ZERO_DECIMAL, ZERO_DECIMAL, ZERO_DECIMAL, -loan.collateral.quantity - interest, 0.0)
    if quantity < 0:
        raise InvalidTrade(f"closing a short of {pair} buys back, it cannot borrow {-quantity}")
    estimate = LeverageEstimate.close_short(
        start_collateral=loan.collateral.quantity,
        start_borrowed=loan.borrowed.quantity,
        close_size=quantity,
        borrowed_asset_price=mid_price,
        fee=pair.get_pricing_pair().fee,
    )
    return PlannedAmounts(
        quantity,
        ZERO_DECIMAL,
        estimate.additional_collateral_quantity,
        -estimate.total_collateral_quantity - interest,
        estimate.lp_fees,
    )


def plan_long_closing(pair: TradingPairIdentifier, loan: Loan | None, request: TradeRequest) -> PlannedAmounts:
    """Compute the amounts of a trade that closes a leveraged long: sells the collateral, repays the debt.

    The collateral with its interest is sold at the assumed price, which contains the fees. What the debt with its
    interest leaves of the proceeds is released to the reserves.

    Raises
    ------
    InvalidTrade
        There is no loan, the proceeds do not pay the debt, or amounts are given that are computed from the loan.
    """
    if loan is None or loan.borrowed is None:
        raise InvalidTrade(f"there is no open leveraged long of {pair} to close")
    if request.reserve is not None or request.quantity is not None or request.planned_collateral_consumption:
        raise InvalidTrade(
            "the amounts of a closing trade follow from the loan, "
            f"got {request.quantity}, {request.reserve}, {request.planned_collateral_consumption}"
        )
    _check_price(request.assumed_price)
    held = loan.collateral.quantity + loan.collateral_interest.get_remaining_interest()
    debt = loan.get_borrowed_principal_and_interest_quantity()
    proceeds = held * Decimal(request.assumed_price)
    if debt > proceeds:
        raise InvalidTrade(f"the collateral of {pair} brings {proceeds}, which does not pay the debt of {debt}")
    return PlannedAmounts(-held, ZERO_DECIMAL, proceeds, debt - proceeds)


def _check_amount(name: str, amount: Decimal | None) -> Decimal:
    return require_finite_decimal(amount, f"the {name} of a trade on a loan", InvalidTrade)


def _check_price(price: USDollarPrice) -> None:
    if (type(price) is not float and type(price) is not int) or not 0 < price < math.inf:
        raise InvalidTrade(f"the price of a trade must be a positive float, got {price!r}")
