"""Idle cash in credit through a strategy, with interest worked out by hand."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, START, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.lending_rates import LendingRateHistory, RateCandle
from tradeexecutor.backtest.universe import create_reserve_asset
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeFlag
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import (
    NotEnoughCashForBuys,
    PositionManager,
    PositionManagerError,
)
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

D = Decimal
#: 0.01 % a day.
POOL = LendingPool(supply_rate=0.0365, borrow_rate=0.073)

Plan = Callable[[PositionManager], list[TradeExecution]]


def run(plans: dict[int, Plan], days: int = 12, price: float = 100.0, lending: LendingPool = POOL) -> BacktestResult:
    """Run a strategy on daily candles with 10,000 USD; the loans are proven to add up."""

    def use_manager(plan: Plan) -> Callable[[StrategyInput], list[TradeExecution]]:
        return lambda input: plan(input.get_position_manager())

    result = run_backtest_inline(
        decide_trades=at_cycle({cycle: use_manager(plan) for cycle, plan in plans.items()}),
        parameters={"lending": lending},
        candles={"ETH-USD": make_candles([flat(price)] * days, bucket=DAY)},
        fee=0.0,
        initial_deposit=10_000,
    )
    proof = prove(result.state)
    assert proof.is_balanced, proof
    assert State.read_json_blob(result.state.to_json()).to_json() == result.state.to_json()
    return result


def lend(amount: float) -> Plan:
    return lambda manager: manager.open_credit_supply_position_for_reserves(amount)


def recall(manager: PositionManager) -> list[TradeExecution]:
    return manager.close_all()


def portfolio_of(result: BacktestResult) -> Portfolio:
    return result.state.portfolio


def test_credit_is_supplied_grows_and_comes_back():
    """4000 at 0.01 % a day for 10 days, compounded daily: 4000 * 1.0001^10."""
    result = run({1: lend(4000), 11: recall})
    portfolio = portfolio_of(result)
    position = portfolio.closed_positions[1]
    gained = 4000 * (1.0001**10 - 1)
    assert portfolio.get_cash() == pytest.approx(10_000 + gained, abs=1e-9)
    assert position.get_claimed_interest() == pytest.approx(gained)
    assert position.get_realised_profit_usd() == pytest.approx(gained)
    assert [trade.flags for trade in position.trades.values()] == [{TradeFlag.open}, {TradeFlag.close}]
    # The equity never falls, and grows by the interest of each day.
    equity = [sample.total_equity for sample in result.state.stats.portfolio]
    assert equity[1] - equity[0] == pytest.approx(0.4)
    assert equity == sorted(equity)


def test_samples_of_lent_cash_are_of_their_time():
    """On day n the interest of n days, 0.01 % each; the time at which the backtest runs is no part of it."""
    samples = run({1: lend(4000)}, days=6).state.stats.positions[1]
    assert len({sample.calculated_at for sample in samples}) >= 5
    for sample in samples:
        days = (sample.calculated_at - samples[0].calculated_at) / DAY
        assert sample.profitability == pytest.approx(0.0001 * days, abs=1e-12)


def test_interest_follows_rates_over_time():
    """5 days at 3.65 % and 5 days at 7.3 %."""
    usd = create_reserve_asset()
    candles = [
        RateCandle(START + day * DAY, rate, rate, rate)
        for day, rate in [(n, 3.65 if n < 5 else 7.3) for n in range(12)]
    ]
    history = LendingRateHistory({usd: candles})
    result = run({1: lend(4000), 11: recall}, lending=LendingPool(rates=history))
    assert portfolio_of(result).get_cash() == pytest.approx(6000 + 4000 * 1.0001**5 * 1.0002**5, abs=1e-9)


def test_a_supply_grows_shrinks_and_claims_interest():
    """4000, 1000 more after 3 days, 2000 back after 6 days, all back after 9."""

    def change(delta: float) -> Plan:
        return lambda manager: manager.adjust_credit_supply_position(
            manager.get_current_credit_supply_position(), delta=delta
        )

    result = run({1: lend(4000), 4: change(1000), 7: change(-2000), 10: recall})
    portfolio = portfolio_of(result)
    expected = ((4000 * 1.0001**3 + 1000) * 1.0001**3 - 2000) * 1.0001**3
    assert portfolio.get_cash() == pytest.approx(5000 + 2000 + expected, abs=1e-9)
    flags = [trade.flags for trade in portfolio.closed_positions[1].trades.values()]
    assert flags == [{TradeFlag.open}, {TradeFlag.increase}, {TradeFlag.reduce}, {TradeFlag.close}]

    def to_value(manager: PositionManager) -> list[TradeExecution]:
        position = manager.get_current_credit_supply_position()
        assert manager.adjust_credit_supply_position(position, new_value=position.get_value()) == []
        return manager.adjust_credit_supply_position(position, new_value=5000.0)

    assert portfolio_of(run({1: lend(4000), 4: to_value}, days=5)).get_cash() == pytest.approx(
        10_000 - 5000 + 4000 * (1.0001**3 - 1), abs=1e-5
    )


def test_a_recall_reopens_with_the_rest():
    def flow(manager: PositionManager) -> list[TradeExecution]:
        assert manager.manage_credit_flow(49.0) == []
        return manager.manage_credit_flow(1500.0)

    result = run({1: lend(4000), 3: flow}, days=4)
    portfolio = portfolio_of(result)
    lent = 4000 * 1.0001**2
    assert list(portfolio.closed_positions) == [1]
    assert portfolio.open_positions[2].get_first_trade().planned_reserve == pytest.approx(
        D(lent - 1500), abs=D("0.000001")
    )
    assert TradeFlag.ignore_open in (portfolio.open_positions[2].get_first_trade().flags or set())
    assert portfolio.get_cash() == pytest.approx(6000 + 1500, abs=1e-5)


def test_a_recall_of_everything_does_not_reopen():
    result = run({1: lend(4000), 3: lambda manager: manager.manage_credit_flow(4000.8)}, days=4)
    assert portfolio_of(result).get_cash() == pytest.approx(6000 + 4000 * 1.0001**2, abs=1e-9)
    assert not portfolio_of(result).open_positions


def test_a_strategy_pays_a_purchase_with_what_is_lent():
    """9000 lent and 1000 in cash; 5000 are bought, and 20 % of the portfolio shall stay in cash: 6000 come back."""

    def buy(manager: PositionManager) -> list[TradeExecution]:
        pair = next(manager.strategy_universe.iterate_pairs())
        trades = manager.open_spot(pair, 5000.0)
        with pytest.raises(NotEnoughCashForBuys, match=r"cost 5,000\.00, there are 1,000\.00"):
            manager.check_enough_cash(trades)
        flow = manager.calculate_credit_flow_needed(trades, 0.8)
        value = manager.get_current_portfolio().get_net_asset_value()
        assert flow == pytest.approx(5000 + 0.2 * value - 1000)
        trades += manager.manage_credit_flow(flow)
        manager.check_enough_cash(trades)
        return trades

    portfolio = portfolio_of(run({1: lend(9000), 2: buy}, days=3))
    assert portfolio.get_cash() == pytest.approx(0.2 * 10_000.9, abs=1e-3)
    assert sorted(position.is_credit_supply() for position in portfolio.open_positions.values()) == [False, True]


def test_what_is_left_over_is_lent():
    def sell(manager: PositionManager) -> list[TradeExecution]:
        trades = manager.close_position(manager.get_current_long_position())
        flow = manager.calculate_credit_flow_needed(trades, 1.0)
        # 5000 of cash and 99 % of what the sale brings are free; the buffer stays.
        assert flow == pytest.approx(-5000 - 0.99 * 5000)
        return trades + manager.manage_credit_flow(flow)

    def buy(manager: PositionManager) -> list[TradeExecution]:
        return manager.open_spot(next(manager.strategy_universe.iterate_pairs()), 5000.0)

    portfolio = portfolio_of(run({1: buy, 2: sell}, days=3))
    assert portfolio.get_cash() == pytest.approx(50)


def test_small_amounts_stay_in_cash_and_large_ones_are_added():
    def add(manager: PositionManager) -> list[TradeExecution]:
        assert manager.add_cash_to_credit_supply(0.5) == []
        return manager.add_cash_to_credit_supply(1000.0)

    portfolio = portfolio_of(run({1: add, 2: add}, days=3))
    assert list(portfolio.open_positions) == [1]
    assert portfolio.get_cash() == 8000


def test_close_all_closes_every_kind_and_may_leave_credit():
    def open_all(manager: PositionManager) -> list[TradeExecution]:
        pair = next(manager.strategy_universe.iterate_pairs())
        return (
            manager.open_spot(pair, 1000.0)
            + manager.open_short(pair, 1000.0, leverage=2.0)
            + manager.open_credit_supply_position_for_reserves(1000.0)
        )

    opened = portfolio_of(run({1: open_all}, days=2))
    assert len(opened.open_positions) == 3
    assert opened.get_cash() == 7000
    kept = portfolio_of(run({1: open_all, 2: lambda manager: manager.close_all(credit_supply=False)}, days=3))
    assert [position.is_credit_supply() for position in kept.open_positions.values()] == [True]
    everything = portfolio_of(run({1: open_all, 2: lambda manager: manager.close_all()}, days=3))
    assert not everything.open_positions
    interest = 1000 * 0.0001 + 3000 * 0.0001 - 2000 * 0.0002
    assert everything.get_cash() == pytest.approx(10_000 + interest)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda manager, position: manager.open_credit_supply_position_for_reserves(0), "positive amount"),
        (lambda manager, position: manager.adjust_credit_supply_position(position), "either the new value"),
        (lambda manager, position: manager.adjust_credit_supply_position(position, 1.0, 1.0), "either the new value"),
        (lambda manager, position: manager.adjust_credit_supply_position(position, 0.0), "closes it"),
        (lambda manager, position: manager.calculate_credit_flow_needed([], 80), "from 0 to 1"),
    ],
)
def test_a_refusal_changes_nothing(call: Callable[..., Any], message: str):
    def plan(manager: PositionManager) -> list[TradeExecution]:
        before = manager.state.to_json()
        with pytest.raises(PositionManagerError, match=message):
            call(manager, manager.get_current_credit_supply_position())
        assert manager.state.to_json() == before
        return []

    run({1: lend(4000), 2: plan}, days=3)


def test_what_may_be_entered():
    def plan(manager: PositionManager) -> list[TradeExecution]:
        pair = next(manager.strategy_universe.iterate_pairs())
        short = manager.get_shorting_pair(pair)
        assert manager.check_enter_position(pair)
        assert manager.check_enter_position(short).available
        assert manager.check_enter_position(manager.strategy_universe.get_credit_supply_pair())
        manager.state.blacklist_asset(pair.base)
        answer = manager.check_enter_position(short)
        assert not answer
        assert "blacklisted" in str(answer.reason)
        return []

    run({1: plan}, days=2)


def test_a_long_pause_books_all_interest():
    """A strategy that decides only at the start: a sample each midnight books the interest of the day."""
    result = run({1: lend(4000)}, days=30)
    position = portfolio_of(result).open_positions[1]
    assert float(position.get_quantity()) == pytest.approx(4000 * 1.0001**30, abs=1e-9)
    last = max(event.block_mined_at for event in position.balance_updates.values())
    assert last == START + datetime.timedelta(days=30)
