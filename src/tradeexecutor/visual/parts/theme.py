"""The common appearance of the charts: colours, fonts, axes, margins.

The palette is that of Okabe and Ito, "Color Universal Design", 2008, whose colours people with colour vision deficiency
can distinguish. On dark backgrounds the same hues are lighter.
"""

import functools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import plotly.graph_objects as go

__all__ = ["THEMES", "Theme", "explain", "finish", "get_theme", "get_theme_name", "shorten", "with_opacity"]

#: Height of a chart with one row, pixels.
HEIGHT = 480

#: Length of a line below the title that fits on a phone 390 pixels wide, characters.
_NOTE_WIDTH = 60
_NOTE_LINE_HEIGHT = 15

_FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a chart.

    Attributes
    ----------
    name
        ``light`` or ``dark``.
    colours
        Colours of lines, in the order of use.
    gain, loss
        Colours of profits and losses.
    neutral
        Colour of everything else: cash, reference lines.
    """

    name: str
    background: str
    text: str
    faint_text: str
    grid: str
    zero: str
    colours: tuple[str, ...]
    gain: str
    loss: str
    neutral: str
    hover_background: str

    @property
    def main(self) -> str:
        """Colour of the strategy itself."""
        return self.colours[0]

    def get_colour(self, index: int) -> str:
        """Return the colour of the line with this index, from 0; after the last colour they repeat."""
        return self.colours[index % len(self.colours)]

    def can_show(self, colour: str) -> bool:
        """Return True if a CSS colour stands out from the background; also for colours in an unknown notation."""
        red_green_blue = _read_colour(colour)
        if red_green_blue is None:
            return True
        return abs(_get_luminance(red_green_blue) - _get_luminance(_read_colour(self.background) or (0, 0, 0))) > 0.12


#: Names of colours that strategies use and that are invisible on a light or dark background.
_HARD_TO_SEE = {
    "black": "#000000", "white": "#ffffff", "navy": "#000080", "darkblue": "#00008b", "mediumblue": "#0000cd",
    "midnightblue": "#191970", "blue": "#0000ff", "darkgreen": "#006400", "green": "#008000", "maroon": "#800000",
    "darkred": "#8b0000", "indigo": "#4b0082", "purple": "#800080",
    "darkslategray": "#2f4f4f", "darkslategrey": "#2f4f4f",
    "brown": "#a52a2a", "teal": "#008080", "yellow": "#ffff00", "lightyellow": "#ffffe0", "ivory": "#fffff0",
    "snow": "#fffafa", "beige": "#f5f5dc", "whitesmoke": "#f5f5f5", "lightgray": "#d3d3d3", "lightgrey": "#d3d3d3",
}  # fmt: skip


def _read_colour(colour: str) -> tuple[int, int, int] | None:
    text = _HARD_TO_SEE.get(colour.strip().lower(), colour.strip())
    if len(text) == 4 and text.startswith("#"):
        text = "#" + "".join(letter * 2 for letter in text[1:])
    try:
        return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)) if text.startswith("#") else None
    except ValueError:
        return None


def _get_luminance(red_green_blue: tuple[int, int, int]) -> float:
    """Return the perceived brightness of a colour, 0 to 1 (weights of ITU-R BT.709)."""
    red, green, blue = red_green_blue
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


THEMES = {
    "light": Theme(
        name="light",
        background="#ffffff",
        text="#1f2933",
        faint_text="#5f6b7a",
        grid="#e6e9ee",
        zero="#aab2bd",
        colours=("#0072b2", "#e69f00", "#cc79a7", "#56b4e9", "#009e73", "#d55e00", "#8c6bb1", "#7a7a7a"),
        gain="#009e73",
        loss="#d55e00",
        neutral="#8a94a0",
        hover_background="#ffffff",
    ),
    "dark": Theme(
        name="dark",
        background="#14181f",
        text="#e4e8ee",
        faint_text="#9aa5b4",
        grid="#2a313c",
        zero="#5c6775",
        colours=("#4aa8e0", "#f0b93a", "#e09cc2", "#8fd0f5", "#2bc79a", "#f2844a", "#b79bdc", "#a5a5a5"),
        gain="#2bc79a",
        loss="#f2844a",
        neutral="#8793a2",
        hover_background="#222933",
    ),
}


def get_theme(name: str) -> Theme:
    """Return the theme with this name; the name of a plotly template gives the light or the dark theme."""
    return THEMES[get_theme_name(name)]


def get_theme_name(name: str) -> Literal["light", "dark"]:
    """Return ``light`` or ``dark`` for the name of a theme or of a plotly template."""
    return "dark" if "dark" in name else "light"


def finish(
    figure: go.Figure,
    theme: Theme,
    title: str | None,
    notes: Sequence[str] = (),
    height: int | None = None,
    *,
    legend: bool = True,
) -> go.Figure:
    """Give a figure the common appearance and return it.

    Parameters
    ----------
    figure
        Figure to change.
    title
        Title; None for no title.
    notes
        Remarks for the reader, e.g. that points were left out; small text below the title, joined by full stops.
    height
        Height of the chart with its title, pixels.
    legend
        Whether there is a legend below the chart; a single trace never has one.
    """
    lines = _wrap(notes)
    top = (46 if title else 14) + _NOTE_LINE_HEIGHT * len(lines)
    figure.update_layout(
        template=_make_template(theme.name),
        paper_bgcolor=theme.background,
        autosize=True,
        height=height or HEIGHT,
        margin={"l": 12, "r": 16, "t": top, "b": 16, "pad": 2},
        title={
            "text": f"<b>{title}</b>" if title else "",
            "subtitle": {"text": "<br>".join(lines)},
        },
        showlegend=legend and sum(map(_is_in_legend, figure.data)) > 1,
    )
    return figure


@functools.cache
def _make_template(name: str) -> go.layout.Template:
    """Return the template with the common settings of the charts of a theme."""
    theme = THEMES[name]
    axis = {
        "showgrid": True,
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zerolinecolor": theme.zero,
        "zerolinewidth": 1,
        "automargin": True,
        "title": {"font": {"size": 12, "color": theme.faint_text}, "standoff": 8},
        "tickfont": {"size": 11, "color": theme.faint_text},
    }
    layout = {
        "font": {"family": _FONT, "size": 12, "color": theme.text},
        "plot_bgcolor": theme.background,
        "colorway": list(theme.colours),
        "xaxis": axis,
        "yaxis": axis,
        "title": {
            "font": {"size": 17, "color": theme.text},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "pad": {"l": 14, "t": 12},
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "subtitle": {"font": {"size": 11, "color": theme.faint_text}},
        },
        "hoverlabel": {
            "bgcolor": theme.hover_background,
            "bordercolor": theme.grid,
            "font": {"family": _FONT, "size": 12, "color": theme.text},
            "align": "left",
        },
        "legend": {
            "orientation": "h",
            "yref": "container",
            "y": 0.0,
            "yanchor": "bottom",
            "x": 0.0,
            "xanchor": "left",
            "font": {"size": 11, "color": theme.text},
            "bgcolor": "rgba(0,0,0,0)",
            "itemsizing": "constant",
        },
    }
    return go.layout.Template(layout=layout)


def _is_in_legend(trace: Any) -> bool:
    return trace.showlegend is not False and bool(trace.name) and trace.visible is not False


def _wrap(notes: Sequence[str]) -> list[str]:
    text = ". ".join(note.strip().rstrip(".") for note in notes if note)
    return textwrap.wrap(text, _NOTE_WIDTH)


def explain(title: str, reason: str, theme: str) -> go.Figure:
    """Return a figure whose text explains why there is no chart."""
    look = get_theme(theme)
    figure = go.Figure(layout={"meta": {"nothing_to_draw": reason}})
    finish(figure, look, title, height=220)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text="<br>".join(textwrap.wrap(f"{reason[:1].upper()}{reason[1:].rstrip('.')}.", 46)),
        showarrow=False,
        xref="paper",
        yref="paper",
        x=0.5,
        y=0.5,
        font={"size": 14, "color": look.faint_text},
    )
    return figure


def shorten(text: str, length: int = 18) -> str:
    """Return a name, cut in the middle if it is too long, so that both ends stay readable.

    >>> shorten("a very long vault name-USDC", 16)
    'a very lo…e-USDC'
    """
    if len(text) <= length:
        return text
    tail = (length - 1) * 2 // 5
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def with_opacity(colour: str, opacity: float) -> str:
    """Return a ``#rrggbb`` colour as ``rgba(...)``."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
