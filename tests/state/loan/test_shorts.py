"""Leveraged shorts from plan to outcome.

The worked examples are those of the reference; where a test says that the reference is wrong, the numbers are those of
the right behaviour.  After every trade the token balances of all loans are principal and unpaid interest.
"""

import logging
from decimal import Decimal

import pytest

from tests.kit.lending_trader import (
    FREE_SHORT,
    TIGHT_SHORT,
    Lender,
    approx,
    balances_of,
    cash_and_equity,
    debt_of,
    earn,
    equity_of,
    loan_of,
    shorted,
)
from tests.kit.trader import A_USDC, DAY, SHORT, T0, V_WETH, cash_of
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked, TooSmallTrade
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag

D = Decimal


# --- The worked examples


def test_the_life_of_a_short():
    """Numbers of E26."""
    lender = Lender()
    position, trade = lender.open_short(TIGHT_SHORT, D(1000), 2000.0, leverage=2)
    assert (trade.planned_quantity, trade.planned_reserve, trade.lp_fees_estimated) == (-1, 1000, 6.0)
    assert str(trade.planned_collateral_consumption) == "1993.999999999999999875099910"
    lender.set_perfectly_executed(trade)
    assert cash_and_equity(lender.state) == (9000.0, 9994.0)
    loan = loan_of(position)
    assert (loan.get_net_asset_value(), loan.get_health_factor()) == (994.0, 1.1976000000000002)
    assert (loan.get_leverage(), loan.get_loan_to_value()) == (2.0120724346076457, 0.6680026720106881)
    position.revalue_base_asset(lender.ts, 1800.0)
    assert lender.state.portfolio.calculate_total_equity() == 10_194.0
    assert position.get_unrealised_profit_usd() == 200.0

    _, close = lender.close_short(TIGHT_SHORT, D(0), 1800.0)
    assert (close.planned_quantity, close.planned_reserve) == (1, 0)
    assert str(close.planned_collateral_consumption) == "-1805.416248746238716261532925"
    assert str(close.planned_collateral_allocation) == "-1188.583751253761283613566985"
    assert close.lp_fees_estimated == 5.4162487462387165
    assert close.get_execution_sort_position() == -100_000_002
    assert close.flags == {TradeFlag.close}
    lender.set_perfectly_executed(close)
    assert lender.state.portfolio.get_cash() == 10_188.583751253762
    assert position.is_closed()
    assert (position.get_realised_profit_usd(), position.get_realised_profit_percent()) == (200.0, 0.1)
    assert position.get_net_profit_usd() == approx(188.583751253762), "fees deducted"
    assert position.get_total_lp_fees_paid() == 11.416248746238717
    assert balances_of(position) == (0, 0, 0, 0)


def test_both_sides_of_a_short_earn_interest():
    """Numbers of E26: a debt interest of 0.01 and a collateral interest of 5, put into the loan without events."""
    lender = Lender()
    position, trade = lender.open_short(TIGHT_SHORT, D(1000), 2000.0, leverage=1)
    lender.set_perfectly_executed(trade)
    loan = loan_of(position)
    assert loan.borrowed_interest is not None
    loan.borrowed_interest.last_accrued_interest = D("0.01")
    loan.collateral_interest.last_accrued_interest = D(5)
    assert (position.get_value(), position.get_accrued_interest(), position.get_quantity()) == (982.0, -15.0, D("-0.5"))


def test_interest_events_make_a_short_larger():
    lender, position = shorted()
    earn(lender, position, "2005", "0.51")
    assert (position.get_value(), position.get_accrued_interest()) == approx((985.0, -15.0))
    assert position.get_quantity() == D("-0.51")


