"""Orders while a market has no price: they wait for the next open or are refused, and are listed.  Markets that go."""

import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, HOUR, START, at_cycle, flat, get_trades, make_candles, run, run_two
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.analysis.trade_analyser import build_trade_analysis
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_runner import BacktestNotPossible, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.execution.slippage import VolumeShareSlippage
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManager

BTC, ETH = 0, 1


def with_manager(plan: Any) -> Any:
    return lambda input: plan(input.get_position_manager(), input.strategy_universe.pairs)


def open_eth(value: float = 1_000, **levels: Any) -> Any:
    return with_manager(lambda manager, pairs: manager.open_spot(pairs[ETH], value, **levels))


def close_eth(manager: PositionManager, pairs: Any) -> Any:
    position = manager.get_current_position_for_pair(pairs[ETH])
    return manager.close_position(position) if position else []


#: Trades every hour for four days.
HOURS = make_candles([flat(100.0)] * 96)


def daily(*bars: Any, skip: Any = ()) -> Candles:
    return make_candles(bars, bucket=DAY, skip=skip)


def test_an_order_inside_a_candle_fills_at_the_next_open():
    # Hour 12 of the first day: the open of 50 is twelve hours old, nobody can buy at it.
    result = run_two(HOURS, daily((50, 60, 50, 60), flat(60), flat(60), flat(60)), {13: open_eth()})
    (trade,) = get_trades(result)
    assert (trade.opened_at, trade.executed_at) == (START + 12 * HOUR, START + DAY)
    assert trade.executed_price == 60
    assert trade.executed_reserve == pytest.approx(Decimal(1_000), abs=Decimal("1e-6"))
    assert result.diagnostics_data["delayed_trades"] == 1
    (warning,) = result.diagnostics_data["warnings"]
    assert warning.startswith("1 orders came while their market had no price and filled at its next open")


def test_an_order_over_the_weekend_fills_at_the_open_of_monday():
    result = run_two(HOURS, daily((50, 51, 49, 50.5), flat(60), skip=[1, 2]), {31: open_eth()})
    (trade,) = get_trades(result)
    assert (trade.executed_at, trade.executed_price) == (START + 3 * DAY, 60)


def test_nothing_moves_while_an_order_waits_and_the_strategy_sees_its_position():
    seen: list[Any] = []

    def watch(input: Any) -> list[Any]:
        manager = input.get_position_manager()
        position = manager.get_current_position_for_pair(input.strategy_universe.pairs[ETH])
        if input.cycle == 2:
            assert position is None
            return manager.open_spot(input.strategy_universe.pairs[ETH], 1_000)
        if input.cycle in (3, 24, 25):
            assert position is not None
            seen.append((float(position.get_quantity()), manager.get_current_cash()))
            assert input.state.portfolio.get_net_asset_value() == pytest.approx(10_000)
        return []

    run_two(HOURS, daily(*[flat(50.0)] * 4), watch)
    assert seen == [(0.0, 10_000), (0.0, 10_000), (20.0, 9_000)]


def test_closing_what_waits_withdraws_it():
    result = run_two(HOURS, daily(*[flat(50.0)] * 4), {2: open_eth(), 5: with_manager(close_eth)})
    portfolio = result.state.portfolio
    assert not portfolio.open_positions
    (position,) = portfolio.expired_positions.values()
    (trade,) = position.expired_trades.values()
    assert "withdrawn" in (trade.notes or "")
    assert portfolio.get_cash() == 10_000


def test_a_sale_waits_once_however_often_it_is_asked_for():
    plans = {1: open_eth(), 30: with_manager(close_eth), 31: with_manager(close_eth), 40: with_manager(close_eth)}
    result = run_two(HOURS, daily(flat(50), flat(55), flat(70), flat(80)), plans)
    buy, sale = get_trades(result)
    assert (buy.executed_price, sale.executed_price, sale.executed_at) == (50, 70, START + 2 * DAY)
    assert result.state.portfolio.get_cash() == 10_400


