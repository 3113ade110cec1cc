"""Trades through `State`, from plan to outcome, with the exact numbers of worked examples.

Expected numbers are computed independently of this code base: they are those of the reference implementation, or,
where a test says that the reference is wrong, those of the right behaviour.
"""

import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.trader import (
    BRIDGE,
    DAY,
    FAR_CHAIN,
    FAR_USDC,
    FAR_WETH_USDC,
    LINK_USDC,
    MINUTE,
    T0,
    USDC,
    VAULT,
    WBTC_USDC,
    WETH,
    WETH_USDC,
    Trader,
    cash_of,
    new_state,
)
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import (
    InvalidTrade,
    NotAvailable,
    NotEnoughMoney,
    NotEnoughTokens,
    TooSmallTrade,
    WrongPositionStatus,
    WrongTradeStatus,
)
from tradeexecutor.state.freeze import freeze_position_on_failed_trade
from tradeexecutor.state.position import TradingPosition, TriggerPriceUpdate
from tradeexecutor.state.position.pnl import calculate_pnl
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag, TradeStatus, TradeType
from tradeexecutor.state.trigger import Trigger, TriggerCondition, TriggerType


def approx(value: Any) -> Any:
    """Equal but for the order of float additions."""
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def perfect(cash: int) -> Trader:
    """A trader whose trades execute as planned, without fees."""
    return Trader(new_state(cash), lp_fees=0, price_impact=1.0)


def figures(state: State) -> tuple[float, float]:
    """Cash and total equity."""
    return state.portfolio.get_cash(), state.portfolio.calculate_total_equity()


def profit_figures(position: TradingPosition) -> dict[str, float | None]:
    return {
        "R$": position.get_realised_profit_usd(),
        "U$": position.get_unrealised_profit_usd(),
        "T$": position.get_total_profit_usd(),
        "R%": position.get_realised_profit_percent(),
        "T%": position.get_unrealised_and_realised_profit_percent(),
        "L%": position.get_total_profit_percent(),
        "U%": position.get_unrealised_profit_pct(),
    }


# --- A buy by hand (E1)


@pytest.fixture
def manual() -> tuple[State, TradingPosition, TradeExecution]:
    state = new_state(5000)
    trader = Trader(state)
    position, trade = trader.plan(WETH_USDC, "0.25", 2400.0, slippage_tolerance=0.02)
    return state, position, trade


def test_a_planned_buy_moves_no_money(manual: tuple[State, TradingPosition, TradeExecution]):
    state, position, trade = manual
    assert trade.get_status() is TradeStatus.planned
    assert figures(state) == (5000.0, 5000.0)
    assert trade.get_value() == 0.0
    assert str(trade.planned_reserve) == "600.00"
    assert position.get_quantity() == 0
    assert position.get_quantity(planned=True) == Decimal("0.25")
    assert position.get_available_trading_quantity() == Decimal("0.25")
    assert trade.portfolio_value_at_creation == position.portfolio_value_at_open == 5000.0
    assert [(delta.asset, delta.raw_amount) for delta in trade.calculate_asset_deltas()] == [
        (USDC.address, -600_000_000),
        (WETH.address, 244_999_999_999_999_995),
    ]


def test_a_started_buy_holds_its_allocation(manual: tuple[State, TradingPosition, TradeExecution]):
    state, position, trade = manual
    state.start_execution(T0 + MINUTE, trade)
    for _ in range(2):  # broadcasting changes nothing but the status
        assert figures(state) == (4400.0, 5000.0)
        assert trade.get_value() == 600.0
        assert trade.reserve_currency_allocated == Decimal(600)
        assert position.get_quantity(planned=True) == 0
        if trade.is_started():
            state.mark_broadcasted(T0 + 2 * MINUTE, trade)
    assert trade.get_status() is TradeStatus.broadcasted


def test_an_executed_buy(manual: tuple[State, TradingPosition, TradeExecution]):
    state, position, trade = manual
    state.start_execution(T0 + MINUTE, trade)
    state.mark_broadcasted(T0 + 2 * MINUTE, trade)
    state.mark_trade_success(
        T0 + 3 * MINUTE, trade, 2412.5, Decimal("0.2475"), Decimal(0), 1.8, 3000.0, cost_of_gas=Decimal("0.002")
    )
    assert trade.get_status() is TradeStatus.success
    assert figures(state) == (4400.0, 4994.0)
    assert trade.get_value() == 597.09375
    assert trade.reserve_currency_allocated == 0
    assert position.last_token_price == 2400.0, "trades do not reprice"
    assert position.get_value() == 594.0
    assert position.get_average_buy() == 2412.5
    assert profit_figures(position) == {
        "R$": None,
        "U$": approx(-3.09375),
        "T$": approx(-3.09375),
        "R%": 0,
        "T%": approx(-0.0051813471502590676),
        "L%": approx(-0.0051813471502590676),
        "U%": approx(-0.0051813471502590676),
    }
    assert trade.get_slippage() == approx(0.005208333333333333)
    assert trade.get_cost_of_gas_usd() == 6.0
    assert trade.get_fees_paid() == 1.8
    assert trade.get_decision_lag() == trade.get_execution_lag() == MINUTE
    assert trade.get_settlement_lag() == 2 * MINUTE
    assert position.share_price_state is not None
    assert position.share_price_state.total_supply == 597.09375


# --- Buys and sells (E2-E4)


