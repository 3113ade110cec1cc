"""The balances that a state contains, each with the accounts of the journal whose sum it should equal."""

# Functions that run for every trade read the slots of watched fields, see `state/codec/watched_record.py`.
# pyright: reportPrivateUsage=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ledger.book import Rank
from tradeexecutor.ledger.checkpoints import (
    Checkpoint,
    list_cash_checkpoints,
    list_event_checkpoints,
    list_holding_checkpoints,
    place_after,
    sort_checkpoints,
)
from tradeexecutor.ledger.entry import Account, AccountKind
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.ledger.journal import Journal, list_positions, list_trades
from tradeexecutor.ledger.opening import has_known_opening
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.quantity import get_quantity
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PositionStatistics
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.state.trade.capital_at_risk import keeps_allocation_on_failure

__all__ = ["Recorded", "list_recorded"]

# Reading a member from its enum class is slow in Python 3.11, and this runs for every position.
_HOLDING, _LENT = AccountKind.holding, AccountKind.bridge_lent


@dataclass(slots=True)
class Recorded:
    """One recorded balance.

    Attributes
    ----------
    name
        Name of the balance, for messages.
    asset
        Asset identifier.
    accounts
        Accounts of the journal whose sum the amount should equal.
    amount
        Token units, debts with the sign that they have in the state; None when the file does not contain the figure.
    position_id
        None for cash.
    sign
        -1 when the figure is positive in the state and negative in the journal: debts and lent capital. Otherwise 1.
    is_owned
        Whether it is part of what the strategy owns; False for a figure that is contained in another one.
    is_opening_known
        Whether the file contains the opening balance.
    checkpoints
        Earlier values of the figure, in order.
    related
        Other accounts that are part of the same computation: the largest of their amounts determines the rounding
        error.
    """

    name: str
    asset: str
    accounts: tuple[Account, ...]
    amount: Decimal | None
    position_id: int | None = None
    sign: int = 1
    is_owned: bool = True
    is_opening_known: bool = True
    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])
    related: tuple[Account, ...] = ()


def list_recorded(state: State, journal: Journal) -> list[Recorded]:
    """Return every recorded balance: cash first, then position by position.

    The amounts are the ones that the accessors of the state return, with the rounding of the state.
    """
    recorded = list(_list_cash(state, journal))
    foreign = _find_accounts(journal, frozenset({AccountKind.holding}))
    waiting = _find_accounts(journal, frozenset(_WAITING_NAMES))
    lent = frozenset(account for account in journal.movements if account.kind is _LENT)
    samples = state.stats.positions
    for position in list_positions(state):
        if position.pair.kind.is_credit_based():
            recorded += _list_loan(journal, position)
        else:
            recorded += _list_holding(journal, position, samples.get(position.position_id, ()), lent)
        for account in foreign.get(position.position_id, ()):
            if account.asset != position.pair.base.get_identifier():
                name = f"{journal.get_symbol(account.asset)} of position #{position.position_id}"
                recorded.append(Recorded(name, account.asset, (account,), None, position.position_id))
        recorded += _list_in_flight(position, waiting.get(position.position_id, []))
    return recorded


def _find_accounts(journal: Journal, kinds: frozenset[AccountKind]) -> dict[int, list[Account]]:
    """Return the accounts of some kinds that are not empty, by position id."""
    found: dict[int, list[Account]] = {}
    for account, balance in journal.balances.items():
        if balance and account.kind in kinds and account.position_id is not None:
            found.setdefault(account.position_id, []).append(account)
    return found


def _list_cash(state: State, journal: Journal) -> Iterator[Recorded]:
    for reserve in state.portfolio.reserves.values():
        asset = reserve.asset.get_identifier()
        journal.assets.setdefault(asset, reserve.asset)
        yield Recorded(
            f"{reserve.asset.token_symbol} cash",
            asset,
            (Account(AccountKind.cash, asset),),
            reserve.quantity,
            is_opening_known=has_known_opening(reserve),
            checkpoints=list_cash_checkpoints(state, journal, reserve),
        )


# --- Positions without a loan


