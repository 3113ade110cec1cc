"""Find the first difference between the books and balances that were read outside, on a chain for example.

The journal contains how many tokens the wallet should hold after each event. Balances that were read on the chain, at
any times, are compared with it. Between the last balance that agrees and the first one that does not, something
happened that the books do not contain, or the books contain something that did not happen. The events of that time are
listed, and an event whose amount equals the difference is marked.

The wallet's balance of an asset consists of the cash, the tokens of positions, and both sides of loans (a debt is a
balance of debt tokens). The time of an event is when it happened on the chain: the execution of a trade, the block of a
deposit. The capital of a trade between its start and its outcome may be in the wallet or not: both readings are tried.
All orders of the events of one second are tried, too, because files do not record the order.
"""

import datetime
import enum
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ledger.entry import Account, AccountKind, Entry, EntryKind
from tradeexecutor.ledger.exact import ZERO, exact_arithmetic
from tradeexecutor.ledger.journal import Journal, derive, list_positions
from tradeexecutor.ledger.opening import has_known_opening
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.dust import get_dust_epsilon_for_asset, get_relative_epsilon_for_asset
from tradeexecutor.state.state import State

__all__ = [
    "Divergence",
    "ExpectedBalances",
    "Observation",
    "Step",
    "Suspicion",
    "WalletBooks",
    "find_divergence",
    "find_first_divergence",
    "is_explained",
]

_ONE_SECOND = datetime.timedelta(seconds=1)

#: Accounts whose tokens are in the wallet, and the sign that turns the balance of the account into a balance of tokens.
_IN_WALLET = {
    AccountKind.cash: 1,
    AccountKind.holding: 1,
    AccountKind.bridge_lent: 1,
    # The capital is spent when the trade is executed, not when it starts.
    AccountKind.in_flight: 1,
    AccountKind.collateral: 1,
    AccountKind.collateral_interest: 1,
    AccountKind.collateral_claimed: 1,
    AccountKind.debt: -1,
    AccountKind.debt_interest: -1,
    AccountKind.debt_repaid: -1,
}


@dataclass(frozen=True, slots=True)
class Observation:
    """A balance of an asset that was read outside the books.

    Attributes
    ----------
    time
        Naive UTC.
    amount
        Token units.
    block_number
        None when it is not known.
    source
        Where it was found, e.g. ``record 3``.
    """

    time: datetime.datetime
    amount: Decimal
    block_number: int | None = None
    source: str = ""


class Suspicion(enum.StrEnum):
    """How an event may explain the difference."""

    #: The balance moved as if it had not happened.
    did_not_happen = "did_not_happen"
    #: The balance moved as if it had happened twice.
    happened_twice = "happened_twice"
    #: It is the only event in between, and moved an amount that is not the one in the books.
    other_amount = "other_amount"


@dataclass(slots=True)
class Step:
    """An event that changes the expected balance.

    Attributes
    ----------
    entry
        Number in the journal.
    time
        When it happened on the chain, naive UTC.
    description
        Sentence for messages.
    change
        Change of the balance, token units.
    expected
        Expected balance afterwards, token units.
    trade_id, balance_update_id, position_id
        Trade, balance update and position of the event; None where there is none.
    suspicion
        None for an event that does not explain the difference.
    """

    entry: int
    time: datetime.datetime
    description: str
    change: Decimal
    expected: Decimal
    trade_id: int | None = None
    balance_update_id: int | None = None
    position_id: int | None = None
    suspicion: Suspicion | None = None


@dataclass(slots=True)
class Divergence:
    """The first observed balance that the books do not explain.

    Attributes
    ----------
    asset
        Asset of the balance.
    before
        Latest observation that agrees; None when the very first one does not.
    first
        First observation that does not agree.
    expected
        Expected balance at that time, token units.
    steps
        Events in between, in order.
    later
        How many observations after the first one are off by the same amount, by another amount, and not at all.
    """

    asset: AssetIdentifier
    before: Observation | None
    first: Observation
    expected: Decimal
    steps: list[Step] = field(default_factory=list[Step])
    later: tuple[int, int, int] = (0, 0, 0)

    @property
    def difference(self) -> Decimal:
        """Observed less expected balance, token units; positive when there is more than expected."""
        with exact_arithmetic():
            return self.first.amount - self.expected

    @property
    def suspects(self) -> list[Step]:
        """Events that explain the difference; several when they have the same amount."""
        return [step for step in self.steps if step.suspicion is not None]

    @property
    def first_step(self) -> Step | None:
        """The first event after which books and balances differ; None when nothing is booked in between."""
        suspects = self.suspects
        return suspects[0] if suspects else next(iter(self.steps), None)


