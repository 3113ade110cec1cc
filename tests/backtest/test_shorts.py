"""Shorts through a strategy: every figure is worked out by hand in the test, and compared to the digit."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, START, Bar, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import InvalidValue, LiquidationRisked
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeType
from tradeexecutor.state.trade.predicates import LIQUIDATION_KEY
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManagerError
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

D = Decimal
NO_INTEREST = LendingPool(supply_rate=0.0, borrow_rate=0.0)

Plan = Callable[[StrategyInput], list[TradeExecution]]


def run(
    bars: list[Bar], plans: dict[int, Plan], fee: float = 0.0, lending: LendingPool = NO_INTEREST, **options: Any
) -> BacktestResult:
    """Run a strategy on daily candles with 10,000 USD; the loans are proven to add up."""
    result = run_backtest_inline(
        decide_trades=at_cycle(plans),
        parameters={"lending": lending},
        candles={"ETH-USD": make_candles(bars, bucket=DAY)},
        fee=fee,
        initial_deposit=10_000,
        **options,
    )
    proof = prove(result.state)
    assert proof.is_balanced, proof
    assert State.read_json_blob(result.state.to_json()).to_json() == result.state.to_json()
    return result


def short(value: float = 1000.0, leverage: float = 2.0, **levels: Any) -> Plan:
    def plan(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().open_short(input.get_default_pair(), value, leverage=leverage, **levels)

    return plan


def close(input: StrategyInput) -> list[TradeExecution]:
    return input.get_position_manager().close_all()


def adjust(new_value: float) -> Plan:
    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        return manager.adjust_short(manager.get_current_short_position(), new_value)

    return plan


def portfolio_of(result: BacktestResult) -> Portfolio:
    return result.state.portfolio


# --- Opening and closing


def test_a_short_with_fees_to_the_digit():
    """1000 at 2x and 2000 USD, fee 0.3 %: 1 ETH is sold for 1994, so the collateral is 2994; bought back at 1900."""
    opened = run([flat(2000)] * 3, {1: short()}, fee=0.003)
    position = portfolio_of(opened).open_positions[1]
    trade = position.get_first_trade()
    assert (trade.planned_quantity, trade.planned_reserve, trade.planned_price) == (-1, 1000, 1994.0)
    assert trade.planned_collateral_consumption == D("1993.99999999999999987509991")
    assert (trade.lp_fees_paid, trade.get_status().value) == (6.0, "success")
    assert position.liquidation_price == pytest.approx(2550.0)
    loan = position.loan
    assert loan is not None
    assert loan.borrowed is not None
    assert (str(loan.collateral.quantity), loan.borrowed.quantity) == ("2993.999999999999999875099910", 1)
    assert loan.get_net_asset_value() == 1000.0  # the debt is valued at what selling brings, 1994
    assert portfolio_of(opened).get_cash() == 9000
    assert portfolio_of(opened).calculate_total_equity() == 10_000.0

    closed = run([flat(2000), flat(1900), flat(1900)], {1: short(), 2: close}, fee=0.003)
    portfolio = portfolio_of(closed)
    # 1 ETH costs 1900 / 0.997 = 1905.7171514543630892...; 2994 less that is released.
    assert str(portfolio.reserves[next(iter(portfolio.reserves))].quantity)[:21] == "10088.282848545636910"
    assert portfolio.calculate_total_equity() == pytest.approx(10088.282848545636, abs=1e-9)
    assert list(portfolio.closed_positions) == [1]
    assert portfolio.closed_positions[1].is_short()


def test_a_short_that_grows_and_shrinks_to_the_digit():
    """Without a fee: 1000 at 2x, to 1500, to 600, then up to 2100 and closed."""
    steps = {1: short(), 2: adjust(1500.0), 3: adjust(600.0), 5: close}
    bars = [flat(2000)] * 3 + [flat(2100)] * 3
    seen: dict[int, tuple[str, ...]] = {}

    def watch(cycle: int, plan: Plan | None) -> Plan:
        def look(input: StrategyInput) -> list[TradeExecution]:
            portfolio = input.state.portfolio
            if portfolio.open_positions:
                loan = portfolio.open_positions[1].loan
                assert loan is not None
                assert loan.borrowed is not None
                cash = f"{portfolio.get_cash():g}"
                figures = (loan.collateral.quantity, loan.borrowed.quantity, loan.get_net_asset_value())
                seen[cycle] = (cash, *(f"{float(figure):g}" for figure in figures))
            return plan(input) if plan else []

        return look

    result = run(bars, {cycle: watch(cycle, steps.get(cycle)) for cycle in range(1, 7)})
    assert seen == {
        2: ("9000", "3000", "1", "1000"),
        3: ("8500", "4500", "1.5", "1500"),
        4: ("9400", "1800", "0.6", "540"),  # the price is 2100 already: 1800 - 1260
        5: ("9400", "1800", "0.6", "540"),
    }
    position = portfolio_of(result).closed_positions[1]
    amounts = [
        (float(t.planned_quantity), float(t.planned_reserve), float(t.planned_collateral_consumption or 0),
         float(t.planned_collateral_allocation or 0))
        for t in position.trades.values()
    ]  # fmt: skip
    assert amounts == [(-1, 1000, 2000, 0), (-0.5, 500, 1000, 0), (0.9, 0, -1800, -900), (0.6, 0, -1260, -540)]
    assert portfolio_of(result).get_cash() == 9940
    assert position.get_realised_profit_usd() == pytest.approx(-60.0)


def test_interest_is_paid_and_earned_while_a_short_is_open():
    """Ten days at 3.65 % and 7.3 %: the collateral of 3000 earns 3 USD, the debt of 1 ETH costs 0.002 ETH."""
    result = run(
        [flat(2000)] * 12, {1: short(), 11: close}, lending=LendingPool(0.0365, 0.073), equity_sampling="decision"
    )
    position = portfolio_of(result).closed_positions[1]
    gained = {"aUSD": D(0), "vETH": D(0)}
    for event in position.balance_updates.values():
        gained[event.asset.token_symbol] += event.quantity
    # Each day's interest bears interest on the next: 3000 * ((1 + 0.0001)^10 - 1), and (1 + 0.0002)^10 - 1.
    assert float(gained["aUSD"]) == pytest.approx(3000 * (1.0001**10 - 1), rel=1e-12)
    assert float(gained["vETH"]) == pytest.approx(1.0002**10 - 1, rel=1e-12)
    last = position.get_last_trade()
    assert float(last.planned_quantity) == pytest.approx(1.0002**10)
    expected = 10_000 + 3000 * (1.0001**10 - 1) - 2000 * (1.0002**10 - 1)
    assert portfolio_of(result).get_cash() == pytest.approx(expected, abs=1e-9)
    assert position.get_claimed_interest() == pytest.approx(3000 * (1.0001**10 - 1))
    assert position.get_repaid_interest() == pytest.approx(2000 * (1.0002**10 - 1))


# --- Liquidation


def test_a_liquidation_by_hand():
    """1000 USD at 2x short 1 ETH at 2000: 3000 of collateral, liquidated where 3000 * 0.85 = the debt: at 2550.

    The candle rises from 2000 to 2700 and closes at 2100. The liquidator repays 1 ETH, worth 2550, and takes 5 % more,
    2677.50; of the collateral 322.50 is left. The loss is 677.50.
    """
    bars: list[Bar] = [flat(2000), (2000.0, 2700.0, 1990.0, 2100.0), flat(2100), flat(2100)]
    result = run(bars, {1: short()})
    portfolio = portfolio_of(result)
    position = portfolio.closed_positions[1]
    trade = position.get_last_trade()
    assert (trade.planned_mid_price, trade.executed_price) == (2550.0, 2677.5)
    assert position.get_realised_profit_usd() == -677.5
    assert trade.executed_at == position.closed_at == START + 2 * DAY  # booked when the candle ends
    assert trade.executed_quantity == 1
    assert (trade.executed_collateral_consumption, trade.executed_collateral_allocation) == (D("-2677.5"), D("-322.5"))
    details = {"price": 2550.0, "taken": 2677.5, "left": 322.5, "penalty": 127.5}
    assert (trade.other_data or {})[LIQUIDATION_KEY] == details
    assert portfolio.get_cash() == 9322.5
    assert portfolio.calculate_total_equity() == 9322.5
    assert not position.is_stop_loss()


def test_a_liquidation_does_not_slip():
    bars: list[Bar] = [flat(2000), (2000.0, 2700.0, 1990.0, 2100.0), flat(2100)]
    trade = portfolio_of(run(bars, {1: short()}, slippage=0.01)).closed_positions[1].get_last_trade()
    # 20 USD were lost by the opening, so it is reached earlier: 2980 * 0.85 = 2533.
    assert trade.planned_mid_price == pytest.approx(2533.0)
    assert float(trade.executed_collateral_consumption or 0) == pytest.approx(-2533 * 1.05)


def test_a_jump_beyond_the_collateral_takes_all_of_it_and_no_more():
    """The market opens at 3000: the debt is worth what the collateral is, and the penalty cannot be paid in full."""
    result = run([flat(2000), flat(3000), flat(3000)], {1: short()})
    portfolio = portfolio_of(result)
    trade = portfolio.closed_positions[1].get_last_trade()
    assert (trade.planned_mid_price, trade.executed_price, trade.executed_at) == (3000.0, 3000.0, START + DAY)
    assert (trade.other_data or {})[LIQUIDATION_KEY] == {
        "price": 3000.0,
        "taken": 3000.0,
        "left": 0.0,
        "penalty": 0.0,
    }
    assert portfolio.get_cash() == 9000


def test_interest_brings_the_liquidation_closer():
    """A debt that costs 100 % a year is liquidated by interest alone, at a price below 2550."""
    bars = [flat(2000)] + [flat(2499)] * 12
    assert not portfolio_of(run(bars, {1: short()})).closed_positions
    costly = run(bars, {1: short()}, lending=LendingPool(0.0, 1.0))
    trade = portfolio_of(costly).closed_positions[1].get_last_trade()
    # Liquidated on the first day on which 2499 * (1 + 1/365)^n exceeds 2550: n = 8.
    assert trade.executed_at == START + 8 * DAY
    assert trade.planned_mid_price == 2499.0


# --- Levels


@pytest.mark.parametrize(
    ("levels", "bar", "kind", "price"),
    [
        ({"stop_loss_pct": 0.95}, (2000.0, 2150.0, 1900.0, 1950.0), TradeType.stop_loss, 2100.0),
        ({"take_profit_pct": 1.05}, (2000.0, 2050.0, 1850.0, 1990.0), TradeType.take_profit, 1900.0),
        # Both levels lie in the candle: the worse one counts.
        ({"stop_loss_pct": 0.95, "take_profit_pct": 1.05}, (2000.0, 2200.0, 1800.0, 2000.0), TradeType.stop_loss,
         2100.0),
        # A gap: the first price is beyond the level.
        ({"stop_loss_pct": 0.95}, (2200.0, 2250.0, 2150.0, 2200.0), TradeType.stop_loss, 2200.0),
        ({"take_profit_pct": 1.05}, (1700.0, 1750.0, 1650.0, 1700.0), TradeType.take_profit, 1700.0),
        # A trailing stop follows the low, 1800 * 1.05 = 1890, and the close is above it.
        ({"trailing_stop_loss_pct": 0.95}, (2000.0, 2010.0, 1800.0, 1950.0), TradeType.stop_loss, 1890.0),
    ],
)  # fmt: skip
def test_levels_of_shorts(levels: dict[str, float], bar: Bar, kind: TradeType, price: float):
    result = run([flat(2000), bar, flat(bar[3]), flat(bar[3])], {1: short(**levels)})
    position = portfolio_of(result).closed_positions[1]
    trade = position.get_last_trade()
    assert (trade.trade_type, trade.planned_mid_price) == (kind, pytest.approx(price))
    assert portfolio_of(result).get_cash() == pytest.approx(10_000 + 2000 - price)


@pytest.mark.parametrize(
    ("levels", "error", "message"),
    [
        ({"stop_loss_pct": 0.7}, PositionManagerError, "beyond the price of liquidation, 2550"),
        ({"stop_loss_pct": 1.05}, PositionManagerError, "0.95 stops a short"),
        ({"take_profit_pct": 0.95}, PositionManagerError, "1.05 takes the profit"),
        ({"stop_loss_pct": 0.9, "trailing_stop_loss_pct": 0.9}, PositionManagerError, "only one"),
        ({"leverage": 5.7}, InvalidValue, "between 0 and 5.6"),
        ({"leverage": 0.0}, InvalidValue, "between 0 and"),
        ({"value": 0.0}, PositionManagerError, "positive amount"),
    ],
)
def test_a_refused_short_changes_nothing(levels: dict[str, float], error: type[Exception], message: str):
    def plan(input: StrategyInput) -> list[TradeExecution]:
        before = input.state.to_json()
        with pytest.raises(error, match=message):
            short(**levels)(input)
        assert input.state.to_json() == before
        return []

    run([flat(2000)] * 3, {1: plan})


def test_a_second_short_of_a_pair_is_refused():
    def plan(input: StrategyInput) -> list[TradeExecution]:
        with pytest.raises(PositionManagerError, match="already open"):
            short()(input)
        return []

    run([flat(2000)] * 3, {1: short(), 2: plan})


def test_adjustments_that_cannot_be_meant_change_nothing():

    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        position = manager.get_current_short_position()
        before = input.state.to_json()
        with pytest.raises(PositionManagerError, match="positive value"):
            manager.adjust_short(position, 0.0)
        assert manager.adjust_short(position, 509.0, minimum_rebalance_trade_threshold=50.0) == []
        assert input.state.to_json() == before
        return []

    run([flat(2000), flat(2490), flat(2490)], {1: short(), 2: plan})


def test_a_short_whose_fee_would_liquidate_it_is_refused():
    """5.6x of 1000 at a fee of 10 %: 6040 of collateral against 2.8 ETH are liquidated at 1833.57, below the price."""
    with pytest.raises(Exception, match=r"liquidated at 1833\.57") as caught:
        run([flat(2000)] * 3, {1: short(leverage=5.6)}, fee=0.1)
    assert isinstance(caught.value.__cause__, LiquidationRisked)


def test_a_plan_that_slippage_would_liquidate_is_refused():
    """4x at 2000 is liquidated at 2125. At 2110 the leverage is 5.4; a smaller short would have a health of 1.007."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        before = input.state.to_json()
        with pytest.raises(LiquidationRisked, match=r"slippage of 1\.70%"):
            adjust(100.0)(input)
        assert input.state.to_json() == before
        return []

    run([flat(2000), flat(2110), flat(2110)], {1: short(leverage=4.0), 2: plan})


