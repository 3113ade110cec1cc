"""Find the causes of a difference between the journal and a recorded balance.

A difference appears between two checkpoints. The entries between them, and the known ways in which older programs
booked such entries wrongly, give the amounts by which the balance may be wrong. A cause is reported only when its
amount is exactly the difference. Otherwise the difference is reported as unexplained, with the events around it.
"""

import datetime
import enum
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations, islice, pairwise

from tradeexecutor.ledger.book import get_event_time
from tradeexecutor.ledger.entry import Account, AccountKind, Entry, EntryKind
from tradeexecutor.ledger.exact import ZERO, exact_arithmetic, write_amount
from tradeexecutor.ledger.journal import Journal, list_positions, list_trades
from tradeexecutor.ledger.timeline import DifferenceChange, Timeline
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["RELEASE_KINDS", "Break", "Cause", "CauseKind", "Explainer"]

#: Entries that give back the allocated capital of a trade without success.
RELEASE_KINDS = frozenset({EntryKind.trade_failed, EntryKind.trade_repaired})

#: Only the first so many candidates between two checkpoints are tried in pairs.
_MAX_CANDIDATES = 60

#: The longest time that a cycle takes: the events of one cycle may be booked in any order.
_SAME_CYCLE = datetime.timedelta(hours=1)


class CauseKind(enum.StrEnum):
    """How the recorded balance was changed in another way than the journal contains."""

    #: The unspent part of the allocation of a purchase was not given back.
    unspent_kept = "unspent_kept"
    #: The capital of a failed trade was not given back.
    refund_missing = "refund_missing"
    #: A repair gave the capital of a failed trade back a second time.
    refund_repeated = "refund_repeated"
    #: The planned amount was booked instead of the executed one.
    plan_booked = "plan_booked"
    #: An entry did not change the recorded balance.
    not_booked = "not_booked"
    #: An entry changed the recorded balance twice.
    booked_twice = "booked_twice"
    #: The earlier difference vanished without an entry.
    restored = "restored"
    #: No entry or known behaviour has this amount.
    unexplained = "unexplained"


@dataclass(slots=True)
class Cause:
    """One part of a difference.

    Attributes
    ----------
    kind
        How the balance was changed wrongly.
    amount
        Its share of the change of the difference (recorded less derived balance), token units.
    text
        Sentence for messages.
    entry
        Number of the entry in the journal; None where there is none.
    trade_id, balance_update_id
        The trade or balance update concerned; None where there is none.
    """

    kind: CauseKind
    amount: Decimal
    text: str
    entry: int | None = None
    trade_id: int | None = None
    balance_update_id: int | None = None


@dataclass(slots=True)
class Break:
    """A place in the journal where the difference between recorded and derived balance appears, changes or vanishes.

    Attributes
    ----------
    change
        The two checkpoints around the place, and the amounts.
    first_entry
        Number of the first entry after which the balances do not agree; None when no entry lies between the
        checkpoints.
    causes
        Causes that add up to the difference; a single `CauseKind.unexplained` when none do.
    notes
        Other events between the checkpoints, or after them, in words.
    """

    change: DifferenceChange
    first_entry: int | None
    causes: list[Cause]
    notes: list[str] = field(default_factory=list[str])

    @property
    def is_explained(self) -> bool:
        """Whether a cause was found."""
        return all(cause.kind is not CauseKind.unexplained for cause in self.causes)


