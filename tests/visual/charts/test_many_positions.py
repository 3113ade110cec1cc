"""Charts of more positions than a screen can show: what is left out is said, what is counted stays right."""

import datetime
import sys
import types
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.chart_states import make_traded
from tests.kit.portfolios import START
from tradeexecutor.analysis.position_figures import measure_plain
from tradeexecutor.report.page import ReportOptions, collect_report
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.statistics import PortfolioStatistics, PositionStatistics
from tradeexecutor.state.trade import TradeType
from tradeexecutor.visual.charts import CHARTS, ChartOptions
from tradeexecutor.visual.charts.money import calculate_exposure_by_asset

USD = AssetIdentifier(1, f"0x{1:040x}", "USD", 6)
HOUR = datetime.timedelta(hours=1)

POSITIONS = 1200
PAIRS = [
    TradingPairIdentifier(AssetIdentifier(1, f"0x{10 + n:040x}", name, 18), USD, f"0x{20 + n:040x}", "", internal_id=n)
    for n, name in enumerate(("ONE", "TWO"), start=1)
]


def trade(state: State, pair: TradingPairIdentifier, quantity: int, price: float, when: datetime.datetime) -> None:
    _, planned, _ = state.create_trade(when, pair, Decimal(quantity), None, price, TradeType.rebalance, USD, 1.0)
    state.start_execution(when, planned)
    state.mark_broadcasted(when, planned)
    state.mark_trade_success(when, planned, price, planned.planned_quantity, planned.planned_reserve, 0.0, 1.0)


