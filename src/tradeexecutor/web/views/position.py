"""One position: its prices with entries, exits and stops, its interest, its trades and their transactions."""

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

from tradeexecutor.analysis.adjusted.positions import get_exit_reason, get_net_result, measure_excursion
from tradeexecutor.report.figures import Unit, format_value
from tradeexecutor.report.table_data import make_position_trades
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.display.formatting import format_price, format_quantity
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.state.types import to_epoch
from tradeexecutor.web.caching import Body
from tradeexecutor.web.endpoints import Question, encode
from tradeexecutor.web.problems import ProblemRaised
from tradeexecutor.web.series import Points, make_ascending
from tradeexecutor.web.views.columns import to_table_view
from tradeexecutor.web.views.overview import to_seconds
from tradeexecutor.web.views.records import (
    ColumnView,
    Curve,
    CurveUnit,
    FactView,
    PositionMark,
    PositionView,
    TableView,
    TransactionView,
)

__all__ = ["find_position", "list_marks", "list_transactions", "make_events", "make_position_view"]

T = TypeVar("T")


def make_position_view(question: Question) -> Body:
    """Return a position with its prices, levels, trades, transactions and interest."""
    number, state = question["position_id"], question.saved.state
    status, position = find_position(state, number)
    numbers = sorted(number for table in _get_tables(state).values() for number in table)
    place = numbers.index(number)
    return encode(
        PositionView(
            position_id=number,
            ticker=position.pair.get_ticker(),
            kind=position.pair.kind.value.replace("_", " "),
            status=status,
            facts=list(_list_facts(state, position)),
            prices=_make_prices(state, position),
            quantity=_make_quantity(position),
            marks=list(list_marks(position)),
            levels=list(_list_levels(position)),
            interest=_make_interest(position),
            trades=to_table_view(make_position_trades(position)),
            events=make_events(position),
            transactions=list_transactions(position),
            notes=position.notes or "",
            before=numbers[place - 1] if place else None,
            after=numbers[place + 1] if place + 1 < len(numbers) else None,
        )
    )


def find_position(state: State, number: int | None) -> tuple[str, TradingPosition]:
    """Return the status and the position of a number; raises `ProblemRaised` if there is none."""
    for name, table in _get_tables(state).items():
        if number in table:
            return name, table[number]
    raise ProblemRaised(404, f"there is no position {number}")


def _get_tables(state: State) -> dict[str, dict[int, TradingPosition]]:
    portfolio = state.portfolio
    return {
        "open": portfolio.open_positions,
        "frozen": portfolio.frozen_positions,
        "pending": portfolio.pending_positions,
        "closed": portfolio.closed_positions,
        "expired": portfolio.expired_positions,
    }


# --- Facts


def _get(accessor: Callable[[], T]) -> T | None:
    """Return what an accessor returns; None where this kind of position does not have it."""
    try:
        return accessor()
    except TradeExecutorError:
        return None


def _list_facts(state: State, position: TradingPosition) -> Iterator[FactView]:
    profit_usd, profit_pct = _get(lambda: get_net_result(position)) or (None, None)
    excursion = _get(lambda: measure_excursion(state, position))
    reason = get_exit_reason(position) if position.is_closed() else None
    yield _make_fact("value", "Value", "usd", _get(position.get_value))
    yield _make_fact("profit", "Profit", "usd", profit_usd)
    yield _make_fact("profit_fraction", "Profit of what was invested", "fraction", profit_pct)
    yield _make_quantity_fact("Quantity", _get(position.get_quantity), position.pair.base.token_symbol)
    yield _make_price_fact("Entry price, average", _get(position.get_average_buy))
    yield _make_price_fact("Exit price, average", _get(position.get_average_sell))
    yield _make_price_fact("Last price", position.last_token_price)
    yield _make_fact("priced_at", "Priced at", "time", position.last_pricing_at)
    yield _make_fact("opened_at", "Opened", "time", position.opened_at)
    yield _make_fact("closed_at", "Closed", "time", position.closed_at)
    yield _make_fact("held", "Held", "span", _get(position.get_duration))
    yield _make_fact("exit", "Why it was closed", "text", reason.value if reason else None)
    yield _make_price_fact("Stop loss", position.stop_loss)
    yield _make_price_fact("Take profit", position.take_profit)
    yield _make_fact("trailing", "Trailing stop", "fraction", position.trailing_stop_loss_pct)
    yield _make_price_fact("Liquidation price", position.liquidation_price)
    if excursion is not None:
        yield _make_fact("lowest", "Lowest while open", "fraction", excursion.adverse)
        yield _make_fact("highest", "Highest while open", "fraction", excursion.favourable)
    yield _make_fact("bought", "Bought", "usd", _get(position.get_total_bought_usd))
    yield _make_fact("sold", "Sold", "usd", _get(position.get_total_sold_usd))
    yield _make_fact("fees", "Trading fees", "usd", _get(position.get_total_lp_fees_paid))
    # Most kinds of positions have no interest at all.
    yield _make_fact("claimed", "Interest received", "usd", _get(position.get_claimed_interest) or None)
    yield _make_fact("repaid", "Interest paid", "usd", _get(position.get_repaid_interest) or None)


