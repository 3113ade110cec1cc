"""Credit from plan to outcome, and what it has in common with shorts, which are in `test_shorts.py`.

The worked examples are those of the reference; where a test says that the reference is wrong, the numbers are those of
the right behaviour.  After every trade the token balances of all loans are principal and unpaid interest.
"""

import math
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.lending_trader import (
    Lender,
    approx,
    balances_of,
    cash_and_equity,
    earn,
    equity_of,
    loan_of,
    shorted,
    supplied,
)
from tests.kit.trader import A_USDC, CREDIT, DAY, SECOND, T0, USDC, V_WETH, WETH_USDC, Trader, cash_of
from tradeexecutor.state.errors import InvalidTrade, TradeExecutorError
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.identifier import AssetWithTrackedValue
from tradeexecutor.state.interest import Interest
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.strategy.lending_protocol_leverage import (
    create_credit_supply_loan,
    create_short_loan,
    reset_credit_supply_loan,
    update_credit_supply_loan,
    update_short_loan,
)

D = Decimal


# --- Supplying credit


def test_a_planned_supply_of_credit():
    """Numbers of E25."""
    lender = Lender()
    position, trade = lender.supply("4000", flags={TradeFlag.open})
    assert (trade.planned_price, trade.slippage_tolerance, trade.planned_quantity) == (1.0, 0.0, 4000)
    assert (trade.planned_reserve, trade.planned_collateral_allocation) == (4000, None)
    assert trade.get_execution_sort_position() == 200_000_001
    assert (trade.get_action_verb(), position.loan) == ("Supply credit", None)
    assert trade.planned_loan_update is not None
    assert trade.planned_loan_update.collateral.quantity == 4000
    assert cash_and_equity(lender.state) == (10_000.0, 10_000.0)


def test_credit_earns_and_is_recalled():
    """Numbers of E25."""
    lender = Lender()
    position, trade = lender.supply("4000", flags={TradeFlag.open})
    lender.set_perfectly_executed(trade)
    assert cash_and_equity(lender.state) == (6000.0, 10_000.0)
    assert (position.get_value(), position.get_equity()) == (4000.0, 0)

    lender.time_travel(T0 + 30 * DAY)
    loan_of(position).collateral_interest.last_event_at = T0
    earn(lender, position, "4010")
    assert cash_and_equity(lender.state) == (6000.0, 10_010.0)
    assert position.get_unrealised_profit_usd() == 10.0
    assert position.estimate_gained_interest("year") == 0.030416666666666668

    _, recall = lender.supply("-4010", closing=True)
    assert (recall.planned_quantity, recall.planned_reserve) == (-4010, 4010)
    lender.set_perfectly_executed(recall)
    assert cash_and_equity(lender.state) == (10_010.0, 10_010.0)
    assert (position.is_closed(), position.get_quantity()) == (True, 0)
    assert recall.claimed_interest == 10
    assert position.get_realised_profit_usd() == position.get_claimed_interest() == 10.0
    assert position.get_realised_profit_percent() == 0.0025
    assert position.get_total_profit_percent() == 0.0024937655860349127
    assert position.get_duration() == 30 * DAY + 2 * SECOND
    assert position.get_annualised_credit_interest() == 0.03041664319703457
    assert lender.state.portfolio.get_total_claimed_interest() == 10.0


def test_a_partial_recall_leaves_the_position_open():
    """Numbers of E25."""
    lender, position = supplied()
    lender.run(lender.supply("-1500")[1])
    assert cash_and_equity(lender.state) == (7500.0, 10_000.0)
    assert (position.get_value(), position.is_open()) == (2500.0, True)
    assert balances_of(position) == (2500, 2500)


