"""A chart as a separate web page."""

import html

import plotly.graph_objects as go

from tradeexecutor.state.display.visible import make_visible

__all__ = ["GENERATOR", "render_plotly_figure_as_html"]

#: Mark of the pages that this program has written.
GENERATOR = '<meta name="generator" content="tradeexecutor chart">'

_CONFIG = {
    "responsive": True,
    "displaylogo": False,
    # plotly has a button that uploads charts to a server of its makers; results of a strategy are private.
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}

#: Hides the buttons on a phone, where they would cover the title.
_STYLE = "@media (max-width: 600px) { .modebar { display: none !important; } }"


def render_plotly_figure_as_html(figure: go.Figure, title: str, *, plotlyjs: bool = True) -> str:
    """Return a page that shows a figure as wide as the window.

    Parameters
    ----------
    title
        Title of the browser tab.
    plotlyjs
        Whether the page contains the drawing library (4.8 MB) and needs no network; otherwise it loads the library
        from the address that plotly chooses.
    """
    background = figure.layout.paper_bgcolor or "#ffffff"
    body = figure.to_html(
        full_html=False,
        include_plotlyjs=True if plotlyjs else "cdn",
        config=_CONFIG,
        div_id="chart",
        default_width="100%",
    )
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{GENERATOR}\n<title>{html.escape(make_visible(title))}</title>\n"
        f"<style>body {{ margin: 0; background: {background}; }} {_STYLE}</style>\n"
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