def _make_fact(key: str, name: str, unit: Unit, value: Any) -> FactView:
    plain = value.total_seconds() if isinstance(value, datetime.timedelta) else value
    if isinstance(value, datetime.datetime):
        plain = to_epoch(value)
    return FactView(key=key, name=name, unit=unit, value=plain, text=format_value(value, unit))


def _make_price_fact(name: str, value: float | None) -> FactView:
    return FactView(key=name, name=name, unit="price", value=value, text=format_price(value))


def _make_quantity_fact(name: str, value: Decimal | None, symbol: str) -> FactView:
    text = None if value is None else f"{value:f}"
    return FactView(key=name, name=name, unit="quantity", value=text, text=format_quantity(value), note=symbol)


# --- Lines


def _to_curve(name: str, unit: CurveUnit, points: Points) -> Curve:
    kept = make_ascending(points)
    return Curve(name=name, unit=unit, times=[at for at, _ in kept], values=[value for _, value in kept])


def _make_prices(state: State, position: TradingPosition) -> Curve:
    """Return all prices that the state has: of trades, valuations, samples, and the last one."""
    points: Points = [
        (to_epoch(trade.executed_at), trade.executed_price)
        for trade in position.trades.values()
        if trade.executed_at is not None and trade.executed_price
    ]
    points += [(to_epoch(item.valued_at), item.new_price) for item in position.valuation_updates if item.new_price]
    for sample in state.stats.positions.get(position.position_id, ()):
        price = sample.underlying_price or (sample.value / sample.quantity if sample.quantity else None)
        if price and price > 0:
            points.append((to_epoch(sample.last_valuation_at), float(price)))
    if position.last_token_price and not position.is_closed():
        points.append((to_epoch(position.last_pricing_at), position.last_token_price))
    return _to_curve("Price", "price", points)


def _make_quantity(position: TradingPosition) -> Curve:
    held, points = Decimal(0), list[tuple[float, float]]()
    for trade in _sort_executed(position):
        held += trade.get_position_quantity()
        assert trade.executed_at is not None
        points.append((to_epoch(trade.executed_at), float(held)))
    return _to_curve("Quantity", "quantity", points)


def _sort_executed(position: TradingPosition) -> list[TradeExecution]:
    executed = [trade for trade in position.trades.values() if trade.is_success() and trade.executed_at is not None]
    return sorted(executed, key=lambda trade: (trade.executed_at, trade.trade_id))


def list_marks(position: TradingPosition) -> Iterator[PositionMark]:
    """Yield the executed trades of a position at their prices, by time."""
    for trade in _sort_executed(position):
        if trade.executed_price and trade.executed_at is not None:
            quantity = abs(trade.executed_quantity or Decimal(0))
            side = "buy" if trade.is_buy() else "sell"
            amount = f"{format_quantity(quantity)} {trade.pair.base.token_symbol}"
            kind = trade.trade_type.value.replace("_", " ")
            text = f"Trade #{trade.trade_id}, {kind}: {side} {amount} at {format_price(trade.executed_price)} USD"
            yield PositionMark(at=to_epoch(trade.executed_at), price=trade.executed_price, side=side, text=text)


