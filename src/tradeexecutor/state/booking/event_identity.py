"""Identity of events on a chain, by which booked events are recognised even after a reorganisation of the chain.

A reorganisation moves a transaction to another block, where its logs have other numbers. The transaction and the order
of its transfers do not change. An event is therefore identified by

* its chain, transaction and token (`TransferKey`), and
* its place among the equal transfers with this key (same cause and same signed amount).

Block and log index are used only to choose between equal transfers. A source therefore has to report all transfers of a
transaction together; a single transfer counts as the first one of its kind.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import NamedTuple, Protocol

from tradeexecutor.state.balance_update import CAPITAL_FLOWS, BalanceUpdate, BalanceUpdateCause, read_log_index
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State

__all__ = [
    "Transfer",
    "TransferKey",
    "count_transfers",
    "find_booked_flows",
    "find_conflict",
    "is_hex",
    "make_hash",
    "match_transfers",
]


_HEX = re.compile(r"(0x)?[0-9a-f]+", re.IGNORECASE)


def is_hex(text: str) -> bool:
    """Return whether a text is hexadecimal, with or without ``0x``: clients refuse a state with other hashes."""
    return _HEX.fullmatch(text) is not None


def make_hash(reference: str) -> str:
    """Return a transaction hash with ``0x``, and for another reference, such as that of a bank, a hash of its text."""
    if is_hex(reference):
        return f"0x{reference[2:] if reference[:2] in ('0x', '0X') else reference}"
    return f"0x{hashlib.sha256(reference.lower().encode()).hexdigest()}"


class TransferKey(NamedTuple):
    """Identifies the transfers of one token in one transaction.

    Attributes
    ----------
    chain_id
        Number of the chain, e.g. 1 for Ethereum.
    tx_hash
        Transaction hash in lower case, without ``0x``, see `make_hash`.
    token
        Contract address of the token in lower case.
    """

    chain_id: int
    tx_hash: str
    token: str

    @staticmethod
    def make(chain_id: int, tx_hash: str, token: str) -> "TransferKey":
        """Return the key for a hash with or without ``0x``, or another reference, and an address, in any case."""
        return TransferKey(chain_id, make_hash(tx_hash).lower().removeprefix("0x"), token.lower())


class Transfer(Protocol):
    """Data of one reported event on a chain; a booked `BalanceUpdate` has the same attributes."""

    @property
    def cause(self) -> BalanceUpdateCause:
        """Cause of the change."""
        ...

    @property
    def quantity(self) -> Decimal:
        """Change in token units, + in, - out."""
        ...

    @property
    def log_index(self) -> int | str | None:
        """Number of the log in its block; a text in old files."""
        ...

    @property
    def block_number(self) -> int | None:
        """Number of the block; None when unknown."""
        ...


def find_booked_flows(state: State) -> dict[TransferKey, list[BalanceUpdate]]:
    """Return the deposits, redemptions and vault flows of a state by transaction, in the order of their logs.

    Events without a transaction cannot be recognised and are left out.
    """
    portfolio = state.portfolio
    owners: list[ReservePosition | TradingPosition] = [*portfolio.reserves.values()]
    for positions in portfolio.get_position_tables():
        if positions is not portfolio.closed_positions:
            owners += positions.values()
    found: dict[TransferKey, list[BalanceUpdate]] = {}
    closed = portfolio.add_up_closed(_list_flows, _Flows, "flows").events
    for event in chain(closed, chain.from_iterable(map(_list_flows, owners))):
        key = TransferKey.make(event.chain_id, event.tx_hash or "", event.asset.address)
        found.setdefault(key, []).append(event)
    for events in found.values():
        events.sort(key=lambda event: (read_log_index(event.log_index) or 0, event.balance_update_id))
    return found


class _Flows:
    """Flows of positions."""

    def __init__(self) -> None:
        self.events: list[BalanceUpdate] = []

    def extend(self, positions: Sequence[Sequence[BalanceUpdate]]) -> None:
        """Add the flows of positions."""
        for flows in positions:
            self.events += flows


def _list_flows(owner: ReservePosition | TradingPosition) -> Sequence[BalanceUpdate]:
    """Return the deposits, redemptions and vault flows with a transaction."""
    events = owner.balance_updates
    if not events:  # nearly always
        return ()
    return [event for event in events.values() if event.tx_hash is not None and event.cause in CAPITAL_FLOWS]


def count_transfers(transfers: Iterable[Transfer]) -> Counter[tuple[BalanceUpdateCause, Decimal]]:
    """Return the number of transfers for each cause and amount."""
    return Counter((transfer.cause, transfer.quantity) for transfer in transfers)


def match_transfers(reported: Sequence[Transfer], booked: Sequence[BalanceUpdate]) -> list[BalanceUpdate | None]:
    """Return the balance update that booked each transfer of one `TransferKey`.

    Parameters
    ----------
    reported
        All transfers that are reported now, in the order of the logs.
    booked
        All booked events, in the order of the logs.

    Returns
    -------
    list
        One item for each of `reported`; None for a new transfer. Of equal transfers, those with the same log index are
        matched first, and the others in their order.
    """
    found: list[BalanceUpdate | None] = [None] * len(reported)
    rest = list(booked)
    for needs_log in (True, False):
        for place, transfer in enumerate(reported):
            if found[place] is not None:
                continue
            match = next((event for event in rest if _is_equal(transfer, event, needs_log=needs_log)), None)
            if match is not None:
                found[place] = match
                rest = [event for event in rest if event is not match]
    return found


def _is_equal(transfer: Transfer, event: BalanceUpdate, *, needs_log: bool) -> bool:
    if needs_log and read_log_index(event.log_index) != read_log_index(transfer.log_index):
        return False
    return (event.cause, event.quantity) == (transfer.cause, transfer.quantity)


def find_conflict(
    transfer: Transfer, booked: Iterable[BalanceUpdate], matches: Iterable[BalanceUpdate | None]
) -> BalanceUpdate | None:
    """Return the balance update that a new transfer contradicts; None when it contradicts none.

    The same log cannot have another amount. If a transaction is in another block now, all of its transfers are, so an
    event booked in the old block contradicts the new transfer.

    Parameters
    ----------
    transfer
        Transfer without a match.
    booked, matches
        All booked events of its `TransferKey`, and the result of `match_transfers`.
    """
    taken = {event.balance_update_id for event in matches if event is not None}
    for event in booked:
        if event.balance_update_id in taken:
            continue
        log = read_log_index(event.log_index)
        # Old files lack the log index of a settlement, and a transaction contains only one settlement.
        is_same_log = log == read_log_index(transfer.log_index) or (log is None and event.cause is transfer.cause)
        is_moved = None not in (event.block_number, transfer.block_number) and (
            event.block_number != transfer.block_number
        )
        if is_same_log or is_moved:
            return event
    return None
