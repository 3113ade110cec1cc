"""Leveraged longs booked by hand: each step changes exactly what it says, and a refused step changes nothing."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.lending_trader import Lender, balances_of, cash_and_equity, earn, loan_of
from tests.kit.trader import A_WETH, CREDIT, LONG, SECOND, USDC, V_USDC
from tradeexecutor.ledger.proof import Verdict, prove
from tradeexecutor.state.errors import InvalidTrade, LiquidationRisked, WrongPositionStatus
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeRequest, TradeType

D = Decimal


def plan(
    lender: Lender, quantity: str | None, reserve: str | None = "0", price: float = 2000.0, **more: Any
) -> tuple[TradingPosition, TradeExecution]:
    """Plan to open or change a long; without a quantity to close it."""
    for name in ("consumption", "allocation"):
        if name in more:
            more[f"planned_collateral_{name}"] = D(more.pop(name))
    position = more.pop("position", None)
    if quantity is None:
        more |= {"closing": True, "planned_mid_price": price, "flags": {TradeFlag.close}}
        reserve = None
    position, trade, _ = lender.state.request_long(
        TradeRequest(
            strategy_cycle_at=lender.ts,
            pair=more.pop("pair", LONG),
            assumed_price=price,
            trade_type=TradeType.rebalance,
            reserve_currency=USDC,
            reserve_currency_price=1.0,
            quantity=None if quantity is None else D(quantity),
            reserve=None if reserve is None else D(reserve),
            **more,
        ),
        position,
    )
    return position, trade


def opened() -> tuple[Lender, TradingPosition]:
    """1000 of own money and 1000 of debt for 1 ETH at 2000."""
    lender = Lender()
    position, trade = plan(lender, "1", "1000")
    assert trade.planned_collateral_consumption == -2000
    lender.run(trade)
    return lender, position


def check(lender: Lender) -> None:
    """Every balance but the cash, whose deposit is not booked, is proven; the state survives its JSON."""
    findings = [finding for finding in prove(lender.state).findings if "cash" not in finding.name]
    assert {finding.verdict for finding in findings} <= {Verdict.balanced}
    text = lender.state.to_json()
    assert State.read_json_blob(text).to_json() == text


def test_the_life_of_a_long():
    """Open, earn and owe interest, repay a part of the debt, sell a part, close; the money adds up to the cent."""
    lender, position = opened()
    assert (balances_of(position), cash_and_equity(lender.state)) == ((1, 1, 1000, 1000), (9000, 10_000))
    assert [asset.token_symbol for asset, _ in position.get_held_assets()] == ["aPolWETH", "variableDebtPolUSDC"]
    check(lender)
    lender.ts += SECOND  # interest of the same second would come before the trade
    earn(lender, position, "1.001", "1002")
    assert position.get_quantity() == D("1.001")
    assert position.get_accrued_interest() == pytest.approx(2000 * 0.001 - 2)
    check(lender)
    _, trade = plan(lender, "0", "302", position=position)  # repays 302 of the debt: all of its interest is principal
    lender.run(trade)
    assert (balances_of(position), cash_and_equity(lender.state)[0]) == ((1, D("1.001"), 698, 700), 8698)
    check(lender)
    _, trade = plan(lender, "-0.5", price=2400.0, allocation="-500", position=position)  # 1200, of which 700 repay it
    lender.run(trade)
    assert balances_of(position) == (D("0.5"), D("0.501"), 0, 0)
    assert (trade.paid_interest, trade.claimed_interest) == (2, None)
    assert loan_of(position).get_health_factor() == float("inf")
    check(lender)
    _, trade = plan(lender, None, price=2400.0, position=position)
    lender.run(trade)
    assert position.is_closed()
    assert (trade.executed_quantity, trade.claimed_interest, trade.paid_interest) == (D("-0.501"), D("0.001"), 0)
    assert cash_and_equity(lender.state) == (pytest.approx(8698 + 500 + 0.501 * 2400),) * 2
    assert position.get_net_profit_usd() == pytest.approx(lender.state.portfolio.get_cash() - 10_000)
    assert position.get_realised_profit_usd() == pytest.approx(lender.state.portfolio.get_cash() - 10_000)
    check(lender)


def test_a_failed_long_gives_its_money_back():
    lender = Lender()
    _, trade = plan(lender, "1", "1000")
    lender.send(trade)
    assert lender.state.portfolio.get_cash() == 9000
    lender.fail(trade)
    assert lender.state.portfolio.get_cash() == 10_000
    check(lender)


def test_a_price_moves_the_collateral_only():
    lender, position = opened()
    position.revalue_base_asset(lender.ts, 1800.0)
    loan = loan_of(position)
    assert (loan.collateral.last_usd_price, loan.borrowed and loan.borrowed.last_usd_price) == (1800.0, 1.0)
    assert (position.get_value(), loan.get_leverage(), loan.get_health_factor()) == (800.0, 2.25, pytest.approx(1.53))


@pytest.mark.parametrize(
    ("error", "match", "amounts"),
    [
        (InvalidTrade, "must buy", {"quantity": "-1", "reserve": "1000"}),
        (InvalidTrade, "without debt", {"quantity": "0.5", "reserve": "1000"}),
        (InvalidTrade, "both quantity and reserve", {"quantity": "1", "reserve": None}),
        (InvalidTrade, "not a leveraged long", {"quantity": "1", "reserve": "1000", "pair": CREDIT}),
        (InvalidTrade, "cannot bring", {"quantity": "1", "reserve": "1000", "consumption": "2000"}),
        (InvalidTrade, "must not be negative", {"quantity": "1", "reserve": "-1"}),
        (InvalidTrade, "no open leveraged long", {"quantity": None}),
        (LiquidationRisked, "health factor", {"quantity": "1", "reserve": "200"}),
    ],
)
def test_a_long_that_cannot_be_opened(error: type[Exception], match: str, amounts: dict[str, Any]):
    lender = Lender()
    before = lender.state.to_json()
    with pytest.raises(error, match=match):
        plan(lender, **amounts)
    assert lender.state.to_json() == before


def test_changes_that_are_refused():
    lender, position = opened()
    lender.is_refused(InvalidTrade, lambda: plan(lender, "0", "1001", position=position))  # more than is owed
    lender.is_refused(InvalidTrade, lambda: plan(lender, "-1.1", position=position))  # more than there is
    lender.is_refused(LiquidationRisked, lambda: plan(lender, "0", allocation="-800", position=position))
    lender.is_refused(InvalidTrade, lambda: plan(lender, None, price=900.0, position=position))  # does not pay the debt
    _, trade = plan(lender, None, position=position)
    lender.send(trade)
    # A fill that leaves debt without collateral is no close.
    lender.is_refused(
        LiquidationRisked,
        lambda: lender.complete(trade, executed_collateral_consumption=D(1900), executed_price=1900.0),
    )
    lender.complete(trade)
    lender.is_refused(WrongPositionStatus, lambda: plan(lender, None, position=position))


def test_two_changes_of_one_cycle_add_up():
    lender, position = opened()
    _, first = plan(lender, "0.5", "500", position=position)
    _, second = plan(lender, "0.25", "250", position=position)
    planned = second.planned_loan_update
    assert planned is not None
    assert (planned.get_collateral_quantity(), planned.get_borrowed_quantity()) == (D("1.75"), 1750)
    lender.run(first)
    lender.run(second)
    assert balances_of(position) == (D("1.75"), D("1.75"), 1750, 1750)
    check(lender)


def test_the_tokens_of_the_pair():
    assert (LONG.get_collateral_token(), LONG.get_debt_token()) == (A_WETH, V_USDC)
    assert (LONG.get_liquidation_threshold(), LONG.get_max_leverage_at_open("long")) == (0.85, pytest.approx(20 / 3))
    assert LONG.get_human_description(describe_type=True) == "WETH-USDC long"