def test_a_short_with_interest_is_closed():
    """Numbers of example A.  The realised profit of the reference is 0.4 higher: it counts a price gain on the 0.002
    that were bought back to pay interest."""
    lender = Lender()
    position, trade = lender.open_short(SHORT, D(1000), 2000.0, leverage=2)
    lender.set_perfectly_executed(trade)
    loan = loan_of(position)
    assert cash_of(lender.state) == 9000
    assert balances_of(position)[::2] == (D("2993.99999999999999987509991"), 1)
    assert (loan.get_net_asset_value(), loan.get_health_factor()) == (994.0, 1.27245)
    assert (loan.get_leverage(), loan.get_loan_to_value()) == (2.0120724346076457, 0.6680026720106881)
    position.revalue_base_asset(lender.ts, 1800.0)
    assert (loan_of(position).get_net_asset_value(), position.get_unrealised_profit_usd()) == (1194.0, 200.0)
    assert loan_of(position).get_leverage() == 1.5075376884422111
    assert loan_of(position).get_health_factor() == 1.4138333333333333

    lender.time_travel(T0 + 10 * DAY)
    collateral = balances_of(position)[0] * D("1.001")
    earn(lender, position, str(collateral), "1.002")
    events = list(position.balance_updates.values())
    assert [(event.balance_update_id, event.asset) for event in events] == [(1, V_WETH), (2, A_USDC)]
    assert (events[0].quantity, events[0].old_balance) == (D("0.002"), 1)
    assert [event.usd_value for event in events] == [approx(1803.6), approx(2996.994)]
    assert position.get_quantity() == D("-1.002")
    assert loan_of(position).get_net_asset_value() == approx(1193.394)
    assert loan_of(position).get_net_asset_value(include_interest=False) == 1194.0
    assert position.get_accrued_interest() == approx(-0.606)

    _, close = lender.close_short(SHORT, D(0), 1800.0)
    assert (close.planned_quantity, close.planned_reserve) == (D("1.002"), 0)
    assert str(close.planned_collateral_consumption) == "-1809.027081243731193694055991"
    assert str(close.planned_collateral_allocation) == "-1187.966918756268806180919019"
    assert close.lp_fees_estimated == 5.427081243731194
    lender.set_perfectly_executed(close)
    assert lender.state.portfolio.get_cash() == 10_187.966918756269
    assert float(close.claimed_interest or 0) == approx(2.994)
    assert (close.paid_interest, close.get_repaid_interest()) == (D("0.002"), approx(3.6))
    assert position.is_closed()
    assert position.get_realised_profit_usd() == approx(199.394)
    assert position.get_realised_profit_percent() == approx(0.099697)
    assert position.get_net_profit_usd() == approx(187.966918756269), "what the cash has gained"
    assert lender.state.portfolio.get_total_repaid_interest() == approx(3.6)


def test_a_short_grows_and_shrinks():
    """Numbers of example B."""
    lender, position = shorted("-1")
    assert balances_of(position)[::2] == (3000, 1)
    assert (loan_of(position).get_net_asset_value(), loan_of(position).get_leverage()) == (1000.0, 2.0)

    lender.run(lender.short("-0.5", "500", consumption="1000", flags={TradeFlag.increase})[1])
    assert (cash_of(lender.state), balances_of(position)[::2]) == (8500, (4500, D("1.5")))
    assert loan_of(position).get_leverage() == 2.0

    _, reduce = lender.short("0.9", consumption="-1800", allocation="-900", flags={TradeFlag.reduce})
    assert reduce.get_action_verb() == "Reduce short"
    lender.run(reduce)
    assert (cash_of(lender.state), balances_of(position)[::2]) == (9400, (1800, D("0.6")))
    assert loan_of(position).get_leverage() == 2.0
    assert position.get_realised_profit_usd() == 0.0

    position.revalue_base_asset(lender.ts, 2100.0)
    loan = loan_of(position)
    assert (loan.get_net_asset_value(), position.get_unrealised_profit_usd()) == (540.0, approx(-60.0))
    assert (loan.get_leverage(), loan.get_health_factor()) == (2.3333333333333335, 1.2142857142857142)
    _, close = lender.close_short(FREE_SHORT, D(0), 2100.0)
    assert (close.planned_collateral_consumption, close.planned_collateral_allocation) == (-1260, -540)
    lender.set_perfectly_executed(close)
    assert (cash_of(lender.state), position.is_closed()) == (9940, True)
    assert (position.get_average_sell(), position.get_average_buy()) == approx((2000.0, 2040.0))
    assert position.get_realised_profit_usd() == approx(-60.0)
    assert position.get_realised_profit_percent() == approx(-0.02)


