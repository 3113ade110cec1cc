"""Leveraged longs through a strategy: every figure is worked out by hand, see docs/leveraged-longs.md."""

from decimal import Decimal
from typing import Any

import pytest

from tests.kit.leverage_runs import (
    Plan,
    both,
    call,
    cash_of,
    close,
    loan_of,
    only_position,
    open_long,
    open_short,
    run_leverage,
    sides_of,
)
from tests.kit.markets import DAY, START, Bar, flat
from tradeexecutor.analysis.adjusted.kinds import measure_kinds
from tradeexecutor.state.errors import InvalidValue, LiquidationRisked, UnsupportedPairKind
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trade.predicates import LIQUIDATION_KEY
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManagerError
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

D = Decimal


# --- Opening and closing


def test_a_long_without_a_fee():
    """1000 at 2x and 2000 USD: 1 ETH is bought, half of it with 1000 borrowed USD."""
    result = run_leverage([flat(2000)] * 3, {1: open_long()})
    position = only_position(result)
    assert (position.is_long(), position.is_leverage(), position.is_short(), position.is_spot()) == (
        True, True, False, False,
    )  # fmt: skip
    trade = position.get_first_trade()
    amounts = (trade.executed_quantity, trade.executed_reserve, trade.executed_collateral_consumption)
    assert amounts == (1, 1000, -2000)
    assert (trade.get_action_verb(), position.pair.get_human_description(describe_type=True)) == (
        "Increase long", "ETH-USD long",
    )  # fmt: skip
    loan = loan_of(position)
    assert sides_of(position) == (1, 1000)
    assert (loan.collateral.asset.token_symbol, loan.borrowed and loan.borrowed.asset.token_symbol) == ("aETH", "vUSD")
    figures = (loan.get_net_asset_value(), loan.get_leverage(), loan.get_loan_to_value(), loan.get_health_factor())
    assert figures == (1000.0, 2.0, 0.5, 1.6)
    assert (position.get_quantity(), position.get_value(), position.liquidation_price) == (1, 1000.0, 1250.0)
    portfolio = result.state.portfolio
    assert (portfolio.get_cash(), portfolio.calculate_total_equity()) == (9000.0, 10_000.0)
    (kind,) = measure_kinds([position])
    assert (kind.exposure, kind.leverage) == (2000.0, 2.0)


@pytest.mark.parametrize(("price", "value", "leverage"), [(2200, 1200.0, 2200 / 1200), (1800, 800.0, 1800 / 800)])
def test_the_price_moves_the_value_twice(price: float, value: float, leverage: float):
    result = run_leverage([flat(2000), flat(price), flat(price)], {1: open_long()})
    position = only_position(result)
    assert (position.get_value(), loan_of(position).get_leverage()) == (value, pytest.approx(leverage))
    profits = position.get_unrealised_profit_usd(), position.get_net_profit_usd(), position.get_total_profit_usd()
    assert profits == (value - 1000.0,) * 3
    assert result.state.portfolio.calculate_total_equity() == 9000.0 + value


@pytest.mark.parametrize(("price", "cash"), [(2200, 10_200.0), (1800, 9800.0)])
def test_closing_with_profit_and_with_loss(price: float, cash: float):
    result = run_leverage([flat(2000), flat(price), flat(price)], {1: open_long(), 2: close})
    position = only_position(result)
    assert position.is_closed()
    assert cash_of(result) == result.state.portfolio.calculate_total_equity() == cash
    assert position.get_realised_profit_usd() == position.get_net_profit_usd() == cash - 10_000
    assert position.get_last_trade().get_action_verb() == "Close long"
    assert sides_of(position) == (0, 0)
    (kind,) = measure_kinds([position])
    assert (kind.name, kind.closed, kind.won, kind.profit) == ("leveraged long", 1, int(price > 2000), cash - 10_000)


def test_a_long_with_fees_to_the_digit():
    """2000 USD buy 2000 / 2006 = 0.997 ETH; sold at 2200 less 0.3 % it brings 2186.84, of which 1000 repay the debt."""
    result = run_leverage([flat(2000), flat(2200), flat(2200)], {1: open_long(), 2: close}, fee=0.003)
    position = only_position(result)
    opened, closed = position.trades.values()
    assert float(opened.planned_quantity) == pytest.approx(2000 / 2006, rel=1e-15)
    assert opened.lp_fees_paid == pytest.approx(2000 * 0.003 / 1.003)
    brings = 2000 / 2006 * 2200 * 0.997
    assert float(closed.executed_collateral_consumption or 0) == pytest.approx(brings, rel=1e-15)
    assert cash_of(result) == pytest.approx(9000 + brings - 1000, abs=1e-9)
    assert position.get_net_profit_usd() == pytest.approx(brings - 2000, abs=1e-9)
    assert position.get_realised_profit_usd() == pytest.approx(brings - 2000, abs=1e-9)
    # Liquidated where 0.997 ETH at 80 % are worth the debt.
    assert position.liquidation_price == pytest.approx(1000 / (2000 / 2006 * 0.8))


