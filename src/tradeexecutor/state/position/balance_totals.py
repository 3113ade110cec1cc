"""The balance events of a position, with running sums, so that a loan of many years answers as fast as a new one.

A loan gets an interest event every few hours.  `BalanceUpdateTable` adds up all events but the last few once, in
total, per asset, and the interest among them per asset.  It follows changes as
:mod:`tradeexecutor.state.codec.watched_dict` describes: assigning to the quantity, asset or cause of an event that
has been added up, or changing the table other than by appending, makes it add up anew when it is next asked.  An
asset must not change its address.

Sums run left to right in the order of the table whether they are kept or made anew, so both ways give the same
digits.  A plain dictionary works as well, only slower.
"""

from decimal import Decimal
from itertools import islice

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL, ensure_exact_zero, sum_decimal
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.codec.watched_dict import Sealed, Table, WatchedTable, seal
from tradeexecutor.state.identifier import AssetIdentifier

_INTEREST = BalanceUpdateCause.interest

#: So many events at the end of the table are looked at every time: fewer than this are not worth adding up.
_MAX_REST = 8


class _Sums:
    """Sums of the first `count` events, token units."""

    __slots__ = ("by_asset", "count", "interest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = ZERO_DECIMAL
        self.by_asset: dict[AssetIdentifier, Decimal] = {}
        self.interest: dict[AssetIdentifier, Decimal] = {}

    def add(self, event: BalanceUpdate) -> None:
        """Add one more event."""
        quantity, asset = event.quantity, event.asset
        self.by_asset[asset] = self.by_asset.get(asset, ZERO_DECIMAL) + quantity
        if event.cause is _INTEREST:
            self.interest[asset] = self.interest.get(asset, ZERO_DECIMAL) + quantity
        self.total += quantity
        self.count += 1


class BalanceUpdateTable(Table[int, BalanceUpdate]):
    """Event id -> event, in order of booking."""

    __slots__ = ("_sums",)

    #: Set when the table becomes watched.
    _sums: _Sums

    def start_watching(self) -> None:
        """Start with nothing added up."""
        self._sums = _Sums()

    def on_removed(self, key: int, entry: BalanceUpdate) -> None:
        """Add up anew."""
        self._sums = _Sums()

    def on_unsealed(self, entry: BalanceUpdate) -> None:
        """Add up anew."""
        self._sums = _Sums()

    def on_changed(self) -> None:
        """Add up anew."""
        self._sums = _Sums()

    def _add_up(self) -> tuple[_Sums, list[BalanceUpdate]]:
        """Return sums of the events at the beginning, and the events after them."""
        self.watch()
        sums = self._sums
        rest = list(islice(reversed(self.values()), len(self) - sums.count))
        rest.reverse()
        if len(rest) < _MAX_REST:
            return sums, rest
        for position, event in enumerate(rest):
            if not seal(event, self, event.balance_update_id, _SealedBalanceUpdate):
                return sums, rest[position:]
            sums.add(event)
        return sums, []

    def sum_all(self) -> Decimal:
        """Return the sum of all events, whatever their asset."""
        sums, rest = self._add_up()
        return sum((event.quantity for event in rest), sums.total)

    def sum_asset(self, asset: AssetIdentifier) -> Decimal:
        """Return the sum of the events in one asset."""
        sums, rest = self._add_up()
        total = sums.by_asset.get(asset, ZERO_DECIMAL)
        return sum((event.quantity for event in rest if event.asset == asset), total)

    def sum_interest(self, asset: AssetIdentifier) -> Decimal:
        """Return the sum of the interest events in one asset."""
        sums, rest = self._add_up()
        total = sums.interest.get(asset, ZERO_DECIMAL)
        return sum((event.quantity for event in rest if event.cause is _INTEREST and event.asset == asset), total)


class _WatchedBalanceUpdateTable(WatchedTable[int, BalanceUpdate], BalanceUpdateTable):
    __slots__ = ()


BalanceUpdateTable.plain_class, BalanceUpdateTable.watched_class = BalanceUpdateTable, _WatchedBalanceUpdateTable


class _SealedBalanceUpdate(Sealed, BalanceUpdate):
    __slots__ = ()

    plain_class = BalanceUpdate
    watched_fields = frozenset({"asset", "cause", "quantity"})


def sum_balance_updates(events: dict[int, BalanceUpdate]) -> Decimal:
    """Return the sum of all events, token units; closer to zero than the rounding error of a sum is zero."""
    if len(events) >= _MAX_REST and isinstance(events, BalanceUpdateTable):
        return ensure_exact_zero(events.sum_all())
    return sum_decimal(event.quantity for event in events.values())


def sum_balance_updates_of_asset(events: dict[int, BalanceUpdate], asset: AssetIdentifier) -> Decimal:
    """Return the sum of the events in one asset, like `sum_balance_updates`."""
    if len(events) >= _MAX_REST and isinstance(events, BalanceUpdateTable):
        return ensure_exact_zero(events.sum_asset(asset))
    return sum_decimal(event.quantity for event in events.values() if event.asset == asset)


def sum_interest(events: dict[int, BalanceUpdate], asset: AssetIdentifier) -> Decimal:
    """Return the sum of the interest events in one asset, like `sum_balance_updates`."""
    if len(events) >= _MAX_REST and isinstance(events, BalanceUpdateTable):
        return ensure_exact_zero(events.sum_interest(asset))
    return sum_decimal(event.quantity for event in events.values() if event.cause is _INTEREST and event.asset == asset)
