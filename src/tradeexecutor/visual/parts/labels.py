"""Chart texts from the state: names of pairs, notes of trades, reasons."""

from typing import Any, cast

import numpy as np
import plotly.graph_objects as go

from tradeexecutor.state.display.visible import make_visible

__all__ = ["make_labels_visible"]


def make_labels_visible(figure: go.Figure) -> None:
    """Apply `make_visible` to each text in a figure; nothing else changes."""
    parts: list[Any] = [*cast("Any", figure.data), figure.layout]
    for part in parts:
        content = part.to_plotly_json()
        made = {name: _make_visible(value) for name, value in content.items()}
        part.update({name: value for name, value in made.items() if value is not content[name]})


def _make_visible(data: Any) -> Any:
    """Return data with visible texts; unchanged data is returned as the same object."""
    if isinstance(data, str):
        made = make_visible(data, keep_newlines=True)
        return data if made == data else made
    if isinstance(data, dict):
        items = cast("dict[str, Any]", data)
        values = {name: _make_visible(value) for name, value in items.items()}
        return values if any(values[name] is not value for name, value in items.items()) else data
    if isinstance(data, list | tuple) or (isinstance(data, np.ndarray) and data.dtype.kind in "OU"):
        old = list(cast("list[Any]", data))
        new = [_make_visible(item) for item in old]
        return new if any(after is not before for after, before in zip(new, old, strict=True)) else data
    return data
