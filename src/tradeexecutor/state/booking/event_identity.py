"""Which event on a chain is which: recognising what is booked already, also after the chain was reorganised.

A reorganisation puts a transaction into another block, where its logs have other numbers.  What stays is the
transaction, and the order of its transfers.  So an event is identified by

* its chain, transaction and token (`TransferKey`), and
* its place among the equal transfers of these: same cause, same signed amount.

Block and log index only help to choose between equal transfers.  It follows that a source has to tell all transfers of
one transaction together; one transfer alone is the first of its sort.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from tradeexecutor.state.balance_update import CAPITAL_FLOWS, BalanceUpdate, BalanceUpdateCause, read_log_index
from tradeexecutor.state.state import State

__all__ = ["Transfer", "TransferKey", "count_transfers", "find_booked_flows", "find_conflict", "match_transfers"]


class TransferKey(NamedTuple):
    """Names the transfers of one token in one transaction.

    Attributes
    ----------
    chain_id
        E.g. 1 for Ethereum.
    tx_hash
        In lower case, without ``0x``.
    token
        Contract of the token, in lower case.
    """

    chain_id: int
    tx_hash: str
    token: str

    @staticmethod
    def make(chain_id: int, tx_hash: str, token: str) -> "TransferKey":
        """Make a key, however hash and address are written."""
        return TransferKey(chain_id, tx_hash.lower().removeprefix("0x"), token.lower())


class Transfer(Protocol):
    """What a chain, or a record of one, tells about one event; a booked `BalanceUpdate` has the same."""

    @property
    def cause(self) -> BalanceUpdateCause:
        """What happened."""
        ...

    @property
    def quantity(self) -> Decimal:
        """Token units, + in, - out."""
        ...

    @property
    def log_index(self) -> int | str | None:
        """Number of the log in its block; old files have text."""
        ...

    @property
    def block_number(self) -> int | None:
        """Block; None when it is not known."""
        ...


def find_booked_flows(state: State) -> dict[TransferKey, list[BalanceUpdate]]:
    """Return the deposits, redemptions and vault flows of a state by transaction, in the order of their logs.

    Those without a transaction cannot be recognised and are left out.
    """
    portfolio = state.portfolio
    tables = [reserve.balance_updates for reserve in portfolio.reserves.values()]
    for positions in portfolio.get_position_tables():
        tables += [position.balance_updates for position in positions.values()]
    found: dict[TransferKey, list[BalanceUpdate]] = {}
    for table in tables:
        for event in table.values():
            if event.tx_hash is not None and event.cause in CAPITAL_FLOWS:
                key = TransferKey.make(event.chain_id, event.tx_hash, event.asset.address)
                found.setdefault(key, []).append(event)
    for events in found.values():
        events.sort(key=lambda event: (read_log_index(event.log_index) or 0, event.balance_update_id))
    return found


def count_transfers(transfers: Iterable[Transfer]) -> Counter[tuple[BalanceUpdateCause, Decimal]]:
    """Return how many transfers of each sort there are."""
    return Counter((transfer.cause, transfer.quantity) for transfer in transfers)


def match_transfers(told: Sequence[Transfer], booked: Sequence[BalanceUpdate]) -> list[BalanceUpdate | None]:
    """Find for each transfer of one `TransferKey` the balance update that booked it.

    Parameters
    ----------
    told
        All that is told now, in the order of the logs.
    booked
        All that is booked, in the order of the logs.

    Returns
    -------
    list
        One for each of `told`; None: it is new.  Among equal transfers those with the same log index belong together,
        the others in their order.
    """
    found: list[BalanceUpdate | None] = [None] * len(told)
    rest = list(booked)
    for needs_log in (True, False):
        for place, transfer in enumerate(told):
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
    """Find the balance update that a new transfer contradicts; None if it contradicts none.

    The same log cannot have another amount, and when a transaction is in another block now, all of it is: what was
    booked of it before cannot be there beside it.

    Parameters
    ----------
    transfer
        One that `match_transfers` did not find.
    booked, matches
        Of its `TransferKey`: all that is booked, and what was found.
    """
    taken = {event.balance_update_id for event in matches if event is not None}
    for event in booked:
        if event.balance_update_id in taken:
            continue
        log = read_log_index(event.log_index)
        # Old files lack the log of a settlement, and a transaction settles once.
        is_same_log = log == read_log_index(transfer.log_index) or (log is None and event.cause is transfer.cause)
        is_moved = None not in (event.block_number, transfer.block_number) and (
            event.block_number != transfer.block_number
        )
        if is_same_log or is_moved:
            return event
    return None
