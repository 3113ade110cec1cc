"""Buys that there is less cash for than their decision planned with: an outcome of the trade, never the end."""

from decimal import ROUND_UP, Decimal
from typing import Any

import pytest

from tests.kit import leverage_runs
from tests.kit.markets import DAY, HOUR, START, at_cycle, flat, get_trades, make_candles, run_two
from tradeexecutor.backtest.backtest_runner import BacktestNotPossible, run_backtest_inline
from tradeexecutor.backtest.universe import create_pair, create_reserve_asset, create_universe
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.identifier import TradingPairIdentifier
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.strategy.market_data import Candles
from tradeexecutor.strategy.pandas_trader.position_manager import OrderTooSmall, PositionManager
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse

BTC, ETH = 0, 1
HOURS = make_candles([flat(100.0)] * 60)
FLAT = make_candles([flat(100.0)] * 6)


def hold_btc(value: float = 10_000) -> Any:
    return lambda input: input.get_position_manager().open_spot(input.strategy_universe.pairs[BTC], value)


def close(manager: PositionManager, pair: TradingPairIdentifier) -> list[TradeExecution]:
    position = manager.get_current_position_for_pair(pair)
    assert position is not None
    return manager.close_position(position)


def switch(value: float = 10_000) -> Any:
    """Sell BTC and buy ETH with what that is planned to bring; the buy comes first in the list."""

    def plan(input: Any) -> list[TradeExecution]:
        manager: PositionManager = input.get_position_manager()
        btc, eth = input.strategy_universe.pairs
        bought = manager.open_spot(eth, value)
        return bought + close(manager, btc)

    return plan


def run_switch(value: float = 9_890, **options: Any) -> Any:
    # One per cent of slippage: 10,000 buy 99 BTC, which are planned to bring 9,900 and bring 9,801, less a raw unit.
    return run_two(FLAT, FLAT, {1: hold_btc(), 3: switch(value)}, slippage=0.01, **options)


#: What the sale brings.
LEFT = Decimal("9800.999999")


def find_expired(result: Any) -> TradeExecution:
    positions = result.state.portfolio.expired_positions.values()
    (trade,) = (trade for position in positions for trade in position.expired_trades.values())
    return trade


def test_a_buy_spends_what_the_sell_has_brought():
    result = run_switch()
    (trade,) = (trade for trade in get_trades(result) if trade.pair.base.token_symbol == "ETH")
    assert (trade.planned_quantity, trade.planned_reserve) == (Decimal("98.00999999"), LEFT)
    assert (trade.executed_quantity, trade.executed_reserve) == (pytest.approx(Decimal("97.02989999")), LEFT)
    assert trade.notes == f"reduced: it was planned for 9890 USD, {LEFT} were left\n"
    assert result.state.portfolio.get_cash() == 0
    assert prove(result.state).is_balanced
    figures = result.diagnostics_data
    assert (figures["decisions"], figures["reduced_trades"], figures["unpaid_trades"]) == (6, 1, 0)
    assert figures["warnings"] == [
        "1 buys spent what was left, because there was less cash than their decision had planned with, the first one, "
        f"trade #{trade.trade_id} of {START + 2 * HOUR}; see the notes of the trades"
    ]


def test_a_buy_is_refused_where_that_is_wanted():
    result = run_switch(cash_shortage="refuse")
    portfolio = result.state.portfolio
    assert portfolio.get_cash() == pytest.approx(float(LEFT))
    assert not portfolio.open_positions
    assert not portfolio.frozen_positions
    trade = find_expired(result)
    assert trade.get_status() is TradeStatus.expired
    assert trade.notes == f"lapsed: it was planned for 9890 USD, {LEFT} were left\n"
    figures = result.diagnostics_data
    assert (figures["reduced_trades"], figures["unpaid_trades"]) == (0, 1)
    assert figures["warnings"][0].startswith("1 buys expired, because there was less cash")
    assert prove(result.state).is_balanced


