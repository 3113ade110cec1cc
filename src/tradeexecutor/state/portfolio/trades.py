"""Finding trades of a portfolio by id, nonce or transaction hash.

See :mod:`~tradeexecutor.state.portfolio.trade_index`.
"""

import datetime
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
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
    everything = _FirstAndLast()
    everything.extend(
        [
            *map(_get_first_and_last_executed, portfolio.open_positions.values()),
            add_up_closed(portfolio, _get_first_and_last_executed, _FirstAndLast, "first and last trade").found,
            *map(_get_first_and_last_executed, portfolio.frozen_positions.values()),
        ]
    )
    if everything.found is None:
        trade = next(get_all_trades(portfolio), None)
        return trade, trade
    return everything.found[2:]


#: Times of the earliest and of the latest executed trade, and these trades.
_Executions: TypeAlias = tuple[datetime.datetime, datetime.datetime, TradeExecution, TradeExecution]


class _FirstAndLast:
    """The earliest and the latest executed trade of positions; of those of one time the first."""

    def __init__(self) -> None:
        self.found: _Executions | None = None

    def extend(self, positions: Sequence[_Executions | None]) -> None:
        """Add positions, None for one without an executed trade."""
        executed = [executions for executions in (self.found, *positions) if executions is not None]
        if executed:
            first, last = min(executed, key=itemgetter(0)), max(executed, key=itemgetter(1))
            self.found = first[0], last[1], first[2], last[3]


def _get_first_and_last_executed(position: TradingPosition) -> _Executions | None:
    """Return the times of the earliest and of the latest executed trade, and these trades; None without one."""
    times = [(trade.executed_at, trade) for trade in position.trades.values() if trade.executed_at is not None]
    if not times:
        return None
    first, last = min(times, key=itemgetter(0)), max(times, key=itemgetter(0))
    return first[0], last[0], first[1], last[1]


def get_trading_history_duration(portfolio: PortfolioFields) -> datetime.timedelta | None:
    """Return the time from the first to the last executed trade; None without executed trades."""
    first, last = get_first_and_last_executed_trade(portfolio)
    if first is None or last is None or first.executed_at is None or last.executed_at is None:
        return None
    return last.executed_at - first.executed_at
