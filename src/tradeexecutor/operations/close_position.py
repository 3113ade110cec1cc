"""Closing positions by hand: selling them in a simulation, or writing them off."""

import datetime
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.operations.candle_data import TOLD_FROM_FILES, DataForm
from tradeexecutor.operations.candle_market import (
    CandleExecution,
    CandleMarket,
    choose_time,
    is_sellable,
    require_simulated,
)
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.booking.waiting_orders import expire_waiting_orders
from tradeexecutor.state.display.formatting import format_quantity, format_usd
from tradeexecutor.state.errors import OperationRefused
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.counter_trade import close_position_with_empty_trade
from tradeexecutor.state.repair.unsent import can_be_emptied
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeType

__all__ = [
    "CloseReport",
    "CloseRequest",
    "ClosedPosition",
    "choose_positions",
    "close_positions",
    "is_empty",
    "require_closable",
]


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Request of an operator to close positions.

    Attributes
    ----------
    position_ids, all_test_trades, close_dust
        Which positions to close.
    write_off
        Whether positions that hold something are written off.
    data, form, pairs, at, fee, slippage
        The market to sell in; with empty `data` nothing is sold.
    blacklist
        Whether to blacklist the tokens.
    """

    position_ids: tuple[int, ...] = ()
    all_test_trades: bool = False
    close_dust: bool = False
    write_off: bool = False
    data: tuple[str, ...] = ()
    form: DataForm = TOLD_FROM_FILES
    pairs: tuple[str, ...] = ()
    at: datetime.datetime | None = None
    fee: float = 0.001
    slippage: float = 0.0
    blacklist: bool = False


@dataclass(frozen=True, slots=True)
class ClosedPosition:
    """Result for one position.

    Attributes
    ----------
    position_id, ticker
        The position.
    how
        Text: sold, closed as empty, written off, or why it is still open.
    quantity
        Quantity before, token units.
    value_before
        Value before, USD.
    proceeds
        Proceeds of the sale, reserve token units; None when nothing was sold.
    trade_id
        Id of the trade that closed it; None when it was written off.
    is_closed
        False if the sale failed.
    """

    position_id: int
    ticker: str
    how: str
    quantity: Decimal
    value_before: float
    proceeds: Decimal | None
    trade_id: int | None
    is_closed: bool


@dataclass(slots=True)
class CloseReport:
    """Closed positions, blacklisted symbols, and cash and net asset value in USD, each before and after."""

    items: list[ClosedPosition] = field(default_factory=list[ClosedPosition])
    blacklisted: list[str] = field(default_factory=list[str])
    cash: tuple[float, float] = (0.0, 0.0)
    net_asset_value: tuple[float, float] = (0.0, 0.0)


def close_positions(state: State, now: datetime.datetime, request: CloseRequest) -> CloseReport:
    """Close the requested positions.

    Raises
    ------
    OperationRefused
        There is no such position, it cannot be closed, or it holds something and the request names neither a market
        nor a write-off.
    """
    portfolio = state.portfolio
    positions = choose_positions(state, request)
    for position in positions:
        require_closable(position)
    seller = _Seller(state, request) if request.data else None
    report = CloseReport()
    before = portfolio.get_cash(), portfolio.get_net_asset_value()
    for position in positions:
        if is_empty(position):
            report.items.append(_close_empty(state, position, now))
        elif seller is not None:
            report.items.append(seller.sell(position))
        elif request.write_off:
            report.items.append(_write_off(state, position, now))
        else:
            held = f"{format_quantity(position.get_quantity())} {position.pair.base.token_symbol}"
            raise OperationRefused(
                f"position #{position.position_id} holds {held} worth {format_usd(position.get_value())} USD",
                remedy=Remedy.sell_or_write_off,
            )
        if request.blacklist and report.items[-1].is_closed and position.pair.base not in state.blacklisted_assets:
            state.blacklist_asset(position.pair.base, f"Position #{position.position_id} was closed by hand")
            report.blacklisted.append(position.pair.base.token_symbol)
    after = portfolio.get_cash(), portfolio.get_net_asset_value()
    report.cash, report.net_asset_value = zip(before, after, strict=True)
    return report


def choose_positions(state: State, request: CloseRequest) -> list[TradingPosition]:
    """Return the requested positions; raises `OperationRefused` when one of them is not open."""
    portfolio = state.portfolio
    chosen: dict[int, TradingPosition] = {}
    for number in request.position_ids:
        position = portfolio.open_positions.get(number) or portfolio.frozen_positions.get(number)
        if position is None:
            known = ", ".join(f"#{p.position_id}" for p in portfolio.get_open_and_frozen_positions()) or "none"
            is_closed = number in portfolio.closed_positions
            problem = f"position #{number} is closed already" if is_closed else f"there is no position #{number}"
            raise OperationRefused(problem, f"Open or frozen: {known}.")
        chosen[number] = position
    for position in portfolio.get_open_and_frozen_positions():
        is_test = request.all_test_trades and position.is_test()
        is_dust = request.close_dust and is_empty(position) and _find_problem(position) is None
        if is_test or is_dust:
            chosen[position.position_id] = position
    return list(chosen.values())


def is_empty(position: TradingPosition) -> bool:
    """Return True if a position holds nothing or only dust, so that it is closed without a sale."""
    return position.can_be_closed() and can_be_emptied(position)


def require_closable(position: TradingPosition) -> None:
    """Raise `OperationRefused` for a position with trades that are not settled."""
    problem = _find_problem(position)
    if problem:
        raise OperationRefused(
            f"position #{position.position_id} cannot be closed: it has {problem}",
            remedy=Remedy.list_issues,
        )


def _find_problem(position: TradingPosition) -> str | None:
    if position.has_trades_in_flight():
        return "trades in flight"
    if any(trade.is_planned() and trade.trade_id not in position.pending_trades for trade in position.trades.values()):
        return "planned trades"
    return "failed trades that are not repaired" if any(t.is_failed() for t in position.trades.values()) else None


def _describe(
    position: TradingPosition,
    how: str,
    quantity: Decimal,
    value: float,
    trade_id: int | None,
    proceeds: Decimal | None = None,
) -> ClosedPosition:
    return ClosedPosition(
        position_id=position.position_id,
        ticker=position.pair.get_ticker(),
        how=how,
        quantity=quantity,
        value_before=value,
        proceeds=proceeds,
        trade_id=trade_id,
        is_closed=position.is_closed(),
    )


def _close_empty(state: State, position: TradingPosition, now: datetime.datetime) -> ClosedPosition:
    quantity, value = position.get_quantity(), position.get_value()
    if position.is_frozen():
        position.unfrozen_at = now
    trade = close_position_with_empty_trade(state.portfolio, position, now, "Closed by hand, nothing to sell is left")
    how = "closed, only dust is left" if quantity else "closed, nothing is left"
    return _describe(position, how, quantity, value, trade.trade_id)


def _write_off(state: State, position: TradingPosition, now: datetime.datetime) -> ClosedPosition:
    if position.is_loan_based():
        raise OperationRefused(f"position #{position.position_id} is a loan, it cannot be written off")
    if position.pair.kind.is_cctp_bridge():
        raise OperationRefused(
            f"position #{position.position_id} is capital on another chain, it cannot be written off"
        )
    quantity, value = position.get_quantity(), position.get_value()
    expire_waiting_orders(position, now)
    state.portfolio.mark_down_position(position)
    return _describe(position, "written off", quantity, value, None)


class _Seller:
    """Sale of positions at the prices of candles."""

    def __init__(self, state: State, request: CloseRequest):
        require_simulated(state, "positions cannot be sold")
        self.state = state
        self.at = choose_time(state, request.at)
        self.market = CandleMarket(request.data, request.pairs, request.fee, request.form)
        self.execution = CandleExecution(self.market, state, self.at, request.slippage)

    def sell(self, position: TradingPosition) -> ClosedPosition:
        """Sell the whole quantity of a spot position; a failed sale freezes it. Raises `OperationRefused` otherwise."""
        number, pair, at = position.position_id, position.pair, self.at
        if not is_sellable(position):
            raise OperationRefused(f"position #{number} is {pair.kind.value}, only spot positions can be sold here")
        mid = self.market.get_mid_price(at, pair)
        if mid is None:
            raise OperationRefused(self.market.describe_missing(at, pair))
        quantity, value = position.get_quantity(), position.get_value()
        fee = self.market.get_fee(pair)
        _, trade, _ = self.state.create_trade(
            strategy_cycle_at=at,
            pair=pair,
            quantity=-quantity,
            reserve=None,
            assumed_price=mid * (1 - fee),
            trade_type=TradeType.rebalance,
            reserve_currency=position.reserve_currency,
            reserve_currency_price=position.last_reserve_price,
            pair_fee=fee,
            lp_fees_estimated=float(quantity) * mid * fee,
            planned_mid_price=mid,
            position=position,
            closing=True,
            notes="Closed by hand in a simulation",
        )
        self.execution.execute_trades(at, self.state, [trade])
        if trade.is_failed():
            how = f"the sale failed, the position is frozen: {trade.get_revert_reason()}"
            return _describe(position, how, quantity, value, trade.trade_id)
        expire_waiting_orders(position, at)
        return _describe(position, "sold", quantity, value, trade.trade_id, trade.executed_reserve)
