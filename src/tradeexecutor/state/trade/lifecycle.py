"""Life cycle of a trade: status, transitions and predicates."""

import datetime
import math
from decimal import Decimal
from math import isfinite

from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.display.formatting import append_line
from tradeexecutor.state.errors import InvalidTrade, WrongTradeStatus
from tradeexecutor.state.identifier import TOKEN_TRADE_KINDS
from tradeexecutor.state.trade.fields import TradeFields, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

ZERO = Decimal(0)

# Looking a member up on its enum class is slow in Python 3.11, and these run for every trade of a position.
_PLANNED, _STARTED, _BROADCASTED = TradeStatus.planned, TradeStatus.started, TradeStatus.broadcasted
_SUCCESS, _FAILED, _REPAIRED = TradeStatus.success, TradeStatus.failed, TradeStatus.repaired

#: Capital is allocated and the outcome is open.
IN_FLIGHT = frozenset({_STARTED, _BROADCASTED})


def require_naive(when: datetime.datetime, what: str) -> None:
    """Refuse what is not a time, and a time with a time zone."""
    if not isinstance(when, datetime.datetime) or when.tzinfo is not None:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTrade(f"{what} must be a naive UTC datetime, got {when!r}")


def require_finite(trade_id: int, *numbers: float | Decimal | list[float | None] | None) -> None:
    """Refuse what is no number, NaN or infinite: it would be found only when the state cannot be saved any more."""
    for number in numbers:
        if number is None or (type(number) is float and isfinite(number)) or isinstance(number, list):
            continue
        if not isinstance(number, (int, float, Decimal)) or not isfinite(number):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTrade(f"trade #{trade_id} was given {number!r} where a number is expected")


