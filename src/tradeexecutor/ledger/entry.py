"""Accounts, postings and entries.

An *entry* is one event: a trade that starts, a deposit, interest. It has two or more *postings*, each of which changes
one *account* by an amount of one asset. The postings of an entry add up to zero for every asset: tokens neither appear
nor vanish, they only move from one account to another.

There are two sorts of accounts. *Owned* accounts show where the strategy's tokens are: cash, positions, capital in
flight, both sides of loans (a debt is a negative balance). *Counter* accounts show where the tokens came from:
investors, the market, interest, corrections, and write-offs. For each asset, the sum of the owned accounts is therefore
the negative sum of the counter accounts.

A trade exchanges one asset for another. Both legs go through the account ``market``, whose balances therefore show how
much of each asset was given to the market and taken from it.
"""

import datetime
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from tradeexecutor.ledger.exact import EXACT, ZERO
from tradeexecutor.state.errors import AccountingError

__all__ = ["Account", "AccountKind", "Entry", "EntryKind", "Posting", "UnbalancedEntry"]


class UnbalancedEntry(AccountingError, ValueError):
    """The postings of an entry do not add up to zero.

    Attributes
    ----------
    asset, amount
        Identifier of the first asset whose postings do not balance, and the sum of its postings, token units.
    """

    def __init__(self, message: str, asset: str, amount: Decimal):
        super().__init__(message)
        self.asset = asset
        self.amount = amount


class AccountKind(enum.StrEnum):
    """Purpose of an account. `is_owned` separates owned accounts from counter accounts."""

    #: Reserve currency that is available.
    cash = "cash"
    #: Base tokens of a position that has no loan.
    holding = "holding"
    #: Capital of a bridge position that is used by trades on the other chain; negative.
    bridge_lent = "bridge_lent"
    #: Capital of a trade that has started and has no outcome yet.
    in_flight = "in_flight"
    #: Capital that left one chain and has not arrived on the other.
    in_transit = "in_transit"
    #: Capital that was sent to an asynchronous vault, which has not issued the shares yet.
    settlement = "settlement"
    #: Capital of failed trades that is stuck outside; the trade is marked as such.
    stuck = "stuck"
    #: Principal of the collateral of a loan.
    collateral = "collateral"
    #: All interest the collateral has earned.
    collateral_interest = "collateral_interest"
    #: Interest of the collateral that was withdrawn; negative.
    collateral_claimed = "collateral_claimed"
    #: Principal of the debt of a loan; negative.
    debt = "debt"
    #: All interest of the debt; negative.
    debt_interest = "debt_interest"
    #: Interest of the debt that was paid.
    debt_repaid = "debt_repaid"

    #: Investors: deposits and redemptions.
    external = "external"
    #: Flows of vaults and exchange accounts that are booked as changes of value, which contain transfers and results.
    vault_flow = "vault_flow"
    #: Exchanges with a market, a bridge or a lending pool.
    market = "market"
    #: Interest earned and owed.
    interest = "interest"
    #: Funding received and paid by shorts and leveraged longs.
    funding = "funding"
    #: Account corrections, and positions that were opened for tokens found in the wallet.
    correction = "correction"
    #: Interest that a trade withdrew although no event had booked it, by position.
    unbooked_interest = "unbooked_interest"
    #: Tokens left in a closed loan (+), or withdrawn from it in excess (-), by position; the loan no longer contains
    #: them.
    loan_dust = "loan_dust"

    # A Python-level hash would dominate the cost of adding up balances.
    __hash__ = str.__hash__

    @property
    def is_owned(self) -> bool:
        """Whether the account holds (or owes) tokens of the strategy."""
        return self not in _COUNTER_KINDS


_COUNTER_KINDS = frozenset(
    {
        AccountKind.external,
        AccountKind.vault_flow,
        AccountKind.market,
        AccountKind.interest,
        AccountKind.funding,
        AccountKind.correction,
        AccountKind.unbooked_interest,
        AccountKind.loan_dust,
    }
)


class Account(NamedTuple):
    """An account: its purpose, asset and position."""

    kind: AccountKind
    #: Asset identifier, ``"{chain_id}-{address}"``.
    asset: str
    #: None for accounts that do not belong to a position: cash, and most counter accounts.
    position_id: int | None = None


class Posting(NamedTuple):
    """A change of one account, token units; positive into the account."""

    account: Account
    amount: Decimal


class EntryKind(enum.StrEnum):
    """Kind of event that an entry records."""

    opening = "opening"
    deposit = "deposit"
    redemption = "redemption"
    deposit_and_redemption = "deposit_and_redemption"
    vault_flow = "vault_flow"
    interest = "interest"
    funding = "funding"
    correction = "correction"
    trade_started = "trade_started"
    bridge_in_transit = "bridge_in_transit"
    settlement_pending = "settlement_pending"
    trade_succeeded = "trade_succeeded"
    trade_failed = "trade_failed"
    trade_repaired = "trade_repaired"
    tokens_found = "tokens_found"
    loan_closed = "loan_closed"


def _cancel_out(one: Posting, other: Posting) -> bool:
    """Return whether two postings of one asset add up to zero."""
    amount = one[1]
    return one[0].asset == other[0].asset and amount == other[1].copy_negate() and amount.is_finite()


@dataclass(slots=True)
class Entry:
    """One event. It must not be changed after construction: the postings are checked only then.

    Raises
    ------
    UnbalancedEntry
        The postings do not add up to zero for each asset, or an amount is not finite.
    """

    #: When the state was changed; naive UTC.
    time: datetime.datetime
    kind: EntryKind
    description: str
    postings: tuple[Posting, ...]
    #: The trade that caused it; None when no trade did.
    trade_id: int | None = None
    position_id: int | None = None
    balance_update_id: int | None = None

    def __post_init__(self) -> None:
        postings = self.postings
        # Most entries consist of pairs that cancel out. A comparison is exact in every decimal context.
        if len(postings) == 2:
            if _cancel_out(*postings):
                return
        elif len(postings) == 4:
            one, two, three, four = postings
            if _cancel_out(one, two) and _cancel_out(three, four):
                return
            if _cancel_out(one, four) and _cancel_out(two, three):
                return
        totals: dict[str, Decimal] = {}
        for account, amount in postings:
            asset = account.asset
            if not amount.is_finite():
                raise UnbalancedEntry(f"{self.description}: {amount} of {asset} is no amount", asset, amount)
            before = totals.get(asset)
            totals[asset] = amount if before is None else EXACT.add(before, amount)
        for asset, total in totals.items():
            if total:
                raise UnbalancedEntry(f"{self.description}: postings of {asset} add up to {total}", asset, total)

    def get_change(self, accounts: Iterable[Account]) -> Decimal:
        """Return the change of the sum of some accounts by this entry, token units."""
        wanted = set(accounts)
        total = ZERO
        for account, amount in self.postings:
            if account in wanted:
                total = EXACT.add(total, amount)
        return total

    def get_cause(self) -> str:
        """Return what caused the entry, e.g. ``trade #3`` or ``balance update #7``; empty when nothing is known."""
        if self.trade_id is not None:
            return f"trade #{self.trade_id}"
        if self.balance_update_id is not None:
            return f"balance update #{self.balance_update_id}"
        return ""
