"""Balances that a state recorded along the way, which tell between which entries a balance went wrong.

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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ledger.book import Key, Rank, get_event_time
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.ledger.journal import Journal
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State

__all__ = [
    "Checkpoint",
    "list_cash_checkpoints",
    "list_event_checkpoints",
    "list_holding_checkpoints",
    "place_after",
    "place_before",
    "sort_checkpoints",
]

#: A float keeps 15 to 17 digits, and a sample is a product of two of them.
_FLOAT_TOLERANCE = Decimal("1e-12")

#: After everything that happened at the same time.
_LAST_RANK = 99

#: A cycle is over after this time at the latest.
_CYCLE_LENGTH = datetime.timedelta(hours=1)

_END_OF_TIME = datetime.datetime.max


@dataclass(slots=True)
class Checkpoint:
    """A recorded balance.

    Attributes
    ----------
    place
        How many entries of the journal come before it.
    time
        When it was recorded; None for the balance as it is now.
    source
        What recorded it, for people.
    amount
        Token units.
    tolerance
        How far it may be from the exact balance for its form, token units; rounding of sums comes on top.
    until
        How many entries may have come before it at most.  Samples carry the time of their cycle and are taken some time
        after, so entries until the next sample may be in it.
    event_quantity
        What the balance update changes that recorded it; None for other sources.
    may_be_after
        Whether it may be the balance after its balance update: corrections of old programs recorded that one.
    is_order_known
        Whether it is known which entries of the same second came before it, `until` apart.
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
    """Return how many entries come before a place in the order."""
    return bisect_left(journal.keys, key)


def place_after(journal: Journal, when: datetime.datetime, rank: int = _LAST_RANK, number: int = 2**63) -> int:
    """Return how many entries there are until the end of a moment."""
    return bisect_right(journal.keys, (when, rank, number))


def list_cash_checkpoints(state: State, journal: Journal, reserve: ReservePosition) -> list[Checkpoint]:
    """Return the recorded balances of the cash; samples count only for a single reserve at one dollar."""
    checkpoints = list(list_event_checkpoints(journal, reserve.balance_updates.values()))
    if len(state.portfolio.reserves) == 1 and reserve.reserve_token_price == 1:
        checkpoints += _list_samples_of_cash(state, journal)
    return sort_checkpoints(checkpoints)


def sort_checkpoints(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Return checkpoints in order; of those of one moment the exact ones last, they count from there on."""
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
    """Yield checkpoints of samples, which are in the order in which they were taken."""
    ends = _find_ends([when for when, _ in samples])
    for (when, value), end in zip(samples, ends, strict=True):
        yield _make_sample(place_after(journal, when), when, source, value, place_after(journal, end))


def _find_ends(times: list[datetime.datetime]) -> list[datetime.datetime]:
    """Return until when each of several samples may have been taken: the time of the next later one."""
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
    """Yield what balance updates found before they changed it."""
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


def list_holding_checkpoints(state: State, journal: Journal, position: TradingPosition) -> list[Checkpoint]:
    """Return the recorded quantities of a position that has no loan."""
    base = position.pair.base
    events = (event for event in position.balance_updates.values() if event.asset == base)
    checkpoints = list(list_event_checkpoints(journal, events))
    valuations = position.valuation_updates
    ends = _find_ends([valuation.created_at for valuation in valuations])
    for valuation, end in zip(valuations, ends, strict=True):
        if valuation.quantity is not None:
            when = valuation.created_at
            place, until = place_after(journal, when), place_after(journal, end)
            checkpoints.append(Checkpoint(place, when, "valuation", valuation.quantity, until=until))
    samples = state.stats.positions.get(position.position_id, ())
    pairs = [(sample.calculated_at, float(sample.quantity)) for sample in samples]
    checkpoints += _make_samples(journal, pairs, "sample of the position")
    return sort_checkpoints(checkpoints)
