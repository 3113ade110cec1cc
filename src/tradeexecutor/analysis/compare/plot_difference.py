"""The first input of the strategy that differed, as far as the plots of both states show it."""

import datetime
from dataclasses import dataclass

from tradeexecutor.state.state import State
from tradeexecutor.state.types import EPOCH

__all__ = ["InputDifference", "find_first_input"]

#: Values that differ by a smaller fraction are the same; they were calculated from different lengths of history.
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class InputDifference:
    """A plotted value that is not the same in both states.

    Attributes
    ----------
    plot
        Name of the plot.
    at
        Time of the value, naive UTC.
    a, b
        The values; None where a state has a gap.
    """

    plot: str
    at: datetime.datetime
    a: float | None
    b: float | None


def find_first_input(a: State, b: State, until: datetime.datetime) -> InputDifference | None:
    """Return the first plotted value up to a time that differs; None if none does, or nothing was plotted.

    Only times that both states have are compared. At the same time, the first plot by name is returned.
    """
    last = (until - EPOCH) // datetime.timedelta(seconds=1)
    found: list[tuple[int, str]] = []
    plots_a, plots_b = a.visualisation.plots, b.visualisation.plots
    for name in plots_a.keys() & plots_b.keys():
        points_a, points_b = plots_a[name].points, plots_b[name].points
        common = (second for second in points_a.keys() & points_b.keys() if second <= last)
        differing = [second for second in common if not _is_same(points_a[second], points_b[second])]
        if differing:
            found.append((min(differing), name))
    if not found:
        return None
    second, name = min(found)
    at = EPOCH + datetime.timedelta(seconds=second)
    return InputDifference(name, at, plots_a[name].points[second], plots_b[name].points[second])


def _is_same(x: float | None, y: float | None) -> bool:
    if x is None or y is None:
        return x is y
    return abs(x - y) <= _SAME * max(abs(x), abs(y))