def test_default_trader_buys_twice_and_sells_twice():
    """Numbers of E2."""
    state = new_state(3000)
    trader = Trader(state)
    position, trade = trader.buy(WETH_USDC, "0.2", 2500.0)
    assert figures(state) == approx((2500.0, 2995.0))
    assert (trade.executed_price, str(trade.executed_quantity)) == (2475.0, "0.1979999999999999982236431606")
    assert position.get_unrealised_profit_usd() == approx(4.95)

    trader.buy(WETH_USDC, "0.3", 2600.0)
    assert figures(state) == approx((1720.0, 2957.5))
    assert str(position.get_quantity()) == "0.4949999999999999955591079015"
    assert position.get_average_buy() == approx(2534.4)
    assert position.get_total_bought_usd() == approx(1254.528)
    assert position.get_value() == approx(1237.5)
    assert profit_figures(position) == {
        "R$": None,
        "U$": approx(-17.028),
        "T$": approx(-17.028),
        "R%": 0,
        "T%": approx(-0.01357323232323234),
        "L%": approx(-0.01357323232323234),
        "U%": approx(-0.01357323232323234),
    }

    _, sale = trader.sell(WETH_USDC, "0.2", 2700.0)
    assert figures(state) == approx((2254.6, 2992.1))
    assert sale.executed_price == 2673.0
    assert float(sale.executed_reserve or 0) == 534.6
    assert profit_figures(position) == {
        "R$": approx(27.72),
        "U$": approx(-10.148),
        "T$": approx(17.572),
        "R%": approx(0.0546875),
        "T%": approx(0.014006861544740243),
        "L%": approx(0.014006861544740243),
        "U%": approx(-10.148 / 1254.528),
    }

    trader.sell(WETH_USDC, position.get_quantity(), 2700.0)
    assert figures(state) == approx((3043.135, 3043.135))
    assert position.is_closed()
    assert state.portfolio.closed_positions == {1: position}
    assert state.portfolio.open_positions == {}
    assert str(cash_of(state)) == "3043.134999999999988129495421"
    assert position.get_total_sold_usd() == approx(1323.135)
    assert profit_figures(position) == {
        "R$": approx(68.607),
        "U$": approx(0.0),
        "T$": approx(68.607),
        "R%": approx(0.0546875),
        "T%": approx(0.0546875),
        "L%": approx(0.0546875),
        "U%": approx(0.0),
    }
    assert position.get_total_lp_fees_paid() == 10.0
    assert trader.ts == datetime.datetime(2022, 1, 1, 0, 0, 12)
    assert position.closed_at == trader.ts


@pytest.fixture
def partly_sold() -> tuple[Trader, TradingPosition]:
    """2 bought at 1500, 1 at 1800, 1.2 sold at 2000."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "2", 1500.0)
    trader.buy(WETH_USDC, "1", 1800.0)
    trader.sell(WETH_USDC, "1.2", 2000.0)
    return trader, position


def table(row: str) -> dict[str, Any]:
    """Expected profit figures from a line of numbers: R$ U$ T$ R% T% L% U%."""
    return {
        name: None if text == "None" else approx(float(text))
        for name, text in zip(("R$", "U$", "T$", "R%", "T%", "L%", "U%"), row.split(), strict=True)
    }


def test_profit_at_every_step_of_a_position():
    """Numbers of E3."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "2", 1500.0)
    trader.buy(WETH_USDC, "1", 1800.0)
    assert figures(trader.state) == (15200.0, 19700.0)
    assert profit_figures(position) == table("None -300 -300 0 -0.0625 -0.0625 -0.0625")

    trader.sell(WETH_USDC, "1.2", 2000.0)
    assert figures(trader.state) == approx((17600.0, 20300.0))
    assert profit_figures(position) == table("480 -180 300 0.25 0.0625 0.0625 -0.0375")

    position.revalue_base_asset(trader.ts, 2100.0)
    assert figures(trader.state) == approx((17600.0, 21380.0))
    assert profit_figures(position) == table("480 900 1380 0.25 0.2875 0.2875 0.1875")

    trader.ts = position.opened_at + 73 * DAY
    trader.sell(WETH_USDC, "1.8", 2100.0)
    assert figures(trader.state) == approx((21380.0, 21380.0))
    assert profit_figures(position) == table("1380 0 1380 0.2875 0.2875 0.2875 0")
    assert position.is_closed()
    assert position.get_value_at_open() == 3000.0
    assert position.get_value_at_close() == approx(3780.0)
    assert position.get_capital_tied_at_open_pct() == 0.15
    shares = position.get_share_price_profit()
    assert (shares.profit_pct, shares.profit_usd) == approx((0.3125, 1380.0))


def test_the_methods_of_profit_agree_on_a_partly_sold_position(partly_sold: tuple[Trader, TradingPosition]):
    """Numbers of E3 at its revaluation."""
    _, position = partly_sold
    end_at = position.opened_at + 73 * DAY
    position.revalue_base_asset(end_at, 2100.0)
    assert position.get_average_buy() == approx(1600.0)
    assert position.get_average_sell() == approx(2000.0)
    assert position.get_unrealised_and_realised_profit_percent(1000.0) == approx(-0.125)
    assert position.get_size_relative_realised_profit_percent() == approx(0.0375)
    assert position.get_size_relative_unrealised_or_realised_profit_percent() == approx(0.043125)
    assert position.calculate_annualised_profit(73 * DAY) == approx(1.4375)

    pnl = calculate_pnl(position, end_at=end_at)
    assert (pnl.profit_usd, pnl.profit_pct, pnl.realised_usd, pnl.unrealised_usd) == approx((1380, 0.2875, 480, 900))
    assert pnl.profit_pct_annualised == approx(2.5378237130737316)
    marked = calculate_pnl(position, end_at=end_at, mark_price=1900.0)
    assert (marked.profit_usd, marked.profit_pct, marked.realised_usd, marked.unrealised_usd) == approx(
        (1020, 0.2125, 480, 540)
    )
    assert marked.profit_pct_annualised == approx(1.6206482717895496)

    shares = position.get_share_price_profit(end_at=end_at)
    assert (shares.current_share_price, shares.total_supply, shares.total_assets) == approx((1.3125, 2880, 3780))
    assert (shares.profit_pct, shares.profit_usd) == approx((0.3125, 900))
    stored = position.share_price_state
    assert stored is not None
    assert (
        stored.current_share_price,
        stored.cumulative_quantity,
        stored.total_invested,
        stored.peak_total_supply,
    ) == approx((1.25, 1.8, 4800, 4800))