def test_collateral_moves_without_debt():
    """Numbers of example C."""
    lender, position = shorted()
    assert (balances_of(position)[::2], loan_of(position).get_leverage()) == ((2000, D("0.5")), 1.0)
    _, added = lender.short("0", allocation="250")
    assert (added.planned_collateral_consumption, added.get_action_verb()) == (0, "Reduce short")
    lender.run(added)
    loan = loan_of(position)
    assert (cash_of(lender.state), loan.collateral.quantity) == (8750, 2250)
    assert (loan.get_leverage(), loan.get_health_factor()) == (0.8, 1.9125)
    assert loan.get_loan_to_value() == approx(4 / 9)
    lender.run(lender.short("0", "250")[1])
    loan = loan_of(position)
    assert (cash_of(lender.state), loan.collateral.quantity) == (8500, 2500)
    assert (loan.get_leverage(), loan.get_health_factor()) == (approx(2 / 3), 2.125)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_moving_collateral_does_not_reprice_the_debt():
    lender, position = shorted()
    position.revalue_base_asset(lender.ts, 1500.0)
    lender.run(lender.short("0", "250", price=2000.0)[1], executed_price=2000.0)
    assert loan_of(position).get_borrow_value() == 750.0
    assert lender.state.portfolio.calculate_total_equity() == 10_250.0


def test_half_of_a_short_with_interest_is_closed():
    """Numbers of example D: principal goes first, the last trade pays the interest."""
    lender, position = shorted()
    earn(lender, position, "2010", "0.505")
    _, half = lender.short("0.25", consumption="-500", allocation="-500", flags={TradeFlag.reduce})
    lender.run(half)
    assert balances_of(position) == (1000, 1010, D("0.25"), D("0.255"))
    assert (cash_of(lender.state), loan_of(position).get_net_asset_value()) == (9500, approx(500.0))
    assert (half.claimed_interest, half.paid_interest) == (None, None)
    _, close = lender.close_short(FREE_SHORT, D(0), 2000.0)
    assert (close.planned_quantity, close.planned_collateral_consumption) == (D("0.255"), -510)
    assert close.planned_collateral_allocation == -500
    lender.set_perfectly_executed(close)
    assert (cash_of(lender.state), position.is_closed()) == (10_000, True)
    assert (close.claimed_interest, close.paid_interest) == (10, D("0.005"))
    assert position.get_realised_profit_usd() == approx(0.0)


def test_buying_back_more_than_the_principal_repays_interest():
    lender, position = shorted()
    earn(lender, position, "2010", "0.505")
    _, trade = lender.short("0.502", consumption="-1004")
    lender.run(trade)
    assert balances_of(position) == (996, 1006, 0, D("0.003"))
    assert (trade.paid_interest, trade.claimed_interest) == (D("0.002"), None)
    assert position.get_quantity() == D("-0.003")
    assert loan_of(position).get_health_factor() == approx(0.85 * 996 / 6)
    _, close = lender.close_short(FREE_SHORT, D(0), 2000.0)
    assert close.planned_quantity == D("0.003"), "what was repaid is not repaid again"
    lender.set_perfectly_executed(close)
    assert (close.paid_interest, position.is_closed(), cash_of(lender.state)) == (D("0.003"), True, 10_000)


@pytest.fixture
def closing() -> tuple[Lender, TradingPosition, TradeExecution]:
    """Position of example A at 1800 without interest, whose closing trade is sent."""
    lender = Lender()
    position, trade = lender.open_short(SHORT, D(1000), 2000.0, leverage=2)
    lender.set_perfectly_executed(trade)
    position.revalue_base_asset(lender.ts, 1800.0)
    _, close = lender.close_short(SHORT, D(0), 1800.0)
    lender.send(close)
    return lender, position, close


def test_a_close_that_slips_takes_what_is_there(closing: tuple[Lender, TradingPosition, TradeExecution]):
    """Numbers of example E."""
    lender, position, close = closing
    lender.complete(close, executed_collateral_consumption=D("-1820.5"), executed_collateral_allocation=D("-1173.4"))
    assert (cash_of(lender.state), position.is_closed()) == (D("10173.4"), True)
    assert balances_of(position) == (0, 0, 0, 0)
    assert equity_of(lender.state) == (10_173.4, 10_173.4, 10_173.4)


