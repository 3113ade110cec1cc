"""Which changes of the equity are called doubtful: not the ones that the books and the prices explain."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.markets import START as MARKET_START
from tests.kit.markets import Bar, buy, flat, make_candles, run, sell
from tests.kit.portfolios import DAY, START, add_open, make_state
from tradeexecutor.analysis.adjusted.equity import read_equity_curve
from tradeexecutor.report.jumps import find_jumps, find_unexplained_jumps
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.statistics.core import update_statistics
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput


def sample(state: State, day: float, price: float) -> None:
    """Revalue the open positions and record a sample."""
    for position in state.portfolio.open_positions.values():
        position.revalue_base_asset(START + day * DAY, price)
    update_statistics(START + day * DAY, state.stats, state.portfolio, ExecutionMode.backtesting)


def make_crash() -> State:
    """900 of 1000 USD in a token that loses half of its price on the third day."""
    state = make_state()
    add_open(state, 900.0, START)
    for day, price in ((1, 900.0), (2, 890.0), (3, 445.0), (4, 440.0)):
        sample(state, day, price)
    return state


def count(state: State) -> tuple[int, int]:
    curve = read_equity_curve(state)
    return len(find_jumps(curve)), len(find_unexplained_jumps(state, curve))


def test_a_crash_of_the_market_is_no_doubtful_jump():
    assert count(make_crash()) == (1, 0)


def take_cash_away(state: State) -> None:
    for item in state.stats.portfolio[2:]:
        item.free_cash = (item.free_cash or 0.0) - 60.0


def forget_the_cash(state: State) -> None:
    for item in state.stats.portfolio:
        item.free_cash = None


def lose_tokens(state: State) -> None:
    for item in state.stats.positions[1][2:]:
        item.quantity = 0.5


@pytest.mark.parametrize("change", [take_cash_away, forget_the_cash, lose_tokens])
def test_a_jump_that_the_books_do_not_explain_is_doubtful(change: Callable[[State], None]):
    state = make_crash()
    change(state)
    assert count(state) == (1, 1)


def test_a_value_that_comes_back_at_once_was_a_wrong_price():
    state = make_state()
    add_open(state, 900.0, START)
    for day, price in ((1, 900.0), (2, 300.0), (3, 900.0)):
        sample(state, day, price)
    jumps = find_unexplained_jumps(state, read_equity_curve(state))
    assert [jump.at for jump in jumps][:1] == [START + 2 * DAY]


def test_a_loss_of_a_trade_is_explained_by_its_entries():
    from tests.kit.portfolios import trade

    state = make_state()
    add_open(state, 900.0, START)
    sample(state, 1, 900.0)
    trade(state, -1, 400.0, START + 2 * DAY)
    sample(state, 2, 0.0)
    sample(state, 3, 0.0)
    assert count(state) == (1, 0)


def add_500(input: StrategyInput) -> list[TradeExecution]:
    return input.get_position_manager().adjust_position(input.get_default_pair(), 500.0, 12.0, 0.5)


def run_through_a_crash(plans: dict[int, Any], **options: Any) -> State:
    """Ten days at 100, a day that falls by 60 %, and ten days at 40."""
    crash: Bar = (100, 100, 40, 40)
    bars: list[Bar] = [flat(100.0)] * 10 + [crash] + [flat(40.0)] * 10
    return run(make_candles(bars, bucket=DAY), plans, fee=0.001, initial_deposit=10_000, **options).state


@pytest.mark.parametrize(
    ("plans", "options"),
    [
        pytest.param({2: buy(9_000)}, {}, id="held"),
        pytest.param({2: buy(9_000), 12: sell, 14: buy(1_000)}, {}, id="sold after it"),
        pytest.param({2: buy(9_000, stop_loss_pct=0.7)}, {}, id="stopped"),
        pytest.param({2: buy(9_000), 12: add_500}, {}, id="bought more after it"),
        pytest.param({2: buy(9_000)}, {"funding": [(MARKET_START + 10 * DAY, 5_000)]}, id="deposit just before"),
        pytest.param({2: buy(9_000)}, {"funding": [(MARKET_START + 11 * DAY, -500)]}, id="withdrawal at the low"),
    ],
)
@pytest.mark.parametrize("sampling", ["day", "candle"])
def test_no_run_through_a_crash_is_doubtful(plans: dict[int, Any], options: dict[str, Any], sampling: str):
    state = run_through_a_crash(plans, equity_sampling=sampling, **options)
    jumps, unexplained = count(state)
    assert jumps >= 1
    assert unexplained == 0
