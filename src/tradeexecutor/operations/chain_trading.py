"""Opens a state together with its chain, for the trades of an operator (`live_trading`), and makes test trades."""

from collections.abc import Generator
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
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType

__all__ = ["ChainBooks", "make_test_trade", "open_live_books"]


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
        address = get_wallet_address(state, connection.chain_id)
        if address.lower() != wallet.address.lower():
            raise OperationRefused(f"the state belongs to the wallet {address}, and the key to {wallet.address}")
        models = make_live_models(settings, connection, wallet, store.sync, fee_rules=fee_rules, wait_rules=wait_rules)
        books = ChainBooks(state, models, store.sync, settings=settings)
        if not preview_only:
            models.execution.preflight_check()
            settle_books(books)
        require_clean(state)
        yield books


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