def test_a_close_that_leaves_a_little_collateral_writes_it_off(
    closing: tuple[Lender, TradingPosition, TradeExecution], caplog: pytest.LogCaptureFixture
):
    """Example E, as recorded: up to 2 % of the collateral may be gone, which is logged."""
    lender, position, close = closing
    allocation = (close.planned_collateral_allocation or D(0)) + 40
    with caplog.at_level(logging.WARNING):
        lender.complete(close, executed_collateral_allocation=allocation)
    assert "written off" in caplog.text
    assert (position.is_closed(), balances_of(position)) == (True, (0, 0, 0, 0))
    assert lender.state.portfolio.get_cash() == approx(10_148.583751253762)


def test_a_close_that_leaves_much_collateral_leaves_the_position_open(
    closing: tuple[Lender, TradingPosition, TradeExecution],
):
    """The reference closes it: 80 would be in neither cash nor equity."""
    lender, position, close = closing
    allocation = (close.planned_collateral_allocation or D(0)) + 80
    lender.complete(close, executed_collateral_allocation=allocation)
    assert position.is_open()
    assert float(balances_of(position)[0]) == approx(80.0)
    assert lender.state.portfolio.calculate_total_equity() == approx(10_188.583751253762)
    _, rest = lender.close_short(SHORT, D(0), 1800.0)
    assert (rest.planned_quantity, rest.planned_collateral_consumption) == (0, 0)
    lender.set_perfectly_executed(rest)
    assert position.is_closed()
    assert lender.state.portfolio.get_cash() == approx(10_188.583751253762)


def test_a_close_that_takes_more_than_there_is_is_refused(closing: tuple[Lender, TradingPosition, TradeExecution]):
    """Example E: the reference raises when the trade is marked successful already."""
    lender, position, close = closing
    allocation = (close.planned_collateral_allocation or D(0)) - 80
    lender.is_refused(InvalidTrade, lambda: lender.complete(close, executed_collateral_allocation=allocation))
    lender.complete(close)
    assert position.is_closed()


def test_what_was_bought_back_counts_not_what_was_planned():
    """The reference forgives a debt of 0.01 here: it takes what was planned."""
    lender, position = shorted("-1")
    _, trade = lender.short("0.5")
    lender.run(trade, executed_amount=D("0.49"), executed_collateral_consumption=D(-980))
    assert balances_of(position)[::2] == (2020, D("0.51"))
    assert position.get_quantity() == D("-0.51")
    assert lender.state.portfolio.calculate_total_equity() == 10_000.0


def test_what_was_borrowed_and_at_which_price_counts_not_what_was_planned():
    lender = Lender()
    position, trade = lender.short("-1", "1000")
    lender.run(
        trade, executed_amount=D("-0.9"), executed_price=1990.0, executed_collateral_consumption=D(1791),
        executed_reserve=D(950),
    )  # fmt: skip
    loan = loan_of(position)
    assert balances_of(position)[::2] == (2741, D("0.9"))
    assert (cash_of(lender.state), loan.get_borrow_value()) == (9050, 1791.0)
    assert loan.collateral_interest.opening_amount == 2741


def test_a_close_that_buys_back_too_little_releases_nothing():
    """All collateral was to be released; with 0.1 of debt left that would be liquidated at once."""
    lender, position = shorted()
    _, close = lender.close_short(FREE_SHORT, D(0), 2000.0)
    lender.send(close)
    lender.is_refused(
        LiquidationRisked,
        lambda: lender.complete(close, executed_amount=D("0.4"), executed_collateral_consumption=D(-800)),
    )
    lender.complete(
        close, executed_amount=D("0.4"), executed_collateral_consumption=D(-800), executed_collateral_allocation=D(-900)
    )
    assert (position.is_open(), balances_of(position)[::2]) == (True, (300, D("0.1")))
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_a_debt_of_dust_does_not_keep_a_short_open():
    """It is too little to be bought back, and the collateral belongs to the trader."""
    lender, position = shorted()
    lender.run(lender.short("0.49995")[1])
    assert (position.is_open(), debt_of(position)) == (True, D("0.00005"))
    lender.is_refused(TooSmallTrade, lambda: lender.short("0.00005"))
    _, close = lender.close_short(FREE_SHORT, D(0), 2000.0)
    assert (close.planned_quantity, close.planned_collateral_allocation) == (0, D("-1000.1"))
    lender.set_perfectly_executed(close)
    assert (position.is_closed(), cash_of(lender.state)) == (True, D("10000.1"))