def test_supplies_and_recalls_in_turn():
    """Numbers of example F."""
    lender, position = supplied()
    lender.time_travel(T0 + 30 * DAY)
    earn(lender, position, "4010")
    lender.run(lender.supply("1000")[1])
    assert balances_of(position) == (5000, 5010)
    earn(lender, position, "5020.025")
    assert [(event.quantity, event.old_balance) for event in position.balance_updates.values()] == [
        (10, 4000),
        (D("10.025"), 5010),
    ]
    _, recall = lender.supply("-2000")
    lender.run(recall)
    assert balances_of(position) == (3000, D("3020.025"))
    assert (cash_of(lender.state), recall.claimed_interest) == (7000, None)
    _, close = lender.supply("-3020.025", closing=True)
    lender.run(close)
    assert cash_of(lender.state) == D("10020.025")
    assert (position.is_closed(), close.claimed_interest) == (True, D("20.025"))
    assert position.get_realised_profit_usd() == position.get_total_profit_usd() == approx(20.025)
    assert position.get_realised_profit_percent() == approx(0.004005)
    assert balances_of(position) == (0, 0)


@pytest.mark.parametrize(
    ("recalled", "left", "unbooked"),
    [("3999.9975", "0.0025", "0"), ("4000", "0", "0"), ("4000.002", "0", "0.002")],
)
def test_a_recall_that_leaves_or_takes_dust_closes(recalled: str, left: str, unbooked: str):
    """Example F.  The reference keeps the dust of 0.0025 as principal and drops it from the balance; here they agree.

    What comes out beyond principal and booked interest is interest that was not booked, claimed by the trade.
    """
    lender, position = supplied()
    _, recall = lender.supply("-4000", closing=True)
    lender.run(recall, executed_amount=-D(recalled), executed_reserve=D(recalled))
    assert position.is_closed()
    assert cash_of(lender.state) == 6000 + D(recalled)
    assert balances_of(position) == (D(left), D(left))
    assert recall.claimed_interest == D(unbooked)
    assert position.get_value() == 0


@pytest.mark.parametrize(("left", "closes"), [("0.003", True), ("0.0031", False)])
def test_how_much_credit_counts_as_dust(left: str, closes: bool):
    """E25: a residual of 0.003 closes."""
    lender, position = supplied()
    recalled = D(4000) - D(left)
    lender.run(lender.supply("-4000")[1], executed_amount=-recalled, executed_reserve=recalled)
    assert position.is_closed() is closes


def test_a_recall_of_more_than_was_lent_is_refused():
    """Example F: the reference raises when the trade is marked successful already."""
    lender, position = supplied()
    _, recall = lender.supply("-4000", closing=True)
    lender.send(recall)
    too_much = D("4000.005")
    lender.is_refused(
        InvalidTrade, lambda: lender.complete(recall, executed_amount=-too_much, executed_reserve=too_much)
    )
    lender.is_refused(InvalidTrade, lambda: lender.supply("-4000.003"))
    lender.complete(recall)
    assert position.is_closed()


def test_recalling_more_than_the_principal_claims_interest():
    """The reference counts interest that was paid out: 100 of credit would be left here, and earn nothing any more."""
    lender, position = supplied()
    earn(lender, position, "4100")
    _, recall = lender.supply("-4050")
    lender.run(recall)
    assert (recall.claimed_interest, cash_of(lender.state)) == (50, 10_050)
    assert balances_of(position) == (0, 50)
    assert position.get_value() == position.get_accrued_interest() == 50.0
    assert (position.is_open(), position.get_quantity()) == (True, 50)
    earn(lender, position, "51")
    _, rest = lender.supply("-51", closing=True)
    lender.run(rest)
    assert (rest.claimed_interest, cash_of(lender.state)) == (51, 10_101)
    assert (position.is_closed(), position.get_realised_profit_usd()) == (True, 101.0)
    assert equity_of(lender.state) == (10_101.0, 10_101.0, 10_101.0)


def test_claimed_interest_may_be_supplied_again():
    lender, position = supplied()
    earn(lender, position, "4100")
    lender.run(lender.supply("-4050")[1])
    lender.run(lender.supply("1000")[1])
    assert balances_of(position) == (1000, 1050)
    assert cash_and_equity(lender.state) == (9050.0, 10_100.0)
    lender.run(lender.supply("-1050", closing=True)[1])
    assert (position.is_closed(), cash_of(lender.state)) == (True, 10_100)
    assert position.get_realised_profit_usd() == 100.0


