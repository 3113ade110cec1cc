"""Stop loss, take profit and waiting orders between decisions.

The position is opened in the first candle, at 100; the tests say what the second one does.
"""

import datetime
from decimal import Decimal

import pytest

from tests.kit.markets import DAY, HOUR, START, Bar, at_cycle, buy, flat, get_trades, make_candles, run
from tradeexecutor.backtest.backtest_runner import run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.state.cycle_duration import CycleDuration
from tradeexecutor.state.trade import TradeType

LEVELS = {"stop_loss_pct": 0.9, "take_profit_pct": 1.2}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ((100, 119, 91, 110), None),
        ((100, 105, 85, 95), (TradeType.stop_loss, 90, 2)),
        ((100, 105, 90, 95), (TradeType.stop_loss, 90, 2)),
        ((100, 125, 95, 110), (TradeType.take_profit, 120, 2)),
        # A gap: the first price is already beyond the level, and nothing better was ever traded.
        ((80, 85, 70, 75), (TradeType.stop_loss, 80, 1)),
        ((130, 140, 128, 135), (TradeType.take_profit, 130, 1)),
        # Both levels inside one candle: which came first is unknown, the worse one is assumed ...
        ((100, 130, 80, 110), (TradeType.stop_loss, 90, 2)),
        # ... unless the open decides.
        ((125, 130, 80, 85), (TradeType.take_profit, 125, 1)),
        ((85, 130, 80, 110), (TradeType.stop_loss, 85, 1)),
    ],
)
def test_which_level_fills_when_and_at_what_price(second: Bar, expected: tuple[TradeType, float, int] | None):
    result = run([flat(100), second, flat(second[3]), flat(second[3])], {1: buy(1_000, **LEVELS)})
    trades = get_trades(result)
    if expected is None:
        assert len(trades) == 1
        return
    kind, price, hours = expected
    _, closed = trades
    assert closed.trade_type is kind
    assert closed.executed_price == pytest.approx(price)
    # A gap fills when the candle opens; inside a candle only its end is certain.
    assert closed.executed_at == START + hours * HOUR
    assert closed.planned_mid_price == pytest.approx(price)
    assert result.state.portfolio.get_cash() == pytest.approx(9_000 + 10 * price)
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.is_stop_loss() is (kind is TradeType.stop_loss)
    assert position.closed_at == closed.executed_at


def test_the_candle_a_position_is_opened_in_counts():
    result = run([(100, 101, 89, 95), flat(95)], {1: buy(1_000, stop_loss_pct=0.9)})
    assert get_trades(result)[1].executed_price == pytest.approx(90)


def test_fees_come_on_top_of_the_level():
    result = run([flat(100), (100, 100, 80, 85)], {1: buy(1_000, stop_loss_pct=0.9)}, fee=0.01)
    assert get_trades(result)[1].executed_price == pytest.approx(90 * 0.99)


def test_the_money_of_a_stopped_position_is_there_at_the_next_decision():
    seen = []

    def plan(input):
        manager = input.get_position_manager()
        seen.append((manager.is_any_open(), manager.get_current_cash()))
        return buy(1_000, stop_loss_pct=0.9)(input) if input.cycle == 1 else []

    run([flat(100), (100, 100, 80, 85), flat(85)], plan)
    assert seen == [(False, 10_000), (True, 9_000), (False, 9_900)]


def test_a_trailing_stop_follows_the_high_and_catches_the_fall_after_it():
    # The stop starts at 90; the high of 150 lifts it to 135, and the close of 120 shows that 135 was crossed again.
    result = run([flat(100), (100, 150, 99, 120), flat(120)], {1: buy(1_000, trailing_stop_loss_pct=0.9)})
    _, closed = get_trades(result)
    assert closed.trade_type is TradeType.stop_loss
    assert closed.executed_price == pytest.approx(135)
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.is_trailing_stop_loss()
    assert [update.stop_loss_after for update in position.trigger_updates] == [pytest.approx(135)]


