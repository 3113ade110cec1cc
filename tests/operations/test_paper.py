"""Paper trading: what a backtest would have done, as the candles arrive, through kills and across the seam."""

import datetime
import json
import os
import random
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.deviations import FEE, Market
from tests.kit.markets import DAY, HOUR, START, buy, flat, make_candles, random_walk, sell
from tests.kit.soak import scaled
from tests.support import REPOSITORY
from tradeexecutor.analysis.adjusted.benchmark import read_holdings
from tradeexecutor.analysis.compare.attribution import attribute_difference
from tradeexecutor.analysis.compare.states import compare_states
from tradeexecutor.backtest.backtest_runner import BacktestNotPossible, run_backtest_for_module, run_backtest_inline
from tradeexecutor.backtest.delisting import Delisting
from tradeexecutor.backtest.feeds.interface import CandleFeed, FeedUnavailable
from tradeexecutor.backtest.feeds.market import GrowingMarket
from tradeexecutor.backtest.feeds.series import cut
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.ledger.proof import prove
from tradeexecutor.operations.live_loop import LiveStartRefused, StaleMarketData
from tradeexecutor.operations.operator_commands import pause, resume
from tradeexecutor.operations.paper import PaperLoop, PaperSettings, create_paper_state
from tradeexecutor.state.benchmark import read_benchmarks
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.late_candles import list_late_pairs
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.parameters import StrategyParameters
from tradeexecutor.strategy.strategy_module import StrategyModule, read_strategy_module

CYCLE = CycleDuration.cycle_1h
SLIPPAGE = 0.001
#: `make soak KILLS=500` kills the process more often.
KILLS = int(os.environ.get("KILLS") or min(scaled(20), 100))
Decide = Callable[..., list[Any]]


class Growing(CandleFeed):
    """Candles that arrive with the time, or with a delay for some pairs."""

    def __init__(self, candles: dict[str, Candles], delays: dict[str, datetime.timedelta] | None = None):
        self.candles = candles
        self.delays = delays or {}
        self.problem: Exception | None = None

    def read(self, now: datetime.datetime) -> dict[str, Candles]:
        if self.problem is not None:
            raise self.problem
        found = {name: cut(item, now - self.delays.get(name, 0 * HOUR)) for name, item in self.candles.items()}
        return {name: candles for name, candles in found.items() if candles is not None}


class Clock:
    """A clock that runs while somebody waits."""

    def __init__(self, now: datetime.datetime = START):
        self.now = now

    def __call__(self) -> datetime.datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)


def make_module(decide: Decide, latency: float = 0.0) -> StrategyModule:
    parameters = StrategyParameters.from_dict({"latency": latency})
    module = StrategyModule(path=None, engine_version="0.5", parameters=parameters, decide_trades=decide, name="paper")
    module.apply_parameters()
    return module


def make_loop(
    store: JSONFileStore, decide: Decide, feed: CandleFeed, clock: Clock, latency: float = 0.0, **settings: Any
) -> PaperLoop:
    chosen = PaperSettings(CYCLE, **({"slippage": SLIPPAGE, "poll": HOUR} | settings))
    market = GrowingMarket(feed, fee=FEE)
    return PaperLoop(make_module(decide, latency), store, market, chosen, clock=clock, wait=clock.wait)


def run_paper(path: Path, decide: Decide, feed: CandleFeed, cycles: int, **settings: Any) -> State:
    clock = Clock()
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
        return make_loop(store, decide, feed, clock, max_cycles=cycles, **settings).run()


def run_history(decide: Decide, candles: dict[str, Candles], **options: Any) -> State:
    settings: dict[str, Any] = {"initial_deposit": 10_000, "slippage": SLIPPAGE, "leaves_open": True} | options
    return run_backtest_inline(
        decide_trades=decide, universe=create_universe(candles, fee=FEE), progress=False, **settings
    ).state


def get_equity(state: State) -> list[tuple[datetime.datetime, float]]:
    return [(sample.calculated_at, sample.get_value()) for sample in state.stats.portfolio]


def with_levels(input: Any) -> list[Any]:
    """Buy with a stop loss and a take profit whenever nothing is open."""
    if input.get_position_manager().is_any_open():
        return []
    return buy(1_000, stop_loss_pct=0.98, take_profit_pct=1.03)(input)


# --- The same as a backtest


