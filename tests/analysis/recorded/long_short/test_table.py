"""The trade summary as text, and its long and short sides."""

import dataclasses
import datetime
import enum
import math

import pandas as pd
import pytest

from tests.kit.portfolios import DAY, START, add_closed, make_state, record_equity
from tradeexecutor.analysis import trade_analyser
from tradeexecutor.analysis.position_figures import PositionFigures
from tradeexecutor.analysis.recorded.long_short.table import Sides, get_sides_rows
from tradeexecutor.analysis.trade_analyser import TradeSummary, build_trade_analysis
from tradeexecutor.state.cycle_duration import TimeBucket
from tradeexecutor.state.display.trade_summary_rows import format_dollars, format_duration, format_percent
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State


def make_traded() -> State:
    state = make_state()
    state.last_updated_at = START + 10 * DAY
    add_closed(state, 100.0, 110.0, START, 1)
    record_equity(state, {0: 1000, 1: 1010})
    return state


def summarise(state: State, time_bucket: TimeBucket | None = None) -> TradeSummary:
    return build_trade_analysis(state.portfolio).calculate_summary_statistics(time_bucket, state)


def get_texts(summary: TradeSummary) -> dict[str, str]:
    frame = summary.to_dataframe(format_headings=False)
    return dict(zip(frame.index, frame[0], strict=True))


def get_row(table: pd.DataFrame, label: str) -> list[str]:
    return [table[column][label] for column in ("All", "Long", "Short")]


def test_figures_are_formatted():
    texts = get_texts(summarise(make_traded(), TimeBucket.h4))
    assert texts["Trading period length"] == "10 days 0 hours"
    assert texts["Trading start"] == "2024-01-01 00:00"
    assert texts["Return %"] == "1.00%"
    assert texts["Cash at start"] == "$1,000.00"
    assert texts["Won positions"] == "1"
    assert texts["Average bars of winning positions"] == "6 bars"
    assert texts["Average positions per day"] == "0.10"
    assert texts["Biggest losing position %"] == "-"
    assert texts["Max drawdown"] == "0.00%"


def test_rows_that_need_more_are_left_out():
    texts = get_texts(build_trade_analysis(Portfolio()).calculate_summary_statistics())
    assert "Average bars of winning positions" not in texts
    assert "Max drawdown" not in texts
    assert texts["Trading period length"] == "0 hours 0 minutes"
    assert texts["Return %"] == "-"


def test_labels_can_be_links():
    labels = list(summarise(make_traded()).to_dataframe().index)
    assert '<a href="https://tradingstrategy.ai/glossary/aggregate-return">Return %</a>' in labels
    assert "Cash at start" in labels


@pytest.mark.parametrize(
    ("format_figure", "value", "text"),
    [
        (format_percent, -0.0, "0.00%"),
        (format_percent, math.nan, "-"),
        (format_percent, None, "-"),
        (format_dollars, -0.004, "$-0.00"),
        (format_dollars, None, "-"),
        (format_duration, datetime.timedelta(0), "0 hours 0 minutes"),
        (format_duration, None, "-"),
    ],
)
def test_edges_of_the_formats(format_figure, value, text):
    assert format_figure(value) == text


def test_sides_stand_beside_all_and_what_has_no_side_is_a_dash():
    state = make_traded()
    table = build_trade_analysis(state.portfolio).calculate_all_summary_stats_by_side(state=state, urls=True)
    assert list(table.columns) == ["All", "Long", "Short", "help_links"]
    assert get_row(table, "Total positions") == ["1", "1", "0"]
    assert get_row(table, "Value at end") == ["$1,010.00", "-", "-"]
    assert get_row(table, "Max drawdown") == ["0.00%", "-", "-"]
    assert table.loc["Cash at start", "help_links"] is None
    without = build_trade_analysis(state.portfolio).render_summary_statistics_side_by_side(state=state)
    assert list(without.columns) == ["All", "Long", "Short"]


def test_the_return_is_divided_by_profit():
    """30 won by longs and 10 lost by shorts, 2 % together: 3 % and -1 %."""
    everything = summarise(make_traded())
    everything.return_percent, everything.duration = 0.02, datetime.timedelta(days=73)
    profits = {"all": 20.0, "long": 30.0, "short": -10.0}
    sides = Sides(**{side: dataclasses.replace(everything, realised_profit=profit) for side, profit in profits.items()})
    sides.all.return_percent = 0.02
    rows = {row.label: row.texts for row in get_sides_rows(sides)}
    assert rows["Return %"] == {"All": "2.00%", "Long": "3.00%", "Short": "-1.00%"}
    assert rows["Annualised return %"]["Long"] == "15.00%"
    assert rows["Annualised return %"]["Short"] == "-5.00%"
    given = {row.label: row.texts for row in get_sides_rows(sides, all_return=0.04)}
    assert given["Return %"]["Long"] == "6.00%"


def test_sides_of_the_same_size_are_told_apart():
    """As many longs as shorts: neither is everything."""
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    add_closed(state, 100.0, 90.0, START + 2 * DAY, 1)
    _, second = state.portfolio.closed_positions.values()
    shorts = {second.position_id}

    def is_short(position: PositionFigures) -> bool:
        return position.position_id in shorts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trade_analyser, "_SHORT", dataclasses.replace(trade_analyser._SHORT, includes=is_short))
        is_long = dataclasses.replace(trade_analyser._LONG, includes=lambda position: not is_short(position))
        patch.setattr(trade_analyser, "_LONG", is_long)
        sides = build_trade_analysis(state.portfolio).summarise_sides()
    assert (sides.all.won, sides.all.lost) == (1, 1)
    assert (sides.long.won, sides.long.lost) == (1, 0)
    assert (sides.short.won, sides.short.lost) == (0, 1)


def test_a_side_that_is_everything_has_the_figures_of_everything():
    state = make_state()
    add_closed(state, 100.0, 110.0, START, 1)
    sides = build_trade_analysis(state.portfolio).summarise_sides(state=state)
    alone = build_trade_analysis(state.portfolio).calculate_long_summary_statistics(None, state)
    assert sides.long.to_dict() == alone.to_dict()
    assert sides.short.total_positions == 0


def test_a_candle_length_of_another_library_can_be_saved():
    theirs = enum.Enum("TimeBucket", {"d1": "1d"})["d1"]
    summary = summarise(make_traded(), theirs)  # pyright: ignore[reportArgumentType]
    assert summary.time_bucket is TimeBucket.d1
    assert TradeSummary.from_json(summary.to_json()).time_bucket is TimeBucket.d1
