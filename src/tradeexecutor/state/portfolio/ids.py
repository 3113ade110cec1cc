"""Ids of positions, trades and balance updates: giving out free ids, and checking the ids in use.

A file has a counter with the next id of each kind. Programs that add positions by hand may leave a counter too low, and
an id that is given out twice would replace an existing entry. The counter is therefore only a hint: a new id is above
every id in use, and the counter changes only when the operation succeeds.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from tradeexecutor.state.errors import IntegrityError
from tradeexecutor.state.portfolio.fields import HighestIds, PortfolioFields
from tradeexecutor.state.portfolio.lookup import get_position_tables
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import PositionsById

__all__ = [
    "check_ids",
    "find_highest_ids",
    "get_next_balance_update_id",
    "get_next_position_id",
    "get_next_trade_id",
    "list_counter_remarks",
]

# --- Ids of new ones


def get_next_position_id(portfolio: PortfolioFields) -> int:
    """Return the id of the next position: the counter, or the first id above all ids in use."""
    number, highest = portfolio.next_position_id, portfolio.highest_ids or _note_highest_ids(portfolio)
    if number <= highest.position:
        number = highest.position + 1
    if (
        number in portfolio.open_positions
        or number in portfolio.closed_positions
        or (portfolio.frozen_positions and number in portfolio.frozen_positions)  # they are empty, nearly always
        or (portfolio.pending_positions and number in portfolio.pending_positions)
        or (portfolio.expired_positions and number in portfolio.expired_positions)
    ):  # a position was added by hand meanwhile
        number = find_highest_ids(portfolio).position + 1
    return number


def get_next_trade_id(portfolio: PortfolioFields) -> int:
    """Return the id of the next trade: the counter, or the first id above all ids in use."""
    number, highest = portfolio.next_trade_id, portfolio.highest_ids or _note_highest_ids(portfolio)
    return number if number > highest.trade else highest.trade + 1


def get_next_balance_update_id(portfolio: PortfolioFields) -> int:
    """Return the id of the next balance update: the counter, or the first id above all ids in use."""
    number, highest = portfolio.next_balance_update_id, portfolio.highest_ids or _note_highest_ids(portfolio)
    return number if number > highest.balance_update else highest.balance_update + 1


def _note_highest_ids(portfolio: PortfolioFields) -> HighestIds:
    """Return the highest ids, found once for each portfolio in memory; after that the counters are right."""
    highest = portfolio.highest_ids = find_highest_ids(portfolio)
    return highest


def find_highest_ids(portfolio: PortfolioFields) -> HighestIds:
    """Return the highest id in use of each kind; 0 for none."""
    positions = list(_iterate_positions(portfolio))
    return HighestIds(
        max((position.position_id for position in positions), default=0),
        max(map(_get_highest_trade_id, positions), default=0),
        max(
            chain.from_iterable(owner.balance_updates for owner in (*positions, *portfolio.reserves.values())),
            default=0,
        ),
    )


def _get_highest_trade_id(position: TradingPosition) -> int:
    if not position.pending_trades and not position.expired_trades:  # nearly always
        return max(position.trades, default=0)
    tables = position.trades, position.pending_trades, position.expired_trades
    return max((max(table) for table in tables if table), default=0)


def _iterate_positions(portfolio: PortfolioFields) -> Iterator[TradingPosition]:
    return chain.from_iterable(table.values() for table in get_position_tables(portfolio))


# --- Ids in use


def check_ids(portfolio: PortfolioFields) -> None:
    """Check that keys equal ids, that no id is used twice, and that trades have the id of their position.

    Raises
    ------
    IntegrityError
        A check failed; the message names the first contradiction.
    """
    closed, other = _Ids(), _Ids()
    for table in get_position_tables(portfolio):
        kept = table.kept if table is portfolio.closed_positions and isinstance(table, PositionsById) else None
        if kept is not None and not kept.is_empty:
            ids = kept.add_up(table, _check_position, _Ids, "ids")
            if ids.positions == [*table]:
                closed = ids
                continue
        for key, position in table.items():
            if position.position_id != key:
                raise IntegrityError(f"position #{position.position_id} stands under the key {key!r}")
            other.extend([_check_position(position)])
    _require_once("position", closed.positions, closed.different_positions, other.positions)
    _require_once("trade", closed.trades, closed.different_trades, other.trades)
    for key, reserve in portfolio.reserves.items():
        if key.lower() not in (reserve.asset.get_identifier().lower(), reserve.asset.address.lower()):
            raise IntegrityError(f"the reserve of {reserve.asset} stands under the key {key!r}")
        _check_balance_updates(f"the reserve {reserve.asset.token_symbol}", reserve.balance_updates)


class _Ids:
    """Ids of positions and of their trades."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.trades: list[int] = []
        self.different_positions: set[int] = set()
        self.different_trades: set[int] = set()

    def extend(self, positions: Sequence[tuple[int, tuple[int, ...]]]) -> None:
        """Add positions, see `_check_position`."""
        for position_id, trade_ids in positions:
            self.positions.append(position_id)
            self.trades += trade_ids
            self.different_positions.add(position_id)
            self.different_trades.update(trade_ids)


