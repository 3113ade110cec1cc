"""Entries of trades that exchange base tokens for cash: spot, vault, Freqtrade, exchange account, bridge.

======================  ===============================================================================
event                   what moves
======================  ===============================================================================
started, buy            planned reserve: cash, or capital of the bridge position -> in flight
started, sell           nothing: the tokens stay in the position until the trade succeeds
on a bridge             in flight -> in transit; on the way back bridge capital -> in transit
asked a vault           in flight -> settlement; shares asked back stay in the position
succeeded, buy          in flight -> market what was spent, the rest back to where it came from;
                        market -> position the tokens
succeeded, sell         position -> market the tokens; market -> cash or bridge capital the proceeds
failed                  in flight -> back to where it came from, once; or -> stuck, if marked so
repaired                in flight -> back, if it never failed; counter trades move nothing
tokens found            correction -> position; no cash
======================  ===============================================================================

Fees of liquidity providers and gas are recorded in the trade and move nothing: the fees are part of the exchanged
amounts, and the gas was paid from a wallet that is not part of the state.
"""

# Functions that run for every trade read the slots of watched fields, see `state/codec/watched_record.py`.
# pyright: reportPrivateUsage=false

import datetime
from decimal import Decimal

from tradeexecutor.ledger.book import Book, Rank
from tradeexecutor.ledger.entry import Account, AccountKind, EntryKind
from tradeexecutor.ledger.exact import ZERO
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.capital_at_risk import keeps_allocation_on_failure

__all__ = [
    "CapitalSource",
    "book_exchange",
    "book_release",
    "book_start",
    "get_capital_source",
    "get_executed_quantity",
    "is_counter_trade",
    "is_really_executed",
    "not_before_start",
]

# Reading a member from its enum class is slow in Python 3.11, and this runs for every trade.
_HOLDING, _MARKET, _IN_FLIGHT = AccountKind.holding, AccountKind.market, AccountKind.in_flight
_CASH, _STARTED, _SUCCEEDED = AccountKind.cash, EntryKind.trade_started, EntryKind.trade_succeeded
_START, _OUTCOME = Rank.start, Rank.outcome


def is_counter_trade(trade: TradeExecution) -> bool:
    """Return whether a trade only marks another one as repaired or closes a position; such a trade moves no tokens."""
    return bool(trade._repaired_trade_id) or (trade.trade_type is TradeType.repair and not trade._executed_quantity)


def is_really_executed(trade: TradeExecution) -> bool:
    """Return whether a trade exchanged tokens: it succeeded, or a retry succeeded before it was marked as repaired."""
    if trade._executed_at is None:
        return False
    return bool(trade._executed_quantity) if trade._repaired_at or trade._failed_at else True


class CapitalSource:
    """The account from which the capital of a trade is taken and to which it goes back.

    Attributes
    ----------
    source
        Cash, or the lent capital of a bridge position.
    asset
        Reserve currency; on the other chain when a bridge position pays.
    allocated
        Capital set aside when the trade started, token units; 0 for a trade that did not start.
    """

    __slots__ = ("allocated", "asset", "source")

    def __init__(self, source: Account, asset: AssetIdentifier, allocated: Decimal):
        self.source = source
        self.asset = asset
        self.allocated = allocated


def get_capital_source(book: Book, trade: TradeExecution, *, takes_capital: bool) -> CapitalSource:
    """Return the source of the capital of a trade.

    Parameters
    ----------
    takes_capital
        Whether the trade sets capital aside when it starts: buys, and all trades of shorts.
    """
    reserve = trade.reserve_currency
    allocated = ZERO
    if takes_capital and trade._started_at is not None:
        allocated = trade.planned_reserve
        if not allocated and (trade._failed_at or trade._repaired_at):
            # Repairs of old programs set the planned reserve of a failed buy to zero, so the allocation is used.
            allocated = trade.reserve_currency_allocated or trade.bridge_currency_allocated or ZERO
    if takes_capital and trade.bridge_currency_allocated is not None and not trade.reserve_currency_allocated:
        bridge = book.find_bridge(trade, trade._started_at or trade.opened_at)
        if bridge is not None:
            asset = bridge.pair.base
            return CapitalSource(book.get_account(AccountKind.bridge_lent, asset, bridge.position_id), asset, allocated)
    return CapitalSource(book.get_account(_CASH, reserve), reserve, allocated)


