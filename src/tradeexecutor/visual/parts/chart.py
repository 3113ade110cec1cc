"""Definition of a chart: a name, a description, and a function that draws it from a state.

The drawing functions raise `NothingToDraw` if the state has nothing to show. `Chart.draw` never does: it returns a
figure with the reason as text, and `get_explanation` recognises such a figure.
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import plotly.graph_objects as go

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.analysis.memo import share_results
from tradeexecutor.state.errors import InvalidValue, NothingToDraw
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.visual.parts.labels import make_labels_visible
from tradeexecutor.visual.parts.theme import THEMES, explain

if TYPE_CHECKING:
    import pandas as pd

    from tradeexecutor.state.state import State

__all__ = ["Chart", "ChartOptions", "get_explanation"]

#: Largest number of points of a line: more than a screen has pixels, and few enough for a phone.
MAX_POINTS = 4_000


@dataclass(frozen=True, slots=True)
class ChartOptions:
    """Options of drawing; every option has a default, and a chart ignores options that do not concern it.

    Attributes
    ----------
    theme
        ``"light"`` or ``"dark"``.
    start_at, end_at
        Time range to show, naive UTC, both ends inclusive; None for no limit.
    candles
        Market data for the price chart in any form that :py:func:`tradeexecutor.visual.parts.candles.find_candles`
        accepts, e.g. a ``DataFrame`` or ``{"ETH-USDC": DataFrame}``. None for the prices recorded in the state.
    pair
        The pair to show, or its ticker, base token or internal id; None for the pair that the strategy visualises, or
        else trades most.
    position
        Id of the position to show.
    benchmarks
        Name -> prices by naive UTC time, drawn against the strategy.
    max_points
        Largest number of points of a line; longer lines are thinned, see
        :py:mod:`tradeexecutor.visual.parts.thinning`.
    height
        Height, pixels; None for a height that suits the chart. The width is that of the page.

    Raises
    ------
    InvalidValue
        An option is not valid.
    """

    theme: Literal["light", "dark"] = "light"
    start_at: datetime.datetime | None = None
    end_at: datetime.datetime | None = None
    candles: Any = None
    pair: str | int | TradingPairIdentifier | None = None
    position: int | None = None
    benchmarks: Mapping[str, "pd.Series[float]"] = field(default_factory=dict)
    max_points: int = MAX_POINTS
    height: int | None = None

    def __post_init__(self) -> None:
        if self.theme not in THEMES:
            raise InvalidValue(f"theme must be one of {', '.join(THEMES)}, not {self.theme!r}")
        for when in (self.start_at, self.end_at):
            if when is not None:
                require_naive_utc(when, "a time of a chart", InvalidValue)
        if self.start_at is not None and self.end_at is not None and self.end_at < self.start_at:
            raise InvalidValue(f"the end {self.end_at} is before the start {self.start_at}")
        if self.max_points < 10:
            raise InvalidValue(f"max_points must be at least 10, not {self.max_points}")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of the registry.

    Attributes
    ----------
    name
        Key in `CHARTS`, in kebab-case.
    title
        Title, a few words.
    description
        One sentence about what the chart shows.
    make
        Function that draws the chart; raises `NothingToDraw`.
    """

    name: str
    title: str
    description: str
    make: Callable[["State", ChartOptions], go.Figure] = field(repr=False)

    def draw(self, state: "State", options: ChartOptions | None = None) -> go.Figure:
        """Draw the chart; if there is nothing to draw, return a figure with the reason (see `get_explanation`).

        The width is that of the page. Invisible characters in labels are replaced by escapes.
        """
        options = options or ChartOptions()
        try:
            with share_results():
                figure = self.make(state, options)
        except NothingToDraw as nothing:
            figure = explain(self.title, str(nothing), options.theme)
        make_labels_visible(figure)
        return figure


def get_explanation(figure: go.Figure) -> str | None:
    """Return the reason why a figure of `Chart.draw` shows text instead of a chart; None for a chart."""
    meta = figure.layout.meta
    return meta.get("nothing_to_draw") if isinstance(meta, dict) else None
