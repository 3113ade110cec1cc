"""The cycle checks what the strategy returns, and says in which cycle it went wrong."""

import dataclasses
import sys
import threading
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import HOUR, START, buy, flat, get_trades, make_candles, run, sell
from tests.kit.runner import RecordingStore, make_runner
from tradeexecutor.backtest.backtest_runner import BacktestOptions, run_backtest
from tradeexecutor.backtest.backtest_sync import BacktestSyncModel
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.errors import UncleanState, WrongThread
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeStatus, TradeType
from tradeexecutor.strategy.author_code import StrategyExited
from tradeexecutor.strategy.execution_context import ExecutionMode
from tradeexecutor.strategy.parameters import ParametersNotValid, StrategyParameters
from tradeexecutor.strategy.runner import (
    DecisionFailed,
    InvalidDecision,
    prepare_sorted_trades,
)
from tradeexecutor.strategy.strategy_module import StrategyModule
from tradeexecutor.strategy.sync_model import UnconfirmedTreasurySync
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


@pytest.mark.parametrize("where", ["decide_trades", "before_strategy_tick", "after_strategy_tick"])
def test_a_strategy_that_ends_the_program_is_an_error_of_the_strategy(where: str):
    functions: dict[str, Any] = {"decide_trades": lambda input: [], where: lambda input: sys.exit(0)}
    module = StrategyModule(path=None, engine_version="0.5", parameters=StrategyParameters(), **functions)
    universe = create_universe({"BTC-USD": make_candles(BARS)})
    with pytest.raises(DecisionFailed, match=rf"cycle 1 at .*: {where} failed: .*sys\.exit\(0\)") as failure:
        run_backtest(module, universe, BacktestOptions(initial_deposit=100, progress=False))
    assert isinstance(failure.value.__cause__, StrategyExited)


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


@pytest.mark.parametrize("returns", [True, False])
def test_waiting_orders_wait_whether_they_are_returned_or_not(returns: bool):
    def plan(input: Any) -> list[Any]:
        manager, pair = input.get_position_manager(), input.get_default_pair()
        entry = manager.open_spot_with_market_limit(pair, 100, 120.0, None)[1]
        return entry if returns else []

    result = run(BARS, {1: plan})
    (position,) = result.state.portfolio.pending_positions.values()
    assert [trade.is_planned() for trade in position.pending_trades.values()] == [True]


def test_a_triggered_trade_that_waits_for_nothing_is_refused():
    def plan(input: Any) -> list[Any]:
        return buy(100, flags={TradeFlag.triggered})(input)

    with pytest.raises(InvalidDecision, match="has the status of a resting order, but no trigger"):
        run(BARS, {1: plan})


def test_without_capital_the_strategy_is_not_asked():
    asked = []

    def plan(input: Any) -> list[Any]:
        asked.append(input.cycle)
        return []

    result = run(BARS, plan, funding=[(START.replace(hour=2), -10_000)])
    assert asked == [1, 2]
    # The redemption has a sample before and after it.
    assert len(result.state.stats.portfolio) == 6


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


def test_a_live_cycle_saves_before_and_after_trading_and_at_its_end():
    store = RecordingStore()
    runner = make_runner({1: buy(1_000)}, BARS, ExecutionMode.unit_testing_trading, store)
    runner.tick(1, START)
    before, after, end = store.saved
    assert [trade.get_status() for trade in before.portfolio.get_all_trades()] == [TradeStatus.planned]
    assert before.portfolio.get_cash() == 10_000
    assert [trade.get_status() for trade in after.portfolio.get_all_trades()] == [TradeStatus.success]
    assert after.stats.portfolio == []
    assert len(end.stats.portfolio) == 1
    assert end.cycle == 2, "a restart continues with the next number"
    assert end.last_cycle_at == START
    assert end.uptime.cycles_completed_at[1] != START, "live cycles end when they end"


def test_triggers_of_a_live_run_use_the_price_of_the_moment_and_save():
    store = RecordingStore()
    bars = [flat(100), flat(100), flat(85), flat(85)]
    runner = make_runner({1: buy(1_000, stop_loss_pct=0.9)}, bars, ExecutionMode.unit_testing_trading, store)
    runner.tick(1, START)
    assert runner.check_triggers(START.replace(hour=1)) == []
    saves = len(store.saved)
    (trade,) = runner.check_triggers(START.replace(hour=2, minute=30))
    assert trade.executed_price == 85.0
    assert store.saved[-1].stats.portfolio[-1].calculated_at == START.replace(hour=2, minute=30)
    assert len(store.saved) == saves + 3
    assert runner.check_triggers(START.replace(hour=3)) == []


def test_a_backtest_does_not_save():
    store = RecordingStore()
    make_runner({1: buy(1_000)}, BARS, ExecutionMode.backtesting, store).tick(1, START)
    assert store.saved == []


