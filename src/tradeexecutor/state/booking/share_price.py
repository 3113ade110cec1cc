"""Internal share prices of exchange accounts, and rebuilding the record of positions that lack one.

Files written before the internal share price existed have positions without `share_price_state`.  Replaying their
trades, or for exchange accounts their balance updates, gives the record they would have.
"""

import datetime

from tradeexecutor.state.balance_update import BalanceUpdate
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.position.pnl import create_share_price_state, update_share_price_state
from tradeexecutor.state.position_internal_share_price import PositionInternalSharePriceState
from tradeexecutor.state.state import State
from tradeexecutor.state.store import StateStore
from tradeexecutor.state.types import USDollarAmount

#: A long migration is saved after so many positions.
_SAVE_EVERY = 100


def create_share_price_state_for_exchange_account(
    total_value: USDollarAmount, valued_at: datetime.datetime, initial_share_price: float = 1.0
) -> PositionInternalSharePriceState:
    """Start the internal share price of an account that is known by its value.

    Parameters
    ----------
    total_value
        USD, > 0.
    valued_at
        Time of the value.
    """
    return PositionInternalSharePriceState.open(total_value, total_value, valued_at, initial_share_price)


def update_share_price_state_for_balance_update(
    state: PositionInternalSharePriceState, balance_update: BalanceUpdate
) -> PositionInternalSharePriceState:
    """Return the internal share price after an account gained or lost value; the supply stays."""
    return state.after_balance_change(float(balance_update.quantity), balance_update.block_mined_at)


def migrate_share_price_state(position: TradingPosition) -> bool:
    """Give a position without an internal share price the record that its history implies.

    Returns
    -------
    bool
        False when there is a record already, the kind has none, or nothing has happened yet.
    """
    if position.share_price_state is not None:
        return False
    if position.is_exchange_account():
        state = _replay_balance_updates(position)
    elif position.is_spot():
        state = _replay_trades(position)
    else:
        return False
    position.share_price_state = state
    return state is not None


def backfill_share_price_state(state: State, store: StateStore | None = None) -> int:
    """Migrate all open, closed and frozen positions and return how many got a record.

    Parameters
    ----------
    store
        Saves the state on the way, so that a long migration can be interrupted.
    """
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
        if trade.executed_quantity:  # repaired trades moved nothing
            state = create_share_price_state(trade) if state is None else update_share_price_state(state, trade)
    return state


def _replay_balance_updates(position: TradingPosition) -> PositionInternalSharePriceState | None:
    state: PositionInternalSharePriceState | None = None
    held = 0.0
    for event in position.balance_updates.values():
        held += float(event.quantity)
        if state is not None:
            state = update_share_price_state_for_balance_update(state, event)
        elif held > 0:
            state = create_share_price_state_for_exchange_account(held, event.block_mined_at)
    return state
