"""Planning trades: what is planned, what is refused, and that a refusal leaves no trace."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import BacktestResult, buy, flat, get_trades, run, sell
from tradeexecutor.state.trade import TradeFlag, TradeType
from tradeexecutor.strategy.pandas_trader.position_manager import (
    NoSingleOpenPositionException,
    NotEnoughCasForBuys,
    NotEnoughCashForBuys,
    PositionManager,
    PositionManagerError,
)

BARS = [flat(100)] * 6


def with_manager(action: Callable[[PositionManager, Any], Any]) -> Callable[[Any], Any]:
    return lambda input: action(input.get_position_manager(), input.get_default_pair())


def refuse(action: Callable[[PositionManager, Any], Any], message: str, error: type[Exception] = PositionManagerError):
    """Run an action in cycle 3, after a position was opened in cycle 1; it must leave nothing behind."""

    def plan(input: Any) -> list[Any]:
        before = input.state.to_json_safe()
        with pytest.raises(error, match=message):
            with_manager(action)(input)
        assert input.state.to_json_safe() == before
        return []

    run(BARS, {1: buy(1_000), 3: plan})


def test_a_position_is_opened_with_its_levels():
    result = run(BARS, {1: buy(1_000, stop_loss_pct=0.9, take_profit_usd=150, notes="because")})
    (position,) = result.state.portfolio.open_positions.values()
    (trade,) = get_trades(result)
    assert (position.stop_loss, position.take_profit, position.trailing_stop_loss_pct) == (90.0, 150.0, None)
    assert trade.flags == {TradeFlag.open, TradeFlag.increase}
    assert trade.slippage_tolerance == 0.017
    assert "because" in (trade.notes or "")
    assert result.state.visualisation.get_messages_tail(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": 0}, "positive amount"),
        ({"value": -5}, "positive amount"),
        ({"value": 1e-9}, "less than one unit of USD"),
        ({"stop_loss_pct": 1.1}, "relative to the price"),
        ({"stop_loss_usd": 101}, "must be below the price"),
        ({"take_profit_pct": 0.9}, "relative to the price"),
        ({"take_profit_usd": 99}, "must be above the price"),
        ({"stop_loss_pct": 0.9, "trailing_stop_loss_pct": 0.9}, "only one"),
        ({"take_profit_pct": 1.1, "take_profit_usd": 120}, "not both"),
    ],
)
def test_impossible_openings_are_refused(arguments: dict[str, Any], message: str):
    def plan(input: Any) -> list[Any]:
        before = input.state.to_json_safe()
        with pytest.raises(PositionManagerError, match=message):
            buy(**{"value": 1_000, **arguments})(input)
        assert input.state.to_json_safe() == before
        return []

    run(BARS, {1: plan})


def test_a_second_position_of_the_same_pair_is_refused():
    refuse(lambda manager, pair: manager.open_spot(pair, 100), "already open; use adjust_position")


def test_a_position_grows_and_shrinks():
    plans = {
        1: buy(1_000, stop_loss_pct=0.5),
        2: with_manager(lambda manager, pair: manager.adjust_position(pair, 500, None, 0.15, stop_loss=0.8)),
        3: with_manager(lambda manager, pair: manager.adjust_position(pair, -300, None, 0.12)),
        4: with_manager(lambda manager, pair: manager.adjust_position(pair, -200, Decimal(-2), 0.1)),
    }
    result = run(BARS, plans)
    (position,) = result.state.portfolio.open_positions.values()
    assert position.get_quantity() == 10
    assert position.stop_loss == 50.0, "an existing stop loss stays"
    flags = [trade.flags for trade in get_trades(result)]
    assert flags[1:] == [{TradeFlag.increase}, {TradeFlag.reduce}, {TradeFlag.reduce}]


def test_adjusting_can_open_and_override():
    def grow(manager: PositionManager, pair: Any) -> Any:
        return manager.adjust_position(pair, 100, None, 0.1, trailing_stop_loss=0.8, override_stop_loss=True)

    def start(manager: PositionManager, pair: Any) -> Any:
        return manager.adjust_position(pair, 100, None, 0.1, stop_loss=0.5, take_profit=2.0, other_data={"why": "new"})

    result = run(BARS, {1: with_manager(start), 2: with_manager(grow)})
    (position,) = result.state.portfolio.open_positions.values()
    assert (position.stop_loss, position.take_profit, position.trailing_stop_loss_pct) == (80.0, 200.0, 0.8)
    first, _ = get_trades(result)
    assert first.flags == {TradeFlag.open, TradeFlag.increase}
    assert first.other_data == {"why": "new"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((100, None, 7), "weight must be from 0 to 1"),
        ((0, None, 0.5), "must not be zero"),
        ((-100, Decimal(1), 0.5), "must be negative"),
        ((-5_000, Decimal(-50), 0.5), "has 10.* to sell, not 50"),
    ],
)
def test_impossible_adjustments_are_refused(arguments: tuple[Any, ...], message: str):
    refuse(lambda manager, pair: manager.adjust_position(pair, *arguments), message)


def test_a_closed_position_cannot_be_closed_again():
    def close_twice(input: Any) -> list[Any]:
        position = input.state.portfolio.closed_positions[1]
        with pytest.raises(PositionManagerError, match="already closed"):
            input.get_position_manager().close_position(position)
        return []

    run(BARS, {1: buy(1_000), 2: sell, 3: close_twice})


def test_closing_twice_in_one_decision_plans_one_trade():
    def plan(manager: PositionManager, pair: Any) -> Any:
        position = manager.get_current_position()
        return manager.close_position(position) + manager.close_position(position)

    result = run(BARS, {1: buy(1_000), 3: with_manager(plan)})
    assert len(get_trades(result)) == 2
    assert result.state.portfolio.get_cash() == 10_000


def test_closing_sells_everything():
    result = run(BARS, {1: buy(1_000), 3: sell})
    _, closing = get_trades(result)
    assert closing.closing
    assert closing.trade_type is TradeType.rebalance
    assert TradeFlag.close in (closing.flags or ())
    assert not result.state.portfolio.open_positions


def test_close_all_needs_something_open():
    with pytest.raises(Exception, match="no position is open"):
        run(BARS, {1: sell})


def test_positions_are_looked_up():
    def check(input: Any) -> list[Any]:
        manager = input.get_position_manager()
        pair = input.get_default_pair()
        if input.cycle == 1:
            assert not manager.is_any_open()
            assert manager.get_current_position_for_pair(pair) is None
            assert manager.get_last_closed_position() is None
            with pytest.raises(NoSingleOpenPositionException, match="0 open positions"):
                manager.get_current_position()
            return buy(1_000)(input)
        if input.cycle == 2:
            assert manager.is_any_long_position_open()
            assert not manager.is_any_short_position_open()
            assert manager.get_current_long_position() is manager.get_current_position_for_pair(pair)
            assert manager.get_current_cash() == 9_000
            assert manager.estimate_asset_quantity(pair, 250) == 2.5
            assert manager.get_trading_pair("BTC") is manager.get_trading_pair(1) is pair
            return sell(input)
        assert manager.get_last_closed_position() is manager.get_closed_positions_for_pair(pair)[0]
        return []

    run(BARS, check)


def test_cash_is_checked_against_buys_and_sells():
    assert NotEnoughCasForBuys is NotEnoughCashForBuys

    def plan(manager: PositionManager, pair: Any) -> Any:
        sells = manager.close_all()
        manager.check_enough_cash(sells)
        buys = manager.adjust_position(pair, 11_000, None, 1.0)
        with pytest.raises(NotEnoughCashForBuys, match=r"cost 11,000.00, there are 10,000.00") as caught:
            manager.check_enough_cash(buys + sells)
        assert (caught.value.available, caught.value.needed) == (10_000, 11_000)
        raise KeyError("enough seen")

    with pytest.raises(Exception, match="enough seen"):
        run(BARS, {1: buy(1_000), 2: with_manager(plan)})


def test_stop_losses_are_moved_and_the_move_is_recorded():
    def move(input: Any) -> list[Any]:
        manager = input.get_position_manager()
        position = manager.get_current_position()
        manager.update_stop_loss(position, 95.0, trailing=True)
        with pytest.raises(PositionManagerError, match="must not fall"):
            manager.update_stop_loss(position, 94.0, trailing=True)
        with pytest.raises(PositionManagerError, match="positive price"):
            manager.update_stop_loss(position, 0.0)
        return []

    result: BacktestResult = run(BARS, {1: buy(1_000, stop_loss_pct=0.9), 2: move})
    (position,) = result.state.portfolio.open_positions.values()
    (update,) = position.trigger_updates
    assert (update.stop_loss_before, update.stop_loss_after, update.mid_price) == (90.0, 95.0, 100.0)


def test_the_slippage_tolerance_comes_from_the_parameters():
    (trade,) = get_trades(run(BARS, {1: buy(1_000)}, parameters={"slippage_tolerance": 0.05}))
    assert trade.slippage_tolerance == 0.05
    with pytest.raises(Exception, match=r"below 0.33"):
        run(BARS, {1: buy(1_000)}, parameters={"slippage_tolerance": 0.5})


def test_blacklisted_assets_are_not_bought():
    def plan(input: Any) -> list[Any]:
        pair = input.get_default_pair()
        input.state.blacklist_asset(pair.base, "no")
        with pytest.raises(PositionManagerError, match="blacklisted"):
            buy(100)(input)
        return []

    run(BARS, {1: plan})