def _list_holding(
    journal: Journal, position: TradingPosition, samples: Sequence[PositionStatistics], lent: frozenset[Account]
) -> Iterator[Recorded]:
    """Yield the holding of a position, and its capital that trades on the far chain use, or have used."""
    number = position.position_id
    base = position.pair.base
    asset = base.get_identifier()
    account = Account(_HOLDING, asset, number)
    yield Recorded(
        f"{base.token_symbol} of position #{number}",
        asset,
        (account,),
        get_quantity(position),
        number,
        checkpoints=list_holding_checkpoints(journal, position, samples),
    )
    if not (lent or position.bridge_capital_allocated or position.pair.kind.is_cctp_bridge()):  # nearly always
        return
    used = Account(_LENT, asset, number)
    if position.pair.kind.is_cctp_bridge() or position.bridge_capital_allocated or used in lent:
        yield Recorded(
            f"{base.token_symbol} of position #{number}: capital lent to trades on the far chain",
            asset,
            (used,),
            position.bridge_capital_allocated,
            number,
            sign=-1,
        )


_WAITING = {
    TradeStatus.started: AccountKind.in_flight,
    TradeStatus.broadcasted: AccountKind.in_flight,
    TradeStatus.cctp_in_transit: AccountKind.in_transit,
    TradeStatus.vault_settlement_pending: AccountKind.settlement,
}

_WAITING_NAMES = {
    AccountKind.in_flight: "capital in flight",
    AccountKind.in_transit: "capital in transit between chains",
    AccountKind.settlement: "capital that waits for the vault to settle",
    AccountKind.stuck: "capital stuck by failed trades",
}


def _list_in_flight(position: TradingPosition, derived: list[Account]) -> Iterator[Recorded]:
    """Yield the capital of trades between start and outcome; `derived` are the accounts that should contain some."""
    number = position.position_id
    amounts: dict[Account, Decimal] = {}
    for trade in list_trades(position):
        if trade._executed_at is not None or trade._started_at is None:
            continue
        kind = AccountKind.stuck if trade.failed_at is not None else _WAITING.get(trade.get_status())
        if kind is None or (kind is AccountKind.stuck and not keeps_allocation_on_failure(trade)):
            continue
        asset, amount = _get_allocation(position, trade, kind)
        if amount:
            account = Account(kind, asset.get_identifier(), number)
            amounts[account] = amounts.get(account, ZERO) + amount
    if not amounts and not derived:  # nearly always
        return
    for account in sorted({*amounts, *derived}):
        name = f"{_WAITING_NAMES[account.kind]} for position #{number}"
        yield Recorded(name, account.asset, (account,), amounts.get(account, ZERO), number)


def _get_allocation(
    position: TradingPosition, trade: TradeExecution, kind: AccountKind
) -> tuple[AssetIdentifier, Decimal]:
    if kind is AccountKind.in_transit and trade.planned_quantity <= 0:
        return position.pair.base, abs(trade.planned_quantity)
    if trade.bridge_currency_allocated is not None and not trade.reserve_currency_allocated:
        # The capital comes from the bridge position: it is the reserve currency on the chain of the trade.
        return trade.pair.quote, trade.bridge_currency_allocated
    return trade.reserve_currency, trade.reserve_currency_allocated or ZERO


# --- Positions with a loan


def _list_loan(journal: Journal, position: TradingPosition) -> Iterator[Recorded]:
    number = position.position_id
    pair = position.pair
    is_short, has_leverage = pair.kind.is_shorting(), pair.kind.is_leverage()
    base = pair.base.get_identifier()
    supplied = pair.get_collateral_token() if has_leverage else pair.base
    owed = pair.get_debt_token() if has_leverage else pair.base
    collateral = _get_side_accounts(supplied, number, is_debt=False)
    debt = _get_side_accounts(owed, number, is_debt=True)
    # The quantity of the position comes from its trades and events; the trackers of the loan contain the same amount.
    # Neither contains interest that no event has booked.
    unbooked = Account(AccountKind.unbooked_interest, base, number)
    yield Recorded(
        f"{pair.base.token_symbol} of position #{number}",
        base,
        (*(debt if is_short else collateral), unbooked),
        position.get_quantity(),
        number,
        is_owned=False,
    )
    loan = position.loan
    sides = [(supplied, collateral, 1, "collateral")]
    if has_leverage:
        sides.append((owed, debt, -1, "debt"))
    for asset, accounts, sign, side in sides:
        if loan is not None or any(account in journal.movements for account in accounts):
            yield from _list_side(journal, position, _Side(side, sign, asset, accounts))


