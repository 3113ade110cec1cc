"""Vaults that settle later, through a strategy: requests, queues, lock-ups; worked out by hand."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, HOUR, START, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.identifier.vault_terms import VaultTerms
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager, PositionManagerError

Plan = Callable[[PositionManager, Any], list[TradeExecution]]
TWO_DAYS = VaultTerms(deposit_delay=2 * DAY, redemption_delay=2 * DAY)


def run(plans: dict[int, Plan], prices: list[float], terms: VaultTerms = TWO_DAYS, **options: Any) -> BacktestResult:
    def use_manager(plan: Plan) -> Any:
        return lambda input: plan(input.get_position_manager(), input.get_default_pair())

    candles = {"SAVE-USD": make_candles([flat(price) for price in prices], bucket=DAY)}
    result = run_backtest_inline(
        decide_trades=at_cycle({cycle: use_manager(plan) for cycle, plan in plans.items()}),
        universe=create_universe(candles, vaults={"SAVE-USD": terms}, **options),
        initial_deposit=10_000,
    )
    proof = prove(result.state)
    assert proof.is_balanced, proof
    assert State.read_json_blob(result.state.to_json()).to_json() == result.state.to_json()
    return result


def deposit(value: float) -> Plan:
    return lambda manager, pair: manager.open_spot(pair, value)


def close(manager: PositionManager, pair: Any) -> list[TradeExecution]:
    return manager.close_all()


def test_a_deposit_settles_at_the_price_of_its_settlement():
    """The numbers of section 8.5: 1000 requested at 10 and settled at 10.5 are 95.238... shares."""
    state = run({1: deposit(1000.0)}, [10.0, 10.2, 10.5, 10.5]).state
    position = state.portfolio.open_positions[1]
    trade = position.get_first_trade()
    assert (trade.planned_price, trade.executed_price, trade.executed_at) == (10.0, 10.5, START + 2 * DAY)
    assert trade.executed_quantity == Decimal("95.238095238095238095")
    assert position.get_value() == pytest.approx(1000.0)
    assert [round(sample.total_equity, 6) for sample in state.stats.portfolio] == [10_000.0] * len(
        state.stats.portfolio
    )


def test_a_request_that_waits():
    """Cash 9000, pending value 1000, equity and net asset value 10000; nothing can be sold."""
    state = run({1: deposit(1000.0)}, [10.0, 11.0]).state
    portfolio = state.portfolio
    trade = portfolio.open_positions[1].get_first_trade()
    # It is due at the end of the run; one day earlier it waited.
    assert trade.executed_at == START + 2 * DAY
    waiting = run({1: deposit(1000.0)}, [10.0]).state.portfolio
    trade = waiting.open_positions[1].get_first_trade()
    assert trade.get_status() is TradeStatus.vault_settlement_pending
    assert (waiting.get_cash(), waiting.get_vault_settlement_pending_value()) == (9000.0, 1000.0)
    assert (waiting.calculate_total_equity(), waiting.get_net_asset_value()) == (10_000.0, 10_000.0)
    assert waiting.open_positions[1].get_quantity() == 0
    assert (trade.other_data or {})["vault_settlement_estimated_at"] == "2024-01-03T00:00:00"


def test_a_redemption_settles_at_the_price_of_its_settlement():
    """95.238... shares requested at 11 and settled at 12 bring 1142.857142, the numbers of section 8.5."""
    prices = [10.5] * 4 + [11.0, 11.0, 12.0, 12.0]
    state = run({1: deposit(1000.0), 5: close}, prices).state
    position = state.portfolio.closed_positions[1]
    last = position.get_last_trade()
    assert (last.planned_price, last.executed_price, last.executed_at) == (11.0, 12.0, START + 6 * DAY)
    assert state.portfolio.get_cash() == pytest.approx(10_142.857142, abs=1e-6)
    assert position.get_realised_profit_usd() == pytest.approx(142.857142, abs=1e-6)


def test_shares_in_redemption_are_not_sold_again():
    def again(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        assert manager.close_all() == []
        assert manager.state.portfolio.get_cash() == 9000.0
        return []

    state = run({1: deposit(1000.0), 4: close, 5: again}, [10.0] * 8).state
    assert state.portfolio.get_cash() == 10_000.0
    assert [len(position.trades) for position in state.portfolio.closed_positions.values()] == [2]


def test_a_part_is_redeemed_and_more_is_deposited():
    def part(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.adjust_position(pair, -250.0, None, 0.1)

    def more(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.adjust_position(pair, 500.0, None, 0.1)

    portfolio = run({1: deposit(1000.0), 4: part, 5: more}, [10.0] * 8).state.portfolio
    assert portfolio.get_cash() == 9000 + 250 - 500
    assert portfolio.open_positions[1].get_quantity() == 125


def test_money_in_redemption_does_not_pay_for_a_purchase():
    def swap(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        trades = manager.close_all()
        with pytest.raises(ValueError, match=r"the buys cost 1,500\.00, there are 1,000\.00"):
            manager.check_enough_cash([*trades, *manager.open_spot(other(manager), 1500.0)])
        for trade in list(manager.state.portfolio.open_positions[2].trades.values()):
            manager.state.portfolio.open_positions[2].trades.pop(trade.trade_id)
        del manager.state.portfolio.open_positions[2]
        return trades

    def other(manager: PositionManager) -> Any:
        return manager.strategy_universe.get_pair_by_ticker("ETH")

    candles = {name: make_candles([flat(10.0)] * 6, bucket=DAY) for name in ("SAVE-USD", "ETH-USD")}
    decide = at_cycle(
        {
            1: lambda input: input.get_position_manager().open_spot(
                input.strategy_universe.get_pair_by_ticker("SAVE"), 9000.0
            ),
            4: lambda input: swap(input.get_position_manager(), None),
        }
    )
    universe = create_universe(candles, vaults={"SAVE-USD": TWO_DAYS}, fee=0.0)
    result = run_backtest_inline(decide_trades=decide, universe=universe, initial_deposit=10_000)
    assert result.state.portfolio.get_cash() == 10_000


def test_a_queue_settles_at_its_times():
    """Requests of Monday to Wednesday wait for Thursday, 4 January, a multiple of seven days since 1970."""
    weekly = VaultTerms(settlement_interval=7 * DAY)
    trade = run({2: deposit(1000.0)}, [10.0, 10.0, 10.0, 12.5, 13.0], weekly).state.portfolio.open_positions[1]
    first = trade.get_first_trade()
    assert (first.executed_at, first.executed_price, first.executed_quantity) == (START + 3 * DAY, 12.5, 80)
    # Exactly at its time a queue takes what is there.
    assert weekly.get_settlement_time(START + 3 * DAY, is_deposit=True) == START + 3 * DAY
    assert VaultTerms(deposit_delay=HOUR, settlement_interval=7 * DAY).get_settlement_time(
        START + 3 * DAY, is_deposit=True
    ) == (START + 10 * DAY)


def test_shares_are_locked_after_a_deposit():
    terms = VaultTerms(lock_up=datetime.timedelta(days=3))

    def too_early(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        before = manager.state.to_json()
        position = manager.get_current_position()
        for refused in (
            lambda: manager.close_position(position),
            lambda: manager.adjust_position(pair, -100.0, None, 0.1),
            lambda: manager.adjust_position(pair, -1000.0, None, 0.1),
        ):
            with pytest.raises(PositionManagerError, match="are locked until 2024-01-04"):
                refused()
        assert manager.close_all() == [], "what is locked stays"
        assert manager.state.to_json() == before
        return []

    portfolio = run({1: deposit(1000.0), 3: too_early, 4: close}, [10.0] * 5, terms).state.portfolio
    assert portfolio.get_cash() == 10_000
    assert portfolio.closed_positions[1].closed_at == START + 3 * DAY


def test_a_fee_of_a_vault_that_settles_later():
    portfolio = run({1: deposit(1010.0), 4: close}, [10.0] * 8, fee={"SAVE-USD": 0.01}).state.portfolio
    assert portfolio.get_cash() == pytest.approx(8990 + 1000 * 0.99, abs=1e-5)


def test_terms_that_cannot_be_meant():
    with pytest.raises(InvalidValue, match="deposit_delay of a vault must not be negative"):
        VaultTerms(deposit_delay=-DAY)
    with pytest.raises(InvalidValue, match="number of days, not 1:00:00"):
        VaultTerms(lock_up=HOUR)
