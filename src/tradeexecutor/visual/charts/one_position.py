"""Chart of one position: its value over time, and its trades."""

import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.analysis.memo import shared
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.candles import find_candles, get_price_pair
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.position_columns import read_positions
from tradeexecutor.visual.parts.position_history import calculate_position_timeline
from tradeexecutor.visual.parts.position_rows import make_position_figure
from tradeexecutor.visual.parts.theme import finish, get_theme, shorten

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_position"]


def draw_position(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the timeline of the chosen position, or else of the one with the largest profit or loss.

    Raises
    ------
    PositionNotFound
        There is no such position.
    NothingToDraw
        Its kind has no timeline, or it lacks the prices for one.
    """
    note = None
    if options.position is not None:
        position = state.portfolio.get_position_by_id(options.position)
        kind = position.pair.kind
        if not (kind.is_spot() or kind.is_vault()):
            raise NothingToDraw(f"a timeline is drawn of spot and vault positions, not of {kind.value}")
    else:
        position, count = _find_largest(state, options.start_at, options.end_at, options.pair)
        note = f"The largest result of {count} positions" if count > 1 else None
    source = options.candles if find_candles(options.candles, get_price_pair(position.pair)) is not None else None
    if source is None:
        # The statistics have more samples than the position itself.
        source = _read_sampled_prices(state, position)
    df = calculate_position_timeline(source, position, options.end_at)
    figure = make_position_figure(position, df, options.height or 620, options.theme)
    subtitle = figure.layout.title.subtitle.text.replace("<br>", " ")
    title = f"Position #{position.position_id} {shorten(position.pair.get_ticker(), 20)}"
    return finish(
        figure, get_theme(options.theme), title, make_notes(state, note, subtitle), options.height or 620, legend=False
    )


@shared
def _find_largest(
    state: "State",
    start_at: datetime.datetime | None,
    end_at: datetime.datetime | None,
    pair: str | int | TradingPairIdentifier | None,
) -> tuple[TradingPosition, int]:
    """Return the position with the largest result, of equal ones the first opened, and of how many it is that."""
    table = read_positions(state, ChartOptions(start_at=start_at, end_at=end_at, pair=pair))
    suitable = np.array([*map(_has_timeline, table.positions)], dtype=np.bool_)
    if not suitable.any():
        raise NothingToDraw("no spot or vault position was traded")
    order = np.argsort(-np.abs(table.profit_usd), kind="stable")
    largest: TradingPosition = table.positions[order[suitable[order]][0]]  # pyright: ignore[reportAssignmentType]
    return largest, int(suitable.sum())


def _has_timeline(position: TradingPosition) -> bool:
    """Return whether a position is a spot or vault position in which something was traded."""
    figures = measure_plain(position)
    if figures is not None and figures.bought_usd:  # nearly always
        return True
    kind = position.pair.kind
    return (kind.is_spot() or kind.is_vault()) and any(
        trade.executed_quantity for trade in position.get_executed_trades()
    )


def _read_sampled_prices(state: "State", position: TradingPosition) -> pd.DataFrame | None:
    prices: dict[datetime.datetime, float] = {}
    for sample in state.stats.positions.get(position.position_id, ()):
        price = sample.underlying_price or (sample.value / sample.quantity if sample.quantity else None)
        if price:
            prices[sample.last_valuation_at] = price
    if len(prices) < 2:
        return None
    column = pd.Series(prices, dtype="float64").sort_index()
    return pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), column))
