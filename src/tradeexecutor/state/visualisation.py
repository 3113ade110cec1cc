"""Data that a strategy shows: messages, numbers and plots over time.

The key of all data is the decision time in whole epoch seconds; a later entry for the same second replaces the earlier
one.
"""

# The checks below are for callers that use no type checker.
# pyright: reportUnnecessaryIsInstance=false

import datetime
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradeexecutor.accounting.values import require_naive_utc
from tradeexecutor.state.codec.bounds import check_values
from tradeexecutor.state.codec.codec import OpenAttributes, Serialisable, TextKeeper
from tradeexecutor.state.codec.deferred_fields import defer_fields
from tradeexecutor.state.codec.kept_groups import KEEP_TEXTS
from tradeexecutor.state.contract import contract_signature
from tradeexecutor.state.errors import InvalidValue, NotAvailable
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.types import EPOCH, JSONObject, StateEnum, new_dict, new_list

if TYPE_CHECKING:
    import pandas as pd


class PlotKind(StateEnum):
    """Place of a plot."""

    technical_indicator_on_price = "technical_indicator_on_price"
    #: In a separate row below the price.
    technical_indicator_detached = "technical_indicator_detached"
    #: In the row of another detached plot.
    technical_indicator_overlay_on_detached = "technical_indicator_overlay"


class PlotShape(StateEnum):
    """Connection between points."""

    linear = "linear"
    #: Steps.
    horizontal_vertical = "hv"
    markers = "markers"


class PlotLabel(StateEnum):
    """Whether the name is shown at the axis."""

    axis = "axis"
    hidden = "hidden"


class RecordingTime(StateEnum):
    """Meaning of the time of a point."""

    #: Time of the decision, one candle after the data on which it is based.
    decision_making_time = "decision_making_time"
    #: Time at which the market had the value.
    market_time = "market_time"


def _to_second(timestamp: datetime.datetime) -> int:
    """Return whole epoch seconds, without the fraction."""
    since = require_naive_utc(timestamp, "timestamp", InvalidValue) - EPOCH
    return since.days * 86_400 + since.seconds


def _from_second(second: int) -> datetime.datetime:
    return EPOCH + datetime.timedelta(seconds=second)


def _to_value(value: Any) -> float | None:
    """Return a finite float; None for a gap."""
    if value is None:
        return None
    if type(value) is not float:
        if hasattr(value, "__len__") and not isinstance(value, str):
            raise InvalidValue(f"a point has one value, got {type(value).__name__}")
        try:
            value = float(value)
        except (TypeError, ValueError) as e:
            raise InvalidValue(f"value of a point must be a number, got {value!r}") from e
    return value if math.isfinite(value) else None


@dataclass(slots=True)
class Plot(Serialisable):
    """Values of one indicator over time."""

    #: Name of the plot, which is its key in `Visualisation.plots`.
    name: str
    #: Where and how it is drawn.
    kind: PlotKind
    #: CSS colour.
    colour: str | None = None
    #: Epoch second -> value; None is a gap. The order need not be that of time.
    points: dict[int, float | None] = field(default_factory=new_dict)
    #: Form of the line.
    plot_shape: PlotShape | None = PlotShape.linear
    #: Name of the plot in whose row an overlay is drawn.
    detached_overlay_name: str | None = None
    #: Width of the line or size of the markers, pixels.
    indicator_size: float | None = None
    #: Which time the points have.
    recording_time: RecordingTime = RecordingTime.decision_making_time
    #: Trading pair of the indicator.
    pair: TradingPairIdentifier | None = None
    #: Where its name is shown; None leaves it to the chart.
    label: PlotLabel | None = None
    #: Height of the row, pixels.
    height: int | None = None

    def add_point(self, timestamp: datetime.datetime, value: float | None) -> None:
        """Record a value; NaN and infinity are stored as gaps."""
        self.points[_to_second(timestamp)] = _to_value(value)

    def get_last_value(self) -> float | None:
        """Return the value at the latest time, in the unit of the plot."""
        return self.get_last_entry()[1]

    def get_last_entry(self) -> tuple[datetime.datetime, float | None]:
        """Return the latest time and its value; raises `NotAvailable` without points."""
        return self._get_entry(max)

    def get_first_entry(self) -> tuple[datetime.datetime, float | None]:
        """Return the earliest time and its value; raises `NotAvailable` without points."""
        return self._get_entry(min)

    def _get_entry(self, choose: Callable[[Iterable[int]], int]) -> tuple[datetime.datetime, float | None]:
        if not self.points:
            raise NotAvailable(f"plot {self.name} has no points")
        second = choose(self.points)
        return _from_second(second), self.points[second]

    def get_entries(self) -> list[tuple[datetime.datetime, float | None]]:
        """Return all times and values, earliest first."""
        return [(_from_second(second), value) for second, value in sorted(self.points.items())]


