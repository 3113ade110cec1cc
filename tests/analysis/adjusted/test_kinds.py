"""Figures of shorts and credit in the summary and the tables, on three runs that are worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.markets import DAY, Bar, at_cycle, flat, make_candles
from tradeexecutor.analysis.adjusted.breakdown import break_down
from tradeexecutor.analysis.adjusted.kinds import KindFigures, measure_kinds
from tradeexecutor.analysis.adjusted.positions import get_entry_note
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.report.fact_lists import make_lists
from tradeexecutor.report.statistics_tables import collect_statistics
from tradeexecutor.report.table_data import TableData, make_closed_positions
from tradeexecutor.state.state import State
from tradeexecutor.state.trade.predicates import LIQUIDATION_KEY
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

#: In a day the collateral earns 0.01 %, and the debt costs 0.02 %.
POOL = LendingPool(supply_rate=0.0365, borrow_rate=0.073)

Plan = Callable[[PositionManager, Any], Any]


def run(bars: list[Bar], plans: dict[int, Plan], fee: float = 0.0, lending: LendingPool = POOL) -> State:
    def use_manager(plan: Plan) -> Any:
        return lambda input: plan(input.get_position_manager(), input.get_default_pair())

    return run_backtest_inline(
        decide_trades=at_cycle({cycle: use_manager(plan) for cycle, plan in plans.items()}),
        parameters={"lending": lending},
        candles={"ETH-USD": make_candles(bars, bucket=DAY)},
        fee=fee,
        initial_deposit=10_000,
    ).state


def kinds_of(state: State) -> dict[str, KindFigures]:
    return {kind.name: kind for kind in measure_kinds(state.portfolio.get_all_positions())}


def column(table: TableData, name: str) -> list[Any]:
    return next(column.values for column in table.columns if column.name == name)


def test_two_shorts_one_won_and_one_lost():
    """Ten days at 2000 and a close at 1900, then ten days at 1900 and a close at 2000; 1000 at 2x each, fee 0.3 %.

    The first borrows 1 ETH and owes 1.0002^10 of it, bought back at 1900 / 0.997; its collateral of 2994 has grown to
    2994 * 1.0001^10. The second borrows 2000 / 1900 ETH and is closed at 2000.
    """
    debt, collateral = 1.0002**10, 1.0001**10
    state = run(
        [flat(2000)] * 10 + [flat(1900)] * 10 + [flat(2000)] * 2,
        {
            1: lambda manager, pair: manager.open_short(pair, 1000.0, leverage=2.0, notes="fast below slow"),
            11: lambda manager, pair: manager.close_short(manager.get_current_short_position()),
            12: lambda manager, pair: manager.open_short(pair, 1000.0, leverage=2.0),
            21: lambda manager, pair: manager.close_all(),
        },
        fee=0.003,
    )
    earned = 2994 * (collateral - 1)
    paid = (debt - 1) * 1900 * 1.003  # the trade's price, which contains the fee
    first = earned + 2994 - 1000 - debt * 1900 / 0.997
    borrowed, days = 2000 / 1900, 9
    second_earned = 2994 * (1.0001**days - 1)
    second_paid = borrowed * (1.0002**days - 1) * 2000 * 1.003
    second = second_earned + 2994 - 1000 - borrowed * 1.0002**days * 2000 / 0.997
    assert first > 0 > second
    figures = kinds_of(state)["short"]
    assert (figures.positions, figures.closed, figures.won, figures.lost) == (2, 2, 1, 1)
    assert figures.profit == pytest.approx(first + second, abs=1e-6)
    assert figures.interest_earned == pytest.approx(earned + second_earned, abs=1e-6)
    assert figures.interest_paid == pytest.approx(paid + second_paid, abs=1e-3)
    fees = 6 + debt * 1900 * 0.003 / 0.997 + 6 + borrowed * 1.0002**days * 2000 * 0.003 / 0.997
    assert figures.fees == pytest.approx(fees, abs=1e-6)
    assert (figures.liquidations, figures.liquidation_penalties) == (0, 0)

    summary = summarise_performance(state)
    assert summary.win_rate == 0.5
    assert summary.exposure == pytest.approx(19 / 22)
    assert summary.final_equity == pytest.approx(10_000 + first + second, abs=1e-6)
    assert (summary.interest_earned, summary.fees) == (figures.interest_earned, figures.fees)
    closed = make_closed_positions(state)
    assert column(closed, "Profit, USD") == pytest.approx([first, second], abs=1e-6)
    assert column(closed, "Entry note") == ["fast below slow", ""]
    sides = {
        row.label: (row.all, row.long, row.short)
        for group in collect_statistics(state).tables[0].groups
        for row in group.rows
    }
    assert sides["Won positions"] == ("1", "0", "1")
    assert sides["Time in market"] == ("86.36%", "0.00%", "86.36%")
    assert sides["Position win percent"] == ("50.00%", "-", "50.00%")
    total_paid = f"${figures.interest_paid:.2f}"
    assert sides["Total interest paid"] == (total_paid, "$0.00", total_paid)


def test_a_liquidated_short():
    """1 ETH short at 2000 with 3000 of collateral is liquidated at 2550, with a penalty of 5 %: 127.50."""
    bars: list[Bar] = [flat(2000), (2000.0, 2700.0, 1990.0, 2100.0), flat(2100), flat(2100)]
    state = run(bars, {1: lambda manager, pair: manager.open_short(pair, 1000.0, leverage=2.0)}, 0.0, LendingPool(0, 0))
    figures = kinds_of(state)["short"]
    assert (figures.won, figures.lost, figures.profit) == (0, 1, -677.5)
    assert (figures.liquidations, figures.liquidation_penalties) == (1, 127.5)
    assert (figures.interest_earned, figures.interest_paid) == (0, 0)
    summary = summarise_performance(state)
    assert (summary.stop_losses, summary.exposure, summary.max_drawdown) == (0, 0.5, pytest.approx(-0.06775))
    assert [row.key for row in break_down(state.portfolio, "exit").rows] == ["liquidation"]
    assert [row.key for row in break_down(state.portfolio, "entry").rows] == ["no note"]
    assert get_entry_note(state.portfolio.closed_positions[1]) == ""
    assert column(make_closed_positions(state), "Exit") == ["liquidation: Liquidated at mid-price:2550.0"]
    statistics = collect_statistics(state)
    (group,) = [group for group in statistics.groups if group.title == "Interest"]
    assert [(figure.name, figure.text, figure.note) for figure in group.figures][-1] == (
        "Liquidations",
        "1",
        "penalties 127.50 USD",
    )
    sides = {row.label: row.short for group in statistics.tables[0].groups for row in group.rows}
    assert sides["Realised profit and loss"] == "$-677.50"
    assert sides["Biggest losing position %"] == "-33.88%"


@pytest.mark.parametrize("details", [True, None, "by somebody", [], {}, {"taken": 1}, {"taken": "x", "price": 1}])
def test_details_of_a_liquidation_by_another_program_may_be_missing(details: Any):
    state = run([flat(2000)] * 3, {1: lambda manager, pair: manager.open_short(pair, 1000.0, leverage=2.0)})
    (trade,) = state.portfolio.get_all_trades()
    trade.other_data = {LIQUIDATION_KEY: details}
    figures = kinds_of(state)["short"]
    assert (figures.liquidations, figures.liquidation_penalties) == (1, 0)


def test_credit_a_short_and_a_purchase():
    """5000 lent for 21 days, a short of 1 ETH for 10 of them, and 1000 in ETH for the last 6, all at 2000 USD."""
    state = run(
        [flat(2000)] * 21,
        {
            1: lambda manager, pair: (
                manager.open_credit_supply_position_for_reserves(5000.0)
                + manager.open_short(pair, 1000.0, leverage=2.0)
            ),
            11: lambda manager, pair: manager.close_short(manager.get_current_short_position()),
            16: lambda manager, pair: manager.open_spot(pair, 1000.0),
        },
    )
    kinds = kinds_of(state)
    assert list(kinds) == ["credit", "spot", "short"]
    lent = 5000 * (1.0001**21 - 1)
    earned, paid = 3000 * (1.0001**10 - 1), 2000 * (1.0002**10 - 1)
    credit, short, spot = kinds["credit"], kinds["short"], kinds["spot"]
    assert (credit.interest_earned, credit.profit) == pytest.approx((lent, lent), abs=1e-9)
    assert (credit.positions, credit.closed, credit.won, credit.lost, credit.interest_paid) == (1, 0, 0, 0, 0)
    assert (short.interest_earned, short.interest_paid) == pytest.approx((earned, paid), abs=1e-9)
    assert (short.profit, short.lost) == (pytest.approx(earned - paid, abs=1e-9), 1)
    assert (spot.profit, spot.interest_earned, spot.positions, spot.closed) == (0, 0, 1, 0)
    summary = summarise_performance(state)
    assert summary.exposure == pytest.approx(16 / 21)  # lent cash is not in the market
    assert (summary.positions_closed, summary.positions_scored, summary.win_rate) == (1, 1, 0.0)
    assert summary.interest_earned == pytest.approx(lent + earned)
    assert summary.final_equity == pytest.approx(10_000 + lent + earned - paid)
    assert summary.volume == pytest.approx(2000 + 2000 * 1.0002**10 + 1000)  # what is lent is not traded
    (by_kind,) = [table for table in make_lists(collect_statistics(state)) if table.title == "Positions by kind"]
    assert [row[:5] for row in by_kind.rows] == [
        ("credit", "1", "0", "-", "-"),
        ("spot", "1", "0", "0", "0"),
        ("short", "1", "1", "0", "1"),
    ]


def test_interest_of_an_open_short_counts():
    """Before it is closed: what is owed and what is earned are in the loan, at the price of now."""
    state = run([flat(2000)] * 10, {1: lambda manager, pair: manager.open_short(pair, 1000.0, leverage=2.0)})
    figures = kinds_of(state)["short"]
    assert figures.closed == 0
    assert figures.interest_earned == pytest.approx(3000 * (1.0001**10 - 1), abs=1e-9)
    assert figures.interest_paid == pytest.approx(2000 * (1.0002**10 - 1), abs=1e-9)
    assert figures.profit == pytest.approx(figures.interest_earned - figures.interest_paid, abs=1e-9)


def test_a_state_without_loans_says_nothing_about_interest():
    state = run([flat(2000)] * 3, {1: lambda manager, pair: manager.open_spot(pair, 1000.0)})
    statistics = collect_statistics(state)
    assert [group.title for group in statistics.groups if group.title == "Interest"] == []
    assert [table.title for table in make_lists(statistics) if table.title == "Positions by kind"] == []