def test_longs_and_shorts_side_by_side():
    """A pair trade: 1000 long at 2000 gains 50, 1000 short at 1x loses 50."""

    def both(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        trades = manager.open_spot(input.get_default_pair(), 1000.0)
        return trades + manager.open_short(input.get_default_pair(), 1000.0, leverage=1.0)

    result = run([flat(2000), flat(2100), flat(2100)], {1: both, 2: close})
    profits = {p.is_short(): p.get_realised_profit_usd() for p in portfolio_of(result).closed_positions.values()}
    assert profits == {False: pytest.approx(50.0), True: pytest.approx(-50.0)}
    assert portfolio_of(result).get_cash() == pytest.approx(10_000)


def test_slippage_is_paid_by_the_collateral():
    """1 %: 1 ETH brings 1980 instead of 2000, and costs 2000 / 0.99 = 2020.20."""
    result = run([flat(2000)] * 4, {1: short(), 2: close}, slippage=0.01)
    assert portfolio_of(result).get_cash() == pytest.approx(10_000 - 20 - (2000 / 0.99 - 2000))


def test_a_run_is_the_same_every_time():
    bars: list[Bar] = [flat(2000), (2000.0, 2300.0, 1900.0, 1950.0), flat(1950), flat(1900)]
    first, second = (run(bars, {1: short(), 3: close}, lending=LendingPool(0.03, 0.05)) for _ in range(2))
    assert first.state.to_json() == second.state.to_json()
    assert first.state.portfolio.closed_positions[1].closed_at == START + datetime.timedelta(days=2)