def _keep_table(table: dict[Any, Any]) -> dict[Any, Any]:
    return table


# Large diagnostics of a file stay text until they are read.
@defer_fields(calculations=_keep_table, discardable_data=_keep_table)
@dataclass(slots=True)
class Visualisation(TextKeeper, OpenAttributes):
    """Messages, calculations and plots of a strategy."""

    #: Messages of the strategy about its decisions: epoch second -> texts.
    messages: dict[int, list[str]] = field(default_factory=new_dict, metadata=KEEP_TEXTS)
    #: Diagnostics: epoch second -> free-form data.
    calculations: dict[int, JSONObject] = field(default_factory=new_dict)
    #: Plots by name.
    plots: dict[str, Plot] = field(default_factory=new_dict)
    #: Internal ids of the pairs that charts show by default.
    pair_ids: list[int] = field(default_factory=new_list)
    #: Diagnostics of which only the last value is kept; they may be removed at any time.
    discardable_data: dict[str, Any] = field(default_factory=new_dict)

    def __post_init__(self) -> None:
        check_values(self)

    # --- Messages and calculations

    def set_visualised_pairs(self, pairs: list[TradingPairIdentifier]) -> None:
        """Add pairs to those that charts show by default; existing pairs are not added again.

        Raises
        ------
        InvalidValue
            One of them is not a pair, or has no internal id.
        """
        ids: list[int] = []
        for pair in pairs:
            if not isinstance(pair, TradingPairIdentifier):
                raise InvalidValue(f"expected a trading pair, got {pair!r}")
            if pair.internal_id is None:
                raise InvalidValue(f"{pair} has no internal id")
            ids.append(pair.internal_id)
        for pair_id in ids:
            if pair_id not in self.pair_ids:
                self.pair_ids.append(pair_id)

    def add_message(self, timestamp: datetime.datetime, content: str) -> None:
        """Add a text to the messages of a second; raises `InvalidValue` if the text is not a str."""
        if type(content) is not str:
            raise InvalidValue(f"message must be exactly a str, got {content!r}")
        self.messages.setdefault(_to_second(timestamp), []).append(content)

    def get_messages_tail(
        self, count: int, filter_func: Callable[[str], bool] | None = None
    ) -> dict[datetime.datetime, str]:
        """Return the messages of the latest seconds that have any, newest first.

        Parameters
        ----------
        count
            Number of seconds with messages.
        filter_func
            Function that returns whether to show a message.

        Returns
        -------
        dict
            Time -> messages of that second, joined with newlines.
        """
        result: dict[datetime.datetime, str] = {}
        for second in sorted(self.messages, reverse=True):
            if len(result) >= count:
                break
            messages = self.messages[second]
            if filter_func is not None:
                messages = [message for message in messages if filter_func(message)]
            if messages:
                result[_from_second(second)] = "\n".join(messages)
        return result

    def add_calculations(self, timestamp: datetime.datetime, cycle_calculations: JSONObject) -> None:
        """Replace the diagnostics of a second; raises `InvalidValue` if the diagnostics are not a dictionary."""
        if not isinstance(cycle_calculations, dict):
            raise InvalidValue(f"calculations must be a dictionary, got {cycle_calculations!r}")
        self.calculations[_to_second(timestamp)] = cycle_calculations

    def set_discardable_data(self, key: str, value: Any) -> None:
        """Replace the diagnostics under a name; raises `InvalidValue` if the name is not a str."""
        if type(key) is not str:
            raise InvalidValue(f"key must be exactly a str, got {key!r}")
        self.discardable_data[key] = value

    # --- Plots

    @contract_signature
    def plot_indicator(
        self,
        timestamp: datetime.datetime,
        name: str,
        kind: PlotKind,
        value: float | None,
        colour: str | None = None,
        plot_shape: PlotShape | None = PlotShape.linear,
        detached_overlay_name: str | None = None,
        indicator_size: float | None = None,
        recording_time: RecordingTime = RecordingTime.decision_making_time,
        pair: TradingPairIdentifier | None = None,
        label: PlotLabel | None = PlotLabel.axis,
        height: int | None = None,
    ) -> None:
        """Add a point to a plot, which is created on first use. The given colours and sizes replace the present ones.

        Parameters
        ----------
        timestamp
            Decision time, naive UTC.
        value
            Any value that ``float()`` accepts; None, NaN and infinity are gaps.
        colour
            CSS colour; None keeps the present one.
        detached_overlay_name
            Plot on which an overlay is drawn; only for overlays.

        Raises
        ------
        InvalidValue
            An argument is not valid; nothing is recorded.
        """
        if not isinstance(name, str):
            raise InvalidValue(f"plot name must be text, got {name!r}")
        if not isinstance(kind, PlotKind):
            raise InvalidValue(f"kind of plot {name} must be a PlotKind, got {kind!r}")
        if (kind is PlotKind.technical_indicator_overlay_on_detached) is not bool(detached_overlay_name):
            raise InvalidValue(f"plot {name}: overlays, and only they, need the name of the plot they are drawn on")
        second = _to_second(timestamp)
        point = _to_value(value)
        plot = self.plots.get(name)
        if plot is None:
            _check_looks(name, plot_shape, recording_time, pair, label)
            plot = self.plots[name] = Plot(name, kind)
        elif (
            plot.plot_shape is not plot_shape
            or plot.recording_time is not recording_time
            or plot.pair is not pair
            or plot.label is not label
        ):
            _check_looks(name, plot_shape, recording_time, pair, label)
        plot.points[second] = point
        plot.kind = kind
        plot.plot_shape = plot_shape
        plot.detached_overlay_name = detached_overlay_name
        plot.indicator_size = indicator_size
        plot.recording_time = recording_time
        plot.pair = pair
        plot.label = label
        plot.height = height
        if colour:
            plot.colour = colour

    def get_timestamp_range(
        self, plot_name: str | None = None
    ) -> tuple[datetime.datetime, datetime.datetime] | tuple[None, None]:
        """Return the first and last time of a plot, by default of the first plot; ``(None, None)`` without points."""
        plot = next(iter(self.plots.values()), None) if plot_name is None else self.plots.get(plot_name)
        if plot is None or not plot.points:
            return None, None
        return plot.get_first_entry()[0], plot.get_last_entry()[0]

    def get_total_points(self) -> int:
        """Return the number of points of all plots."""
        return sum(len(plot.points) for plot in self.plots.values())

    def get_series(self, name: str) -> "pd.Series[float]":
        """Return the values of a plot as recorded, indexed by naive time; gaps are NaN.

        Raises
        ------
        NotAvailable
            There is no such plot.
        """
        import pandas as pd

        plot = self.plots.get(name)
        if plot is None:
            raise NotAvailable(f"no plot named {name!r}, there are: {', '.join(self.plots) or 'none'}")
        index = pd.DatetimeIndex([_from_second(second) for second in plot.points])
        values = [math.nan if value is None else value for value in plot.points.values()]
        return pd.Series(values, index=index, dtype="float64", name=name)


def _check_looks(name: str, plot_shape: object, recording_time: object, pair: object, label: object) -> None:
    if plot_shape is not None and not isinstance(plot_shape, PlotShape):
        raise InvalidValue(f"plot_shape of {name} must be a PlotShape, got {plot_shape!r}")
    if not isinstance(recording_time, RecordingTime):
        raise InvalidValue(f"recording_time of {name} must be a RecordingTime, got {recording_time!r}")
    if pair is not None and not isinstance(pair, TradingPairIdentifier):
        raise InvalidValue(f"pair of {name} must be a TradingPairIdentifier, got {pair!r}")
    if label is not None and not isinstance(label, PlotLabel):
        raise InvalidValue(f"label of {name} must be a PlotLabel, got {label!r}")