@pytest.mark.parametrize("seed", [3, 4])
def test_paper_makes_the_trades_of_a_backtest(tmp_path: Path, seed: int):
    market = Market(seed)
    candles = market.make_candles()
    a = run_history(market.decide, candles, end_at=START + 20 * HOUR)
    b = run_paper(tmp_path / "state.json", market.decide, Growing(candles), 20)
    result = compare_states(a, b)
    assert result.is_equal, result.divergence
    assert len(result.trades) > 5
    assert get_equity(a) == get_equity(b)
    assert attribute_difference(a, b).difference == 0
    assert a.uptime.cycles_completed_at == b.uptime.cycles_completed_at


def test_stop_losses_fill_inside_the_candles_as_in_a_backtest(tmp_path: Path):
    candles = {"BTC-USD": make_candles(random_walk(11, 25))}
    a = run_history(with_levels, candles)
    b = run_paper(tmp_path / "state.json", with_levels, Growing(candles), 25)
    assert sum(trade.is_stop_loss() or trade.is_take_profit() for trade in b.portfolio.get_all_trades()) > 3
    assert get_equity(a) == get_equity(b)
    assert compare_states(a, b).is_equal


@pytest.mark.parametrize("seam", [1, 8])
def test_paper_continues_a_backtest_without_a_seam(tmp_path: Path, seam: int):
    candles = {"BTC-USD": make_candles(random_walk(11, 16))}
    whole = run_history(with_levels, candles)
    path = tmp_path / "state.json"
    begun = run_history(with_levels, candles, end_at=START + seam * HOUR)
    assert begun.last_cycle_at == START + (seam - 1) * HOUR
    with JSONFileStore(path) as store:
        store.sync(begun)
        clock = Clock(START + seam * HOUR)
        state = make_loop(store, with_levels, Growing(candles), clock, max_cycles=16 - seam).run()
    assert get_equity(state) == get_equity(whole)
    assert compare_states(whole, state).is_equal
    assert state.uptime.cycles_completed_at == whole.uptime.cycles_completed_at
    assert state.backtest_data is None
    assert state.created_at == START


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 5])
def test_a_rebalanced_portfolio_of_two_assets_is_that_of_a_backtest(tmp_path: Path, seed: int):
    """One strategy file with indicators, which sells some of one asset and buys more of the other."""
    days = 40
    candles = {
        name: make_candles(random_walk(seed + number, days), bucket=DAY)
        for number, name in enumerate(("BTC-USD", "ETH-USD"))
    }
    file = REPOSITORY / "examples" / "rebalancing.py"
    chosen = {"volatility_window": 5, "momentum_window": 5, "cycle_duration": CycleDuration.cycle_1d}
    begin = START + 10 * DAY
    whole = run_backtest_for_module(
        file,
        universe=create_universe(candles, fee=FEE),
        start_at=begin,
        parameters=chosen,
        slippage=SLIPPAGE,
        leaves_open=True,
        progress=False,
    ).state
    module = read_strategy_module(file)
    module.apply_parameters(chosen)
    settings = PaperSettings(CycleDuration.cycle_1d, SLIPPAGE, poll=DAY / 2, max_cycles=days - 10)
    path, clock = tmp_path / "state.json", Clock(begin)
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(100_000), begin, CycleDuration.cycle_1d)
        market = GrowingMarket(Growing(candles), fee=FEE)
        PaperLoop(module, store, market, settings, clock=clock, wait=clock.wait).run()
    state = State.read_json_file(path)
    trades = list(state.portfolio.get_all_trades())
    assert {trade.pair.get_ticker() for trade in trades} == set(candles)
    changes = [trade for trade in trades if (trade.notes or "").startswith(("up to", "down to"))]
    assert len({trade.is_buy() for trade in changes}) == 2
    assert compare_states(whole, state).is_equal
    assert get_equity(state) == get_equity(whole)
    assert attribute_difference(whole, state).difference == 0


LENDING = LendingPool(supply_rate=0.05, borrow_rate=0.08, liquidation_threshold=0.85, liquidation_penalty=0.05)


def short_now_and_then(input: Any) -> list[Any]:
    """Be short with leverage for some hours, with a stop and a target."""
    manager, pair = input.get_position_manager(), input.get_default_pair()
    if manager.is_any_short_position_open():
        short = manager.get_current_short_position()
        if input.cycle % 5 == 0 and short.stop_loss is not None:
            short.stop_loss *= 0.995
        return manager.close_short(short) if input.cycle % 7 == 0 else []
    if input.cycle % 3:
        return []
    return manager.open_short(pair, 2_000.0, leverage=2.0, stop_loss_pct=0.97, take_profit_pct=1.04)