def test_an_overflowing_annual_profit_is_capped():
    """Numbers of E4: two trades six seconds apart."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "2", 1500.0)
    trader.sell(WETH_USDC, "2", 1600.0)
    pnl = calculate_pnl(position)
    assert (pnl.profit_usd, pnl.profit_pct, pnl.profit_pct_annualised) == approx((200.0, 0.06666666666666667, 100.0))


def test_quantities_made_of_floats_keep_their_binary_digits():
    """Numbers of E30."""
    state = new_state(20_000)
    trader = Trader(state)
    position, trade = trader.buy(WETH_USDC, Decimal(0.3), 1999.99)  # noqa: RUF032
    assert str(trade.planned_reserve) == "599.9969999999999805241346351"
    assert str(trade.executed_quantity) == "0.2969999999999999863442567971"
    assert trade.executed_price == approx(1979.9901)
    assert position.get_value() == approx(593.99703)
    assert state.portfolio.calculate_total_equity() == approx(19994.00003)
    assert str(cash_of(state)) == "19400.00300000000001947586536"
    _, sale = trader.sell(WETH_USDC, position.get_quantity() / 3, 2050.0)
    assert str(sale.executed_reserve) == "200.9204999999999907618897232"
    assert str(position.get_quantity()) == "0.1979999999999999908961711981"
    assert str(cash_of(state)) == "19600.92350000000001023775508"
    assert state.portfolio.calculate_total_equity() == approx(19996.92152)
    assert position.get_realised_profit_usd() == approx(4.9014801000000014)


# --- Failures (E5, E6, E17)


def test_a_failed_buy_gives_its_allocation_back():
    """Numbers of E5."""
    state = new_state(5000)
    trader = Trader(state)
    position, trade = trader.plan(LINK_USDC, price=15.0, reserve="750")
    assert trade.planned_quantity == 50
    trader.start(trade)
    trader.broadcast(trade)
    trader.fail(trade)
    assert figures(state) == (5000.0, 5000.0)
    assert trade.get_status() is TradeStatus.failed
    assert trade.reserve_currency_allocated == 750, "kept as evidence"
    assert (trade.get_value(), trade.get_volume(), trade.get_fees_paid()) == (750.0, 0, 0)
    assert position.is_open()
    assert position.get_quantity() == 0
    assert position.can_be_closed()
    assert position.get_unrealised_and_realised_profit_percent() == 0
    with pytest.raises(NotAvailable):
        position.get_opening_price()

    freeze_position_on_failed_trade(trader.ts, state, [trade])
    assert state.portfolio.frozen_positions == {1: position}
    assert position.get_realised_profit_usd() == 0
    assert position.get_freeze_reason() == "Could not extract freeze reason"


def test_a_buy_that_fails_before_it_is_broadcasted_gives_its_allocation_back():
    trader = perfect(1000)
    _, trade = trader.plan(WETH_USDC, "0.1", 2000.0)
    trader.start(trade)
    trader.fail(trade)
    assert figures(trader.state) == (1000.0, 1000.0)


def test_a_failed_sell_keeps_the_tokens():
    """Numbers of E6 up to the freezing."""
    trader = perfect(10_000)
    state = trader.state
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    _, sale = trader.plan(WETH_USDC, "-0.5", 2200.0)
    assert position.get_available_trading_quantity() == Decimal("1.5")
    assert position.get_realised_profit_usd() == 0.0
    trader.start(sale)
    assert position.get_available_trading_quantity() == 2
    assert sale.reserve_currency_allocated is None
    trader.broadcast(sale)
    trader.fail(sale)
    assert figures(state) == (6000.0, 10000.0)
    assert (position.get_realised_profit_usd(), position.get_total_profit_usd()) == (0.0, 0)
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.275), "failed volume counts, as recorded"

    freeze_position_on_failed_trade(trader.ts, state, [sale])
    assert figures(state) == (6000.0, 6000.0), "equity leaves frozen positions out"
    assert state.portfolio.get_net_asset_value() == 10000.0
    assert state.portfolio.get_frozen_position_equity() == 4000.0
    assert position.get_realised_profit_usd() == 0


def test_a_frozen_position_that_is_emptied_closes():
    """The reference refuses half-way: the money is booked, the position stays frozen."""
    trader = perfect(10_000)
    state = trader.state
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    failing, rest = trader.plan(WETH_USDC, "-0.5", 2200.0)[1], trader.plan(WETH_USDC, "-1.5", 2200.0)[1]
    for trade in (failing, rest):
        trader.start(trade)
        trader.broadcast(trade)
    trader.fail(failing)
    freeze_position_on_failed_trade(trader.ts, state, [failing])
    trader.succeed(rest, quantity=Decimal(-2))
    assert state.portfolio.closed_positions == {1: position}
    assert state.portfolio.frozen_positions == {}
    assert position.closed_at == trader.ts
    assert figures(state) == (10400.0, 10400.0)
    state.perform_integrity_check()


def test_a_failed_or_started_buy_distorts_only_the_percentage_that_is_recorded_so():
    """Numbers of E17."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    _, second = trader.plan(WETH_USDC, "1", 2000.0)
    assert position.get_unrealised_and_realised_profit_percent() == 0.0
    trader.start(second)
    assert position.get_unrealised_and_realised_profit_percent() == approx(-0.5)
    trader.broadcast(second)
    trader.fail(second)
    position.revalue_base_asset(trader.ts, 2200.0)
    assert trader.state.portfolio.calculate_total_equity() == approx(20200.0)
    assert position.get_unrealised_and_realised_profit_percent() == approx(-0.45)
    assert position.get_unrealised_profit_usd() == approx(200.0)
    assert position.get_total_profit_percent() == approx(0.1)
    assert calculate_pnl(position, end_at=trader.ts).profit_pct == approx(0.1)