def _get_side_accounts(asset: AssetIdentifier, position_id: int, *, is_debt: bool) -> tuple[Account, ...]:
    """Return the accounts of principal, interest, paid interest and dust."""
    identifier = asset.get_identifier()
    kinds = (
        (AccountKind.debt, AccountKind.debt_interest, AccountKind.debt_repaid, AccountKind.loan_dust)
        if is_debt
        else (
            AccountKind.collateral,
            AccountKind.collateral_interest,
            AccountKind.collateral_claimed,
            AccountKind.loan_dust,
        )
    )
    return tuple(Account(kind, identifier, position_id) for kind in kinds)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a loan.

    Attributes
    ----------
    name
        ``collateral`` or ``debt``.
    sign
        1, or -1 for a debt: the factor that makes the balance of the accounts positive.
    asset
        aToken or vToken.
    accounts
        Principal, interest, paid interest and dust.
    """

    name: str
    sign: int
    asset: AssetIdentifier
    accounts: tuple[Account, ...]


def _list_side(journal: Journal, position: TradingPosition, side: _Side) -> Iterator[Recorded]:
    loan, asset, accounts, sign = position.loan, side.asset, side.accounts, side.sign
    principal, accrued, paid, dust = accounts
    tracker = loan and (loan.collateral if side.name == "collateral" else loan.borrowed)
    interest = loan and _get_interest(loan, side.name)
    number = position.position_id
    what = f"{asset.token_symbol} {side.name} of position #{number}"
    identifier = asset.get_identifier()

    def make(
        name: str, figure: Decimal | None, chosen: tuple[Account, ...], turn: int = sign, *, owned: bool = False
    ) -> Recorded:
        return Recorded(f"{what}: {name}", identifier, chosen, figure, number, turn, owned, related=accounts)

    yield make("principal", tracker and tracker.quantity, (principal,), owned=True)
    tokens = make("tokens", interest and interest.last_token_amount, (principal, accrued, paid))
    if interest and _is_closer_with_dust(journal, tokens, dust, interest.last_token_amount):
        # The interest tracker keeps the dust of a closed loan, the principal does not.
        tokens.accounts = accounts
    events = (event for event in position.balance_updates.values() if event.asset == asset)
    tokens.checkpoints = sort_checkpoints(
        [*list_event_checkpoints(journal, events), *_list_snapshots(journal, position, side.name)]
    )
    yield tokens
    yield make("interest", interest and interest.last_accrued_interest, (accrued,), owned=True)
    yield make(
        "interest claimed" if sign > 0 else "interest repaid",
        interest and interest.interest_payments,
        (paid,),
        turn=-sign,
        owned=True,
    )


def _get_interest(loan: Loan, side: str) -> Interest | None:
    return loan.collateral_interest if side == "collateral" else loan.borrowed_interest


def _is_closer_with_dust(journal: Journal, tokens: Recorded, dust: Account, figure: Decimal) -> bool:
    left = journal.get_balance(dust)
    if not left:
        return False
    derived = tokens.sign * sum((journal.get_balance(account) for account in tokens.accounts), ZERO)
    return abs(figure - derived - tokens.sign * left) < abs(figure - derived)


def _list_snapshots(journal: Journal, position: TradingPosition, side: str) -> Iterator[Checkpoint]:
    """Yield the tokens after each trade. Snapshots that old programs changed by later interest are left out."""
    for trade in position.trades.values():
        loan, when = trade.executed_loan_update, trade.executed_at
        interest = loan and _get_interest(loan, side)
        if when is None or interest is None or interest.last_event_at > when:
            continue
        place = place_after(journal, max(when, trade.started_at or when), int(Rank.close), trade.trade_id)
        source = f"loan after trade #{trade.trade_id}"
        yield Checkpoint(place, when, source, interest.last_token_amount, is_order_known=True)
