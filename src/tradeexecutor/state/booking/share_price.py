"""Internal share prices of exchange accounts, and reconstruction for positions that lack one.

Files from before the internal share price existed contain positions without `share_price_state`. Their trades, and for
exchange accounts their balance updates too, are replayed to compute it.
"""

import datetime

from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.pnl import (
    create_share_price_state,
    is_account_placeholder,
    update_share_price_state,
)
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.state import State
from tradeexecutor.state.store import StateStore
from tradeexecutor.state.types import USDollarAmount

#: Number of positions after which a long migration saves the state.
_SAVE_EVERY = 100


def create_share_price_state_for_exchange_account(
    total_value: USDollarAmount, valued_at: datetime.datetime, initial_share_price: float = 1.0
) -> PositionInternalSharePriceState:
    """Return the initial internal share price of an account of which only the value is known.

    Parameters
    ----------
    total_value
        Value of the account, USD, > 0.
    valued_at
        Time of the value, naive UTC.
    """
    return PositionInternalSharePriceState.open(total_value, total_value, valued_at, initial_share_price)


def update_share_price_state_for_balance_update(
    state: PositionInternalSharePriceState, balance_update: BalanceUpdate
) -> PositionInternalSharePriceState:
    """Return the internal share price after an account gained or lost value; the supply does not change."""
    return state.after_balance_change(float(balance_update.quantity), balance_update.block_mined_at)


def migrate_share_price_state(position: TradingPosition) -> bool:
    """Compute the internal share price of a position without one from its history.

    Returns
    -------
    bool
        False when the position has one already, its kind has none, or it has no history yet.
    """
    if position.share_price_state is not None:
        return False
    if position.is_exchange_account():
        state = _replay_account(position)
    elif position.is_spot():
        state = _replay_trades(position)
    else:
        return False
    position.share_price_state = state
    return state is not None


def backfill_share_price_state(state: State, store: StateStore | None = None) -> int:
    """Migrate all open, closed and frozen positions, and return how many positions have changed.

    Parameters
    ----------
    store
        Store that saves the state from time to time, so that a long migration can be interrupted; None to save nothing.
    """
    state.portfolio.owner.claim()
    migrated = 0
    for position in state.portfolio.get_all_positions():
        if migrate_share_price_state(position):
            migrated += 1
            if store is not None and migrated % _SAVE_EVERY == 0:
                store.sync(state)
    return migrated


def _replay_trades(position: TradingPosition) -> PositionInternalSharePriceState | None:
    state: PositionInternalSharePriceState | None = None
    for trade in position.get_executed_trades():
        if trade.executed_quantity:  # repaired trades have no quantity
            state = create_share_price_state(trade) if state is None else update_share_price_state(state, trade)
    return state


def _replay_account(position: TradingPosition) -> PositionInternalSharePriceState | None:
    """Replay trades and balance updates of an account in the order in which they happened.

    Money that a trade has moved to the account is invested. An account that began without such a trade, or with a
    placeholder, is worth its first positive balance, which counts as invested.
    """
    trades = [(trade.executed_at, 0, trade) for trade in position.get_executed_trades() if trade.executed_quantity]
    events = [(event.block_mined_at, 1, event) for event in position.balance_updates.values()]
    state: PositionInternalSharePriceState | None = None
    held = 0.0
    for _, _, change in sorted([*trades, *events], key=lambda entry: entry[:2]):
        if isinstance(change, BalanceUpdate):
            held = float(change.old_balance + change.quantity)
            if state is not None:
                state = update_share_price_state_for_balance_update(state, change)
            elif held > 0:
                state = create_share_price_state_for_exchange_account(held, change.block_mined_at)
            continue
        held += float(change.executed_quantity or 0)
        if state is not None:
            state = update_share_price_state(state, change)
        elif not is_account_placeholder(change):
            state = create_share_price_state(change)
    return state