def lend_idle_cash(input: Any) -> list[Any]:
    """Lend what is not invested, and take it back to buy."""
    manager, pair = input.get_position_manager(), input.get_default_pair()
    if input.cycle % 6 == 1:
        return manager.open_credit_supply_position_for_reserves(5_000.0)
    if input.cycle % 6 == 4:
        return manager.close_credit_supply_position(manager.get_current_credit_supply_position())
    if input.cycle % 6 == 5:
        return manager.open_spot(pair, 1_000.0)
    return manager.close_all() if input.cycle % 6 == 0 else []


def short_without_a_stop(input: Any) -> list[Any]:
    """Be short until the pool liquidates the loan, each time again."""
    manager = input.get_position_manager()
    if manager.is_any_short_position_open():
        return []
    return manager.open_short(input.get_default_pair(), 1_000.0, leverage=3.0)


@pytest.mark.parametrize(
    ("starts", "minutes"),
    [(1, 0), *(pytest.param(30, minutes, marks=pytest.mark.slow) for minutes in (0, 25, 100))],
)
@pytest.mark.parametrize("decide", [short_now_and_then, lend_idle_cash, short_without_a_stop])
def test_loans_are_those_of_a_backtest(tmp_path: Path, decide: Decide, starts: int, minutes: int):
    """With a latency, orders and levels are on their way while the process is started again."""
    bars = random_walk(11, 30)
    if decide is short_without_a_stop:
        bars = [(price, price * 1.07, price, price * 1.06) for price in (100 * 1.06**hour for hour in range(30))]
    candles = {"BTC-USD": make_candles(bars)}
    universe = create_universe(candles, fee=FEE).with_lending(LENDING)
    whole = run_backtest_inline(
        decide_trades=decide,
        universe=universe,
        progress=False,
        initial_deposit=10_000,
        slippage=SLIPPAGE,
        leaves_open=True,
        latency=datetime.timedelta(minutes=minutes),
    ).state
    clock, path = Clock(), tmp_path / "state.json"
    module = make_module(decide)
    module.parameters = StrategyParameters.from_dict({"lending": LENDING})
    module.latency = datetime.timedelta(minutes=minutes)
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
    for _ in range(starts):
        with JSONFileStore(path) as store:
            market = GrowingMarket(Growing(candles), fee=FEE)
            settings = PaperSettings(CYCLE, SLIPPAGE, poll=HOUR, max_cycles=30 // starts)
            PaperLoop(module, store, market, settings, clock=clock, wait=clock.wait).run()
    state = State.read_json_file(path)
    assert any(position.is_loan_based() for position in state.portfolio.get_all_positions())
    distribution = state.sync.interest.last_distribution
    assert distribution is not None
    assert not any(entry.position.trades or entry.position.balance_updates for entry in distribution.entries)
    assert len(list(state.portfolio.get_all_trades())) > 8
    if decide is short_without_a_stop:
        assert state.portfolio.get_net_asset_value() < 9_000  # it was liquidated more than once
    assert get_equity(state) == get_equity(whole)
    assert compare_states(whole, state).is_equal
    assert prove(state).is_balanced


def test_an_order_waits_for_its_market_through_a_restart(tmp_path: Path):
    # The second pair opens three hours after the order.
    candles = {
        "BTC-USD": make_candles([flat(100)] * 10),
        "ETH-USD": make_candles([flat(50)] * 7, skip=(2, 3, 4)),
    }

    def decide(input: Any) -> list[Any]:
        pair = input.strategy_universe.get_pair_by_ticker("ETH-USD")
        return buy(1_000, pair)(input) if input.cycle == 4 else sell(input) if input.cycle == 9 else []

    whole = run_history(decide, candles)
    path = tmp_path / "state.json"
    clock = Clock()
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
    for _ in range(10):
        with JSONFileStore(path) as store:
            make_loop(store, decide, Growing(candles), clock, max_cycles=1).run()
        clock.now += HOUR
    state = State.read_json_file(path)
    first, second = sorted(state.portfolio.get_all_trades(), key=lambda trade: trade.trade_id)
    assert (first.opened_at, first.executed_at) == (START + 3 * HOUR, START + 5 * HOUR)
    assert second.executed_at == START + 8 * HOUR
    assert get_equity(state) == get_equity(whole)


@pytest.mark.parametrize("minutes", [2, 60, 90])
def test_orders_with_a_latency_are_those_of_a_backtest_through_restarts(tmp_path: Path, minutes: int):
    candles = {"BTC-USD": make_candles(random_walk(11, 12))}
    whole = run_history(with_levels, candles, latency=datetime.timedelta(minutes=minutes))
    path = tmp_path / "state.json"
    clock = Clock()
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
    for _ in range(12):
        with JSONFileStore(path) as store:
            make_loop(store, with_levels, Growing(candles), clock, latency=minutes * 60.0, max_cycles=1).run()
        clock.now += HOUR
    state = State.read_json_file(path)
    assert len(list(state.portfolio.get_all_trades())) > 3
    assert get_equity(state) == get_equity(whole)
    assert compare_states(whole, state).is_equal


def run_daily(path: Path, decide: Decide, candles: dict[str, Candles], starts: int, **settings: Any) -> State:
    """Trade on paper for as many days as the first pair has candles, in `starts` processes."""
    days = len(next(iter(candles.values())))
    clock = Clock()
    chosen = PaperSettings(CycleDuration.cycle_1d, SLIPPAGE, poll=DAY / 2, max_cycles=days // starts, **settings)
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CycleDuration.cycle_1d)
    for _ in range(starts):
        with JSONFileStore(path) as store:
            market = GrowingMarket(Growing(candles), fee=FEE)
            PaperLoop(make_module(decide), store, market, chosen, clock=clock, wait=clock.wait).run()
    return State.read_json_file(path)


@pytest.mark.parametrize("starts", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_a_market_that_has_come_back_is_not_closed_in_a_pause(tmp_path: Path, starts: int):
    candles = {
        "BTC-USD": make_candles([flat(100.0)] * 30, bucket=DAY),
        "ETH-USD": make_candles([flat(50.0)] * 12, bucket=DAY, skip=[*range(5, 21), 24, 25]),
    }

    def decide(input: Any) -> list[Any]:
        pair = input.strategy_universe.get_pair_by_ticker("ETH-USD")
        return buy(1_000, pair)(input) if input.cycle == 23 else []

    whole = run_history(decide, candles, delisted_after=10 * DAY)
    state = run_daily(tmp_path / "state.json", decide, candles, starts, delisted_after=10 * DAY)
    assert len(state.portfolio.open_positions) == 1
    assert get_equity(state) == get_equity(whole)


@pytest.mark.parametrize("outcome", Delisting)
@pytest.mark.parametrize("is_restarted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_position_in_a_market_that_is_gone_is_closed_as_in_a_backtest(
    tmp_path: Path, outcome: Delisting, is_restarted: bool
):
    gone_after = 10 * DAY
    candles = {
        "BTC-USD": make_candles([flat(100.0)] * 20, bucket=DAY),
        "ETH-USD": make_candles([flat(50.0)] * 4 + [(50, 51, 39, 40)], bucket=DAY),
    }

    def decide(input: Any) -> list[Any]:
        pair = input.strategy_universe.get_pair_by_ticker("ETH-USD")
        return buy(1_000, pair)(input) if input.cycle == 2 else []

    whole = run_history(decide, candles, delisting=outcome, delisted_after=gone_after)
    starts = 20 if is_restarted else 1
    state = run_daily(tmp_path / "state.json", decide, candles, starts, delisting=outcome, delisted_after=gone_after)
    (position,) = state.portfolio.closed_positions.values()
    assert position.closed_at == START + 15 * DAY
    assert position.is_marked_down() is (outcome is Delisting.write_off)
    assert "has not traded since 2024-01-06" in (position.notes or "")
    assert get_equity(state) == get_equity(whole)
    assert compare_states(whole, state).is_equal
    # It is late until it counts as gone.
    late = [cycle for cycle in range(1, 21) if list_late_pairs(state, cycle)]
    assert late == list(range(7, 16))
    assert prove(state).is_balanced


# --- Killed


def read_without_save_time(path: Path) -> dict[str, Any]:
    data = json.loads(State.read_json_file(path).to_json_safe())
    del data["last_updated_at"]
    return data


def run_child(work: Callable[[], None]) -> int:
    """Run something in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def kill_often(path: Path, work: Callable[[], None], kills: int, seed: int) -> int:
    """Run work until it ends by itself, killed after random times; return how often it was killed."""
    chance = random.Random(seed)
    done = 0
    while True:
        child = run_child(work)
        if done < kills:
            time.sleep(chance.uniform(0.0, 0.12))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            done += 1
            continue
        assert os.WEXITSTATUS(status) == 0
        return done


@pytest.mark.slow
@pytest.mark.timeout(300 + 20 * KILLS)
@pytest.mark.parametrize("seed", [1])
def test_a_process_that_is_killed_loses_and_repeats_no_decision(tmp_path: Path, seed: int):
    kills = KILLS
    count = 6 * kills
    candles = {"BTC-USD": make_candles(random_walk(seed, count)), "ETH-USD": make_candles(random_walk(seed + 9, count))}
    whole, killed = tmp_path / "whole.json", tmp_path / "killed.json"
    end = START + (count - 1) * HOUR

    def catch_up(path: Path) -> None:
        with JSONFileStore(path) as store:
            loop = make_loop(store, with_levels_of_both, Growing(candles), Clock(end))
            loop.catch_up(loop.start(), end)

    for path in (whole, killed):
        with JSONFileStore(path) as store:
            create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
    catch_up(whole)
    assert kill_often(killed, lambda: catch_up(killed), kills, seed) == kills
    state = State.read_json_file(killed)
    assert sorted(state.uptime.cycles_completed_at) == list(range(1, count + 1))
    assert len(list(state.portfolio.get_all_trades())) > kills
    assert read_without_save_time(killed) == read_without_save_time(whole)
    assert get_equity(state) == get_equity(State.read_json_file(whole))


def with_levels_of_both(input: Any) -> list[Any]:
    """Hold both pairs with levels, and adjust one of them now and then."""
    manager = input.get_position_manager()
    trades: list[Any] = []
    for pair in input.strategy_universe.iterate_pairs():
        if input.state.portfolio.get_position_by_trading_pair(pair) is None:
            trades += manager.open_spot(pair, 1_000.0, stop_loss_pct=0.98, take_profit_pct=1.03)
        elif input.cycle % 7 == 0:
            trades += manager.adjust_position(pair, 50.0, None, 0.1)
    return trades


# --- Late data, pauses, refusals


def test_a_decision_waits_for_a_late_pair_and_then_records_that_it_was_late(tmp_path: Path):
    candles = {name: make_candles([flat(100)] * 10) for name in ("BTC-USD", "ETH-USD")}
    feed = Growing(candles)
    path = tmp_path / "state.json"
    with JSONFileStore(path) as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
        loop = make_loop(store, lambda input: [], feed, Clock(), late_wait=HOUR / 4)
        state = loop.start()
        assert loop.catch_up(state, START + 2 * HOUR) == 3
        feed.delays["ETH-USD"] = 3 * HOUR
        # The decision of the third hour has waited long enough, that of the fourth has not.
        assert loop.catch_up(state, START + 4 * HOUR) == 1
        assert loop.catch_up(state, START + 4 * HOUR + HOUR / 8) == 0
        assert loop.catch_up(state, START + 4.5 * HOUR) == 1
    saved = State.read_json_file(path)
    assert [list_late_pairs(saved, cycle) for cycle in (3, 4, 5)] == [[], ["ETH-USD"], ["ETH-USD"]]


def test_a_paused_strategy_makes_no_decision_later_either(tmp_path: Path):
    candles = {"BTC-USD": make_candles([flat(100), flat(100), (100, 100, 90, 95), *[flat(95)] * 5])}
    with JSONFileStore(tmp_path / "state.json") as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
        loop = make_loop(store, with_levels, Growing(candles), Clock())
        state = loop.start()
        assert loop.catch_up(state, START + HOUR) == 2
        pause(state, START, "Alice")
        assert loop.catch_up(state, START + 4 * HOUR) == 0
        # The stop loss still works.
        assert [trade.is_stop_loss() for trade in state.portfolio.get_all_trades()] == [False, True]
        resume(state, START, "Alice")
        assert loop.catch_up(state, START + 5 * HOUR) == 1
    assert state.cycle == 4


def test_data_that_is_not_there_stops_nothing(tmp_path: Path):
    feed = Growing({"BTC-USD": make_candles([flat(100)] * 5)})
    jobs: list[tuple[str, str]] = []
    clock = Clock()
    with JSONFileStore(tmp_path / "state.json") as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
        loop = make_loop(store, lambda input: [], feed, clock, max_cycles=5, max_data_delay=3 * HOUR)
        feed.problem = FeedUnavailable("no answer")

        def note(name: str, error: Exception | None) -> None:
            jobs.append((name, str(error or "")))
            feed.problem = None

        loop.on_job = note
        state = loop.run()
        assert jobs == [("decision", "no answer"), *[("decision", "")] * 5]
        with pytest.raises(StaleMarketData):
            loop.catch_up(state, START + 20 * HOUR)
    assert state.cycle == 6


def test_what_paper_trading_refuses(tmp_path: Path):
    with JSONFileStore(tmp_path / "loans.json") as store:
        create_paper_state(store, "paper", Decimal(10_000), START, CYCLE)
        loop = make_loop(store, Market(3).decide, Growing(Market(3).make_candles()), Clock())
        loop.module.parameters = StrategyParameters.from_dict({"lending": 0.05})
        with pytest.raises(BacktestNotPossible, match="must be a LendingPool"):
            loop.catch_up(loop.start(), START)
    candles = {"BTC-USD": make_candles(random_walk(1, 20)), "ETH-USD": make_candles(random_walk(2, 20))}
    path = tmp_path / "state.json"
    run_paper(path, Market(3).decide, Growing(candles), 15)
    swapped = dict(reversed(candles.items()))
    with JSONFileStore(path) as store:
        loop = make_loop(store, Market(3).decide, Growing(swapped), Clock())
        state = loop.start()
        with pytest.raises(LiveStartRefused, match="same files in the same order"):
            loop.catch_up(state, START + 19 * HOUR)
    other = tmp_path / "other.json"
    with JSONFileStore(other) as store:
        store.sync(State(created_at=START, name="live"))
        with pytest.raises(LiveStartRefused, match="neither of paper trading nor of a backtest"):
            make_loop(store, Market(3).decide, Growing(candles), Clock()).start()
        with pytest.raises(LiveStartRefused, match="no cash"):
            create_paper_state(store, "x", Decimal(0), START, CYCLE)


def test_the_first_decision_is_at_the_next_tick(tmp_path: Path):
    feed = Growing({"BTC-USD": make_candles([flat(100)] * 72)})
    asked: list[datetime.datetime] = []

    def decide(input: Any) -> list[Any]:
        asked.append(input.timestamp)
        return []

    with JSONFileStore(tmp_path / "state.json") as store:
        create_paper_state(store, "paper", Decimal(10_000), START + 10.5 * HOUR, CycleDuration.cycle_1d)
        clock = Clock(START + 10.5 * HOUR)
        settings = PaperSettings(CycleDuration.cycle_1d, poll=HOUR, offset=HOUR / 2, max_cycles=2)
        PaperLoop(make_module(decide), store, GrowingMarket(feed), settings, clock=clock, wait=clock.wait).run()
    assert asked == [START + DAY, START + 2 * DAY]


def test_what_could_have_been_held_is_recorded_once_a_day(tmp_path: Path):
    """As a backtest of the same time records it, also when the backtest is continued on paper."""
    candles = {"BTC-USD": make_candles(random_walk(11, 80))}
    whole = run_history(with_levels, candles, end_at=START + 73 * HOUR)
    assert whole.backtest_data is not None
    (expected,) = whole.backtest_data.benchmarks
    paper = run_paper(tmp_path / "new.json", with_levels, Growing(candles), 74)
    path = tmp_path / "continued.json"
    with JSONFileStore(path) as store:
        store.sync(run_history(with_levels, candles, end_at=START + 30 * HOUR))
        continued = make_loop(
            store, with_levels, Growing(candles), Clock(START + 30 * HOUR), max_cycles=44, poll=HOUR
        ).run()
    for state in (paper, continued):
        (found,) = read_benchmarks(state)
        # The backtest ends an hour after the last midnight, at which paper trading has recorded.
        assert (found.name, found.times[-1]) == (expected.name, expected.times[-2])
        assert found.times == expected.times[:-1]
        assert found.prices == expected.prices[:-1]
        (holding,) = read_holdings(state)
        assert holding.growth.iloc[0] == 1.0


def test_candles_that_do_not_reach_back_leave_the_record_as_it_is(tmp_path: Path):
    candles = make_candles(random_walk(11, 80))
    path = tmp_path / "state.json"
    with JSONFileStore(path) as store:
        store.sync(run_history(with_levels, {"BTC-USD": candles}, end_at=START + 30 * HOUR))
        before = read_benchmarks(store.load())
        late = {"BTC-USD": candles.between(START + 28 * HOUR, None)}
        state = make_loop(store, with_levels, Growing(late), Clock(START + 30 * HOUR), max_cycles=44, poll=HOUR).run()
    assert read_benchmarks(state) == before