def test_a_trailing_stop_never_falls():
    bars = [flat(100), (100, 120, 100, 119), (119, 119, 110, 111), (111, 112, 107, 108)]
    result = run(bars, {1: buy(1_000, trailing_stop_loss_pct=0.9)})
    assert get_trades(result)[1].executed_price == pytest.approx(108)


def test_a_trailing_stop_without_a_first_level_gets_one():
    def plan(input):
        trades = buy(1_000)(input)
        input.state.portfolio.open_positions[1].trailing_stop_loss_pct = 0.9
        return trades

    result = run([flat(100), flat(100), (100, 100, 80, 80)], {1: plan})
    assert get_trades(result)[1].executed_price == pytest.approx(90)


def test_candles_between_decisions_are_checked():
    hours = [flat(100)] * 30 + [(100, 100, 70, 75)] + [flat(75)] * 30
    plans = {1: buy(1_000, stop_loss_pct=0.9)}
    result = run(hours, plans, cycle_duration=CycleDuration.cycle_1d)
    assert result.diagnostics_data["decisions"] == 3
    assert get_trades(result)[1].executed_at == START + 31 * HOUR
    assert get_trades(result)[1].executed_price == pytest.approx(90)
    # The moment has its own entry in the statistics.
    assert START + 31 * HOUR in [entry.calculated_at for entry in result.state.stats.portfolio]


def test_levels_are_watched_until_the_end_of_the_run():
    result = run([flat(100), flat(100), (100, 100, 80, 85)], {1: buy(1_000, stop_loss_pct=0.9)})
    assert get_trades(result)[1].executed_at == START + 3 * HOUR


def test_markets_with_different_candles_are_checked_in_order_of_time():
    hourly = make_candles([flat(100)] * 24 + [(100, 100, 80, 85)] + [flat(85)] * 23)
    daily = make_candles([(50, 51, 30, 48), flat(48)], bucket=DAY)
    universe = create_universe({"BTC-USD": hourly, "GOLD-USD": daily}, fee=0)

    def plan(input):
        manager = input.get_position_manager()
        return [
            trade for pair in universe.pairs for trade in manager.open_spot(pair, 1_000, stop_loss_pct=0.9)
        ]  # fmt: skip

    result = run_backtest_inline(
        decide_trades=at_cycle({1: plan}), universe=universe, initial_deposit=10_000, progress=False
    )
    stops = [trade for trade in get_trades(result) if trade.is_stop_loss()]
    assert [(trade.pair.base.token_symbol, trade.executed_at) for trade in stops] == [
        ("GOLD", START + DAY),
        ("BTC", START + 25 * HOUR),
    ]


def test_a_moment_has_one_entry_in_the_statistics():
    falls = [flat(100)] * 30 + [(100, 100, 70, 75)] + [flat(75)] * 5
    gaps = [flat(100)] * 31 + [flat(75)] * 5
    universe = create_universe({"BTC-USD": make_candles(falls), "ETH-USD": make_candles(gaps)}, fee=0)

    def plan(input):
        manager = input.get_position_manager()
        return [trade for pair in universe.pairs for trade in manager.open_spot(pair, 1_000, stop_loss_pct=0.9)]

    state = run_backtest_inline(
        decide_trades=at_cycle({1: plan}),
        universe=universe,
        initial_deposit=10_000,
        cycle_duration=CycleDuration.cycle_1d,
        progress=False,
    ).state
    closed_at = {position.closed_at for position in state.portfolio.closed_positions.values()}
    assert closed_at == {START + 31 * HOUR}
    times = [entry.calculated_at for entry in state.stats.portfolio]
    assert times == [START, START + 24 * HOUR, START + 31 * HOUR, START + 36 * HOUR]


