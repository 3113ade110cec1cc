"""The balance events of a position, with running sums, so that a loan of many years is as fast as a new one.

A loan gets an interest event every few hours. `BalanceUpdatesById` adds up all events except the last few once: in
total, per asset, and the interest per asset. An event that has been added up is attached to the table, see
:mod:`tradeexecutor.state.codec.watched_record`. The sums are therefore recomputed after an assignment to its quantity,
asset or cause, and after any change of the table except a new event at its end. The address of an asset must stay.

Events are always added in the order of the table, so cached and recomputed sums have the same digits. A plain
dictionary works as well, but is slower.
"""

from decimal import Decimal
from itertools import islice

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL, ensure_exact_zero, sum_decimal
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.codec.watched_dict import WatchedDict
from tradeexecutor.state.identifier import AssetIdentifier

_INTEREST = BalanceUpdateCause.interest

#: While fewer events than this at the end of a table are not in the cached sums, they are added on every call.
UNCOUNTED_EVENTS = 8


class _Sums:
    """Sums of the first `count` events, token units."""

    __slots__ = ("by_asset", "count", "interest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = ZERO_DECIMAL
        self.by_asset: dict[AssetIdentifier, Decimal] = {}
        self.interest: dict[AssetIdentifier, Decimal] = {}

    def add(self, event: BalanceUpdate) -> None:
        """Add the next event to the sums."""
        quantity, asset = event.quantity, event.asset
        self.by_asset[asset] = self.by_asset.get(asset, ZERO_DECIMAL) + quantity
        if event.cause is _INTEREST:
            self.interest[asset] = self.interest.get(asset, ZERO_DECIMAL) + quantity
        self.total += quantity
        self.count += 1


class BalanceUpdatesById(WatchedDict[int, BalanceUpdate]):
    """Event id -> event, in order of booking."""

    #: Set when the dictionary becomes watched.
    _sums: _Sums

    def start_watching(self) -> None:
        """Start with empty sums."""
        self._sums = _Sums()

    def on_removed(self, key: int, entry: BalanceUpdate) -> None:
        """Discard the cached sums and notify the listeners."""
        self._sums = _Sums()
        super().on_removed(key, entry)

    def on_entry_changed(self, entry: BalanceUpdate) -> None:
        """Discard the cached sums and notify the listeners."""
        self._sums = _Sums()
        super().on_entry_changed(entry)

    def on_changed(self) -> None:
        """Discard the cached sums and notify the listeners."""
        self._sums = _Sums()
        super().on_changed()

    def _add_up(self) -> tuple[_Sums, list[BalanceUpdate]]:
        """Return the cached sums of the first events, and the events that are not in them."""
        self.watch()
        sums = self._sums
        rest = list(islice(reversed(self.values()), len(self) - sums.count))
        rest.reverse()
        if len(rest) < UNCOUNTED_EVENTS:
            return sums, rest
        for position, event in enumerate(rest):
            if not event.attach(self, event.balance_update_id):
                return sums, rest[position:]
            sums.add(event)
        return sums, []

    def sum_all(self) -> Decimal:
        """Return the sum of the events in all assets, token units."""
        sums, rest = self._add_up()
        return sum((event.quantity for event in rest), sums.total)

    def sum_asset(self, asset: AssetIdentifier) -> Decimal:
        """Return the sum of the events in one asset, token units."""
        sums, rest = self._add_up()
        total = sums.by_asset.get(asset, ZERO_DECIMAL)
        return sum((event.quantity for event in rest if event.asset == asset), total)

    def sum_interest(self, asset: AssetIdentifier) -> Decimal:
        """Return the sum of the interest events in one asset, token units."""
        sums, rest = self._add_up()
        total = sums.interest.get(asset, ZERO_DECIMAL)
        return sum((event.quantity for event in rest if event.cause is _INTEREST and event.asset == asset), total)


def sum_balance_updates(events: dict[int, BalanceUpdate]) -> Decimal:
    """Return the sum of all events, token units; a sum within the rounding error of zero is returned as zero."""
    if len(events) >= UNCOUNTED_EVENTS and isinstance(events, BalanceUpdatesById):
        return ensure_exact_zero(events.sum_all())
    return sum_decimal(event.quantity for event in events.values())


def add_balance_updates_of_asset(events: dict[int, BalanceUpdate], asset: AssetIdentifier) -> Decimal:
    """Return the exact sum of the events in one asset, token units."""
    if len(events) >= UNCOUNTED_EVENTS and isinstance(events, BalanceUpdatesById):
        return events.sum_asset(asset)
    return sum((event.quantity for event in events.values() if event.asset == asset), ZERO_DECIMAL)


def sum_balance_updates_of_asset(events: dict[int, BalanceUpdate], asset: AssetIdentifier) -> Decimal:
    """Return the sum of the events in one asset, token units, like `sum_balance_updates`."""
    return ensure_exact_zero(add_balance_updates_of_asset(events, asset))


def sum_interest(events: dict[int, BalanceUpdate], asset: AssetIdentifier) -> Decimal:
    """Return the sum of the interest events in one asset, token units, like `sum_balance_updates`."""
    if len(events) >= UNCOUNTED_EVENTS and isinstance(events, BalanceUpdatesById):
        return ensure_exact_zero(events.sum_interest(asset))
    return sum_decimal(event.quantity for event in events.values() if event.cause is _INTEREST and event.asset == asset)