def test_approval_can_hold_trades_back():
    store = RecordingStore()
    runner = make_runner({1: buy(1_000)}, BARS, ExecutionMode.backtesting, store)
    runner.models = dataclasses.replace(runner.models, approval=lambda state, trades: [])
    assert runner.tick(1, START) == []
    portfolio = runner.state.portfolio
    assert portfolio.get_cash() == 10_000
    assert not portfolio.open_positions
    assert portfolio.expired_positions[1].expired_trades[1].get_status() is TradeStatus.expired
    runner.state.perform_integrity_check()


def test_unconfirmed_deposits_end_the_cycle_without_trading():
    class Unconfirmed(BacktestSyncModel):
        def sync_treasury(self, *args: Any, **kwargs: Any) -> Any:
            raise UnconfirmedTreasurySync("the node lags behind")

    store = RecordingStore()
    runner = make_runner({1: buy(1_000)}, BARS, ExecutionMode.backtesting, store, Unconfirmed(SimulatedWallet()))
    assert runner.tick(1, START) == []
    assert runner.state.cycle == 2
    assert len(runner.state.stats.portfolio) == 1


@pytest.mark.parametrize("step", ["tick", "revalue", "record_statistics", "check_triggers"])
@pytest.mark.parametrize("holds", [False, True])
def test_no_step_changes_the_state_of_another_thread(step: str, *, holds: bool):
    runner = make_runner({1: buy(1_000)} if holds else {}, BARS, ExecutionMode.backtesting, RecordingStore())
    now = START
    for cycle in (1, 2):  # bars that are only noted
        runner.tick(cycle, now := START + cycle * HOUR)
    before = runner.state.to_json()
    runner.state.hand_over()
    refused = threading.Event()
    owned = threading.Event()

    def own() -> None:
        runner.state.portfolio.owner.claim()
        owned.set()
        refused.wait(10)

    other = threading.Thread(target=own)
    other.start()
    try:
        assert owned.wait(10)
        arguments = (3, now) if step == "tick" else (now,)
        with pytest.raises(WrongThread):
            getattr(runner, step)(*arguments)
    finally:
        refused.set()
        other.join()
    assert runner.state.to_json() == before


def test_a_decision_that_hands_the_state_over_ends_with_the_cycle():
    def hand_over(input: Any) -> Any:
        input.state.hand_over()
        return []

    runner = make_runner({2: hand_over}, BARS, ExecutionMode.backtesting, RecordingStore())
    for cycle in (1, 2, 3):
        runner.tick(cycle, START + cycle * HOUR)
    assert len(runner.state.stats.portfolio) == 3
    errors: list[BaseException] = []

    def change() -> None:
        try:
            runner.state.portfolio.owner.claim()
        except WrongThread as error:
            errors.append(error)

    other = threading.Thread(target=change)
    other.start()
    other.join()
    assert len(errors) == 1


@pytest.mark.parametrize("may_settle", [False, True])
def test_an_execution_model_with_nothing_to_settle_is_not_asked(monkeypatch: pytest.MonkeyPatch, *, may_settle: bool):
    runner = make_runner({1: buy(1_000)}, BARS, ExecutionMode.backtesting, RecordingStore())
    runner.tick(1, START)
    asked: list[str] = []

    execution = runner.models.execution
    monkeypatch.setattr(execution, "settle_requests", lambda *arguments: asked.append("requests"))
    monkeypatch.setattr(execution, "settle_transfers", lambda *arguments: asked.append("transfers"))
    execution.may_settle_requests = execution.may_settle_transfers = may_settle
    runner.tick(2, START + HOUR)
    assert asked == ["transfers", "requests"] * may_settle


# --- A state that its last run has not left in order


def test_a_trade_of_unknown_outcome_stops_the_strategy_before_it_starts(caplog: pytest.LogCaptureFixture):
    store = RecordingStore()
    runner = make_runner({}, BARS, ExecutionMode.backtesting, store)
    fund_and_plan(runner.state)
    trade = next(runner.state.portfolio.get_all_trades())
    runner.state.start_execution(START, trade)
    runner.state.mark_broadcasted(START, trade)
    with pytest.raises(UncleanState, match=r"trade #1 of position #1 .* was sent .*--failed 1") as error:
        dataclasses.replace(runner)
    assert error.value.trade_ids == [1]
    assert "was sent and its outcome was never recorded" in caplog.text


def test_what_else_needs_attention_is_logged(caplog: pytest.LogCaptureFixture):
    runner = make_runner({}, BARS, ExecutionMode.backtesting, RecordingStore())
    fund_and_plan(runner.state)
    dataclasses.replace(runner)
    assert "trade #1 of position #1 BTC-USD: was planned and never sent" in caplog.text
    assert "repair STATE_FILE --only unsent" in caplog.text


def fund_and_plan(state: State) -> None:
    universe = create_universe({"BTC-USD": make_candles(BARS)})
    reserve = universe.reserve_asset
    if not state.portfolio.reserves:
        state.portfolio.initialise_reserves(reserve, 1.0)
    state.portfolio.adjust_reserves(reserve, Decimal(1000))
    state.create_trade(
        START, universe.get_single_pair(), None, Decimal(100), 100.0, TradeType.rebalance, reserve, 1.0,
        planned_mid_price=100.0,
    )  # fmt: skip
