"""How far a position went against and for the strategy, worked out by hand from a few candles."""

from typing import Any

import pytest

from tests.kit.markets import DAY, Bar, buy, flat, make_candles, run, sell
from tradeexecutor.analysis.adjusted.positions import measure_excursion
from tradeexecutor.analysis.frames.frames import positions_to_frame
from tradeexecutor.backtest.backtest_runner import BacktestResult
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.visual.charts import CHARTS, get_explanation


def measure(result: BacktestResult) -> tuple[float, float]:
    (position,) = result.state.portfolio.closed_positions.values()
    found = measure_excursion(result.state, position)
    assert found is not None
    return round(found.adverse, 9), round(found.favourable, 9)


def test_highs_and_lows_inside_the_candles_count():
    bars: list[Bar] = [flat(100.0), (100, 130, 80, 110), (110, 120, 105, 110), flat(110.0)]
    # Bought at 100, the open of the second candle; sold at 110, the open of the fourth.
    assert measure(run(bars, {2: buy(1000), 4: sell})) == (-0.2, 0.3)


def test_what_the_candle_did_after_a_stop_did_not_happen_to_the_position():
    bars: list[Bar] = [flat(100.0), (100, 104, 98, 103), (103, 103, 60, 61), flat(61.0)]
    # The stop fills at 95, while the candle falls to 60.
    assert measure(run(bars, {2: buy(1000, stop_loss_pct=0.95)})) == (-0.05, 0.04)


def test_a_candle_before_a_gap_through_the_stop_counts_wholly():
    bars: list[Bar] = [flat(100.0), (100, 104, 97, 103), (90, 91, 89, 90), flat(90.0)]
    # The third candle opens below the stop: sold at 90.
    assert measure(run(bars, {2: buy(1000, stop_loss_pct=0.95)})) == (-0.1, 0.04)


def test_a_second_purchase_counts_with_everything_that_was_bought():
    bars: list[Bar] = [flat(100.0), (100, 100, 90, 100), (100, 130, 100, 100), flat(100.0)]

    def add(input):
        manager = input.get_position_manager()
        position = manager.get_current_position()
        return manager.adjust_position(input.get_default_pair(), 1000.0, 10.0, 0.2) if position else []

    # 1000 and 1000 bought at 100: -100 of 2000 in the second candle, 600 of 2000 in the third.
    assert measure(run(bars, {2: buy(1000), 3: add, 4: sell})) == (-0.05, 0.3)


def test_the_fee_of_selling_is_taken_off():
    bars: list[Bar] = [flat(100.0), (100, 150, 100, 100), flat(100.0)]
    adverse, favourable = measure(run(bars, {2: buy(1000), 3: sell}, fee=0.01))
    # One token costs 101 and brings 148.50 at the high, 99 at the low.
    assert (adverse, favourable) == pytest.approx((99 / 101 - 1, 148.5 / 101 - 1), abs=1e-6)


def test_a_short_loses_at_the_high():
    """10 tokens shorted at 100 and bought back at 90; the second candle is at 120 and at 80 in between."""

    def short(input):
        return input.get_position_manager().open_short(input.get_default_pair(), 1000.0)

    bars: list[Bar] = [flat(100.0), (100, 120, 80, 100), flat(90.0), flat(90.0)]
    no_interest = LendingPool(supply_rate=0.0, borrow_rate=0.0)
    result = run(bars, {2: short, 3: sell}, parameters={"lending": no_interest})
    assert measure(result) == (-0.2, 0.2)


def test_frames_and_the_chart_show_them():
    bars: list[Bar] = [flat(100.0), (100, 130, 80, 110), (110, 120, 105, 110), flat(110.0)]
    state = run(make_candles(bars, bucket=DAY), {2: buy(1000), 4: sell}).state
    frame = positions_to_frame(state)
    assert frame[["adverse_excursion", "favourable_excursion"]].round(9).to_numpy().tolist() == [[-0.2, 0.3]]
    figure: Any = CHARTS["excursions"].draw(state)
    assert get_explanation(figure) is None
    drawn = [(list(trace.x), list(trace.y)) for trace in figure.data if trace.x]
    assert [([round(x, 9) for x in xs], [round(y, 9) for y in ys]) for xs, ys in drawn] == [
        ([-0.2], [0.1]),
        ([0.3], [0.1]),
    ]
