"""Comparison of a recorded balance with the derived one, along the journal."""

import datetime
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ledger.checkpoints import Checkpoint
from tradeexecutor.ledger.exact import ZERO, get_rounding_limit, is_snapped_to_zero
from tradeexecutor.ledger.journal import Journal, Movement
from tradeexecutor.ledger.recorded import Recorded

__all__ = ["DifferenceChange", "Timeline"]

#: Times in many files are whole seconds, so the order of the entries of one second is not recorded.
_ONE_SECOND = datetime.timedelta(seconds=1)


@dataclass(slots=True)
class DifferenceChange:
    """A change of the difference between recorded and derived balance.

    Attributes
    ----------
    before
        Latest checkpoint that still had the previous difference; None when there is no earlier checkpoint.
    after
        First checkpoint that has another difference.
    amount
        Change of the recorded balance that is not in the journal, token units.
    level_before, level_after
        Difference before and after: recorded less derived, token units.
    opening
        The part of both levels that is an opening balance which the file does not contain, token units.
    tolerance
        The largest error of `amount`, token units.
    """

    before: Checkpoint | None
    after: Checkpoint
    amount: Decimal
    level_before: Decimal
    level_after: Decimal
    opening: Decimal
    tolerance: Decimal

    @property
    def is_recovery(self) -> bool:
        """Whether the recorded balance agrees with the journal afterwards."""
        return abs(self.level_after - self.opening) <= self.tolerance

    @property
    def first(self) -> int:
        """Number of the first entry between the two checkpoints."""
        return 0 if self.before is None else self.before.place

    @property
    def end(self) -> int:
        """Number of the entry after the last one between them."""
        return self.after.place


