"""Charts that a strategy defines, beside those of the registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.command_runner import STRATEGY
from tests.kit.web import Browser, browse
from tradeexecutor.state.errors import ImageFailed, InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.web import drawings
from tradeexecutor.web.drawings import read_author_charts

CHARTS = '''
def returns_table(state):
    """Returns by year.

    And more about it.
    """
    import pandas as pd
    return pd.DataFrame({"year": [2024], "return": [0.5], "name": [state.name + "<script>"]})

def level(state, theme):
    """The level of something."""
    import plotly.graph_objects as go
    return go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))

def broken(input):
    """Fails."""
    raise ValueError(f"no data of {input.state.name}")
'''

REGISTERED = (
    CHARTS
    + """
def create_charts(charts):
    for function in (returns_table, level, broken):
        charts.register(function)
"""
)

NAMED = (
    CHARTS
    + """
def create_charts(parameters):
    return {function.__name__: function for function in (returns_table, level, broken)}
"""
)


@pytest.fixture(params=[REGISTERED, NAMED], ids=["registered", "named"])
def browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Browser]:
    (tmp_path / "strategy.py").write_text(STRATEGY + request.param)
    (tmp_path / "mine.json").write_text(State(name="Mine").to_json())
    charts = read_author_charts(tmp_path / "strategy.py")
    with browse(tmp_path / "mine.json", charts={"mine": charts}) as found:
        yield found


def test_they_are_listed_first(browser: Browser):
    listed = browser.read("/chart-registry")
    assert [entry["id"] for entry in listed[:3]] == ["returns_table", "level", "broken"]
    assert listed[0] == {
        "id": "returns_table",
        "name": "Returns table",
        "kind": "universe_state",
        "description": "Returns by year.",
    }
    assert "drawdown" in {entry["id"] for entry in listed}
    assert {entry["kind"] for entry in listed} <= set(drawings.CHART_KINDS)


def test_a_table_is_a_page_without_scripts_of_others(browser: Browser):
    response = browser.get("/chart-registry/render?chart_id=returns_table&pair_ids=")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "Mine&lt;script&gt;" in response.text
    assert "'unsafe-inline'" not in response.headers["content-security-policy"].split("style-src")[0]


def test_a_chart_that_fails_says_why(browser: Browser):
    response = browser.get("/chart-registry/render?chart_id=broken&pair_ids=")
    assert response.status_code == 422
    assert response.json()["detail"] == "the chart broken failed: ValueError: no data of Mine"


@pytest.mark.slow
def test_a_chart_is_a_page_where_pictures_cannot_be_made(browser: Browser, monkeypatch: pytest.MonkeyPatch):
    def fail(*unused: object) -> bytes:
        raise ImageFailed("there is no browser")

    monkeypatch.setattr(drawings, "render_plotly_figure_as_image_file", fail)
    response = browser.get("/chart-registry/render?chart_id=level&pair_ids=")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "iframeContentHeight" in response.text


@pytest.mark.slow
def test_a_chart_is_a_picture(browser: Browser):
    response = browser.get("/chart-registry/render?chart_id=level&pair_ids=")
    assert response.status_code == 200
    if response.headers["content-type"] == "image/png":  # otherwise this machine has no browser
        assert response.content.startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_made_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_files: list[Path]
):
    def fail(*unused: object) -> bytes:
        raise ImageFailed("the chart cannot become an image: images need the package kaleido")

    monkeypatch.setattr(drawings, "render_plotly_figure_as_image_file", fail)
    with browse(state_files[0]) as browser:
        response = browser.get("/visualisation?type=large&theme=dark")
        assert response.status_code == 501
        assert "kaleido" in response.json()["detail"]


def test_the_icon_is_a_picture(browser: Browser):
    response = browser.get("/icon")
    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(b"\x89PNG\r\n\x1a\n")


def test_create_charts_has_to_return_charts(tmp_path: Path):
    (tmp_path / "strategy.py").write_text(STRATEGY + "def create_charts():\n    return 5\n")
    with pytest.raises(InvalidValue, match="must return charts by name"):
        read_author_charts(tmp_path / "strategy.py")
    (tmp_path / "without.py").write_text(STRATEGY)
    assert read_author_charts(tmp_path / "without.py") == {}