class WalletBooks:
    """The balances that the wallet should hold, by asset and time.

    Parameters
    ----------
    state
        Only read.
    journal
        The journal of this state; it is derived when not given.
    """

    def __init__(self, state: State, journal: Journal | None = None):
        self._journal = journal = derive(state) if journal is None else journal
        self._update_times = _get_update_times(state)
        self._trade_times = _get_trade_times(state)
        outside = _list_positions_outside(state)
        self._accounts: dict[str, list[Account]] = {}
        for account in journal.movements:
            if account.kind in _IN_WALLET and account.position_id not in outside:
                self._accounts.setdefault(account.asset, []).append(account)
        self._openings: dict[str, Decimal] = {}
        for reserve in state.portfolio.reserves.values():
            if not has_known_opening(reserve):
                # The opening balance of the cash is not recorded: assume the one with which the books are right today.
                asset = reserve.asset.get_identifier()
                with exact_arithmetic():
                    self._openings[asset] = reserve.quantity - journal.get_balance(Account(AccountKind.cash, asset))

    def get_balances(self, asset: AssetIdentifier) -> "ExpectedBalances":
        """Return the expected balances of an asset."""
        identifier = asset.get_identifier()
        changes: dict[int, Decimal] = {}
        in_flight: dict[int, Decimal] = {}
        with exact_arithmetic():
            for account in self._accounts.get(identifier, ()):
                sign = _IN_WALLET[account.kind]
                for number, amount in self._journal.movements[account]:
                    changes[number] = changes.get(number, ZERO) + sign * amount
                    if account.kind is AccountKind.in_flight:
                        in_flight[number] = in_flight.get(number, ZERO) + amount
        entries = self._journal.entries
        times = {number: self._get_time(entries[number]) for number in changes}
        opening = self._openings.get(identifier, ZERO)
        steps = _run(entries, times, changes, opening)
        return ExpectedBalances(asset, opening, steps, _run(entries, times, in_flight, ZERO))

    def _get_time(self, entry: Entry) -> datetime.datetime:
        """Return when an entry happened on the chain, which is never later than its booking."""
        happened_at = None
        if entry.balance_update_id is not None:
            happened_at = self._update_times.get(entry.balance_update_id)
        elif entry.trade_id is not None:
            happened_at = self._trade_times.get((entry.trade_id, entry.kind))
        return entry.time if happened_at is None else min(happened_at, entry.time)


class ExpectedBalances:
    """The balance of an asset that the wallet should hold at any time; made by `WalletBooks`."""

    def __init__(self, asset: AssetIdentifier, opening: Decimal, steps: list[Step], in_flight: list[Step]):
        self.asset = asset
        self._opening = opening
        self._steps = steps
        self._in_flight = in_flight

    def get_steps(self, after: datetime.datetime | None = None, until: datetime.datetime | None = None) -> list[Step]:
        """Return the events that change the expected balance, each with the expected balance afterwards.

        Parameters
        ----------
        after, until
            Only events after the second of `after`, and up to the end of the second of `until`.
        """
        first = 0 if after is None else _count_until(self._steps, after)
        end = len(self._steps) if until is None else _count_until(self._steps, until)
        return [step for step in self._steps[first:end] if step.change]

    def get_expected(
        self, time: datetime.datetime, like: Decimal | None = None, held_now: Decimal | None = None
    ) -> Decimal:
        """Return the expected balance at a time, token units.

        Parameters
        ----------
        like
            When several readings are possible, the one that explains this amount is chosen.
        held_now
            Present balance, token units: compute backwards from it instead of forwards from the first entry. The
            results differ when the books do not add up.
        """
        with exact_arithmetic():
            shift = ZERO if held_now is None else held_now - self._get_held_now()
            plain = _get_level(self._steps, _count_until(self._steps, time), self._opening)
            if like is None:
                return plain + shift
            readings = (reading + shift for reading in (plain, *self._list_readings(time)))
            return next((reading for reading in readings if is_explained(self.asset, like, reading)), plain + shift)

    def _get_held_now(self) -> Decimal:
        """Return the expected balance after all entries, without capital in flight, token units."""
        in_flight = self._in_flight[-1].expected if self._in_flight else ZERO
        return (self._steps[-1].expected if self._steps else self._opening) - in_flight

    def _list_readings(self, time: datetime.datetime) -> Iterator[Decimal]:
        second = time.replace(microsecond=0)
        first = bisect_left(self._steps, second, key=_time_of)
        start = bisect_left(self._in_flight, second, key=_time_of)
        levels = {ZERO} | {
            _get_level(self._in_flight, place, ZERO) for place in range(start, _count_until(self._in_flight, time) + 1)
        }
        for place in range(first, _count_until(self._steps, time) + 1):
            balance = _get_level(self._steps, place, self._opening)
            for level in levels:
                yield balance - level


def find_divergence(
    books: WalletBooks, asset: AssetIdentifier, observations: Sequence[Observation]
) -> Divergence | None:
    """Return the first balance of an asset that the books do not explain; None when they explain all.

    Differences up to `get_dust_epsilon_for_asset` are ignored. For tokens that earn interest, so is the interest
    between two bookings.

    Parameters
    ----------
    observations
        In order of time.
    """
    expectation = books.get_balances(asset)
    before: Observation | None = None
    since: datetime.datetime | None = None
    for number, observation in enumerate(observations):
        expected = expectation.get_expected(observation.time, observation.amount)
        if is_explained(asset, observation.amount, expected):
            before = observation
            # Events of the same second may have come after it.
            is_plain = is_explained(asset, observation.amount, expectation.get_expected(observation.time))
            since = observation.time if is_plain else observation.time - _ONE_SECOND
            continue
        found = Divergence(asset, before, observation, expected)
        found.steps = expectation.get_steps(since, observation.time)
        _suspect(found)
        found.later = _count_later(expectation, found.difference, observations[number + 1 :])
        return found
    return None


