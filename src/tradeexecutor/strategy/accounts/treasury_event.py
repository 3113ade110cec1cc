"""Deposits, redemptions and flows as reported by a chain indexer, a vault or a file.

Files of events
---------------
A CSV file with a heading, or a JSON file with a list of objects:

===============  =======  =====================================================================================
name             needed   meaning
===============  =======  =====================================================================================
``kind``         yes      ``deposit``, ``redemption``, ``settlement`` or ``vault_flow``, see `TreasuryEventKind`
``time``         yes      block time: ISO 8601 or epoch seconds, UTC unless it says otherwise
``chain_id``     yes      e.g. 1 for Ethereum
``token``        yes      contract of the token: a reserve currency, or the token of a position
``amount``       yes      token units; positive for deposits and redemptions, signed for the others
``tx_hash``      yes      transaction; any unique reference where there is none, which is recorded as a hash of it
``log_index``    yes      number of the log in its block; 0 where there is none
``block``        no       block number
``owner``        no       address of the investor; another text is added to the notes
``share_count``  no       number of vault shares after the event
``position_id``  no       required when several positions hold the token
``notes``        no       text for display
===============  =======  =====================================================================================

An event is identified by its transaction and token, see `tradeexecutor.state.booking.event_identity`: all events of a
transaction must be in the same batch.
"""

import datetime
import enum
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradeexecutor.accounting.values import require_finite_decimal, require_naive_utc
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.booking.event_identity import TransferKey
from tradeexecutor.state.errors import InvalidValue, RecordFileError
from tradeexecutor.strategy.accounts.record_file import Record, read_records

__all__ = ["TreasuryEvent", "TreasuryEventKind", "read_treasury_events"]


class TreasuryEventKind(enum.StrEnum):
    """What happened."""

    #: An investor deposited a reserve currency.
    deposit = "deposit"
    #: An investor redeemed a reserve currency, or in kind the token of a position.
    redemption = "redemption"
    #: A vault settled deposits and redemptions together; the amount is the net flow of a reserve currency.
    settlement = "settlement"
    #: Profit or loss of a position that is tracked by its value, such as an exchange account.
    vault_flow = "vault_flow"


_CAUSES = {
    TreasuryEventKind.deposit: BalanceUpdateCause.deposit,
    TreasuryEventKind.redemption: BalanceUpdateCause.redemption,
    TreasuryEventKind.settlement: BalanceUpdateCause.deposit_and_redemption,
    TreasuryEventKind.vault_flow: BalanceUpdateCause.vault_flow,
}


@dataclass(frozen=True, slots=True)
class TreasuryEvent:
    """A transfer of money without a trade.

    Attributes
    ----------
    kind
        Kind of the transfer.
    chain_id, token
        Chain and contract address of the token.
    amount
        Token units: positive for deposits and redemptions, signed for settlements and vault flows.
    happened_at
        Block time, naive UTC.
    tx_hash
        Transaction hash, which identifies the event together with the token.
    log_index
        Index in the block, which orders the events of a transaction; a reorganisation of the chain may change it.
    block_number, owner_address
        Block and investor; None if unknown.
    share_count
        Number of vault shares after the event; None if it was not reported.
    position_id
        The position, if several hold the token.
    notes
        Text for display.

    Raises
    ------
    InvalidValue
        An amount has the wrong sign or is not finite, the transaction is missing, or the time is not naive.
    """

    kind: TreasuryEventKind
    chain_id: int
    token: str
    amount: Decimal
    happened_at: datetime.datetime
    tx_hash: str
    log_index: int
    block_number: int | None = None
    owner_address: str | None = None
    share_count: Decimal | None = None
    position_id: int | None = None
    notes: str | None = None

    def __post_init__(self) -> None:
        amounts = [self.amount] if self.share_count is None else [self.amount, self.share_count]
        for amount in amounts:
            require_finite_decimal(amount, "an amount of an event", InvalidValue)
        if self.kind in (TreasuryEventKind.deposit, TreasuryEventKind.redemption) and self.amount <= 0:
            raise InvalidValue(f"the amount of a {self.kind} must be positive, got {self.amount}")
        if self.kind is TreasuryEventKind.vault_flow and not self.amount:
            raise InvalidValue("the amount of a vault flow must not be zero")
        if self.share_count is not None and self.share_count < 0:
            raise InvalidValue(f"share_count must not be negative, got {self.share_count}")
        if not self.tx_hash:
            raise InvalidValue(f"a {self.kind} without a transaction cannot be recognised when it is reported again")
        require_naive_utc(self.happened_at, "the time of an event", InvalidValue)

    def __str__(self) -> str:
        where = f"{self.tx_hash[:12]}{'…' if len(self.tx_hash) > 12 else ''}, log {self.log_index}"
        return f"{self.kind} of {self.amount:f} tokens {self.token} at {self.happened_at:%Y-%m-%d %H:%M:%S} ({where})"

    @property
    def quantity(self) -> Decimal:
        """Signed amount, token units: positive for an inflow."""
        return -self.amount if self.kind is TreasuryEventKind.redemption else self.amount

    @property
    def cause(self) -> BalanceUpdateCause:
        """Cause of the balance update of this event."""
        return _CAUSES[self.kind]

    def get_key(self) -> TransferKey:
        """Return the key of the transfers of this token in this transaction."""
        return TransferKey.make(self.chain_id, self.tx_hash, self.token)

    def get_place(self) -> tuple[Any, ...]:
        """Return the sort key for the order of the chain."""
        return self.happened_at, self.block_number or 0, self.log_index, *self.get_key()


# --- Files


_REQUIRED = ("kind", "time", "chain_id", "token", "amount", "tx_hash", "log_index")
_OPTIONAL = ("block", "owner", "share_count", "position_id", "notes")


def read_treasury_events(path: Path) -> list[TreasuryEvent]:
    """Return the events of a file in the format of the module docstring.

    Raises
    ------
    RecordFileError
        The file has the wrong format; the message names the record.
    OSError
        The file cannot be read.
    """
    return [_read_event(record) for record in read_records(path, _REQUIRED, _OPTIONAL)]


def _read_event(record: Record) -> TreasuryEvent:
    kind = record.get_text("kind")
    if kind not in [known.value for known in TreasuryEventKind]:
        record.refuse(f"kind must be one of {', '.join(TreasuryEventKind)}, got {kind!r}")
    try:
        return TreasuryEvent(
            TreasuryEventKind(kind),
            record.get_number("chain_id"),
            record.get_text("token"),
            record.get_amount("amount"),
            record.get_time("time"),
            record.get_text("tx_hash"),
            record.get_number("log_index"),
            record.find_number("block"),
            record.find_text("owner"),
            record.find_amount("share_count"),
            record.find_number("position_id"),
            record.find_text("notes"),
        )
    except InvalidValue as error:
        raise RecordFileError(record.path, str(error), record.row) from error