@pytest.mark.parametrize(
    "mark",
    [
        {"retain_reserve_allocation_on_failure": True},
        {"hypercore_deposit_capital_at_risk": {"amount_raw": 1}},
        {"hypercore_deposit_capital_at_risk": {}},
    ],
)
def test_capital_that_is_stuck_elsewhere_is_not_refunded(mark: dict[str, Any]):
    trader = perfect(1000)
    _, trade = trader.plan(WETH_USDC, "0.1", 2000.0)
    trade.other_data = mark
    trader.start(trade)
    trader.fail(trade)
    assert cash_of(trader.state) == 800


# --- Redemptions in kind (E7, E8)


def test_a_redemption_before_the_sell():
    """Numbers of E7."""
    trader = perfect(20_000)
    state = trader.state
    position, _ = trader.buy(LINK_USDC, "400", 15.0)
    event = trader.redeem_in_kind(trader.ts, trader.state.portfolio, position, Decimal(100))
    assert (event.quantity, event.old_balance) == (-100, 400)
    assert position.get_quantity() == 300
    assert state.portfolio.calculate_total_equity() == 18500.0
    assert position.get_average_buy() == 15.0
    assert position.get_unrealised_and_realised_profit_percent() == 0.0
    assert position.get_unrealised_and_realised_profit_percent(18.0) == approx(0.2)

    trader.sell(LINK_USDC, "300", 18.0)
    assert cash_of(state) == 19400
    assert position.is_closed()
    assert position.get_realised_profit_usd() == approx(900.0)
    assert position.get_total_profit_percent() == approx(0.15)
    assert position.get_realised_profit_percent() == approx(0.2)
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.2)
    assert position.get_size_relative_unrealised_or_realised_profit_percent() == approx(0.06)


def test_a_redemption_between_two_sells():
    """Numbers of E8."""
    trader = perfect(20_000)
    state = trader.state
    position, _ = trader.buy(LINK_USDC, "400", 15.0)
    trader.sell(LINK_USDC, "150", 18.0)
    assert figures(state) == approx((16700.0, 20450.0))
    assert (position.get_realised_profit_usd(), position.get_realised_profit_percent()) == approx((450.0, 0.2))
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.075)
    trader.redeem_in_kind(trader.ts, trader.state.portfolio, position, Decimal(100))
    assert state.portfolio.calculate_total_equity() == approx(18950.0)
    assert position.get_quantity() == 150
    assert (position.get_realised_profit_usd(), position.get_realised_profit_percent()) == approx((450.0, 0.2))
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.1)
    trader.sell(LINK_USDC, "150", 21.0)
    assert cash_of(state) == 19850
    assert position.get_realised_profit_usd() == approx(1350.0)
    assert position.get_average_sell() == approx(19.5)
    assert position.get_realised_profit_percent() == approx(0.3)
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.3)
    assert position.get_total_profit_percent() == approx(0.225)


def test_a_redemption_of_everything_leaves_the_position_open():
    """Variant of E8."""
    trader = perfect(20_000)
    position, _ = trader.buy(LINK_USDC, "400", 15.0)
    trader.sell(LINK_USDC, "150", 18.0)
    trader.redeem_in_kind(trader.ts, trader.state.portfolio, position, Decimal(250))
    assert position.get_quantity() == 0
    assert figures(trader.state) == approx((16700.0, 16700.0))
    assert position.can_be_closed()
    assert position.is_open()
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.2)
    assert position.get_share_price_profit(end_at=trader.ts).profit_pct == approx(-1.0), "as recorded figures"


# --- Several positions, dust, too much, too little (E9-E14)


def test_unrealised_profit_of_two_positions():
    """Numbers of E9."""
    trader = perfect(20_000)
    portfolio = trader.state.portfolio
    ether, _ = trader.buy(WETH_USDC, "1.5", 2000.0)
    bitcoin, _ = trader.buy(WBTC_USDC, "0.1", 60_000.0)
    ether.revalue_base_asset(trader.ts, 2250.0)
    bitcoin.revalue_base_asset(trader.ts, 57_000.0)
    assert figures(trader.state) == approx((11000.0, 20075.0))
    assert (ether.get_unrealised_profit_usd(), bitcoin.get_unrealised_profit_usd()) == approx((375.0, -300.0))
    assert portfolio.get_unrealised_profit_usd() == approx(75.0)
    assert (ether.get_unrealised_profit_pct(), bitcoin.get_unrealised_profit_pct()) == approx((0.125, -0.05))
    assert (ether.get_capital_tied_at_open_pct(), bitcoin.get_capital_tied_at_open_pct()) == approx((0.15, 0.3))
    assert portfolio.calculate_total_equity_chain() == {1: approx(20075.0)}