def test_the_stop_loss_goes_before_a_sale_that_waits():
    # Sold at hour 29 for the next open of 20; the stop at 45 is hit before, inside the second day.
    plans = {1: open_eth(stop_loss_usd=45.0), 30: with_manager(close_eth)}
    result = run_two(HOURS, daily(flat(50), (50, 50, 40, 42), flat(20), flat(20)), plans)
    executed = [trade for trade in get_trades(result) if trade.executed_at]
    assert [trade.executed_price for trade in executed] == [50, 45]
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.closed_by_stop_loss()
    assert len(position.expired_trades) == 1


def test_a_position_whose_entry_waited_for_its_market_is_held_from_its_fill():
    # Decided at hour 31 (Tuesday 06:00), filled on Thursday at 00:00, sold on Friday at 00:00, five days in all.
    eth = daily((50, 51, 49, 50.5), flat(60), flat(66), skip=[1, 2])
    result = run_two(make_candles([flat(100.0)] * 120), eth, {31: open_eth(), 97: with_manager(close_eth)})
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.opened_at == START + 30 * HOUR
    assert position.get_entered_at() == START + 3 * DAY
    assert position.get_duration() == DAY
    assert position.get_annualised_profit_percent() == pytest.approx(1.1**365 - 1)
    assert get_trades(result)[0].has_waited()
    assert not get_trades(result)[1].has_waited()
    assert summarise_performance(result.state).exposure == pytest.approx(1 / 5)
    summary = build_trade_analysis(result.state.portfolio).calculate_summary_statistics(state=result.state)
    assert (summary.time_in_market, summary.average_duration_of_winning_trades) == (pytest.approx(1 / 5), DAY)


def test_an_entry_whose_market_is_open_counts_from_its_decision():
    result = run_two(HOURS, daily(*[flat(50.0)] * 4), {2: with_manager(lambda m, pairs: m.open_spot(pairs[BTC], 500))})
    (position,) = result.state.portfolio.open_positions.values()
    assert position.get_entered_at() == position.opened_at
    assert not get_trades(result)[0].other_data


def test_levels_that_are_a_share_of_the_price_follow_the_price_of_the_fill():
    eth = daily(flat(50), flat(60), flat(60), flat(60))
    result = run_two(HOURS, eth, {13: open_eth(stop_loss_pct=0.9, take_profit_pct=1.5)})
    (position,) = result.state.portfolio.open_positions.values()
    assert (position.stop_loss, position.take_profit) == (pytest.approx(54), pytest.approx(90))
    result = run_two(HOURS, eth, {13: open_eth(stop_loss_usd=40.0)})
    assert result.state.portfolio.open_positions[1].stop_loss == 40, "a price is a price"


@pytest.mark.parametrize(
    ("policy", "spent", "told"), [("reduce", 5_000, "spent what was left"), ("refuse", 0, "expired")]
)
def test_an_order_that_cannot_be_paid_when_its_market_opens(policy: str, spent: int, told: str):
    plans = {2: open_eth(8_000), 3: with_manager(lambda manager, pairs: manager.open_spot(pairs[BTC], 5_000))}
    result = run_two(HOURS, daily(*[flat(50.0)] * 4), plans, cash_shortage=policy)
    portfolio = result.state.portfolio
    assert portfolio.get_cash() == 5_000 - spent
    positions = [*portfolio.open_positions.values(), *portfolio.expired_positions.values()]
    (trade,) = [
        trade
        for position in positions
        for trade in (*position.trades.values(), *position.expired_trades.values())
        if trade.pair.base.token_symbol == "ETH"
    ]
    assert "it was planned for 8000 USD, 5000 were left" in (trade.notes or "")
    assert any(told in warning for warning in result.diagnostics_data["warnings"])


def test_an_order_lapses_when_the_market_does_not_open_before_the_end():
    result = run_two(HOURS, daily(flat(50)), {30: open_eth()})
    portfolio = result.state.portfolio
    assert portfolio.get_cash() == 10_000
    (position,) = portfolio.expired_positions.values()
    (trade,) = position.expired_trades.values()
    assert trade.get_status() is TradeStatus.expired
    assert "the run has ended" in (trade.notes or "")


def test_orders_can_be_refused_instead():
    result = run_two(HOURS, daily(*[flat(50.0)] * 4), {13: open_eth()}, closed_market="refuse")
    assert result.state.portfolio.get_cash() == 10_000
    assert result.diagnostics_data["refused_trades"] == 1
    assert any("refused because their market had no price" in text for text in result.diagnostics_data["warnings"])


