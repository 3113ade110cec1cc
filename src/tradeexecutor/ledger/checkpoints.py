"""Earlier balances that a state has recorded. They show between which entries a balance became wrong.

==============================  =====================================  ==========================
where                           of what                                exact
==============================  =====================================  ==========================
`BalanceUpdate.old_balance`     cash, position, tokens of a loan       yes
`Statistics.portfolio`          cash (`free_cash`)                     as a float, in USD
`portfolio_value_at_creation`   cash, before the first trade           as a float, in USD
`ValuationUpdate.quantity`      position                               yes
`Statistics.positions`          position (`quantity`)                  as a float
`executed_loan_update`          principal and tokens of a loan         yes
the balance itself              everything                             yes, after the last entry
==============================  =====================================  ==========================
"""

import datetime
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ledger.book import Key, Rank, get_event_time
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.ledger.journal import Journal
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics

__all__ = [
    "Checkpoint",
    "list_cash_checkpoints",
    "list_event_checkpoints",
    "list_holding_checkpoints",
    "place_after",
    "place_before",
    "sort_checkpoints",
]

#: Relative error of a sample: a float keeps 15 to 17 digits, and a sample is the product of two floats.
_FLOAT_TOLERANCE = Decimal("1e-12")

#: Higher than every `Rank`: the place after everything that happened at the same time.
_LAST_RANK = 99

#: The longest time that a cycle takes.
_CYCLE_LENGTH = datetime.timedelta(hours=1)

_END_OF_TIME = datetime.datetime.max


@dataclass(slots=True)
class Checkpoint:
    """A recorded balance.

    Attributes
    ----------
    place
        Number of journal entries that come before it.
    time
        When it was recorded, naive UTC; None for the present balance.
    source
        What recorded it, in words, for messages.
    amount
        Token units.
    tolerance
        How far it may be from the exact balance because of its form (a float, for example), token units. The rounding
        of sums is added to this.
    until
        The largest number of entries that may have come before it. The time of a sample is the start of its cycle, and
        the sample is taken later, so it may contain all entries until the next sample.
    event_quantity
        Change made by the balance update that recorded it, token units; None for other sources.
    may_be_after
        Whether it may be the balance after its balance update instead of the one before: corrections of old programs
        recorded the balance after it.
    is_order_known
        Whether it is known which entries of the same second came before it, up to `until`.
    """

    place: int
    time: datetime.datetime | None
    source: str
    amount: Decimal
    tolerance: Decimal = ZERO
    until: int = 0
    event_quantity: Decimal | None = None
    may_be_after: bool = False
    is_order_known: bool = False


def place_before(journal: Journal, key: Key) -> int:
    """Return how many entries of the journal are sorted before `key`."""
    return bisect_left(journal.keys, key)


def place_after(journal: Journal, when: datetime.datetime, rank: int = _LAST_RANK, number: int = 2**63) -> int:
    """Return how many entries of the journal there are up to and including a time (and rank and number)."""
    return bisect_right(journal.keys, (when, rank, number))


def list_cash_checkpoints(state: State, journal: Journal, reserve: ReservePosition) -> list[Checkpoint]:
    """Return the recorded balances of the cash; samples count only for a single reserve at one dollar."""
    checkpoints = list(list_event_checkpoints(journal, reserve.balance_updates.values()))
    if len(state.portfolio.reserves) == 1 and reserve.reserve_token_price == 1:
        checkpoints += _list_samples_of_cash(state, journal)
    return sort_checkpoints(checkpoints)


def sort_checkpoints(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Return checkpoints in order; exact ones come last among those of the same time, so that they count afterwards."""
    return sorted(checkpoints, key=lambda item: (item.place, item.time or _END_OF_TIME, item.tolerance == 0))


def _list_samples_of_cash(state: State, journal: Journal) -> Iterator[Checkpoint]:
    first = next((trade for trade in state.portfolio.get_all_trades() if trade.trade_id == 1), None)
    if first is not None and first.portfolio_value_at_creation is not None:
        # Before the first trade there is nothing but cash.
        when = first.opened_at
        place = place_before(journal, (when, int(Rank.start), 0))
        if not any(entry.position_id is not None for entry in journal.entries[:place]):
            started = place_before(journal, (max(first.started_at or when, when), int(Rank.start), 0))
            source = f"value of the portfolio when trade #{first.trade_id} was planned"
            sample = _make_sample(place, when, source, first.portfolio_value_at_creation, started)
            sample.is_order_known = True
            yield sample
    samples = [(item.calculated_at, item.free_cash) for item in state.stats.portfolio if item.free_cash is not None]
    yield from _make_samples(journal, samples, "sample of the cash")


def _make_samples(
    journal: Journal, samples: list[tuple[datetime.datetime, float]], source: str
) -> Iterator[Checkpoint]:
    """Yield a checkpoint for each sample; `samples` are in the order in which they were taken."""
    ends = _find_ends([when for when, _ in samples])
    for (when, value), end in zip(samples, ends, strict=True):
        yield _make_sample(place_after(journal, when), when, source, value, place_after(journal, end))


def _find_ends(times: list[datetime.datetime]) -> list[datetime.datetime]:
    """Return the latest time at which each sample may have been taken: the time of the next later sample."""
    ends: list[datetime.datetime] = []
    following = end = None
    for when in reversed(times):
        if following is None or end is None or when < following:
            end = when + _CYCLE_LENGTH if following is None else following
            following = when
        ends.append(max(when, end))
    return ends[::-1]


def _make_sample(place: int, when: datetime.datetime, source: str, value: float, until: int) -> Checkpoint:
    amount = Decimal(repr(value))
    return Checkpoint(place, when, source, amount, abs(amount) * _FLOAT_TOLERANCE, until)


def list_event_checkpoints(journal: Journal, events: Iterable[BalanceUpdate]) -> Iterator[Checkpoint]:
    """Yield the balance that each balance update has recorded from before its own change."""
    for event in events:
        if event.old_balance is None:  # pyright: ignore[reportUnnecessaryComparison]
            continue
        when = get_event_time(event)
        number = event.balance_update_id
        yield Checkpoint(
            place_before(journal, (when, int(Rank.balance_update), number)),
            when,
            f"balance update #{number}",
            event.old_balance,
            event_quantity=event.quantity,
            may_be_after=event.cause is BalanceUpdateCause.correction,
        )


def list_holding_checkpoints(
    journal: Journal, position: TradingPosition, samples: Sequence[PositionStatistics]
) -> list[Checkpoint]:
    """Return the recorded quantities of a position that has no loan, among them those of its samples."""
    checkpoints: list[Checkpoint] = []
    if updates := position.balance_updates:
        base = position.pair.base
        checkpoints += list_event_checkpoints(journal, [event for event in updates.values() if event.asset == base])
    if valuations := position.valuation_updates:
        ends = _find_ends([valuation.created_at for valuation in valuations])
        for valuation, end in zip(valuations, ends, strict=True):
            if valuation.quantity is not None:
                when = valuation.created_at
                place, until = place_after(journal, when), place_after(journal, end)
                checkpoints.append(Checkpoint(place, when, "valuation", valuation.quantity, until=until))
    if samples:
        pairs = [(sample.calculated_at, float(sample.quantity)) for sample in samples]
        checkpoints += _make_samples(journal, pairs, "sample of the position")
    return sort_checkpoints(checkpoints) if len(checkpoints) > 1 else checkpoints
