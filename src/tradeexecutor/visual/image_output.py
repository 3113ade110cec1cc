"""Charts as image files."""

import plotly.graph_objects as go

from tradeexecutor.state.errors import ImageFailed, InvalidValue

__all__ = ["IMAGE_FORMATS", "render_plotly_figure_as_image_file"]

IMAGE_FORMATS = ("png", "svg", "pdf", "jpeg", "webp")

#: Size of a figure without its own width and height, pixels.
_WIDTH, _HEIGHT = 1200, 600

_ADVICE = "images need the package kaleido (pip install 'tradeexecutor[images]') and Chromium or Chrome"


def render_plotly_figure_as_image_file(
    figure: go.Figure, format: str = "png", width: int | None = None, height: int | None = None, scale: float = 1.0
) -> bytes:
    """Return a figure as an image file.

    Parameters
    ----------
    format
        One of `IMAGE_FORMATS`.
    width, height
        Size, pixels; None for that of the figure, or 1200 x 600 if it has none.
    scale
        2.0 doubles the pixels of a png, for sharp screens.

    Returns
    -------
    bytes
        Content of the file.

    Raises
    ------
    InvalidValue
        The format is not one of them.
    ImageFailed
        kaleido or the browser that it drives is missing, or the browser failed.
    """
    if format not in IMAGE_FORMATS:
        raise InvalidValue(f"images are {', '.join(IMAGE_FORMATS)}, not {format!r}")
    try:
        import kaleido
    except ImportError as error:
        raise ImageFailed(f"the chart cannot become an image: {_ADVICE}") from error
    options = {
        "format": format,
        "width": width or figure.layout.width or _WIDTH,
        "height": height or figure.layout.height or _HEIGHT,
        "scale": scale,
    }
    drawn = figure.to_dict()
    drawn["layout"].pop("updatemenus", None)  # buttons that nobody can press
    try:
        return kaleido.calc_fig_sync(drawn, opts=options)
    except Exception as error:
        # The browser fails in many ways, each with its own exception class.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageFailed(f"the chart cannot become an image: {reason}; {_ADVICE}") from error


def open_plotly_figure_in_browser(figure: "go.Figure", height: int = 512, width: int = 512) -> None:
    """Show a chart in the browser of this machine.

    Parameters
    ----------
    figure
        The chart; its own size counts if it has one.
    height, width
        Pixels.
    """
    drawn = figure.to_dict()
    drawn["layout"].setdefault("height", height)
    drawn["layout"].setdefault("width", width)
    type(figure)(drawn).show(renderer="browser")