def test_what_a_pool_has_lost_cannot_be_recalled():
    """A balance may shrink; what is gone must not come back out of the principal.

    Closing settles the loss as interest; the principal of the closed loan keeps what was lost.
    """
    lender, position = supplied()
    earn(lender, position, "3990")
    assert balances_of(position) == (4000, 3990)
    lender.is_refused(InvalidTrade, lambda: lender.supply("-4000"))
    _, recall = lender.supply("-3990", closing=True)
    lender.send(recall)
    lender.is_refused(InvalidTrade, lambda: lender.complete(recall, executed_amount=D(-4000), executed_reserve=D(4000)))
    Trader.complete(lender, recall)
    assert (position.is_closed(), recall.claimed_interest, cash_of(lender.state)) == (True, -10, 9990)
    assert (position.get_realised_profit_usd(), position.get_total_profit_usd()) == (-10.0, -10.0)
    assert balances_of(position) == (10, 0)


def test_a_supply_that_does_not_say_what_it_spent_has_spent_what_it_lent():
    """Otherwise all of the cash would come back, and be lent as well."""
    lender = Lender()
    _, trade = lender.supply("4000")
    lender.run(trade, executed_amount=D(3900), executed_reserve=D(0))
    assert (trade.executed_reserve, cash_of(lender.state)) == (3900, 6100)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_what_was_not_lent_comes_back():
    lender = Lender()
    position, trade = lender.supply("4000")
    lender.run(trade, executed_amount=D(3000), executed_reserve=D(3000))
    assert cash_and_equity(lender.state) == (7000.0, 10_000.0)
    assert balances_of(position) == (3000, 3000)


def test_trades_of_one_cycle_compose():
    """The reference plans both from the same loan, and loses one with a simulator: 1200 instead of 1300."""
    lender, position = supplied("1000")
    trades = [lender.supply(amount)[1] for amount in ("100", "200")]
    planned = [trade.planned_loan_update for trade in trades]
    assert [loan.collateral.quantity for loan in planned if loan] == [1100, 1300]
    for trade in reversed(trades):
        trade.executed_loan_update = trade.planned_loan_update  # as simulators do
        lender.run(trade)
    assert balances_of(position) == (1300, 1300)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_the_first_two_supplies_of_a_cycle_compose():
    lender = Lender()
    position, first = lender.supply("1000")
    same, second = lender.supply("500")
    assert same is position
    for trade in (first, second):
        lender.run(trade)
    assert balances_of(position) == (1500, 1500)


def test_what_a_cycle_has_planned_to_recall_cannot_be_recalled_again():
    lender, _ = supplied()
    lender.supply("-3000")
    lender.is_refused(InvalidTrade, lambda: lender.supply("-3000"))


def test_a_plan_starts_from_the_loan_of_today_and_adds_what_is_in_flight():
    """A plan of yesterday does not know what other trades and interest have done to the loan since."""
    lender, position = supplied()
    _, slow = lender.supply("500")
    lender.start(slow)
    lender.ts += DAY
    lender.run(lender.supply("-3900")[1])
    earn(lender, position, "102")
    lender.is_refused(InvalidTrade, lambda: lender.supply("-603"))
    _, close = lender.supply("-602", closing=True)
    lender.broadcast(slow)
    lender.complete(slow)
    lender.run(close)
    assert (position.is_closed(), cash_of(lender.state)) == (True, 10_002)


def test_what_is_in_flight_and_cannot_succeed_any_more_is_not_counted():
    lender, position = supplied()
    _, slow = lender.supply("-3000")
    lender.start(slow)
    lender.ts += DAY
    _, fast = lender.supply("-1000")
    lender.run(fast, executed_amount=D(-3500), executed_reserve=D(3500))
    _, more = lender.supply("-500", closing=True)
    lender.run(more)
    assert (balances_of(position), cash_of(lender.state)) == ((0, 0), 10_000)
    lender.fail(slow)
    assert position.is_open(), "its last trade was in flight when it became empty"


