"""Making good what failed: counter trades for failed trades, and frozen positions back into use.

A repair never rewrites what happened.  The failed trade keeps its plan, its transactions and its allocation as
evidence and is marked repaired; a counter trade of type ``repair`` stands beside it.  Neither adds to the position, so
that quantities and equity are what they were before the trade.

Money moves in one case only: files of old versions have failed buys whose allocation never came back.  Whether that is
so cannot be seen from the trade; the caller says it.  `State.mark_trade_failed` gives allocations back at once.

Every function checks first and then changes, so a refused repair changes nothing.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    InvalidTrade,
    ReserveMissing,
    UnsupportedPairKind,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus, TradeType
from tradeexecutor.state.trade_status import ZERO, require_naive

__all__ = [
    "RepairResult",
    "close_position_with_empty_trade",
    "find_trades_to_be_repaired",
    "make_counter_trade",
    "repair_trade",
    "repair_trades",
    "repair_tx_missing",
    "unfreeze_position",
]

#: Keys of `TradeExecution.other_data` that say that capital is still somewhere: no counter trade can make that good.
CAPITAL_AT_RISK_KEYS = ("hypercore_deposit_capital_at_risk", "hypercore_stranded_usdc")

#: Tells whether the allocation of a failed trade has come back to the cash already.
AllocationReturned = Callable[[TradeExecution], bool]


@dataclass(slots=True)
class RepairResult:
    """What a repair found and did.

    Attributes
    ----------
    frozen_positions
        Frozen before the repair.
    unfrozen_positions
        Back in use, or closed because nothing was left.
    trades_needing_repair
        Failed trades that were found.
    new_trades
        Counter trades, in the order of the trades they repair.
    """

    frozen_positions: list[TradingPosition] = field(default_factory=list[TradingPosition])
    unfrozen_positions: list[TradingPosition] = field(default_factory=list[TradingPosition])
    trades_needing_repair: list[TradeExecution] = field(default_factory=list[TradeExecution])
    new_trades: list[TradeExecution] = field(default_factory=list[TradeExecution])


def find_trades_to_be_repaired(state: State) -> list[TradeExecution]:
    """Return the failed trades of open and frozen positions, in order; shorts cannot be repaired and are left out."""
    return [
        trade
        for position in state.portfolio.get_open_and_frozen_positions()
        for trade in position.trades.values()
        if trade.is_repair_needed() and not trade.is_short()
    ]


def repair_trades(
    state: State,
    attempt_repair: bool = True,
    now: datetime.datetime | None = None,
    allocation_returned: AllocationReturned | None = None,
) -> RepairResult:
    """Repair all failed trades and unfreeze the positions that have nothing else wrong with them.

    Positions with capital at risk somewhere else are left alone; positions with a trade in flight stay frozen until a
    later repair.

    Parameters
    ----------
    attempt_repair
        False only finds.
    now
        Time of the repair, naive UTC.
    allocation_returned
        Answers for each failed buy whether its allocation came back when it failed; by default it did.
    """
    portfolio = state.portfolio
    now = utc_now() if now is None else now
    require_naive(now, "repaired_at")
    result = RepairResult(
        frozen_positions=list(portfolio.frozen_positions.values()),
        trades_needing_repair=find_trades_to_be_repaired(state),
    )
    if not attempt_repair:
        return result
    for trade in result.trades_needing_repair:
        position = portfolio.find_position_for_trade(trade)
        if not _has_capital_at_risk(position):
            returned = allocation_returned is None or allocation_returned(trade)
            result.new_trades.append(repair_trade(portfolio, trade, now, returned))
    for position in result.frozen_positions:
        if _find_obstacle(position) is None:
            unfreeze_position(portfolio, position, now)
            result.unfrozen_positions.append(position)
    return result


def _has_capital_at_risk(position: TradingPosition) -> bool:
    return any(
        (trade.other_data or {}).get(key) is not None
        for trade in position.trades.values()
        for key in CAPITAL_AT_RISK_KEYS
    )


def make_counter_trade(
    portfolio: Portfolio,
    position: TradingPosition,
    trade: TradeExecution,
    now: datetime.datetime | None = None,
) -> TradeExecution:
    """Add the trade that stands against a failed one: the opposite plan, executed with nothing.

    Raises
    ------
    WrongPositionStatus
        The position is closed.
    """
    now = utc_now() if now is None else now
    require_naive(now, "started_at")
    _, counter, _ = portfolio.create_trade(
        strategy_cycle_at=trade.strategy_cycle_at,
        pair=trade.pair,
        quantity=-trade.planned_quantity,
        reserve=None,
        assumed_price=trade.planned_price,
        trade_type=TradeType.repair,
        reserve_currency=trade.reserve_currency,
        reserve_currency_price=trade.get_reserve_currency_exchange_rate(),
        planned_mid_price=trade.planned_mid_price,
        price_structure=trade.price_structure,
        position=position,
    )
    _complete_with_nothing(counter, trade, now)
    return counter


def _complete_with_nothing(counter: TradeExecution, repaired: TradeExecution, now: datetime.datetime) -> None:
    counter.started_at = now
    counter.mark_success(
        now,
        float(repaired.planned_price),
        ZERO,
        ZERO,
        0.0,
        repaired.native_token_price,
        force=True,
    )


def repair_trade(
    portfolio: Portfolio,
    trade: TradeExecution,
    now: datetime.datetime | None = None,
    allocation_returned: bool = True,
) -> TradeExecution:
    """Make a failed trade good and return its counter trade.

    Parameters
    ----------
    now
        Time of the repair, naive UTC.
    allocation_returned
        False for a failed buy of an old file whose allocation never came back: it goes to the cash now.

    Raises
    ------
    WrongTradeStatus
        The trade has not failed, or is repaired already.
    UnsupportedPairKind
        The trade is a short.
    ReserveMissing, PositionNotFound
        There is no cash to give the allocation back to, or the trade belongs to another state.
    """
    trade.require_status(TradeStatus.failed)
    if trade.is_short():
        raise UnsupportedPairKind(f"shorts cannot be repaired by a counter trade: #{trade.trade_id}")
    refund = ZERO
    if not allocation_returned and trade.is_buy():
        allocated = trade.reserve_currency_allocated
        refund = trade.planned_reserve if allocated is None else allocated
    return _repair(portfolio, trade, now, refund)


def repair_tx_missing(
    portfolio: Portfolio, trade: TradeExecution, now: datetime.datetime | None = None
) -> TradeExecution:
    """Make a trade good that was planned or started, but never sent; what its start took out of the cash comes back.

    Raises
    ------
    WrongTradeStatus
        The trade was sent.
    InvalidTrade
        Its capital is from a bridge position: let it fail instead.
    PositionNotFound
        The trade belongs to another state.
    """
    trade.require_status(TradeStatus.planned, TradeStatus.started)
    if trade.blockchain_transactions:
        raise WrongTradeStatus(
            f"trade #{trade.trade_id} has transactions, they must be confirmed", trade.trade_id, trade.get_status()
        )
    if trade.bridge_currency_allocated:
        raise InvalidTrade(f"trade #{trade.trade_id} has capital of a bridge position, mark it failed")
    return _repair(portfolio, trade, now, trade.reserve_currency_allocated or ZERO)


def _repair(
    portfolio: Portfolio, trade: TradeExecution, now: datetime.datetime | None, refund: Decimal
) -> TradeExecution:
    now = utc_now() if now is None else now
    require_naive(now, "repaired_at")
    position = portfolio.find_position_for_trade(trade)
    if refund and trade.reserve_currency not in portfolio.get_reserve_assets():
        raise ReserveMissing(f"no reserve {trade.reserve_currency} to refund trade #{trade.trade_id} to")
    counter = make_counter_trade(portfolio, position, trade, now)
    # From here on nothing fails.
    counter.repaired_trade_id = trade.trade_id
    counter.add_note(f"Repairing trade #{trade.trade_id}")
    trade.repaired_at = trade.executed_at = now
    trade.executed_quantity = trade.executed_reserve = ZERO
    trade.add_note(f"Repaired at {now:%Y-%m-%d %H:%M}, by #{counter.trade_id}")
    portfolio.adjust_reserves(trade.reserve_currency, refund, "repair")
    return counter


def close_position_with_empty_trade(
    portfolio: Portfolio, position: TradingPosition, now: datetime.datetime | None = None
) -> TradeExecution:
    """Close a position whose tokens are gone, with a repair trade of quantity zero; return that trade.

    The closed position keeps the quantity that its trades give.

    Raises
    ------
    UnsupportedPairKind
        The position is leveraged or an exchange account.
    WrongPositionStatus
        The position was never properly opened, or is not open.
    UnexecutedTrades
        A trade is in flight.
    """
    now = utc_now() if now is None else now
    require_naive(now, "executed_at")
    kind = position.pair.kind
    if not (position.is_spot() or kind.is_credit_supply() or kind.is_cctp_bridge()):
        raise UnsupportedPairKind(f"{position} cannot be closed with an empty trade")
    if not position.is_properly_opened():
        raise WrongPositionStatus(f"{position} was never properly opened")
    portfolio.check_can_leave(position)
    opening = position.get_first_trade()
    counter = position.open_trade(
        strategy_cycle_at=now,
        trade_id=portfolio.next_trade_id,
        quantity=ZERO,
        reserve=None,
        assumed_price=opening.planned_price,
        trade_type=TradeType.repair,
        reserve_currency=opening.reserve_currency,
        reserve_currency_price=opening.get_reserve_currency_exchange_rate(),
        planned_mid_price=opening.planned_mid_price,
    )
    portfolio.next_trade_id += 1
    _complete_with_nothing(counter, opening, now)
    counter.repaired_trade_id = opening.trade_id
    counter.add_note("Repairing to close the position, full position size gone missing")
    opening.add_note(f"Repaired at {now:%Y-%m-%d %H:%M}, by #{counter.trade_id}")
    portfolio.move_to_closed(position, now)
    return counter


def unfreeze_position(portfolio: Portfolio, position: TradingPosition, now: datetime.datetime | None = None) -> bool:
    """Take a frozen position whose failures are repaired back into use; close it when nothing is left.

    Raises
    ------
    WrongPositionStatus
        The position is not frozen, has failures that are not repaired or trades without outcome, or owes tokens.
    """
    now = utc_now() if now is None else now
    require_naive(now, "unfrozen_at")
    position_id = position.position_id
    if portfolio.frozen_positions.get(position_id) is not position:
        raise WrongPositionStatus(f"position #{position_id} is not frozen")
    obstacle = _find_obstacle(position)
    if obstacle is not None:
        raise WrongPositionStatus(f"position #{position_id} cannot be unfrozen: {obstacle}")
    quantity = position.get_quantity()
    is_empty = quantity == 0 and position.can_be_closed()
    position.unfrozen_at = now
    position.add_notes_message(f"Unfrozen at {now}")
    if is_empty:
        portfolio.move_to_closed(position, now)
    else:
        del portfolio.frozen_positions[position_id]
        portfolio.open_positions[position_id] = position
    return True


def _find_obstacle(position: TradingPosition) -> str | None:
    """Return why a frozen position cannot be taken back into use; None if it can."""
    for trade in position.trades.values():
        if trade.is_failed() or not (trade.is_success() or trade.is_planned() or trade.expired_at):
            return f"trade #{trade.trade_id} is {trade.get_status().value}"
    if not position.is_repaired():
        return "it has no repaired trade"
    quantity = position.get_quantity()
    return f"it holds {quantity}" if quantity < 0 and not position.is_short() else None
