"""Trades whose outcome somebody has looked up."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.funded_trader import fund
from tests.kit.samples import blockchain_transaction
from tests.kit.trader import CREDIT, DAY, LINK_USDC, T0, USDC, Trader, cash_of
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import InvalidTrade, TradeExecutorError, UncleanState, WrongTradeStatus
from tradeexecutor.state.repair import ReportedOutcome, reconfirm_trade, repair_trades
from tradeexecutor.state.trade import TradeExecution, TradeStatus, TradeType

D = Decimal
NOW = T0 + DAY
FAILED = ReportedOutcome()


@pytest.fixture
def trader() -> Trader:
    return fund()


def send(trader: Trader, quantity: str, broadcast: bool = True) -> TradeExecution:
    _, trade = trader.plan(LINK_USDC, quantity, 10.0)
    trader.start(trade)
    trade.blockchain_transactions = [blockchain_transaction()]
    if broadcast:
        trader.broadcast(trade)
    return trade


@pytest.mark.parametrize("broadcast", [True, False])
def test_a_buy_that_went_through(trader: Trader, broadcast: bool):
    state = trader.state
    trade = send(trader, "10", broadcast)
    reconfirm_trade(state, trade, ReportedOutcome(D("9.8"), D("99.5")), NOW)
    assert (trade.get_status(), trade.executed_at, trade.executed_quantity) == (TradeStatus.success, NOW, D("9.8"))
    assert (cash_of(state), state.portfolio.open_positions[1].get_quantity()) == (D("9900.5"), D("9.8"))
    state.check_if_clean()
    assert prove(state).is_balanced


def test_a_sell_that_went_through(trader: Trader):
    trader.buy(LINK_USDC, "10", 10.0)
    trade = send(trader, "-10")
    reconfirm_trade(trader.state, trade, ReportedOutcome(D(10), D("110")), NOW)
    assert (trade.executed_quantity, trade.executed_price, cash_of(trader.state)) == (-10, 11.0, 10_010)
    assert trader.state.portfolio.closed_positions[1].closed_at == NOW


def test_one_that_did_not(trader: Trader):
    state = trader.state
    trade = send(trader, "10")
    with pytest.raises(UncleanState):
        state.check_if_clean()
    reconfirm_trade(state, trade, FAILED, NOW)
    assert (trade.get_status(), cash_of(state)) == (TradeStatus.failed, 10_000)
    assert state.portfolio.frozen_positions[1].is_frozen()
    assert trade.notes == "Reported as failed at 2022-01-02 00:00\n"
    repair_trades(state, now=NOW)
    assert (cash_of(state), list(state.portfolio.closed_positions)) == (10_000, [1])
    assert prove(state).is_balanced


def lend(trader: Trader) -> TradeExecution:
    trade = trader.state.supply_credit(T0, CREDIT, TradeType.rebalance, USDC, 1.0, collateral_quantity=D(100))[1]
    trader.send(trade)
    return trade


REFUSED: dict[str, tuple[type[TradeExecutorError], Callable[[Trader], Any], ReportedOutcome]] = {
    "planned": (WrongTradeStatus, lambda t: t.plan(LINK_USDC, "10", 10.0)[1], FAILED),
    "done": (WrongTradeStatus, lambda t: t.buy(LINK_USDC, "10", 10.0)[1], FAILED),
    "failed": (WrongTradeStatus, lambda t: t.start_and_fail(LINK_USDC, "10", 10.0), ReportedOutcome(D(1), D(10))),
    "negative": (InvalidTrade, lambda t: send(t, "10"), ReportedOutcome(D(-1), D(10))),
    "free": (InvalidTrade, lambda t: send(t, "10"), ReportedOutcome(D(1), D(0))),
    "half a report": (InvalidTrade, lambda t: send(t, "10"), ReportedOutcome(D(1))),
    "not a number": (InvalidTrade, lambda t: send(t, "10"), ReportedOutcome(D("NaN"), D(1))),
    "loan": (InvalidTrade, lend, ReportedOutcome(D(1), D(1))),
}


@pytest.mark.parametrize(("error", "make", "outcome"), REFUSED.values(), ids=REFUSED)
def test_a_refused_report_changes_nothing(
    trader: Trader, error: type[TradeExecutorError], make: Callable[[Trader], Any], outcome: ReportedOutcome
):
    trade = make(trader)
    before = trader.state.to_json()
    with pytest.raises(error):
        reconfirm_trade(trader.state, trade, outcome, NOW)
    assert trader.state.to_json() == before
