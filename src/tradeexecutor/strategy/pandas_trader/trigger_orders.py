"""Orders that wait for a price or a time: limit entries and partial take profits.

The trades are planned now and kept in `TradingPosition.pending_trades` until `strategy.stop_loss` sees their trigger.
A decision must not return them to the runner.
"""

import datetime
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from tradeexecutor.state.errors import InvalidTrade, WrongPositionStatus, WrongTradeStatus
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeType
from tradeexecutor.state.trigger import PartialTradeLevel, Trigger, TriggerCondition, TriggerType
from tradeexecutor.state.types import Percent, USDollarAmount, USDollarPrice

__all__ = ["TriggerOrders"]


class TriggerOrders:
    """The part of `PositionManager` that plans waiting orders."""

    __slots__ = ()

    if TYPE_CHECKING:
        timestamp: datetime.datetime
        state: State

        def open_spot(
            self,
            pair: TradingPairIdentifier,
            value: USDollarAmount | Decimal,
            take_profit_pct: Percent | None = None,
            stop_loss_pct: Percent | None = None,
            trailing_stop_loss_pct: Percent | None = None,
            stop_loss_usd: USDollarPrice | None = None,
            notes: str | None = None,
            slippage_tolerance: Percent | None = None,
            flags: set[TradeFlag] | None = None,
            take_profit_usd: USDollarPrice | None = None,
        ) -> list[TradeExecution]:
            """See `PositionManager.open_spot`."""
            ...

        def _plan_sell(
            self,
            position: TradingPosition,
            quantity: Decimal,
            trade_type: TradeType,
            flags: set[TradeFlag],
            notes: str | None,
            slippage_tolerance: Percent | None,
            trigger_price: USDollarPrice | None,
            closing: bool = False,
        ) -> TradeExecution: ...

    def set_market_limit_trigger(
        self,
        trades: Iterable[TradeExecution],
        price: USDollarPrice,
        expires_at: datetime.datetime | None = None,
    ) -> None:
        """Make opening trades wait until the price has risen to a level.

        The positions move to `pending_positions`, the trades to their `pending_trades`.

        Parameters
        ----------
        trades
            Planned trades that open new positions.
        price
            Level of the mid price.
        expires_at
            The order lapses after this time; None: never.

        Raises
        ------
        WrongTradeStatus, WrongPositionStatus
            A trade is not planned any more, or its position holds something already; nothing is changed.
        """
        portfolio = self.state.portfolio
        found: list[tuple[TradeExecution, TradingPosition]] = []
        for trade in trades:
            if not trade.is_planned():
                raise WrongTradeStatus(f"{trade} is not planned any more", trade.trade_id, trade.get_status())
            position = portfolio.open_positions.get(trade.position_id)
            if position is None or list(position.trades) != [trade.trade_id]:
                raise WrongPositionStatus(f"{trade} does not open a new position")
            found.append((trade, position))
        for trade, position in found:
            trigger = Trigger(
                type=TriggerType.market_limit,
                condition=TriggerCondition.cross_above,
                price=float(price),
                expires_at=expires_at,
            )
            trade.triggers = [*(trade.triggers or ()), trigger]
            trade.flags = {*(trade.flags or ()), TradeFlag.triggered}
            del position.trades[trade.trade_id]
            position.pending_trades[trade.trade_id] = trade
            position.pending_since_at = self.timestamp
            del portfolio.open_positions[position.position_id]
            portfolio.pending_positions[position.position_id] = position

    def open_spot_with_market_limit(
        self,
        pair: TradingPairIdentifier,
        value: USDollarAmount | Decimal,
        trigger_price: USDollarPrice,
        expires_at: datetime.datetime | None,
        notes: str | None = None,
    ) -> tuple[TradingPosition, list[TradeExecution]]:
        """Plan a position that opens when the price has risen to a level.

        Returns
        -------
        tuple
            The pending position and its waiting trades.
        """
        trades = self.open_spot(pair, value, notes=notes)
        position = self.state.portfolio.open_positions[trades[0].position_id]
        self.set_market_limit_trigger(trades, trigger_price, expires_at)
        return position, trades

    def prepare_take_profit_trades(
        self, position: TradingPosition, levels: Sequence[PartialTradeLevel]
    ) -> list[TradeExecution]:
        """Plan sales of parts of a position that wait for a price or a time.

        Parameters
        ----------
        position
            A spot position that is open or being opened.
        levels
            Tuples (when, quantity, close).  `when` is a level of the mid price (float), a time, or a time after the
            opening; `quantity` is negative, base units; `close` marks the one that empties the position.

        Raises
        ------
        InvalidTrade
            Not a spot position, or a level makes no sense; nothing is changed.
        """
        if not position.pair.is_spot():
            raise InvalidTrade(f"partial take profits are for spot positions, not {position}")
        triggers = [(_make_trigger(level), level) for level in levels]
        trades: list[TradeExecution] = []
        for trigger, (_, quantity, close) in triggers:
            flags = {TradeFlag.partial_take_profit, TradeFlag.reduce, TradeFlag.triggered}
            if close:
                flags.add(TradeFlag.close)
            trade = self._plan_sell(position, -quantity, TradeType.take_profit, flags, None, None, None)
            trade.triggers = [*(trade.triggers or ()), trigger]
            position.pending_trades[trade.trade_id] = trade
            trades.append(trade)
        return trades


def _make_trigger(level: PartialTradeLevel) -> Trigger:
    when, quantity, close = level
    if not isinstance(quantity, Decimal) or not quantity < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTrade(f"the quantity of a take profit is a negative Decimal, not {quantity!r}")
    kind = TriggerType.take_profit_full if close else TriggerType.take_profit_partial
    if isinstance(when, datetime.datetime):
        return Trigger(type=kind, condition=TriggerCondition.timed_absolute, triggering_at=when)
    if isinstance(when, datetime.timedelta):
        return Trigger(type=kind, condition=TriggerCondition.timed_relative_to_open, triggering_at_delta=when)
    return Trigger(type=kind, condition=TriggerCondition.cross_above, price=float(when))
