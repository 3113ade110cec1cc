"""Price charts of several pairs, one below the other."""

import contextlib
import datetime
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.visual.parts.candles import find_pair, list_pairs
from tradeexecutor.visual.parts.chart import MAX_POINTS
from tradeexecutor.visual.parts.history import make_notes
from tradeexecutor.visual.parts.price_rows import MAX_CANDLES, PairRows, PriceChart, PriceLook, VolumeBarMode, read_pair
from tradeexecutor.visual.parts.theme import get_theme

if TYPE_CHECKING:
    from tradeexecutor.state.state import State

__all__ = ["visualise_multiple_pairs"]

#: Largest number of pairs in one figure, with rows that are large enough to read.
MAX_PAIRS = 12


@contract_signature
def visualise_multiple_pairs(
    state: "State",
    candle_universe: Any = None,
    execution_context: Any = None,
    start_at: datetime.datetime | None = None,
    end_at: datetime.datetime | None = None,
    pair_ids: Collection[int | str] | None = None,
    height: int | None = 2000,
    width: int | None = 1000,
    axes: bool = True,
    technical_indicators: bool = True,
    title: bool | str = True,
    theme: str = "plotly_white",
    volume_bar_modes: Sequence[VolumeBarMode | str] | None = None,
    vertical_spacing: float = 0.03,
    subplot_font_size: int = 11,
    relative_sizing: Sequence[float] | None = None,
    volume_axis_name: str = "Volume USD",
    candle_decimals: int | None = None,
    show_trades: bool = True,
    detached_indicators: bool = True,
    hover_text: bool = True,
    include_credit_supply_positions: bool = False,
    legend: bool = True,
    max_candles: int = MAX_CANDLES,
    max_points: int = MAX_POINTS,
) -> go.Figure:
    """Draw a price row for each pair with its trades and its indicators, on a shared time axis.

    The parameters are those of :py:func:`~tradeexecutor.visual.notebook.single_pair.visualise_single_pair`, and

    Parameters
    ----------
    pair_ids
        Internal ids or tickers, from top to bottom; None for the visualised pairs, else all pairs, the most traded
        first. Pairs without a price and pairs beyond the twelfth are left out, with a note.
    height, width
        Size, pixels; None for a height that suits the rows, and for the width of the page.
    volume_bar_modes
        One mode for each pair; None hides the volume.

    Raises
    ------
    NothingToDraw
        No pair has a price.
    InvalidValue
        There is no such pair, or an argument is not valid.
    """
    wanted = [find_pair(state, pair) for pair in pair_ids] if pair_ids is not None else _choose_pairs(state)

    def read(pair: TradingPairIdentifier, volume: VolumeBarMode | str) -> PairRows:
        return read_pair(
            state, pair, candle_universe, start_at, end_at,
            is_only_pair=len(wanted) == 1, indicators=technical_indicators, detached=detached_indicators,
            trades=show_trades, credit=include_credit_supply_positions, volume=volume, limit=max_candles,
        )  # fmt: skip

    look = PriceLook(
        start_at=start_at, end_at=end_at, spacing=vertical_spacing, relative_sizing=relative_sizing,
        title_size=subplot_font_size, hover_text=hover_text, candle_decimals=candle_decimals,
        volume_axis_name=volume_axis_name, axes=axes, max_points=max_points,
    )  # fmt: skip
    chart = PriceChart(_read_pairs(wanted, volume_bar_modes, read), get_theme(theme), look)
    notes = make_notes(state) if title else []
    if len(chart.pairs) < len(wanted):
        notes.append(f"{len(chart.pairs)} of {len(wanted)} pairs shown")
    heading = "Prices and trades" if title is True else title or None
    figure = chart.finish(heading, notes, height or 140 + 240 * chart.row_count, legend=legend)
    _name_legend_once(figure)
    return figure if width is None else figure.update_layout(width=width)


def _read_pairs(
    wanted: Sequence[TradingPairIdentifier],
    volumes: Sequence[VolumeBarMode | str] | None,
    read: Callable[[TradingPairIdentifier, VolumeBarMode | str], PairRows],
) -> list[PairRows]:
    """Return the data of the pairs that have a price; reads at most `MAX_PAIRS` pairs."""
    if volumes is not None and len(volumes) != len(wanted):
        raise InvalidValue(f"volume_bar_modes has {len(volumes)} entries for {len(wanted)} pairs")
    pairs: list[PairRows] = []
    for number, pair in enumerate(wanted[:MAX_PAIRS]):
        with contextlib.suppress(NothingToDraw):
            pairs.append(read(pair, volumes[number] if volumes is not None else VolumeBarMode.hidden))
    if not pairs:
        raise NothingToDraw("there are no candles and no recorded prices of any pair")
    _share_unpaired_rows(pairs)
    return pairs


def _choose_pairs(state: "State") -> list[Any]:
    known = list_pairs(state)
    traded = [pair for pair in known if pair.internal_id in state.visualisation.pair_ids]
    return traded or known


def _share_unpaired_rows(pairs: list[PairRows]) -> None:
    """Keep plots without a pair only once, below the last pair."""
    for rows in pairs[:-1]:
        rows.detached = {
            name: plots for name, plots in rows.detached.items() if any(plot.pair is not None for plot in plots)
        }


def _name_legend_once(figure: go.Figure) -> None:
    """Show buys, and sells, of all pairs as one entry of the legend each."""
    seen: set[str] = set()
    traces: Any = figure.data
    for trace in traces:
        if trace.type == "scatter" and trace.mode == "markers" and trace.name:
            trace.legendgroup = trace.name
            if trace.name in seen:
                trace.showlegend = False
            elif trace.showlegend is not False:
                seen.add(trace.name)