def test_plans_of_an_earlier_cycle_that_never_started_do_not_count():
    lender, _ = supplied()
    lender.supply("-3000")
    lender.ts += DAY
    _, recall = lender.supply("-4000", closing=True)
    lender.run(recall)
    assert cash_of(lender.state) == 10_000


def test_the_second_of_two_recalls_that_are_too_much_together_is_refused():
    lender, position = supplied()
    recalls = [lender.supply("-3000")[1]]
    lender.ts += DAY
    recalls.append(lender.supply("-3000")[1])
    for recall in recalls:
        lender.send(recall)
    lender.complete(recalls[0])
    lender.is_refused(InvalidTrade, lambda: lender.complete(recalls[1]))
    lender.fail(recalls[1])
    assert balances_of(position) == (1000, 1000)
    assert cash_and_equity(lender.state) == (9000.0, 10_000.0)


# --- Capital in flight, failures


def test_the_capital_of_a_supply_is_visible_all_the_way():
    """The reference has it in neither cash nor equity until the trade succeeds: 6000 instead of 10000."""
    lender = Lender()
    _, trade = lender.supply("4000")
    for step in (lender.start, lender.broadcast):
        step(trade)
        assert (trade.reserve_currency_allocated, cash_of(lender.state)) == (4000, 6000)
        assert lender.state.portfolio.get_loan_in_flight_value() == 4000.0
        assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    lender.complete(trade)
    assert lender.state.portfolio.get_loan_in_flight_value() == 0
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_the_capital_of_a_short_is_visible_all_the_way():
    lender = Lender()
    _, trade = lender.short("-0.5", "1000")
    lender.start(trade)
    assert (cash_of(lender.state), lender.state.portfolio.get_loan_in_flight_value()) == (9000, 1000.0)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    lender.broadcast(trade)
    lender.complete(trade)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    _, more = lender.short("0", "500")
    lender.start(more)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_the_capital_of_a_triggered_short_is_visible_while_its_position_is_pending():
    lender = Lender()
    position, trade = lender.short("-0.5", "1000", flags={TradeFlag.triggered})
    portfolio = lender.state.portfolio
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    lender.state.start_execution(lender.ts, trade, triggered=True)
    assert cash_of(lender.state) == 9000
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    lender.broadcast(trade)
    lender.complete(trade)
    assert portfolio.open_positions == {1: position}
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_the_capital_of_a_triggered_buy_is_visible_while_its_position_is_pending():
    lender = Lender()
    position, trade = lender.plan(WETH_USDC, "1", 2000.0, flags={TradeFlag.triggered})
    portfolio = lender.state.portfolio
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    lender.state.start_execution(lender.ts, trade, triggered=True)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    lender.fail(trade)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    assert position.get_equity() == 0


def test_the_capital_of_a_frozen_loan_is_among_the_net_assets():
    lender, position = supplied()
    failing, running = lender.supply("-1000")[1], lender.supply("500")[1]
    for trade in (failing, running):
        lender.send(trade)
    lender.fail(failing)
    freeze_position_on_failed_trade(lender.ts, lender.state, [failing])
    assert lender.state.portfolio.frozen_positions == {1: position}
    assert equity_of(lender.state) == (5500.0, 10_000.0, 10_000.0), "total equity leaves frozen positions out"
    lender.complete(running)
    assert equity_of(lender.state) == (5500.0, 10_000.0, 10_000.0)


def test_a_failed_short_gives_its_collateral_back():
    """The reference takes its opening for a sell and keeps the 1000."""
    lender = Lender()
    position, trade = lender.short("-0.5", "1000")
    lender.send(trade)
    lender.fail(trade)
    assert cash_and_equity(lender.state) == (10_000.0, 10_000.0)
    assert (trade.get_status(), trade.reserve_currency_allocated) == (TradeStatus.failed, 1000)
    assert position.loan is None
    assert position.get_value() == 0
    assert list(position.get_held_assets()) == []


