"""Decisions of a strategy in a form that can be compared between runs."""

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution

__all__ = ["Action", "Decision", "DecisionRecorder", "find_first_difference"]

#: Largest relative difference of equal amounts, because they depend on the last digits of indicators.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Action:
    """One trade that was decided, or the levels of one position afterwards.

    Attributes
    ----------
    text
        Description without amounts, e.g. ``buy BTC-USD``.
    numbers
        Amounts by name; None for a level that is not set.
    is_trade
        Whether it is a trade.
    """

    text: str
    numbers: tuple[tuple[str, float | None], ...] = ()
    is_trade: bool = False

    def describe(self) -> str:
        """Return the action as text, e.g. ``buy BTC-USD, quantity 0.5``."""
        return ", ".join([self.text, *(f"{name} {value:.8g}" for name, value in self.numbers if value is not None)])

    def is_same(self, other: "Action") -> bool:
        """Return True if two actions agree, amounts up to rounding."""
        return (
            self.text == other.text
            and len(self.numbers) == len(other.numbers)
            and all(_is_close(a, b) for (_, a), (_, b) in zip(self.numbers, other.numbers, strict=True))
        )


def _is_close(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else math.isclose(a, b, rel_tol=_TOLERANCE)


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision: its trades, and the levels of all open positions after it.

    Attributes
    ----------
    at
        Time of the decision, naive UTC.
    actions
        Actions in the order in which the strategy returned the trades.
    """

    at: datetime.datetime
    actions: tuple[Action, ...]

    @property
    def has_trades(self) -> bool:
        """Whether anything was traded."""
        return any(action.is_trade for action in self.actions)

    def describe(self, besides: "Decision") -> tuple[str, ...]:
        """Return texts of the actions that are in this decision and not in the other one."""
        return tuple(
            action.describe() for action in self.actions if not any(action.is_same(other) for other in besides.actions)
        )

    def is_same(self, other: "Decision") -> bool:
        """Return True if two decisions agree, amounts up to rounding."""
        if self.at != other.at or len(self.actions) != len(other.actions):
            return False
        return all(a.is_same(b) for a, b in zip(self.actions, other.actions, strict=True))


class DecisionRecorder:
    """Wrapper of ``decide_trades`` that records its results.

    Attributes
    ----------
    decisions
        One for each call, in order of time.
    """

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self._levels: tuple[Action, ...] = ()

    def wrap(self, decide_trades: Callable[..., Any]) -> Callable[[Any], Any]:
        """Return a function that makes the same decisions and records them."""

        def decide(input: Any) -> Any:
            trades = decide_trades(input)
            if isinstance(trades, list):  # The runner refuses anything else.
                self._note(input.timestamp, trades, input.state)
            return trades

        return decide

    def _note(self, at: datetime.datetime, trades: Sequence[Any], state: State) -> None:
        levels = tuple(_iterate_levels(state))
        # Levels rarely change, so one tuple for many decisions saves memory.
        self._levels = levels = self._levels if levels == self._levels else levels
        traded = tuple(_record_trade(trade) for trade in trades if isinstance(trade, TradeExecution))
        self.decisions.append(Decision(at, traded + levels if traded else levels))


def _record_trade(trade: TradeExecution) -> Action:
    numbers = (
        ("quantity", abs(float(trade.planned_quantity))),
        ("value", _to_number(trade.planned_reserve)),
        ("price", _to_number(trade.planned_price)),
    )
    return Action(f"{'buy' if trade.is_buy() else 'sell'} {trade.pair.get_ticker()}", numbers, is_trade=True)


def _iterate_levels(state: State) -> list[Action]:
    portfolio = state.portfolio
    levels: list[Action] = []
    for table in (portfolio.open_positions, portfolio.pending_positions):
        for position in table.values():
            numbers = (
                ("stop loss", position.stop_loss),
                ("take profit", position.take_profit),
                ("trailing stop", position.trailing_stop_loss_pct),
            )
            if any(value is not None for _, value in numbers):
                levels.append(Action(f"levels of {position.pair.get_ticker()}", numbers))
    return levels


def _to_number(amount: Any) -> float | None:
    return None if amount is None else float(amount)


def find_first_difference(a: Sequence[Decision], b: Sequence[Decision]) -> int | None:
    """Return the index of the first decision that differs; None if all are the same."""
    for number, (mine, other) in enumerate(zip(a, b, strict=False)):
        if not mine.is_same(other):
            return number
    return None if len(a) == len(b) else min(len(a), len(b))