def test_a_sell_that_leaves_dust_closes_the_position():
    """Numbers of E10."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    trader.sell(WETH_USDC, "0.9999998", 2000.0)
    assert position.is_open()
    assert position.get_quantity() == Decimal("2E-7")
    assert position.get_value() == approx(0.0004)
    trader.sell(WETH_USDC, "0.00000015", 2000.0)
    assert position.is_closed()
    assert position.get_quantity() == Decimal("5E-8")
    assert position.get_value() == 0.0
    assert position.get_equity() == approx(0.0001)
    assert cash_of(trader.state) == Decimal("19999.9999")


@pytest.mark.parametrize(
    ("pair", "left", "closes"),
    [
        (WETH_USDC, "1E-7", False),  # the limit is the float 1e-7, a little less
        (WETH_USDC, "9.9E-8", True),
        (LINK_USDC, "1E-10", True),
        (LINK_USDC, "2E-10", False),
    ],
)
def test_what_counts_as_dust_depends_on_the_token(pair: Any, left: str, closes: bool):
    trader = perfect(20_000)
    position, _ = trader.buy(pair, "1", 2000.0)
    trader.sell(pair, 1 - Decimal(left), 2000.0)
    assert position.is_closed() is closes


def test_selling_more_than_there_is_closes_the_position():
    """Numbers of E11."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    _, sale = trader.plan(WETH_USDC, "-1", 2100.0)
    trader.start(sale)
    trader.broadcast(sale)
    before = trader.state.to_json()
    with pytest.raises(NotEnoughTokens) as error:
        trader.succeed(sale, quantity=Decimal("-1.25"))
    assert (error.value.available, error.value.needed) == (1, Decimal("1.25"))
    assert trader.state.to_json() == before
    sale.blockchain_transactions = [BlockchainTransaction(tx_hash="0x01", status=True)]  # it happened all the same
    trader.succeed(sale, quantity=Decimal("-1.25"))
    assert position.is_closed()
    assert position.get_quantity() == Decimal("-0.25")
    assert cash_of(trader.state) == 20625
    assert position.get_realised_profit_usd() == approx(125.0)
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.0625)
    assert position.get_realised_profit_percent() == approx(0.05)


def test_a_buy_without_money_stays_planned():
    """Numbers of E12."""
    trader = perfect(1000)
    state = trader.state
    with pytest.raises(NotEnoughMoney) as error:
        trader.buy(WETH_USDC, "1", 2000.0)
    assert (error.value.available, error.value.needed) == (1000, 2000)
    assert figures(state) == (1000.0, 1000.0)
    position = state.portfolio.open_positions[1]
    assert [trade.get_status() for trade in position.trades.values()] == [TradeStatus.planned]
    assert (state.portfolio.next_position_id, state.portfolio.next_trade_id) == (2, 2)
    assert trader.nonce == 1


def test_without_the_check_cash_may_become_negative():
    """E12: in a batch, sells that run later pay for the buy."""
    trader = perfect(1000)
    trader.buy(WETH_USDC, "1", 2000.0, underflow_check=False)
    assert figures(trader.state) == (-1000.0, 1000.0)


def test_a_buy_that_misses_a_fraction_of_a_raw_unit_takes_what_is_there():
    """Numbers of E13."""
    state = new_state("100.0000000")
    trader = Trader(state)
    _, trade = trader.plan(LINK_USDC, price=12.5, reserve="100.0000005")
    assert trade.planned_quantity == Decimal("8.00000004")
    trader.start(trade)
    assert (str(trade.planned_reserve), str(trade.planned_quantity)) == ("100.0000000", "8.000000")
    assert trade.reserve_currency_allocated == 100
    assert cash_of(state) == 0


def test_a_buy_that_misses_a_whole_raw_unit_is_refused():
    """E13."""
    trader = Trader(new_state("100.0000000"))
    _, trade = trader.plan(LINK_USDC, price=12.5, reserve="100.000001")
    with pytest.raises(NotEnoughMoney):
        trader.start(trade)
    assert trade.planned_reserve == Decimal("100.000001")


@pytest.mark.parametrize(
    ("pair", "quantity", "error"),
    [(LINK_USDC, "1E-10", TooSmallTrade), (WETH_USDC, "9E-8", TooSmallTrade), (WETH_USDC, "0", InvalidTrade)],
)
def test_a_trade_of_dust_is_refused_and_leaves_nothing_behind(pair: Any, quantity: str, error: type[Exception]):
    """E14, done right: the reference leaves a position, a trade and used up ids behind."""
    state = new_state()
    before = state.to_json()
    with pytest.raises(error):
        Trader(state).plan(pair, quantity, 1.0)
    assert state.to_json() == before
    position, trade = Trader(state).plan(WETH_USDC, "1E-7", 1.0)
    assert (position.position_id, trade.trade_id) == (1, 1)


# --- Stop losses (E15, E16)


def stop_loss_sale(trader: Trader, price: float) -> TradeExecution:
    _, trade = trader.plan(WETH_USDC, "-3", price, trade_type=TradeType.stop_loss, closing=True)
    return trade


def test_a_stop_loss_closes_at_a_loss():
    """Numbers of E15."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "3", 2000.0)
    position.stop_loss = 1900.0
    assert (position.get_loss_risk_at_open(), position.get_loss_risk_at_open_pct()) == approx((300.0, 0.015))
    trade = stop_loss_sale(trader, 1890.0)
    assert trade.flags == {TradeFlag.close}
    assert trade.get_execution_sort_position() == -100_000_002
    assert position.is_about_to_close()
    trader.execute(trade)
    assert cash_of(trader.state) == 19670
    assert position.get_realised_profit_usd() == approx(-330.0)
    assert position.get_realised_profit_percent() == approx(-0.055)
    assert position.get_unrealised_and_realised_profit_percent() == approx(-0.055)
    assert (position.is_stop_loss(), position.is_trailing_stop_loss()) == (True, False)


def test_a_trailing_stop_loss_remembers_where_it_started():
    """Numbers of E16."""
    trader = perfect(20_000)
    position, _ = trader.buy(WETH_USDC, "3", 2000.0)
    position.trailing_stop_loss_pct = 0.95
    position.trigger_updates.append(TriggerPriceUpdate(trader.ts, 2200.0, 1900.0, 2090.0))
    position.stop_loss = 2090.0
    trader.execute(stop_loss_sale(trader, 2080.0))
    assert cash_of(trader.state) == 20240
    assert position.get_original_stop_loss() == 1900.0
    assert position.is_trailing_stop_loss()
    assert position.get_loss_risk_at_open() == approx(270.0), "the current stop counts"
    assert position.get_realised_profit_percent() == approx(0.04)


def test_the_flags_of_the_caller_are_not_changed():
    """The reference adds `close` to the caller's own set."""
    flags = {TradeFlag.reduce}
    trader = perfect(20_000)
    trader.buy(WETH_USDC, "3", 2000.0)
    _, trade = trader.plan(WETH_USDC, "-3", 2000.0, closing=True, flags=flags)
    assert flags == {TradeFlag.reduce}
    assert trade.flags == {TradeFlag.reduce, TradeFlag.close}


