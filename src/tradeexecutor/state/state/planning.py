"""Planning trades: turning a request of a strategy into a planned trade on a position. No money moves.

`request_trade`, `request_short`, `request_long` and `request_credit` take a `TradeRequest`. `create_trade`,
`trade_short` and `supply_credit` take the long lists of arguments that existing strategies pass, and build a request
from them.
"""

import datetime
from decimal import Decimal

import msgspec

from tradeexecutor.state.contract import contract_signature, warn_ignored
from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.trade.request import PENDING_HINT, TradeRequest
from tradeexecutor.state.types import BPS, LeverageMultiplier, USDollarAmount, USDollarPrice


def request_trade(
    state: StateFields, request: TradeRequest, position: TradingPosition | None = None
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan a trade on the open position of the pair, or open a new position for it. No money moves.

    Parameters
    ----------
    request
        What to trade. With the flag ``ignore_open`` a new position is always opened.
    position
        Trade on this position instead of the open one of the pair.

    Returns
    -------
    tuple
        Position, trade, and whether the position is new.

    Raises
    ------
    InvalidTrade
        The trade is not possible: `TooSmallTrade` if it is dust, `NotEnoughTokens` if it sells more than is held and
        not committed to other trades. The state is unchanged and no id is used.
    LiquidationRisked
        The short would be liquidated immediately.
    WrongPositionStatus, PositionNotFound
        The given position is closed, or belongs to another state.
    """
    return state.portfolio.request_trade(request, position)


def request_short(
    state: StateFields, request: TradeRequest, position: TradingPosition | None = None
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan to open, change or close a leveraged short. No money moves.

    Parameters
    ----------
    request
        Its `quantity` is the borrowed amount, base token units: negative borrows more, positive buys back, 0 only
        moves collateral; None, when closing, is all of the debt. Its `reserve` is moved into the loan before the
        swap, reserve token units, >= 0; None when closing.

    Returns
    -------
    tuple
        Position, trade, and whether the position is new.

    Raises
    ------
    InvalidTrade, LiquidationRisked, WrongPositionStatus, PositionNotFound
        The state is unchanged and no id is used.
    """
    state.portfolio.owner.claim()
    if not request.pair.kind.is_shorting():
        raise InvalidTrade(f"{request.pair} is not a leveraged short")
    if not request.closing and (request.quantity is None or request.reserve is None):
        raise InvalidTrade("a short that is not being closed needs both borrowed_quantity and collateral_quantity")
    return _request_leverage(state, request, position, "collateral")


def request_long(
    state: StateFields, request: TradeRequest, position: TradingPosition | None = None
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan to open, change or close a leveraged long. No money moves.

    Parameters
    ----------
    request
        Its `quantity` is what is bought (+) or sold (-), base token units, 0 if only the debt changes; its `reserve` is
        the own money moved into the loan, reserve token units, >= 0; None, when closing, computes both. What the
        purchase costs beyond the reserve is borrowed, what a sale brings beyond the released allocation repays the
        debt.

    Returns
    -------
    tuple
        Position, trade, and whether the position is new.

    Raises
    ------
    InvalidTrade, LiquidationRisked, WrongPositionStatus, PositionNotFound
        The state is unchanged and no id is used.
    """
    state.portfolio.owner.claim()
    if not request.pair.kind.is_longing():
        raise InvalidTrade(f"{request.pair} is not a leveraged long")
    if not request.closing and (request.quantity is None or request.reserve is None):
        raise InvalidTrade("a leveraged long that is not being closed needs both quantity and reserve")
    return _request_leverage(state, request, position, "debt")


def _request_leverage(
    state: StateFields, request: TradeRequest, position: TradingPosition | None, side: str
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan a trade of a leveraged pair, whose quote must be a token of the reserve currency; `side` names it."""
    pair = request.pair
    currency = pair.quote.underlying
    if currency is None or not currency.is_stablecoin():
        raise InvalidTrade(f"the {side} of {pair} must be a stablecoin, it is {currency}")
    default_reserve, _ = state.portfolio.get_default_reserve_asset()
    if currency != default_reserve or currency != request.reserve_currency:
        raise InvalidTrade(
            f"the {side} of {pair} is {currency}, the trade has {request.reserve_currency} and the portfolio "
            f"{default_reserve}: they must be the same"
        )
    return state.portfolio.request_trade(request, position)


def request_credit(
    state: StateFields, request: TradeRequest, position: TradingPosition | None = None
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan to lend reserve to a lending protocol, or to recall it. No money moves.

    Parameters
    ----------
    request
        Its `quantity` is the amount lent (+) or recalled (-), reserve token units; interest can be recalled, too. Its
        `reserve` is computed from it.

    Returns
    -------
    tuple
        Position, trade, and whether the position is new.

    Raises
    ------
    InvalidTrade, WrongPositionStatus, PositionNotFound
        The state is unchanged and no id is used.
    """
    state.portfolio.owner.claim()
    pair, quantity = request.pair, request.quantity
    if not pair.kind.is_credit_supply():
        raise InvalidTrade(f"{pair} is not a credit supply")
    if request.reserve_currency != pair.quote:
        raise InvalidTrade(f"{pair} lends {pair.quote}, the trade has {request.reserve_currency}")
    if not isinstance(quantity, Decimal):
        raise InvalidTrade(f"collateral_quantity must be a Decimal, got {quantity!r}")
    slippage = 0.0 if request.slippage_tolerance is None else request.slippage_tolerance
    request = msgspec.structs.replace(request, reserve=abs(quantity), slippage_tolerance=slippage)
    return state.portfolio.request_trade(request, position)


# --- With the arguments that existing strategies pass


@contract_signature
def create_trade(
    state: StateFields,
    strategy_cycle_at: datetime.datetime,
    pair: TradingPairIdentifier,
    quantity: Decimal | None,
    reserve: Decimal | None,
    assumed_price: USDollarPrice,
    trade_type: TradeType,
    reserve_currency: AssetIdentifier,
    reserve_currency_price: USDollarPrice,
    notes: str | None = None,
    pair_fee: BPS | None = None,
    lp_fees_estimated: USDollarAmount | None = None,
    planned_mid_price: USDollarPrice | None = None,
    price_structure: TradePricing | None = None,
    position: TradingPosition | None = None,
    slippage_tolerance: BPS | None = None,
    leverage: LeverageMultiplier | None = None,
    closing: bool | None = False,
    planned_collateral_consumption: Decimal | None = None,
    planned_collateral_allocation: Decimal | None = None,
    flags: set[TradeFlag] | None = None,
    pending: bool = False,
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan a trade of any kind, see `request_trade`; the parameters are the fields of `TradeRequest`.

    `pending` has no effect; setting it causes a warning.
    """
    if pending:
        warn_ignored("create_trade", "pending", PENDING_HINT)
    request = TradeRequest(
        strategy_cycle_at,
        pair,
        assumed_price,
        trade_type,
        reserve_currency,
        reserve_currency_price,
        quantity,
        reserve,
        notes,
        pair_fee,
        lp_fees_estimated,
        planned_mid_price,
        price_structure,
        slippage_tolerance,
        leverage,
        closing,
        planned_collateral_consumption,
        planned_collateral_allocation,
        None,
        flags,
    )
    return state.portfolio.request_trade(request, position)


@contract_signature
def trade_short(
    state: StateFields,
    strategy_cycle_at: datetime.datetime,
    pair: TradingPairIdentifier,
    borrowed_asset_price: USDollarPrice,
    trade_type: TradeType,
    reserve_currency: AssetIdentifier,
    collateral_asset_price: USDollarPrice,
    borrowed_quantity: Decimal | None = None,
    collateral_quantity: Decimal | None = None,
    notes: str | None = None,
    pair_fee: BPS | None = None,
    lp_fees_estimated: USDollarAmount | None = None,
    planned_mid_price: USDollarPrice | None = None,
    price_structure: TradePricing | None = None,
    position: TradingPosition | None = None,
    slippage_tolerance: BPS | None = None,
    closing: bool | None = False,
    planned_collateral_consumption: Decimal | None = None,
    planned_collateral_allocation: Decimal | None = None,
    flags: set[TradeFlag] | None = None,
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan to open, change or close a leveraged short, see `request_short`.

    Parameters
    ----------
    borrowed_asset_price
        Price at which the borrowed token is sold or bought back, USD.
    reserve_currency
        The underlying token of the collateral, which is also the reserve of the portfolio.
    collateral_asset_price
        USD per reserve token.
    borrowed_quantity, collateral_quantity
        Quantity and reserve of the request, see `request_short`.
    """
    request = TradeRequest(
        strategy_cycle_at=strategy_cycle_at,
        pair=pair,
        quantity=borrowed_quantity,
        reserve=collateral_quantity,
        assumed_price=borrowed_asset_price,
        trade_type=trade_type,
        reserve_currency=reserve_currency,
        reserve_currency_price=collateral_asset_price,
        notes=notes,
        pair_fee=pair_fee,
        lp_fees_estimated=lp_fees_estimated,
        planned_mid_price=planned_mid_price,
        price_structure=price_structure,
        slippage_tolerance=slippage_tolerance,
        closing=closing,
        planned_collateral_consumption=planned_collateral_consumption,
        planned_collateral_allocation=planned_collateral_allocation,
        flags=flags,
    )
    return request_short(state, request, position)


@contract_signature
def supply_credit(
    state: StateFields,
    strategy_cycle_at: datetime.datetime,
    pair: TradingPairIdentifier,
    trade_type: TradeType,
    reserve_currency: AssetIdentifier,
    collateral_asset_price: USDollarPrice,
    collateral_quantity: Decimal | None = None,
    notes: str | None = None,
    pair_fee: BPS | None = None,
    lp_fees_estimated: USDollarAmount | None = None,
    planned_mid_price: USDollarPrice | None = None,
    price_structure: TradePricing | None = None,
    position: TradingPosition | None = None,
    slippage_tolerance: BPS | None = None,
    closing: bool | None = False,
    flags: set[TradeFlag] | None = None,
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan to lend reserve to a lending protocol, or to recall it, see `request_credit`.

    Parameters
    ----------
    collateral_asset_price
        USD per reserve token.
    collateral_quantity
        Quantity of the request: + supply, - recall, reserve token units.
    """
    request = TradeRequest(
        strategy_cycle_at=strategy_cycle_at,
        pair=pair,
        quantity=collateral_quantity,
        assumed_price=1.0,
        trade_type=trade_type,
        reserve_currency=reserve_currency,
        reserve_currency_price=collateral_asset_price,
        notes=notes,
        pair_fee=pair_fee,
        lp_fees_estimated=lp_fees_estimated,
        planned_mid_price=planned_mid_price,
        price_structure=price_structure,
        slippage_tolerance=slippage_tolerance,
        closing=closing,
        flags=flags,
    )
    return request_credit(state, request, position)
