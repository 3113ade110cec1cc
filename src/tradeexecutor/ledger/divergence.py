"""Where the books and balances that were read outside differ for the first time.

The journal says which tokens the wallet should hold after each event.  Balances that were read on the chain, at any
times, are held against it.  Between the last one that agrees and the first one that does not, something happened that
the books do not have, or the books have something that did not happen: the events of that time are listed, and the one
whose amount is the difference is named.

What the wallet holds of an asset is the cash, what positions hold, and both sides of loans (a debt is a balance of debt
tokens).  The time of an event is when it happened on the chain: execution of a trade, block of a deposit.  Capital of
trades between start and outcome is in the wallet or is not: both readings are tried.  So are all orders of events of
one second, which files do not tell apart.
"""

import datetime
import enum
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ledger.entry import Account, AccountKind, Entry
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

#: Accounts whose tokens are in the wallet, and the sign that makes a balance of tokens of them.
_IN_WALLET = {
    AccountKind.cash: 1,
    AccountKind.holding: 1,
    AccountKind.bridge_lent: 1,
    # Spent when the trade is executed, not when it starts.
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
    """What was held of an asset.

    Attributes
    ----------
    time
        Naive UTC.
    amount
        Token units.
    block_number
        None when it is not known.
    source
        Where it stands, e.g. ``record 3``.
    """

    time: datetime.datetime
    amount: Decimal
    block_number: int | None = None
    source: str = ""


class Suspicion(enum.StrEnum):
    """What an event is suspected of."""

    #: The balance moved as if it had not happened.
    did_not_happen = "did_not_happen"
    #: The balance moved as if it had happened twice.
    happened_twice = "happened_twice"
    #: It is the only event in between, and moved another amount than the books have.
    other_amount = "other_amount"


@dataclass(slots=True)
class Step:
    """An event that changes what should be held.

    Attributes
    ----------
    entry
        Number in the journal.
    time
        When it happened on the chain, naive UTC.
    description
        For people.
    change
        Token units.
    expected
        What should be held afterwards, token units.
    trade_id, balance_update_id, position_id
        What it is about.
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
    """The first balance that the books do not explain.

    Attributes
    ----------
    asset
        Of which asset.
    before
        Latest balance that agrees; None when already the first one does not.
    first
        First balance that does not.
    expected
        What should have been held then, token units.
    steps
        What happened in between, in order.
    later
        Balances after the first one that are off by the same amount, by another amount, and not at all.
    """

    asset: AssetIdentifier
    before: Observation | None
    first: Observation
    expected: Decimal
    steps: list[Step] = field(default_factory=list[Step])
    later: tuple[int, int, int] = (0, 0, 0)

    @property
    def difference(self) -> Decimal:
        """What is held beyond (+) or short of (-) what should be, token units."""
        with exact_arithmetic():
            return self.first.amount - self.expected

    @property
    def suspects(self) -> list[Step]:
        """Events that explain the difference; several when their amounts are the same."""
        return [step for step in self.steps if step.suspicion is not None]

    @property
    def first_step(self) -> Step | None:
        """The first event after which books and balances differ; None when nothing is booked in between."""
        suspects = self.suspects
        return suspects[0] if suspects else next(iter(self.steps), None)


class WalletBooks:
    """What the wallet should hold, by asset and time.

    Parameters
    ----------
    state
        Only read.
    journal
        Of this state; derived when not given.
    """

    def __init__(self, state: State, journal: Journal | None = None):
        self._journal = journal = derive(state) if journal is None else journal
        self._happened_at = _get_block_times(state)
        outside = _list_positions_outside(state)
        self._accounts: dict[str, list[Account]] = {}
        for account in journal.movements:
            if account.kind in _IN_WALLET and account.position_id not in outside:
                self._accounts.setdefault(account.asset, []).append(account)
        self._openings: dict[str, Decimal] = {}
        for reserve in state.portfolio.reserves.values():
            if not has_known_opening(reserve):
                # What the cash began with is recorded nowhere: as much as makes the books right today.
                asset = reserve.asset.get_identifier()
                with exact_arithmetic():
                    self._openings[asset] = reserve.quantity - journal.get_balance(Account(AccountKind.cash, asset))

    def get_balances(self, asset: AssetIdentifier) -> "ExpectedBalances":
        """Return what should be held of an asset."""
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
        times = {number: _get_time(entries[number], self._happened_at) for number in changes}
        opening = self._openings.get(identifier, ZERO)
        steps = _run(entries, times, changes, opening)
        return ExpectedBalances(asset, opening, steps, _run(entries, times, in_flight, ZERO))


class ExpectedBalances:
    """What the wallet should hold of an asset, at any time; made by `WalletBooks`."""

    def __init__(self, asset: AssetIdentifier, opening: Decimal, steps: list[Step], in_flight: list[Step]):
        self.asset = asset
        self._opening = opening
        self._steps = steps
        self._in_flight = in_flight

    def get_steps(self, after: datetime.datetime | None = None, until: datetime.datetime | None = None) -> list[Step]:
        """Return the events that change what should be held, with what should be held afterwards.

        Parameters
        ----------
        after, until
            Only events after the second of the first time, and up to the second of the other.
        """
        first = 0 if after is None else _count_until(self._steps, after)
        end = len(self._steps) if until is None else _count_until(self._steps, until)
        return [step for step in self._steps[first:end] if step.change]

    def get_expected(
        self, time: datetime.datetime, like: Decimal | None = None, held_now: Decimal | None = None
    ) -> Decimal:
        """Return what should be held at a time, token units.

        Parameters
        ----------
        like
            Where several readings are possible, choose one that explains this amount.
        held_now
            Go back from this instead of forward from the first entry.  The two differ when the books do not add up.
        """
        with exact_arithmetic():
            shift = ZERO if held_now is None else held_now - self._get_held_now()
            plain = _get_level(self._steps, _count_until(self._steps, time), self._opening)
            if like is None:
                return plain + shift
            readings = (reading + shift for reading in (plain, *self._list_readings(time)))
            return next((reading for reading in readings if is_explained(self.asset, like, reading)), plain + shift)

    def _get_held_now(self) -> Decimal:
        """Return what the state should hold after all entries: without capital in flight."""
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

    Rounding dust is passed over (`get_dust_epsilon_for_asset`), with tokens that earn interest also the drift between
    two bookings of it.

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
    """Tell whether a balance is what it should be, but for dust."""
    with exact_arithmetic():
        difference = abs(amount - expected)
        limit = Decimal(get_dust_epsilon_for_asset(asset))
        if asset.is_interest_accruing():
            limit = max(limit, abs(amount) * Decimal(get_relative_epsilon_for_asset(asset)))
    return difference <= limit


def _suspect(found: Divergence) -> None:
    """Mark the events whose amount is the difference."""
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
    """Return the positions whose balance is not one of tokens in the wallet."""
    return {
        position.position_id
        for position in list_positions(state)
        if position.pair.kind.is_exchange_account() or position.pair.is_hyperliquid_vault()
    }


def _get_block_times(state: State) -> dict[int, datetime.datetime]:
    """Return when balance updates happened on the chain; the journal has when they were booked."""
    tables = [position.balance_updates for position in list_positions(state)]
    tables += [reserve.balance_updates for reserve in state.portfolio.reserves.values()]
    return {
        number: event.block_mined_at
        for table in tables
        for number, event in table.items()
        if event.block_mined_at is not None  # pyright: ignore[reportUnnecessaryComparison]
    }


def _get_time(entry: Entry, happened_at: Mapping[int, datetime.datetime]) -> datetime.datetime:
    number = entry.balance_update_id
    return entry.time if number is None else min(happened_at.get(number, entry.time), entry.time)


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
    """Return how many steps happened up to the end of the second of a time."""
    second = time.replace(microsecond=0)
    if second > datetime.datetime.max - _ONE_SECOND:
        return len(steps)
    return bisect_right(steps, second + _ONE_SECOND - datetime.timedelta(microseconds=1), key=_time_of)


def _get_level(steps: Sequence[Step], place: int, opening: Decimal) -> Decimal:
    return steps[place - 1].expected if place else opening