def test_a_long_that_grows_and_shrinks():
    """1000 at 2x, to 1500, to 600, then down to 1900 and closed: 60 USD are lost."""
    steps = {
        1: open_long(), 2: call("adjust_long", 1500.0), 3: call("adjust_long", 600.0), 5: close,
    }  # fmt: skip
    result = run_leverage([flat(2000)] * 3 + [flat(1900)] * 3, steps)
    position = only_position(result)
    amounts = [
        (t.executed_quantity, t.executed_reserve, t.executed_collateral_consumption, t.executed_collateral_allocation)
        for t in position.trades.values()
    ]
    assert amounts == [
        (1, 1000, -2000, 0), (D("0.5"), 500, -1000, 0), (D("-0.9"), 0, 1800, -900), (D("-0.6"), 0, 1140, -540),
    ]  # fmt: skip
    loans = [trade.executed_loan_update for trade in position.trades.values()]
    sides = [(float(loan.get_collateral_quantity()), float(loan.get_borrowed_quantity())) for loan in loans if loan]
    assert sides == [(1, 1000), (1.5, 1500), (0.6, 600), (0, 0)]
    assert cash_of(result) == 9940
    assert position.get_realised_profit_usd() == pytest.approx(-60.0)
    assert position.get_net_profit_usd() == pytest.approx(-60.0)


def test_closing_a_part_keeps_leverage_and_liquidation():
    """A quarter of 1 ETH brings 550 at 2200; a quarter of the debt is 250, so 300 come back."""
    result = run_leverage([flat(2000), flat(2200), flat(2200)], {1: open_long(), 2: call("reduce_long", D("0.25"))})
    position = only_position(result)
    assert (sides_of(position), cash_of(result)) == ((D("0.75"), D(750)), 9300.0)
    assert loan_of(position).get_leverage() == pytest.approx(2200 / 1200)
    assert (position.get_realised_profit_usd(), position.get_unrealised_profit_usd()) == (50.0, 150.0)
    closed = run_leverage([flat(2000), flat(2200), flat(2200)], {1: open_long(), 2: call("reduce_long", D(5))})
    assert (only_position(closed).is_closed(), cash_of(closed)) == (True, 10_200.0)


def test_interest_on_both_sides():
    """Ten days at 3.65 % and 7.3 %: the collateral earns 0.001 ETH, the debt costs 2 USD, each a little compounded."""
    pool = LendingPool(0.0365, 0.073, liquidation_threshold=0.8)
    result = run_leverage([flat(2000)] * 12, {1: open_long(), 11: close}, lending=pool, equity_sampling="decision")
    position = only_position(result)
    earned, owed = 1.0001**10 - 1, 1000 * (1.0002**10 - 1)
    last = position.get_last_trade()
    assert float(last.executed_quantity or 0) == pytest.approx(-1 - earned)
    assert (float(last.claimed_interest or 0), float(last.paid_interest or 0)) == (
        pytest.approx(earned), pytest.approx(owed),
    )  # fmt: skip
    assert position.get_claimed_interest() == pytest.approx(2000 * earned)
    assert position.get_repaid_interest() == pytest.approx(owed)
    assert cash_of(result) == pytest.approx(10_000 + 2000 * earned - owed, abs=1e-9)
    profit = cash_of(result) - 10_000
    assert position.get_realised_profit_usd() == pytest.approx(profit, abs=1e-9)
    assert position.get_net_profit_usd() == pytest.approx(profit, abs=1e-9)
    (kind,) = measure_kinds([position])
    assert (kind.interest_earned, kind.interest_paid) == (pytest.approx(2000 * earned), pytest.approx(owed))


def test_unrealised_interest_counts_once():
    pool = LendingPool(0.0365, 0.073, liquidation_threshold=0.8)
    result = run_leverage([flat(2000)] + [flat(2200)] * 11, {1: open_long()}, lending=pool)
    position = only_position(result)
    assert position.get_unrealised_profit_usd() == pytest.approx(position.get_net_profit_usd(), abs=1e-9)
    assert position.get_accrued_interest() == pytest.approx(
        loan_of(position).get_collateral_interest() - loan_of(position).get_borrow_interest()
    )
    assert position.get_quantity() > 1