def _list_levels(position: TradingPosition) -> Iterator[Curve]:
    """Yield stop loss, take profit and liquidation price over time; a stop that moved has a step for each move."""
    start = to_epoch(position.opened_at)
    end = to_epoch(position.closed_at or position.last_pricing_at)
    moves = [
        (to_epoch(item.timestamp), item.stop_loss_before, item.stop_loss_after) for item in position.trigger_updates
    ]
    stops: Points = []
    if moves:
        if moves[0][1]:
            stops.append((start, moves[0][1]))
        stops += [(at, after) for at, _, after in moves if after]
        if stops:
            stops.append((max(end, stops[-1][0]), stops[-1][1]))
    elif position.stop_loss:
        stops = [(start, position.stop_loss), (end, position.stop_loss)]
    for name, points in (
        ("Stop loss", stops),
        ("Take profit", [(start, position.take_profit), (end, position.take_profit)] if position.take_profit else []),
        (
            "Liquidation",
            [(start, position.liquidation_price), (end, position.liquidation_price)]
            if position.liquidation_price
            else [],
        ),
    ):
        if points:
            yield _to_curve(name, "price", points)


def _make_interest(position: TradingPosition) -> Curve | None:
    """Return the interest received so far, USD; None for a position without any."""
    total, points = 0.0, list[tuple[float, float]]()
    for event in position.balance_updates.values():
        if event.cause is BalanceUpdateCause.interest:
            total += float(event.usd_value or 0.0)
            points.append((to_epoch(event.block_mined_at), total))
    return _to_curve("Interest", "usd", points) if points else None


# --- Tables


def make_events(position: TradingPosition) -> TableView:
    """Return interest, deposits and corrections of the position."""
    events = list(position.balance_updates.values())
    columns = (
        ColumnView(
            name="Time",
            kind="time",
            minor=False,
            values=[int(to_epoch(event.block_mined_at) * 1000) for event in events],
        ),
        ColumnView(
            name="Event", kind="text", minor=False, values=[event.cause.value.replace("_", " ") for event in events]
        ),
        ColumnView(name="Asset", kind="text", minor=False, values=[event.asset.token_symbol for event in events]),
        ColumnView(name="Quantity", kind="quantity", minor=False, values=[float(event.quantity) for event in events]),
        ColumnView(name="USD", kind="profit", minor=False, values=[event.usd_value for event in events]),
        ColumnView(name="Notes", kind="text", minor=True, values=[event.notes or "" for event in events]),
    )
    return TableView(name="events", sort=0, columns=list(columns))


def list_transactions(position: TradingPosition) -> list[TransactionView]:
    """Return the blockchain transactions of all trades of a position."""
    return [
        _to_transaction(trade, transaction)
        for trade in position.trades.values()
        for transaction in trade.blockchain_transactions
    ]


def _to_transaction(trade: TradeExecution, transaction: Any) -> TransactionView:
    gas, price = transaction.realised_gas_units_consumed, transaction.realised_gas_price
    status = {None: "not confirmed", True: "success", False: "failed"}[transaction.status]
    if transaction.broadcasted_at is None and transaction.status is None:
        status = "not sent"
    return TransactionView(
        trade_id=trade.trade_id,
        tx_hash=None if transaction.tx_hash is None else str(transaction.tx_hash),
        chain_id=None if transaction.chain_id is None else int(transaction.chain_id),
        status=status,
        function=transaction.wrapped_function_selector or transaction.function_selector,
        contract=transaction.wrapped_target or transaction.contract_address,
        nonce=transaction.nonce,
        block_number=transaction.block_number,
        broadcasted_at=to_seconds(transaction.broadcasted_at),
        included_at=to_seconds(transaction.included_at),
        gas_used=gas,
        fee=gas * price / 10**18 if gas is not None and price is not None else None,
        reason=transaction.revert_reason,
    )