def test_unknown_settings_are_refused():
    with pytest.raises(BacktestNotPossible, match="closed_market must be one of 'wait', 'refuse', not 'guess'"):
        run([flat(1)] * 3, {}, closed_market="guess")
    with pytest.raises(BacktestNotPossible, match="delisting must be one of 'last_price', 'write_off', not 'gone'"):
        run([flat(1)] * 3, {}, delisting="gone")
    with pytest.raises(BacktestNotPossible, match="delisted_after must be a positive time"):
        run([flat(1)] * 3, {}, delisted_after=datetime.timedelta(0))


def test_a_market_need_never_count_as_delisted():
    result = run_with_end(days=100, delisted_after=datetime.timedelta.max)
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.closed_at == START + 100 * DAY, "only at the end of the run"


def test_a_limit_order_of_a_coarser_market_sees_nothing_of_the_time_before_it():
    # Placed at noon: the low of 40 may have been in the morning; the close of 55 is not, and it is above 45.
    def place(price: float) -> Any:
        return with_manager(lambda manager, pairs: manager.limit_buy(pairs[ETH], 900, price))

    eth = daily((50, 60, 40, 55), flat(55), flat(55), flat(55))
    assert not get_trades(run_two(HOURS, eth, {13: place(45.0)}))
    (trade,) = get_trades(run_two(HOURS, eth, {13: place(56.0)}))
    assert (trade.executed_price, trade.executed_at) == (55, START + DAY)


def test_a_stop_loss_that_is_raised_inside_a_candle_does_not_meet_its_morning():
    def raise_stop(manager: PositionManager, pairs: Any) -> Any:
        manager.update_stop_loss(manager.get_current_position(), 48.0)
        return []

    eth = daily((50, 60, 46, 55), (55, 56, 47, 50), flat(50), flat(50))
    result = run_two(HOURS, eth, {1: open_eth(stop_loss_usd=40.0), 13: with_manager(raise_stop)})
    _, sale = get_trades(result)
    assert (sale.executed_price, sale.executed_at) == (48, START + 2 * DAY)


# --- Volume ----------------------------------------------------------------------------------------


def make_volumes(bars: Any, volumes: list[float]) -> Candles:
    plain = make_candles(bars)
    columns = [plain.get_column(name) for name in ("open", "high", "low", "close")]
    return Candles(plain.starts, *columns, volume=volumes, bucket=HOUR)  # pyright: ignore[reportArgumentType]


def test_the_volume_of_a_fill_is_that_of_its_candle():
    # The stop at 90 is hit inside candle 1, where 100 units trade; candle 2, in which it is booked, trades 1.
    candles = make_volumes([flat(100), (100, 100, 85, 90), flat(90), flat(90)], [1e6, 100, 1, 1])

    def make_slippage(pricing: BacktestPricing) -> VolumeShareSlippage:
        return VolumeShareSlippage(pricing.get_traded_value, impact=0.1, max_share=1.0)

    def plan(input: Any) -> Any:
        return input.get_position_manager().open_spot(input.get_default_pair(), 1_000, stop_loss_usd=90.0)

    result = run(candles, {1: plan}, slippage=make_slippage)
    _, sale = get_trades(result)
    # 900 of 9,000 traded is a tenth: 1 % worse.
    assert sale.executed_price == pytest.approx(90 * 0.99, rel=1e-4)


# --- Halts and delistings --------------------------------------------------------------------------


def run_with_end(outcome: str = "last_price", days: int = 150, plans: Any = None, **more: Any) -> Any:
    """ETH trades for five days, BTC goes on."""
    eth = make_candles([flat(50.0)] * 4 + [(50, 51, 39, 40)], bucket=DAY)
    btc = make_candles([flat(100.0)] * days, bucket=DAY)
    return run_two(
        btc,
        eth,
        plans or {1: open_eth()},
        delisting=outcome,
        **more,
    )


