"""Opens a state with its chain for the trades of an operator (`live_trading`), makes test trades, executes triggers."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.ethereum.broadcast import WaitRules
from tradeexecutor.ethereum.chain_file import ChainFile
from tradeexecutor.ethereum.connection import ChainConnection
from tradeexecutor.ethereum.hot_wallet import FeeRules, HotWallet
from tradeexecutor.ethereum.live import make_live_models
from tradeexecutor.operations.chain_balances import get_wallet_address
from tradeexecutor.operations.live_trading import LiveBooks, execute_trade, plan_sale, require_clean, settle_books
from tradeexecutor.operations.state_location import StateLocation, open_store
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.stop_loss import check_position_triggers, fill_triggers

__all__ = [
    "ChainBooks",
    "execute_triggers",
    "make_test_trade",
    "open_for_resolution",
    "open_live_books",
    "plan_triggers",
]


@dataclass(frozen=True, slots=True)
class ChainBooks(LiveBooks):
    """A state with a connection to its chain.

    Attributes
    ----------
    settings
        Settings of the chain.
    """

    settings: ChainFile = field(kw_only=True)


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
) -> Generator[ChainBooks]:
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
        _require_key_of_wallet(state, connection, wallet)
        models = make_live_models(settings, connection, wallet, store.sync, fee_rules=fee_rules, wait_rules=wait_rules)
        books = ChainBooks(state, models, store.sync, settings=settings)
        if not preview_only:
            models.execution.preflight_check()
            settle_books(books)
        require_clean(state)
        yield books


@contextmanager
def open_for_resolution(
    place: StateLocation, settings: ChainFile, connection: ChainConnection, wallet: HotWallet
) -> Generator[Callable[[], list[TradeExecution]]]:
    """Open a state with the writer lock, to find out the outcomes of trades that an earlier process has sent.

    Yields
    ------
    Callable
        Asks the chain, completes what was sent with the recorded bytes, saves, and returns the trades with outcomes;
        raises as `open_live_books`.
    """
    with open_store(place) as store:
        store.acquire_writer_lock()
        state = store.load()
        _require_key_of_wallet(state, connection, wallet)
        models = make_live_models(settings, connection, wallet, store.sync)

        def resolve() -> list[TradeExecution]:
            resolved = list(models.execution.resolve_unconfirmed(utc_now(), state))
            store.sync(state)
            return resolved

        yield resolve


def _require_key_of_wallet(state: State, connection: ChainConnection, wallet: HotWallet) -> None:
    address = get_wallet_address(state, connection.chain_id)
    if address.lower() != wallet.address.lower():
        raise OperationRefused(f"the state belongs to the wallet {address}, and the key to {wallet.address}")


# --- Triggers


def plan_triggers(books: ChainBooks) -> list[TradeExecution]:
    """Return the trades of the triggers that the market has reached, planned in a copy of the state."""
    copy = State.from_json(books.state.to_json())
    return check_position_triggers(_make_manager(books, copy))


def execute_triggers(books: ChainBooks) -> list[TradeExecution]:
    """Execute the stop losses, take profits and waiting orders that the market has reached, and save.

    Returns
    -------
    list
        The trades, with their outcomes.

    Raises
    ------
    ChainError
        A trade cannot be sent, or its outcome is unknown; earlier ones are booked and saved.
    """

    def execute(trade: TradeExecution) -> None:
        execute_trade(books, manager.timestamp, trade, triggered=True)

    manager = _make_manager(books, books.state)
    try:
        return fill_triggers(manager, None, execute)
    finally:
        books.save(books.state)


def _make_manager(books: ChainBooks, state: State) -> PositionManager:
    return PositionManager(utc_now(), books.settings.load_universe(), state, books.models.pricing)


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
    execute_trade(books, now, purchase)
    books.save(state)
    if not purchase.is_success():
        return [purchase]
    now = utc_now()
    bought = purchase.executed_quantity
    assert bought is not None, "the trade succeeded"
    is_all = bought == position.get_quantity()
    sale = plan_sale(books, now, position, bought, "Test trade", closing=is_all, flags=flags)
    execute_trade(books, now, sale)
    books.save(state)
    return [purchase, sale]
