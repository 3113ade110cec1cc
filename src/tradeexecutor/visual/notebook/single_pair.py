"""Price charts of one pair."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.visual.parts.candles import find_candles, find_pair, get_price_pair, list_pairs
from tradeexecutor.visual.parts.chart import MAX_POINTS
from tradeexecutor.visual.parts.formats import count
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.position_bands import draw_bands
from tradeexecutor.visual.parts.price_rows import (
    MAX_CANDLES,
    PriceChart,
    PriceLook,
    VolumeBarMode,
    find_range,
    get_margin,
    read_pair,
)
from tradeexecutor.visual.parts.theme import get_theme, shorten
from tradeexecutor.visual.parts.trade_markers import iterate_positions_of

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = [
    "display_positions_table",
    "visualise_single_pair",
    "visualise_single_pair_positions_with_duration_and_slippage",
    "visualise_single_position",
]


@contract_signature
def visualise_single_pair(
    state: "State",
    execution_context: Any = None,
    candle_universe: Any = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    pair_id: int | str | None = None,
    height: int = 800,
    axes: bool = True,
    technical_indicators: bool = True,
    title: bool | str = True,
    theme: str = "plotly_white",
    volume_bar_mode: VolumeBarMode | str = VolumeBarMode.overlay,
    vertical_spacing: float = 0.05,
    subplot_font_size: int = 11,
    relative_sizing: Sequence[float] | None = None,
    volume_axis_name: str = "Volume USD",
    candle_decimals: int | None = 4,
    detached_indicators: bool = True,
    hover_text: bool = True,
    include_credit_supply_positions: bool = False,
    legend: bool = True,
    max_candles: int = MAX_CANDLES,
    max_points: int = MAX_POINTS,
) -> go.Figure:
    """Draw candles, volume, indicators and trades of one pair; `PriceLook` describes the parameters not listed here.

    Parameters
    ----------
    execution_context
        No effect; accepted for existing notebooks.
    candle_universe
        See :py:mod:`tradeexecutor.visual.parts.candles`; None for the prices recorded in the state.
    start_at, end_at
        Naive UTC; by default the time range of the recorded statistics, else of the candles.
    pair_id
        Internal id or ticker; required if the state has several pairs.
    technical_indicators, detached_indicators
        Whether to draw the plots of the strategy, and whether to draw detached plots in rows below the price.
    title
        Text of the title; True for the names of the pair and the strategy.
    include_credit_supply_positions
        Also mark trades that lend the reserve.

    Raises
    ------
    NotSinglePair
        There are several pairs, and no `pair_id`.
    NothingToDraw, InvalidValue
        There are neither candles nor prices; there is no such pair, or an argument is not valid.
    """
    pair = find_pair(state, pair_id)
    rows = read_pair(
        state, pair, candle_universe, start_at, end_at,
        is_only_pair=len(list_pairs(state)) <= 1, indicators=technical_indicators, detached=detached_indicators,
        credit=include_credit_supply_positions, volume=volume_bar_mode, limit=max_candles,
    )  # fmt: skip
    chart = PriceChart(
        [rows],
        get_theme(theme),
        PriceLook(
            start_at=start_at, end_at=end_at, spacing=vertical_spacing, relative_sizing=relative_sizing,
            title_size=subplot_font_size, hover_text=hover_text, candle_decimals=candle_decimals,
            volume_axis_name=volume_axis_name, axes=axes, max_points=max_points,
        ),
    )  # fmt: skip
    heading = f"Price of {shorten(pair.get_ticker(), 24)}" if title is True else title or None
    return chart.finish(heading, make_notes(state) if title else [], height, legend=legend)


@contract_signature
def visualise_single_pair_positions_with_duration_and_slippage(
    state: "State",
    execution_context: Any = None,
    candles: Any = None,
    pair_id: int | str | None = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    height: int = 800,
    axes: bool = True,
    title: bool | str = True,
    theme: str = "plotly_white",
    technical_indicators: bool = True,
    vertical_spacing: float = 0.05,
    relative_sizing: Sequence[float] | None = None,
    max_candles: int = MAX_CANDLES,
) -> go.Figure:
    """Draw each position as a band, green for profit and pink for loss, and the slippage of its trades.

    A black line goes from the start of a trade, at its planned price, to its execution, at its executed price; the
    arrow at its end points right for buys and left for sells. A dot at the highest price shows the figures of the
    position as a tooltip. The parameters are those of `visualise_single_pair`.

    Raises
    ------
    NotSinglePair, NothingToDraw, InvalidValue
        As `visualise_single_pair`.
    """
    pair = find_pair(state, pair_id)
    rows = read_pair(
        state,
        pair,
        candles,
        start_at,
        end_at,
        is_only_pair=len(list_pairs(state)) <= 1,
        indicators=technical_indicators,
        trades=False,
        volume=VolumeBarMode.hidden,
        limit=max_candles,
    )
    look = get_theme(theme)
    chart = PriceChart(
        [rows],
        look,
        PriceLook(
            start_at=start_at, end_at=end_at, spacing=vertical_spacing, relative_sizing=relative_sizing, axes=axes
        ),
    )
    first, last = find_range(state, start_at, end_at, rows.candles)
    positions = [
        position
        for position in iterate_positions_of(state, pair)
        if position.is_properly_opened()
        and (last is None or position.opened_at <= last)
        and (first is None or position.closed_at is None or position.closed_at >= first)
    ]
    top = rows.candles["high"].max() if rows.candles is not None else rows.prices.max()
    draw_bands(chart.figure, positions, float(top), last, look)
    heading = f"Positions in {shorten(pair.get_ticker(), 24)}" if title is True else title or None
    notes = make_notes(state, count(len(positions), "position")) if title else []
    return chart.finish(heading, notes, height)


@contract_signature
def visualise_single_position(
    state: "State",
    strategy_universe: Any = None,
    position: TradingPosition | None = None,
    area_around: int | datetime.timedelta = 100,
    execution_context: Any = None,
    theme: str = "plotly_white",
    height: int = 600,
) -> go.Figure:
    """Draw the price chart around a closed position, without title and margins.

    Parameters
    ----------
    strategy_universe
        See :py:mod:`tradeexecutor.visual.parts.candles`.
    area_around
        Time to show before and after the position: a number of candles, or a duration.

    Raises
    ------
    InvalidValue
        There is no position, or it is not closed.
    NothingToDraw
        There are neither candles nor prices.
    """
    if position is None or position.closed_at is None:
        raise InvalidValue(f"expected a closed position, got {position!r}")
    pair = get_price_pair(position.pair)
    if isinstance(area_around, datetime.timedelta):
        margin = area_around
    else:
        candles = find_candles(strategy_universe, pair)
        step = _get_step(candles) if candles is not None and len(candles) > 1 else get_margin(position) / 100
        margin = area_around * step
    start_at, end_at = position.opened_at - margin, position.closed_at + margin
    rows = read_pair(
        state, pair, strategy_universe, start_at, end_at, is_only_pair=len(list_pairs(state)) <= 1, detached=False
    )
    chart = PriceChart([rows], get_theme(theme), PriceLook(start_at=start_at, end_at=end_at))
    figure = chart.finish(None, [], height)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0})
    return figure


def _get_step(candles: pd.DataFrame) -> datetime.timedelta:
    steps = np.diff(pd.DatetimeIndex(candles.index).as_unit("us").asi8)
    return datetime.timedelta(microseconds=float(np.median(steps)))


@contract_signature
def display_positions_table(
    state: "State", pair: TradingPairIdentifier | str | int, sort_by: str = "PnL %", ascending: bool = True
) -> pd.DataFrame:
    """Return the closed positions of a pair.

    Parameters
    ----------
    sort_by
        A column, or ``Open``.

    Returns
    -------
    pandas.DataFrame
        By opening time (``Open``): ``Close``, ``Duration`` (timedelta, from the first fill where the entry waited),
        ``PnL %`` (in percent: 5.0 is 5 %), ``PnL USD``, ``Trades``.

    Raises
    ------
    InvalidValue
        There is no such column or pair.
    """
    rows = []
    price_pair = find_pair(state, pair)
    for position in state.portfolio.closed_positions.values():
        if get_price_pair(position.pair) != price_pair or position.closed_at is None:
            continue
        usd, percent = position.get_total_profit()
        rows.append(
            {
                "Open": position.opened_at,
                "Close": position.closed_at,
                "Duration": position.get_duration(),
                "PnL %": percent * 100,
                "PnL USD": usd,
                "Trades": len(position.trades),
            }
        )
    columns = ["Open", "Close", "Duration", "PnL %", "PnL USD", "Trades"]
    if sort_by not in columns:
        raise InvalidValue(f"no such column {sort_by!r}; there are {', '.join(columns)}")
    frame = pd.DataFrame(rows, columns=columns)
    return frame.sort_values(sort_by, ascending=ascending, kind="stable").set_index("Open")