@pytest.mark.parametrize("policy", ["reduce", "refuse"])
def test_after_a_failed_sell_there_is_nothing_to_buy_with(policy: str):
    result = run_switch(failures=lambda trade: trade.is_sell(), cash_shortage=policy)
    portfolio = result.state.portfolio
    assert [position.pair.base.token_symbol for position in portfolio.frozen_positions.values()] == ["BTC"]
    assert find_expired(result).notes == "lapsed: it was planned for 9890 USD, 0 were left\n"
    assert result.diagnostics_data["decisions"] == 6, "the run goes on"
    assert prove(result.state).is_balanced


def test_what_is_left_is_shared_in_the_order_of_execution():
    def plan(input: Any) -> list[TradeExecution]:
        manager: PositionManager = input.get_position_manager()
        btc, eth = input.strategy_universe.pairs
        sold = close(manager, btc)
        return [*sold, *manager.open_spot(eth, 4_940), *manager.open_spot(btc, 4_950)]

    result = run_two(FLAT, FLAT, {1: hold_btc(), 3: plan}, slippage=0.01)
    eth, btc = get_trades(result)[-2:]
    assert (eth.executed_reserve, btc.executed_reserve) == (4_940, LEFT - 4_940)


def make_universe(decimals: int, **candles: Candles) -> TradingStrategyUniverse:
    """Tokens with so many decimals, against USD."""
    usd = create_reserve_asset()
    pairs = {create_pair(symbol, usd, number, 0): own for number, (symbol, own) in enumerate(candles.items(), 1)}
    for pair in pairs:
        pair.base.decimals = decimals
    return TradingStrategyUniverse(pairs, usd)


def run_universe(universe: TradingStrategyUniverse, plans: dict[int, Any], **options: Any) -> Any:
    return run_backtest_inline(
        decide_trades=at_cycle(plans), universe=universe, initial_deposit=10_000, progress=False, **options
    )


def test_less_than_the_price_of_a_unit_expires():
    # After the failed sale of 99 BTC 100 USD are left, and a unit of ETH costs 101.
    universe = make_universe(0, BTC=FLAT, ETH=make_candles([flat(101.0)] * 6))
    plans = {1: hold_btc(9_900), 3: switch(9_999)}
    result = run_universe(universe, plans, failures=lambda trade: trade.is_sell())
    assert find_expired(result).notes == "lapsed: it was planned for 9999 USD, 100 were left\n"
    assert result.state.portfolio.get_cash() == 100


def test_the_sell_waits_for_its_market_and_the_buy_does_not():
    # Hour 12: BTC trades once a day, so its sale waits, and 500 of the 9,000 are there.
    daily = make_candles([flat(100.0)] * 4, bucket=DAY)
    result = run_two(daily, HOURS, {1: hold_btc(9_500), 13: switch(9_000)})
    buy, sell = get_trades(result)[1:]
    assert (buy.executed_reserve, buy.executed_at) == (500, START + 12 * HOUR)
    assert (sell.executed_reserve, sell.executed_at) == (9_500, START + DAY)
    assert result.diagnostics_data["reduced_trades"] == 1


def test_orders_that_wait_for_the_same_open_sell_first():
    # Both markets open at the second midnight; the buy stands first in the list of the decision.
    eth = make_candles([flat(50.0)] * 4, bucket=DAY)
    btc = make_candles([flat(100.0), flat(90.0), flat(90.0), flat(90.0)], bucket=DAY)
    universe = create_universe({"BTC-USD": btc, "ETH-USD": eth, "SOL-USD": HOURS}, fee=0)

    def decide(input: Any) -> list[TradeExecution]:
        manager: PositionManager = input.get_position_manager()
        if input.cycle == 1:
            return manager.open_spot(universe.pairs[BTC], 10_000)
        if input.cycle == 13:
            bought = manager.open_spot(universe.pairs[ETH], 10_000)
            return bought + close(manager, universe.pairs[BTC])
        return []

    result = run_backtest_inline(decide_trades=decide, universe=universe, initial_deposit=10_000, progress=False)
    first, bought, sold = get_trades(result)
    assert (first.executed_reserve, sold.executed_reserve, bought.executed_reserve) == (10_000, 9_000, 9_000)
    assert bought.executed_at == sold.executed_at == START + DAY


