"""Results of closed positions in groups: by pair, by reason of entry and exit, by weekday and hour of the entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tradeexecutor.analysis.adjusted.positions import (
    PositionResult,
    calculate_profit_factor,
    get_entry_note,
    get_exit_reason,
    list_results,
)
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = ["BREAKDOWNS", "Breakdown", "BreakdownRow", "break_down"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

#: Key of the group of positions without notes.
NO_NOTE = "no note"


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """The closed positions of one group; profits are net.

    Attributes
    ----------
    key
        Value that the positions share.
    positions, won, lost
        Number of positions.
    profit_usd
        Sum of their profits.
    average_pct, best_pct, worst_pct
        Profits as fractions of the invested amount.
    profit_factor
        None without a losing position.
    """

    key: str
    positions: int
    won: int
    lost: int
    profit_usd: USDollarAmount
    average_pct: Percent
    best_pct: Percent
    worst_pct: Percent
    profit_factor: float | None


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One way to group positions, and the groups."""

    name: str
    title: str
    rows: tuple[BreakdownRow, ...]


def _get_exit(position: TradingPosition) -> str:
    reason = get_exit_reason(position)
    return "" if reason is None else reason.value


#: Name -> title, and what groups a position.
BREAKDOWNS: Mapping[str, tuple[str, Callable[[TradingPosition], str]]] = {
    "pair": ("By pair", lambda position: position.pair.get_ticker()),
    "entry": ("By entry note", lambda position: get_entry_note(position) or NO_NOTE),
    "exit": ("By exit", _get_exit),
    "weekday": ("By weekday of the entry", lambda position: _WEEKDAYS[position.get_entered_at().weekday()]),
    "hour": ("By hour of the entry (UTC)", lambda position: f"{position.get_entered_at().hour:02}:00"),
}


def break_down(portfolio: Portfolio, name: str) -> Breakdown:
    """Return the closed positions in groups, without lending.

    Weekdays and hours are in their natural order, other groups in descending order of profit.

    Parameters
    ----------
    name
        A key of `BREAKDOWNS`.
    """
    title, get_key = BREAKDOWNS[name]
    groups: dict[str, list[PositionResult]] = {}
    for position, result in list_results(portfolio):
        groups.setdefault(get_key(position), []).append(result)
    rows = [_make_row(key, results) for key, results in groups.items()]
    if name == "weekday":
        rows.sort(key=lambda row: _WEEKDAYS.index(row.key))
    elif name == "hour":
        rows.sort(key=lambda row: row.key)
    else:
        rows.sort(key=lambda row: (-row.profit_usd, row.key))
    return Breakdown(name, title, tuple(rows))


def _make_row(key: str, results: list[PositionResult]) -> BreakdownRow:
    percents = [result.profit_pct for result in results]
    profits = np.array([result.profit_usd for result in results], dtype=np.float64)
    return BreakdownRow(
        key=key,
        positions=len(results),
        won=int((profits > 0).sum()),
        lost=int((profits < 0).sum()),
        profit_usd=float(profits.sum()),
        average_pct=sum(percents) / len(percents),
        best_pct=max(percents),
        worst_pct=min(percents),
        profit_factor=calculate_profit_factor(profits),
    )