def test_a_strategy_can_tighten_the_stop():
    def tighten(input):
        manager = input.get_position_manager()
        manager.update_stop_loss(manager.get_current_position(), 98.0)
        return []

    result = run([flat(100), flat(100), (100, 100, 97, 99)], {1: buy(1_000, stop_loss_pct=0.5), 2: tighten})
    assert get_trades(result)[1].executed_price == pytest.approx(98)


# --- Waiting orders ------------------------------------------------------------------------------


def limit(price: float, hours: float | None = None):
    def plan(input):
        expires_at = None if hours is None else input.timestamp + datetime.timedelta(hours=hours)
        input.get_position_manager().open_spot_with_market_limit(input.get_default_pair(), 1_000, price, expires_at)
        return []

    return plan


@pytest.mark.parametrize(("second", "price"), [((100, 115, 100, 112), 110), ((120, 125, 118, 121), 120)])
def test_a_limit_entry_waits_for_its_price(second: Bar, price: float):
    result = run([flat(100), second, flat(second[3])], {1: limit(110)})
    (trade,) = get_trades(result)
    assert trade.executed_price == pytest.approx(price)
    assert trade.executed_quantity == pytest.approx(Decimal(1_000) / Decimal(price))
    assert trade.activated_trigger is not None
    portfolio = result.state.portfolio
    assert not portfolio.pending_positions
    assert portfolio.open_positions[trade.position_id].get_quantity() == trade.executed_quantity
    assert portfolio.get_cash() == 9_000


def test_a_limit_entry_lapses():
    result = run([flat(100)] * 3 + [(100, 120, 100, 120)], {1: limit(110, hours=1)})
    portfolio = result.state.portfolio
    assert portfolio.get_cash() == 10_000
    assert not portfolio.pending_positions
    (position,) = portfolio.expired_positions.values()
    (trade,) = position.expired_trades.values()
    assert trade.expired_at is not None
    assert [trigger.expired_at for trigger in trade.expired_triggers or ()] == [trade.expired_at]


def take_profits(input):
    manager = input.get_position_manager()
    position = manager.get_current_position()
    quantity = position.get_quantity()
    levels = [(110.0, -quantity / 2, False), (120.0, -quantity / 4, False), (130.0, -quantity / 4, True)]
    manager.prepare_take_profit_trades(position, levels)
    return []


def test_parts_of_a_position_are_sold_on_the_way_up():
    bars = [flat(100), flat(100), (100, 112, 100, 112), (112, 125, 112, 125), (125, 140, 125, 140), flat(140)]
    result = run(bars, {1: buy(1_000), 2: take_profits})
    sells = [trade for trade in get_trades(result) if trade.is_sell()]
    assert [trade.executed_price for trade in sells] == [pytest.approx(price) for price in (110, 120, 130)]
    assert [trade.executed_quantity for trade in sells] == [Decimal(-5), Decimal("-2.5"), Decimal("-2.5")]
    assert len(result.state.portfolio.closed_positions) == 1


def test_the_stop_loss_takes_the_waiting_orders_with_it():
    bars = [flat(100), flat(100), (100, 112, 100, 112), (112, 112, 80, 80), flat(140), flat(140)]
    result = run(bars, {1: buy(1_000, stop_loss_pct=0.9), 2: take_profits})
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.is_stop_loss()
    assert not position.pending_trades
    assert len(position.expired_trades) == 2
    assert position.get_quantity() == 0
    assert result.state.portfolio.get_cash() == pytest.approx(9_000 + 5 * 110 + 5 * 90)


def test_closing_by_hand_takes_the_waiting_orders_with_it():
    def close(input):
        return input.get_position_manager().close_all()

    result = run([flat(100)] * 5, {1: buy(1_000), 2: take_profits, 3: close})
    (position,) = result.state.portfolio.closed_positions.values()
    assert not position.pending_trades
    assert result.state.portfolio.get_cash() == 10_000
    result.state.perform_integrity_check()
