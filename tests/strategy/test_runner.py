"""The cycle checks what the strategy returns, and says in which cycle it went wrong."""

from decimal import Decimal
from typing import Any

import pytest

from tests.backtest.markets import START, buy, flat, get_trades, make_candles, run, sell
from tradeexecutor.backtest.backtest_runner import BacktestOptions, run_backtest
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.strategy.parameters import ParametersNotValid, StrategyParameters
from tradeexecutor.strategy.runner import DecisionFailed, InvalidDecision, prepare_sorted_trades
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.trade_pricing import PriceImpactToleranceExceeded

BARS = [flat(100)] * 4


def test_an_error_of_the_strategy_names_the_cycle_and_keeps_its_cause():
    def crash(input: Any) -> list[Any]:
        return [1 / 0]

    with pytest.raises(
        DecisionFailed, match="cycle 3 at 2024-01-01 02:00:00: decide_trades failed: ZeroDivisionError"
    ) as e:
        run(BARS, {3: crash})
    assert e.value.cycle == 3
    assert isinstance(e.value.__cause__, ZeroDivisionError)


def forget(input: Any) -> list[Any]:
    buy(100)(input)
    return []


def repeat(input: Any) -> list[Any]:
    return buy(100)(input) * 2


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (lambda input: None, "must return a list of trades, not NoneType"),
        (lambda input: (), "must return a list of trades, not tuple"),
        (lambda input: ["buy"], "returned 'buy' among the trades"),
        (forget, "planned <Buy #1 .* and did not return it"),
        (repeat, "returned <Buy #1 .* twice"),
    ],
)
def test_an_unusable_answer_is_refused(plan: Any, message: str):
    with pytest.raises(InvalidDecision, match=f"cycle 2 at 2024-01-01 01:00:00: .*{message}"):
        run(BARS, {2: plan})


def test_executed_trades_cannot_be_returned_again():
    with pytest.raises(InvalidDecision, match="which is not planned"):
        run(BARS, {1: buy(100), 2: lambda input: list(input.state.portfolio.get_all_trades())})


def test_waiting_orders_must_not_be_returned():
    def plan(input: Any) -> list[Any]:
        return input.get_position_manager().open_spot_with_market_limit(input.get_default_pair(), 100, 120.0, None)[1]

    with pytest.raises(InvalidDecision, match="waits for a trigger"):
        run(BARS, {1: plan})


def test_without_capital_the_strategy_is_not_asked():
    asked = []

    def plan(input: Any) -> list[Any]:
        asked.append(input.cycle)
        return []

    result = run(BARS, plan, funding=[(START.replace(hour=2), -10_000)])
    assert asked == [1, 2]
    assert len(result.state.stats.portfolio) == 5


def test_hooks_run_around_the_decision():
    calls = []
    module = StrategyModule(
        path=None,
        engine_version="0.5",
        parameters=StrategyParameters(),
        decide_trades=lambda input: calls.append(("decide", input.cycle)) or [],
        before_strategy_tick=lambda hook: calls.append(("before", hook.cycle)),
        after_strategy_tick=lambda hook: calls.append(("after", hook.cycle)),
    )
    universe = create_universe({"BTC-USD": make_candles(BARS)})
    run_backtest(module, universe, BacktestOptions(initial_deposit=100, progress=False))
    assert calls[:4] == [("before", 1), ("decide", 1), ("after", 1), ("before", 2)]


def test_trades_above_the_price_impact_limit_are_refused():
    with pytest.raises(PriceImpactToleranceExceeded, match=r"price impact of 2\.00%"):
        run(BARS, {1: buy(100)}, fee=0.02, parameters={"max_price_impact": 0.01})
    (trade,) = get_trades(run(BARS, {1: buy(100)}, fee=0.001, parameters={"max_price_impact": 0.01}))
    assert trade.price_impact_tolerance == 0.01
    with pytest.raises(ParametersNotValid, match="max_price_impact"):
        run(BARS, {}, parameters={"max_price_impact": 0.5})


def test_sells_run_before_buys():
    trades = get_trades(run([flat(100)] * 6, {1: buy(1_000), 3: sell}))
    ordered = prepare_sorted_trades(trades)
    assert [trade.is_sell() for trade in ordered] == [True, False]
    assert [trade.sort_index for trade in ordered] == [0, 1]


def test_the_state_knows_when_it_was_last_invested():
    result = run([flat(100)] * 6, {2: buy(1_000), 4: sell})
    assert result.state.last_cycle_at == START.replace(hour=5)
    assert result.state.last_open_positions_cycle_at == START.replace(hour=2)
    assert result.state.portfolio.get_cash() == Decimal(10_000)
