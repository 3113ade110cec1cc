"""Opening and closing positions, and adding trades to them.

Every function either does all of its work, or raises and leaves the portfolio unchanged.
"""

# Reads the slots of watched fields, see `codec.watched_record`.
# pyright: reportPrivateUsage=false

import datetime
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.codec.short_constructor import make_short_constructor
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import (
    InvalidTrade,
    InvalidValue,
    PositionNotFound,
    TooSmallTrade,
    UnexecutedTrades,
    WrongPositionStatus,
)
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.identifier.dust import (
    LARGEST_DUST_EPSILON,
    get_close_epsilon_for_pair,
    get_dust_epsilon_for_pair,
)
from tradeexecutor.state.portfolio.cash import get_cash
from tradeexecutor.state.portfolio.equity import calculate_total_equity
from tradeexecutor.state.portfolio.fields import PortfolioFields
from tradeexecutor.state.portfolio.ids import (
    get_next_balance_update_id,
    get_next_position_id,
    get_next_trade_id,
)
from tradeexecutor.state.portfolio.lookup import find_closed_bridge_position_for_chain, get_position_tables
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.grouping import (
    SCANNED_POSITIONS,
    by_pair,
    get_candidates,
)
from tradeexecutor.state.position.holdings import check_planned_sell
from tradeexecutor.state.position.quantity import get_settled_quantity
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trade.planned_amounts import LEVERAGE_KINDS
from tradeexecutor.state.trade.request import TradeRequest
from tradeexecutor.state.types import USDollarAmount, USDollarPrice

# Reading a member from its enum class is slow in Python 3.11.
_IGNORE_OPEN, _OPEN, _CLOSE = TradeFlag.ignore_open, TradeFlag.open, TradeFlag.close
_TRIGGERED = TradeFlag.triggered
_REPAIR = TradeType.repair

_LOWEST_DUST = -LARGEST_DUST_EPSILON

#: The fields that opening a position sets.
_FIELDS_AT_OPENING = (
    "position_id",
    "pair",
    "opened_at",
    "last_pricing_at",
    "last_token_price",
    "last_reserve_price",
    "reserve_currency",
)

_make_new_position = make_short_constructor(TradingPosition, _FIELDS_AT_OPENING, InvalidValue, checks_rules=False)


# --- Opening and closing


def open_new_position(
    portfolio: PortfolioFields,
    ts: datetime.datetime,
    pair: TradingPairIdentifier,
    assumed_price: USDollarPrice,
    reserve_currency: AssetIdentifier,
    reserve_currency_price: USDollarPrice,
) -> TradingPosition:
    """Add an open position without trades and return it."""
    portfolio.owner.claim()
    position = _new_position(portfolio, ts, pair, assumed_price, reserve_currency, reserve_currency_price)
    position.portfolio_value_at_open = calculate_total_equity(portfolio)
    _register(portfolio, position)
    return position


def _new_position(
    portfolio: PortfolioFields,
    ts: datetime.datetime,
    pair: TradingPairIdentifier,
    assumed_price: USDollarPrice,
    reserve_currency: AssetIdentifier,
    reserve_currency_price: USDollarPrice,
) -> TradingPosition:
    opened_at = last_pricing_at = ts
    position = _make_new_position(  # in the order of `_FIELDS_AT_OPENING`
        get_next_position_id(portfolio),
        pair,
        opened_at,
        last_pricing_at,
        assumed_price,
        reserve_currency_price,
        reserve_currency,
    )
    if not (
        type(assumed_price) is float
        and type(reserve_currency_price) is float
        and assumed_price >= 0.0
        and reserve_currency_price >= 0.0
        and type(ts) is datetime.datetime
        and ts.tzinfo is None
        and reserve_currency is not None  # pyright: ignore[reportUnnecessaryComparison]
    ):  # the usual values need no call
        position.check_rules()
    return position


def _register(portfolio: PortfolioFields, position: TradingPosition) -> None:
    portfolio.open_positions.__setitem__(position.position_id, position)  # faster than an item assignment
    portfolio.next_position_id = position.position_id + 1


def close_position(portfolio: PortfolioFields, position: TradingPosition, executed_at: datetime.datetime) -> None:
    """Move an open or frozen position to the closed positions. Nothing is sold.

    Raises
    ------
    WrongPositionStatus
        The position is neither open nor frozen.
    UnexecutedTrades
        A trade is in flight: its capital would be missing from the equity.
    """
    check_can_leave(portfolio, position)
    move_to_closed(portfolio, position, executed_at)