def test_a_close_under_water_takes_the_missing_collateral_from_the_cash():
    lender, position = shorted()
    position.revalue_base_asset(lender.ts, 4100.0)
    assert loan_of(position).get_net_asset_value() == -50.0
    _, close = lender.close_short(FREE_SHORT, D(0), 4100.0)
    assert (close.planned_collateral_consumption, close.planned_collateral_allocation) == (-2050, 50)
    lender.set_perfectly_executed(close)
    assert (position.is_closed(), cash_of(lender.state)) == (True, 8950)


def test_two_changes_of_a_short_in_one_cycle_compose():
    lender, position = shorted("-1")
    trades = [lender.short("0.25")[1], lender.short("0.25")[1]]
    planned = [trade.planned_loan_update for trade in trades]
    assert [loan.borrowed.quantity for loan in planned if loan and loan.borrowed] == [D("0.75"), D("0.5")]
    for trade in trades:
        lender.run(trade)
    assert balances_of(position)[::2] == (2000, D("0.5"))
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


def test_a_plan_counts_what_is_in_flight():
    lender, position = shorted("-1")
    _, first = lender.short("0.5")
    lender.start(first)
    lender.ts += DAY
    _, close = lender.close_short(FREE_SHORT, D(0), 2000.0)
    assert (close.planned_quantity, close.planned_collateral_allocation) == (D("0.5"), -1000)
    lender.broadcast(first)
    lender.complete(first)
    lender.set_perfectly_executed(close)
    assert (position.is_closed(), cash_of(lender.state)) == (True, 10_000)


def test_a_short_is_not_closed_while_more_collateral_is_on_its_way():
    """Closed, what the other trade has taken out of the cash would be in no equity."""
    lender, position = shorted()
    _, close = lender.close_short(FREE_SHORT, D(0), 2000.0)
    _, more = lender.short("-0.1", "300", position=position)
    for trade in (close, more):
        lender.send(trade)
    lender.complete(close)
    assert (position.is_open(), cash_of(lender.state)) == (True, 9700)
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)
    lender.complete(more)
    assert balances_of(position)[::2] == (500, D("0.1"))
    assert equity_of(lender.state) == (10_000.0, 10_000.0, 10_000.0)


# --- Health


def test_a_short_that_would_be_liquidated_at_once_is_not_planned():
    lender = Lender()
    lender.is_refused(LiquidationRisked, lambda: lender.short("-1", "1000", consumption="1000"))
    with pytest.raises(LiquidationRisked) as caught:
        lender.short("-1", "352", consumption="2000")
    assert caught.value.health_factor == approx(0.85 * 2352 / 2000)
    assert caught.value.desired_health_factor == 1
    lender.short("-1", "353", consumption="2000")


def test_collateral_that_the_debt_needs_is_not_released():
    lender, position = shorted()
    lender.is_refused(LiquidationRisked, lambda: lender.short("0", allocation="-824"))
    _, trade = lender.short("0", allocation="-823")
    lender.send(trade)
    position.revalue_base_asset(lender.ts, 2010.0)
    lender.is_refused(LiquidationRisked, lambda: lender.complete(trade))
    lender.fail(trade)
    assert balances_of(position)[::2] == (2000, D("0.5"))


def test_an_executed_opening_that_would_be_liquidated_is_refused():
    lender = Lender()
    _, trade = lender.short("-1", "1000")
    lender.send(trade)
    lender.is_refused(LiquidationRisked, lambda: lender.complete(trade, executed_collateral_consumption=D(1000)))
    lender.fail(trade)
    assert cash_and_equity(lender.state) == (10_000.0, 10_000.0)