# --- Which position a trade goes to (E18)


def test_close_and_reopen_in_the_same_cycle():
    """E18, done right: the reference opens another position for every further buy."""
    trader = perfect(20_000)
    state = trader.state
    first, _ = trader.buy(LINK_USDC, "100", 15.0)
    _, sale = trader.plan(LINK_USDC, "-100", 15.0)
    assert first.is_about_to_close()
    second, _ = trader.plan(LINK_USDC, "60", 15.0)
    third, _ = trader.plan(LINK_USDC, "10", 15.0)
    assert (first.position_id, second.position_id, third.position_id) == (1, 2, 2)
    trader.execute(sale)
    assert trader.plan(LINK_USDC, "5", 15.0)[0].position_id == 2
    apart, trade = trader.plan(LINK_USDC, "5", 15.0, flags={TradeFlag.ignore_open})
    assert apart.position_id == 3
    assert trade.flags == {TradeFlag.ignore_open, TradeFlag.open}
    assert sorted(state.portfolio.open_positions) == [2, 3]
    state.perform_integrity_check()


def test_ignore_open_wins_over_an_explicit_position():
    trader = perfect(20_000)
    position, _ = trader.buy(LINK_USDC, "100", 15.0)
    apart, _ = trader.plan(LINK_USDC, "5", 15.0, position=position, flags={TradeFlag.ignore_open})
    assert apart.position_id == 2


def test_create_trade_tells_whether_the_position_is_new():
    state = new_state()
    args: Any = (T0, WETH_USDC, Decimal(1), None, 2000.0, TradeType.rebalance, USDC, 1.0)
    position, _, created = state.create_trade(*args)
    assert created is True
    assert state.create_trade(*args)[::2] == (position, False)


def test_notes_go_to_trade_and_position():
    trader = perfect(20_000)
    position, trade = trader.plan(WETH_USDC, "1", 2000.0, notes="Because")
    assert (position.notes, trade.notes) == ("Because\n", "Because\n")
    _, silent = trader.plan(WETH_USDC, "1", 2000.0, notes="")
    assert (position.notes, silent.notes) == ("Because\n", None)


# --- Writing off (E19)


def test_a_marked_down_position_is_worth_nothing_and_closed():
    """E19, done right: the reference leaves the position among the open ones."""
    trader = perfect(10_000)
    state = trader.state
    position, _ = trader.buy(LINK_USDC, "100", 15.0)
    state.portfolio.mark_down_position(position)
    assert figures(state) == (8500.0, 8500.0)
    assert position.get_value() == 0.0
    assert (position.is_closed(), position.is_frozen(), position.is_marked_down()) == (True, False, True)
    assert state.portfolio.closed_positions == {1: position}
    assert state.portfolio.open_positions == {}
    assert position.get_unrealised_profit_usd() == approx(-1500.0)
    assert position.get_unrealised_and_realised_profit_percent() == approx(-1.0)
    assert type(position.last_token_price) is float
    state.perform_integrity_check()
    assert State.read_json_blob(state.to_json()).to_json() == state.to_json()


# --- Vaults (E22, E23)


def test_a_vault_that_settles_at_once():
    """Numbers of E22."""
    trader = perfect(20_000)
    state = trader.state
    position, deposit = trader.plan(VAULT, price=1.25, reserve="5000")
    assert deposit.planned_quantity == 4000
    assert deposit.get_execution_sort_position() == 50_000_001
    assert deposit.get_action_verb() == "Buy"
    trader.execute(deposit)
    assert position.get_value() == approx(5000.0)
    assert position.other_data == {
        "vault_lockup_expires_at": (trader.ts + 3 * DAY).isoformat(),
        "vault_lockup_estimated": True,
    }
    position.revalue_base_asset(trader.ts, 1.30)
    assert state.portfolio.calculate_total_equity() == approx(20200.0)
    assert position.get_unrealised_profit_usd() == approx(200.0)
    assert position.get_unrealised_and_realised_profit_percent() == approx(0.04)
    trader.sell(VAULT, "4000", 1.30)
    assert float(cash_of(state)) == approx(20200.0)
    assert position.is_closed()
    assert position.get_realised_profit_percent() == approx(0.04)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param({}, "new", id="none yet"),
        pytest.param({"vault_lockup_expires_at": None}, None, id="known to be free"),
        pytest.param({"vault_lockup_expires_at": "2030-01-01T00:00:00"}, "2030-01-01T00:00:00", id="read from vault"),
        pytest.param(
            {"vault_lockup_expires_at": "2020-01-01T00:00:00", "vault_lockup_estimated": True}, "new", id="older"
        ),
        pytest.param(
            {"vault_lockup_expires_at": "2030-01-01T00:00:00", "vault_lockup_estimated": True},
            "2030-01-01T00:00:00",
            id="later",
        ),
        pytest.param({"vault_lockup_expires_at": "soon", "vault_lockup_estimated": True}, "new", id="unreadable"),
    ],
)
def test_a_lockup_estimate_never_replaces_what_the_vault_said(stored: dict[str, Any], expected: str | None):
    trader = perfect(20_000)
    position, deposit = trader.plan(VAULT, price=1.25, reserve="5000")
    position.other_data = stored
    trader.execute(deposit)
    assert position.other_data["vault_lockup_expires_at"] == (
        (trader.ts + 3 * DAY).isoformat() if expected == "new" else expected
    )


