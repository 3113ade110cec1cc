"""The trader that users import in their tests.  Numbers are those of the reference."""

import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.kit.trader import (
    A_USDC,
    ACCOUNT,
    BRIDGE,
    CREDIT,
    DAY,
    FAR_USDC,
    FAR_WETH_USDC,
    LINK_USDC,
    SECOND,
    SHORT,
    T0,
    USDC,
    VAULT,
    WETH,
    WETH_USDC,
    cash_of,
    new_state,
    pair,
)
from tradeexecutor.state.balance_update import BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.errors import (
    InvalidTrade,
    InvalidValue,
    LiquidationRisked,
    NotEnoughMoney,
    PositionNotFound,
    UnsupportedPairKind,
    WrongTradeStatus,
)
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.strategy.interest import update_interest, update_leveraged_position_interest
from tradeexecutor.testing.unit_test_trader import UnitTestTrader

D = Decimal


@pytest.fixture
def trader() -> UnitTestTrader:
    return UnitTestTrader(new_state(20_000))


@pytest.fixture
def perfect() -> UnitTestTrader:
    """Without fees and price impact."""
    return UnitTestTrader(new_state(20_000), lp_fees=0, price_impact=1)


def cash_and_equity(trader: UnitTestTrader) -> tuple[float, float]:
    portfolio = trader.state.portfolio
    return portfolio.get_cash(), portfolio.calculate_total_equity()


def times_of(trade: TradeExecution) -> list[int | None]:
    """Seconds from the start of the clock to planning, start, broadcast and outcome."""
    times = (trade.opened_at, trade.started_at, trade.broadcasted_at, trade.executed_at)
    return [None if at is None else int((at - T0).total_seconds()) for at in times]


def is_refused(trader: UnitTestTrader, error: type[Exception], operation: Any) -> None:
    """The operation raises; state, clock and nonce are as before."""
    before = trader.state.to_json(), trader.ts, trader.nonce
    with pytest.raises(error):
        operation()
    assert (trader.state.to_json(), trader.ts, trader.nonce) == before


def supply(trader: UnitTestTrader, amount: str, **more: Any) -> tuple[TradingPosition, TradeExecution]:
    position, trade, _ = trader.state.supply_credit(
        trader.ts, CREDIT, TradeType.rebalance, USDC, 1.0, collateral_quantity=D(amount), **more
    )
    return position, trade


# --- The trader itself


def test_a_new_trader():
    state = new_state()
    trader = UnitTestTrader(state)
    assert trader.state is state
    assert (trader.nonce, trader.ts) == (1, datetime.datetime(2022, 1, 1))
    assert (trader.lp_fees, trader.price_impact, trader.native_token_price) == (2.5, 0.99, 1)


@pytest.mark.parametrize("impact", [0, -0.5, float("nan"), float("inf")])
def test_a_price_impact_that_makes_no_sense_is_refused(impact: float):
    with pytest.raises(InvalidValue):
        UnitTestTrader(new_state(), price_impact=impact)


def test_time_travel(perfect: UnitTestTrader):
    perfect.time_travel(T0 + 5 * DAY)
    _, trade = perfect.buy(WETH_USDC, D(1), 2000.0)
    assert trade.opened_at == T0 + 5 * DAY
    perfect.time_travel(T0)
    assert perfect.ts == T0


@pytest.mark.parametrize(
    "when", [None, 5, datetime.date(2022, 1, 1), T0.replace(tzinfo=datetime.UTC), pd.Timestamp(2022, 1, 1)], ids=str
)
def test_a_clock_that_a_state_cannot_record_is_refused(trader: UnitTestTrader, when: Any):
    is_refused(trader, InvalidValue, lambda: trader.time_travel(when))


# --- Buying and selling


