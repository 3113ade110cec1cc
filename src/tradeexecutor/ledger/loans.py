"""Entries of positions that have a loan: credit supply, shorts and leveraged longs.

The interest-bearing token (aToken) of the collateral and the debt token (vToken) are separate assets. They are
exchanged for the reserve currency and the borrowed token with the market, which here is the lending pool.

======================  ===============================================================================
event                   what moves
======================  ===============================================================================
started                 planned reserve: cash -> in flight (with leverage always, credit when supplying)
supplied                in flight -> market what was spent, the rest back; market -> collateral
recalled                collateral -> market; market -> cash the proceeds
trade with leverage     in flight -> market (`executed_reserve`); cash <-> market
                        (`executed_collateral_allocation`); market <-> collateral of a short, or debt of a long, their
                        sum plus `executed_collateral_consumption`; market <-> debt of a short, or collateral of a
                        long, the quantity
interest                interest -> collateral interest; debt interest -> interest
funding                 as interest, with the counter account funding
correction of credit    correction -> collateral; in files of old programs the interest becomes principal
closed                  what is left of the loan -> loan dust
======================  ===============================================================================

A withdrawal of more than the principal withdraws interest, which is then claimed (collateral) or repaid (debt). A small
excess over principal and interest is interest that was not booked yet: unbooked interest -> collateral or debt
interest. A large excess overdraws ``loan_dust``.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from tradeexecutor.accounting.accuracy import (
    CLOSE_POSITION_COLLATERAL_EPSILON,
    COLLATERAL_EPSILON,
    INTEREST_QUANTITY_EPSILON,
)
from tradeexecutor.ledger.book import Book, Key, Rank, get_event_time
from tradeexecutor.ledger.entry import Account, AccountKind, EntryKind
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.ledger.flows import book_position_flow, describe_event, get_counter_kind, get_entry_kind
from tradeexecutor.ledger.trades import (
    CapitalSource,
    book_release,
    book_start,
    get_capital_source,
    get_executed_quantity,
    is_counter_trade,
    is_really_executed,
    not_before_start,
)
from tradeexecutor.state.balance_update import ACCRUALS, BalanceUpdate, BalanceUpdateCause
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag

__all__ = ["LoanSideBook", "book_loan_position"]

Postings = list[tuple[Account, Decimal]]

#: An event whose postings depend on the balances before it: its sort key, and the function that records it.
_Deferred = tuple[Key, Callable[[Key], None]]


class LoanSideBook:
    """Balances of one side of a loan while its entries are derived; amounts are positive for both sides.

    Attributes
    ----------
    principal, accrued, paid
        Token units: the principal, all interest since the last correction, and the part of the interest that was
        withdrawn.
    """

    __slots__ = ("_accounts", "_dust", "_sign", "_unbooked", "accrued", "asset", "paid", "principal")

    def __init__(self, book: Book, asset: AssetIdentifier, position_id: int, *, is_debt: bool):
        kinds = (
            (AccountKind.debt, AccountKind.debt_interest, AccountKind.debt_repaid)
            if is_debt
            else (AccountKind.collateral, AccountKind.collateral_interest, AccountKind.collateral_claimed)
        )
        self.asset = asset
        self.principal = self.accrued = self.paid = ZERO
        self._accounts = tuple(book.get_account(kind, asset, position_id) for kind in kinds)
        self._dust = book.get_account(AccountKind.loan_dust, asset, position_id)
        self._unbooked = book.get_account(AccountKind.unbooked_interest, asset, position_id)
        self._sign = -1 if is_debt else 1

    @property
    def unpaid(self) -> Decimal:
        """Interest that was not withdrawn, token units."""
        return self.accrued - self.paid

    def move(self, delta: Decimal, tolerance: Decimal = COLLATERAL_EPSILON) -> Postings:
        """Return the postings that add (+) or withdraw (-) tokens: principal first, then interest.

        Parameters
        ----------
        tolerance
            A withdrawal that exceeds the balance by less than this contains interest that was not booked, token units.
        """
        principal = self.principal + delta
        left = principal + self.unpaid
        excess = -left if delta < 0 and left < 0 else ZERO
        paid = max(-principal, ZERO)
        change = max(principal, ZERO) - self.principal
        if excess < tolerance:
            postings = self._post(principal=change, accrued=excess, paid=paid)
            return [*postings, (self._unbooked, -self._sign * excess)]
        return [*self._post(principal=change, paid=paid - excess), (self._dust, -self._sign * excess)]

    def accrue(self, quantity: Decimal) -> Postings:
        """Return the postings that add interest, token units; a correction downwards is negative."""
        return self._post(accrued=quantity)

    def reset(self, delta: Decimal) -> Postings:
        """Return the postings that change the balance by `delta` and turn all of it into principal."""
        return self._post(principal=self.unpaid + delta, accrued=-self.accrued, paid=-self.paid)

    def write_off(self, principal: Decimal, unpaid: Decimal) -> Postings:
        """Return the postings that remove a remainder from the loan although no tokens moved."""
        postings = self._post(principal=-principal, paid=unpaid)
        return [*postings, (self._dust, self._sign * (principal + unpaid))]

    def _post(self, principal: Decimal = ZERO, accrued: Decimal = ZERO, paid: Decimal = ZERO) -> Postings:
        self.principal += principal
        self.accrued += accrued
        self.paid += paid
        sign = self._sign
        return list(zip(self._accounts, (sign * principal, sign * accrued, -sign * paid), strict=True))


def book_loan_position(book: Book, position: TradingPosition, trades: list[TradeExecution]) -> None:
    """Record all entries of a position whose kind has a loan.

    Parameters
    ----------
    trades
        The trades of the position, including pending ones.
    """
    loan = _LoanBook(book, position)
    deferred: list[_Deferred] = []
    for trade in trades:
        deferred += loan.record_trade(trade)
    for event in position.balance_updates.values():
        if loan.get_side(event.asset) is None:
            book_position_flow(book, position, event)
        else:
            key = get_event_time(event), int(Rank.balance_update), event.balance_update_id
            deferred.append((key, partial(loan.record_event, event)))
    deferred.sort(key=lambda item: item[0])
    for key, record in deferred:
        record(key)
    loan.record_close()


class _LoanBook:
    """Records the entries of one position in order."""

    def __init__(self, book: Book, position: TradingPosition):
        self.book = book
        self.position = position
        pair = position.pair
        number = position.position_id
        has_leverage, self.is_short = pair.kind.is_leverage(), pair.kind.is_shorting()
        collateral = pair.get_collateral_token() if has_leverage else pair.base
        self.collateral = LoanSideBook(book, collateral, number, is_debt=False)
        self.debt = LoanSideBook(book, pair.get_debt_token(), number, is_debt=True) if has_leverage else None
        self.corrections_reset = not has_leverage and _do_corrections_reset(position)
        self.last: tuple[Key, TradeExecution] | None = None

    def get_side(self, asset: AssetIdentifier) -> LoanSideBook | None:
        """Return the side that holds an asset; None when neither does."""
        if asset == self.collateral.asset:
            return self.collateral
        return self.debt if self.debt is not None and asset == self.debt.asset else None

    def market(self, asset: AssetIdentifier) -> Account:
        """Return the account of exchanges with the lending pool."""
        return self.book.get_account(AccountKind.market, asset)

    # --- Trades

    def record_trade(self, trade: TradeExecution) -> list[_Deferred]:
        """Record the entries that do not depend on the balances of the loan, and return the others."""
        if is_counter_trade(trade):
            return []
        executed_at = trade.executed_at or trade.opened_at
        if trade.flags and TradeFlag.missing_position_repair in trade.flags:
            if not is_really_executed(trade):
                return []
            return [((executed_at, int(Rank.outcome), trade.trade_id), partial(self.find_tokens, trade))]
        capital = get_capital_source(
            self.book, trade, takes_capital=self.debt is not None or trade.planned_quantity > 0
        )
        book_start(self.book, trade, capital)
        bucket = self.book.get_account(AccountKind.in_flight, capital.asset, trade.position_id)
        if trade.failed_at is not None or not is_really_executed(trade):
            book_release(self.book, trade, capital, bucket)
            capital.allocated = ZERO
        if not is_really_executed(trade):
            return []
        key = not_before_start(trade, executed_at), int(Rank.outcome), trade.trade_id
        return [(key, partial(self.succeed, trade, capital, bucket))]

    def find_tokens(self, trade: TradeExecution, key: Key) -> None:
        """Record collateral that was found without a trade."""
        quantity = get_executed_quantity(trade)
        asset = self.collateral.asset
        postings = self.collateral.move(quantity)
        postings.append((self.book.get_account(AccountKind.correction, asset), -quantity))
        description = f"trade #{trade.trade_id} books {asset.token_symbol} that was found"
        self._record(key, EntryKind.tokens_found, description, postings, trade)

    def succeed(self, trade: TradeExecution, capital: CapitalSource, bucket: Account, key: Key) -> None:
        """Record a trade that changed the loan."""
        postings = self._supply(trade, capital) if self.debt is None else self._leverage(trade, self.debt, capital)
        postings.append((bucket, -capital.allocated))
        symbol = trade.pair.base.token_symbol
        self._record(
            key, EntryKind.trade_succeeded, f"trade #{trade.trade_id} {_get_verb(trade)} {symbol}", postings, trade
        )
        if self.debt is not None:
            self._drop_rest(trade, self.debt, key)
        self.last = key, trade

    def _supply(self, trade: TradeExecution, capital: CapitalSource) -> Postings:
        quantity, reserve = get_executed_quantity(trade), trade.executed_reserve or ZERO
        spent = reserve if quantity > 0 else -reserve
        return [
            *self.collateral.move(quantity),
            (self.market(self.collateral.asset), -quantity),
            (capital.source, capital.allocated - spent),
            (self.market(capital.asset), spent),
        ]

    def _leverage(self, trade: TradeExecution, debt: LoanSideBook, capital: CapitalSource) -> Postings:
        quantity = get_executed_quantity(trade)
        spent = (trade.executed_reserve or ZERO) + (trade.executed_collateral_allocation or ZERO)
        change = _get_reserve_change(trade)
        base, reserve, sign = (debt, self.collateral, -1) if self.is_short else (self.collateral, debt, 1)
        swapped = base.move(sign * quantity, INTEREST_QUANTITY_EPSILON)
        return [
            *swapped,
            (self.market(base.asset), -quantity),
            *reserve.move(-sign * change, self._get_tolerance(trade)),
            (self.market(reserve.asset), -change),
            (capital.source, capital.allocated - spent),
            (self.market(capital.asset), spent),
        ]

    def _get_tolerance(self, trade: TradeExecution) -> Decimal:
        """Return by how much a trade may overdraw its side in the reserve currency, token units.

        Prices move while a short is closed.
        """
        if not (self.is_short and self._closes(trade)):
            return COLLATERAL_EPSILON
        return max(COLLATERAL_EPSILON, abs(CLOSE_POSITION_COLLATERAL_EPSILON * _get_reserve_change(trade)))

    def _closes(self, trade: TradeExecution) -> bool:
        if TradeFlag.close not in (trade.flags or ()):
            return False
        base = self.debt if self.is_short else self.collateral
        assert base is not None, "only leveraged positions are closed by a flag"
        return base.principal + base.unpaid <= get_close_epsilon_for_pair(self.position.pair)

    def _drop_rest(self, trade: TradeExecution, debt: LoanSideBook, key: Key) -> None:
        """Record that a closing trade drops what remains of the reserve currency within the tolerance."""
        side = self.collateral if self.is_short else debt
        is_empty = not side.principal and not side.unpaid
        left = side.principal + side.unpaid
        if self._closes(trade) and not is_empty and left < self._get_tolerance(trade):
            what = "collateral" if self.is_short else "debt"
            description = f"what remains of the {what} of position #{trade.position_id} is written off"
            postings = side.write_off(side.principal, side.unpaid)
            self._record(_after(key), EntryKind.loan_closed, description, postings, trade)

    def record_close(self) -> None:
        """Record that the last trade of a closed position settles the interest that is left."""
        if self.last is None:
            return
        key, trade = self.last
        if self.position.closed_at is None or self.position.closed_at != trade.executed_at:
            return
        for side in (self.collateral, self.debt):
            if side is not None and side.unpaid:
                symbol, number = side.asset.token_symbol, trade.position_id
                description = f"interest in {symbol} that remains when position #{number} closes counts as settled"
                postings = side.write_off(ZERO, side.unpaid)
                self._record(_after(key), EntryKind.loan_closed, description, postings, trade)

    # --- Balance updates

    def record_event(self, event: BalanceUpdate, key: Key) -> None:
        """Record interest, a redemption in kind, a flow or a correction."""
        side = self.get_side(event.asset)
        if side is None:
            return
        quantity, cause = event.quantity, event.cause
        if cause in ACCRUALS:
            postings = side.accrue(quantity)
        elif cause is BalanceUpdateCause.correction and self.corrections_reset:
            postings = side.reset(quantity)
        else:
            postings = side.move(quantity)
        counter = self.book.get_account(get_counter_kind(event), side.asset)
        postings.append((counter, quantity if side is self.debt else -quantity))
        number = self.position.position_id
        self.book.record(
            key,
            get_entry_kind(event),
            describe_event(event, f"{side.asset.token_symbol} of position #{number}"),
            postings,
            position_id=number,
            balance_update_id=event.balance_update_id,
        )

    def _record(self, key: Key, kind: EntryKind, description: str, postings: Postings, trade: TradeExecution) -> None:
        self.book.record(
            key, kind, description, postings, trade_id=trade.trade_id, position_id=self.position.position_id
        )


def _do_corrections_reset(position: TradingPosition) -> bool:
    """Return whether corrections of a credit position turned its whole balance into principal, as in old programs.

    Newer versions of these programs recorded the time (`reset_at`). For older files the answer follows from the
    recorded interest: it does not contain the interest from before the correction.
    """
    loan = position.loan
    events = position.balance_updates.values()
    corrected_at = max(
        (get_event_time(event) for event in events if event.cause is BalanceUpdateCause.correction), default=None
    )
    if loan is None or corrected_at is None:
        return False
    interest = [event for event in events if event.cause is BalanceUpdateCause.interest]
    everything = sum((event.quantity for event in interest), ZERO)
    since = sum((event.quantity for event in interest if get_event_time(event) > corrected_at), ZERO)
    recorded = loan.collateral_interest.last_accrued_interest
    return loan.collateral_interest.reset_at is not None or (recorded == since and recorded != everything)


def _after(key: Key) -> Key:
    return key[0], int(Rank.close), key[2]


def _get_reserve_change(trade: TradeExecution) -> Decimal:
    return (
        (trade.executed_reserve or ZERO)
        + (trade.executed_collateral_consumption or ZERO)
        + (trade.executed_collateral_allocation or ZERO)
    )


def _get_verb(trade: TradeExecution) -> str:
    quantity = get_executed_quantity(trade)
    if trade.pair.kind.is_shorting():
        return "borrows" if quantity < 0 else "pays back" if quantity > 0 else "moves the collateral of"
    if trade.pair.kind.is_longing():
        return "buys" if quantity > 0 else "sells" if quantity < 0 else "changes the debt of"
    return "supplies" if quantity > 0 else "recalls"
