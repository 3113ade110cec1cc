"""Small charts of the latest candles, for messages and dashboards."""

import datetime
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.visual.notebook.multiple_pairs import visualise_multiple_pairs
from tradeexecutor.visual.notebook.single_pair import visualise_single_pair
from tradeexecutor.visual.parts.candles import find_candles, find_pair, list_pairs, read_recorded_prices
from tradeexecutor.visual.parts.theme import shorten

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = [
    "draw_multi_pair_strategy_state",
    "draw_single_pair_strategy_state",
    "visualise_single_pair_strategy_state",
]

_MARGINS = {"l": 60, "r": 50, "t": 70, "b": 60}


@contract_signature
def draw_single_pair_strategy_state(
    state: "State",
    execution_context: Any = None,
    universe: Any = None,
    width: int = 512,
    height: int = 512,
    candle_count: int = 64,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    technical_indicators: bool = True,
    pair_id: int | str | None = None,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw the latest candles of the only pair, with trades, loans and indicators.

    Parameters
    ----------
    universe
        See :py:mod:`tradeexecutor.visual.parts.candles`; None for the prices recorded in the state.
    width, height
        Size of the chart, pixels.
    candle_count
        Number of candles; no effect if a time range is given.
    start_at, end_at
        Time range, naive UTC.
    pair_id
        Internal id or ticker; required if there are several pairs.

    Raises
    ------
    NotSinglePair
        There are several pairs, and no `pair_id`.
    NothingToDraw
        There are neither candles nor prices.
    """
    pair = find_pair(state, pair_id)
    start_at, end_at = _find_latest(state, universe, [pair], candle_count, start_at, end_at)
    figure = visualise_single_pair(
        state,
        execution_context,
        universe,
        start_at=start_at,
        end_at=end_at,
        pair_id=pair_id,
        height=height,
        technical_indicators=technical_indicators,
        title=shorten(f"{pair.base.token_symbol}/{pair.quote.token_symbol}", 30),
        theme=theme,
        include_credit_supply_positions=True,
        candle_decimals=None,
    )
    return _make_small(figure, width)


@contract_signature
def visualise_single_pair_strategy_state(
    state: "State",
    execution_context: Any = None,
    universe: Any = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    pair_id: int | str | None = None,
    height: int = 512,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw the latest candles like `draw_single_pair_strategy_state`, but as wide as the page."""
    figure = draw_single_pair_strategy_state(
        state,
        execution_context,
        universe,
        height=height,
        start_at=start_at,
        end_at=end_at,
        pair_id=pair_id,
        theme=theme,
    )
    return figure.update_layout(width=None, autosize=True)


@contract_signature
def draw_multi_pair_strategy_state(
    state: "State",
    execution_context: Any = None,
    universe: Any = None,
    width: int = 1024,
    height: int = 2048,
    candle_count: int = 64,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    technical_indicators: bool = True,
    pair_ids: Collection[int | str] | None = None,
    detached_indicators: bool = True,
    theme: str = "plotly_white",
) -> go.Figure:
    """Draw the latest candles of several pairs; the parameters are those of `draw_single_pair_strategy_state`.

    Raises
    ------
    NothingToDraw
        There are neither candles nor prices of any pair.
    InvalidValue
        There is no such pair.
    """
    pairs = [find_pair(state, pair) for pair in pair_ids] if pair_ids is not None else list_pairs(state)
    start_at, end_at = _find_latest(state, universe, pairs, candle_count, start_at, end_at)
    figure = visualise_multiple_pairs(
        state,
        universe,
        execution_context,
        start_at=start_at,
        end_at=end_at,
        pair_ids=pair_ids,
        height=height,
        width=width,
        technical_indicators=technical_indicators,
        detached_indicators=detached_indicators,
        theme=theme,
        include_credit_supply_positions=True,
    )
    return _make_small(figure, width)


def _find_latest(
    state: "State",
    universe: Any,
    pairs: Collection[TradingPairIdentifier],
    candle_count: int,
    start_at: datetime.datetime | None,
    end_at: datetime.datetime | None,
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """Return the time range of the latest candles of all pairs."""
    if start_at is not None or end_at is not None:
        return start_at, end_at
    indexes: list[pd.Index[Any]] = []
    for pair in pairs:
        candles = find_candles(universe, pair)
        index = read_recorded_prices(state, pair).index if candles is None else candles.index
        indexes += [index] if len(index) else []
    if not indexes:
        raise NothingToDraw("there are no candles and no recorded prices")
    latest = max(indexes, key=lambda index: index[-1])
    return latest[-min(candle_count, len(latest))].to_pydatetime(), latest[-1].to_pydatetime()


def _make_small(figure: go.Figure, width: int) -> go.Figure:
    # The legend is drawn over the chart, because there is no space below it.
    legend = {"yref": "paper", "y": 1.0, "yanchor": "top", "bgcolor": "rgba(0,0,0,0)"}
    return figure.update_layout(width=width, margin=_MARGINS, legend=legend)