def test_a_failed_supply_gives_its_capital_back():
    lender = Lender()
    position, trade = lender.supply("4000")
    lender.start(trade)
    lender.fail(trade)
    assert (cash_and_equity(lender.state), position.loan) == ((10_000.0, 10_000.0), None)
    lender.run(lender.supply("3000")[1])
    assert balances_of(position) == (3000, 3000), "the plan starts from what there is, not from the failed one"


@pytest.mark.parametrize("quantity", ["-0.1", "0.1", "0"])
def test_a_failed_change_of_a_short_leaves_the_loan(quantity: str):
    lender, position = shorted()
    before = loan_of(position).to_dict()
    _, trade = lender.short(quantity, "100")
    lender.send(trade)
    assert cash_of(lender.state) == 8900
    lender.fail(trade)
    assert (cash_of(lender.state), loan_of(position).to_dict()) == (9000, before)


def test_a_failed_recall_leaves_the_loan():
    lender, position = supplied()
    _, recall = lender.supply("-4000", closing=True)
    lender.send(recall)
    lender.fail(recall)
    assert (cash_and_equity(lender.state), balances_of(position)) == ((6000.0, 10_000.0), (4000, 4000))
    lender.run(lender.supply("-4000", closing=True)[1])
    assert position.is_closed()


def test_unused_collateral_comes_back():
    lender = Lender()
    position, trade = lender.short("-0.5", "1000")
    lender.run(trade, executed_reserve=D(900))
    assert (cash_of(lender.state), balances_of(position)[0]) == (9100, 1900)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


# --- Snapshots


def snapshots_of(trade: TradeExecution) -> tuple[Any, Any]:
    planned, executed = trade.planned_loan_update, trade.executed_loan_update
    assert planned is not None
    assert executed is not None
    return planned.to_dict(), executed.to_dict()


@pytest.mark.parametrize("preset", [False, True])
def test_what_a_trade_remembers_of_its_loan_does_not_change(preset: bool):
    """In the reference planned, executed and present loan are one object: later interest rewrites history."""
    lender = Lender()
    position, trade = lender.short("-0.5", "1000")
    if preset:
        trade.executed_loan_update = trade.planned_loan_update
    lender.run(trade)
    assert position.loan is not trade.executed_loan_update
    assert trade.planned_loan_update is not trade.executed_loan_update
    assert trade.executed_loan_update == position.loan
    before = snapshots_of(trade)
    position.revalue_base_asset(lender.ts, 1800.0)
    earn(lender, position, "2010", "0.501")
    lender.run(lender.short("-0.1", "100")[1])
    assert snapshots_of(trade) == before
    copy = State.read_json_blob(lender.state.to_json())
    assert snapshots_of(copy.portfolio.open_positions[1].trades[1]) == before


def test_the_last_trade_remembers_that_all_interest_is_settled():
    lender, position = supplied()
    earn(lender, position, "4010")
    _, recall = lender.supply("-4010", closing=True)
    lender.run(recall)
    assert recall.executed_loan_update == position.loan
    assert loan_of(position).collateral_interest.get_remaining_interest() == 0
    assert loan_of(position).get_health_factor() == math.inf


# --- Wrong amounts


@pytest.mark.parametrize(("quantity", "consumption"), [("-1", "-1"), ("0.1", "1"), ("0", "500"), ("0", "-500")])
def test_a_swap_does_not_make_collateral_out_of_nothing(quantity: str, consumption: str):
    lender, _ = shorted("-1")
    lender.is_refused(InvalidTrade, lambda: lender.short(quantity, "1000", consumption=consumption))
    _, trade = lender.short(quantity, "1000")
    lender.send(trade)
    lender.is_refused(InvalidTrade, lambda: lender.complete(trade, executed_collateral_consumption=D(consumption)))
    lender.complete(trade)


