"""Messages, calculations and plots, by decision time."""

import datetime
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.samples import DAY, PAIR, T0, T1, USDC, WETH, plot
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, InvalidValue, NotAvailable
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.visualisation import Plot, PlotKind, PlotLabel, PlotShape, RecordingTime, Visualisation

ON_PRICE = PlotKind.technical_indicator_on_price
OVERLAY = PlotKind.technical_indicator_overlay_on_detached


# --- Plot


def test_points_are_keyed_by_whole_seconds():
    ema = Plot("ema", ON_PRICE)
    ema.add_point(T1, 1.5)
    ema.add_point(T1.replace(microsecond=0), 2.5)
    assert ema.points == {1714608001: 2.5}


def test_time_before_the_epoch_is_cut_downwards():
    ema = Plot("ema", ON_PRICE)
    ema.add_point(datetime.datetime(1969, 12, 31, 23, 59, 58, 500_000), 1.0)
    assert ema.points == {-2: 1.0}


def test_first_and_last_follow_time_not_insertion():
    ema = Plot("ema", ON_PRICE)
    for days, value in ((1, 10.0), (2, 20.0), (0, 0.0)):
        ema.add_point(T0 + days * DAY, value)
    assert ema.get_last_value() == 20.0
    assert ema.get_last_entry() == (T0 + 2 * DAY, 20.0)
    assert ema.get_first_entry() == (T0, 0.0)
    assert [value for _, value in ema.get_entries()] == [0.0, 10.0, 20.0]


@pytest.mark.parametrize("method", [Plot.get_last_value, Plot.get_last_entry, Plot.get_first_entry])
def test_empty_plot_has_no_ends(method):
    with pytest.raises(NotAvailable):
        method(Plot("ema", ON_PRICE))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, np.float32("nan"), "nan"])
def test_what_is_no_number_is_a_gap(value: Any):
    vis = Visualisation()
    vis.plot_indicator(T0, "ema", ON_PRICE, value)
    assert vis.plots["ema"].get_last_value() is None
    assert Visualisation.from_json(vis.to_json()) == vis


@pytest.mark.parametrize("value", [5, 5.0, np.float64(5), np.int64(5), "5", True and 5])
def test_numbers_become_floats(value: Any):
    vis = Visualisation()
    vis.plot_indicator(T0, "ema", ON_PRICE, value)
    assert type(vis.plots["ema"].get_last_value()) is float


# --- plot_indicator


def test_plot_is_created_once_and_takes_over_the_latest_looks():
    vis = Visualisation()
    vis.plot_indicator(T0, "ema", ON_PRICE, 1.0, colour="red", indicator_size=2.0, height=10, pair=PAIR)
    first = vis.plots["ema"]
    assert first.label is PlotLabel.axis
    vis.plot_indicator(
        pd.Timestamp(T1), "ema", OVERLAY, 2.0, None, PlotShape.markers, "rsi", None, RecordingTime.market_time, None,
        PlotLabel.hidden,
    )  # fmt: skip
    assert vis.plots == {"ema": first}
    expected = Plot(
        "ema",
        OVERLAY,
        "red",
        first.points,
        PlotShape.markers,
        "rsi",
        None,
        RecordingTime.market_time,
        None,
        PlotLabel.hidden,
    )
    assert first == expected
    assert len(first.points) == 2


BAD_CALLS: list[dict[str, Any]] = [
    {"name": 5},
    {"name": None},
    {"kind": "technical_indicator_on_price"},
    {"value": "many"},
    {"value": pd.Series([1.0])},
    {"value": [1.0]},
    {"value": ...},
    {"timestamp": T0.replace(tzinfo=datetime.UTC)},
    {"timestamp": 5},
    {"detached_overlay_name": "rsi"},
    {"kind": OVERLAY},
    {"plot_shape": "linear"},
    {"recording_time": None},
    {"label": "axis"},
    {"pair": "WETH-USDC"},
]


@pytest.mark.parametrize("change", BAD_CALLS, ids=str)
def test_bad_call_leaves_no_trace(change: dict[str, Any]):
    call: dict[str, Any] = {"timestamp": T0, "name": "ema", "kind": ON_PRICE, "value": 1.0}
    vis = Visualisation()
    with pytest.raises(InvalidValue):
        vis.plot_indicator(**call | change)
    assert vis == Visualisation()
    vis.plot_indicator(**call)
    before = vis.to_json()
    call["value"] = 2.0
    with pytest.raises(InvalidValue):
        vis.plot_indicator(**call | change)
    assert vis.to_json() == before


# --- Series and ranges


