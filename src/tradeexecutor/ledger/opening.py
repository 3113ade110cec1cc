"""The opening balance of a reserve whose first deposit is not a balance update.

Old programs recorded only the first deposit, as `ReservePosition.initial_deposit`, and no later ones.
"""

from tradeexecutor.ledger.book import Book, Rank
from tradeexecutor.ledger.entry import AccountKind, EntryKind
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.state import State

__all__ = ["book_initial_deposit", "has_known_opening"]


def has_known_opening(reserve: ReservePosition) -> bool:
    """Return whether the opening balance is known: a first deposit, or a first event with nothing before it."""
    first = _get_first_event_balance(reserve)
    return reserve.initial_deposit is not None or first == 0


def book_initial_deposit(book: Book, state: State, reserve: ReservePosition) -> None:
    """Record the initial deposit unless it is one of the balance updates.

    The state does not contain its time. It gets the time of the first sample that contains the amount, or of the first
    entry that moves the cash if that is earlier. All other entries of the cash must be in the book already.
    """
    amount = reserve.initial_deposit
    if not amount or _get_first_event_balance(reserve) == 0:
        return
    account = book.get_account(AccountKind.cash, reserve.asset)
    used = (key[0] for key, entry in book.entries if any(posting.account == account for posting in entry.postings))
    when = min(used, default=max(state.created_at, reserve.last_sync_at or state.created_at))
    expected = float(amount)
    for sample in state.stats.portfolio:
        if sample.calculated_at >= when:
            break
        if sample.free_cash is not None and abs(sample.free_cash - expected) <= 1e-9 * expected:
            when = sample.calculated_at
            break
    book.record(
        (when, int(Rank.opening), 0),
        EntryKind.opening,
        f"initial deposit of {reserve.asset.token_symbol}",
        (
            (account, amount),
            (book.get_account(AccountKind.external, reserve.asset), -amount),
        ),
    )


def _get_first_event_balance(reserve: ReservePosition) -> object:
    """Return the balance before the first event of the reserve, token units; None without events."""
    for event in reserve.balance_updates.values():
        return event.old_balance
    return None