class Timeline:
    """Derived balance of one recorded figure after each entry that changes it.

    It is made and asked inside `exact_arithmetic`, which is entered once for all balances of a proof.

    Attributes
    ----------
    derived
        Final balance, with the sign of the recorded figure, token units.
    limit
        The largest rounding error of the recorded figure, token units.
    movements
        Movements of its accounts, in order.
    difference
        Recorded balance less the derived one, token units; None if the file does not contain the figure.
    checkpoints
        The earlier values of the figure and its present one.
    """

    __slots__ = (
        "_balances",
        "_numbers",
        "checkpoints",
        "derived",
        "difference",
        "journal",
        "limit",
        "movements",
        "recorded",
    )

    def __init__(self, journal: Journal, recorded: Recorded):
        self.journal = journal
        self.recorded = recorded
        sign = recorded.sign
        self.movements: list[Movement] = journal.get_movements(recorded.accounts)
        self._numbers: list[int] = [number for number, _ in self.movements]
        self._balances: list[Decimal] = []
        balance = largest = ZERO
        for _, amount in self.movements:
            balance += amount if sign > 0 else -amount
            self._balances.append(balance)
            size = abs(amount)
            if size > largest:
                largest = size
            size = abs(balance)
            if size > largest:
                largest = size
        for account in recorded.related:
            for _, amount in journal.movements.get(account, ()):
                largest = max(largest, abs(amount))
        if recorded.amount is not None:
            largest = max(largest, abs(recorded.amount))
        self.derived = balance
        self.limit = get_rounding_limit(len(self.movements), largest)
        self.difference = None if recorded.amount is None else recorded.amount - balance
        self.checkpoints = self._list_checkpoints()

    def get_balance(self, place: int) -> Decimal:
        """Return the derived balance before the entry with the given number, token units."""
        index = bisect_left(self._numbers, place)
        return self._balances[index - 1] if index else ZERO

    def find_lowest(self) -> tuple[Decimal, int]:
        """Return the lowest balance at the end of a second, and the number of the entry after which it was reached.

        The order of entries within a second is not certain, so balances inside a second are ignored. Zero is returned
        for a balance that was never negative.
        """
        lowest, where = ZERO, 0
        entries, numbers = self.journal.entries, self._numbers
        for index, balance in enumerate(self._balances):
            if balance >= lowest:
                continue
            following = entries[numbers[index + 1]].time if index + 1 < len(numbers) else None
            when = entries[numbers[index]].time
            if following is None or following.replace(microsecond=0) != when.replace(microsecond=0):
                lowest, where = balance, numbers[index]
        return lowest, where

    def get_movements(self, first: int, end: int | None = None) -> Iterator[Movement]:
        """Yield the movements from entry `first` on, before entry `end`."""
        for index in range(bisect_left(self._numbers, first), len(self.movements)):
            movement = self.movements[index]
            if end is not None and movement[0] >= end:
                return
            yield movement

    def find_changes(self) -> list[DifferenceChange]:
        """Return where the difference between recorded and derived balance changed.

        When the opening balance is not recorded, the first checkpoint determines it.
        """
        is_single = len(self.checkpoints) == 1 and self.recorded.is_opening_known
        if is_single and self.difference is not None and abs(self.difference) <= self.limit:
            return []  # nearly all closed positions: nothing but the balance as it is now, and it agrees
        return list(self._iterate_changes())

    def _iterate_changes(self) -> Iterator[DifferenceChange]:
        recorded = self.recorded
        level = opening = level_tolerance = opening_tolerance = ZERO
        is_level_known = recorded.is_opening_known
        before: Checkpoint | None = None
        for checkpoint in self.checkpoints:
            tolerance = self.limit + checkpoint.tolerance
            difference = checkpoint.amount - self.get_balance(checkpoint.place)
            if not is_level_known:
                is_level_known = True
                if not any(abs(reading) <= tolerance for reading in self._list_readings(checkpoint, difference)):
                    level = opening = difference
                    level_tolerance = opening_tolerance = checkpoint.tolerance
                before = checkpoint
                continue
            allowed = tolerance + level_tolerance
            allowed_opening = tolerance + opening_tolerance
            agreeing = None
            # The nominal order comes first: it may show that the balance agrees again. Then other orders.
            if abs(difference - level) <= allowed or abs(difference - opening) > allowed_opening:
                agreeing = self._choose_agreeing(checkpoint, difference, level, allowed)
            if agreeing is None:
                back = self._choose_agreeing(checkpoint, difference, opening, allowed_opening)
                difference = difference if back is None else back
                yield DifferenceChange(before, checkpoint, difference - level, level, difference, opening, allowed)
                level, level_tolerance = difference, checkpoint.tolerance
            elif not checkpoint.tolerance:
                level_tolerance = ZERO
                # An exact balance gives the level more precisely than a sample does.
                if not recorded.is_opening_known or level:
                    level = agreeing
            before = checkpoint

    def _list_checkpoints(self) -> list[Checkpoint]:
        recorded = self.recorded
        checkpoints = list(recorded.checkpoints)
        if recorded.amount is not None:
            checkpoints.append(Checkpoint(len(self.journal.entries), None, "the balance as it is now", recorded.amount))
        return checkpoints

    def _choose_agreeing(
        self, checkpoint: Checkpoint, difference: Decimal, level: Decimal, allowed: Decimal
    ) -> Decimal | None:
        """Return the difference for the first order of entries that keeps the level; None when no order does."""
        for candidate in self._list_readings(checkpoint, difference):
            if abs(candidate - level) <= allowed:
                return candidate
        derived = checkpoint.amount - difference
        return level if is_snapped_to_zero(checkpoint.amount, derived + level) else None

    def _list_readings(self, checkpoint: Checkpoint, difference: Decimal) -> Iterator[Decimal]:
        """Yield the difference for each order of entries that the checkpoint allows."""
        yield difference
        if checkpoint.may_be_after and checkpoint.event_quantity:
            yield difference - checkpoint.event_quantity
        when = checkpoint.time
        if when is None:
            return
        entries = self.journal.entries
        second = when.replace(microsecond=0)
        start = bisect_left(self._numbers, checkpoint.place)
        sign = self.recorded.sign
        shifted = difference
        for index in range(start, len(self._numbers)):
            number, amount = self.movements[index]
            is_later = checkpoint.is_order_known or entries[number].time >= second + _ONE_SECOND
            if number >= checkpoint.until and is_later:
                break
            if checkpoint.event_quantity is not None and number == checkpoint.place:
                continue  # this is the change of the checkpoint's own event
            shifted -= sign * amount
            yield shifted
        if checkpoint.is_order_known:
            return
        shifted = difference
        of_trades: defaultdict[int, Decimal] = defaultdict(Decimal)
        for index in range(start - 1, -1, -1):
            entry = entries[self._numbers[index]]
            if entry.time < second:
                break
            amount = sign * self.movements[index][1]
            shifted += amount
            yield shifted
            of_trades[entry.trade_id or 0] += amount
        # Above, starts come before outcomes. Trades may also have run one after another, with the sample between them.
        shifted = difference
        for trade_id in sorted(of_trades, reverse=True):
            shifted += of_trades[trade_id]
            yield shifted
