"""Orders that wait: how they are recorded, what is refused, and what they leave in the state."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import HOUR, START, buy, flat, get_trades, run
from tradeexecutor.state.errors import InvalidTrade
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeType
from tradeexecutor.state.trigger import TriggerCondition, TriggerType
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager, PositionManagerError
from tradeexecutor.strategy.pandas_trader.trigger_orders import BARS_KEY
from tradeexecutor.strategy.trading_strategy_universe import PairNotFound

BARS = [flat(100)] * 6

Action = Callable[[PositionManager, Any], Any]


def with_manager(action: Action) -> Callable[[Any], Any]:
    return lambda input: action(input.get_position_manager(), input.get_default_pair())


def with_position(action: Callable[[PositionManager, Any], Any]) -> Callable[[Any], Any]:
    return with_manager(lambda manager, _: action(manager, manager.get_current_position()))


def place(action: Action) -> Any:
    """The state after an order was placed in cycle 2, on a position of 10 that was opened in cycle 1."""
    return run(BARS, {1: buy(1_000), 2: with_position(action)}).state


def get_waiting(state: State) -> Any:
    portfolio = state.portfolio
    positions = [*portfolio.open_positions.values(), *portfolio.pending_positions.values()]
    (trade,) = [trade for position in positions for trade in position.pending_trades.values()]
    return trade


def describe(trade: Any) -> list[tuple[TriggerCondition, float | None]]:
    return [(trigger.condition, trigger.price) for trigger in trade.triggers]


ABOVE, BELOW = TriggerCondition.cross_above, TriggerCondition.cross_below


@pytest.mark.parametrize(
    ("order", "triggers"),
    [
        (lambda m, p: m.limit_buy(p, 100, 95.0), [(BELOW, 95.0)]),
        (lambda m, p: m.stop_buy(p, 100, 105), [(ABOVE, 105.0)]),
        (lambda m, p: m.oco_buy(p, 100, limit_price=95.0, stop_price=105.0), [(BELOW, 95.0), (ABOVE, 105.0)]),
        (lambda m, p: m.open_spot_with_market_limit(p, 100, 95.0, None)[1], [(BELOW, 95.0)]),
        (lambda m, p: m.open_spot_with_market_limit(p, 100, 105.0, None)[1], [(ABOVE, 105.0)]),
    ],
)
def test_entries_are_recorded_as_triggers_of_a_pending_position(order: Action, triggers: Any):
    state = run(BARS, {1: with_manager(order)}).state
    trade = get_waiting(state)
    assert describe(trade) == triggers
    assert {trigger.type for trigger in trade.triggers} == {TriggerType.market_limit}
    assert trade.flags == {TradeFlag.open, TradeFlag.increase, TradeFlag.triggered}
    (position,) = state.portfolio.pending_positions.values()
    assert position.pending_since_at == START
    assert not position.trades
    assert trade.planned_reserve == 100
    assert trade.planned_mid_price == triggers[0][1], "planned at its level"
    state.perform_integrity_check()
    assert State.read_json_blob(state.to_json_safe()) == state


@pytest.mark.parametrize(
    ("order", "triggers", "trade_type"),
    [
        (lambda m, p: m.limit_sell(p, 110.0), [(ABOVE, 110.0)], TradeType.take_profit),
        (lambda m, p: m.stop_sell(p, 90.0), [(BELOW, 90.0)], TradeType.stop_loss),
        (
            lambda m, p: m.oco_sell(p, limit_price=110.0, stop_price=90.0),
            [(ABOVE, 110.0), (BELOW, 90.0)],
            TradeType.take_profit,
        ),
        (
            lambda m, p: m.close_after(p, datetime.timedelta(days=9)),
            [(TriggerCondition.timed_relative_to_open, None)],
            TradeType.flexible_trigger,
        ),
        (
            lambda m, p: m.close_after(p, START + 100 * HOUR),
            [(TriggerCondition.timed_absolute, None)],
            TradeType.flexible_trigger,
        ),
    ],
)
def test_exits_are_recorded_as_triggers_of_the_position(order: Action, triggers: Any, trade_type: TradeType):
    state = place(order)
    trade = get_waiting(state)
    assert describe(trade) == triggers
    assert trade.trade_type is trade_type
    assert (TradeFlag.partial_take_profit in trade.flags) is (trade_type is TradeType.take_profit)
    assert TradeFlag.close in trade.flags
    (position,) = state.portfolio.open_positions.values()
    assert position.trades[trade.trade_id] is trade
    assert position.get_available_trading_quantity() == 10, "what waits gives way to a decision"


def test_bars_are_recorded_beside_the_least_time_that_they_take():
    trade = get_waiting(place(lambda m, p: m.close_after_bars(p, 30)))
    assert trade.other_data == {BARS_KEY: 30}
    assert trade.triggers[0].triggering_at_delta == 30 * HOUR


def test_good_till_time_is_a_time_or_a_time_from_now():
    in_time = get_waiting(place(lambda m, p: m.limit_sell(p, 110.0, good_till_time=datetime.timedelta(days=1))))
    assert in_time.triggers[0].expires_at == START + 25 * HOUR
    at_time = get_waiting(place(lambda m, p: m.limit_sell(p, 110.0, good_till_time=START + 99 * HOUR)))
    assert at_time.triggers[0].expires_at == START + 99 * HOUR


def test_what_fired_is_recorded_and_the_other_one_is_put_aside():
    bars = [flat(100), flat(100), (100, 112, 99, 105), flat(105)]
    order = with_position(lambda m, p: m.oco_sell(p, limit_price=110.0, stop_price=90.0))
    _, trade = get_trades(run(bars, {1: buy(1_000), 2: order}))
    assert trade.activated_trigger is not None
    assert (trade.activated_trigger.price, trade.activated_trigger.triggered_at) == (110.0, START + 3 * HOUR)
    assert [(other.price, other.expired_at) for other in trade.expired_triggers or ()] == [(90.0, START + 3 * HOUR)]
    assert trade.triggers == []


def test_a_stop_or_a_time_is_no_take_profit():
    bars = [flat(100), flat(100), (100, 101, 88, 90), flat(90)]
    for order, kind in (
        (lambda m, p: m.oco_sell(p, limit_price=110.0, stop_price=90.0), TradeType.stop_loss),
        (lambda m, p: m.close_after(p, START + 3 * HOUR), TradeType.flexible_trigger),
        (lambda m, p: m.prepare_take_profit_trades(p, [(START + 3 * HOUR, Decimal(-10), True)]),
         TradeType.flexible_trigger),
    ):  # fmt: skip
        result = run(bars, {1: buy(1_000), 2: with_position(order)})
        _, trade = get_trades(result)
        assert trade.trade_type is kind
        assert not trade.is_partial_take_profit()
        (position,) = result.state.portfolio.closed_positions.values()
        assert not position.closed_by_take_profit()
        assert position.closed_by_stop_loss() is (kind is TradeType.stop_loss)


def test_an_open_position_was_closed_by_nothing():
    order = with_position(lambda m, p: m.prepare_take_profit_trades(p, [(110.0, Decimal(-5), False)]))
    bars = [flat(100), flat(100), (100, 112, 99, 105), flat(105)]
    (position,) = run(bars, {1: buy(1_000), 2: order}).state.portfolio.open_positions.values()
    assert position.get_last_trade().is_take_profit()
    assert not position.closed_by_take_profit()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda m, p: m.limit_buy(p, 100, -5.0), "a level must be a positive price, not -5"),
        (lambda m, p: m.limit_buy(p, 100, float("nan")), "a level must be a positive price"),
        (lambda m, p: m.limit_buy(p, 0, 95.0), "positive amount"),
        (lambda m, p: m.limit_buy(p, 100, 95.0, stop_loss_usd=96.0), "must be below the price 95"),
        (lambda m, p: m.stop_buy(p, 100, 105.0, take_profit_usd=104.0), "must be above the price 105"),
        (lambda m, p: m.oco_buy(p, 100, limit_price=105.0, stop_price=95.0), "must be below the stop"),
        (lambda m, p: m.limit_buy(p, 100, 95.0, good_till_time=START), "cannot lapse at"),
        (lambda m, p: m.limit_buy(p, 100, 95.0, good_till_time="soon"), "a naive UTC datetime or a timedelta"),
        (
            lambda m, p: m.limit_buy(p, 100, 95.0, good_till_time=START.replace(year=2030, tzinfo=datetime.UTC)),
            "naive UTC",
        ),
        (lambda m, p: m.limit_buy(p.get_ticker(), 100, 95.0), r"get_trading_pair\('BTC-USD'\) finds the pair"),
        (lambda m, p: m.open_spot_with_market_limit(p, 100, 95.0, None), "already open"),
    ],
)
def test_impossible_entries_are_refused(order: Action, message: str):
    refuse(order, message)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (lambda m, p: m.limit_sell(p, 110.0, Decimal(-1)), "a positive Decimal, not Decimal"),
        (lambda m, p: m.limit_sell(p, 110.0, 1.5), "a positive Decimal, not 1.5"),
        (lambda m, p: m.limit_sell(p, "110"), "a level must be a positive price, not '110'"),
        (lambda m, p: m.oco_sell(p, limit_price=90.0, stop_price=110.0), "must be below the limit"),
        (lambda m, p: m.close_after(p, 3), "a naive UTC datetime or a timedelta, not 3"),
        (lambda m, p: m.close_after_bars(p, 0), "a positive integer, not 0"),
        (lambda m, p: m.close_after_bars(p, 1.5), "a positive integer, not 1.5"),
        (lambda m, p: m.limit_sell(None, 110.0), "a position is needed, not None"),
        (lambda m, p: m.close_after_bars(p.pair, 3), "a position is needed, not <Pair"),
    ],
)
def test_impossible_exits_are_refused(order: Action, message: str):
    refuse(lambda manager, pair: order(manager, manager.get_current_position()), message)


@pytest.mark.parametrize("level", [(110.0, Decimal(5), True), (-1.0, Decimal(-5), True), ("x", Decimal(-5), True)])
def test_impossible_take_profits_are_refused(level: Any):
    refuse(
        lambda manager, pair: manager.prepare_take_profit_trades(manager.get_current_position(), [level]),
        "quantity of a take profit|a level must be a positive price",
        InvalidTrade,
    )


@pytest.mark.parametrize("thing", ["BTC-USD", None, 1, object()])
def test_what_is_no_pair_is_refused_with_the_way_to_one(thing: Any):
    for action in (
        lambda m: m.open_spot(thing, 100),
        lambda m: m.adjust_position(thing, 100, None, 0.1),
        lambda m: m.get_current_position_for_pair(thing),
        lambda m: m.get_closed_positions_for_pair(thing),
        lambda m: m.estimate_asset_quantity(thing, 100),
        lambda m: m.stop_buy(thing, 100, 105.0),
    ):
        refuse(lambda manager, pair, action=action: action(manager), "trading pair")


@pytest.mark.parametrize("thing", ["#1", None, 1])
def test_what_is_no_position_is_refused_with_the_way_to_one(thing: Any):
    for action in (
        lambda m: m.close_position(thing),
        lambda m: m.close_spot_position(thing),
        lambda m: m.update_stop_loss(thing, 90.0),
        lambda m: m.prepare_take_profit_trades(thing, []),
    ):
        refuse(lambda manager, pair, action=action: action(manager), "a position is needed")


@pytest.mark.parametrize("thing", ["BTC-USD", 7])
def test_indicators_and_prices_want_a_pair(thing: Any):
    def plan(input: Any) -> list[Any]:
        for look in (
            lambda: input.indicators.get_price(pair=thing),
            lambda: input.indicators.get_indicator_value("fast", pair=thing),
            lambda: input.strategy_universe.get_candles(thing),
            lambda: input.pricing_model.get_mid_price(input.timestamp, thing),
        ):
            with pytest.raises(PairNotFound, match="is not a trading pair"):
                look()
        return []

    run(BARS, {1: plan})


def refuse(action: Action, message: str, error: type[Exception] = PositionManagerError) -> None:
    """Run an action in cycle 3, after a position was opened in cycle 1; it must leave nothing behind."""

    def plan(input: Any) -> list[Any]:
        before = input.state.to_json_safe()
        with pytest.raises(error, match=message):
            with_manager(action)(input)
        assert input.state.to_json_safe() == before
        return []

    run(BARS, {1: buy(1_000), 3: plan})
