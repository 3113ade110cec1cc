"""Spot positions, shorts, leveraged longs and credit at random, through the position manager and the simulator.

Before each decision all balances of the ledger add up, and the wallet agrees with them; a refused operation leaves the
state as it was, byte for byte; and what is left at the end is what the trades and the interest say.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.markets import DAY, Bar, make_candles
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import TradeExecutorError
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput

Action = Callable[[PositionManager, TradingPairIdentifier, float], list[TradeExecution]]


def _close_short(manager: PositionManager, pair: TradingPairIdentifier, size: float) -> list[TradeExecution]:
    return manager.close_short(manager.get_current_short_position())


def _find_long(manager: PositionManager) -> TradingPosition:
    """Return the first leveraged long; without one the closing of a position that is not there is refused."""
    positions = manager.state.portfolio.open_positions.values()
    return next((p for p in positions if p.pair.kind.is_longing()), None) or manager.get_current_long_position()


def _adjust_short(manager: PositionManager, pair: TradingPairIdentifier, size: float) -> list[TradeExecution]:
    return manager.adjust_short(manager.get_current_short_position(), size)


def _adjust_credit(manager: PositionManager, pair: TradingPairIdentifier, size: float) -> list[TradeExecution]:
    return manager.adjust_credit_supply_position(manager.get_current_credit_supply_position(), new_value=size)


def _close_spot(manager: PositionManager, pair: TradingPairIdentifier, size: float) -> list[TradeExecution]:
    position = manager.get_current_position_for_pair(pair)
    return [] if position is None else manager.close_position(position)


def _within_cash(action: Action) -> Action:
    """An action whose size the cash can pay; a decision that spends more than there is stops a run."""
    return lambda manager, pair, size: action(manager, pair, min(size, manager.get_current_cash() * 0.45))


ACTIONS: dict[str, Action] = {
    "buy": _within_cash(lambda manager, pair, size: manager.open_spot(pair, size, stop_loss_pct=0.9)),
    "sell": _close_spot,
    "short": _within_cash(lambda manager, pair, size: manager.open_short(pair, size, leverage=1.5)),
    "short with levels": _within_cash(
        lambda manager, pair, size: manager.open_short(
            pair, size, leverage=2.5, stop_loss_pct=0.93, take_profit_pct=1.1
        )
    ),
    "short at the limit": _within_cash(lambda manager, pair, size: manager.open_short(pair, size, leverage=4.0)),
    "too much leverage": lambda manager, pair, size: manager.open_short(pair, size, leverage=6.0),
    "close short": _close_short,
    "long": _within_cash(lambda manager, pair, size: manager.open_long(pair, size, leverage=2.0)),
    "long with levels": _within_cash(
        lambda manager, pair, size: manager.open_long(
            pair, size, leverage=3.0, trailing_stop_loss_pct=0.93, take_profit_pct=1.1
        )
    ),
    "shrink long": lambda manager, pair, size: manager.adjust_long(_find_long(manager), size / 20),
    "part of a long": lambda manager, pair, size: manager.limit_sell(_find_long(manager), 1000.0, Decimal("0.3")),
    "close long": lambda manager, pair, size: manager.close_long(_find_long(manager)),
    "shrink short": lambda manager, pair, size: _adjust_short(manager, pair, size / 20),
    "grow short": _within_cash(_adjust_short),
    "lend": _within_cash(lambda manager, pair, size: manager.add_cash_to_credit_supply(size)),
    "lend less": lambda manager, pair, size: _adjust_credit(manager, pair, size / 20),
    "recall": lambda manager, pair, size: manager.manage_credit_flow(size),
    "close all": lambda manager, pair, size: manager.close_all(),
}

steps = st.lists(
    st.tuples(st.sampled_from(sorted(ACTIONS)), st.floats(1.0, 6000.0), st.floats(0.8, 1.25)),
    min_size=3,
    max_size=9,
)


def _make_bars(changes: list[float]) -> list[Bar]:
    """A candle for each step, without gaps, with a range beyond its open and close."""
    bars: list[Bar] = []
    price = 1000.0
    for change in [*changes, 1.0]:
        close = price * change
        bars.append((price, max(price, close) * 1.02, min(price, close) * 0.98, close))
        price = close
    return bars


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(steps, st.sampled_from([0.0, 0.003]), st.sampled_from([0.0, 0.01]))
def test_every_kind_at_random(script: list[tuple[str, float, float]], fee: float, slippage: float):
    refused = 0

    def decide_trades(input: StrategyInput) -> list[TradeExecution]:
        nonlocal refused
        state, pair = input.state, input.get_default_pair()
        proof = prove(state)
        assert proof.is_balanced, proof
        if input.cycle > len(script):
            return []
        name, size, _ = script[input.cycle - 1]
        before = state.to_json()
        try:
            return ACTIONS[name](input.get_position_manager(), pair, size)
        except TradeExecutorError:
            assert state.to_json() == before, name
            refused += 1
            return []

    result = _run(decide_trades, script, fee, slippage)
    _check_end(result.state)


def _run(decide_trades: Any, script: list[tuple[str, float, float]], fee: float, slippage: float) -> Any:
    return run_backtest_inline(
        decide_trades=decide_trades,
        parameters={"lending": LendingPool(0.03, 0.08)},
        candles={"ETH-USD": make_candles(_make_bars([change for _, _, change in script]), bucket=DAY)},
        fee=fee,
        slippage=slippage,
        initial_deposit=10_000,
    )


def _check_end(state: State) -> None:
    portfolio = state.portfolio
    assert prove(state).is_balanced
    assert portfolio.get_cash() >= 0
    assert not portfolio.frozen_positions
    assert State.read_json_blob(state.to_json()).to_json() == state.to_json()
    for position in portfolio.get_all_positions():
        if position.is_leverage() and position.loan is not None and position.is_open():
            loan = position.loan
            assert (
                loan.get_health_factor() > 0.97
            )  # valued at the sell price; it is liquidated at 1 of the market price
    equity = portfolio.calculate_total_equity()
    assert math.isfinite(equity)
    assert 0 < equity < 1_000_000
