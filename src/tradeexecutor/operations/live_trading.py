"""Trades that an operator makes with the models of a live strategy: closing positions, retrying failed trades.

They are sent as the trades of the strategy are: every transaction is recorded and saved before it is sent, so that a
crash loses nothing. There is no undo.
"""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.operations.close_position import CloseRequest, choose_positions, require_closable
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.booking.waiting_orders import expire_waiting_orders
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import OperationRefused, UncleanState
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import RepairResult, find_trades_to_be_repaired
from tradeexecutor.state.retry import find_obstacle, retry_trades
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.strategy.runner import Models
from tradeexecutor.strategy.trade_pricing import TradePricing

__all__ = [
    "LiveBooks",
    "PlannedSale",
    "execute_trade",
    "find_obstacles",
    "list_failed_trades",
    "plan_sale",
    "plan_sales",
    "require_clean",
    "retry_live",
    "sell_positions",
    "settle_books",
]


@dataclass(frozen=True, slots=True)
class LiveBooks:
    """A state with the models that trade for it.

    Attributes
    ----------
    state
        The state.
    models
        Models of prices and execution.
    save
        Saves the state.
    clock
        Returns the time, naive UTC.
    """

    state: State
    models: Models
    save: Callable[[State], None]
    clock: Callable[[], datetime.datetime] = utc_now


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


def settle_books(books: LiveBooks) -> None:
    """Find out the outcomes of trades that are in flight.

    Raises
    ------
    ExecutionHaltableIssue
        The outcome of an earlier trade is unknown; the message says which.
    """
    books.models.execution.resolve_unconfirmed(books.clock(), books.state)


def require_clean(state: State) -> None:
    """Raise `OperationRefused` if trades are in flight, or the state has to be repaired before anybody trades."""
    try:
        state.check_if_clean()
    except UncleanState as error:
        raise OperationRefused(str(error), remedy=Remedy.repair_first) from error


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
    now = books.clock()
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
        now, position = books.clock(), sale.position
        trade = plan_sale(books, now, position, sale.quantity, "Closed by hand", closing=True)
        execute_trade(books, now, trade)
        if trade.is_success():
            expire_waiting_orders(position, now)
        books.save(books.state)
        done.append(trade)
    return done


def plan_sale(
    books: LiveBooks,
    now: datetime.datetime,
    position: TradingPosition,
    quantity: Decimal,
    notes: str,
    *,
    closing: bool,
    flags: set[TradeFlag] | None = None,
) -> TradeExecution:
    """Return the planned sale of a part of a position, or of all of it, at the present price."""
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


def execute_trade(books: LiveBooks, now: datetime.datetime, trade: TradeExecution, *, triggered: bool = False) -> None:
    """Execute a trade; if it cannot be sent, it expires, and the state has no open plan."""
    try:
        books.models.execution.execute_trades(now, books.state, [trade], triggered=triggered)
    except BaseException:
        if trade.is_planned():
            books.models.execution.resolve_unconfirmed(now, books.state)
        raise


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


def find_obstacles(books: LiveBooks, trades: Sequence[TradeExecution]) -> dict[int, str]:
    """Return why trades cannot be sent again at present, by trade id; those that can be are left out."""
    execution = books.models.execution
    found = {trade.trade_id: find_obstacle(books.state, execution, trade) for trade in trades}
    return {number: obstacle for number, obstacle in found.items() if obstacle is not None}


def retry_live(books: LiveBooks, trades: Sequence[TradeExecution]) -> RepairResult:
    """Send failed trades again, at present prices and with their own slippage tolerance.

    Raises
    ------
    ChainError
        A trade cannot be sent, or its outcome is unknown; earlier ones are booked and saved.
    """
    result = retry_trades(
        state=books.state,
        execution_model=books.models.execution,
        now=books.clock(),
        trade_ids=[trade.trade_id for trade in trades],
    )
    books.save(books.state)
    return result