def test_slippage_is_borrowed():
    """1 % slippage: 1 ETH costs 2000 / 0.99; the debt grows by the difference, and closing brings 1 % less."""
    opened = only_position(run_leverage([flat(2000)] * 3, {1: open_long()}, slippage=0.01))
    collateral, debt = sides_of(opened)
    assert (collateral, float(debt)) == (1, pytest.approx(2000 / 0.99 - 1000))
    result = run_leverage([flat(2000)] * 3, {1: open_long(), 2: close}, slippage=0.01)
    assert cash_of(result) == pytest.approx(9000 + 2000 * 0.99 - (2000 / 0.99 - 1000))


# --- Liquidation


def test_a_liquidation_to_the_cent():
    """1 ETH is liquidated where 80 % of it are the debt of 1000: at 1250.

    The liquidator repays 1000 and takes 1050, which is 0.84 ETH; 0.16 ETH are left and sold for 200. 800 are lost.
    """
    bars: list[Bar] = [flat(2000), (2000.0, 2010.0, 1200.0, 1900.0), flat(1900), flat(1900)]
    result = run_leverage(bars, {1: open_long()})
    position = only_position(result)
    trade = position.get_last_trade()
    assert (trade.planned_mid_price, trade.executed_price) == (1250.0, 1200.0)
    assert trade.executed_at == position.closed_at == START + 2 * DAY  # booked when the candle ends
    amounts = (trade.executed_quantity, trade.executed_collateral_consumption, trade.executed_collateral_allocation)
    assert amounts == (-1, 1200, -200)
    assert (trade.other_data or {})[LIQUIDATION_KEY] == {"price": 1250.0, "taken": 1050.0, "left": 200.0, "penalty": 50}
    assert cash_of(result) == result.state.portfolio.calculate_total_equity() == 9200.0
    assert position.get_realised_profit_usd() == position.get_net_profit_usd() == -800.0
    assert not position.is_stop_loss()
    (kind,) = measure_kinds([position])
    assert (kind.liquidations, kind.liquidation_penalties) == (1, 50.0)


def test_what_a_liquidator_leaves_pays_the_fee_of_the_market():
    bars: list[Bar] = [flat(2000), (2000.0, 2010.0, 1200.0, 1900.0), flat(1900)]
    result = run_leverage(bars, {1: open_long()}, fee=0.003)
    position = only_position(result)
    held = 2000 / 2006
    price = 1000 / (held * 0.8)
    left = (held - 1050 / price) * price * 0.997
    assert position.get_last_trade().planned_mid_price == pytest.approx(price)
    assert cash_of(result) == pytest.approx(9000 + left, abs=1e-9)
    assert position.get_last_trade().lp_fees_paid == pytest.approx(left / 0.997 * 0.003)


def test_a_jump_beyond_the_collateral_takes_all_of_it_and_no_more():
    """The market opens at 900: 1 ETH does not pay the debt, and the pool bears what is missing."""
    result = run_leverage([flat(2000), flat(900), flat(900)], {1: open_long()})
    trade = only_position(result).get_last_trade()
    assert (trade.planned_mid_price, trade.executed_price, trade.executed_at) == (900.0, 1000.0, START + DAY)
    assert cash_of(result) == 9000
    assert (trade.other_data or {})[LIQUIDATION_KEY]["penalty"] == -100.0


def test_interest_brings_the_liquidation_closer():
    """A debt that costs 100 % a year is liquidated by interest alone, at a price above 1250."""
    bars = [flat(2000)] + [flat(1280)] * 12
    assert only_position(run_leverage(bars, {1: open_long()})).is_open()
    costly = LendingPool(0.0, 1.0, liquidation_threshold=0.8)
    trade = only_position(run_leverage(bars, {1: open_long()}, lending=costly)).get_last_trade()
    # On the first day on which 1000 * (1 + 1/365)^n exceeds 1280 * 0.8 = 1024: n = 9.
    assert (trade.executed_at, trade.is_liquidation()) == (START + 9 * DAY, True)


# --- Levels and refusals


@pytest.mark.parametrize(
    ("levels", "bar", "kind", "price"),
    [
        ({"stop_loss_pct": 0.95}, (2000.0, 2050.0, 1850.0, 1990.0), TradeType.stop_loss, 1900.0),
        ({"take_profit_pct": 1.05}, (2000.0, 2150.0, 1950.0, 1990.0), TradeType.take_profit, 2100.0),
        # Both levels lie in the candle: the worse one counts.
        ({"stop_loss_pct": 0.95, "take_profit_pct": 1.05}, (2000.0, 2200.0, 1800.0, 2000.0), TradeType.stop_loss,
         1900.0),
        # A gap: the first price is beyond the level.
        ({"stop_loss_pct": 0.95}, (1700.0, 1750.0, 1650.0, 1700.0), TradeType.stop_loss, 1700.0),
        ({"take_profit_pct": 1.05}, (2200.0, 2250.0, 2150.0, 2200.0), TradeType.take_profit, 2200.0),
        # A trailing stop follows the high, 2200 * 0.95 = 2090, and the close is below it.
        ({"trailing_stop_loss_pct": 0.95}, (2000.0, 2200.0, 1990.0, 2050.0), TradeType.stop_loss, 2090.0),
    ],
)  # fmt: skip
def test_levels_of_longs(levels: dict[str, float], bar: Bar, kind: TradeType, price: float):
    result = run_leverage([flat(2000), bar, flat(bar[3]), flat(bar[3])], {1: open_long(**levels)})
    trade = only_position(result).get_last_trade()
    assert (trade.trade_type, trade.planned_mid_price) == (kind, pytest.approx(price))
    assert cash_of(result) == pytest.approx(10_000 + price - 2000)


