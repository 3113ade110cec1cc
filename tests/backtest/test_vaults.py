"""Vaults that settle at once, through a strategy: their share price is the price of their candles."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.markets import DAY, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.identifier.vault_terms import VaultTerms
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManagerError
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.trading_strategy_universe import UniverseNotValid

Plan = Callable[[StrategyInput], list[TradeExecution]]


def run(plans: dict[int, Plan], prices: list[float], **options: Any) -> BacktestResult:
    candles = {"SAVE-USD": make_candles([flat(price) for price in prices], bucket=DAY)}
    result = run_backtest_inline(
        decide_trades=at_cycle(plans),
        universe=create_universe(candles, vaults=["SAVE-USD"], **options),
        initial_deposit=10_000,
    )
    assert prove(result.state).is_balanced
    assert State.read_json_blob(result.state.to_json()).to_json() == result.state.to_json()
    return result


def deposit(value: float) -> Plan:
    return lambda input: input.get_position_manager().open_spot(input.get_default_pair(), value)


def close(input: StrategyInput) -> list[TradeExecution]:
    return input.get_position_manager().close_all()


def test_a_deposit_grows_with_the_share_price():
    """1000 at a share price of 1.25 are 800 shares; at 1.5 they are worth 1200."""
    state = run({1: deposit(1000.0)}, [1.25, 1.5, 1.5]).state
    position = state.portfolio.open_positions[1]
    assert position.is_vault()
    assert position.get_quantity() == 800
    assert state.portfolio.get_cash() == 9000
    assert state.portfolio.calculate_total_equity() == 10_200.0
    closed = run({1: deposit(1000.0), 2: close}, [1.25, 1.5, 1.5]).state.portfolio
    assert closed.get_cash() == 10_200
    assert closed.closed_positions[1].get_realised_profit_usd() == pytest.approx(200.0)


def test_a_part_is_redeemed():
    def redeem(input: StrategyInput) -> list[TradeExecution]:
        return input.get_position_manager().adjust_position(input.get_default_pair(), -300.0, None, 0.5)

    portfolio = run({1: deposit(1000.0), 2: redeem}, [1.25, 1.5, 1.5]).state.portfolio
    assert portfolio.get_cash() == 9300
    assert portfolio.open_positions[1].get_quantity() == 600


def test_a_vault_may_take_a_fee():
    """1 % to deposit and 1 % to redeem at a constant share price: 1000 / 1.01 * 0.99."""
    portfolio = run({1: deposit(1000.0), 2: close}, [1.0, 1.0, 1.0], fee={"SAVE-USD": 0.01}).state.portfolio
    assert portfolio.get_cash() == pytest.approx(9000 + 1000 / 1.01 * 0.99, abs=1e-5)


def test_a_vault_beside_a_spot_pair():
    """A vault has no fee where the spot pair has the default one."""
    candles = {
        "SAVE-USD": make_candles([flat(1.0)] * 3, bucket=DAY),
        "ETH-USD": make_candles([flat(100.0)] * 3, bucket=DAY),
    }
    universe = create_universe(candles, vaults=["SAVE-USD"])
    assert [(pair.kind.is_vault(), pair.fee) for pair in universe.iterate_pairs()] == [(True, 0.0), (False, 0.001)]

    def both(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        return [trade for pair in input.strategy_universe.iterate_pairs() for trade in manager.open_spot(pair, 1000.0)]

    result = run_backtest_inline(decide_trades=at_cycle({1: both, 2: close}), universe=universe, initial_deposit=10_000)
    assert result.state.portfolio.get_cash() == pytest.approx(10_000 - 1000 + 1000 / 1.001 * 0.999, abs=1e-5)


def test_unknown_vaults_are_refused():
    with pytest.raises(UniverseNotValid, match="no share price of the vault OTHER"):
        create_universe({"SAVE-USD": make_candles([flat(1.0)] * 3)}, vaults=["OTHER-USD"])


@pytest.mark.parametrize(
    ("wanted", "cap", "quantity", "closes"),
    [
        (-300.0, None, -200, False),
        (-300.0, 150.0, -100, False),
        (-1200.0, None, -800, True),
        # One cent more or less than all of it is all of it.
        (-1201.0, None, -800, True),
        (-1199.9999999, None, -800, True),
        (-1200.0, 1199.0, "-799.333333333333", False),
        (-300.0, 0.0, 0, False),
    ],
)
def test_a_reduction_is_limited_by_holdings_and_by_the_vault(wanted: float, cap: float, quantity: Any, closes: bool):
    """800 shares at 1.5."""
    seen: list[Any] = []

    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        seen.append(manager.prepare_hypercore_position_reduction(manager.get_current_position(), wanted, cap))
        return []

    run({1: deposit(1000.0), 2: plan}, [1.25, 1.5, 1.5])
    (found,) = seen
    assert float(found.quantity_delta) == pytest.approx(float(quantity), rel=1e-12)
    assert found.dollar_delta == pytest.approx(float(quantity) * 1.5)
    assert found.is_full_close is closes


def test_a_reduction_that_cannot_be_meant():
    def plan(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        position = manager.get_current_position()
        for wanted, cap, message in [(300.0, None, "a reduction is negative"), (-1.0, -1.0, "must not be negative")]:
            with pytest.raises(PositionManagerError, match=message):
                manager.prepare_hypercore_position_reduction(position, wanted, cap)
        return []

    run({1: deposit(1000.0), 2: plan}, [1.25, 1.5, 1.5])


def test_everything_is_closed_whatever_its_kind():
    """A spot position, a short, a loan of cash, a vault that settles at once and one that settles later."""
    candles = {
        name: make_candles([flat(10.0)] * 8, bucket=DAY) for name in ("SAVE-USD", "FUND-USD", "ETH-USD", "BTC-USD")
    }
    day = VaultTerms(deposit_delay=DAY, redemption_delay=DAY)

    def open_all(input: StrategyInput) -> list[TradeExecution]:
        manager, universe = input.get_position_manager(), input.strategy_universe
        trades = manager.open_credit_supply_position_for_reserves(1000.0)
        for name in ("SAVE", "FUND", "ETH"):
            trades += manager.open_spot(universe.get_pair_by_ticker(name), 1000.0)
        return trades + manager.open_short(universe.get_pair_by_ticker("BTC"), 1000.0)

    result = run_backtest_inline(
        decide_trades=at_cycle({1: open_all, 4: close}),
        universe=create_universe(candles, fee=0.0, vaults={"SAVE-USD": VaultTerms(), "FUND-USD": day}),
        parameters={"lending": LendingPool(0.0, 0.0)},
        initial_deposit=10_000,
    )
    portfolio = result.state.portfolio
    assert not portfolio.open_positions
    assert len(portfolio.closed_positions) == 5
    assert portfolio.get_cash() == 10_000
    assert prove(result.state).is_balanced