def test_a_deposit_to_an_asynchronous_vault_is_counted_once():
    """E23, done right: the reference counts it twice while it is started, 25000 for 20000."""
    trader = perfect(20_000)
    portfolio = trader.state.portfolio
    position, deposit = trader.plan(VAULT, price=1.25, reserve="5000")
    trader.start(deposit)
    assert portfolio.calculate_total_equity() == approx(20_000.0)
    deposit.other_data = {"vault_async_flow": True}
    assert portfolio.calculate_total_equity() == approx(20_000.0)
    trader.broadcast(deposit)
    deposit.vault_settlement_pending_at = trader.ts
    assert deposit.get_status() is TradeStatus.vault_settlement_pending
    assert portfolio.calculate_total_equity() == approx(20_000.0)
    assert position.get_value() == 0.0
    assert portfolio.get_vault_settlement_pending_value() == 5000.0
    assert portfolio.calculate_total_equity_chain() == {1: approx(15_000.0)}
    deposit.vault_settlement_pending_at = None
    trader.succeed(deposit)
    assert portfolio.calculate_total_equity() == approx(20_000.0)
    assert position.get_quantity() == 4000


def test_shares_under_redemption_are_not_available():
    """E23."""
    trader = perfect(20_000)
    position, deposit = trader.plan(VAULT, price=1.25, reserve="5000")
    trader.execute(deposit)
    _, redemption = trader.plan(VAULT, "-1000", 1.25)
    trader.start(redemption)
    redemption.other_data = {"vault_async_flow": True, "vault_settlement_request_quantity": "-900"}
    assert position.get_available_trading_quantity() == 3100
    assert list(position.get_held_assets()) == [(VAULT.base, Decimal(3100))]
    assert trader.state.portfolio.get_vault_settlement_pending_value() == 0
    assert trader.state.portfolio.calculate_total_equity() == approx(20_000.0)


# --- Capital on another chain (spot part of E24)


def bridged(trader: Trader, amount: int) -> TradingPosition:
    """A bridge position that holds `amount` on the other chain."""
    portfolio = trader.state.portfolio
    position = portfolio.open_new_position(trader.ts, BRIDGE, 1.0, USDC, 1.0)
    trade = position.open_trade(
        trader.ts, portfolio.next_trade_id, None, Decimal(amount), 1.0, TradeType.rebalance, USDC, 1.0
    )
    portfolio.next_trade_id += 1
    portfolio.adjust_reserves(USDC, -Decimal(amount))
    trade.started_at = trade.broadcasted_at = trade.executed_at = trader.ts
    trade.executed_quantity, trade.executed_price, trade.executed_reserve = Decimal(amount), 1.0, Decimal(amount)
    return position


def test_a_trade_on_another_chain_is_paid_from_the_bridge():
    """Numbers of E24."""
    trader = perfect(10_000)
    portfolio = trader.state.portfolio
    bridge = bridged(trader, 6000)
    assert figures(trader.state) == (4000.0, 10000.0)
    _, trade = trader.plan(FAR_WETH_USDC, "2", 2000.0)
    trader.start(trade)
    assert (trade.bridge_currency_allocated, trade.reserve_currency_allocated) == (4000, None)
    assert figures(trader.state) == (4000.0, 10000.0)
    trader.broadcast(trade)
    trader.succeed(trade)
    assert figures(trader.state) == (4000.0, 10000.0)
    assert (bridge.bridge_capital_allocated, bridge.get_available_bridge_capital()) == (4000, 2000)
    assert portfolio.calculate_total_equity_chain() == {1: 4000.0, FAR_CHAIN: 6000.0}
    trader.sell(FAR_WETH_USDC, "2", 2300.0)
    assert figures(trader.state) == (4000.0, 10600.0)
    assert (bridge.bridge_capital_allocated, bridge.get_available_bridge_capital()) == (-600, 6600)
    assert portfolio.calculate_total_equity_chain() == {1: 4000.0, FAR_CHAIN: 6600.0}


def test_a_failed_buy_on_another_chain_gives_its_capital_back_to_the_bridge():
    trader = perfect(10_000)
    bridge = bridged(trader, 6000)
    trader.start_and_fail(FAR_WETH_USDC, "2", 2000.0)
    assert bridge.bridge_capital_allocated == 0
    assert figures(trader.state) == (4000.0, 10000.0)


def test_a_buy_on_another_chain_cannot_spend_more_than_was_bridged():
    trader = perfect(10_000)
    bridge = bridged(trader, 6000)
    with pytest.raises(NotEnoughMoney):
        trader.buy(FAR_WETH_USDC, "3.5", 2000.0)
    assert bridge.bridge_capital_allocated == 0


def test_unspent_bridge_capital_comes_back():
    trader = perfect(10_000)
    bridge = bridged(trader, 6000)
    _, trade = trader.plan(FAR_WETH_USDC, "2", 2000.0)
    trader.start(trade)
    trader.broadcast(trade)
    trader.succeed(trade, 1900.0, Decimal(2), Decimal(3800))
    assert bridge.bridge_capital_allocated == 3800
    assert cash_of(trader.state) == 4000


def test_a_sell_reopens_the_bridge_that_was_closed():
    """Numbers of E24."""
    trader = perfect(10_000)
    portfolio = trader.state.portfolio
    bridge = bridged(trader, 1000)
    trader.buy(FAR_WETH_USDC, "0.5", 2000.0)
    portfolio.close_position(bridge, trader.ts)
    trader.sell(FAR_WETH_USDC, "0.5", 2300.0)
    assert portfolio.open_positions == {bridge.position_id: bridge}
    assert (bridge.is_open(), bridge.last_trade_at) == (True, trader.ts)
    assert (bridge.bridge_capital_allocated, bridge.get_available_bridge_capital()) == (-150, 1150)
    assert figures(trader.state) == (9000.0, 10150.0)
    assert FAR_USDC != USDC


# --- What the reference loses


