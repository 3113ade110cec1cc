"""Rules of simulated markets and lending pools, each worked out by hand."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, START, Bar, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_pricing import BacktestPricing
from tradeexecutor.backtest.backtest_runner import BacktestNotPossible, BacktestResult, run_backtest_inline
from tradeexecutor.execution.slippage import VolumeShareSlippage
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.market_terms import MarketTerms
from tradeexecutor.strategy.pandas_trader.position_manager import OrderTooSmall, PositionManager, PositionManagerError
from tradeexecutor.strategy.trading_strategy_universe import PairNotFound

D = Decimal
Plan = Callable[[PositionManager, Any], list[TradeExecution]]


def run(
    bars: list[Bar], plans: dict[int, Plan], terms: Any = None, *, fee: float = 0.0, lending: Any = None,
    volume: float | None = 1000.0, **options: Any,
) -> BacktestResult:  # fmt: skip
    def use_manager(plan: Plan) -> Any:
        return lambda input: plan(input.get_position_manager(), input.get_default_pair())

    result = run_backtest_inline(
        decide_trades=at_cycle({cycle: use_manager(plan) for cycle, plan in plans.items()}),
        parameters={"market_terms": terms, "lending": lending or LendingPool(0.0, 0.0)},
        candles={"ETH-USD": make_candles(bars, bucket=DAY, volume=volume)},
        fee=fee,
        initial_deposit=10_000,
        **options,
    )
    assert prove(result.state).is_balanced
    return result


def portfolio_of(result: BacktestResult) -> Portfolio:
    return result.state.portfolio


def buy(value: float) -> Plan:
    return lambda manager, pair: manager.open_spot(pair, value)


def close(manager: PositionManager, pair: Any) -> list[TradeExecution]:
    return manager.close_all()


def short(value: float = 1000.0, leverage: float = 1.0) -> Plan:
    return lambda manager, pair: manager.open_short(pair, value, leverage=leverage)


# --- Markets


def test_taxes_of_a_token():
    """1000 at 100 buy 10 tokens, of which 1 % is taxed away; of 9.9 sold 2 % is, so 9.702 bring 970.20."""
    terms = MarketTerms(buy_tax=0.01, sell_tax=0.02)
    opened = portfolio_of(run([flat(100)] * 2, {1: buy(1000.0)}, terms)).open_positions[1]
    assert float(opened.get_quantity()) == pytest.approx(9.9)
    assert opened.get_value() == pytest.approx(970.2), "valued at what selling brings"
    trade = opened.get_first_trade()
    assert trade.get_token_tax_paid() == pytest.approx(10.0)
    assert trade.lp_fees_paid == pytest.approx(10.0)
    portfolio = portfolio_of(run([flat(100)] * 3, {1: buy(1000.0), 2: close}, terms))
    assert portfolio.get_cash() == pytest.approx(9970.2, abs=1e-5)
    assert portfolio.closed_positions[1].get_net_profit_usd() == pytest.approx(-29.8, abs=1e-5)


def test_taxes_come_on_top_of_fees():
    """1001 at a fee of 0.1 % are 1000 in the market, 10 tokens less 1 %; 9.9 sold bring 9.702 * 100 * 0.999."""
    terms = {"ETH-USD": MarketTerms(buy_tax=0.01, sell_tax=0.02)}
    portfolio = portfolio_of(run([flat(100)] * 3, {1: buy(1001.0), 2: close}, terms, fee=0.001))
    assert portfolio.get_cash() == pytest.approx(8999 + 970.2 * 0.999, abs=1e-5)
    first, last = portfolio.closed_positions[1].trades.values()
    assert first.lp_fees_paid == pytest.approx(1 * 0.99 + 10)
    assert last.lp_fees_paid == pytest.approx(0.99 * 0.98 + 19.8)


def test_a_smallest_order():
    def plan(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        before = manager.state.to_json()
        assert manager.is_too_small(pair, 9.99)
        assert not manager.is_too_small(pair, 10.0)
        with pytest.raises(OrderTooSmall, match="the smallest order is 10"):
            manager.open_spot(pair, 9.99)
        assert manager.state.to_json() == before
        return manager.open_spot(pair, 15.0)

    def part(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        with pytest.raises(OrderTooSmall, match="the smallest order is 10"):
            manager.adjust_position(pair, -9.0, None, 0.1)
        return manager.adjust_position(pair, -10.0, None, 0.1)

    terms = MarketTerms(minimum_order=10.0)
    portfolio = portfolio_of(run([flat(100)] * 4, {1: plan, 2: part, 3: close}, terms))
    assert portfolio.get_cash() == pytest.approx(10_000, abs=1e-5), "what closes a position may be smaller"


def test_lots():
    """1000 at 300 would buy 3.33; in lots of a quarter, 3.25 for 975. A sale of 1.1 sells 1."""
    terms = MarketTerms(lot_size=D("0.25"))

    def part(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.adjust_position(pair, -330.0, None, 0.1)

    portfolio = portfolio_of(run([flat(300)] * 3, {1: buy(1000.0), 2: part}, terms))
    position = portfolio.open_positions[1]
    assert [trade.executed_quantity for trade in position.trades.values()] == [D("3.25"), D(-1)]
    assert portfolio.get_cash() == 10_000 - 975 + 300

    def small(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        assert manager.is_too_small(pair, 74.0)
        with pytest.raises(OrderTooSmall, match="less than one unit"):
            manager.open_spot(pair, 74.0)
        return []

    run([flat(300)] * 2, {1: small}, terms)


def test_ticks_and_fees_of_resting_orders():
    """A limit at 95.3 rests at 95.5; it pays nothing, a market order pays 1 %, a limit on the way out nothing again."""
    terms = MarketTerms(tick_size=0.5, maker_fee=0.0)

    def entry(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.limit_buy(pair, 955.0, 95.3)

    def leave(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.limit_sell(manager.get_current_position(), 110.2)

    bars: list[Bar] = [flat(100), (100, 100, 95, 100), (100, 120, 100, 100), flat(100)]
    portfolio = portfolio_of(run(bars, {1: entry, 3: leave}, terms, fee=0.01))
    first, last = portfolio.closed_positions[1].trades.values()
    assert (first.executed_price, first.executed_quantity, first.lp_fees_paid) == (95.5, 10, 0.0)
    assert (last.executed_price, last.lp_fees_paid) == (110.0, 0.0)
    assert portfolio.get_cash() == 10_000 - 955 + 1100
    market = portfolio_of(run([flat(100)] * 2, {1: buy(1010.0)}, terms, fee=0.01)).open_positions[1].get_first_trade()
    assert (market.executed_quantity, market.lp_fees_paid) == (10, pytest.approx(10.0))

    def stop(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        return manager.stop_buy(pair, 1050.4, 104.0)

    stopped = portfolio_of(run([flat(100), (100, 110, 100, 110), flat(110)], {1: stop}, terms, fee=0.01))
    assert stopped.open_positions[1].get_first_trade().executed_price == pytest.approx(104 * 1.01), "a taker"


@pytest.mark.parametrize("cycle", [2, 3])
def test_a_large_order_is_filled_in_part(cycle: int):
    """100 tokens are traded a day, a tenth of them at most by the strategy: 10 of the 20 that 2000 would buy."""

    def slippage(pricing: BacktestPricing) -> VolumeShareSlippage:
        return VolumeShareSlippage(pricing.get_traded_value, 0.0, 0.1, fills_partly=True)

    plans = {1: buy(2000.0), cycle: close}
    result = run([flat(100)] * 5, plans, volume=100.0, slippage=slippage)
    position = next(iter(portfolio_of(result).get_all_positions()))
    bought, sold = position.trades.values()
    assert (bought.planned_quantity, bought.executed_quantity, bought.executed_reserve) == (20, 10, 1000)
    assert "filled in part: 50.0% of 20" in str(bought.notes)
    assert (sold.executed_quantity, sold.executed_reserve) == (-10, 1000)
    assert portfolio_of(result).get_cash() == 10_000

    halves = run([flat(100)] * 5, {1: buy(800.0), 3: close}, volume=100.0, slippage=lambda pricing: _Halves())
    position = portfolio_of(halves).open_positions[1]
    assert position.get_quantity() == 2, "8 bought in halves: 4; and 2 of them sold"
    assert portfolio_of(halves).get_cash() == 9800


class _Halves(VolumeShareSlippage):
    def __init__(self):
        super().__init__(lambda ts, pair: None)

    def get_filled_share(self, ts: datetime.datetime, trade: TradeExecution) -> float:
        return 0.5


def test_terms_that_cannot_be_meant():
    for terms, message in [
        ({"minimum_order": -1}, "minimum_order must not be negative"),
        ({"minimum_order": float("inf")}, "minimum_order must not be negative nor endless, it is inf"),
        ({"lot_size": Decimal("NaN")}, "lot_size must not be negative nor endless, it is NaN"),
        ({"tick_size": float("nan")}, "tick_size must not be negative nor endless, it is nan"),
        ({"buy_tax": 1.0}, "buy_tax is a fraction"),
        ({"maker_fee": -0.1}, "maker_fee is a fraction"),
    ]:
        with pytest.raises(InvalidValue, match=message):
            MarketTerms(**terms)
    with pytest.raises(BacktestNotPossible, match="market_terms must be MarketTerms"):
        run([flat(100)], {}, {"ETH-USD": 5})
    with pytest.raises(PairNotFound, match="no pair is called 'BTC-USD'"):
        run([flat(100)], {}, {"BTC-USD": MarketTerms()})


# --- Pools


def test_a_lending_pool_that_is_none_is_refused():
    with pytest.raises(BacktestNotPossible, match=r"the parameter lending must be a LendingPool, not 0\.07"):
        run([flat(100)] * 3, {}, lending=0.07)


def test_a_borrow_cap_counts_all_debts_in_a_token():
    pool = LendingPool(0.0, 0.0, borrow_caps={"ETH": 1.5})

    def grow(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        before = manager.state.to_json()
        with pytest.raises(PositionManagerError, match=r"2\S* ETH would be borrowed, the borrow cap is 1\.5"):
            manager.adjust_short(manager.get_current_short_position(), 4000.0)
        assert manager.state.to_json() == before
        return manager.adjust_short(manager.get_current_short_position(), 3000.0)

    portfolio = portfolio_of(run([flat(2000)] * 4, {1: short(2000.0), 2: grow, 3: close}, lending=pool))
    assert portfolio.get_cash() == 10_000

    def refused(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        with pytest.raises(PositionManagerError, match="the pool refuses: "):
            manager.open_short(pair, 4000.0)
        return []

    run([flat(2000)] * 2, {1: refused}, lending=pool)


def test_a_collateral_factor_limits_what_is_borrowed():
    """A factor of 60 %: with 1000 of one's own, a debt of 1500 has 2500 of collateral, exactly 60 %."""
    pool = LendingPool(0.0, 0.0, liquidation_threshold=0.85, collateral_factor=0.6)

    def plan(manager: PositionManager, pair: Any) -> list[TradeExecution]:
        with pytest.raises(PositionManagerError, match=r"61\.54% of the collateral, the collateral factor is 60\.00%"):
            manager.open_short(pair, 1000.0, leverage=1.6)
        return manager.open_short(pair, 1000.0, leverage=1.5)

    portfolio = portfolio_of(run([flat(2000)] * 3, {1: plan}, lending=pool))
    assert len(portfolio.open_positions) == 1
    with pytest.raises(InvalidValue, match="collateral_factor must be above 0"):
        LendingPool(collateral_factor=0.9)