def test_two_buys_and_two_sells():
    """Numbers of E2."""
    trader = UnitTestTrader(new_state(3000))
    position, first = trader.buy(WETH_USDC, D("0.2"), 2500.0)
    assert cash_and_equity(trader) == (2500.0, 2995.0)
    assert (first.executed_price, str(first.executed_quantity)) == (2475.0, "0.1979999999999999982236431606")
    assert position.get_unrealised_profit_usd() == pytest.approx(4.95)

    trader.buy(WETH_USDC, D("0.3"), 2600.0)
    assert cash_and_equity(trader) == (1720.0, 2957.5)
    assert str(position.get_quantity()) == "0.4949999999999999955591079015"
    assert position.get_average_buy() == pytest.approx(2534.4)

    _, sale = trader.sell(WETH_USDC, D("0.2"), 2700.0)
    assert cash_and_equity(trader) == pytest.approx((2254.6, 2992.1))
    assert (sale.executed_price, float(sale.executed_reserve or 0)) == (2673.0, 534.6)
    assert position.get_realised_profit_usd() == pytest.approx(27.72)

    trader.sell(WETH_USDC, position.get_quantity(), 2700.0)
    assert str(cash_of(trader.state)) == "3043.134999999999988129495421"
    assert position.is_closed()
    assert position.get_realised_profit_usd() == pytest.approx(68.607)
    assert position.get_total_lp_fees_paid() == 10.0
    assert (trader.ts, trader.nonce) == (datetime.datetime(2022, 1, 1, 0, 0, 12), 5)


def test_quantities_made_of_floats():
    """Numbers of E30."""
    trader = UnitTestTrader(new_state(20_000))
    position, trade = trader.buy(WETH_USDC, Decimal(0.3), 1999.99)  # noqa: RUF032
    assert str(trade.planned_reserve) == "599.9969999999999805241346351"
    assert str(trade.executed_quantity) == "0.2969999999999999863442567971"
    assert trade.executed_price == 1979.9901
    assert str(cash_of(trader.state)) == "19400.00300000000001947586536"
    _, sale = trader.sell(WETH_USDC, position.get_quantity() / 3, 2050.0)
    assert str(sale.executed_reserve) == "200.9204999999999907618897232"
    assert str(position.get_quantity()) == "0.1979999999999999908961711981"
    assert str(cash_of(trader.state)) == "19600.92350000000001023775508"
    assert trader.state.portfolio.calculate_total_equity() == pytest.approx(19_996.92152)
    assert position.get_realised_profit_usd() == pytest.approx(4.9014801000000014)


def test_every_step_takes_a_second_and_every_start_a_nonce(trader: UnitTestTrader):
    _, first = trader.buy(WETH_USDC, D(1), 2000.0)
    _, second = trader.sell(WETH_USDC, D("0.5"), 2000.0)
    assert (times_of(first), times_of(second)) == ([0, 1, 2, 3], [3, 4, 5, 6])
    assert [(trade.txid, trade.nonce) for trade in (first, second)] == [("0x1", 1), ("0x2", 2)]  # type: ignore[attr-defined]
    assert (trader.ts, trader.nonce) == (T0 + 6 * SECOND, 3)


def test_what_an_executed_trade_records(trader: UnitTestTrader):
    position, trade = trader.create_and_execute(WETH_USDC, D(2), 2000.0)
    assert trade.get_status() is TradeStatus.success
    assert (trade.planned_price, trade.planned_mid_price, trade.fee_tier) == (2000.0, 2000.0, 0.003)
    assert (trade.trade_type, trade.reserve_currency) == (TradeType.rebalance, USDC)
    assert (trade.lp_fees_paid, trade.native_token_price, trade.cost_of_gas) == (2.5, 1.0, None)
    assert (trade.executed_price, trade.executed_reserve) == (1980.0, 0)
    assert trade.executed_quantity == 2 * Decimal(0.99)  # noqa: RUF032
    assert cash_of(trader.state) == 16_000, "a buy consumes all of its planned reserve"
    assert position.trades == {1: trade}


@pytest.mark.parametrize("plan", ["create", "prepare_buy"])
def test_a_plan_takes_a_second_and_moves_nothing(trader: UnitTestTrader, plan: str):
    position, trade = getattr(trader, plan)(WETH_USDC, D(2), 2000.0)
    assert (trade.is_planned(), trade.planned_quantity, trade.planned_reserve) == (True, 2, 4000)
    assert (position.get_quantity(planned=True), cash_of(trader.state)) == (2, 20_000)
    assert (trader.ts, trader.nonce) == (T0 + SECOND, 1)


def test_a_planned_trade_is_executed_with_the_price_impact(trader: UnitTestTrader):
    _, trade = trader.create(WETH_USDC, D(2), 2000.0)
    trader.execute(trade)
    assert (trade.executed_price, times_of(trade)) == (1980.0, [0, 1, 2, 3])