@pytest.mark.parametrize(
    ("planned", "executed"), [("-0.1", "0.1"), ("0.1", "-0.1"), ("0.1", "0"), ("-0.1", "0"), ("0", "0.1")]
)
def test_an_outcome_in_another_direction_than_planned_is_refused(planned: str, executed: str):
    lender, _ = shorted()
    _, trade = lender.short(planned, "500")
    lender.send(trade)
    lender.is_refused(InvalidTrade, lambda: lender.complete(trade, executed_amount=D(executed)))


def test_an_outcome_must_say_where_the_collateral_went():
    lender = Lender()
    _, trade = lender.short("-0.5", "1000", allocation="10")
    lender.send(trade)
    for name in ("executed_collateral_consumption", "executed_collateral_allocation"):
        lender.is_refused(InvalidTrade, lambda n=name: lender.complete(trade, **{n: None}))
    trade.executed_loan_update = trade.planned_loan_update  # says that it went as planned
    lender.complete(trade, executed_collateral_consumption=None, executed_collateral_allocation=None)
    assert (trade.executed_collateral_consumption, trade.executed_collateral_allocation) == (1000, 10)
    assert cash_of(lender.state) == 8990


def test_credit_is_lent_one_for_one():
    """Else the difference would be made or lost."""
    lender = Lender()
    arguments: Any = (T0, CREDIT, D(4000), D(3000), 1.0, TradeType.rebalance, USDC, 1.0)
    lender.is_refused(InvalidTrade, lambda: lender.state.create_trade(*arguments))


# --- One side of a loan


@pytest.mark.parametrize(
    ("delta", "options", "left"),
    [
        ("-100.5", {}, None),
        ("-100.5", {"allow_negative": True}, "0"),
        ("-100.5", {"available_accrued_interest": D(1)}, "0"),
        ("-100.001", {"epsilon": D("0.003")}, "0"),
        ("-100.003", {"epsilon": D("0.003")}, None),
        ("-99.998", {"epsilon": D("0.003")}, "0"),
        ("-100.005", {"epsilon": D("0.02")}, "0"),
        ("-101", {"epsilon": D("0.02"), "close_position": True}, "0"),
        ("-102.1", {"epsilon": D("0.02"), "close_position": True}, None),
        ("-99", {"epsilon": D("0.02"), "close_position": True}, "0"),
        ("-97", {"epsilon": D("0.02"), "close_position": True}, "3"),
    ],
)
def test_how_much_may_be_taken_out_of_a_tracked_value(delta: str, options: dict[str, Any], left: str | None):
    """Numbers of the reference, out of 100: a tolerance is absolute, when closing also a part of what is taken."""
    value = AssetWithTrackedValue(A_USDC, D(100), 1.0, T0)
    if left is None:
        with pytest.raises(InvalidTrade):
            value.change_quantity_and_value(D(delta), 1.0, T0, **options)
        assert value.quantity == 100
    else:
        value.change_quantity_and_value(D(delta), 1.0, T0, **options)
        assert value.quantity == D(left)


# --- The builders of loans


def test_loans_built_from_trades():
    lender = Lender()
    credit, supply = lender.supply("1000")
    short, borrow = lender.short("-0.5", "1000")
    at = T0 + DAY
    loan = create_credit_supply_loan(credit, supply, at)
    assert (loan.collateral.quantity, loan.collateral.asset, loan.borrowed) == (1000, A_USDC, None)
    assert loan.collateral_interest == Interest.open_new(D(1000), at)
    loan = create_short_loan(short, borrow, at)
    assert loan.borrowed is not None
    assert loan.borrowed_interest is not None
    assert (loan.borrowed.quantity, loan.borrowed.asset, loan.borrowed.last_usd_price) == (D("0.5"), V_WETH, 2000.0)
    assert (loan.collateral.quantity, loan.collateral.last_pricing_at, loan.borrowed.created_at) == (2000, at, at)
    assert loan.borrowed.created_strategy_cycle_at == T0
    assert loan.borrowed_interest.last_event_at == at
    assert credit.loan is short.loan is None


