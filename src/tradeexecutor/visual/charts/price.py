"""Chart of a price, with the trades and indicators of the strategy."""

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.visual.parts.candles import find_pair, get_price_pair, list_pairs
from tradeexecutor.visual.parts.chart import ChartOptions
from tradeexecutor.visual.parts.formats import count
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.price_rows import PriceChart, PriceLook, get_margin, read_pair
from tradeexecutor.visual.parts.theme import get_theme, shorten
from tradeexecutor.visual.parts.trade_markers import count_marks

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["draw_price"]

#: Height of the price and of each row below it, pixels.
_PRICE_HEIGHT = 460
_ROW_HEIGHT = 120


def draw_price(state: "State", options: ChartOptions) -> go.Figure:
    """Draw the price of a pair with the trades and indicators of the strategy.

    Raises
    ------
    NothingToDraw
        There are no prices of the pair in the time range.
    InvalidValue
        There is no such pair or position.
    """
    start_at, end_at = options.start_at, options.end_at
    known = list_pairs(state)
    notes: list[str] = []
    if options.position is not None:
        position = state.portfolio.get_position_by_id(options.position)
        pair = get_price_pair(position.pair)
        margin = get_margin(position)
        start_at = start_at or position.opened_at - margin
        end_at = end_at or (position.closed_at or position.get_last_valued_at()) + margin
        notes.append(f"Around position #{position.position_id}")
    elif options.pair is not None:
        pair = find_pair(state, options.pair)
    elif known:
        visualised = [pair for pair in known if pair.internal_id in state.visualisation.pair_ids]
        pair = (visualised or known)[0]
        if len(known) > 1:
            notes.append(f"1 of {len(known)} pairs, the one {'visualised' if visualised else 'with the most trades'}")
    else:
        raise NothingToDraw("the strategy has not traded in any market, and it plots no pair")
    rows = read_pair(state, pair, options.candles, start_at, end_at, is_only_pair=len(known) <= 1)
    theme = get_theme(options.theme)
    chart = PriceChart([rows], theme, PriceLook(start_at=start_at, end_at=end_at, max_points=options.max_points))
    marks = count_marks(rows.trades)
    notes.insert(0, count(marks, "trade") if marks else "No trades in this time")
    height = options.height or _PRICE_HEIGHT + _ROW_HEIGHT * len(rows.detached)
    return chart.finish(f"Price of {shorten(pair.get_ticker(), 24)}", make_notes(state, *notes), height)