@pytest.mark.parametrize("outcome", ["last_price", "write_off"])
@pytest.mark.parametrize(("method", "profit"), [("open_short", 250.0), ("open_long", -500.0)])
def test_a_debt_in_a_delisted_market_is_repaid_at_the_last_price(outcome: str, method: str, profit: float):
    """A token without a market is no gift: the debt of 0.5 at 1500 costs 750, so 250 are won.

    Nor is a debt forgiven: 1 ETH of a leveraged long, bought at 2000, is sold at 1500.
    """
    candles = {
        "ETH-USD": make_candles([flat(2000), flat(1500)], bucket=DAY),
        "BTC-USD": make_candles([flat(100)] * 30, bucket=DAY),
    }

    def decide_trades(input: Any) -> list[TradeExecution]:
        pair = input.strategy_universe.get_pair_by_ticker("ETH")
        return getattr(input.get_position_manager(), method)(pair, 1000.0) if input.cycle == 1 else []

    result = run_backtest_inline(
        decide_trades=decide_trades,
        parameters={"lending": LendingPool(0.0, 0.0)},
        candles=candles,
        fee=0.0,
        initial_deposit=10_000,
        delisting=outcome,
        delisted_after=datetime.timedelta(days=10),
    )
    assert prove(result.state).is_balanced
    position = result.state.portfolio.closed_positions[1]
    assert result.state.portfolio.get_cash() == 10_000 + profit
    assert position.get_realised_profit_usd() == pytest.approx(profit)
    assert position.closed_at == START + 12 * DAY
    assert [entry.position_id for entry in result.diagnostics_data["delisted_positions"]] == [1]