class Explainer:
    """Finds the causes of differences in one state."""

    def __init__(self, state: State, journal: Journal):
        self.state = state
        self.journal = journal
        self._trades: dict[int, TradeExecution] = {}
        self._positions: dict[int, TradingPosition] = {}
        for position in list_positions(state):
            self._positions[position.position_id] = position
            for trade in list_trades(position):
                self._trades[trade.trade_id] = trade
        self._repairs = sorted(
            (trade.repaired_at, number)
            for number, entry in enumerate(journal.entries)
            if entry.kind is EntryKind.trade_failed
            and entry.trade_id is not None
            and (trade := self._trades[entry.trade_id]).repaired_at is not None
        )
        self._syncs: dict[str, str] = {}

    def explain(self, timeline: Timeline, change: DifferenceChange, since: int) -> Break:
        """Return the causes of a difference of a balance, and the circumstances when no cause is found.

        Parameters
        ----------
        since
            Number of the first entry after the previous difference of this balance.
        """
        with exact_arithmetic():
            candidates = list(self._list_candidates(timeline, change))
            causes = _match(change, candidates)
            first = self._get_first_entry(timeline, change)
            if not causes:
                text = "unexplained: no entry, and nothing that programs are known to have done, has this amount"
                return Break(
                    change,
                    first,
                    [Cause(CauseKind.unexplained, change.amount, text, first)],
                    list(self._list_circumstances(timeline, change, since)),
                )
        named = [cause.entry for cause in causes if cause.entry is not None]
        found = Break(change, min(named) if named else first, causes)
        found.notes += self._list_followers(timeline, change)
        return found

    # --- Candidates

    def _list_candidates(self, timeline: Timeline, change: DifferenceChange) -> Iterator[Cause]:
        first, end = self._get_window(change)
        sign = timeline.recorded.sign
        accounts = timeline.recorded.accounts
        has_principal = any(account.kind in _PRINCIPAL_KINDS for account in accounts)
        for number, amount in timeline.get_movements(first, end):
            yield from self._list_entry_candidates(number, sign * amount, has_principal=has_principal)
        if any(account.kind in (AccountKind.cash, AccountKind.bridge_lent) for account in accounts):
            yield from self._list_repairs(change, accounts, sign)

    def _get_window(self, change: DifferenceChange) -> tuple[int, int]:
        """Return the range of entries between two checkpoints, including entries whose order is not certain."""
        entries = self.journal.entries
        first, end = change.first, change.end
        if change.before is not None and change.before.time is not None:
            while first and entries[first - 1].time >= change.before.time.replace(microsecond=0):
                first -= 1
        if change.after.time is not None:
            while end < len(entries) and entries[end].time <= change.after.time:
                end += 1
        return first, end

    def _list_entry_candidates(self, number: int, change: Decimal, *, has_principal: bool) -> Iterator[Cause]:
        entry = self.journal.entries[number]
        trade = None if entry.trade_id is None else self._trades.get(entry.trade_id)

        def make(kind: CauseKind, amount: Decimal, text: str) -> Cause:
            return Cause(kind, amount, text, number, entry.trade_id, entry.balance_update_id)

        if trade is not None and entry.kind is EntryKind.trade_succeeded:
            if trade.planned_quantity > 0 and _is_rest_of_allocation(entry, change):
                text = f"what trade #{trade.trade_id} had set aside and did not spend was not given back"
                yield make(CauseKind.unspent_kept, -change, text)
                return
            planned, executed = trade.planned_quantity, trade.executed_quantity
            if has_principal and executed is not None and planned != executed:
                text = f"trade #{trade.trade_id} was booked with its planned quantity instead of the executed one"
                yield make(CauseKind.plan_booked, planned - executed, text)
                yield make(CauseKind.plan_booked, executed - planned, text)
        if entry.kind in RELEASE_KINDS:
            what = "failed" if entry.kind is EntryKind.trade_failed else "repaired"
            text = f"the capital of {what} trade #{entry.trade_id} was"
            yield make(CauseKind.refund_missing, -change, f"{text} not given back")
            yield make(CauseKind.refund_repeated, change, f"{text} given back twice")
            return
        yield make(CauseKind.not_booked, -change, f"the recorded balance was not changed by: {entry.description}")
        yield make(CauseKind.booked_twice, change, f"the recorded balance was changed twice by: {entry.description}")

    def _list_repairs(self, change: DifferenceChange, accounts: tuple[Account, ...], sign: int) -> Iterator[Cause]:
        """Yield the repairs between two checkpoints. They move nothing in the journal, so they have no entry."""
        start = datetime.datetime.min if change.before is None else change.before.time
        end = change.after.time or datetime.datetime.max
        for index in range(bisect_left(self._repairs, (start, 0)), len(self._repairs)):
            when, number = self._repairs[index]
            if when > end:
                return
            entry = self.journal.entries[number]
            amount = sign * entry.get_change(accounts)
            if amount:
                text = (
                    f"the repair of failed trade #{entry.trade_id} gave its capital back, which the failure had "
                    "already done"
                )
                yield Cause(CauseKind.refund_repeated, amount, text, None, entry.trade_id)

    # --- What else is known

    def _get_first_entry(self, timeline: Timeline, change: DifferenceChange) -> int | None:
        first, end = change.first, change.end
        number = next((number for number, _ in timeline.get_movements(first, end)), None)
        return first if number is None and first < end else number

    def _list_followers(self, timeline: Timeline, change: DifferenceChange) -> Iterator[str]:
        """Yield a balance update that books the missing amount as if it came from outside."""
        missing = change.opening - change.level_after
        if abs(missing) <= change.tolerance:
            return
        for number, amount in islice(timeline.get_movements(change.end), 1):
            entry = self.journal.entries[number]
            is_same = abs(timeline.recorded.sign * amount - missing) <= change.tolerance
            if is_same and entry.balance_update_id is not None:
                yield f"balance update #{entry.balance_update_id} then books this amount as a {entry.kind.value}"

    def _list_circumstances(self, timeline: Timeline, change: DifferenceChange, since: int) -> Iterator[str]:
        _, end = self._get_window(change)
        entries = self.journal.entries
        recorded = timeline.recorded
        if recorded.position_id is None:
            sync = self._describe_syncs(recorded.asset)
            if sync:
                yield sync
            flows: dict[int, Decimal] = {}
            for entry in entries[since:end]:
                if entry.kind is EntryKind.vault_flow and entry.position_id is not None:
                    moved = sum((amount for account, amount in entry.postings if account.kind.is_owned), ZERO)
                    flows[entry.position_id] = flows.get(entry.position_id, ZERO) + moved
            for position_id, amount in flows.items():
                yield (
                    f"meanwhile the vault flows of position #{position_id} add up to {write_amount(amount)}: "
                    "such flows contain transfers between cash and the account, of which the cash has no record"
                )
        else:
            text = _find_overwritten(self._positions[recorded.position_id])
            if text:
                yield text

    def _describe_syncs(self, asset: str) -> str:
        """Return a sentence on how the cash of an asset was set from outside; empty when nothing shows that it was."""
        if not self._syncs:
            self._syncs = {
                reserve.asset.get_identifier(): _describe_syncs(reserve)
                for reserve in self.state.portfolio.reserves.values()
            }
        return self._syncs.get(asset, "")


