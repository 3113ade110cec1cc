"""Pictures and pages: the charts of the registry, charts that a strategy defines, the report, the icon."""

import base64
import functools
import hashlib
import html
import inspect
import itertools
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from tradeexecutor.report.page import ReportOptions, make_report
from tradeexecutor.state.errors import ImageFailed, InvalidValue, NothingToDraw
from tradeexecutor.state.state import State
from tradeexecutor.strategy.strategy_module import read_strategy_module
from tradeexecutor.visual.charts import CHARTS, ChartOptions, get_explanation
from tradeexecutor.visual.html_output import render_plotly_figure_as_html
from tradeexecutor.visual.image_output import render_plotly_figure_as_image_file
from tradeexecutor.web.caching import Body
from tradeexecutor.web.problems import ProblemRaised

__all__ = ["CHART_KINDS", "draw", "list_charts", "make_icon", "make_report_page", "read_author_charts"]

Theme = Literal["light", "dark"]

CHART_KINDS = (
    "indicator_single_pair",
    "indicator_multi_pair",
    "indicator_universe",
    "universe_state",
    "state_single_pair",
    "state_single_vault_pair",
)

#: Charts of the registry that need one pair.
_SINGLE_PAIR = frozenset({"price"})

#: Left out, because they need an id that the client does not send.
_UNLISTED = frozenset({"position"})

#: Sends the height of this page to the surrounding one; an early message may be lost, so it is repeated.
HEIGHT_SCRIPT = (
    "(function(){function tell(){parent.postMessage({iframeContentHeight:"
    "document.documentElement.scrollHeight},'*')}tell();setInterval(tell,500);addEventListener('load',tell)})();"
)


def add_height_message(page: str) -> str:
    """Return a page that sends its height to the page around it, again and again."""
    script = f"<script>{HEIGHT_SCRIPT}</script>"
    head, end, rest = page.rpartition("</body>")
    return f"{head}{script}{end}{rest}" if end else page + script


def make_report_page(state: State, source: str) -> Body:
    """Return the report of `tradeexecutor report`, to be shown inside another page."""
    return make_page(make_report(state, ReportOptions(source=source)), get_plotlyjs())


_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL | re.IGNORECASE)


def make_policy(page: str, *inserted: str) -> str:
    """Return the content security policy of a page: exactly its own scripts run, and nothing is loaded or sent.

    Parameters
    ----------
    inserted
        Programs that the scripts of the page insert as scripts.
    """
    own = (match["code"] for match in _SCRIPT.finditer(page) if "text/plain" not in match["attributes"])
    hashes = {base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in (*own, *inserted)}
    scripts = " ".join(f"'sha256-{digest}'" for digest in sorted(hashes)) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors *"
    )


def make_page(page: str, *inserted: str) -> Body:
    """Return a page with its policy, which sends its height to the page around it."""
    page = add_height_message(page)
    policy = ("Content-Security-Policy", make_policy(page, *inserted))
    return Body(page.encode(), "text/html; charset=utf-8", (policy,))


# --- Charts


def read_author_charts(path: Path) -> dict[str, Callable[..., Any]]:
    """Return the charts that the file of a strategy defines in ``create_charts``, by the name of their function.

    The function returns a mapping of names to functions, a list of functions, or adds them to the object that it is
    given with ``register(function)``. A chart function gets the arguments that it names of ``state``, ``pair``,
    ``theme`` and ``input``, and returns a plotly figure or a pandas table.

    Raises
    ------
    StrategyModuleNotValid
        The file is not a strategy. It is trusted code, which runs with the rights of the program.
    InvalidValue
        ``create_charts`` returned something else.
    """
    module = read_strategy_module(path)
    if module.create_charts is None:
        return {}
    registry = _ChartRegistry()
    arguments: dict[str, Any] = {"parameters": module.parameters, "charts": registry, "registry": registry}
    wanted = inspect.signature(module.create_charts).parameters
    result = module.create_charts(**{name: arguments.get(name) for name in wanted})
    if result is None or result is registry:
        return registry.functions
    if isinstance(result, Mapping):
        return {str(name): function for name, function in cast(Mapping[Any, Any], result).items()}
    if isinstance(result, (list, tuple)):
        return {function.__name__: function for function in cast(list[Any], result)}
    raise InvalidValue(f"create_charts must return charts by name, it returned {type(result).__name__}")


