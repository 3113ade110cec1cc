"""The quick samples of a backtest are those of `update_statistics`, whatever a strategy does to its state."""

import copy
import datetime
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kit.markets import make_candles, random_walk
from tests.kit.trader import DAY, T0, WETH_USDC, Trader, new_state
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.execution_mode import ExecutionMode
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.statistics import PortfolioStatistics
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.statistics.sample_recorder import SampleRecorder
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

BARS = 60
UNIVERSE = create_universe(
    {f"{name}-USD": make_candles(random_walk(seed, BARS)) for seed, name in enumerate(("BTC", "ETH"), 1)}, fee=0.001
)

Edit = Callable[[StrategyInput, TradingPosition], object]


def _first_trade(position: TradingPosition) -> TradeExecution:
    return next(iter(position.trades.values()))


def _assign(target: Callable[[TradingPosition], Any], name: str, change: Callable[[Any], Any]) -> Edit:
    def edit(input: StrategyInput, position: TradingPosition) -> None:
        setattr(target(position), name, change(getattr(target(position), name)))

    return edit


def _itself(position: TradingPosition) -> TradingPosition:
    return position


def _change_reserve(input: StrategyInput, position: TradingPosition) -> None:
    input.state.portfolio.get_default_reserve_position().quantity += 7


def _change_reserve_price(input: StrategyInput, position: TradingPosition) -> None:
    input.state.portfolio.get_default_reserve_position().reserve_token_price = 0.99


def _replace_trades(input: StrategyInput, position: TradingPosition) -> None:
    position.trades = dict(position.trades)


def _drop_trade(input: StrategyInput, position: TradingPosition) -> None:
    if len(position.trades) > 1:
        position.trades.popitem()


def _replace_samples(input: StrategyInput, position: TradingPosition) -> None:
    input.state.stats.portfolio = input.state.stats.portfolio[::2]


def _keep_samples(input: StrategyInput, position: TradingPosition) -> None:
    input.state.stats.portfolio.append(PortfolioStatistics(input.timestamp, 1.0, float(input.cycle)))


def _forget_position_samples(input: StrategyInput, position: TradingPosition) -> None:
    input.state.stats.positions.pop(position.position_id, None)


def _forget_final_figures(input: StrategyInput, position: TradingPosition) -> None:
    if input.state.stats.closed_positions:
        input.state.stats.closed_positions.popitem()


def _prune(input: StrategyInput, position: TradingPosition) -> None:
    closed = input.state.portfolio.closed_positions
    if closed:
        closed.pop(min(closed))


def _close_by_hand(input: StrategyInput, position: TradingPosition) -> None:
    closed = input.state.portfolio.closed_positions
    if closed:
        made = copy.deepcopy(closed[max(closed)])
        made.position_id = input.state.portfolio.next_position_id
        input.state.portfolio.next_position_id += 1
        closed[made.position_id] = made


def _exchange_by_hand(input: StrategyInput, position: TradingPosition) -> None:
    _close_by_hand(input, position)
    _prune(input, position)


def _reopen_by_hand(input: StrategyInput, position: TradingPosition) -> None:
    portfolio = input.state.portfolio
    portfolio.open_positions[position.position_id] = portfolio.open_positions.pop(position.position_id)


def _set_table(input: StrategyInput, position: TradingPosition) -> None:
    input.state.stats.long_short_metrics_latest = {"rows": 1}


def _freeze(input: StrategyInput, position: TradingPosition) -> None:
    portfolio = input.state.portfolio
    portfolio.frozen_positions[position.position_id] = portfolio.open_positions.pop(position.position_id)


def _issue_shares(input: StrategyInput, position: TradingPosition) -> None:
    input.state.sync.treasury.share_count = Decimal(1000)


def _double(value: Any) -> Any:
    return value * 2


EDITS: dict[str, Edit] = {
    "price": _assign(_itself, "last_token_price", _double),
    "no price": _assign(_itself, "last_token_price", lambda price: float("nan")),
    "minus zero as price": _assign(_itself, "last_token_price", lambda price: -0.0),
    "an integer as price": _assign(_itself, "last_token_price", int),
    "frozen_at": _assign(_itself, "frozen_at", lambda when: datetime.datetime(2024, 1, 1)),
    "executed quantity": _assign(_first_trade, "executed_quantity", lambda quantity: quantity and quantity / 2),
    "executed price": _assign(_first_trade, "executed_price", lambda price: price and price * 2),
    "repaired": _assign(_first_trade, "repaired_at", lambda when: datetime.datetime(2024, 1, 1)),
    "failed": _assign(_first_trade, "failed_at", lambda when: datetime.datetime(2024, 1, 1)),
    "share supply": _assign(lambda position: position.share_price_state, "total_supply", _double),
    "no shares": _assign(lambda position: position.share_price_state, "total_supply", lambda supply: 0.0),
    "initial share price": _assign(lambda position: position.share_price_state, "initial_share_price", _double),
    "no share price": _assign(_itself, "share_price_state", lambda shares: None),
    "cash": _change_reserve,
    "price of cash": _change_reserve_price,
    "plain dictionary of trades": _replace_trades,
    "a trade removed": _drop_trade,
    "samples replaced": _replace_samples,
    "a sample added": _keep_samples,
    "samples of a position removed": _forget_position_samples,
    "final figures removed": _forget_final_figures,
    "a closed position removed": _prune,
    "a closed position added": _close_by_hand,
    "a closed position exchanged for another": _exchange_by_hand,
    "the order of the positions": _reopen_by_hand,
    "table of longs and shorts": _set_table,
    "frozen": _freeze,
    "vault shares": _issue_shares,
}