def test_unspent_allocation_comes_back_on_success():
    """The reference never gives it back."""
    trader = perfect(1000)
    _, trade = trader.plan(WETH_USDC, "0.25", 2000.0)
    trader.start(trade)
    trader.broadcast(trade)
    trader.succeed(trade, 1960.0, Decimal("0.25"), Decimal(490))
    assert cash_of(trader.state) == 510


def test_a_position_is_not_closed_under_a_buy_in_flight():
    """Selling everything while another buy of the same position runs must not make its capital invisible."""
    trader = perfect(10_000)
    state = trader.state
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    buy, sale = trader.plan(WETH_USDC, "2", 2000.0)[1], trader.plan(WETH_USDC, "-1", 2000.0)[1]
    for trade in (buy, sale):
        trader.start(trade)
        trader.broadcast(trade)
    trader.succeed(sale)
    assert figures(state) == (6000.0, 10_000.0)
    trader.succeed(buy)
    assert figures(state) == (6000.0, 10_000.0)
    assert position.get_quantity() == 2
    assert position.is_open()


def test_trade_and_position_know_the_equity_of_their_time():
    trader = perfect(10_000)
    trader.buy(WETH_USDC, "1", 2000.0)
    trader.state.portfolio.open_positions[1].revalue_base_asset(trader.ts, 3000.0)
    position, trade = trader.plan(LINK_USDC, "1", 10.0)
    assert trade.portfolio_value_at_creation == position.portfolio_value_at_open == 11_000.0


def test_starting_all_trades_records_the_slippage():
    trader = perfect(10_000)
    trades = [trader.plan(pair, "1", 100.0)[1] for pair in (WETH_USDC, LINK_USDC)]
    trader.state.start_execution_all(trader.ts, trades, max_slippage=0.02)
    assert [trade.get_status() for trade in trades] == [TradeStatus.started] * 2
    assert [trade.planned_max_slippage for trade in trades] == [0.02] * 2
    assert cash_of(trader.state) == 9800


def test_a_triggered_trade_starts_only_when_its_trigger_fired():
    trader = perfect(10_000)
    _, trade = trader.plan(WETH_USDC, "1", 100.0, flags={TradeFlag.triggered})
    trader.state.start_execution(trader.ts, trade, triggered=True)
    assert trade.is_started()


def test_a_pending_position_opens_when_its_trade_succeeds():
    """Numbers of E20, with the position made pending by hand."""
    trader = perfect(10_000)
    portfolio = trader.state.portfolio
    position, trade = trader.plan(WETH_USDC, price=2000.0, reserve="3000", flags={TradeFlag.triggered})
    portfolio.pending_positions[1] = portfolio.open_positions.pop(1)
    position.pending_trades[1] = position.trades.pop(1)
    position.pending_since_at = trader.ts
    assert portfolio.calculate_total_equity() == 10_000.0
    assert (position.get_pending_quantity(), position.get_available_trading_quantity()) == (1.5, 1.5)
    assert portfolio.get_position_by_trading_pair(WETH_USDC) is None
    assert portfolio.get_position_by_trading_pair(WETH_USDC, pending=True) is position
    trader.state.perform_integrity_check()  # the reference refuses: it does not look into `pending_trades`
    limit = Trigger(TriggerType.market_limit, TriggerCondition.cross_above, 2100.0)
    assert [limit.is_triggering(price, trader.ts, T0) for price in (2099.99, 2100.0)] == [False, True]

    position.trades[1] = position.pending_trades.pop(1)
    trader.state.start_execution(trader.ts, trade, triggered=True)
    trader.broadcast(trade)
    trader.succeed(trade)
    assert portfolio.open_positions == {1: position}
    assert portfolio.pending_positions == {}
    assert position.pending_since_at is None
    assert cash_of(trader.state) == 7000


def test_a_partial_take_profit_waits_beside_the_holding():
    """Numbers of E21."""
    trader = perfect(10_000)
    position, _ = trader.buy(WETH_USDC, "3", 2000.0)
    flags = {TradeFlag.partial_take_profit, TradeFlag.reduce, TradeFlag.triggered}
    _, trade = trader.plan(WETH_USDC, "-1", 2500.0, flags=flags)
    position.pending_trades[trade.trade_id] = trade
    assert (position.get_quantity(), position.get_quantity(planned=True)) == (3, 2)
    assert position.get_available_trading_quantity() == 3
    assert position.get_available_trading_quantity(include_pending_trades=True) == 2
    assert position.get_pending_quantity() == -1
    trader.state.perform_integrity_check()


def test_a_forced_outcome_is_recorded_once():
    """Forcing is for trades that were never broadcasted, not for moving the money a second time."""
    state = new_state()
    trader = Trader(state)
    _, trade = trader.buy(WETH_USDC, "1", 2000.0)
    before = state.to_json()
    with pytest.raises(WrongTradeStatus):
        state.mark_trade_success(T0, trade, 2000.0, Decimal(1), Decimal(1500), 0.0, 1.0, force=True)
    assert state.to_json() == before


def test_a_buy_does_not_succeed_on_a_closed_position():
    """Old files may have a closed position with a buy in flight; what it buys must not end up outside equity."""
    state = new_state()
    trader = Trader(state)
    position, trade = trader.plan(WETH_USDC, "1", 2000.0)
    trader.start(trade)
    trader.broadcast(trade)
    state.portfolio.move_to_closed(position, T0)
    before = state.to_json()
    with pytest.raises(WrongPositionStatus):
        trader.succeed(trade)
    assert state.to_json() == before


def test_a_closed_position_is_not_written_off():
    state = new_state()
    trader = Trader(state)
    position, _ = trader.buy(WETH_USDC, "1", 2000.0)
    trader.sell(WETH_USDC, "1", 2000.0)
    closed_at = position.closed_at
    with pytest.raises(WrongPositionStatus):
        position.mark_down()
    assert position.closed_at == closed_at