def find_first_divergence(
    state: State, observations: Mapping[AssetIdentifier, Sequence[Observation]]
) -> list[Divergence]:
    """Return the first divergence of each asset that has one, earliest first; see `find_divergence`."""
    books = WalletBooks(state)
    found = (find_divergence(books, asset, items) for asset, items in observations.items())
    return sorted(
        (item for item in found if item is not None),
        key=lambda item: (item.first.time, item.asset.chain_id, item.asset.address),
    )


def is_explained(asset: AssetIdentifier, amount: Decimal, expected: Decimal) -> bool:
    """Return whether a balance equals the expected one, up to dust."""
    with exact_arithmetic():
        difference = abs(amount - expected)
        limit = Decimal(get_dust_epsilon_for_asset(asset))
        if asset.is_interest_accruing():
            limit = max(limit, abs(amount) * Decimal(get_relative_epsilon_for_asset(asset)))
    return difference <= limit


def _suspect(found: Divergence) -> None:
    """Mark the events whose amount equals the difference."""
    asset, difference = found.asset, found.difference
    if len(found.steps) == 1 and found.before is not None:
        found.steps[0].suspicion = Suspicion.other_amount
    for step in found.steps:
        if is_explained(asset, difference, -step.change):
            step.suspicion = Suspicion.did_not_happen
        elif is_explained(asset, difference, step.change):
            step.suspicion = Suspicion.happened_twice


def _count_later(
    expectation: ExpectedBalances, difference: Decimal, observations: Sequence[Observation]
) -> tuple[int, int, int]:
    same = other = fine = 0
    for item in observations:
        with exact_arithmetic():
            shifted = item.amount - difference
        if is_explained(expectation.asset, item.amount, expectation.get_expected(item.time, item.amount)):
            fine += 1
        elif is_explained(expectation.asset, shifted, expectation.get_expected(item.time, shifted)):
            same += 1
        else:
            other += 1
    return same, other, fine


# --- Inside


def _list_positions_outside(state: State) -> set[int | None]:
    """Return the ids of positions whose tokens are not in the wallet."""
    return {
        position.position_id
        for position in list_positions(state)
        if position.pair.kind.is_exchange_account() or position.pair.is_hyperliquid_vault()
    }


def _get_update_times(state: State) -> dict[int, datetime.datetime]:
    """Return the time of the block of each balance update, by id; the journal contains the time of booking."""
    tables = [position.balance_updates for position in list_positions(state)]
    tables += [reserve.balance_updates for reserve in state.portfolio.reserves.values()]
    return {
        number: event.block_mined_at
        for table in tables
        for number, event in table.items()
        if event.block_mined_at is not None  # pyright: ignore[reportUnnecessaryComparison]
    }


def _get_trade_times(state: State) -> dict[tuple[int, EntryKind], datetime.datetime]:
    """Return the time of the block in which the tokens of each trade moved.

    The journal contains the start of the trade when that is later, because it has no effect before its cause. The clock
    of a machine and that of a chain differ by seconds, and the balance of that block contains the trade.
    """
    times: dict[tuple[int, EntryKind], datetime.datetime] = {}
    for position in list_positions(state):
        for trade in position.trades.values():
            if trade.executed_at is not None:
                times[trade.trade_id, EntryKind.trade_succeeded] = trade.executed_at
            if trade.vault_settlement_pending_at is not None:
                times[trade.trade_id, EntryKind.settlement_pending] = trade.vault_settlement_pending_at
    return times


def _run(
    entries: Sequence[Entry],
    times: Mapping[int, datetime.datetime],
    changes: Mapping[int, Decimal],
    opening: Decimal,
) -> list[Step]:
    """Return the changes in the order in which they happened, with the balance after each."""
    steps: list[Step] = []
    balance = opening
    with exact_arithmetic():
        for number in sorted(changes, key=lambda number: (times[number], number)):
            balance += changes[number]
            entry = entries[number]
            steps.append(
                Step(
                    number, times[number], entry.description, changes[number], balance,
                    entry.trade_id, entry.balance_update_id, entry.position_id,
                )
            )  # fmt: skip
    return steps


def _time_of(step: Step) -> datetime.datetime:
    return step.time


def _count_until(steps: Sequence[Step], time: datetime.datetime) -> int:
    """Return how many steps happened up to the end of the second that contains `time`."""
    second = time.replace(microsecond=0)
    if second > datetime.datetime.max - _ONE_SECOND:
        return len(steps)
    return bisect_right(steps, second + _ONE_SECOND - datetime.timedelta(microseconds=1), key=_time_of)


def _get_level(steps: Sequence[Step], place: int, opening: Decimal) -> Decimal:
    return steps[place - 1].expected if place else opening
