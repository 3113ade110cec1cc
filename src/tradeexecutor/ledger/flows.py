"""Entries of balance updates of cash and of positions without a loan: deposits, redemptions, flows, corrections."""

from tradeexecutor.ledger.book import Book, Rank, get_event_time
from tradeexecutor.ledger.entry import Account, AccountKind, EntryKind
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.reserve import ReservePosition

__all__ = ["book_cash_flow", "book_position_flow", "describe_event", "get_counter_kind", "get_entry_kind"]

_COUNTER_KINDS = {
    BalanceUpdateCause.vault_flow: AccountKind.vault_flow,
    BalanceUpdateCause.correction: AccountKind.correction,
    BalanceUpdateCause.interest: AccountKind.interest,
    BalanceUpdateCause.funding: AccountKind.funding,
}


def get_counter_kind(event: BalanceUpdate) -> AccountKind:
    """Return the kind of counter account that the tokens of an event come from."""
    return _COUNTER_KINDS.get(event.cause, AccountKind.external)


def get_entry_kind(event: BalanceUpdate) -> EntryKind:
    """Return the kind of entry of an event; an unknown cause counts as a deposit or redemption of investors."""
    return EntryKind(event.cause.value) if event.cause.is_known else EntryKind.deposit_and_redemption


def describe_event(event: BalanceUpdate, what: str) -> str:
    """Return a description, e.g. ``balance update #7: deposit of USDC cash``."""
    return f"balance update #{event.balance_update_id}: {event.cause.value} of {what}"


def book_cash_flow(book: Book, reserve: ReservePosition, event: BalanceUpdate) -> None:
    """Add the entry of a balance update of the cash."""
    account = book.get_account(AccountKind.cash, reserve.asset)
    _record(book, account, event, f"{reserve.asset.token_symbol} cash", None)


def book_position_flow(book: Book, position: TradingPosition, event: BalanceUpdate) -> None:
    """Add the entry of a balance update of a position without a loan."""
    number = position.position_id
    account = book.get_account(AccountKind.holding, event.asset, number)
    _record(book, account, event, f"{event.asset.token_symbol} of position #{number}", number)


def _record(book: Book, account: Account, event: BalanceUpdate, what: str, position_id: int | None) -> None:
    counter = book.get_account(get_counter_kind(event), event.asset)
    book.record(
        (get_event_time(event), Rank.balance_update, event.balance_update_id),
        get_entry_kind(event),
        describe_event(event, what),
        ((account, event.quantity), (Account(counter.kind, account.asset), -event.quantity)),
        position_id=position_id,
        balance_update_id=event.balance_update_id,
    )