def _check_position(position: TradingPosition) -> tuple[int, tuple[int, ...]]:
    """Check what is inside a position, and return its id and the ids of its trades."""
    trade_ids = tuple(_check_trades(position))
    if position.balance_updates:
        _check_balance_updates(f"position #{position.position_id}", position.balance_updates)
    return position.position_id, trade_ids


def _check_trades(position: TradingPosition) -> Iterable[int]:
    """Check the trades of one position and return their ids without duplicates."""
    number, trades = position.position_id, position.trades
    if not position.pending_trades and not position.expired_trades:  # nearly always
        for key, trade in trades.items():
            if trade.trade_id != key or trade.position_id != number:
                break
        else:
            return trades
    for table in (position.trades, position.pending_trades, position.expired_trades):
        for key, trade in table.items():
            if trade.trade_id != key:
                raise IntegrityError(f"trade #{trade.trade_id} stands under the key {key!r} in position #{number}")
            if trade.position_id != number:
                raise IntegrityError(f"trade #{key} says position #{trade.position_id}, is in #{number}")
    if position.pending_trades or position.expired_trades:
        # A partial take profit is in `trades` and `pending_trades` at once.
        return {*position.trades, *position.pending_trades, *position.expired_trades}
    return position.trades


def _check_balance_updates(owner: str, events: dict[int, Any]) -> None:
    for key, event in events.items():
        if event.balance_update_id != key:
            raise IntegrityError(f"balance update #{event.balance_update_id} of {owner} stands under the key {key!r}")


def _require_once(what: str, closed: list[int], different: set[int], other: list[int]) -> None:
    """Raise if an id of closed positions, of which the different ones are known, or of others is used twice."""
    others = set(other)
    if len(different) < len(closed) or len(others) < len(other) or not different.isdisjoint(others):
        twice = sorted(number for number, count in Counter(closed + other).items() if count > 1)
        raise IntegrityError(f"{what} id {', '.join(map(str, twice[:8]))} is used twice")


# --- Counters


def list_counter_remarks(portfolio: PortfolioFields) -> list[str]:
    """Return a remark for each counter that is not one above the highest id in use, which the reference may leave.

    A counter is too high after a position or trade was removed from the state, and too low after one was added by
    hand. New positions and trades get free ids in both cases.
    """
    highest = find_highest_ids(portfolio)
    remarks: list[str] = []
    for what, used, following in (
        ("position", highest.position, portfolio.next_position_id),
        ("trade", highest.trade, portfolio.next_trade_id),
    ):
        if following != used + 1:
            text = f"next {what} id is {following}, the highest used one is {used}"
            remarks.append(text if following > used else f"{text}: the next {what} will be #{used + 1}")
    return remarks
