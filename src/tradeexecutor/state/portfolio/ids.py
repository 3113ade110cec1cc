"""Ids of positions, trades and balance updates: those of new ones are free, those in use do not contradict each other.

A file names the next id of each kind.  Programs that add positions by hand leave such a counter too low, and giving the
same id twice would replace what has it.  So the counter is a hint: the next id is above every id in use, and only a
success moves the counter.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from tradeexecutor.state.errors import IntegrityError
from tradeexecutor.state.portfolio.fields import HighestIds, PortfolioFields
from tradeexecutor.state.portfolio.lookup import get_position_tables
from tradeexecutor.state.position import TradingPosition

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
    """Return the id of the position that is opened next: the counter, or the first id above all that are in use."""
    number, highest = portfolio.next_position_id, portfolio.highest_ids or _note_highest_ids(portfolio)
    if number <= highest.position:
        number = highest.position + 1
    if (
        number in portfolio.open_positions
        or number in portfolio.closed_positions
        or number in portfolio.frozen_positions
        or number in portfolio.pending_positions
        or number in portfolio.expired_positions
    ):  # it was added by hand meanwhile
        number = find_highest_ids(portfolio).position + 1
    return number


def get_next_trade_id(portfolio: PortfolioFields) -> int:
    """Return the id of the trade that is planned next: the counter, or the first id above all that are in use."""
    number, highest = portfolio.next_trade_id, portfolio.highest_ids or _note_highest_ids(portfolio)
    return number if number > highest.trade else highest.trade + 1


def get_next_balance_update_id(portfolio: PortfolioFields) -> int:
    """Return the id of the balance update that is booked next: the counter, or the first id above all in use."""
    number, highest = portfolio.next_balance_update_id, portfolio.highest_ids or _note_highest_ids(portfolio)
    return number if number > highest.balance_update else highest.balance_update + 1


def _note_highest_ids(portfolio: PortfolioFields) -> HighestIds:
    """Look the highest ids up, once for each portfolio in memory: from there on the counters tell."""
    highest = portfolio.highest_ids = find_highest_ids(portfolio)
    return highest


def find_highest_ids(portfolio: PortfolioFields) -> HighestIds:
    """Return the highest id in use of each kind, 0 where there is none."""
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
    tables = position.trades, position.pending_trades, position.expired_trades
    return max((max(table) for table in tables if table), default=0)


def _iterate_positions(portfolio: PortfolioFields) -> Iterator[TradingPosition]:
    return chain.from_iterable(table.values() for table in get_position_tables(portfolio))


# --- Ids in use


def check_ids(portfolio: PortfolioFields) -> None:
    """Check that keys equal ids, that no id is used twice, and that trades know their position.

    Raises
    ------
    IntegrityError
        Names the first contradiction.
    """
    position_ids: list[int] = []
    trade_ids: list[int] = []
    for table in get_position_tables(portfolio):
        for key, position in table.items():
            if position.position_id != key:
                raise IntegrityError(f"position #{position.position_id} stands under the key {key!r}")
            position_ids.append(key)
            trade_ids += _check_trades(position)
            if position.balance_updates:
                _check_balance_updates(f"position #{key}", position.balance_updates)
    _require_once("position", position_ids)
    _require_once("trade", trade_ids)
    for key, reserve in portfolio.reserves.items():
        if key.lower() not in (reserve.asset.get_identifier().lower(), reserve.asset.address.lower()):
            raise IntegrityError(f"the reserve of {reserve.asset} stands under the key {key!r}")
        _check_balance_updates(f"the reserve {reserve.asset.token_symbol}", reserve.balance_updates)


def _check_trades(position: TradingPosition) -> Iterable[int]:
    """Check the trades of one position; return their ids, each once."""
    number = position.position_id
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


def _require_once(what: str, ids: list[int]) -> None:
    if len(set(ids)) != len(ids):
        twice = sorted(number for number, count in Counter(ids).items() if count > 1)
        raise IntegrityError(f"{what} id {', '.join(map(str, twice[:8]))} is used twice")


# --- Counters


def list_counter_remarks(portfolio: PortfolioFields) -> list[str]:
    """Return where a counter is not one above the highest id in use, as the reference leaves it at times.

    Above it, a position or trade was taken out of the state.  Below it, one was put in by hand; new ones get free ids
    all the same.
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