class RandomStrategy:
    """Trades at random, reads its statistics, and changes its state behind the back of the library.

    Strategies of even seeds never read them; the others keep the list that they got first.
    """

    def __init__(self, seed: int, edits: dict[int, str]) -> None:
        self.seed, self.edits = seed, edits
        self.kept: list[PortfolioStatistics] = []
        self.seen: list[object] = []

    def decide(self, input: StrategyInput) -> list[TradeExecution]:
        trades = self._trade(input, random.Random(f"{self.seed}/{input.cycle}"))
        if self.seed % 2 and input.cycle % (2 + self.seed % 23) == 0:
            self.kept = self.kept or input.state.stats.portfolio
            self.seen.append((len(self.kept), input.state.stats.get_naive_rolling_pnl_pct()))
        edit = self.edits.get(input.cycle)
        for position in list(input.state.portfolio.open_positions.values())[:1]:
            if (
                edit
                and not any(trade.is_planned() for trade in position.trades.values())
                and position.share_price_state
            ):
                EDITS[edit](input, position)
        return trades

    def _trade(self, input: StrategyInput, dice: random.Random) -> list[TradeExecution]:
        manager = input.get_position_manager()
        trades: list[TradeExecution] = []
        for pair in input.strategy_universe.iterate_pairs():
            position = manager.get_current_position_for_pair(pair)
            chance = dice.random()
            if position is None and chance < 0.15:
                trades += manager.open_spot(pair, value=1000 + 100 * chance)
            elif position is not None and chance < 0.05:
                trades += manager.close_position(position)
            elif position is not None and chance < 0.15:
                trades += manager.adjust_position(pair, 150.0 if chance < 0.1 else -150.0, None, 0.5)
        return trades


def _run(seed: int, edits: dict[int, str]) -> tuple[object, object]:
    """Return the JSON of the state, or the error of the run, and what the strategy saw."""
    strategy = RandomStrategy(seed, edits)
    try:
        state = run_backtest_inline(decide_trades=strategy.decide, universe=UNIVERSE, initial_deposit=10_000).state
        return state.to_json_bytes(), strategy.seen
    except (TradeExecutorError, ArithmeticError) as error:
        return f"{type(error).__name__}: {error}", strategy.seen


def _run_in_full(seed: int, edits: dict[int, str]) -> tuple[object, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampleRecorder, "_find_holdings", lambda self: None)
        return _run(seed, edits)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_seen_by_the_next_sample(edit: str):
    for seed, cycle in ((3, 30), (4, 35), (6, 40), (8, BARS - 1), (9, BARS - 1)):
        assert _run(seed, {cycle: edit}) == _run_in_full(seed, {cycle: edit})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    edits=st.dictionaries(st.integers(2, BARS - 1), st.sampled_from(sorted(EDITS)), max_size=4),
)
@example(seed=0, edits={})
def test_random_strategies_that_edit_their_state_get_the_same_state(seed: int, edits: dict[int, str]):
    assert _run(seed, edits) == _run_in_full(seed, edits)


def test_most_bars_are_only_noted(monkeypatch: pytest.MonkeyPatch):
    slow: list[datetime.datetime] = []
    record = SampleRecorder._record

    def count(self: SampleRecorder, ts: datetime.datetime) -> None:
        slow.append(ts)
        record(self, ts)

    monkeypatch.setattr(SampleRecorder, "_record", count)
    _run(4, {})
    assert 0 < len(slow) < BARS / 2


def test_a_closed_position_that_takes_the_place_of_another_gets_its_final_figures_on_the_same_bar():
    trader = Trader(new_state(10_000))
    for _ in range(2):
        position, _ = trader.buy(WETH_USDC, "1", 2000.0)
        trader.sell(WETH_USDC, position.get_quantity(), 2000.0)
    closed, finished = trader.state.portfolio.closed_positions, trader.state.stats.closed_positions
    recorder = SampleRecorder(trader.state, ExecutionMode.backtesting)
    for bar in range(4):
        recorder.record(T0 + bar * DAY)
    made = copy.deepcopy(closed[2])
    made.position_id = 3
    closed[3] = made
    del closed[1]
    recorder.record(T0 + 4 * DAY)
    assert finished[3].calculated_at == T0 + 4 * DAY