class _ChartRegistry:
    """What ``create_charts`` adds functions to."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[..., Any]] = {}

    def register(self, function: Callable[..., Any], *unused: Any, **more: Any) -> Callable[..., Any]:
        """Add a chart."""
        self.functions[function.__name__] = function
        return function


def list_charts(author: Mapping[str, Callable[..., Any]]) -> list[dict[str, str]]:
    """Return all charts: those that the strategy defines first, then those of the registry."""
    own = [
        {
            "id": name,
            "name": name.replace("_", " ").replace("-", " ").capitalize(),
            "kind": "universe_state",
            "description": (inspect.getdoc(function) or name).split("\n")[0],
        }
        for name, function in author.items()
    ]
    general = [
        {
            "id": chart.name,
            "name": chart.title,
            "kind": "state_single_pair" if chart.name in _SINGLE_PAIR else "universe_state",
            "description": chart.description,
        }
        for chart in CHARTS.values()
        if chart.name not in author and chart.name not in _UNLISTED
    ]
    return own + general


def draw_figure(
    state: State, name: str, author: Mapping[str, Callable[..., Any]], *, pair: Any = None, theme: Theme = "light"
) -> Any:
    """Return the figure of a chart, or a table of a chart that the strategy defines.

    Raises
    ------
    ProblemRaised
        There is no such chart, or a function of the strategy failed.
    NothingToDraw
        The state has no data for it.
    """
    if name in author:
        arguments = {"state": state, "pair": pair, "theme": theme, "input": _ChartInput(state, pair)}
        wanted = inspect.signature(author[name]).parameters
        try:
            if len(wanted) == 1 and not set(wanted) & set(arguments):
                return author[name](arguments["input"])
            return author[name](**{key: arguments[key] for key in wanted if key in arguments})
        except Exception as error:
            raise ProblemRaised(422, f"the chart {name} failed: {type(error).__name__}: {error}") from error
    if name not in CHARTS or name in _UNLISTED:
        raise ProblemRaised(404, f"there is no chart {name}")
    figure = CHARTS[name].draw(state, ChartOptions(theme=theme, pair=pair))
    reason = get_explanation(figure)
    if reason is not None:
        raise NothingToDraw(reason)
    return figure


class _ChartInput:
    """The single argument of a chart function that takes an input."""

    def __init__(self, state: State, pair: Any):
        self.state = state
        self.pair = pair


def draw(
    state: State,
    name: str,
    author: Mapping[str, Callable[..., Any]],
    *,
    format: str = "png",
    pair: Any = None,
    theme: Theme = "light",
) -> Body:
    """Return a chart as a picture; as a page where pictures cannot be made; a table as a page.

    Raises
    ------
    ProblemRaised, NothingToDraw
        As `draw_figure`.
    """
    figure = draw_figure(state, name, author, pair=pair, theme=theme)
    title = name.replace("_", " ").replace("-", " ").capitalize()
    if not isinstance(figure, go.Figure):
        to_html = getattr(figure, "to_html", None)
        content = to_html() if callable(to_html) else html.escape(str(figure))
        page = f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title><body>{content}</body>'
        return make_page(page)
    try:
        return draw_picture(figure, format)
    except ImageFailed:
        return make_page(render_plotly_figure_as_html(figure, title))


def draw_picture(figure: go.Figure, format: str, *, width: int = 1200, height: int = 800) -> Body:
    """Return a figure as a picture; raises `ImageFailed` without the extra ``images`` and a browser."""
    content = render_plotly_figure_as_image_file(figure, format, width, height)
    return Body(content, {"svg": "image/svg+xml"}.get(format, f"image/{format}"))


# --- Icon

_ICON_SIZE = 128


@functools.cache
def make_icon() -> Body:
    """Return the icon, a rising line on a dark ground, as a PNG file."""
    rows = bytearray()
    for y in range(_ICON_SIZE):
        rows.append(0)
        for x in range(_ICON_SIZE):
            rows += _get_pixel(x, y)
    header = struct.pack(">IIBBBBB", _ICON_SIZE, _ICON_SIZE, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(rows), 9)) + _chunk(b"IEND", b"")
    return Body(b"\x89PNG\r\n\x1a\n" + chunks, "image/png")


def _get_pixel(x: int, y: int) -> bytes:
    corners = ((16, 104), (48, 64), (72, 84), (112, 24))
    for (left, start), (right, end) in itertools.pairwise(corners):
        if left <= x <= right:
            line = start + (end - start) * (x - left) / (right - left)
            if abs(y - line) <= 7:
                return b"\x4a\xd6\x9b"
    return b"\x14\x1b\x2d"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
