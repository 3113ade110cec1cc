"""Changes of a balance that are not trades: deposits, redemptions, interest, corrections."""

# The checks below are for callers that use no type checker.
# pyright: reportUnnecessaryIsInstance=false, reportUnnecessaryComparison=false

import datetime
from collections.abc import Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.bounds import has_wrong_value, refuse_values
from tradeexecutor.state.codec.watched_record import WatchedRecord, watch_fields
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.types import (
    BlockNumber,
    JSONHexAddress,
    JSONHexBytes,
    JSONObject,
    Percent,
    StateEnum,
    USDollarAmount,
    UTCDatetime,
)

YEAR = datetime.timedelta(days=365)


class BalanceUpdateCause(StateEnum):
    """Reason for a change of a balance."""

    deposit = "deposit"
    redemption = "redemption"
    #: Net amount of several deposits and redemptions that were settled together.
    deposit_and_redemption = "deposit_and_redemption"
    interest = "interest"
    #: Difference between the real and the expected balance.
    correction = "correction"
    #: Capital moved into or out of an account of which only the value is known.
    vault_flow = "vault_flow"
    #: What longs and shorts of a market pay each other, see :mod:`tradeexecutor.state.booking.funding`.
    funding = "funding"


class BalanceUpdatePositionType(StateEnum):
    """Kind of holder of the balance."""

    #: Cash.
    reserve = "reserve"
    #: A trading position, including a frozen one.
    open_position = "open_position"


class BalanceUpdateSlots(WatchedRecord):
    """The slots of the watched fields of an event: the sums of a position or a reserve depend on them."""

    __slots__ = ()

    _cause: BalanceUpdateCause
    _asset: AssetIdentifier
    _quantity: Decimal


