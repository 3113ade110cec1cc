"""The difference of two runs, split into causes: by hand, and found where one thing was changed on purpose."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.deviations import Deviation, Market, run_with_deviation
from tests.kit.lending_trader import Lender, earn, shorted
from tests.kit.markets import START as MARKET_START
from tests.kit.portfolios import COIN, DAY, PAIR, START, USD, make_state, record_equity, record_flow
from tradeexecutor.analysis.compare.attribution import Attribution, Occurrence, attribute_difference
from tradeexecutor.analysis.compare.causes import Cause
from tradeexecutor.analysis.compare.pair_names import PairNamer
from tradeexecutor.state.identifier import AssetIdentifier, TradingPairIdentifier
from tradeexecutor.state.late_candles import record_late_pairs
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeType
from tradeexecutor.state.visualisation import PlotKind

CENT = Decimal("0.005")


def get_amounts(result: Attribution) -> dict[str, float]:
    """The causes with at least half a cent."""
    return {part.cause.value: float(part.amount) for part in result.parts if abs(part.amount) >= CENT}


def make_run(cycles: int = 5, cash: int = 1000, skip: tuple[int, ...] = ()) -> State:
    """A state with a decision on each day."""
    state = make_state(cash)
    for day in range(cycles):
        if day not in skip:
            state.record_cycle_end(day + 1, START + day * DAY)
    record_equity(state, {0: cash, cycles - 1: cash})
    return state


def buy(state: State, day: float, mid: float, fee: float = 0.01, money: str | None = None, gas: str = "0") -> None:
    """Buy one coin, or for an amount of money."""
    when, price = START + day * DAY, mid * (1 + fee)
    reserve = Decimal(str(price)) if money is None else Decimal(money)
    quantity = Decimal(1) if money is None else reserve / Decimal(str(price))
    _, planned, _ = state.create_trade(
        when, PAIR, quantity, None, price, TradeType.rebalance, USD, 1.0, planned_mid_price=mid
    )
    state.start_execution(when, planned)
    planned.mark_broadcasted(when)
    fees = float(reserve) * fee / (1 + fee)
    state.mark_trade_success(when, planned, price, quantity, reserve, fees, 2000.0, cost_of_gas=Decimal(gas))


def value(state: State, price: float, day: float = 4) -> None:
    for position in state.portfolio.open_positions.values():
        position.revalue_base_asset(START + day * DAY, float(price))


def make_example() -> tuple[State, State]:
    """The example of docs/compare.md."""
    a, b = make_run(), make_run(skip=(2,))
    buy(a, 0, 100, money="101")
    buy(b, 0, 102, money="101", gas="0.0001")
    buy(a, 2, 110)
    buy(b, 3, 115)
    for state, deposit in ((a, 0), (b, 500)):
        if deposit:
            state.portfolio.get_default_reserve_position().quantity += deposit
        record_flow(state, 0, 1000)
        if deposit:
            record_flow(state, 3.5, deposit)
        value(state, 120)
    return a, b


def test_the_example_of_the_documentation():
    result = attribute_difference(*make_example())
    assert get_amounts(result) == {
        "deposits": pytest.approx(500),
        "missed_cycle": pytest.approx(-5.05),
        "price": pytest.approx(-2.352941, abs=1e-6),
    }
    assert float(result.difference) == pytest.approx(492.597059, abs=1e-6)
    first = result.get_part(Cause.missed_cycle).first
    assert first == Occurrence(START + 2 * DAY, "COIN-USD", trade_a=2, trade_b=None)
    assert float(result.gas) == pytest.approx(-0.2)
    assert float(result.difference_after_gas) == pytest.approx(492.397059, abs=1e-6)
    page = (Path(__file__).parents[3] / "docs" / "compare.md").read_text(encoding="utf-8")
    for figure in ("492.597059", "-2.352941", "-5.05", "-1.980392", "-0.372549", "-0.20"):
        assert figure in page, figure


def test_the_same_example_backwards_has_the_opposite_difference():
    a, b = make_example()
    assert attribute_difference(b, a).difference == -attribute_difference(a, b).difference


def test_a_trade_that_the_other_run_could_have_made_is_a_decision():
    a, b = make_run(), make_run()
    buy(a, 2, 100)
    value(a, 120)
    result = attribute_difference(a, b)
    assert get_amounts(result) == {"decision": pytest.approx(101 - 120)}
    assert result.get_part(Cause.decision).first == Occurrence(START + 2 * DAY, "COIN-USD", 1, None)


def test_a_missing_candle_explains_the_decision_that_lacked_it():
    a, b = make_run(), make_run()
    buy(a, 2, 100)
    value(a, 120)
    record_late_pairs(b, 3, ["COIN-USD"])
    assert get_amounts(attribute_difference(a, b)) == {"late_data": pytest.approx(-19)}


def test_times_within_the_tolerance_are_the_same_time():
    a, b = make_run(), make_run()
    buy(a, 2, 100)
    buy(b, 2 + 1 / 1440, 101)
    for state in (a, b):
        value(state, 120)
    minute = datetime.timedelta(minutes=1)
    assert get_amounts(attribute_difference(a, b, minute)) == {"price": pytest.approx(-1.01)}
    assert get_amounts(attribute_difference(a, b)) == {"decision": pytest.approx(-1.01)}


def test_more_capital_buys_more_which_is_no_other_decision():
    a, b = make_run(), make_run(cash=2000)
    for state, money in ((a, "101"), (b, "202")):
        record_flow(state, 0, 1000 if state is a else 2000)
        buy(state, 2, 100, money=money)
        value(state, 120)
    assert get_amounts(attribute_difference(a, b)) == {"deposits": 1000, "size": pytest.approx(19)}


def test_other_valuations_of_the_same_holdings():
    a, b = make_run(), make_run()
    for state, price in ((a, 120), (b, 118)):
        buy(state, 2, 100)
        value(state, price)
    assert get_amounts(attribute_difference(a, b)) == {"valuation": pytest.approx(-2)}


def test_interest_is_what_the_trades_of_a_loan_do_not_explain():
    (a, _), (b, position) = shorted(), shorted()
    earn(b, position, "2010", "0.502")
    assert get_amounts(attribute_difference(a.state, b.state)) == {"interest": pytest.approx(10 - 0.002 * 2000)}
    position.revalue_base_asset(b.ts, 1900.0)
    interest = 10 - 0.002 * 1900
    assert get_amounts(attribute_difference(a.state, b.state)) == {"interest": pytest.approx(interest), "valuation": 50}
    assert get_amounts(attribute_difference(Lender().state, b.state)) == {
        "interest": pytest.approx(interest),
        "decision": pytest.approx(0.5 * 100),
    }


def test_a_run_that_began_later():
    a, b = make_run(), make_run(skip=(0, 1, 2))
    b.stats.portfolio.clear()
    record_equity(b, {3: 1000, 4: 1000})
    buy(a, 1, 100)
    value(a, 120)
    assert get_amounts(attribute_difference(a, b)) == {"period": pytest.approx(-19)}


def test_the_first_input_that_differed_is_found_before_the_decision():
    a, b = make_run(), make_run()
    for state, values in ((a, (50.0, 70.0, 30.0)), (b, (50.0, 69.0, 31.0))):
        for day, number in enumerate(values):
            state.visualisation.plot_indicator(
                START + (day + 1) * DAY, "RSI", PlotKind.technical_indicator_detached, number
            )
    buy(a, 2, 100)
    found = attribute_difference(a, b).first_input
    assert found is not None
    assert (found.plot, found.at, found.a, found.b) == ("RSI", START + 2 * DAY, 70.0, 69.0)


def test_variants_of_a_pair_are_the_same_unless_one_state_has_both():
    usdc = AssetIdentifier(-1, f"0x{9:040x}", "USDC", 6)
    variant = TradingPairIdentifier(COIN, usdc, f"0x{3:040x}", f"0x{4:040x}", internal_id=8, fee=0.0)
    a, b = make_run(), make_run()
    buy(a, 0, 100)
    b.create_trade(START, variant, Decimal(1), None, 101.0, TradeType.rebalance, USD, 1.0)
    assert PairNamer((a, b)).get_name(PAIR) == PairNamer((a, b)).get_name(variant) == "COIN-USD"
    a.create_trade(START + DAY, variant, Decimal(1), None, 101.0, TradeType.rebalance, USD, 1.0)
    assert PairNamer((a, b)).get_name(PAIR) == "COIN-USD"
    assert PairNamer((a, b)).get_name(variant) == "COIN-USDC"


@pytest.mark.slow
def test_each_real_state_is_explained_against_itself_and_the_sum_is_exact(state_file: Path):
    state = State.read_json_file(state_file)
    same = attribute_difference(state, state)
    assert same.difference == 0
    assert not any(part.amount for part in same.parts)
    other = attribute_difference(make_run(), state)
    assert sum(part.amount for part in other.parts) == other.difference
    assert sum(other.round_amounts().values()) == other.difference.quantize(Decimal("0.01"))


@pytest.mark.slow
@settings(max_examples=200)
@given(
    seed=st.integers(0, 10_000),
    deviation=st.sampled_from(Deviation),
    choice=st.integers(0, 1000),
    size=st.floats(0.0005, 0.015),
)
def test_what_was_changed_on_purpose_is_named_with_its_amount(
    seed: int, deviation: Deviation, choice: int, size: float
):
    market = Market(seed)
    a = market.run()
    trades = sorted(a.portfolio.get_all_trades(), key=lambda trade: trade.trade_id)
    # A run that misses its first or last decision has another period.
    last = a.last_cycle_at or MARKET_START
    inside = [trade for trade in trades if MARKET_START < trade.opened_at < last]
    victim = inside[choice % len(inside)]
    with pytest.MonkeyPatch.context() as patch:
        b = run_with_deviation(market, deviation, victim, size, patch)
    result = attribute_difference(a, b)
    assert sum(part.amount for part in result.parts) == result.difference
    whole = Decimal(b.portfolio.get_net_asset_value()) - Decimal(a.portfolio.get_net_asset_value())
    assert abs(result.difference - whole) < Decimal("1e-6")
    found = result.get_part(deviation.value)
    assert abs(found.amount - whole) < CENT
    assert set(get_amounts(result)) <= {deviation.value.value}
    assert found.first is not None
    assert found.first.at == victim.opened_at


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), other=st.integers(0, 10_000))
def test_two_runs_with_nothing_in_common_are_still_explained(seed: int, other: int):
    result = attribute_difference(Market(seed).run(), Market(other).run(slippage=0.002, initial_deposit=9_000))
    assert sum(part.amount for part in result.parts) == result.difference
    assert abs(result.get_part(Cause.unexplained).amount) < Decimal("1e-6")
