"""Trades that an operator makes on a chain: closing positions, retrying failed trades, test trades.

They are sent as the trades of a live strategy are: every transaction is recorded and saved before it is sent, so that a
crash loses nothing. There is no undo.
"""

import datetime
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.live import make_live_models
from tradeexecutor.operations.chain_balances import get_wallet_address
from tradeexecutor.operations.close_position import CloseRequest, choose_positions, require_closable
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.operations.state_location import StateLocation, open_store
from tradeexecutor.state.booking.waiting_orders import expire_waiting_orders
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import OperationRefused, UncleanState
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import RepairResult, find_trades_to_be_repaired
from tradeexecutor.state.retry import retry_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.strategy.runner import Models
from tradeexecutor.strategy.trade_pricing import TradePricing

__all__ = [
    "LiveBooks",
    "PlannedSale",
    "list_failed_trades",
    "make_test_trade",
    "open_live_books",
    "plan_sales",
    "retry_on_chain",
    "sell_positions",
]


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """A state with a connection to its chain.

    Attributes
    ----------
    state
        The state.
    models
        Models of prices and execution on the chain.
    save
        Saves the state.
    settings
        Settings of the chain.
    """

    state: State
    models: Models
    save: Callable[[State], None]
    settings: ChainFile


@dataclass(frozen=True, slots=True)
class PlannedSale:
    """A sale at the present price.

    Attributes
    ----------
    position
        The position that is closed.
    quantity
        Token units.
    pricing
        The price, with fee and impact.
    """

    position: TradingPosition
    quantity: Decimal
    pricing: TradePricing

    @property
    def proceeds(self) -> float:
        """Expected proceeds, reserve token units."""
        return float(self.quantity) * self.pricing.price


@contextmanager
def open_live_books(
    place: StateLocation,
    settings: ChainFile,
    connection: ChainConnection,
    wallet: HotWallet,
    *,
    preview_only: bool = False,
    fee_rules: FeeRules | None = None,
    wait_rules: WaitRules | None = None,
) -> Generator[LiveBooks]:
    """Open a state for trades on its chain, with the writer lock.

    Outcomes of transactions of an earlier process are found out first.

    Parameters
    ----------
    preview_only
        Whether to take no lock and resolve nothing, so that a running strategy is not disturbed. Nothing may be traded
        then.

    Raises
    ------
    StoreLocked
        The strategy is running.
    OperationRefused
        The state belongs to another wallet, or trades are in flight.
    ExecutionHaltableIssue
        The outcome of an earlier trade is unknown; the message says which.
    """
    with open_store(place) as store:
        if not preview_only:
            store.acquire_writer_lock()
        state = store.load()
        address = get_wallet_address(state, connection.chain_id)
        if address.lower() != wallet.address.lower():
            raise OperationRefused(f"the state belongs to the wallet {address}, and the key to {wallet.address}")
        models = make_live_models(settings, connection, wallet, store.sync, fee_rules=fee_rules, wait_rules=wait_rules)
        if not preview_only:
            models.execution.preflight_check()
            models.execution.resolve_unconfirmed(utc_now(), state)
        try:
            state.check_if_clean()
        except UncleanState as error:
            raise OperationRefused(str(error), remedy=Remedy.repair_first) from error
        yield LiveBooks(state, models, store.sync, settings)


# --- Closing positions


def plan_sales(books: LiveBooks, request: CloseRequest) -> list[PlannedSale]:
    """Return the sales that close the requested positions at present prices; nothing is changed.

    Raises
    ------
    OperationRefused
        There is no such position, or it cannot be sold.
    PriceUnavailable
        A pair has no price.
    """
    now = utc_now()
    sales: list[PlannedSale] = []
    for position in choose_positions(books.state, request):
        require_closable(position)
        if position.is_loan_based() or position.pair.kind.is_cctp_bridge():
            kind = position.pair.kind.value
            raise OperationRefused(f"position #{position.position_id} is {kind}, it cannot be sold here")
        quantity = position.get_quantity()
        sales.append(PlannedSale(position, quantity, books.models.pricing.get_sell_price(now, position.pair, quantity)))
    return sales


def sell_positions(books: LiveBooks, sales: Sequence[PlannedSale]) -> list[TradeExecution]:
    """Sell positions one after the other; a failed sale freezes its position.

    Returns
    -------
    list
        The trades, with their outcomes.

    Raises
    ------
    ChainError
        A sale cannot be sent, or its outcome is unknown; earlier ones are booked and saved.
    """
    done: list[TradeExecution] = []
    for sale in sales:
        now, position = utc_now(), sale.position
        trade = _plan_sale(books, now, position, sale.quantity, "Closed by hand", closing=True)
        _execute(books, now, trade)
        if trade.is_success():
            expire_waiting_orders(position, now)
        books.save(books.state)
        done.append(trade)
    return done