def move_to_closed(portfolio: PortfolioFields, position: TradingPosition, executed_at: datetime.datetime) -> None:
    """Close a position without the checks of `close_position`; the caller must have made them."""
    portfolio.owner.claim()
    put_into_closed(portfolio, position, executed_at)


def put_into_closed(portfolio: PortfolioFields, position: TradingPosition, executed_at: datetime.datetime) -> None:
    """Do what `move_to_closed` does, for the owner of the portfolio."""
    position_id = position.position_id
    table = portfolio.open_positions if position_id in portfolio.open_positions else portfolio.frozen_positions
    position.closed_at = executed_at
    table.__delitem__(position_id)  # faster than the statements, as for a new trade
    portfolio.closed_positions.__setitem__(position_id, position)


def check_can_leave(portfolio: PortfolioFields, position: TradingPosition) -> None:
    """Raise the errors of `close_position` if the position cannot be closed.

    Raises
    ------
    WrongPositionStatus, UnexecutedTrades
        The position is not open, or has trades in flight.
    """
    position_id = position.position_id
    if all(table.get(position_id) is not position for table in (portfolio.open_positions, portfolio.frozen_positions)):
        raise WrongPositionStatus(f"position #{position_id} is not open, cannot close it")
    if position.has_trades_in_flight():
        raise UnexecutedTrades(f"position #{position_id} has trades in flight, cannot close it")


def mark_down_position(
    portfolio: PortfolioFields, position: TradingPosition, ts: datetime.datetime | None = None
) -> None:
    """Write a position off at `ts` (None: now) and move it to the closed positions; raises like `close_position`."""
    portfolio.owner.claim()
    check_can_leave(portfolio, position)
    position.mark_down(ts)
    move_to_closed(portfolio, position, position.closed_at or utc_now())


def reopen_closed_bridge_position_for_chain(
    portfolio: PortfolioFields, chain_id: int, reopened_at: datetime.datetime
) -> TradingPosition | None:
    """Reopen the bridge position to the chain that was closed last; None without one."""
    portfolio.owner.claim()
    position = find_closed_bridge_position_for_chain(portfolio, chain_id)
    if position is None:
        return None
    position.closed_at = None
    position.last_trade_at = reopened_at
    del portfolio.closed_positions[position.position_id]
    portfolio.open_positions[position.position_id] = position
    return position


# --- Trades


def request_trade(
    portfolio: PortfolioFields, request: TradeRequest, position: TradingPosition | None = None
) -> tuple[TradingPosition, TradeExecution, bool]:
    """Plan a trade on the given position, else on the open position of the pair, else on a new position.

    See `State.request_trade`.

    Raises
    ------
    TooSmallTrade
        The quantity is at or below the dust limit.
    """
    portfolio.owner.claim()
    pair = request.pair
    quantity: Decimal | None = None  # of a position that has neither planned trades nor trades in flight
    if request.flags and _IGNORE_OPEN in request.flags:
        position = None
    elif position is None:
        position, quantity = _find_position_to_trade(portfolio, pair)
    else:
        _check_can_trade(portfolio, position, pair)
        quantity = get_settled_quantity(position)
    created = position is None
    if position is None:
        position = _new_position(
            portfolio,
            request.strategy_cycle_at,
            pair,
            request.assumed_price,
            request.reserve_currency,
            request.reserve_currency_price,
        )
    if len(portfolio.open_positions) <= SCANNED_POSITIONS:  # nearly always: saves a call
        portfolio_value = calculate_total_equity(portfolio)
    else:
        portfolio_value = calculate_equity_for_plan(portfolio, request.strategy_cycle_at)
    trade = position.plan_trade(request, get_next_trade_id(portfolio), portfolio_value)
    planned = trade._planned_quantity
    is_sell = planned < _LOWEST_DUST
    if not is_sell and planned <= LARGEST_DUST_EPSILON and planned:  # others need no limit
        is_sell = planned < ZERO_DECIMAL
        dust = get_dust_epsilon_for_pair(pair)
        if abs(planned) <= dust:
            raise TooSmallTrade(
                f"cannot trade {planned} {pair.base.token_symbol}: at or below the dust limit {dust}", planned, dust
            )
    if request.trade_type is not _REPAIR:
        left = check_planned_sell(position, trade, quantity) if is_sell else None
        assert trade.flags is not None, "plan_trade sets them"
        if created:
            trade.flags.add(_OPEN)
        elif is_sell and _sells_the_rest(position, trade, left):
            trade.flags.add(_CLOSE)
    # Nothing below can fail.
    if created:
        position.portfolio_value_at_open = portfolio_value
        _register(portfolio, position)
    position._trades.__setitem__(trade.trade_id, trade)  # faster than an item assignment, which calls it through C
    portfolio.next_trade_id = trade.trade_id + 1
    if request.notes:
        trade.add_note(request.notes)
        position.add_notes_message(request.notes)
    return position, trade, created