def book_start(book: Book, trade: TradeExecution, capital: CapitalSource) -> Account | None:
    """Add the entry that moves the capital of a started trade into flight, and return where it is.

    None, and no entry, for a trade without capital, such as one that was not started.
    """
    if not capital.allocated:
        return None
    bucket = book.get_account(_IN_FLIGHT, capital.asset, trade.position_id)
    book.record(
        (trade._started_at or trade.opened_at, _START, trade.trade_id),
        _STARTED,
        f"trade #{trade.trade_id} starts and takes its capital",
        ((capital.source, -capital.allocated), (bucket, capital.allocated)),
        trade_id=trade.trade_id,
        position_id=trade.position_id,
    )
    return bucket


def book_release(book: Book, trade: TradeExecution, capital: CapitalSource, bucket: Account) -> None:
    """Add the entry that gives capital back after a failure, or after the repair of a trade without an outcome."""
    trade_id, position_id = trade.trade_id, trade.position_id
    amount = capital.allocated
    if trade._failed_at is not None:
        target, what = capital.source, "gets its capital back"
        if keeps_allocation_on_failure(trade):
            target, what = book.get_account(AccountKind.stuck, capital.asset, position_id), "leaves its capital stuck"
        book.record(
            (not_before_start(trade, trade._failed_at), Rank.outcome, trade_id),
            EntryKind.trade_failed,
            f"trade #{trade_id} fails and {what}",
            ((bucket, -amount), (target, amount)),
            trade_id=trade_id,
            position_id=position_id,
        )
    elif trade._repaired_at is not None:
        book.record(
            (not_before_start(trade, trade._repaired_at), Rank.repair, trade_id),
            EntryKind.trade_repaired,
            f"trade #{trade_id} is repaired without an outcome and gets its capital back",
            ((bucket, -amount), (capital.source, amount)),
            trade_id=trade_id,
            position_id=position_id,
        )


def book_exchange(book: Book, position: TradingPosition, trade: TradeExecution) -> None:
    """Add all entries of a trade of a position without a loan."""
    if is_counter_trade(trade):
        return
    if trade.flags and TradeFlag.missing_position_repair in trade.flags:
        _book_found_tokens(book, position, trade)
        return
    is_buy = trade._planned_quantity > ZERO
    capital = get_capital_source(book, trade, takes_capital=is_buy)
    bucket = book_start(book, trade, capital)
    if trade._cctp_in_transit_at is not None or trade._vault_settlement_pending_at is not None:
        bucket = _book_waiting(book, position, trade, capital, bucket)
    if is_really_executed(trade):
        if trade._failed_at is not None:
            # The trade was retried. Its capital was given back when it failed.
            book_release(book, trade, capital, _in_flight(book, trade, capital))
            capital.allocated = ZERO
            bucket = None
        if is_buy:
            _book_purchase(book, trade, capital, bucket)
        else:
            _book_sale(book, position, trade, capital)
    elif trade._failed_at is not None or trade._repaired_at is not None:
        book_release(book, trade, capital, bucket or _in_flight(book, trade, capital))


def _in_flight(book: Book, trade: TradeExecution, capital: CapitalSource) -> Account:
    return book.get_account(_IN_FLIGHT, capital.asset, trade.position_id)


def not_before_start(trade: TradeExecution, when: datetime.datetime) -> datetime.datetime:
    """Return `when`, or the start of the trade if that is later: block times may be earlier than our clock."""
    return max(when, trade._started_at) if trade._started_at is not None else when


def _book_waiting(
    book: Book, position: TradingPosition, trade: TradeExecution, capital: CapitalSource, bucket: Account | None
) -> Account | None:
    """Add the entry of waiting capital, and return the account that contains it; None when the trade has no capital.

    Parameters
    ----------
    bucket
        Account that contains the capital until then.
    """
    trade_id, position_id = trade.trade_id, trade.position_id
    asset = capital.asset
    if trade._cctp_in_transit_at is not None and position.pair.kind.is_cctp_bridge():
        source, amount = bucket, capital.allocated
        if trade._planned_quantity <= 0:
            asset, amount = position.pair.base, abs(trade._planned_quantity)
            source = book.get_account(AccountKind.bridge_lent, asset, position_id)
        transit = book.get_account(AccountKind.in_transit, asset, position_id)
        if source is not None:
            when = not_before_start(trade, trade._cctp_in_transit_at)
            book.record(
                (when, Rank.waiting, trade_id),
                EntryKind.bridge_in_transit,
                f"trade #{trade_id} has left one chain and has not arrived on the other",
                ((source, -amount), (transit, amount)),
                trade_id=trade_id,
                position_id=position_id,
            )
            if source is not bucket and (trade._executed_at or trade._failed_at):
                _book_released_lock(book, trade, source, transit, amount)
            bucket = transit
    elif trade._vault_settlement_pending_at is not None and bucket is not None:
        settlement = book.get_account(AccountKind.settlement, asset, position_id)
        book.record(
            (not_before_start(trade, trade._vault_settlement_pending_at), Rank.waiting, trade_id),
            EntryKind.settlement_pending,
            f"trade #{trade_id} waits for the vault to settle",
            ((bucket, -capital.allocated), (settlement, capital.allocated)),
            trade_id=trade_id,
            position_id=position_id,
        )
        bucket = settlement
    return bucket