def _plan_sale(
    books: LiveBooks,
    now: datetime.datetime,
    position: TradingPosition,
    quantity: Decimal,
    notes: str,
    *,
    closing: bool,
    flags: set[TradeFlag] | None = None,
) -> TradeExecution:
    pair = position.pair
    pricing = books.models.pricing.get_sell_price(now, pair, quantity)
    _, trade, _ = books.state.create_trade(
        strategy_cycle_at=now,
        pair=pair,
        quantity=-quantity,
        reserve=None,
        assumed_price=pricing.price,
        trade_type=TradeType.rebalance,
        reserve_currency=position.reserve_currency,
        reserve_currency_price=position.last_reserve_price,
        pair_fee=pair.fee,
        planned_mid_price=pricing.mid_price,
        price_structure=pricing,
        position=position,
        closing=closing,
        flags=flags,
        notes=notes,
    )
    return trade


def _execute(books: LiveBooks, now: datetime.datetime, trade: TradeExecution) -> None:
    """Execute a trade; if it cannot be sent, it expires, and the state has no open plan."""
    try:
        books.models.execution.execute_trades(now, books.state, [trade])
    except BaseException:
        if trade.is_planned():
            books.models.execution.resolve_unconfirmed(now, books.state)
        raise


# --- Test trades


def make_test_trade(books: LiveBooks, pair: TradingPairIdentifier, amount: Decimal) -> list[TradeExecution]:
    """Buy a little of a pair, and sell what was bought.

    Parameters
    ----------
    pair
        One of the settings.
    amount
        Reserve currency to spend, token units.

    Returns
    -------
    list
        The purchase and, if it succeeded, the sale.

    Raises
    ------
    OperationRefused
        There is not enough cash.
    ChainError
        A trade cannot be sent, or its outcome is unknown.
    """
    state, now = books.state, utc_now()
    reserve = state.portfolio.get_default_reserve_position()
    if amount > reserve.quantity:
        raise OperationRefused(f"there are only {reserve.quantity} {reserve.asset.token_symbol} in the books")
    pricing = books.models.pricing.get_buy_price(now, pair, amount)
    flags = {TradeFlag.test_trade}
    position, purchase, _ = state.create_trade(
        strategy_cycle_at=now,
        pair=pair,
        quantity=None,
        reserve=amount,
        assumed_price=pricing.price,
        trade_type=TradeType.rebalance,
        reserve_currency=reserve.asset,
        reserve_currency_price=1.0,
        pair_fee=pair.fee,
        planned_mid_price=pricing.mid_price,
        price_structure=pricing,
        flags=flags,
        notes="Test trade",
    )
    _execute(books, now, purchase)
    books.save(state)
    if not purchase.is_success():
        return [purchase]
    now = utc_now()
    bought = purchase.executed_quantity
    assert bought is not None, "the trade succeeded"
    is_all = bought == position.get_quantity()
    sale = _plan_sale(books, now, position, bought, "Test trade", closing=is_all, flags=flags)
    _execute(books, now, sale)
    books.save(state)
    return [purchase, sale]


# --- Failed trades


def list_failed_trades(books: LiveBooks, trade_ids: frozenset[int]) -> list[TradeExecution]:
    """Return the failed trades to try again; `trade_ids` are all if empty. Raises `OperationRefused` for other ids."""
    failed = {trade.trade_id: trade for trade in find_trades_to_be_repaired(books.state)}
    wrong = sorted(trade_ids - failed.keys())
    if wrong:
        known = ", ".join(f"#{number}" for number in sorted(failed)) or "none"
        raise OperationRefused(
            f"trade #{wrong[0]} is not a failed trade of an open or frozen position", f"Failed: {known}."
        )
    return [trade for number, trade in failed.items() if not trade_ids or number in trade_ids]


def retry_on_chain(books: LiveBooks, trades: Sequence[TradeExecution]) -> RepairResult:
    """Send failed trades again, at present prices and with their own slippage tolerance.

    Raises
    ------
    ChainError
        A trade cannot be sent, or its outcome is unknown; earlier ones are booked and saved.
    """
    result = retry_trades(
        state=books.state,
        execution_model=books.models.execution,
        now=utc_now(),
        trade_ids=[trade.trade_id for trade in trades],
    )
    books.save(books.state)
    return result