@pytest.mark.parametrize(
    ("levels", "error", "message"),
    [
        ({"stop_loss_pct": 0.6}, PositionManagerError, "beyond the price of liquidation, 1250"),
        ({"stop_loss_pct": 1.05}, PositionManagerError, "0.95 stops a long"),
        ({"take_profit_pct": 0.95}, PositionManagerError, "1.05 takes the profit"),
        ({"stop_loss_pct": 0.9, "trailing_stop_loss_pct": 0.9}, PositionManagerError, "only one"),
        ({"leverage": 5.1}, InvalidValue, "between 1 and 5"),
        ({"leverage": 1.0}, InvalidValue, "between 1 and 5"),
        ({"leverage": 4.99}, LiquidationRisked, "slippage"),
        ({"value": 0.0}, PositionManagerError, "positive amount"),
    ],
)
def test_a_refused_long_changes_nothing(levels: dict[str, Any], error: type[Exception], message: str):
    def plan(input: StrategyInput) -> list[TradeExecution]:
        before = input.state.to_json()
        with pytest.raises(error, match=message):
            open_long(**levels)(input)
        assert input.state.to_json() == before
        return []

    run_leverage([flat(2000)] * 3, {1: plan})


def test_changes_that_cannot_be_meant_are_refused():
    def look(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        position = manager.get_current_position()
        before = input.state.to_json()
        with pytest.raises(PositionManagerError, match="close_long closes it"):
            manager.adjust_long(position, 0.0)
        with pytest.raises(PositionManagerError, match="positive Decimal"):
            manager.reduce_long(position, D(-1))
        with pytest.raises(UnsupportedPairKind, match="not a short"):
            manager.close_short(position)
        with pytest.raises(PositionManagerError, match="already open"):
            manager.open_long(input.get_default_pair(), 100.0)
        assert manager.adjust_long(position, 1000.5, minimum_rebalance_trade_threshold=1.0) == []
        assert input.state.to_json() == before
        return []

    run_leverage([flat(2000)] * 4, {1: open_long(), 2: look})


def test_the_pool_lends_up_to_its_cap():
    capped = LendingPool(0.0, 0.0, liquidation_threshold=0.8, borrow_caps={"USD": 999})

    def plan(input: StrategyInput) -> list[TradeExecution]:
        with pytest.raises(PositionManagerError, match="borrow cap is 999"):
            open_long()(input)
        return open_long(leverage=1.9)(input)

    assert sides_of(only_position(run_leverage([flat(2000)] * 3, {1: plan}, lending=capped))) == (
        pytest.approx(D("0.95")),
        pytest.approx(900),
    )


def test_a_spot_position_a_long_and_a_short_side_by_side():
    """Spot 1000, long 1000 at 2x, short 1000 at 1x: 10 % up earn 100 + 200 - 100."""

    def buy(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().open_spot(input.get_default_pair(), 1000.0)

    everything: Plan = both(buy, open_long(), open_short(leverage=1.0))
    result = run_leverage([flat(2000), flat(2200), flat(2200)], {1: everything, 2: close})
    assert cash_of(result) == pytest.approx(10_200.0)
    kinds = measure_kinds(result.state.portfolio.closed_positions.values())
    assert {kind.name: round(kind.profit, 9) for kind in kinds} == {"spot": 100, "leveraged long": 200, "short": -100}


@pytest.mark.parametrize(("first", "second"), [(open_short, open_long), (open_long, open_short)])
def test_what_the_cash_does_not_pay_lapses(first: Any, second: Any):
    """Of two that want 6000 each the second one gets nothing: its debt was sized for all of it."""
    result = run_leverage([flat(2000)] * 3, {1: both(first(6000.0, 1.5), second(6000.0, 1.6))})
    assert cash_of(result) == 4000
    (lapsed,) = [t for p in result.state.portfolio.expired_positions.values() for t in p.expired_trades.values()]
    assert "4000 were left" in (lapsed.notes or "")