@pytest.fixture(scope="module")
def busy() -> State:
    """Return a state of 1200 positions of an hour in two pairs, every third one with a loss.

    Sampled at opening and closing; in the middle one of them stays open for 20 days.
    """
    state = State()
    state.portfolio.initialise_reserves(USD, 1.0).quantity = Decimal(10_000)
    for number in range(POSITIONS):
        pair, when = PAIRS[number % 2], START + number * HOUR
        state.stats.portfolio.append(PortfolioStatistics(when, 10_000.0, 10_000.0, free_cash=9_900.0))
        trade(state, pair, 1, 100.0, when)
        number_of_position = state.portfolio.next_position_id - 1
        end = when + HOUR / 2
        state.stats.positions[number_of_position] = [
            PositionStatistics(when, when, 0.0, 0.0, 1.0, 100.0),
            PositionStatistics(end, end, 0.0, 0.0, 0.0, 0.0),
        ]
        trade(state, pair, -1, 98.0 if number % 3 == 0 else 101.0, end)
    position = state.portfolio.closed_positions[POSITIONS // 2]
    position.closed_at = position.opened_at + datetime.timedelta(days=20)
    return state


def draw(state: State, name: str, **options: Any) -> Any:
    return CHARTS[name].draw(state, ChartOptions(**options))


def draw_bars(state: State, limit: int) -> tuple[pd.DataFrame, str]:
    figure = draw(state, "positions", max_points=limit)
    frames = [
        pd.DataFrame(
            {
                "name": trace.name,
                "start": pd.DatetimeIndex(trace.base),
                "length": pd.to_timedelta(trace.x, unit="ms"),
                "label": trace.y,
                "text": trace.customdata,
            }
        )
        for trace in figure.data
    ]
    return pd.concat(frames), figure.layout.title.subtitle.text.replace("<br>", " ")


def test_the_timeline_keeps_every_position_while_there_is_room(busy: State):
    bars, notes = draw_bars(busy, POSITIONS)
    assert len(bars) == POSITIONS
    assert "merged" not in notes


def test_short_positions_are_merged_and_all_are_counted(busy: State):
    bars, notes = draw_bars(busy, 400)
    merged = bars[bars["text"].str.contains(" positions? in ")]
    groups = merged.drop_duplicates(["label", "text"])
    assert f"1,199 short ones merged into {len(groups)} bars" in notes
    assert len(bars) <= 402
    counts = {
        name: groups["text"].str.extract(rf"(\d+) {name}")[0].astype(float).sum()
        for name in ("position", "with profit", "with loss")
    }
    losses = POSITIONS / 3
    assert counts == {"position": 1199, "with profit": POSITIONS - losses - 1, "with loss": losses}


def test_a_long_position_among_merged_ones_stays(busy: State):
    bars, _ = draw_bars(busy, 400)
    long = bars[bars["text"].str.contains(f"#{POSITIONS // 2} ")]
    assert long["length"].tolist() == [pd.Timedelta(days=20)]


def test_a_merged_bar_is_split_as_its_positions_ended(busy: State):
    bars, _ = draw_bars(busy, 400)
    merged = bars[["label", "text", "name", "length"]].loc[bars["text"].str.contains("with profit, ")]
    lengths = merged.pivot(index=["label", "text"], columns="name", values="length").reset_index()
    counts = lengths["text"].str.extract(r"(?P<Profit>\d+) with profit, (?P<Loss>\d+) with loss").astype(float)
    assert len(lengths) > 10
    assert counts["Profit"].nunique() > 1
    ratio = (lengths["Profit"] / lengths["Loss"]).to_numpy()
    assert ratio == pytest.approx((counts["Profit"] / counts["Loss"]).to_numpy(), rel=1e-6)


def test_the_profits_add_up_to_the_same_when_their_line_is_thinned(busy: State):
    every, some = (draw(busy, "profits", max_points=limit).data[0] for limit in (POSITIONS, 100))
    assert len(some.y) < 110
    assert (some.y[-1], min(some.y), max(some.y)) == (every.y[-1], min(every.y), max(every.y))


def test_the_latest_trades_are_marked_and_the_others_counted(busy: State):
    figure = draw(busy, "price", max_points=300, pair="ONE")
    marks = sum(len(trace.x) for trace in figure.data if trace.mode == "markers")
    assert marks == 300
    assert "300 of 1,200 trades shown (the latest)" in figure.layout.title.subtitle.text.replace("<br>", " ")


@pytest.mark.slow
def test_a_chart_of_many_positions_stays_small(busy: State):
    for name in ("positions", "profits", "profit-and-time", "price", "exposure"):
        figure = draw(busy, name, max_points=100)
        assert len(figure.to_json()) < 100_000, name


@pytest.mark.slow
def test_a_report_measures_a_position_once(busy: State):
    code = measure_plain.__wrapped__.__code__  # pyright: ignore[reportFunctionMemberAccess]
    calls = 0

    def count(frame: types.FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is code

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        collect_report(busy, ReportOptions())
    finally:
        sys.setprofile(before)
    assert calls == len([*busy.portfolio.get_all_positions()])


def test_exposure_is_that_of_adding_up_positions_one_by_one():
    rng = np.random.default_rng(7)
    state = make_traded()
    position = state.portfolio.open_positions[3]
    closed = state.portfolio.closed_positions[1]
    for samples in state.stats.positions.values():
        samples.clear()
    ids = {3: position, 1: closed}
    for number in ids:
        # Unordered, some at the times of portfolio samples, some twice.
        days = rng.integers(0, 40, size=30) / 4
        state.stats.positions[number] = [
            PositionStatistics(START + datetime.timedelta(days=day), START, 0.0, 0.0, 1.0, value)
            for day, value in zip(days.tolist(), rng.uniform(1, 100, size=30).tolist(), strict=True)
        ]
    frame = calculate_exposure_by_asset(state)
    for number, held in ids.items():
        samples = sorted(state.stats.positions[number], key=lambda sample: sample.calculated_at)
        expected = []
        for when in frame.index:
            before = [sample.value for sample in samples if sample.calculated_at <= when]
            is_over = held.is_closed() and when > samples[-1].calculated_at
            expected.append(0.0 if is_over or not before else before[-1])
        assert frame[held.pair.base.token_symbol].to_numpy() == pytest.approx(np.array(expected), abs=1e-9)
        assert any(expected)
