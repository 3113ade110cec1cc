"""Whether a state is whole: trades without outcome, and ids that contradict each other."""

from tradeexecutor.state.errors import IntegrityError, UncleanState
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state.fields import StateFields
from tradeexecutor.state.trade import TradeExecution


def check_if_clean(state: StateFields) -> None:
    """Raise `UncleanState` if a trade was broadcasted and its outcome never recorded."""
    unclean = [
        trade
        for position in state.portfolio.get_open_and_frozen_positions()
        for trade in position.trades.values()
        if trade.is_unfinished()
    ]
    if unclean:
        names = ", ".join(str(trade) for trade in unclean)
        raise UncleanState(
            f"trades were broadcasted and their outcome is not known: {names}; check them on the chain and repair them",
            [trade.trade_id for trade in unclean],
        )


def perform_integrity_check(state: StateFields) -> None:
    """Check the ids of the tree.

    Position and trade ids are unique over all tables, the id counters are above every used id, table keys
    equal the ids in the values, trades know their position, and statistics belong to known positions.

    Raises
    ------
    IntegrityError
        Names the first contradiction.
    """
    portfolio = state.portfolio
    positions: dict[int, TradingPosition] = {}
    trades: dict[int, TradeExecution] = {}
    for table in portfolio.get_position_tables():
        for key, position in table.items():
            if position.position_id != key or key in positions:
                raise IntegrityError(f"position id {key} is used twice or does not match its position {position!r}")
            positions[key] = position
    for position in positions.values():
        for table in (position.trades, position.pending_trades, position.expired_trades):
            for key, trade in table.items():
                # A partial take profit is in `trades` and `pending_trades` at once.
                if trade.trade_id != key or (key in trades and trades[key].position_id != trade.position_id):
                    raise IntegrityError(f"trade id {key} is used twice or does not match its trade {trade.trade_id}")
                if trade.position_id != position.position_id:
                    raise IntegrityError(
                        f"trade #{key} says position #{trade.position_id}, is in #{position.position_id}"
                    )
                trades[key] = trade
    for what, used, following in (
        ("position", positions, portfolio.next_position_id),
        ("trade", trades, portfolio.next_trade_id),
    ):
        highest = max(used, default=0)
        if highest + 1 != following:
            raise IntegrityError(f"next {what} id is {following}, the highest used one is {highest}")
    unknown = sorted(set(state.stats.positions) - set(positions))
    if unknown:
        raise IntegrityError(f"statistics of unknown positions: {unknown}")
