"""Results of closed positions in groups: by pair, by reason of entry and exit, by weekday and hour of the entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tradeexecutor.analysis.adjusted.positions import (
    ExitReason,
    PositionFigures,
    calculate_profit_factor,
    get_entry_note,
    measure_closed,
)
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.types import Percent, USDollarAmount

__all__ = ["BREAKDOWNS", "Breakdown", "BreakdownRow", "break_down"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

#: Hours of a day, as the groups are named.
_HOURS = tuple(f"{hour:02}:00" for hour in range(24))

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


def _list_tickers(closed: PositionFigures) -> list[str]:
    # Positions share their pairs, so there are few.
    pairs = {id(position.pair): position.pair for position in closed.positions}
    tickers = {number: pair.get_ticker() for number, pair in pairs.items()}
    return [tickers[id(position.pair)] for position in closed.positions]


def _list_entry_notes(closed: PositionFigures) -> list[str]:
    return [get_entry_note(position) or NO_NOTE for position in closed.positions]


def _list_exits(closed: PositionFigures) -> list[str]:
    names = {None: "", **{reason: reason.value for reason in ExitReason}}
    return [names[reason] for reason in closed.exits]


def _list_weekdays(closed: PositionFigures) -> list[str]:
    return [_WEEKDAYS[entered_at.weekday()] for entered_at in closed.entered_at]


def _list_hours(closed: PositionFigures) -> list[str]:
    return [_HOURS[entered_at.hour] for entered_at in closed.entered_at]


#: Name -> title, and what returns the group of each position.
BREAKDOWNS: Mapping[str, tuple[str, Callable[[PositionFigures], list[str]]]] = {
    "pair": ("By pair", _list_tickers),
    "entry": ("By entry note", _list_entry_notes),
    "exit": ("By exit", _list_exits),
    "weekday": ("By weekday of the entry", _list_weekdays),
    "hour": ("By hour of the entry (UTC)", _list_hours),
}


def break_down(portfolio: Portfolio, name: str) -> Breakdown:
    """Return the closed positions in groups, without lending.

    Weekdays and hours are in their natural order, other groups in descending order of profit.

    Parameters
    ----------
    name
        A key of `BREAKDOWNS`.
    """
    title, list_keys = BREAKDOWNS[name]
    closed = measure_closed(portfolio)
    places: dict[str, list[int]] = {}
    for place, key in enumerate(list_keys(closed)):
        places.setdefault(key, []).append(place)
    rows = [_make_row(key, closed, own) for key, own in places.items()]
    if name == "weekday":
        rows.sort(key=lambda row: _WEEKDAYS.index(row.key))
    elif name == "hour":
        rows.sort(key=lambda row: row.key)
    else:
        rows.sort(key=lambda row: (-row.profit_usd, row.key))
    return Breakdown(name, title, tuple(rows))


def _make_row(key: str, closed: PositionFigures, places: list[int]) -> BreakdownRow:
    percents = [*map(closed.profit_pct.__getitem__, places)]
    profits = np.array([*map(closed.profit_usd.__getitem__, places)], dtype=np.float64)
    return BreakdownRow(
        key=key,
        positions=len(places),
        won=int((profits > 0).sum()),
        lost=int((profits < 0).sum()),
        profit_usd=float(profits.sum()),
        average_pct=sum(percents) / len(percents),
        best_pct=max(percents),
        worst_pct=min(percents),
        profit_factor=calculate_profit_factor(profits),
    )
