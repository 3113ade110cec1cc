"""The entries of a journal under construction, and the order that they have.

Order of entries: by time, then by `Rank`, then by the number of the balance update or trade. The rank follows the steps
of a cycle: deposits are booked before the strategy decides, and a trade starts before it has an outcome. When times are
whole seconds, the recorded balances (`BalanceUpdate.old_balance`) agree with this order.
"""

import datetime
import enum
import functools
from collections.abc import Callable, Iterable
from decimal import Decimal

from tradeexecutor.ledger.entry import Account, AccountKind, Entry, EntryKind, Posting
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["Book", "Key", "Rank", "get_event_time"]

#: A live program books an event within this time after it happened. An event that was created later is from a
#: simulation.
_BOOKING_DELAY = datetime.timedelta(days=1)


#: `Posting._make` without its check of the length, which would take longer than the rest of it.
_make_posting: Callable[[tuple[Account, Decimal]], Posting] = functools.partial(tuple.__new__, Posting)  # pyright: ignore[reportUnknownMemberType]


class Rank(enum.IntEnum):
    """Order of entries that have the same time: the lower rank comes first."""

    opening = 0
    balance_update = 1
    start = 2
    waiting = 3
    outcome = 4
    repair = 5
    close = 6


#: Time, rank, and number of the balance update or trade.
Key = tuple[datetime.datetime, int, int]


def get_event_time(event: BalanceUpdate) -> datetime.datetime:
    """Return when a balance update was booked, naive UTC.

    This is the time at which it was created. A simulation creates events long after their simulated time: for such an
    event, the time of the cycle that booked it is returned, or the time of the block.
    """
    included_at = event.strategy_cycle_included_at or event.block_mined_at
    created_at = event.created_at
    if created_at is not None and included_at <= created_at <= included_at + _BOOKING_DELAY:  # pyright: ignore[reportUnnecessaryComparison]
        return created_at
    return included_at


class Book:
    """Entries under construction.

    Attributes
    ----------
    entries
        Pairs of the sort key and the entry.
    assets
        Every asset that occurs, by identifier.
    """

    def __init__(self, state: State):
        self.entries: list[tuple[Key, Entry]] = []
        self.assets: dict[str, AssetIdentifier] = {}
        self._accounts: dict[tuple[AccountKind, int, int | None], Account] = {}
        self._kept: list[AssetIdentifier] = []
        self._bridges: dict[int, list[TradingPosition]] = {}
        for table in state.portfolio.get_position_tables():
            for position in table.values():
                if position.pair.kind.is_cctp_bridge():
                    self._bridges.setdefault(position.pair.base.chain_id, []).append(position)
        for bridges in self._bridges.values():
            bridges.sort(key=lambda position: (position.opened_at, position.position_id))

    # --- Accounts

    def get_account(self, kind: AccountKind, asset: AssetIdentifier, position_id: int | None = None) -> Account:
        """Return the account of an asset, and add the asset to `assets`."""
        # Trades share their asset objects, so there are few. Computing the identifier at each call would be slow.
        key = kind, id(asset), position_id
        account = self._accounts.get(key)
        if account is None:
            identifier = asset.get_identifier()
            self._accounts[key] = account = Account(kind, identifier, position_id)
            self._kept.append(asset)  # as long as the object exists, no other object has the same id()
            self.assets.setdefault(identifier, asset)
        return account

    def find_bridge(self, trade: TradeExecution, when: datetime.datetime) -> TradingPosition | None:
        """Return the bridge position that has capital on the trade's chain: the latest one opened until `when`."""
        found = None
        for position in self._bridges.get(trade.pair.base.chain_id, ()):
            if position.opened_at <= when:
                found = position
        return found

    # --- Entries

    def record(
        self,
        key: Key,
        kind: EntryKind,
        description: str,
        postings: Iterable[tuple[Account, Decimal]],
        *,
        trade_id: int | None = None,
        position_id: int | None = None,
        balance_update_id: int | None = None,
    ) -> None:
        """Add an entry. Postings of zero are left out; an entry without other postings is not added."""
        moved = tuple([_make_posting(posting) for posting in postings if posting[1]])
        if moved:
            entry = Entry(key[0], kind, description, moved, trade_id, position_id, balance_update_id)
            self.entries.append((key, entry))
