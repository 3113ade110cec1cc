"""What a position records: the fields of `TradingPosition` and the rules of its constructor."""

import datetime
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.accounting.values import require_standard_utc
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.codec.bounds import has_wrong_value, refuse_values
from tradeexecutor.state.codec.codec import Serialisable
from tradeexecutor.state.codec.watched_record import WatchedRecord, watch_dictionary, watch_fields
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.generic_position import GenericPosition
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.position.balance_totals import BalanceUpdatesById
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.trade.totals import TradesById
from tradeexecutor.state.types import (
    JSONObject,
    Percent,
    USDollarAmount,
    USDollarPrice,
    UTCDatetime,
    new_dict,
    new_list,
)
from tradeexecutor.state.valuation import ValuationUpdate


@dataclass(slots=True, frozen=True)
class TriggerPriceUpdate(Serialisable):
    """Record of a change of the stop loss or take profit; USD mid prices.

    Raises
    ------
    InvalidValue
        The timestamp is not a datetime or the mid price not a float.
    """

    #: Time of the change.
    timestamp: UTCDatetime
    #: Mid price at that time, USD; None if not known.
    mid_price: int | float | None = None
    #: Stop loss before, USD mid price; None without one.
    stop_loss_before: USDollarPrice | None = None
    #: Stop loss after, USD mid price; None without one.
    stop_loss_after: USDollarPrice | None = None
    #: Take profit before, USD mid price; None without one.
    take_profit_before: USDollarPrice | None = None
    #: Take profit after, USD mid price; None without one.
    take_profit_after: USDollarPrice | None = None

    def __post_init__(self) -> None:
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if not isinstance(self.timestamp, datetime.datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidValue(f"timestamp must be a datetime, got {self.timestamp!r}")
        if self.mid_price and type(self.mid_price) is not float:
            raise InvalidValue(f"mid_price must be a float, got {self.mid_price!r}")


class PositionSlots(GenericPosition, WatchedRecord):
    """The slots of the watched fields of a position; trade index and kept equity of a portfolio depend on them."""

    __slots__ = ()

    _trades: dict[int, TradeExecution]
    _balance_updates: dict[int, BalanceUpdate]
    _last_token_price: USDollarPrice


@watch_fields
@watch_dictionary("trades")
@watch_dictionary("balance_updates")
@dataclass(slots=True, eq=False, repr=False)
class PositionFields(PositionSlots):
    """Fields of a position. Users see `tradeexecutor.state.position.TradingPosition`.

    Raises
    ------
    InvalidValue
        The constructor rules of a position are not met, see `__post_init__`.
    """

    #: Id, unique in the portfolio.
    position_id: int
    #: What is traded.
    pair: TradingPairIdentifier
    #: Strategy time of opening.
    opened_at: UTCDatetime
    #: Time of the price at the latest valuation.
    last_pricing_at: UTCDatetime
    #: USD per base token at the latest valuation. Trades do not change it.
    last_token_price: USDollarPrice
    #: USD per reserve token, normally 1.0.
    last_reserve_price: USDollarPrice
    #: Token in which the position is paid for, and its proceeds are received.
    reserve_currency: AssetIdentifier
    #: Trade id -> trade, in order of creation; a `TradesById` after construction.
    trades: dict[int, TradeExecution] = field(default_factory=TradesById)
    #: Trades whose trigger has not fired.
    pending_trades: dict[int, TradeExecution] = field(default_factory=new_dict)
    #: Trades whose triggers expired.
    expired_trades: dict[int, TradeExecution] = field(default_factory=new_dict)
    #: Strategy time of closing; None while it is open.
    closed_at: UTCDatetime | None = None
    #: Time at which a failed trade froze it; None if it never was.
    frozen_at: UTCDatetime | None = None
    #: Time at which a repair or a retry unfroze it; None if nothing did.
    unfrozen_at: UTCDatetime | None = None
    #: Time of the latest trade. This program sets it only when a position is reopened.
    last_trade_at: UTCDatetime | None = None
    #: Total equity of the portfolio when the position was opened, USD.
    portfolio_value_at_open: USDollarAmount | None = None
    #: Set while the position waits for a market limit trigger.
    pending_since_at: UTCDatetime | None = None
    #: Stop loss: the position is closed when the mid price falls to it, USD; None without one.
    stop_loss: USDollarPrice | None = None
    #: Take profit: the position is closed when the mid price rises to it, USD; None without one.
    take_profit: USDollarPrice | None = None
    #: Trailing stop loss as a fraction of the mid price: 0.9 is 10 % below it.
    trailing_stop_loss_pct: Percent | None = None
    #: Remarks of the strategy and of repairs, for people.
    notes: str | None = None
    #: Deposits, redemptions, interest and corrections by event id; a `BalanceUpdatesById` after construction.
    balance_updates: dict[int, BalanceUpdate] = field(default_factory=BalanceUpdatesById)
    #: Changes of stop loss and take profit, oldest first.
    trigger_updates: list[TriggerPriceUpdate] = field(default_factory=new_list)
    #: Revaluations, oldest first; those of closed positions may have been archived.
    valuation_updates: list[ValuationUpdate] = field(default_factory=new_list)
    #: Loan of a credit or leveraged position; None for the others.
    loan: Loan | None = None
    #: Internal share price; only of spot, vault and exchange account positions.
    share_price_state: PositionInternalSharePriceState | None = None
    #: USD price at which the loan is liquidated.
    liquidation_price: USDollarPrice | None = None
    #: Free-form data, for example of repairs.
    other_data: JSONObject | None = field(default_factory=new_dict)
    #: Made by a test run on a forked chain; not a live asset.
    simulated: bool = False
    #: Bridge positions: capital used by trades on the destination chain; negative when they returned a profit.
    bridge_capital_allocated: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if has_wrong_value[type(self)](self):  # what `check_values` does, without a call
            refuse_values(self, InvalidValue)
        if not isinstance(self._trades, TradesById):
            self._trades = TradesById(self._trades)
        if not isinstance(self._balance_updates, BalanceUpdatesById):
            self._balance_updates = BalanceUpdatesById(self._balance_updates)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        if self.position_id <= 0:
            raise InvalidValue(f"position id must be positive, got {self.position_id}")
        if self.last_pricing_at is None or self.reserve_currency is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise InvalidValue(f"position #{self.position_id} needs last_pricing_at and reserve_currency")
        if not self._last_token_price >= 0 or not self.last_reserve_price >= 0:
            raise InvalidValue(
                f"position #{self.position_id} prices must not be negative: "
                f"{self.last_token_price}, {self.last_reserve_price}"
            )
        if type(self.opened_at) is not datetime.datetime or self.opened_at.tzinfo is not None:
            require_standard_utc(self.opened_at, f"position #{self.position_id} opened_at", InvalidValue)
        for value in (self._last_token_price, self.stop_loss):
            if value is not None and type(value) is not float and type(value).__module__ == "numpy":
                raise InvalidValue(f"position #{self.position_id} prices must be Python floats, got {value!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PositionFields):
            return NotImplemented
        return self.position_id == other.position_id

    def __hash__(self) -> int:
        return hash(self.position_id)
