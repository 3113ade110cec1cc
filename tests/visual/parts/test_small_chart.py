"""The small picture is well-formed, safe, of limited size, and true."""

import re
from xml.etree import ElementTree

from tests.kit.markets import START, buy, flat, make_candles, random_walk
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.state import State
from tradeexecutor.visual.parts.small_chart import draw_growth_svg

SVG = "{http://www.w3.org/2000/svg}"


def run(bars: list[tuple[float, float, float, float]], name: str = "test") -> State:
    def decide(input):
        return buy(5_000)(input) if input.cycle == 1 else []

    universe = create_universe({"BTC-USD": make_candles(bars)}, fee=0)
    return run_backtest_inline(
        decide_trades=decide, universe=universe, initial_deposit=10_000, progress=False, leaves_open=True, name=name
    ).state


def test_the_lines_end_where_the_strategy_and_its_market_end():
    state = run([flat(100), flat(100), (100, 200, 100, 200), flat(200)])
    root = ElementTree.fromstring(draw_growth_svg(state, width=400, height=100))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "Strategy 50.00 %" in texts
    assert "Buy and hold 100.00 %" in texts
    assert root.get("aria-label") == "Growth from 2024-01-01 to 2024-01-01: Strategy 50.00 %, Buy and hold 100.00 %"
    for line in root.iter(f"{SVG}polyline"):
        points = [tuple(map(float, point.split(","))) for point in (line.get("points") or "").split()]
        assert all(0 <= x <= 400 and 0 <= y <= 100 for x, y in points)
        assert points[0][1] > points[-1][1], "gains go upwards"


def test_labels_do_not_cover_each_other():
    root = ElementTree.fromstring(draw_growth_svg(run([flat(100)] * 5)))
    places = [
        float(element.get("y") or 0) for element in root.iter(f"{SVG}text") if element.text and "%" in element.text
    ]
    assert abs(places[0] - places[1]) >= 15


def test_a_long_history_stays_small():
    assert len(draw_growth_svg(run(random_walk(3, 3_000)))) < 12_000


def test_nothing_is_drawn_without_history():
    assert draw_growth_svg(State(created_at=START)) == ""


def test_a_total_loss_is_drawn():
    root = ElementTree.fromstring(draw_growth_svg(run([flat(100), (100, 100, 0.001, 0.001), flat(0.001)])))
    assert len(list(root.iter(f"{SVG}polyline"))) == 2


def test_the_result_of_a_backtest_is_safe_html():
    def decide(input):
        return buy(5_000)(input) if input.cycle == 1 else []

    name = "<script>alert(1)</script>"
    universe = create_universe({"BTC-USD": make_candles(random_walk(5, 40))}, fee=0)
    result = run_backtest_inline(decide_trades=decide, universe=universe, initial_deposit=10_000, name=name)
    result.diagnostics_data["warnings"] = ["<img src=x onerror=alert(2)>"] * 7
    page = result._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "and 2 more in diagnostics_data" in page
    assert not re.search(r"(href|src|on\w+)=[\"']", page)
    assert f"{result.state.portfolio.get_net_asset_value():,.2f} USD" in page
    assert page.count("<svg") == 1