def test_a_price_may_be_an_integer(perfect: UnitTestTrader):
    """The reference fails after the capital was taken: the executed price is no float then."""
    position, trade = perfect.buy(WETH_USDC, D(1), 2000)
    assert (trade.executed_price, position.get_quantity()) == (2000.0, 1)
    assert isinstance(trade.executed_price, float)
    _, planned = perfect.create(WETH_USDC, D(1), 2000)
    perfect.set_perfectly_executed(planned)
    assert cash_of(perfect.state) == 16_000


@pytest.mark.parametrize("name", ["vault", "exchange_account"])
def test_other_kinds_that_are_bought_and_sold(trader: UnitTestTrader, name: str):
    traded = {"vault": VAULT, "exchange_account": ACCOUNT}[name]
    position, _ = trader.buy(traded, D(1000), 1.0)
    assert cash_of(trader.state) == 19_000
    trader.sell(traded, position.get_quantity(), 1.0)
    assert position.is_closed()
    assert float(cash_of(trader.state)) == pytest.approx(19_000 + 990 * 0.99)


def test_a_buy_on_another_chain_is_paid_from_the_bridge(perfect: UnitTestTrader):
    """Its cash currency is the quote of the pair, which is no reserve."""
    bridge, _ = perfect.buy(BRIDGE, D(5000), 1.0)
    _, trade = perfect.buy(FAR_WETH_USDC, D(2), 2000.0)
    assert (trade.reserve_currency, trade.bridge_currency_allocated) == (FAR_USDC, 4000)
    perfect.sell(FAR_WETH_USDC, D(2), 2300.0)
    assert (bridge.get_available_bridge_capital(), cash_of(perfect.state)) == (5600, 15_000)


def test_what_cannot_be_paid_stays_planned(perfect: UnitTestTrader):
    """Numbers of E12."""
    before = perfect.nonce
    with pytest.raises(NotEnoughMoney):
        perfect.buy(WETH_USDC, D(11), 2000.0)
    portfolio = perfect.state.portfolio
    assert (portfolio.get_cash(), perfect.nonce, perfect.ts) == (20_000.0, before, T0 + SECOND)
    assert [trade.get_status() for trade in portfolio.get_all_trades()] == [TradeStatus.planned]
    perfect.create_and_execute(LINK_USDC, D(2000), 15.0, underflow_check=False)
    assert cash_and_equity(perfect) == (-10_000.0, 20_000.0)


@pytest.mark.parametrize(
    ("quantity", "price"),
    [(D(0), 1.0), (D(1), 0.0), (D(1), -1.0), (D("NaN"), 1.0), (1.5, 1.0), (D("1E-11"), 1.0), (D(1), float("nan"))],
    ids=str,
)
def test_a_trade_that_makes_no_sense_is_refused(trader: UnitTestTrader, quantity: Any, price: float):
    for traded in (LINK_USDC, ACCOUNT):
        is_refused(trader, (InvalidTrade, InvalidValue), lambda p=traded: trader.buy(p, quantity, price))  # type: ignore[arg-type]


def test_loans_are_not_bought(trader: UnitTestTrader):
    is_refused(trader, InvalidTrade, lambda: trader.buy(CREDIT, D(100), 1.0))
    is_refused(trader, InvalidTrade, lambda: trader.sell(SHORT, D(1), 2000.0))


# --- Prices of candles


class Candles:
    """A price for each pair, remembering what was asked for."""

    def __init__(self, **prices: Any):
        self.prices = {int(name.removeprefix("pair_")): price for name, price in prices.items()}
        self.asked: list[Any] = []

    def get_price_with_tolerance(self, pair: int, when: pd.Timestamp, tolerance: pd.Timedelta) -> tuple[Any, str]:
        self.asked.append((pair, when, tolerance))
        return self.prices[pair], "and when it was"