@watch_fields
@dataclass(slots=True, eq=False, repr=False)
class BalanceUpdate(BalanceUpdateSlots):
    """One change of one balance.

    Two objects are equal when they describe the same event on chain, see `get_identity`.

    Raises
    ------
    InvalidValue
        A field has the wrong type, or the previous event is later than this one.
    """

    #: Id assigned by the portfolio.
    balance_update_id: int
    #: Why the balance changed.
    cause: BalanceUpdateCause
    #: Whether the balance is one of the reserves or of a position.
    position_type: BalanceUpdatePositionType
    #: Token whose balance changed.
    asset: AssetIdentifier
    #: Block time, or simulated time in backtests.
    block_mined_at: UTCDatetime
    #: Cycle in which the event was booked; None for interest and most corrections.
    strategy_cycle_included_at: UTCDatetime | None
    #: Chain of the token.
    chain_id: int
    #: Token units, + in, - out.
    quantity: Decimal
    #: Token units before the event.
    old_balance: Decimal
    #: USD. The sign of old events is not uniform: redemptions may be positive. Interest events contain the value of the
    #: whole balance.
    usd_value: USDollarAmount
    #: Time of the clock at the booking.
    created_at: UTCDatetime | None = field(default_factory=utc_now)
    #: Block time of the previous event of the same kind.
    previous_update_at: UTCDatetime | None = None
    #: Address of the investor with checksum.
    owner_address: JSONHexAddress | None = None
    #: Transaction hash, with or without ``0x``.
    tx_hash: JSONHexBytes | None = None
    #: Number of the log in its block, hexadecimal text such as ``0x11``; a number in old events.
    log_index: int | str | None = None
    #: Position whose balance changed; None for the reserve.
    position_id: int | None = None
    #: Remarks, for people.
    notes: str | None = None
    #: Block of the event; None in backtests.
    block_number: BlockNumber | None = None
    #: Diagnostics of a vault settlement.
    other_data: JSONObject | None = None

    def __post_init__(self) -> None:
        if has_wrong_value[type(self)](self):  # what `check_values` does, without a call
            refuse_values(self, InvalidValue)
        self.check_rules()

    def check_rules(self) -> None:
        """Raise `InvalidValue` if a value contradicts another one or is impossible."""
        mined_at = self.block_mined_at
        if mined_at is not None and not isinstance(mined_at, datetime.datetime):
            raise InvalidValue(f"block_mined_at must be a datetime, got {mined_at!r}")
        if self.block_number is not None and type(self.block_number) is not int:
            raise InvalidValue(f"block_number must be exactly an int, got {self.block_number!r}")
        previous_at = self.previous_update_at
        if previous_at is not None and not previous_at <= mined_at:
            raise InvalidValue(
                f"previous update {previous_at} of event #{self.balance_update_id} is later than the event {mined_at}"
            )

    def __repr__(self) -> str:
        if self.is_reserve_update():
            holder = "strategy reserves"
        else:
            holder = f"position #{self.position_id}"
        return (
            f"Funding event #{self.balance_update_id} {self.cause.value} {self.quantity} tokens for {holder} "
            f"at block {self.block_number or 0:,} from {self.owner_address}"
        )

    def get_identity(self) -> Hashable:
        """Return a key that is the same for objects that describe the same event.

        The key of an event with a transaction consists of transaction, log and asset, so an event that is read twice
        from the chain is recognised. One log can book interest or a correction for several positions; for these causes
        the position is part of the key. Events without a transaction have their id as key.

        A reorganisation of the chain changes the log index: :mod:`~tradeexecutor.state.booking.event_identity`
        recognises events after it.
        """
        if self.tx_hash is None:
            return self.cause, self.position_type, self.position_id, self.balance_update_id
        position_id = None if self.cause in INVESTOR_FLOWS else self.position_id
        tx_hash = self.tx_hash.lower().removeprefix("0x")
        number = read_log_index(self.log_index)
        log = self.log_index if number is None else number
        return self.cause, self.chain_id, tx_hash, log, self.asset, position_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BalanceUpdate):
            return NotImplemented
        return self is other or self.get_identity() == other.get_identity()

    def __hash__(self) -> int:
        return hash(self.get_identity())

    def is_reserve_update(self) -> bool:
        """Return True if cash changed."""
        return self.position_type is BalanceUpdatePositionType.reserve

    def get_update_period(self) -> datetime.timedelta | None:
        """Return the time since the previous event; None for the first event."""
        if self.previous_update_at is None:
            return None
        return self.block_mined_at - self.previous_update_at

    def get_effective_yearly_yield(self, year: datetime.timedelta = YEAR) -> Percent | None:
        """Return the simple yearly rate of an interest event, a fraction.

        For example, 10 tokens on 1000 in 73 days give 0.05, which is 5 % a year. None without a period or an old
        balance.
        """
        period = self.get_update_period()
        if not period or not self.old_balance:
            return None
        return float(self.quantity / self.old_balance) / (period / year)

    def get_share_count(self) -> Any:
        """Return the recorded number of vault shares after the event; None when it was not recorded."""
        return (self.other_data or {}).get("share_count")


#: Causes of deposits and redemptions by investors, in cash or in kind.
INVESTOR_FLOWS = frozenset(
    {BalanceUpdateCause.deposit, BalanceUpdateCause.redemption, BalanceUpdateCause.deposit_and_redemption}
)

#: Causes of what accrues on the sides of a loan.
ACCRUALS = frozenset({BalanceUpdateCause.interest, BalanceUpdateCause.funding})

#: Causes that move capital in or out; all other causes are gains or losses.
CAPITAL_FLOWS = INVESTOR_FLOWS | {BalanceUpdateCause.vault_flow}


def format_log_index(log_index: int | str | None) -> str | None:
    """Return a log index as hexadecimal text, the form that clients accept; a text is returned unchanged."""
    return hex(log_index) if isinstance(log_index, int) else log_index


def read_log_index(log_index: int | str | None) -> int | None:
    """Return a log index, which may be hexadecimal text, as a number; None when it is missing or not a number."""
    if isinstance(log_index, str):
        try:
            return int(log_index, 0)
        except ValueError:
            return None
    return log_index