class TradeLifeCycle(TradeFields):
    """Status of a trade and its transitions.

    ::

        planned -> started -> broadcasted -> success
           |          `------------+-------> failed -> repaired
           `-> expired
        broadcasted -> cctp_in_transit | vault_settlement_pending -> broadcasted -> success
    """

    __slots__ = ()

    def get_status(self) -> TradeStatus:
        """Derive the status from the timestamps; the first match wins."""
        if self.repaired_trade_id:
            return _SUCCESS
        if self.repaired_at:
            return _REPAIRED
        if self.failed_at:
            return _FAILED
        if self.executed_at:
            return _SUCCESS
        if self.vault_settlement_pending_at:
            return TradeStatus.vault_settlement_pending
        if self.cctp_in_transit_at:
            return TradeStatus.cctp_in_transit
        if self.broadcasted_at:
            return _BROADCASTED
        if self.started_at:
            return _STARTED
        if self.expired_at:
            return TradeStatus.expired
        return _PLANNED

    # --- Transitions

    def require_status(self, *allowed: TradeStatus) -> None:
        """Raise `WrongTradeStatus` unless the trade is in one of the given statuses."""
        status = self.get_status()
        if status not in allowed:
            names = " or ".join(s.value for s in allowed)
            raise WrongTradeStatus(f"trade #{self.trade_id} is {status.value}, must be {names}", self.trade_id, status)

    def mark_broadcasted(self, broadcasted_at: datetime.datetime, rebroadcast: bool = False) -> None:
        """Record that the transactions were sent; the trade must be started, unless `rebroadcast`."""
        if not rebroadcast and self.get_status() is not _STARTED:
            self.require_status(_STARTED)
        require_naive(broadcasted_at, "broadcasted_at")
        self.broadcasted_at = broadcasted_at

    def mark_success(
        self,
        executed_at: datetime.datetime,
        executed_price: USDollarPrice,
        executed_quantity: Decimal,
        executed_reserve: Decimal,
        lp_fees: USDollarAmount | None,
        native_token_price: USDollarPrice | None,
        force: bool = False,
        cost_of_gas: Decimal | None = None,
        executed_collateral_consumption: Decimal | None = None,
        executed_collateral_allocation: Decimal | None = None,
    ) -> None:
        """Record the outcome.  `State.mark_trade_success` calls this and moves the money.

        Parameters
        ----------
        executed_price
            USD per base token, exactly a float.
        executed_quantity
            Base token units, signed.
        executed_reserve
            Reserve token units, >= 0 for spot.
        force
            Accept any status, for repairs.
        """
        self.check_success(executed_at, executed_price, executed_quantity, force)
        self.set_outcome(
            executed_at,
            executed_price,
            executed_quantity,
            executed_reserve,
            lp_fees,
            native_token_price,
            cost_of_gas,
            executed_collateral_consumption,
            executed_collateral_allocation,
        )

    def set_outcome(
        self,
        executed_at: datetime.datetime,
        executed_price: USDollarPrice,
        executed_quantity: Decimal,
        executed_reserve: Decimal,
        lp_fees: USDollarAmount | None,
        native_token_price: USDollarPrice | None,
        cost_of_gas: Decimal | None,
        executed_collateral_consumption: Decimal | None,
        executed_collateral_allocation: Decimal | None,
    ) -> None:
        """Set the fields of `mark_success` after `check_success` has passed."""
        self.executed_at = executed_at
        self.executed_quantity = executed_quantity
        self.executed_reserve = executed_reserve
        self.executed_price = executed_price
        self.executed_collateral_consumption = executed_collateral_consumption
        self.executed_collateral_allocation = executed_collateral_allocation
        self.lp_fees_paid = lp_fees
        self.native_token_price = native_token_price
        self.cost_of_gas = cost_of_gas
        self.reserve_currency_allocated = ZERO

    def check_success(
        self,
        executed_at: datetime.datetime,
        executed_price: USDollarPrice,
        executed_quantity: Decimal,
        force: bool = False,
    ) -> None:
        """Raise if `mark_success` must refuse these values."""
        if self.get_status() is not _BROADCASTED:
            if not force:
                self.require_status(_BROADCASTED)
            if self.executed_at is not None:
                raise WrongTradeStatus(
                    f"trade #{self.trade_id} has its outcome already", self.trade_id, self.get_status()
                )
        if not isinstance(executed_quantity, Decimal) or not executed_quantity.is_finite():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidTrade(
                f"executed quantity of trade #{self.trade_id} must be a finite Decimal, got {executed_quantity!r}"
            )
        if type(executed_price) is not float or not 0 <= executed_price < math.inf:
            raise InvalidTrade(
                f"executed price of trade #{self.trade_id} must be a finite float >= 0, got {executed_price!r}"
            )
        require_naive(executed_at, "executed_at")

    def mark_failed(self, failed_at: datetime.datetime) -> None:
        """Record the failure.  `State.mark_trade_failed` calls this and gives the capital back."""
        self.require_status(_BROADCASTED, _STARTED)
        require_naive(failed_at, "failed_at")
        self.failed_at = failed_at

    def mark_expired(self, ts: datetime.datetime) -> None:
        """Record that no trigger of a planned trade can fire any more."""
        self.require_status(_PLANNED)
        require_naive(ts, "expired_at")
        self.expired_at = ts

    def set_blockchain_transactions(self, txs: list[BlockchainTransaction]) -> None:
        """Attach the transactions of the trade, once."""
        if self.blockchain_transactions:
            raise WrongTradeStatus(f"trade #{self.trade_id} already has transactions", self.trade_id)
        self.blockchain_transactions = txs

    def add_note(self, line: str | None) -> None:
        """Append a line to the notes; empty lines are ignored."""
        if line:
            self.notes = append_line(self.notes, line)

    # --- Predicates: direction

    def is_buy(self) -> bool:
        """Base token is acquired."""
        return self.planned_quantity > 0

    def is_sell(self) -> bool:
        """Base token is given up; a zero quantity counts as a sell."""
        return self.planned_quantity <= 0

    def is_reduce(self) -> bool:
        """The trade makes the position smaller."""
        kind = self.pair.kind
        if kind.is_shorting():
            return self.planned_quantity > 0
        if kind.is_cctp_bridge() or kind.is_exchange_account():
            return False
        return self.planned_quantity < 0

    # --- Predicates: status

    def is_success(self) -> bool:
        """The trade was executed; also true for a repaired trade."""
        return self.executed_at is not None

    def is_executed(self) -> bool:
        """Same as `is_success`."""
        return self.executed_at is not None

    def is_failed(self) -> bool:
        """The trade failed and was not repaired."""
        return self.failed_at is not None and self.repaired_at is None

    def is_repaired(self) -> bool:
        """A failure was made good by a counter trade."""
        return self.repaired_at is not None

    def is_repair_trade(self) -> bool:
        """The trade is a counter trade or makes good a missing position."""
        return self.repaired_trade_id is not None or TradeFlag.missing_position_repair in (self.flags or ())

    def is_repair_needed(self) -> bool:
        """Same as `is_failed`."""
        return self.is_failed()

    def is_pending(self) -> bool:
        """Started or broadcasted: the outcome is open."""
        return self.get_status() in IN_FLIGHT

    def is_planned(self) -> bool:
        """Nothing has happened yet."""
        return self.get_status() is _PLANNED

    def is_started(self) -> bool:
        """Capital is allocated, nothing is sent."""
        return self.get_status() is _STARTED

    def is_unfinished(self) -> bool:
        """Sent, outcome unknown."""
        return self.get_status() is _BROADCASTED

    def is_accounted_for_equity(self) -> bool:
        """Started, broadcasted or success."""
        if self.executed_at and not self.failed_at and not self.repaired_at:
            return True  # nearly always
        status = self.get_status()
        return status is _SUCCESS or status in IN_FLIGHT

    def is_missing_blockchain_transactions(self) -> bool:
        """Neither failed nor repaired, and has no transactions."""
        return not self.is_failed() and not self.is_repaired() and not self.blockchain_transactions

    def is_vault_settlement_in_flight(self) -> bool:
        """An asynchronous vault request waits for its settlement."""
        status = self.get_status()
        return status is TradeStatus.vault_settlement_pending or (
            bool((self.other_data or {}).get("vault_async_flow")) and status in IN_FLIGHT
        )

    # --- Predicates: purpose

    def is_rebalance(self) -> bool:
        """Decided by the strategy."""
        return self.trade_type is TradeType.rebalance

    def is_stop_loss(self) -> bool:
        """Closed by a stop loss."""
        return self.trade_type is TradeType.stop_loss

    def is_take_profit(self) -> bool:
        """Closed by a take profit."""
        return self.trade_type is TradeType.take_profit

    def is_triggered(self) -> bool:
        """Stop loss or take profit; flexible triggers do not count."""
        return self.trade_type in (TradeType.take_profit, TradeType.stop_loss)

    def is_accounting_correction(self) -> bool:
        """Books a difference between the state and the real balance."""
        return self.trade_type is TradeType.accounting_correction

    def is_partial_take_profit(self) -> bool:
        """Sells a part of the position at a price or time level."""
        return TradeFlag.partial_take_profit in (self.flags or ())

    def is_test(self) -> bool:
        """Made to try the machinery with a small amount."""
        return TradeFlag.test_trade in (self.flags or ())

    # --- Predicates: instrument

    def is_spot(self) -> bool:
        """Tokens are bought with cash; includes vaults and Freqtrade."""
        return self.pair.kind in TOKEN_TRADE_KINDS

    def is_vault(self) -> bool:
        """Vault shares."""
        return self.pair.kind.is_vault()

    def is_leverage(self) -> bool:
        """Leveraged long or short."""
        return self.pair.kind.is_leverage()

    def is_credit_based(self) -> bool:
        """Carries a loan."""
        return self.pair.kind.is_credit_based()

    def is_credit_supply(self) -> bool:
        """Lends the reserve."""
        return self.pair.kind.is_credit_supply()

    def is_short(self) -> bool:
        """Leveraged short."""
        return self.pair.kind.is_shorting()

    def is_long(self) -> bool:
        """Leveraged long."""
        return self.pair.kind.is_longing()
