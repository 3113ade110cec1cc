"""Finding positions of a portfolio.

Iterables return open, then closed, then frozen positions, in the order of the tables. Look-ups by pair or asset use an
index, see :mod:`~tradeexecutor.state.position.grouping`.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import contextlib
import datetime
from collections.abc import Callable, Generator, Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, TypeVar

from tradeexecutor.state.codec.kept_groups import Sum
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import (
    InvalidValue,
    MultipleOpenPositionsWithAsset,
    NotSinglePair,
    PositionNotFound,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier, TradingPairKind
from tradeexecutor.state.loan import Loan
from tradeexecutor.state.portfolio.fields import PortfolioFields
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import (
    SCANNED_POSITIONS,
    PositionsById,
    by_base,
    by_bridge_destination,
    by_pair,
    by_pool,
    get_candidates,
)
from tradeexecutor.state.trade import TradeExecution

_CCTP_BRIDGE = TradingPairKind.cctp_bridge

S = TypeVar("S", bound=Sum[Any])


def is_empty(portfolio: PortfolioFields) -> bool:
    """Return True if there are neither reserves nor open or closed positions."""
    return not (portfolio.open_positions or portfolio.reserves or portfolio.closed_positions)


# --- Positions


def get_position_tables(portfolio: PortfolioFields) -> tuple[dict[int, TradingPosition], ...]:
    """Return all five position tables."""
    return (
        portfolio.open_positions,
        portfolio.closed_positions,
        portfolio.frozen_positions,
        portfolio.pending_positions,
        portfolio.expired_positions,
    )


@contract_signature
def get_all_positions(portfolio: PortfolioFields, pending: bool = False) -> Iterable[TradingPosition]:
    """Iterate over open, closed and frozen positions, then the pending ones if asked."""
    tables = [portfolio.open_positions, portfolio.closed_positions, portfolio.frozen_positions]
    if pending:
        tables.append(portfolio.pending_positions)
    return chain.from_iterable(table.values() for table in tables)


@contextlib.contextmanager
def comparing_closed_once(portfolio: PortfolioFields, *, is_last: bool = False) -> Generator[None]:
    """Let all calls of `add_up_closed`, and a save, in the block share one search for changes.

    Closed positions must not change in the block.

    Parameters
    ----------
    is_last
        Whether calls after this block make a new search although they are in an outer block.
    """
    table = portfolio.closed_positions
    with table.keep().comparing_once(is_last=is_last) if isinstance(table, PositionsById) else contextlib.nullcontext():
        yield


def add_up_closed(
    portfolio: PortfolioFields, function: Callable[[TradingPosition], Any], make_sum: Callable[[], S], name: str
) -> S:
    """Return a sum of the values of a function for all closed positions, in order.

    While positions that are closed have not changed, only the values of those closed since the last call are added, see
    :mod:`~tradeexecutor.state.codec.kept_groups`. The result is read at once: the next call may change it.

    Parameters
    ----------
    function
        A function of a module, which depends on nothing but the position.
    make_sum
        Returns the sum of nothing.
    name
        Of the sum.
    """
    table = portfolio.closed_positions
    if isinstance(table, PositionsById):
        return table.keep().add_up(table, function, make_sum, name)
    result = make_sum()
    result.extend([*map(function, table.values())])
    return result


def get_open_positions(portfolio: PortfolioFields) -> Iterable[TradingPosition]:
    """Iterate over open positions."""
    return portfolio.open_positions.values()


def get_open_and_frozen_positions(portfolio: PortfolioFields) -> Iterable[TradingPosition]:
    """Iterate over open and frozen positions."""
    return chain(portfolio.open_positions.values(), portfolio.frozen_positions.values())


def get_unfrozen_positions(portfolio: PortfolioFields) -> Iterator[TradingPosition]:
    """Iterate over positions that a repair unfroze."""
    positions = chain(portfolio.open_positions.values(), portfolio.closed_positions.values())
    return (position for position in positions if position.is_unfrozen())


def get_executed_positions(portfolio: PortfolioFields) -> Iterator[TradingPosition]:
    """Iterate over open positions with at least one successful trade."""
    return (position for position in portfolio.open_positions.values() if position.has_executed_trades())


def get_position_by_id(portfolio: PortfolioFields, position_id: int) -> TradingPosition:
    """Return an open, closed or frozen position.

    Raises
    ------
    PositionNotFound
        The id is unknown; pending and expired positions are not searched.
    """
    position = (
        portfolio.open_positions.get(position_id)
        or portfolio.closed_positions.get(position_id)
        or portfolio.frozen_positions.get(position_id)
    )
    if position is not None:
        return position
    raise PositionNotFound(f"no open, closed or frozen position #{position_id}")


@contract_signature
def find_position_for_trade(
    portfolio: PortfolioFields, trade: TradeExecution, pending: bool = False
) -> TradingPosition:
    """Return the position of a trade; `pending` searches the pending positions first.

    Raises
    ------
    PositionNotFound
        The position does not exist, or the trade is not one of its trades.
    """
    position_id, trade_id = trade.position_id, trade.trade_id
    position = portfolio.open_positions.get(position_id)
    if position is not None and position._trades.get(trade_id) is trade and not portfolio.pending_positions:
        return position  # nearly always
    if pending and position_id in portfolio.pending_positions:
        position = portfolio.pending_positions[position_id]
    elif position is None:
        position = get_position_by_id(portfolio, position_id)
    if position._trades.get(trade_id) is not trade and position.pending_trades.get(trade_id) is not trade:
        raise PositionNotFound(f"trade #{trade_id} is not one of the trades of position #{position.position_id}")
    return position


def get_open_position_for_pair(portfolio: PortfolioFields, pair: TradingPairIdentifier) -> TradingPosition | None:
    """Return the first open position in the same pool, None without one."""
    return _find_by_pool(portfolio.open_positions, pair)


def iterate_open_positions_for_pair(
    portfolio: PortfolioFields, pair: TradingPairIdentifier
) -> Iterator[TradingPosition]:
    """Iterate over the open positions with an equal pair; do not open or close positions meanwhile."""
    return _find_by_pair(portfolio.open_positions, pair)


def get_pending_position_for_pair(portfolio: PortfolioFields, pair: TradingPairIdentifier) -> TradingPosition | None:
    """Return the first pending position in the same pool."""
    return _find_by_pool(portfolio.pending_positions, pair)


@contract_signature
def get_position_by_trading_pair(
    portfolio: PortfolioFields, pair: TradingPairIdentifier, pending: bool = False
) -> TradingPosition | None:
    """Return the first open position with an equal pair; with `pending`, a pending one comes first."""
    tables = (portfolio.pending_positions, portfolio.open_positions) if pending else (portfolio.open_positions,)
    for table in tables:
        for position in _find_by_pair(table, pair):
            return position
    return None


def get_existing_open_position_by_trading_pair(
    portfolio: PortfolioFields, pair: TradingPairIdentifier
) -> TradingPosition | None:
    """Return the first open position in the same pool that has a successful trade."""
    pool = pair.get_identifier()
    for position in get_candidates(portfolio.open_positions, by_pool, pool):
        if position.pair.get_identifier() == pool and position.has_executed_trades():
            return position
    return None


def get_frozen_position(portfolio: PortfolioFields, pair: TradingPairIdentifier) -> TradingPosition | None:
    """Return the first frozen position with an equal pair."""
    return next(iter(_find_by_pair(portfolio.frozen_positions, pair)), None)


@contract_signature
def get_closed_positions_for_pair(
    portfolio: PortfolioFields, pair: TradingPairIdentifier, include_test_position: bool = False
) -> list[TradingPosition]:
    """Return closed positions with an equal pair; test positions only with `include_test_position`."""
    return [
        position
        for position in _find_by_pair(portfolio.closed_positions, pair)
        if include_test_position or not position.is_test()
    ]


def get_open_position_for_asset(portfolio: PortfolioFields, asset: AssetIdentifier) -> TradingPosition | None:
    """Return the open position that holds `asset`.

    Raises
    ------
    MultipleOpenPositionsWithAsset
        There is more than one.
    """
    candidates = get_candidates(portfolio.open_positions, by_base, asset)
    found = [position for position in candidates if position.pair.base == asset]
    if len(found) > 1:
        ids = ", ".join(f"#{position.position_id}" for position in found)
        raise MultipleOpenPositionsWithAsset(f"{asset} is held by open positions {ids}")
    return found[0] if found else None


def get_positions_closed_at(portfolio: PortfolioFields, ts: datetime.datetime) -> Iterator[TradingPosition]:
    """Iterate over positions closed exactly at `ts`."""
    return (position for position in portfolio.closed_positions.values() if position.closed_at == ts)


def get_bridge_position_for_chain(portfolio: PortfolioFields, chain_id: int) -> TradingPosition | None:
    """Return the first open bridge position whose capital is on the chain."""
    # Runs several times for every trade, so it is a loop without a generator.
    positions = portfolio.open_positions
    if not positions:
        return None
    few = len(positions) <= SCANNED_POSITIONS
    for position in positions.values() if few else get_candidates(positions, by_bridge_destination, chain_id):
        pair = position.pair
        if pair.kind is _CCTP_BRIDGE and pair.get_destination_chain_id() == chain_id:
            return position
    return None


def find_bridge_position_for_chain(portfolio: PortfolioFields, chain_id: int) -> TradingPosition | None:
    """Return the bridge position with the capital on a chain: open, else frozen, else the one that closed last."""
    bridge = get_bridge_position_for_chain(portfolio, chain_id)
    if bridge is None:
        bridge = next(_iterate_bridges(portfolio.frozen_positions, chain_id), None)
    return find_closed_bridge_position_for_chain(portfolio, chain_id) if bridge is None else bridge


def find_closed_bridge_position_for_chain(portfolio: PortfolioFields, chain_id: int) -> TradingPosition | None:
    """Return the bridge position to the chain that was closed last, None without one."""
    candidates = _iterate_bridges(portfolio.closed_positions, chain_id)
    return max(candidates, key=lambda position: position.closed_at or position.opened_at, default=None)


def get_open_quantities_by_position_id(portfolio: PortfolioFields) -> dict[str, Decimal]:
    """Return the quantities of open positions: position identifier -> base token units."""
    return {position.get_identifier(): position.get_quantity() for position in portfolio.open_positions.values()}


def get_open_quantities_by_internal_id(portfolio: PortfolioFields) -> dict[int, Decimal]:
    """Return the quantities of open positions: internal id of the pair -> base token units.

    Raises
    ------
    InvalidValue
        A pair has no internal id.
    """
    result: dict[int, Decimal] = {}
    for position in portfolio.open_positions.values():
        if not position.pair.internal_id:
            raise InvalidValue(f"{position.pair} has no internal id")
        result[position.pair.internal_id] = position.get_quantity()
    return result


def get_equity_for_pair(portfolio: PortfolioFields, pair: TradingPairIdentifier) -> Decimal:
    """Return the *quantity* of the open position for the pair, base token units; 0 without one."""
    position = get_open_position_for_pair(portfolio, pair)
    return position.get_quantity() if position is not None else Decimal(0)


# --- Positions by kind


def get_current_credit_positions(portfolio: PortfolioFields) -> list[TradingPosition]:
    """Return open and frozen credit supply positions."""
    return [position for position in get_open_and_frozen_positions(portfolio) if position.is_credit_supply()]


def get_leverage_positions(portfolio: PortfolioFields) -> list[TradingPosition]:
    """Return open and frozen leveraged positions."""
    return [position for position in get_open_and_frozen_positions(portfolio) if position.is_leverage()]


def get_current_interest_positions(portfolio: PortfolioFields) -> list[TradingPosition]:
    """Return credit positions, then leveraged ones."""
    return get_current_credit_positions(portfolio) + get_leverage_positions(portfolio)


def get_open_loans(portfolio: PortfolioFields) -> list[Loan]:
    """Return the loans of open and frozen positions."""
    return [position.loan for position in get_open_and_frozen_positions(portfolio) if position.loan is not None]


# --- Pairs


def get_all_traded_pairs(portfolio: PortfolioFields) -> Iterable[TradingPairIdentifier]:
    """Return the unique pairs of all positions, in order of first appearance."""
    return list(dict.fromkeys(position.pair for position in get_all_positions(portfolio)))


def get_single_pair(portfolio: PortfolioFields) -> TradingPairIdentifier:
    """Return the only traded pair; raises `NotSinglePair` otherwise."""
    pairs = list(get_all_traded_pairs(portfolio))
    if len(pairs) != 1:
        raise NotSinglePair(f"expected one traded pair, got {len(pairs)}")
    return pairs[0]


def _find_by_pair(table: dict[int, TradingPosition], pair: TradingPairIdentifier) -> Iterator[TradingPosition]:
    for position in get_candidates(table, by_pair, pair):
        if position.pair is pair or position.pair == pair:
            yield position


def _find_by_pool(table: dict[int, TradingPosition], pair: Any) -> TradingPosition | None:
    if not isinstance(pair, TradingPairIdentifier):
        raise InvalidValue(f"expected a TradingPairIdentifier, got {pair!r}")
    pool = pair.get_identifier()
    candidates = get_candidates(table, by_pool, pool)
    return next((position for position in candidates if position.pair.get_identifier() == pool), None)


def _iterate_bridges(table: dict[int, TradingPosition], chain_id: int) -> Iterator[TradingPosition]:
    for position in get_candidates(table, by_bridge_destination, chain_id):
        pair = position.pair
        if pair.kind is _CCTP_BRIDGE and pair.get_destination_chain_id() == chain_id:
            yield position