def test_prices_of_candles(perfect: UnitTestTrader):
    candles = Candles(pair_101=np.float64(2000.0))
    perfect.time_travel(T0 + DAY)
    position, buy = perfect.buy_with_price_data(WETH_USDC, D(2), candles)
    assert candles.asked == [(101, pd.Timestamp(2022, 1, 2), datetime.timedelta(days=7))]
    assert (type(buy.planned_price), buy.executed_price) == (float, 2000.0)
    candles.prices[101] = 2100
    _, sell = perfect.sell_with_price_data(WETH_USDC, D(2), candles)
    assert (sell.executed_price, position.is_closed(), cash_of(perfect.state)) == (2100.0, True, 20_200)
    assert candles.asked[1][1] == pd.Timestamp(2022, 1, 2, 0, 0, 3)


def test_a_missing_price_changes_nothing(trader: UnitTestTrader):
    is_refused(trader, KeyError, lambda: trader.buy_with_price_data(LINK_USDC, D(1), Candles()))
    is_refused(trader, InvalidValue, lambda: trader.sell_with_price_data(LINK_USDC, D(1), Candles(pair_103=np.nan)))


# --- Perfect executions


def test_a_buy_and_a_sell_as_planned(trader: UnitTestTrader):
    position, buy = trader.create(WETH_USDC, D(2), 2000.0)
    trader.set_perfectly_executed(buy)
    assert times_of(buy) == [0, 1, 2, 3]
    assert (buy.executed_price, buy.executed_quantity, buy.executed_reserve) == (2000.0, 2, 0)
    assert (buy.lp_fees_paid, buy.nonce, trader.nonce) == (2.5, 1, 2)  # type: ignore[attr-defined]
    _, sell = trader.create(WETH_USDC, D(-2), 2100.0)
    sell.lp_fees_estimated = 12.6
    trader.set_perfectly_executed(sell)
    assert (sell.executed_quantity, sell.executed_reserve, sell.lp_fees_paid) == (-2, 4200, 12.6)
    assert (position.is_closed(), cash_of(trader.state)) == (True, 20_200)


def test_cash_is_not_checked(trader: UnitTestTrader):
    _, trade = trader.create(WETH_USDC, D(11), 2000.0)
    trader.set_perfectly_executed(trade)
    assert cash_of(trader.state) == -2000


@pytest.mark.parametrize("traded", [VAULT, ACCOUNT, BRIDGE], ids=lambda traded: traded.kind.value)
def test_other_kinds_as_planned(trader: UnitTestTrader, traded: Any):
    position, trade = trader.create(traded, D(1000), 1.0)
    trader.set_perfectly_executed(trade)
    assert trade.executed_reserve == (0 if traded is VAULT else 1000)
    assert (position.get_quantity(), cash_of(trader.state)) == (1000, 19_000)
    _, back = trader.create(traded, D(-1000), 1.0)
    trader.set_perfectly_executed(back)
    assert (position.is_closed(), cash_of(trader.state)) == (True, 20_000)


def test_credit_as_planned(trader: UnitTestTrader):
    position, trade = supply(trader, "4000")
    trader.set_perfectly_executed(trade)
    assert (trade.executed_reserve, position.get_value(), cash_of(trader.state)) == (4000, 4000.0, 16_000)
    assert trade.executed_loan_update == position.loan
    _, recall = supply(trader, "-4000", closing=True)
    trader.set_perfectly_executed(recall)
    assert (position.is_closed(), cash_of(trader.state)) == (True, 20_000)


def test_a_trade_that_waits_for_a_trigger(trader: UnitTestTrader):
    position, trade, _ = trader.state.create_trade(
        trader.ts, WETH_USDC, None, D(3000), 2000.0, TradeType.market_limit, USDC, 1.0, flags={TradeFlag.triggered}
    )
    portfolio = trader.state.portfolio
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    is_refused(trader, WrongTradeStatus, lambda: trader.set_perfectly_executed(trade))
    trader.set_perfectly_executed(trade, triggered=True)
    assert (portfolio.open_positions, cash_of(trader.state)) == ({1: position}, 17_000)


def test_a_trade_is_executed_once(trader: UnitTestTrader):
    _, trade = trader.buy(WETH_USDC, D(1), 2000.0)
    is_refused(trader, WrongTradeStatus, lambda: trader.set_perfectly_executed(trade))
    is_refused(trader, WrongTradeStatus, lambda: trader.execute(trade))


# --- Interest starts in the cycle that planned the trade

CYCLE = datetime.datetime(2020, 1, 1)  # the clock of the trader says 2022


