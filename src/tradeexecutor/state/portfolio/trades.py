"""Finding trades of a portfolio by id, nonce or transaction hash.

See :mod:`~tradeexecutor.state.portfolio.trade_index`.
"""

import datetime
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import TypeAlias

from tradeexecutor.state.errors import (
    NonceAlreadyUsed,
)
from tradeexecutor.state.portfolio.fields import PortfolioFields
from tradeexecutor.state.portfolio.lookup import add_up_closed, get_all_positions
from tradeexecutor.state.portfolio.trade_index import PositionTables
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution

# --- Trades


def get_all_trades(portfolio: PortfolioFields) -> Iterator[TradeExecution]:
    """Iterate over the trades of open, closed and frozen positions."""
    return chain.from_iterable(position.trades.values() for position in get_all_positions(portfolio))


def get_trade_by_id(portfolio: PortfolioFields, trade_id: int) -> TradeExecution | None:
    """Return the trade of an open, closed or frozen position with this id, None without one."""
    return portfolio.get_trade_index().find_by_id(_get_tables_with_trades(portfolio), trade_id)


def get_trade_by_tx_hash(portfolio: PortfolioFields, tx_hash: str) -> TradeExecution | None:
    """Return the trade with this blockchain transaction, None without one."""
    return portfolio.get_trade_index().find_by_transaction(_get_tables_with_trades(portfolio), "tx_hash", tx_hash)


def _get_tables_with_trades(portfolio: PortfolioFields) -> PositionTables:
    return portfolio.open_positions, portfolio.closed_positions, portfolio.frozen_positions


def has_unexecuted_trades(portfolio: PortfolioFields) -> bool:
    """Return True if any trade of an open position is started or broadcasted."""
    return any(position.has_unexecuted_trades() for position in portfolio.open_positions.values())


def check_for_nonce_reuse(portfolio: PortfolioFields, nonce: int) -> None:
    """Raise `NonceAlreadyUsed` if a blockchain transaction already has the nonce."""
    trade = portfolio.get_trade_index().find_by_transaction(_get_tables_with_trades(portfolio), "nonce", nonce)
    if trade is not None:
        tx_hash = next(tx.tx_hash for tx in trade.blockchain_transactions if tx.nonce == nonce)
        raise NonceAlreadyUsed(
            f"nonce {nonce} is already used by trade #{trade.trade_id}, transaction {tx_hash}",
            nonce,
            trade.trade_id,
        )


def get_first_and_last_executed_trade(
    portfolio: PortfolioFields,
) -> tuple[TradeExecution | None, TradeExecution | None]:
    """Return the earliest and the latest executed trade.

    Both are the very first trade of the portfolio, executed or not, if none was executed, and None if there is no
    trade at all.
    """
    executed = [trade for trade in get_all_trades(portfolio) if trade.executed_at is not None]
    if not executed:
        trade = next(get_all_trades(portfolio), None)
        return trade, trade
    get_time = attrgetter("executed_at")
    return min(executed, key=get_time), max(executed, key=get_time)


def get_first_and_last_execution(
    portfolio: PortfolioFields,
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return the times of the earliest and of the latest executed trade, naive UTC; None without one.

    It takes the same time for a long history, see `add_up_closed`.
    """
    open_positions, frozen = portfolio.open_positions.values(), portfolio.frozen_positions.values()
    times = _ExecutionTimes()
    times.extend([*map(_get_execution_times, open_positions), *map(_get_execution_times, frozen)])
    closed = add_up_closed(portfolio, _get_execution_times, _ExecutionTimes, "first and last execution")
    times.extend([closed.found])
    return times.found or (None, None)


#: Times of the earliest and of the latest executed trade.
_Times: TypeAlias = tuple[datetime.datetime, datetime.datetime]


class _ExecutionTimes:
    """The earliest and the latest time of an executed trade in positions."""

    def __init__(self) -> None:
        self.found: _Times | None = None

    def extend(self, positions: Sequence[_Times | None]) -> None:
        """Add positions, None for one without an executed trade."""
        times = [times for times in (self.found, *positions) if times is not None]
        if times:
            self.found = min(first for first, _ in times), max(last for _, last in times)


def _get_execution_times(position: TradingPosition) -> _Times | None:
    times = [trade.executed_at for trade in position.trades.values() if trade.executed_at is not None]
    return (min(times), max(times)) if times else None


def get_trading_history_duration(portfolio: PortfolioFields) -> datetime.timedelta | None:
    """Return the time from the first to the last executed trade; None without executed trades."""
    first, last = get_first_and_last_execution(portfolio)
    return None if first is None or last is None else last - first
