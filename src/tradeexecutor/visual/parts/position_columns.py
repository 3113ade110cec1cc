"""The positions of a state as columns, read once for all charts."""

import datetime
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tradeexecutor.analysis.adjusted.positions import get_net_result
from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.analysis.times import to_time_index
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import find_end, is_of_pair
from tradeexecutor.visual.parts.theme import shorten

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["PositionColumns", "read_positions"]


@dataclass(frozen=True, slots=True)
class PositionColumns:
    """Positions that were opened, one row for each.

    Attributes
    ----------
    positions
        The positions of the rows, used for texts.
    opened_at, ended_at
        Naive UTC; the end of a position that is not closed is the latest time for which the state contains its value.
    is_closed
        Whether the position is closed.
    labels
        Short names of the pairs; shorts are marked.
    profit_usd, profit_pct
        Net profit, in USD and as a fraction of the invested amount.
    """

    positions: NDArray[np.object_]
    opened_at: pd.DatetimeIndex
    ended_at: pd.DatetimeIndex
    is_closed: NDArray[np.bool_]
    labels: NDArray[np.object_]
    profit_usd: NDArray[np.float64]
    profit_pct: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.positions)

    def choose(self, rows: NDArray[Any]) -> "PositionColumns":
        """Return the rows with the given indexes, or of a mask."""
        return PositionColumns(
            self.positions[rows],
            self.opened_at[rows],
            self.ended_at[rows],
            self.is_closed[rows],
            self.labels[rows],
            self.profit_usd[rows],
            self.profit_pct[rows],
        )

    def choose_closed(self, options: ChartOptions) -> "PositionColumns":
        """Return the positions that were closed in the time range of the options, sorted by closing time.

        Raises
        ------
        NothingToDraw
            There is no such position.
        """
        return _choose_closed(self, options.end_at)


@shared
def _choose_closed(table: PositionColumns, end_at: datetime.datetime | None) -> PositionColumns:
    wanted = table.is_closed.copy()
    if end_at is not None:
        wanted &= np.asarray(table.ended_at <= pd.Timestamp(end_at))
    rows = np.flatnonzero(wanted)
    if not len(rows):
        raise NothingToDraw("no position has been closed yet")
    numbers = [position.position_id for position in table.positions[rows]]
    return table.choose(rows[np.lexsort((numbers, table.ended_at.asi8[rows]))])


@shared
def _read_all(state: "State") -> PositionColumns:
    opened: list[tuple[datetime.datetime, int, TradingPosition, tuple[float, float]]] = []
    for position in state.portfolio.get_all_positions():
        figures = measure_plain(position)
        if figures is not None:  # nearly always
            opened.append((figures.entered_at, position.position_id, position, figures.net_result))
        elif position.is_properly_opened():
            opened.append((position.get_entered_at(), position.position_id, position, get_net_result(position)))
    opened.sort(key=itemgetter(0, 1))
    positions = [position for _, _, position, _ in opened]
    # Positions share their pairs, so there are few.
    pairs = {id(position.pair): position.pair for position in positions}
    labels = {number: _get_label(pair) for number, pair in pairs.items()}
    profits = np.array([result for _, _, _, result in opened], dtype=np.float64).reshape(-1, 2)
    return PositionColumns(
        _to_objects(positions),
        to_time_index(entered_at for entered_at, _, _, _ in opened),
        to_time_index(position.closed_at or find_end(state, position) for position in positions),
        np.array([position.closed_at is not None for position in positions], dtype=np.bool_),
        _to_objects([labels[id(position.pair)] for position in positions]),
        profits[:, 0],
        profits[:, 1],
    )


def _to_objects(values: list[Any]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _get_label(pair: TradingPairIdentifier) -> str:
    ticker = shorten(pair.get_ticker(), 16)
    if pair.kind.is_leverage():
        return f"{ticker} ({'short' if pair.kind.is_shorting() else 'long'})"
    return ticker


def read_positions(state: "State", options: ChartOptions) -> PositionColumns:
    """Return the positions that were open at some time in the time range of the options, sorted by opening time.

    Raises
    ------
    NothingToDraw
        There is none.
    """
    table = _read_all(state)
    wanted = np.ones(len(table), dtype=np.bool_)
    if options.start_at is not None:
        wanted &= np.asarray(table.ended_at >= pd.Timestamp(options.start_at))
    if options.end_at is not None:
        wanted &= np.asarray(table.opened_at <= pd.Timestamp(options.end_at))
    if options.pair is not None:
        wanted &= np.array([is_of_pair(position, options.pair) for position in table.positions], dtype=np.bool_)
    if not wanted.any():
        is_everything = options.start_at is None and options.end_at is None and options.pair is None
        where = "" if is_everything else " of that time and pair"
        raise NothingToDraw(f"the strategy has not opened any position{where}")
    return table if wanted.all() else table.choose(wanted)
