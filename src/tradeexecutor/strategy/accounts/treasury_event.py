"""Deposits, redemptions and flows as a chain indexer, a vault or a file tells them.

Files of events
---------------
A CSV file with a heading, or a JSON file with a list of objects:

===============  =======  =====================================================================================
name             needed   meaning
===============  =======  =====================================================================================
``kind``         yes      ``deposit``, ``redemption``, ``settlement`` or ``vault_flow``, see `TreasuryEventKind`
``time``         yes      block time: ISO 8601 or epoch seconds, UTC unless it says otherwise
``chain_id``     yes      e.g. 1 for Ethereum
``token``        yes      contract of the token; of a reserve currency, or of what a position holds
``amount``       yes      token units; positive for deposits and redemptions, signed for the others
``tx_hash``      yes      transaction; any unique reference where there is none
``log_index``    yes      number of the log in its block; 0 where there is none
``block``        no       block number
``owner``        no       investor
``share_count``  no       vault shares that exist afterwards
``position_id``  no       needed when several positions hold the token
``notes``        no       for people
===============  =======  =====================================================================================

An event is recognised by its transaction and token, see `tradeexecutor.state.booking.event_identity`: give all events
of a transaction together.
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

    #: An investor put a reserve currency in.
    deposit = "deposit"
    #: An investor took something out: a reserve currency, or in kind the token that a position holds.
    redemption = "redemption"
    #: A vault settled deposits and redemptions together; the amount is the net flow of a reserve currency.
    settlement = "settlement"
    #: A position that is known by its value, such as an exchange account, gained or lost.
    vault_flow = "vault_flow"


_CAUSES = {
    TreasuryEventKind.deposit: BalanceUpdateCause.deposit,
    TreasuryEventKind.redemption: BalanceUpdateCause.redemption,
    TreasuryEventKind.settlement: BalanceUpdateCause.deposit_and_redemption,
    TreasuryEventKind.vault_flow: BalanceUpdateCause.vault_flow,
}


@dataclass(frozen=True, slots=True)
class TreasuryEvent:
    """Money that came or went without a trade.

    Attributes
    ----------
    kind
        What happened.
    chain_id, token
        The token, by chain and contract address.
    amount
        Token units: positive for deposits and redemptions, signed for settlements and vault flows.
    happened_at
        Block time, naive UTC.
    tx_hash
        What it is recognised by, with the token.
    log_index
        Its place in the block, which may change when the chain is reorganised: it orders the events of a transaction.
    block_number, owner_address
        As far as known.
    share_count
        Vault shares that exist afterwards; None when that was not told.
    position_id
        Which position, when several hold the token.
    notes
        For people.

    Raises
    ------
    InvalidValue
        An amount has the wrong sign or is not finite, there is no transaction, or the time is not naive.
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
            raise InvalidValue("a vault flow of nothing is no event")
        if self.share_count is not None and self.share_count < 0:
            raise InvalidValue(f"share_count must not be negative, got {self.share_count}")
        if not self.tx_hash:
            raise InvalidValue(f"a {self.kind} without a transaction could not be recognised when it arrives again")
        require_naive_utc(self.happened_at, "the time of an event", InvalidValue)

    def __str__(self) -> str:
        where = f"{self.tx_hash[:12]}{'…' if len(self.tx_hash) > 12 else ''}, log {self.log_index}"
        return f"{self.kind} of {self.amount:f} tokens {self.token} at {self.happened_at:%Y-%m-%d %H:%M:%S} ({where})"

    @property
    def quantity(self) -> Decimal:
        """What came in (+) or went out (-), token units."""
        return -self.amount if self.kind is TreasuryEventKind.redemption else self.amount

    @property
    def cause(self) -> BalanceUpdateCause:
        """What a balance update of this event says."""
        return _CAUSES[self.kind]

    def get_key(self) -> TransferKey:
        """Return what names the transfers of this token in this transaction."""
        return TransferKey.make(self.chain_id, self.tx_hash, self.token)

    def get_place(self) -> tuple[Any, ...]:
        """Return the place in the order of the chain."""
        return self.happened_at, self.block_number or 0, self.log_index, *self.get_key()


# --- Files


_REQUIRED = ("kind", "time", "chain_id", "token", "amount", "tx_hash", "log_index")
_OPTIONAL = ("block", "owner", "share_count", "position_id", "notes")


def read_treasury_events(path: Path) -> list[TreasuryEvent]:
    """Read events from a file, in the format described at the top of this module.

    Raises
    ------
    RecordFileError
        The file cannot be understood; the error names the record.
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
