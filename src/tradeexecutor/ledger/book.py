"""Collecting entries while a journal is derived.

Order of entries: by time, then by `Rank`, then by the number of the balance update or trade.  The rank follows how a
cycle works: money that came in is booked before the strategy decides, trades start before they have an outcome.  That
is the order in which recorded balances (`BalanceUpdate.old_balance`) agree where times are whole seconds.
"""

import datetime
import enum
from collections.abc import Iterable
from decimal import Decimal

from tradeexecutor.ledger.entry import Account, AccountKind, Entry, EntryKind, Posting
from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["Book", "Key", "Rank", "get_event_time"]

#: An event is booked soon after it happened; a later time of creation is that of a simulation.
_BOOKING_DELAY = datetime.timedelta(days=1)


_make_posting = Posting._make


class Rank(enum.IntEnum):
    """What comes first among entries of the same time."""

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
    """Return when a balance update was booked.

    That is when it was created.  Simulations create events long after their simulated time: then it is the cycle
    that took the event in, or the block.
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
        With their place in the order.
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
        """Return an account of an asset, and remember the asset."""
        # Trades share their assets, so the objects are few; asking them for their identifier each time is slow.
        key = kind, id(asset), position_id
        account = self._accounts.get(key)
        if account is None:
            identifier = asset.get_identifier()
            self._accounts[key] = account = Account(kind, identifier, position_id)
            self._kept.append(asset)  # so that no other object gets its id
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
        """Add an entry; amounts of zero are left out, and so is an entry that moves nothing."""
        moved = tuple([_make_posting(posting) for posting in postings if posting[1]])
        if moved:
            entry = Entry(key[0], kind, description, moved, trade_id, position_id, balance_update_id)
            self.entries.append((key, entry))