def calculate_equity_for_plan(portfolio: PortfolioFields, planned_at: datetime.datetime) -> USDollarAmount:
    """Return `calculate_total_equity` for a trade of a decision; adds up many positions once for all of its trades."""
    positions = portfolio.open_positions
    if len(positions) > SCANNED_POSITIONS and not portfolio.pending_positions:
        kept = portfolio.get_kept_equity().find(positions, get_cash(portfolio), planned_at)
        if kept is not None:
            return kept
    return calculate_total_equity(portfolio)


def _sells_the_rest(position: TradingPosition, trade: TradeExecution, left: Decimal | None) -> bool:
    """Return True if a new sell sells all that is left of its position; `left` is the result of `check_planned_sell`.

    Leveraged positions are closed only by a request that says so; orders with a trigger have the flags of theirs.
    """
    if position.pair.kind in LEVERAGE_KINDS or (trade.flags and _TRIGGERED in trade.flags):
        return False
    if left is None:
        left = position.get_available_trading_quantity() + trade._planned_quantity
    return not left or abs(left) <= get_close_epsilon_for_pair(position.pair)


def _check_can_trade(portfolio: PortfolioFields, position: TradingPosition, pair: TradingPairIdentifier) -> None:
    """Raise unless the position belongs to this portfolio, trades the pair, and is not closed."""
    if position.pair is not pair and position.pair != pair:
        raise InvalidTrade(f"position #{position.position_id} trades {position.pair}, not {pair}")
    if position.closed_at is not None:
        raise WrongPositionStatus(f"position #{position.position_id} is closed, it cannot trade any more")
    position_id = position.position_id
    if portfolio.open_positions.get(position_id) is position:
        return  # nearly always
    if all(table.get(position_id) is not position for table in get_position_tables(portfolio)):
        raise PositionNotFound(f"position #{position_id} belongs to another portfolio")


def _find_position_to_trade(
    portfolio: PortfolioFields, pair: TradingPairIdentifier
) -> tuple[TradingPosition | None, Decimal | None]:
    """Return the open position for the pair, and its `get_settled_quantity`.

    Positions that planned trades will close are skipped.
    """
    positions = portfolio.open_positions
    if not positions:
        return None, None
    few = len(positions) <= SCANNED_POSITIONS  # nearly always: saves a call
    for position in positions.values() if few else get_candidates(positions, by_pair, pair):
        if position.pair is pair or position.pair == pair:
            # Orders that wait for a trigger are planned, too, but they may never close the position.
            quantity = get_settled_quantity(position)
            if quantity is not None:
                return position, quantity
            closing = position.has_planned_trades() and abs(
                position.get_available_trading_quantity()
            ) < get_dust_epsilon_for_pair(pair)
            if not closing:
                return position, None
    return None, None


# --- Reserves


def allocate_balance_update_id(portfolio: PortfolioFields) -> int:
    """Return the next balance update id and increase the counter."""
    portfolio.owner.claim()
    allocated = get_next_balance_update_id(portfolio)
    portfolio.next_balance_update_id = allocated + 1
    return allocated


# --- Capital moves of trades


@contract_signature
def correct_open_position_balance(
    portfolio: PortfolioFields,
    position: TradingPosition,
    expected_amount: Decimal,
    actual_amount: Decimal,
    strategy_cycle_ts: datetime.datetime,
    block_number: int,
    balance_update_id: int,
) -> None:
    """Raise `NotAvailable`: a correction is a balance update."""
    raise NotImplementedError("corrections are booked as balance updates, see BalanceUpdateCause.correction")
