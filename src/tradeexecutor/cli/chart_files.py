"""Files that ``chart`` reads and writes: candles in, a page or an image out."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from tradeexecutor.cli.failure import CommandFailed
from tradeexecutor.operations.candle_data import DataForm, load_data
from tradeexecutor.state.state import State
from tradeexecutor.visual.charts import CHARTS
from tradeexecutor.visual.html_output import GENERATOR, render_plotly_figure_as_html
from tradeexecutor.visual.image_output import IMAGE_FORMATS, render_plotly_figure_as_image_file
from tradeexecutor.visual.parts.candles import find_candles, list_pairs
from tradeexecutor.visual.parts.chart import Chart

__all__ = ["choose_output", "find_chart", "read_benchmarks", "read_candles", "write_chart"]

_FORMATS = ("html", *IMAGE_FORMATS, "json")


def find_chart(name: str) -> Chart:
    """Return a chart of the registry; raises `CommandFailed` with the nearest name."""
    found = CHARTS.get(name.strip().lower().replace("_", "-"))
    if found is None:
        near = difflib.get_close_matches(name, CHARTS, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise CommandFailed(f"there is no chart {name}", f"{hint}There are {', '.join(CHARTS)}.")
    return found


# --- Candles


def _load(name: str, form: DataForm) -> dict[str, pd.DataFrame]:
    """Return the candles of a file or a bundled data set by pair; a prefix ``PAIR=`` names its only pair."""
    called, equals, rest = name.partition("=")
    source = rest if equals else name
    loaded = load_data(source, form)
    if equals:
        if len(loaded) != 1:
            raise CommandFailed(f"{source} has {len(loaded)} pairs, so it cannot be {called}")
        loaded = {called: next(iter(loaded.values()))}
    return {symbol: candles.to_dataframe() for symbol, candles in loaded.items()}


def _load_all(names: Iterable[str], form: DataForm) -> dict[str, pd.DataFrame]:
    result: dict[str, pd.DataFrame] = {}
    for name in names:
        for symbol, frame in _load(name, form).items():
            if symbol in result:
                raise CommandFailed(f"{symbol} comes twice, the second time from {name}")
            result[symbol] = frame
    return result


def read_candles(
    names: Iterable[str], state: State, form: DataForm
) -> Mapping[str, pd.DataFrame] | pd.DataFrame | None:
    """Read the candles for a state.

    Returns
    -------
    Mapping or DataFrame or None
        Candles by pair; None without names. Candles of a single pair that is not in the state are used for the pair
        that is drawn; the chart warns when their prices do not fit.

    Raises
    ------
    CommandFailed, OperationRefused
        A file is missing, or none of its pairs is one of the state.
    InvalidCandles
        A file cannot be read.
    """
    frames = _load_all(names, form)
    if not frames:
        return None
    pairs = list_pairs(state)
    if any(find_candles(frames, pair) is not None for pair in pairs):
        return frames
    if len(frames) == 1:
        return next(iter(frames.values()))
    have = ", ".join(list(frames)[:12])
    known = ", ".join(pair.get_ticker() for pair in pairs[:12]) or "none"
    raise CommandFailed(
        f"the candles are of {have}, the pairs of the state are {known}", "Say which is which: --candles PAIR=FILE."
    )


def read_benchmarks(names: Iterable[str], form: DataForm) -> dict[str, Any]:
    """Return prices to compare the strategy with, by name; raises as `read_candles`."""
    return {symbol: frame["close"] for symbol, frame in _load_all(names, form).items()}


# --- Output


def choose_output(output: Path | None, name: str) -> Path:
    """Return the file to write; it is checked before anything is drawn.

    Raises
    ------
    CommandFailed
        The ending is unknown, the folder does not exist, or another program's file has the default name.
    """
    if output is None:
        path = Path(f"{name}.html")
        if path.exists() and not _is_our_page(path):
            raise CommandFailed(f"{path} exists, and this command did not write it", "Choose another file with -o.")
        return path
    if output.is_dir():
        return output / f"{name}.html"
    if output.suffix.removeprefix(".").lower() not in _FORMATS:
        endings = ", ".join(f".{ending}" for ending in _FORMATS)
        raise CommandFailed(f"the ending of {output} is not one of the known formats", f"Possible are {endings}.")
    if not output.absolute().parent.is_dir():
        raise CommandFailed(f"there is no folder {output.absolute().parent}")
    return output


def _is_our_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return GENERATOR.encode() in file.read(2_000)


def write_chart(figure: go.Figure, path: Path, title: str, width: int) -> None:
    """Write a figure in the format that the ending of the file names.

    Raises
    ------
    ImageFailed
        The file is an image, and the browser that draws it is missing.
    OSError
        The file cannot be written.
    """
    ending = path.suffix.removeprefix(".").lower()
    if ending == "html":
        content = render_plotly_figure_as_html(figure, title).encode()
    elif ending == "json":
        text = figure.to_json()
        assert text is not None
        content = text.encode()
    else:
        content = render_plotly_figure_as_image_file(figure, ending, width, scale=2 if ending == "png" else 1)
    path.write_bytes(content)
