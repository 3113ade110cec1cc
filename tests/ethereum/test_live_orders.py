"""Orders that wait for a price, in a strategy that runs live: they fill, expire or wait again."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.ethereum.live_strategy import Live
from tests.ethereum.trader import Trader
from tradeexecutor.ethereum.errors import GasTooExpensive
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.position import TradingPosition
from tradeexecutor.state.repair import repair_trades
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.strategy.pricing_model import PriceUnavailable

WAITING = """
import datetime
from decimal import Decimal
from tradeexecutor.strategy.cycle import CycleDuration

trading_strategy_engine_version = "0.5"


class Parameters:
    cycle_duration = CycleDuration.cycle_1h
    slippage_tolerance = 0.01
    stop_loss_pct = None


def decide_trades(input):
    manager, pair = input.get_position_manager(), input.strategy_universe.get_single_pair()
    if input.cycle == 1:
        expires_at = input.timestamp + datetime.timedelta(minutes=90)
        _, trades = manager.open_spot_with_market_limit(pair, 1_000, 2_100, expires_at)
        return trades
    return []
"""


@pytest.fixture
def waiting(folder: Path, make_live: Callable[..., Live]) -> Live:
    """A strategy whose entry waits for a price of 2,100, for an hour and a half."""
    (folder / "strategy.py").write_text(WAITING)
    return make_live(max_cycles=3, trigger_check=datetime.timedelta(minutes=20)).prepare()


def get_waiting_order(state: State) -> tuple[TradingPosition, TradeExecution]:
    (position,) = state.portfolio.expired_positions.values()
    assert not state.portfolio.pending_positions
    (trade,) = {**position.trades, **position.expired_trades}.values()
    return position, trade


def test_an_entry_that_waits_is_made_when_its_price_comes(trader: Trader, waiting: Live):
    def raise_price(name: str, error: Exception | None) -> None:
        waiting.jobs.append((name, error and type(error).__name__))
        if len(waiting.jobs) == 1:
            trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_150))

    waiting.loop.on_job = raise_price
    state = waiting.loop.run()
    (position,) = state.portfolio.open_positions.values()
    assert [trade.is_success() for trade in position.trades.values()] == [True]
    trader.assert_books_equal_chain(state)


@pytest.mark.parametrize("has_price", [True, False])
def test_an_entry_whose_time_has_passed_expires_with_or_without_a_price(waiting: Live, has_price: bool):
    def refuse(ts: datetime.datetime, pair: TradingPairIdentifier) -> float:
        raise PriceUnavailable("the market is closed")

    def close_market(name: str, error: Exception | None) -> None:
        if not has_price:
            waiting.models.pricing.get_mid_price = refuse

    waiting.loop.on_job = close_market
    state = waiting.loop.run()
    position, trade = get_waiting_order(state)
    assert trade.get_status() is TradeStatus.expired
    assert not position.pending_trades
    assert state.portfolio.get_cash() == 10_000


@pytest.mark.parametrize("lives_on", [True, False])
def test_an_entry_that_could_not_be_sent_expires(
    trader: Trader, waiting: Live, make_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch, lives_on: bool
):
    def refuse(*args: Any) -> Any:
        raise GasTooExpensive("gas is above the limit", 2, 1) if lives_on else SystemExit

    def raise_price(name: str, error: Exception | None) -> None:
        waiting.jobs.append((name, error and type(error).__name__))
        if len(waiting.jobs) == 1:
            trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_150))
            monkeypatch.setattr(waiting.execution.broadcaster, "sign", refuse)

    waiting.loop.on_job = raise_price
    if lives_on:
        state = waiting.loop.run()
        assert waiting.jobs[1] == ("triggers", "GasTooExpensive")
        assert {error for _, error in waiting.jobs[2:]} == {None}
    else:
        with pytest.raises(SystemExit):
            waiting.loop.run()
        waiting.store.close()
        state = make_live(max_cycles=1).loop.run()
    _, trade = get_waiting_order(state)
    assert trade.get_status() is TradeStatus.expired
    assert state.portfolio.get_cash() == 10_000
    trader.assert_books_equal_chain(state)


def test_an_entry_that_failed_on_chain_is_frozen_and_repaired(trader: Trader, waiting: Live):
    def raise_price(name: str, error: Exception | None) -> None:
        waiting.jobs.append((name, error and type(error).__name__))
        if len(waiting.jobs) == 1:
            trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_150))
            waiting.execution.venues[0].deadline = datetime.timedelta(days=-2)

    waiting.loop.on_job = raise_price
    state = waiting.loop.run()
    assert not state.portfolio.pending_positions
    (position,) = state.portfolio.frozen_positions.values()
    trader.assert_books_equal_chain(state)
    repair_trades(state)
    assert position.is_closed()
    assert not find_issues(state)


EXIT = WAITING.replace(
    """        expires_at = input.timestamp + datetime.timedelta(minutes=90)
        _, trades = manager.open_spot_with_market_limit(pair, 1_000, 2_100, expires_at)
        return trades
""",
    """        return manager.open_spot(pair, 1_000)
    if input.cycle == 2:
        manager.limit_sell(manager.get_current_position(), 2_100)
""",
)


def test_an_exit_that_waits_survives_jobs_and_is_tried_again_when_it_could_not_be_sent(
    trader: Trader, folder: Path, make_live: Callable[..., Live], monkeypatch: pytest.MonkeyPatch
):
    (folder / "strategy.py").write_text(EXIT)
    live = make_live(max_cycles=3, trigger_check=datetime.timedelta(minutes=10)).prepare()
    broadcaster = live.execution.broadcaster

    def refuse(*args: Any) -> Any:
        raise GasTooExpensive("gas is above the limit", 2, 1)

    def raise_price(name: str, error: Exception | None) -> None:
        live.jobs.append((name, error and type(error).__name__))
        decisions = [name for name, _ in live.jobs].count("decision")
        if decisions == 2 and ("triggers", "GasTooExpensive") not in live.jobs:
            (position,) = live.store.load().portfolio.open_positions.values()
            assert [trade.get_status() for trade in position.pending_trades.values()] == [TradeStatus.planned]
            trader.chain.set_v2_price(trader.market.exchange, trader.market.pair, Decimal(2_150))
            monkeypatch.setattr(broadcaster, "sign", refuse)
        elif error is not None:
            monkeypatch.undo()

    live.loop.on_job = raise_price
    state = live.loop.run()
    assert live.jobs.count(("triggers", "GasTooExpensive")) == 1
    (position,) = state.portfolio.closed_positions.values()
    assert [trade.is_take_profit() for trade in position.trades.values()] == [False, True]
    (exit_,) = (trade for trade in position.trades.values() if trade.is_sell())
    assert exit_.activated_trigger is not None
    trader.assert_books_equal_chain(state)