def test_interest_of_credit_runs_from_the_cycle_and_not_from_the_clock(perfect: UnitTestTrader):
    state = perfect.state
    position, trade, _ = state.supply_credit(CYCLE, CREDIT, TradeType.rebalance, USDC, 1.0, D(4000))
    perfect.set_perfectly_executed(trade)
    assert trade.executed_at == perfect.ts
    assert position.loan is not None
    assert position.loan.collateral_interest.last_event_at == CYCLE
    event = update_interest(state, position, A_USDC, D(4010), CYCLE + DAY, 1.0)
    assert (event.quantity, event.previous_update_at) == (10, CYCLE)


def test_interest_of_a_short_runs_from_the_cycle_and_not_from_the_clock(perfect: UnitTestTrader):
    state = perfect.state
    position, trade, _ = state.trade_short(
        CYCLE, SHORT, 2000.0, TradeType.rebalance, USDC, 1.0,
        borrowed_quantity=D(-1), collateral_quantity=D(1000), planned_collateral_consumption=D(2000),
    )  # fmt: skip
    perfect.set_perfectly_executed(trade)
    loan = position.loan
    assert loan is not None
    assert loan.borrowed_interest is not None
    assert loan.collateral_interest.last_event_at == loan.borrowed_interest.last_event_at == CYCLE
    events = update_leveraged_position_interest(state, position, D("1.002"), D("3003"), CYCLE + DAY, 2000.0)
    assert [event.quantity for event in events] == [D("0.002"), 3]


# --- Shorts


def test_a_short_is_opened_and_closed():
    """Numbers of example A without interest; E26 is in `test_lending.py`."""
    trader = UnitTestTrader(new_state(10_000))
    position, trade = trader.open_short(SHORT, D(1000), 2000.0, leverage=2)
    assert trade.is_planned()
    assert (trade.planned_quantity, trade.planned_reserve, trade.planned_mid_price) == (-1, 1000, 2000.0)
    assert str(trade.planned_collateral_consumption) == "1993.999999999999999875099910"
    assert (trade.planned_collateral_allocation, trade.lp_fees_estimated, trade.fee_tier) == (0, 6.0, 0.003)
    assert (trade.flags, trade.trade_type) == ({TradeFlag.open}, TradeType.rebalance)
    assert trade.executed_loan_update == trade.planned_loan_update
    assert trade.executed_loan_update is not trade.planned_loan_update
    assert (position.loan, cash_of(trader.state), trader.ts, trader.nonce) == (None, 10_000, T0 + SECOND, 1)

    trader.set_perfectly_executed(trade)
    assert times_of(trade) == [0, 1, 2, 3]
    assert (trade.executed_reserve, trade.lp_fees_paid) == (1000, 6.0)
    assert trade.executed_collateral_consumption == trade.planned_collateral_consumption
    assert cash_and_equity(trader) == (9000.0, 9994.0)
    assert position.loan is not None
    assert position.loan.collateral.asset == A_USDC

    position.revalue_base_asset(trader.ts, 1800.0)
    same, close = trader.close_short(SHORT, D("0.123"), 1800.0, leverage=7)
    assert same is position
    assert (close.planned_quantity, close.closing, close.flags) == (1, True, {TradeFlag.close})
    assert trader.ts == T0 + 4 * SECOND
    trader.set_perfectly_executed(close)
    assert (position.is_closed(), trader.state.portfolio.get_cash()) == (True, 10_188.583751253762)


def test_the_outcome_of_a_planned_short_need_not_repeat_its_collateral_moves(perfect: UnitTestTrader):
    position, trade = perfect.open_short(SHORT, D(1000), 2000.0)
    state = perfect.state
    state.start_execution(perfect.ts, trade)
    state.mark_broadcasted(perfect.ts, trade)
    state.mark_trade_success(perfect.ts, trade, 2000.0, trade.planned_quantity, D(1000), 0.0, 1.0)
    assert position.loan is not None
    assert position.loan.collateral.quantity == 1000 + (trade.planned_collateral_consumption or 0)


