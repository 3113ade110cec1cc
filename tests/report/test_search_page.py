"""The page about a search shows its figures, loads nothing, and escapes what others wrote."""

import datetime
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kit.searches import make_days, make_result, write_strategy
from tradeexecutor.operations.optimise_page import describe_search
from tradeexecutor.report.search_page import (
    Dimension,
    HeatMap,
    draw_coordinates,
    draw_heat_map,
    make_search_page,
)
from tradeexecutor.research import assess, optimize, walk_forward
from tradeexecutor.visual.parts.theme import THEMES

DAY = datetime.timedelta(days=1)


def read_data(html: str) -> dict[str, list[dict[str, object]]]:
    found = re.search(r'<script type="text/plain" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    strategy = write_strategy(tmp_path_factory.mktemp("page"))
    space = {"first": "1:3", "share": "0.2,0.4", "trap": ["", "<b>raise</b>"]}
    result = optimize(strategy, space, universe=make_days(60), jobs=2)
    forward = walk_forward(strategy, {"first": "1:2"}, train=20 * DAY, test=20 * DAY, universe=make_days(60), jobs=2)
    return make_search_page(describe_search(result, assess(result), forward), packed=False)


def test_the_page_has_every_run_and_chart(html: str):
    data = read_data(html)
    columns = {str(column["name"]): column["values"] for column in data["tables"][0]["columns"]}  # type: ignore[attr-defined,index]
    assert columns["Rank"] == list(range(1, 13))
    assert set(columns["Tries"]) == {12}
    assert len(columns["Deflated Sharpe"]) == 12
    labels = re.findall(r'aria-label="([^"]*)"', html)
    assert len(labels) == 5
    assert labels[-2:] == ["Parallel coordinates", "Walk-forward"]
    assert [
        word for word in ("Best Sharpe", "of 12 tries", "Walk-forward", "2023-01-21 – 2023-02-10") if word not in html
    ] == []


def test_the_page_loads_nothing_and_escapes_what_others_wrote(html: str):
    assert "default-src 'none'" in html
    assert not re.search(r'(src|href)="(?!#)', html.partition("<script")[0])
    assert "<b>raise" not in html


def test_the_packed_page_is_smaller(html: str):
    result = make_result({"a": [1, 2], "b": [1, 2]}, [1.0, 3.0, 5.0, 7.0])
    packed = make_search_page(describe_search(result, assess(result), None))
    assert 'data-packed="yes"' in packed
    assert len(packed) < len(html) / 2


def test_a_cell_is_the_mean_of_its_runs():
    result = make_result({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, [1, 3, 5, 7, 2, 4, 6, 8])
    maps = {(item.x, item.y): item for item in describe_search(result, assess(result), None).heat_maps}
    # b explains most, then c, then a.
    assert set(maps) == {("b", "c"), ("b", "a"), ("c", "a")}
    assert maps["b", "c"].values.tolist() == [[1.5, 5.5], [3.5, 7.5]]
    assert maps["b", "c"].best == (1, 1)


def test_cells_without_a_run_stay_empty():
    values = np.array([[1.0, math.nan]])
    item = HeatMap("x", "y", ["1", "2"], ["3"], values, (0, 0), "Sharpe", False, "")
    figure: Any = draw_heat_map(item, THEMES["light"])
    assert [list(row) for row in figure.data[0].z] == [[1.0, None]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_run_is_a_line_from_axis_to_axis(theme: str):
    dimensions = [
        Dimension("fast", [5.0, 10.0, 10.0]),
        Dimension("mode", [0.0, 1.0, 0.0], ["quick", "safe"]),
        Dimension("only", [3.0, 3.0, 3.0]),
        Dimension("Sharpe", [2.0, 1.0, 0.0]),
    ]
    figure: Any = draw_coordinates(dimensions, THEMES[theme])
    *lines, best = figure.data
    assert list(best.y) == [0.0, 0.0, 0.5, 1.0]
    assert sum(line.y.count(None) for line in lines) == 3
    assert [item.text for item in figure.layout.annotations] == [
        "5", "7.5", "10", "quick", "safe", "3", "0", "1", "2",
    ]  # fmt: skip


def test_a_search_without_a_ranked_run_says_so(tmp_path: Path):
    result = optimize(write_strategy(tmp_path), {"first": "1:2"}, universe=make_days(), jobs=1, require=["trades > 99"])
    page = make_search_page(describe_search(result, assess(result), None), packed=False)
    assert "No run meets the requirements." in page
    assert "aria-label" not in page.partition("<script")[0]