def test_series_as_recorded():
    vis = Visualisation()
    for days, value in ((1, 10.0), (0, None)):
        vis.plot_indicator(T0 + days * DAY, "ema", ON_PRICE, value)
    series = vis.get_series("ema")
    assert list(series.index) == [pd.Timestamp(T0 + DAY), pd.Timestamp(T0)]
    assert series.iloc[0] == 10.0
    assert math.isnan(series.iloc[1])
    assert series.dtype == "float64"
    with pytest.raises(NotAvailable, match="ema"):
        vis.get_series("rsi")


def test_timestamp_range_and_size():
    vis = Visualisation()
    assert vis.get_timestamp_range() == (None, None)
    assert vis.get_timestamp_range("ema") == (None, None)
    for days in (1, 0, 2):
        vis.plot_indicator(T0 + days * DAY, "ema", ON_PRICE, 1.0)
    vis.plot_indicator(T1, "rsi", ON_PRICE, 1.0)
    assert vis.get_timestamp_range() == (T0, T0 + 2 * DAY)
    assert vis.get_timestamp_range("rsi") == (T1.replace(microsecond=0),) * 2
    assert vis.get_total_points() == 4


# --- Messages and calculations


def messages() -> Visualisation:
    vis = Visualisation()
    for days, content in ((0, "a"), (1, "b"), (1, "x"), (2, "c"), (3, "x2")):
        vis.add_message(T0 + days * DAY, content)
    return vis


def test_latest_messages_first():
    assert messages().get_messages_tail(2) == {T0 + 3 * DAY: "x2", T0 + 2 * DAY: "c"}
    assert messages().get_messages_tail(9)[T0 + DAY] == "b\nx"
    assert messages().get_messages_tail(0) == {}


def test_filtered_messages_are_the_latest_matches():
    tail = messages().get_messages_tail(1, filter_func=lambda text: not text.startswith("x"))
    assert tail == {T0 + 2 * DAY: "c"}
    assert messages().get_messages_tail(9, filter_func=lambda text: text.startswith("x")) == {
        T0 + 3 * DAY: "x2",
        T0 + DAY: "x",
    }


@pytest.mark.parametrize(("when", "content"), [(T0, 5), (T0, None), (5, "x"), (T0.replace(tzinfo=datetime.UTC), "x")])
def test_message_is_text_at_a_naive_time(when: Any, content: Any):
    vis = Visualisation()
    with pytest.raises(InvalidValue):
        vis.add_message(when, content)
    assert vis.messages == {}


def test_calculations_of_a_second_are_replaced():
    vis = Visualisation()
    vis.add_calculations(T0, {"a": 1})
    vis.add_calculations(T0, {"b": 2})
    assert list(vis.calculations.values()) == [{"b": 2}]
    with pytest.raises(InvalidValue):
        vis.add_calculations(T0, [1])  # type: ignore[arg-type]


def test_discardable_data():
    vis = Visualisation()
    vis.set_discardable_data("alpha", {"x": 1})
    assert vis.to_dict()["discardable_data"] == {"alpha": {"x": 1}}
    with pytest.raises(InvalidValue):
        vis.set_discardable_data(1, {})  # type: ignore[arg-type]


def test_visualised_pairs_are_not_repeated():
    vis = Visualisation()
    other = TradingPairIdentifier(USDC, WETH, "0x" + "5" * 40, None, internal_id=9)
    vis.set_visualised_pairs([PAIR])
    vis.set_visualised_pairs([other, PAIR])
    assert vis.pair_ids == [7, 9]


@pytest.mark.parametrize("pair", ["x", TradingPairIdentifier(USDC, WETH, "0x" + "5" * 40, None)])
def test_visualised_pairs_need_an_id(pair: Any):
    vis = Visualisation()
    with pytest.raises(InvalidValue):
        vis.set_visualised_pairs([PAIR, pair])
    assert vis.pair_ids == []


# --- Files


@pytest.mark.parametrize(
    "change", [{"kind": 5}, {"points": {"x": 1.0}}, {"points": {"1": "x"}}, {"name": None}, {"recording_time": None}]
)
def test_file_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        Plot.from_dict(plot().to_dict() | change)


def test_null_points_of_old_files():
    tree = plot().to_dict()
    assert tree["points"] == {"1700000000": 1.5, "1600000000": None}
    assert list(Plot.from_dict(tree).points) == [1_700_000_000, 1_600_000_000]


def test_point_set_by_hand_to_nan_is_named_when_saved():
    vis = Visualisation(plots={"ema": Plot("ema", ON_PRICE, points={5: math.nan})})
    with pytest.raises(BadStateData, match=r"plots\.ema\.points\[5\]"):
        vis.to_dict()


def test_odd_enum_values():
    tree = plot().to_dict()
    assert tree["kind"] == "technical_indicator_overlay"
    assert Plot.from_dict(tree | {"plot_shape": "hv"}).plot_shape is PlotShape.horizontal_vertical