def test_shorts_that_make_no_sense_are_refused(trader: UnitTestTrader):
    spot_quote = pair(WETH, USDC, 0.003, 190, kind=SHORT.kind, underlying_spot_pair=WETH_USDC)
    for error, operation in (
        (InvalidValue, lambda: trader.open_short(SHORT, D(1000), 2000.0, leverage=6)),
        (InvalidValue, lambda: trader.open_short(SHORT, D(0), 2000.0)),
        (InvalidValue, lambda: trader.open_short(SHORT, D(1000), 0.0)),
        (InvalidValue, lambda: trader.open_short(WETH_USDC, D(1000), 2000.0)),
        (InvalidTrade, lambda: trader.close_short(SHORT, D(1), 2000.0)),
        (InvalidTrade, lambda: trader.close_short(WETH_USDC, D(1), 2000.0)),
        (InvalidTrade, lambda: trader.close_short(spot_quote, D(1), 2000.0)),
    ):
        is_refused(trader, error, operation)
    # Just below the highest leverage, and the fee does the rest.
    is_refused(trader, LiquidationRisked, lambda: trader.open_short(SHORT, D(1000), 2000.0, leverage=5.66))


# --- Redemptions in kind


def test_tokens_are_redeemed_in_kind(perfect: UnitTestTrader):
    """Numbers of E7, but for the sign of the value: what goes out is negative in tokens and in dollars."""
    position, _ = perfect.buy(LINK_USDC, D(400), 15.0)
    at = T0 + DAY
    event = perfect.redeem_in_kind(at, perfect.state.portfolio, position, D(100), redeemer="0x01")
    assert (event.quantity, event.old_balance, event.usd_value) == (-100, 400, -1500.0)
    assert (event.cause, event.position_type) == (
        BalanceUpdateCause.redemption,
        BalanceUpdatePositionType.open_position,
    )
    assert event.block_mined_at == event.strategy_cycle_included_at == at
    assert (event.balance_update_id, event.position_id, event.owner_address) == (1, 1, "0x01")
    assert position.balance_updates == {1: event}
    assert (position.get_quantity(), perfect.ts) == (300, T0 + 3 * SECOND)
    assert cash_and_equity(perfect) == (14_000.0, 18_500.0)
    perfect.sell(LINK_USDC, D(300), 18.0)
    assert (position.is_closed(), cash_of(perfect.state)) == (True, 19_400)


def test_a_redeemer_need_not_be_named(perfect: UnitTestTrader):
    position, _ = perfect.buy(LINK_USDC, D(400), 15.0)
    event = perfect.redeem_in_kind(T0, perfect.state.portfolio, position, D(400))
    assert event.owner_address == "0x0000000000000000000000000000000000000000"
    assert (position.get_quantity(), position.is_open()) == (0, True)


def test_a_redemption_of_lent_capital_shrinks_the_loan(perfect: UnitTestTrader):
    """The reference leaves the loan as it was, so that the investor is paid twice."""
    position, trade = supply(perfect, "4000")
    perfect.set_perfectly_executed(trade)
    perfect.redeem_in_kind(T0 + DAY, perfect.state.portfolio, position, D(1500))
    assert position.loan is not None
    assert position.loan.collateral.quantity == position.loan.get_collateral_quantity() == 2500
    assert (position.get_quantity(), position.get_value()) == (2500, 2500.0)
    assert cash_and_equity(perfect) == (16_000.0, 18_500.0)


def test_redemptions_that_are_refused(perfect: UnitTestTrader):
    position, _ = perfect.buy(LINK_USDC, D(400), 15.0)
    short, trade = perfect.open_short(SHORT, D(1000), 2000.0)
    perfect.set_perfectly_executed(trade)
    portfolio = perfect.state.portfolio
    other = UnitTestTrader(new_state())
    foreign, _ = other.buy(LINK_USDC, D(1), 15.0)
    for error, arguments in (
        (NotEnoughMoney, (T0, portfolio, position, D("400.1"))),
        (InvalidValue, (T0, portfolio, position, D(-1))),
        (InvalidValue, (T0, portfolio, position, D(0))),
        (InvalidValue, (T0, portfolio, position, 1.5)),
        (InvalidValue, (T0.replace(tzinfo=datetime.UTC), portfolio, position, D(1))),
        (UnsupportedPairKind, (T0, portfolio, short, D(1))),
        (PositionNotFound, (T0, other.state.portfolio, position, D(1))),
        (PositionNotFound, (T0, portfolio, foreign, D(1))),
    ):
        is_refused(perfect, error, lambda a=arguments: perfect.redeem_in_kind(*a))  # type: ignore[arg-type]