def _describe_syncs(reserve: ReservePosition) -> str:
    causes = {event.cause for event in reserve.balance_updates.values()}
    if BalanceUpdateCause.deposit_and_redemption in causes:
        return "syncs of the vault set this reserve to the balance on the chain, whatever was booked"
    # A reserve that was never synced has the time of its creation, and no price was read.
    if not causes and None not in (reserve.last_sync_at, reserve.last_pricing_at):
        return "the program of that time set this reserve to the balance on the chain without an event"
    return ""


def _is_rest_of_allocation(entry: Entry, change: Decimal) -> bool:
    """Return whether `change` is only the difference between the allocation of a purchase and what it spent."""
    return change != 0 and any(account.kind in _WAITING_KINDS for account, _ in entry.postings)


def _find_overwritten(position: TradingPosition) -> str:
    """Return a sentence about a balance update that is stored before an earlier one; empty when there is none."""
    events = list(position.balance_updates.values())
    for event, following in pairwise(events):
        if get_event_time(event) > get_event_time(following) + _SAME_CYCLE:
            number = event.balance_update_id
            return (
                f"balance update #{number} of {get_event_time(event):%Y-%m-%d %H:%M} stands before "
                f"#{following.balance_update_id} of {get_event_time(following):%Y-%m-%d %H:%M}: the number was used "
                "twice, and the first event that had it is lost"
            )
    return ""


def _match(change: DifferenceChange, candidates: list[Cause]) -> list[Cause]:
    """Return the causes whose amounts add up to the difference; empty if there are none.

    Simple explanations are tried first: the earlier difference vanished, purchases kept unspent capital, one event, two
    events.
    """
    tolerance = change.tolerance
    kept = [cause for cause in candidates if cause.kind is CauseKind.unspent_kept]
    others = [cause for cause in candidates if cause.kind is not CauseKind.unspent_kept]
    restored: list[Cause] = []
    if abs(change.level_before - change.opening) > tolerance:
        text = "what the recorded balance differed by until then is settled, without an entry of its own"
        restored = [Cause(CauseKind.restored, change.opening - change.level_before, text)]
    bases = [restored, kept, [*restored, *kept], []]
    known = [cause for cause in others if cause.kind in _KNOWN_KINDS]
    for extra, pool in ((0, others), (1, known), (1, others), (2, known[:_MAX_CANDIDATES])):
        for base in bases:
            rest = change.amount - sum((cause.amount for cause in base), ZERO)
            for chosen in combinations(pool, extra):
                if (base or chosen) and abs(rest - sum((cause.amount for cause in chosen), ZERO)) <= tolerance:
                    return [*base, *chosen]
    # A sync sets the balance right, so only the kept capital before it or after it counts.
    for rest in (kept, kept[::-1]):
        total = ZERO
        for count, cause in enumerate(rest, 1):
            total += cause.amount
            if abs(change.amount - total) <= tolerance:
                return rest[:count]
            if abs(change.amount - cause.amount) <= tolerance:
                return [cause]
    return []


#: Accounts that a trade changes by its quantity.
_PRINCIPAL_KINDS = frozenset({AccountKind.holding, AccountKind.collateral, AccountKind.debt})

_WAITING_KINDS = frozenset({AccountKind.in_flight, AccountKind.in_transit, AccountKind.settlement})

#: Ways of booking that older programs are known to have used.
_KNOWN_KINDS = frozenset(
    {CauseKind.unspent_kept, CauseKind.refund_missing, CauseKind.refund_repeated, CauseKind.plan_booked}
)