def _book_released_lock(book: Book, trade: TradeExecution, source: Account, transit: Account, amount: Decimal) -> None:
    when = trade._executed_at or trade._failed_at or trade.opened_at
    book.record(
        (not_before_start(trade, when), Rank.waiting, trade.trade_id),
        EntryKind.bridge_in_transit,
        f"trade #{trade.trade_id} has arrived, its capital is no longer locked",
        ((transit, -amount), (source, amount)),
        trade_id=trade.trade_id,
        position_id=trade.position_id,
    )


def _book_purchase(book: Book, trade: TradeExecution, capital: CapitalSource, bucket: Account | None) -> None:
    allocated = capital.allocated
    spent = trade.executed_reserve or allocated
    quantity = get_executed_quantity(trade)
    base = trade.pair.base
    postings = [
        (capital.source, allocated - spent),
        (book.get_account(_MARKET, capital.asset), spent),
        (book.get_account(_HOLDING, base, trade.position_id), quantity),
        (book.get_account(_MARKET, base), -quantity),
    ]
    if bucket is not None:
        postings.append((bucket, -allocated))
    _record_success(book, trade, "buys", postings)


def _book_sale(book: Book, position: TradingPosition, trade: TradeExecution, capital: CapitalSource) -> None:
    quantity = get_executed_quantity(trade)
    proceeds = trade.executed_reserve or ZERO
    base = trade.pair.base
    target, asset = capital.source, capital.asset  # of a sale always cash
    kind = position.pair.kind
    if not kind.is_cctp_bridge() and not kind.is_exchange_account():
        bridge = book.find_bridge(trade, trade._executed_at or trade.opened_at)
        if bridge is not None:
            asset = bridge.pair.base
            target = book.get_account(AccountKind.bridge_lent, asset, bridge.position_id)
    postings = [
        (book.get_account(_HOLDING, base, trade.position_id), quantity),
        (book.get_account(_MARKET, base), -quantity),
        (book.get_account(_MARKET, asset), -proceeds),
        (target, proceeds),
    ]
    _record_success(book, trade, "sells", postings)


def _record_success(book: Book, trade: TradeExecution, verb: str, postings: list[tuple[Account, Decimal]]) -> None:
    when = not_before_start(trade, trade._executed_at or trade.opened_at)
    book.record(
        (when, _OUTCOME, trade.trade_id),
        _SUCCEEDED,
        f"trade #{trade.trade_id} {verb} {trade.pair.base.token_symbol}",
        postings,
        trade_id=trade.trade_id,
        position_id=trade.position_id,
    )


def _book_found_tokens(book: Book, position: TradingPosition, trade: TradeExecution) -> None:
    if trade._executed_at is None or trade._repaired_at is not None:
        return
    base = position.pair.base
    quantity = get_executed_quantity(trade)
    book.record(
        (trade._executed_at, Rank.outcome, trade.trade_id),
        EntryKind.tokens_found,
        f"trade #{trade.trade_id} books {base.token_symbol} that was found, no cash is spent",
        (
            (book.get_account(_HOLDING, base, trade.position_id), quantity),
            (book.get_account(AccountKind.correction, base), -quantity),
        ),
        trade_id=trade.trade_id,
        position_id=trade.position_id,
    )


def get_executed_quantity(trade: TradeExecution) -> Decimal:
    """Return the base tokens that a successful trade exchanged, token units, negative for a sell."""
    return trade._planned_quantity if trade._executed_quantity is None else trade._executed_quantity
