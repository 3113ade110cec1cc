"""The input of a planned trade."""

# The checks below exist for callers without a type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
from decimal import Decimal

import msgspec

from tradeexecutor.accounting.values import require_standard_utc
from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.trade.fields import TradeFlag, TradeType
from tradeexecutor.state.trade.pricing import TradePricing
from tradeexecutor.state.types import BPS, LeverageMultiplier, USDollarAmount, USDollarPrice

#: Those that this version declares; a file may contain others.
_KNOWN_FLAGS = frozenset(TradeFlag)

#: Advice in the warning about ``pending=True``.
PENDING_HINT = "a trade waits if it has a trigger, see PositionManager.open_spot_with_market_limit"


class TradeRequest(msgspec.Struct, frozen=True, gc=False):
    """The input of a planned trade, except its position.

    `State.request_trade` plans a trade from it. A request is immutable and contains no ids, so it can be refused, or
    used again for another position. It is a msgspec structure because one is created for every trade: a frozen
    dataclass takes four times as long to build. Pass the values by name. Only `create_trade`, which is called for every
    trade of an existing strategy, passes them by position, because matching the names takes longer than all the rest.

    Raises
    ------
    InvalidTrade
        A value is wrong for every position: the time is not a naive UTC datetime, the fee is not exactly a float, or
        flags, notes or the price structure have another type.
    """

    #: Naive UTC time of the decision.
    strategy_cycle_at: datetime.datetime
    pair: TradingPairIdentifier
    #: Expected fill price with fees, USD per base token.
    assumed_price: USDollarPrice
    trade_type: TradeType
    reserve_currency: AssetIdentifier
    #: USD per reserve token.
    reserve_currency_price: USDollarPrice
    #: Base token units with the sign of the trade, or None.
    quantity: Decimal | None = None
    #: Reserve token units to spend, given instead of `quantity`, or to move into a loan; or None.
    reserve: Decimal | None = None
    notes: str | None = None
    #: Fraction, 0.003 is 30 basis points.
    pair_fee: BPS | None = None
    lp_fees_estimated: USDollarAmount | None = None
    #: USD per base token, before fees. Closing a short needs it.
    planned_mid_price: USDollarPrice | None = None
    price_structure: TradePricing | None = None
    #: Fraction, 0.01 is 1 %.
    slippage_tolerance: BPS | None = None
    leverage: LeverageMultiplier | None = None
    #: The trade is meant to close the position.
    closing: bool | None = False
    #: Short: reserve token units, + into the collateral; None computes it from quantity and price.
    planned_collateral_consumption: Decimal | None = None
    planned_collateral_allocation: Decimal | None = None
    exchange_name: str | None = None
    flags: set[TradeFlag] | None = None

    def __post_init__(self) -> None:
        # Compares the usual values first, because this runs for every trade.
        decided_at = self.strategy_cycle_at
        if type(decided_at) is not datetime.datetime or decided_at.tzinfo is not None:
            require_standard_utc(decided_at, "strategy_cycle_at", InvalidTrade)
        if self.pair_fee and type(self.pair_fee) is not float:
            raise InvalidTrade(f"pair_fee must be a float, got {self.pair_fee!r}")
        if self.notes is not None and not isinstance(self.notes, str):
            raise InvalidTrade(f"notes must be text, got {self.notes!r}")
        if self.price_structure is not None and not isinstance(self.price_structure, TradePricing):
            raise InvalidTrade(f"price_structure must be a TradePricing, got {self.price_structure!r}")
        flags = self.flags
        if flags is None or (type(flags) is set and _KNOWN_FLAGS.issuperset(flags)):
            return
        if not isinstance(flags, set) or not all(isinstance(flag, TradeFlag) for flag in flags):
            raise InvalidTrade(f"flags must be a set of TradeFlag, got {flags!r}")