def test_loans_changed_by_trades():
    lender, credit = supplied("1000")
    _, recall = lender.supply("-400")
    loan = loan_of(credit).clone()
    assert update_credit_supply_loan(loan, credit, T0, recall) is loan
    assert loan.collateral.quantity == loan.get_collateral_quantity() == 600
    update_credit_supply_loan(loan, credit, T0, quantity_delta=D(-100))
    assert loan.collateral.quantity == 500
    assert balances_of(credit) == (1000, 1000)

    lender, short = shorted()
    _, trade = lender.short("0.25")
    loan = loan_of(short).clone()
    assert update_short_loan(loan, short, trade) == (0, 0)
    assert loan.borrowed is not None
    assert (loan.collateral.quantity, loan.borrowed.quantity) == (1500, D("0.25"))
    lender.run(trade, executed_amount=D("0.2"), executed_collateral_consumption=D(-400))
    loan = shorted()[1].loan
    assert loan is not None
    update_short_loan(loan, short, trade, mode="execute")
    assert loan.borrowed is not None
    assert (loan.collateral.quantity, loan.borrowed.quantity) == (1600, D("0.3"))


def test_a_corrected_balance_becomes_principal():
    lender, position = supplied("1000")
    earn(lender, position, "1010")
    reset_credit_supply_loan(position, T0 + DAY, 7, D(900), reserve_currency_exchange_rate=1.01)
    loan = loan_of(position)
    assert balances_of(position) == (900, 900)
    assert (loan.collateral.last_usd_price, loan.collateral_interest.last_updated_block_number) == (1.01, 7)
    assert (loan.collateral_interest.get_remaining_interest(), loan.collateral_interest.last_event_at) == (0, T0 + DAY)


def wrong_builds() -> dict[str, Any]:
    lender, credit = supplied("1000")
    short, borrow = lender.short("-0.5", "1000")
    _, recall = lender.supply("-400")
    empty = Lender().supply("100")[0]
    loan = loan_of(credit)
    return {
        "a short out of a supply": lambda: create_short_loan(empty, recall, T0),
        "credit out of a short": lambda: create_credit_supply_loan(short, borrow, T0),
        "a loan beside a loan": lambda: create_credit_supply_loan(credit, recall, T0),
        "credit opened by a recall": lambda: create_credit_supply_loan(empty, recall, T0),
        "a short changed as credit": lambda: update_credit_supply_loan(loan, short, T0, recall),
        "credit changed as a short": lambda: update_short_loan(loan, credit, recall),
        "a trade that is not executed": lambda: update_credit_supply_loan(loan, credit, T0, recall, mode="execute"),
        "a trade and an amount": lambda: update_credit_supply_loan(loan, credit, T0, recall, D(1)),
        "neither trade nor amount": lambda: update_credit_supply_loan(loan, credit, T0),
        "more than was lent": lambda: update_credit_supply_loan(loan, credit, T0, quantity_delta=D(-1001)),
        "reset without a block": lambda: reset_credit_supply_loan(credit, T0, 0, D(1)),
        "reset of a short": lambda: reset_credit_supply_loan(short, T0, 1, D(1)),
        "reset to a debt": lambda: reset_credit_supply_loan(credit, T0, 1, D(-1)),
        "reset at no price": lambda: reset_credit_supply_loan(credit, T0, 1, D(1), 0.0),
        "reset to a float": lambda: reset_credit_supply_loan(credit, T0, 1, 1.5),  # type: ignore[arg-type]
        "loan": loan,
    }


@pytest.mark.parametrize("name", [name for name in wrong_builds() if name != "loan"])
def test_a_loan_that_makes_no_sense_is_not_built(name: str):
    builds = wrong_builds()
    before = builds["loan"].to_dict()
    with pytest.raises(TradeExecutorError):
        builds[name]()
    assert builds["loan"].to_dict() == before