def test_a_plan_that_spends_more_than_there_is_stays_an_error():
    with pytest.raises(ExecutionError, match=r"trade #2 needs 9901 USD, 9899.999999 are left .* nothing was traded"):
        run_switch(9_901)


def test_a_lack_of_a_few_raw_units_is_rounding():
    # As when the values of positions, which are floats, are added up to size the buy.
    result = run_two(FLAT, FLAT, {1: hold_btc(9_900), 3: switch(10_000.000003)})
    trade = get_trades(result)[1]
    assert (trade.executed_reserve, trade.notes) == (10_000, None)
    assert result.state.portfolio.get_cash() == 0
    assert result.diagnostics_data["warnings"] == []


def test_other_words_for_the_setting_are_refused():
    with pytest.raises(BacktestNotPossible, match="cash_shortage must be one of 'reduce', 'refuse', not 'scale'"):
        run_switch(cash_shortage="scale")


@pytest.mark.parametrize(
    ("decimals", "price", "value", "expected"),
    [
        (8, 100.0, 0.0000009, True),  # less than one unit of the money, whose unit is a millionth
        (8, 100.0, 0.000001, True),  # 1e-8 BTC are not above the dust limit of 1e-7
        (8, 100.0, 0.000009, True),  # 9e-8 neither
        (8, 100.0, 0.000011, False),  # 1.1e-7
        (0, 300.0, 299.0, True),
        (0, 300.0, 300.0, False),
        (2, 300.0, 2.99, True),
        (2, 300.0, 3.0, False),
        (18, 100.0, 0.000009, True),
        (18, 100.0, 0.0000101, False),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_too_small_is_refused_before_anything_is_planned(
    decimals: int, price: float, value: float, expected: bool, sign: int
):
    seen: list[tuple[bool, bool]] = []

    def plan(input: Any) -> list[TradeExecution]:
        manager, pair = input.get_position_manager(), input.get_default_pair()
        before = input.state.portfolio.next_trade_id
        answer = manager.is_too_small(pair, sign * value)
        try:
            trades = manager.adjust_position(pair, sign * value, None, 0.5)
        except OrderTooSmall:
            seen.append((answer, True))
            assert input.state.portfolio.next_trade_id == before
            return []
        seen.append((answer, False))
        return trades

    universe = make_universe(decimals, BTC=make_candles([flat(price)] * 3))
    run_universe(universe, {1: hold_btc(6_000), 2: plan})
    assert seen == [(expected, expected)]


@pytest.mark.parametrize("opening", ["open_short", "open_long"])
def test_a_loan_may_take_all_of_a_cash_with_fractions_of_a_unit(opening: str):
    """What a short gives back has more decimals than the currency; the next one is planned for it, rounded up."""

    def open_with_all(input: StrategyInput) -> list[TradeExecution]:
        manager = input.get_position_manager()
        (reserve,) = input.state.portfolio.reserves.values()
        everything = reserve.quantity.quantize(Decimal("0.000001"), ROUND_UP)
        assert 0 < everything - reserve.quantity < Decimal("0.000001")
        return getattr(manager, opening)(input.get_default_pair(), everything, leverage=1.5)

    bars = [flat(2000.0), flat(1777.0), flat(1777.0), flat(1777.0)]
    plans = {1: leverage_runs.open_short(3333.0, 1.7), 2: leverage_runs.close, 3: open_with_all}
    result = leverage_runs.run_leverage(bars, plans, fee=0.003)
    assert result.state.portfolio.get_cash() == 0
    (position,) = result.state.portfolio.open_positions.values()
    assert position.loan is not None
