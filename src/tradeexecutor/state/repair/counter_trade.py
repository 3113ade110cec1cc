"""Counter trades, which mark a failed trade as repaired or close a position whose tokens are gone.

A repair never rewrites history. The failed trade keeps its plan, its transactions and its allocation as evidence and is
marked as repaired, and a counter trade of type ``repair`` is added. Neither trade changes the position, so quantity and
equity are the same as before the failed trade.

Every function makes all checks before the first change, so a refused repair changes nothing.
"""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from tradeexecutor.accounting.accuracy import ZERO_DECIMAL
from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.booking.waiting_orders import expire_waiting_orders
from tradeexecutor.state.clock import utc_now
from tradeexecutor.state.errors import (
    InvalidTrade,
    PositionNotFound,
    ReserveMissing,
    UnsupportedPairKind,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.identifier.dust import get_close_epsilon_for_pair
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.portfolio.ids import get_next_trade_id
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair.attempts import has_failed_before
from tradeexecutor.state.reserve import ReservePosition
from tradeexecutor.state.trade import Fill, TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trade.planned_amounts import EXCHANGE_KINDS

__all__ = [
    "PlannedRepair",
    "apply_repair",
    "close_position_with_empty_trade",
    "find_freeze_obstacle",
    "holds_value_beyond_quantity",
    "make_counter_trade",
    "plan_repair",
    "plan_repair_of_unsent",
    "repair_trade",
    "repair_tx_missing",
    "unfreeze_position",
]

# --- Failed trades, and trades that were never sent


@dataclass(frozen=True, slots=True)
class PlannedRepair:
    """A repair that was checked and can no longer fail.

    Attributes
    ----------
    position, trade
        Trade to repair, and its position.
    refund
        Amount that is given back to `account`, units of its asset.
    account
        The reserve, or the bridge position, that paid for the trade; None without a refund.
    """

    position: TradingPosition
    trade: TradeExecution
    refund: Decimal
    account: ReservePosition | TradingPosition | None


def plan_repair(portfolio: Portfolio, trade: TradeExecution, *, allocation_returned: bool = True) -> PlannedRepair:
    """Check the repair of a failed trade without changes; see `repair_trade`."""
    trade.check_status(TradeStatus.failed)
    refund = ZERO_DECIMAL
    if not allocation_returned:
        refund = trade.reserve_currency_allocated or trade.bridge_currency_allocated or ZERO_DECIMAL
        if not refund and trade.is_buy():
            refund = trade.planned_reserve
    return _plan(portfolio, trade, refund)


def plan_repair_of_unsent(portfolio: Portfolio, trade: TradeExecution) -> PlannedRepair:
    """Check the repair of a trade that was never sent without changes; see `repair_tx_missing`.

    Raises
    ------
    WrongTradeStatus
        The trade has transactions.
    """
    trade.check_status(TradeStatus.planned, TradeStatus.started)
    if trade.blockchain_transactions:
        raise WrongTradeStatus(
            f"trade #{trade.trade_id} has transactions, they must be confirmed", trade.trade_id, trade.get_status()
        )
    return _plan(portfolio, trade, trade.reserve_currency_allocated or trade.bridge_currency_allocated or ZERO_DECIMAL)


def _plan(portfolio: Portfolio, trade: TradeExecution, refund: Decimal) -> PlannedRepair:
    position = portfolio.find_position_for_trade(trade, pending=True)
    if not refund:
        return PlannedRepair(position, trade, ZERO_DECIMAL, None)
    if trade.bridge_currency_allocated and not trade.reserve_currency_allocated:
        bridge = portfolio.find_bridge_position_for_chain(trade.pair.chain_id)
        if bridge is None:
            raise PositionNotFound(f"no bridge position to chain {trade.pair.chain_id} for trade #{trade.trade_id}")
        return PlannedRepair(position, trade, refund, bridge)
    try:
        reserve = portfolio.get_reserve_position(trade.reserve_currency)
    except KeyError:
        raise ReserveMissing(f"no reserve {trade.reserve_currency} to refund trade #{trade.trade_id} to") from None
    return PlannedRepair(position, trade, refund, reserve)


def apply_repair(portfolio: Portfolio, repair: PlannedRepair, now: datetime.datetime) -> TradeExecution:
    """Make a checked repair, and return the counter trade."""
    position, trade = repair.position, repair.trade
    counter = make_counter_trade(portfolio, position, trade, now)
    counter.repaired_trade_id = trade.trade_id
    counter.add_note(f"Repairing trade #{trade.trade_id}")
    trade.repaired_at = trade.executed_at = now
    trade.executed_quantity = trade.executed_reserve = ZERO_DECIMAL
    trade.add_note(f"Repaired at {now:%Y-%m-%d %H:%M}, by #{counter.trade_id}")
    account = repair.account
    if isinstance(account, ReservePosition):
        account.quantity += repair.refund
    elif account is not None:
        if account.closed_at is not None:
            portfolio.reopen_closed_bridge_position_for_chain(account.pair.get_destination_chain_id(), now)
        account.adjust_bridge_capital_allocated(-repair.refund)
    return counter


def repair_trade(
    portfolio: Portfolio,
    trade: TradeExecution,
    now: datetime.datetime | None = None,
    *,
    allocation_returned: bool = True,
) -> TradeExecution:
    """Repair a failed trade, and return its counter trade.

    Parameters
    ----------
    now
        Time of the repair, naive UTC.
    allocation_returned
        False for a failed buy of an old file whose allocation was never given back: it is given back now to its source,
        the cash or a bridge position.

    Raises
    ------
    WrongTradeStatus
        The trade has not failed, or is already repaired.
    ReserveMissing, PositionNotFound
        The reserve or bridge position for the allocation does not exist, or the trade belongs to another state.
    """
    now = _get_time(now)
    return apply_repair(portfolio, plan_repair(portfolio, trade, allocation_returned=allocation_returned), now)


def repair_tx_missing(
    portfolio: Portfolio, trade: TradeExecution, now: datetime.datetime | None = None
) -> TradeExecution:
    """Repair a trade that was planned or started but never sent; its allocated capital is given back.

    Raises
    ------
    WrongTradeStatus
        The trade was sent.
    ReserveMissing, PositionNotFound
        The reserve or bridge position for the capital does not exist, or the trade belongs to another state.
    """
    now = _get_time(now)
    return apply_repair(portfolio, plan_repair_of_unsent(portfolio, trade), now)


def make_counter_trade(
    portfolio: Portfolio,
    position: TradingPosition,
    trade: TradeExecution,
    now: datetime.datetime | None = None,
) -> TradeExecution:
    """Add the counter trade of another trade: it has the opposite plan and an executed quantity of zero.

    Planned trades that are left in a closed position can have a counter trade, too.
    """
    now = _get_time(now)
    reserve = ZERO_DECIMAL
    if trade.pair.kind in EXCHANGE_KINDS:
        reserve = abs(trade.planned_quantity * Decimal(trade.planned_price))
    return _add_empty_trade(
        portfolio,
        position,
        trade,
        now,
        cycle_at=trade.strategy_cycle_at,
        quantity=-trade.planned_quantity,
        reserve=reserve,
    )


def _add_empty_trade(
    portfolio: Portfolio,
    position: TradingPosition,
    model: TradeExecution,
    now: datetime.datetime,
    *,
    cycle_at: datetime.datetime,
    quantity: Decimal = ZERO_DECIMAL,
    reserve: Decimal = ZERO_DECIMAL,
) -> TradeExecution:
    """Add a repair trade with the prices of `model` that exchanged nothing.

    It is built directly, because the rules for planning, such as the smallest quantity or an open position, are for
    trades that will be executed.
    """
    equity = portfolio.calculate_total_equity()
    counter = TradeExecution(
        get_next_trade_id(portfolio),
        position.position_id,
        TradeType.repair,
        model.pair,
        cycle_at,
        quantity,
        reserve,
        model.planned_price,
        model.reserve_currency,
        flags=set(),
        reserve_currency_exchange_rate=model.get_reserve_currency_exchange_rate(),
        planned_mid_price=model.planned_mid_price,
        price_structure=model.price_structure,
        portfolio_value_at_creation=equity,
        closing=False,
        started_at=now,
    )
    fill = Fill(
        executed_at=now,
        price=float(model.planned_price),
        quantity=ZERO_DECIMAL,
        reserve=ZERO_DECIMAL,
        lp_fees=0.0,
        native_token_price=model.native_token_price,
    )
    counter.record_fill(fill, force=True)
    position.trades[counter.trade_id] = counter
    portfolio.next_trade_id = counter.trade_id + 1
    return counter


# --- Positions


def close_position_with_empty_trade(
    portfolio: Portfolio,
    position: TradingPosition,
    now: datetime.datetime | None = None,
    notes: str = "Repairing to close the position, full position size gone missing",
    flags: set[TradeFlag] | None = None,
) -> TradeExecution:
    """Close a position whose tokens are gone with a repair trade of quantity zero, and return that trade.

    The closed position keeps the quantity that results from its trades. Orders that wait for a trigger expire.

    Parameters
    ----------
    notes, flags
        Values for the new trade.

    Raises
    ------
    UnsupportedPairKind
        The position is leveraged or an exchange account.
    WrongPositionStatus
        The position was never properly opened, or is not open.
    UnexecutedTrades
        A trade is in flight.
    """
    now = _get_time(now)
    kind = position.pair.kind
    if not (position.is_spot() or kind.is_credit_supply() or kind.is_cctp_bridge()):
        raise UnsupportedPairKind(f"{position} cannot be closed with an empty trade")
    if not position.is_properly_opened():
        raise WrongPositionStatus(f"{position} was never properly opened")
    portfolio.check_can_leave(position)
    opening = position.get_first_trade()
    counter = _add_empty_trade(portfolio, position, opening, now, cycle_at=now)
    counter.price_structure = None  # the trade has no price
    counter.flags = set(flags or ())
    counter.repaired_trade_id = opening.trade_id
    counter.add_note(notes)
    opening.add_note(f"Repaired at {now:%Y-%m-%d %H:%M}, by #{counter.trade_id}")
    expire_waiting_orders(position, now)
    portfolio.move_to_closed(position, now)
    return counter


def holds_value_beyond_quantity(position: TradingPosition) -> bool:
    """Return True if the position has money that is not part of its quantity and that closing it as empty would hide.

    This is the collateral of a loan, or capital of a bridge that trades on the other chain use.
    """
    if position.pair.kind.is_cctp_bridge():
        return position.get_available_bridge_capital() < -get_close_epsilon_for_pair(position.pair)
    loan = position.loan
    return loan is not None and loan.get_collateral_quantity() > get_close_epsilon_for_pair(position.pair)


def unfreeze_position(portfolio: Portfolio, position: TradingPosition, now: datetime.datetime | None = None) -> bool:
    """Unfreeze a position whose failures are repaired, or close it when nothing is left; return True.

    Raises
    ------
    WrongPositionStatus
        The position is not frozen, has failures that are not repaired or trades without outcome, or owes tokens.
    """
    now = _get_time(now)
    position_id = position.position_id
    if portfolio.frozen_positions.get(position_id) is not position:
        raise WrongPositionStatus(f"position #{position_id} is not frozen")
    obstacle = find_freeze_obstacle(position)
    if obstacle is not None:
        raise WrongPositionStatus(f"position #{position_id} cannot be unfrozen: {obstacle}")
    quantity = position.get_quantity()
    is_empty = (
        quantity == 0
        and position.can_be_closed()
        and not position.has_planned_trades()
        and not holds_value_beyond_quantity(position)
    )
    position.unfrozen_at = now
    position.add_notes_message(f"Unfrozen at {now}")
    if is_empty:
        expire_waiting_orders(position, now)
        portfolio.move_to_closed(position, now)
    else:
        del portfolio.frozen_positions[position_id]
        portfolio.open_positions[position_id] = position
    return True


def find_freeze_obstacle(position: TradingPosition) -> str | None:
    """Return why a frozen position cannot be unfrozen; None when it can be."""
    for trade in position.trades.values():
        if trade.is_failed() or not (trade.is_success() or trade.is_planned() or trade.expired_at):
            return f"trade #{trade.trade_id} is {trade.get_status().value.replace('_', ' ')}"
    if not any(trade.is_repaired() or has_failed_before(trade) for trade in position.trades.values()):
        return "it has no repaired trade"
    quantity = position.get_quantity()
    return f"it holds {quantity}" if quantity < 0 and not position.is_short() else None


def _get_time(now: datetime.datetime | None) -> datetime.datetime:
    if now is None:
        return utc_now()
    require_naive_utc(now, "time of the repair", InvalidTrade)
    return now