def test_a_halted_market_keeps_its_last_price_and_trades_when_it_opens_again():
    halted = make_candles([flat(100.0)] * 5 + [flat(20.0)] * 10, bucket=DAY, skip=range(5, 35))
    always = make_candles([flat(50.0)] * 45, bucket=DAY)
    values: list[float] = []

    def plan(input: Any) -> Any:
        values.append(input.state.portfolio.get_net_asset_value())
        manager, pairs = input.get_position_manager(), input.strategy_universe.pairs
        if input.cycle == 1:
            return manager.open_spot(pairs[ETH], 1_000)
        return close_eth(manager, pairs) if input.cycle == 21 else []

    result = run_two(always, halted, plan)
    _, sale = get_trades(result)
    assert (sale.executed_at, sale.executed_price) == (START + 35 * DAY, 20)
    assert set(values[:35]) == {10_000}
    assert result.state.portfolio.get_cash() == 9_200


@pytest.mark.parametrize(("outcome", "cash"), [("last_price", 9_800), ("write_off", 9_000)])
def test_a_market_that_is_gone_ends_in_an_exit_or_in_nothing(outcome: str, cash: float):
    result = run_with_end(outcome)
    state = result.state
    (position,) = state.portfolio.closed_positions.values()
    # Five days of trading, and ninety without.
    assert position.closed_at == START + 95 * DAY
    assert position.is_marked_down() is (outcome == "write_off")
    assert "has not traded since 2024-01-06" in (position.notes or "")
    assert state.portfolio.get_cash() == cash == state.portfolio.get_net_asset_value()
    (closed,) = result.diagnostics_data["delisted_positions"]
    assert (closed.ticker, closed.last_trade_at) == ("ETH-USD", START + 5 * DAY)
    assert any("was closed at 2024-04-05" in text for text in result.diagnostics_data["warnings"])
    assert result.diagnostics_data["stale_price_trades"] == (1 if outcome == "last_price" else 0)
    state.perform_integrity_check()
    assert state.to_json_safe()


def test_at_the_end_a_market_that_is_gone_is_settled_too():
    result = run_with_end(days=20)
    (position,) = result.state.portfolio.closed_positions.values()
    assert position.closed_at == START + 20 * DAY
    assert result.state.portfolio.get_cash() == 9_800


def test_a_holiday_before_the_end_is_no_delisting():
    result = run_with_end(days=9)
    assert len(result.state.portfolio.open_positions) == 1
    assert result.state.portfolio.get_net_asset_value() == 9_800


def test_what_waits_for_a_market_that_is_gone_lapses():
    plans = {
        1: with_manager(lambda manager, pairs: manager.limit_buy(pairs[ETH], 500, 10.0)),
        10: with_manager(lambda manager, pairs: manager.open_spot(pairs[ETH], 500)),
    }
    result = run_with_end(plans=plans)
    portfolio = result.state.portfolio
    assert not portfolio.open_positions
    assert not portfolio.pending_positions
    assert len(portfolio.expired_positions) == 2
    assert portfolio.get_cash() == 10_000


def test_a_market_that_is_gone_does_not_stop_a_run_that_refuses_old_prices():
    result = run_with_end(data_delay_tolerance=DAY)
    assert result.state.portfolio.get_cash() == 9_800


@pytest.mark.parametrize("outcome", ["last_price", "write_off"])
def test_the_books_of_a_delisted_position_are_proven(outcome: str):
    assert prove(run_with_end(outcome).state).is_balanced


def test_whether_a_market_comes_back_is_not_known_before():
    def decide(input: Any) -> Any:
        return open_eth()(input) if input.cycle == 1 else []

    def run_days(count: int) -> list[Any]:
        eth = make_candles([flat(50.0)] * 5 + [flat(60.0)] * count, bucket=DAY, skip=range(5, 65))
        btc = make_candles([flat(100.0)] * 120, bucket=DAY)
        result = run_backtest_inline(
            decide_trades=at_cycle({1: decide}),
            universe=create_universe({"BTC-USD": btc, "ETH-USD": eth}, fee=0),
            initial_deposit=10_000,
            end_at=START + 60 * DAY,
            progress=False,
        )
        return [(entry.calculated_at, entry.total_equity) for entry in result.state.stats.portfolio][:50]

    assert run_days(1) == run_days(10)
