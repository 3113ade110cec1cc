"""Levels that a strategy moves, with a latency: the old one holds until the change has reached the market.

A decision may change stop loss, take profit and trailing stop loss of its positions, with `update_stop_loss`, with
`adjust_position` or directly. With a latency the runner compares the levels before and after the decision, sets them
back, and applies each change when it arrives. Until then it is kept in `TradingPosition.other_data`, so that a process
that is started again knows it.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.types import USDollarPrice

__all__ = ["LevelMove", "LevelsBefore", "hold_back_moves", "read_moves", "remember_levels"]

#: Key of `TradingPosition.other_data`: changes of levels that are on their way to the market.
_MOVES_KEY = "moved_levels"

_NAMES = ("stop_loss", "take_profit", "trailing_stop_loss_pct")


class LevelsBefore(NamedTuple):
    """Levels of a position before a decision."""

    position: TradingPosition
    #: Stop loss, take profit, trailing stop loss.
    levels: tuple[float | None, ...]
    #: Number of recorded changes.
    updates: int


@dataclass(frozen=True, slots=True)
class LevelMove:
    """A change of levels on its way to the market.

    Attributes
    ----------
    position
        Whose levels change.
    decided_at, arrives_at
        Time of the decision and of the arrival, naive UTC.
    levels
        Old and new value of each level that changes, by the name of the attribute; None is no level.
    mid_price
        Price at the decision, USD; None if it was not recorded.
    """

    position: TradingPosition
    decided_at: datetime.datetime
    arrives_at: datetime.datetime
    levels: Mapping[str, tuple[float | None, float | None]]
    mid_price: USDollarPrice | None

    @property
    def keeps_target(self) -> bool:
        """Whether take profit and trailing stop loss stay as they are."""
        return set(self.levels) == {"stop_loss"}

    def apply(self, ts: datetime.datetime) -> None:
        """Change the levels at a time, naive UTC, and record it.

        A stop loss that was moved towards the price never moves away from it: when a trailing stop loss, or an earlier
        change, has gone further by now, it stays.
        """
        position = self.position
        self.forget()
        if position.is_closed():
            return
        stop_loss, take_profit = position.stop_loss, position.take_profit
        for name, (old, new) in self.levels.items():
            if name == "stop_loss" and self._would_loosen(old, new):
                continue
            setattr(position, name, new)
        if (position.stop_loss, position.take_profit) == (stop_loss, take_profit):
            return
        position.trigger_updates.append(
            TriggerPriceUpdate(
                timestamp=ts,
                mid_price=self.mid_price,
                stop_loss_before=stop_loss,
                stop_loss_after=position.stop_loss,
                take_profit_before=take_profit,
                take_profit_after=position.take_profit,
            )
        )

    def _would_loosen(self, old: float | None, new: float | None) -> bool:
        present, sign = self.position.stop_loss, -1 if self.position.is_short() else 1
        if new is None or present is None or (old is not None and sign * new < sign * old):
            return False
        return sign * new < sign * present

    def forget(self) -> None:
        """Remove the change from the state."""
        data = dict(self.position.other_data or {})
        rest = [item for item in data.pop(_MOVES_KEY, ()) if item != self._to_json()]
        self.position.other_data = {**data, _MOVES_KEY: rest} if rest else data

    def remember(self) -> None:
        """Keep the change in the state."""
        data = self.position.other_data or {}
        self.position.other_data = {**data, _MOVES_KEY: [*data.get(_MOVES_KEY, ()), self._to_json()]}

    def _to_json(self) -> dict[str, Any]:
        return {
            "decided_at": self.decided_at.isoformat(),
            "arrives_at": self.arrives_at.isoformat(),
            "levels": {name: list(values) for name, values in self.levels.items()},
            "mid_price": self.mid_price,
        }


def read_moves(positions: Iterable[TradingPosition]) -> list[LevelMove]:
    """Return the changes of levels that are on their way, in the order in which they were decided."""
    moves = [
        LevelMove(
            position,
            datetime.datetime.fromisoformat(item["decided_at"]),
            datetime.datetime.fromisoformat(item["arrives_at"]),
            {name: tuple(values) for name, values in item["levels"].items()},
            item["mid_price"],
        )
        for position in positions
        for item in (position.other_data or {}).get(_MOVES_KEY, ())
    ]
    return sorted(moves, key=lambda move: (move.decided_at, move.position.position_id))


def remember_levels(portfolio: Portfolio) -> list[LevelsBefore]:
    """Return the levels of all open and pending positions."""
    return [
        LevelsBefore(position, _get_levels(position), len(position.trigger_updates))
        for table in (portfolio.open_positions, portfolio.pending_positions)
        for position in table.values()
    ]


def hold_back_moves(
    before: Iterable[LevelsBefore], ts: datetime.datetime, arrives_at: datetime.datetime
) -> list[LevelMove]:
    """Set the levels that a decision has changed back, and return the changes, which are kept in the state.

    Parameters
    ----------
    before
        Levels before the decision.
    ts, arrives_at
        Time of the decision and of the arrival, naive UTC.
    """
    moves: list[LevelMove] = []
    for position, levels, updates in before:
        recorded = position.trigger_updates[updates:]
        after = _get_levels(position)
        if after == levels or position.is_closed():
            continue
        del position.trigger_updates[updates:]
        changed = {name: (old, new) for name, old, new in zip(_NAMES, levels, after, strict=True) if old != new}
        for name, (old, _) in changed.items():
            setattr(position, name, old)
        mid_price = recorded[-1].mid_price if recorded else None
        move = LevelMove(position, ts, arrives_at, changed, None if mid_price is None else float(mid_price))
        move.remember()
        moves.append(move)
    return moves


def _get_levels(position: TradingPosition) -> tuple[float | None, ...]:
    return position.stop_loss, position.take_profit, position.trailing_stop_loss_pct
