"""Strategies on two chains: money goes over a simulated bridge, is traded there, and comes back; worked out by hand."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.kit.markets import DAY, HOUR, START, at_cycle, flat, make_candles
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_options import BacktestNotPossible
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.execution.interface import ExecutionError
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.checks import check_state
from tradeexecutor.state.errors import InvalidValue, UnsupportedPairKind
from tradeexecutor.state.identifier.bridge_terms import BridgeTerms
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.repair.issues import find_issues
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeExecution, TradeStatus
from tradeexecutor.strategy.data_universe import PairNotFound
from tradeexecutor.strategy.pandas_trader.position_manager import (
    NotEnoughCashForBuys,
    OrderTooSmall,
    PositionManager,
    PositionManagerError,
)
from tradeexecutor.strategy.trading_strategy_universe import TradingStrategyUniverse, UniverseNotValid

D = Decimal
BASE = ChainId.base
HALF_HOUR = datetime.timedelta(minutes=30)
AT_ONCE = BridgeTerms(transfer_time=datetime.timedelta(0))

Plan = Callable[[PositionManager], list[TradeExecution]]


def two_chains(prices: list[float], bucket: datetime.timedelta = DAY, **settings: Any) -> TradingStrategyUniverse:
    """BTC is on the chain of the reserve currency, ETH on the other."""
    candles = {
        "BTC-USD": make_candles([flat(100.0)] * len(prices), bucket=bucket),
        "ETH-USD": make_candles([flat(price) for price in prices], bucket=bucket),
    }
    return create_universe(candles, **{"chains": {"ETH-USD": BASE}, "fee": 0.0, **settings})


def run(
    plans: dict[int, Plan],
    prices: list[float] | None = None,
    terms: BridgeTerms = AT_ONCE,
    *,
    universe: TradingStrategyUniverse | None = None,
    **options: Any,
) -> BacktestResult:
    """Run plans by cycle, and check that every dollar is accounted for before each decision and at the end."""

    def decide(plan: Plan) -> Any:
        def act(input: Any) -> list[TradeExecution]:
            check_all(input.state)
            return plan(input.get_position_manager())

        return act

    nothing: Plan = lambda manager: []  # noqa: E731
    prices = prices or [3.0] * 6
    result = run_backtest_inline(
        decide_trades=at_cycle({cycle: decide(plans.get(cycle, nothing)) for cycle in range(1, len(prices) + 1)}),
        universe=universe or two_chains(prices, bridges=terms),
        initial_deposit=10_000,
        **options,
    )
    check_all(result.state)
    return result


def check_all(state: State) -> None:
    proof = prove(state)
    assert proof.is_balanced, proof
    assert not [check for check in check_state(state) if not check.passed]
    assert State.read_json_blob(state.to_json()).to_json() == state.to_json()


def out(value: float) -> Plan:
    return lambda manager: manager.open_cctp_bridge_position(manager.get_bridge_pair(BASE), value)


def buy(value: float, **levels: Any) -> Plan:
    return lambda manager: manager.open_spot(manager.get_trading_pair("ETH"), value, **levels)


def back(amount: str | None = None) -> Plan:
    def plan(manager: PositionManager) -> list[TradeExecution]:
        position = manager.get_current_bridge_position(BASE)
        assert position is not None
        return manager.close_cctp_bridge_position(position, quantity=None if amount is None else D(amount))

    return plan


def sell_all(manager: PositionManager) -> list[TradeExecution]:
    position = manager.get_current_position_for_pair(manager.get_trading_pair("ETH"))
    assert position is not None
    return manager.close_position(position)


def both(*plans: Plan) -> Plan:
    return lambda manager: [trade for plan in plans for trade in plan(manager)]


def equity_of(state: State) -> list[float]:
    return [round(sample.total_equity or 0, 6) for sample in state.stats.portfolio]


def money_of(state: State) -> tuple[float, Decimal, Decimal]:
    """Cash, capital of the bridge that is used on the other chain, and capital that is not."""
    (bridge,) = (p for p in state.portfolio.get_all_positions() if p.pair.is_cctp_bridge())
    return state.portfolio.get_cash(), bridge.bridge_capital_allocated, bridge.get_available_bridge_capital()


# --- There and back


def test_one_decision_moves_money_and_spends_it_where_it_is():
    """2000 over the bridge, 1500 of it buy 500 at 3; sold at 3.5 they bring 1750, and 1000 come back."""
    plans = {1: both(buy(1500.0), out(2000.0)), 2: sell_all, 3: back("1000")}
    first = run({1: plans[1]}, [3.0]).state
    assert money_of(first) == (8000.0, D(1500), D(500))
    assert (first.portfolio.calculate_total_equity(), first.portfolio.calculate_net_assets()) == (10_000.0, 10_000.0)
    sold = run({1: plans[1], 2: plans[2]}, [3.0, 3.5]).state
    assert money_of(sold) == (8000.0, D(-250), D(2250))
    state = run(plans, [3.0, 3.5, 3.5, 3.5]).state
    assert money_of(state) == (9000.0, D(-250), D(1250))
    assert equity_of(state)[-1] == 10_250.0
    trades = sorted(state.portfolio.get_all_trades(), key=lambda trade: trade.trade_id)
    assert [trade.get_action_verb() for trade in trades] == ["Buy", "Bridge out", "Sell", "Bridge back"]
    assert trades[0].bridge_currency_allocated == 1500
    assert state.portfolio.get_net_profit_usd() == pytest.approx(250.0)


def test_a_journey_to_the_cent():
    """Out 6000 for 0.1 % and 1 dollar: 5993 arrive after two hours. 4000 buy 2 ETH at 2000, sold at 2300 for 4600.

    There are then 1993 + 4600 = 6593. All of it goes back, costs 7.593, and 6585.407 arrive. The transfers have lost
    14.593, the trade has earned 600: 10 000 have become 10 585.407.
    """
    terms = BridgeTerms(transfer_time=2 * HOUR, fee=0.001, fixed_fee=1.0)
    plans: dict[int, Plan] = {1: out(6000.0), 4: buy(4000.0), 6: both(sell_all, back())}
    prices = [2000.0] * 5 + [2300.0] * 5
    result = run(plans, prices, universe=two_chains(prices, HOUR, bridges=terms), equity_sampling="candle")
    portfolio = result.state.portfolio
    sent, bought, sold, returned = sorted(portfolio.get_all_trades(), key=lambda trade: trade.trade_id)
    assert (sent.started_at, sent.executed_at) == (START, START + 2 * HOUR)
    assert (sent.executed_reserve, sent.executed_quantity, sent.lp_fees_paid) == (6000, 5993, 7.0)
    assert (sent.bridge_input_amount, sent.bridge_output_amount, sent.bridge_fee_amount) == (6000, 5993, 7)
    assert (bought.executed_quantity, bought.bridge_currency_allocated) == (2, 4000)
    assert sold.executed_reserve == 4600
    assert (returned.started_at, returned.executed_at) == (START + 5 * HOUR, START + 7 * HOUR)
    assert (returned.executed_quantity, returned.executed_reserve) == (D(-6593), D("6585.407"))
    assert portfolio.get_cash() == 10_585.407
    assert not portfolio.open_positions
    assert result.diagnostics_data["warnings"] == []
    # In transit the money counts with what was sent; a fee is lost on arrival.
    by_hour = {sample.calculated_at: sample.total_equity for sample in result.state.stats.portfolio}
    expected = [10_000.0, 10_000.0, 9993.0, 9993.0, 9993.0, 10_593.0, 10_593.0, 10_585.407, 10_585.407]
    assert [by_hour[START + hour * HOUR] for hour in range(9)] == pytest.approx(expected)
    assert portfolio.get_net_profit_usd() == pytest.approx(585.407)
    assert summarise_performance(result.state).final_equity == pytest.approx(10_585.407)


def test_money_on_its_way_is_neither_here_nor_there_and_counts_once():
    def look(manager: PositionManager) -> list[TradeExecution]:
        portfolio = manager.state.portfolio
        assert (manager.get_current_cash(), manager.get_cash_on_chain(BASE)) == (4000.0, 0.0)
        assert manager.get_cash_on_chain(1) == 4000.0
        assert portfolio.get_in_transit_value() == 6000.0
        assert portfolio.calculate_net_assets() == portfolio.calculate_total_equity() == 10_000.0
        (trade,) = portfolio.get_all_trades()
        assert trade.get_status() is TradeStatus.cctp_in_transit
        return []

    state = run({1: out(6000.0), 2: look, 3: look}, terms=BridgeTerms(transfer_time=3 * DAY)).state
    assert set(equity_of(state)) == {10_000.0}
    assert {sample.net_asset_value for sample in state.stats.portfolio} == {10_000.0}
    assert money_of(state) == (4000.0, D(0), D(6000))


def test_a_run_that_ends_while_money_is_on_its_way():
    result = run({1: out(6000.0)}, terms=BridgeTerms(transfer_time=30 * DAY))
    portfolio = result.state.portfolio
    (trade,) = portfolio.get_all_trades()
    assert trade.get_status() is TradeStatus.cctp_in_transit
    assert (portfolio.get_cash(), portfolio.calculate_net_assets()) == (4000.0, 10_000.0)
    assert summarise_performance(result.state).final_equity == 10_000.0
    late = START + 31 * DAY
    assert find_issues(result.state, now=late - DAY) == []
    (issue,) = find_issues(result.state, now=late)
    assert not issue.is_blocking
    assert "on its way over the bridge since 2024-01-01" in str(issue)


def test_a_transfer_arrives_between_two_decisions_and_pays_for_an_order_that_rests_there():
    """Sent at midnight, it arrives at noon; the limit of 95 is reached in the second day."""

    def rest(manager: PositionManager) -> list[TradeExecution]:
        return [*out(1000.0)(manager), *manager.limit_buy(manager.get_trading_pair("ETH"), 950.0, 95.0)]

    bars = [flat(100.0), (100.0, 100.0, 90.0, 100.0), flat(100.0)]
    universe = create_universe(
        {"BTC-USD": make_candles([flat(1.0)] * 3, bucket=DAY), "ETH-USD": make_candles(bars, bucket=DAY)},
        chains={"ETH-USD": BASE},
        bridges=BridgeTerms(transfer_time=12 * HOUR),
        fee=0.0,
    )
    state = run({1: rest}, [1.0] * 3, universe=universe).state
    position = next(p for p in state.portfolio.open_positions.values() if not p.pair.is_cctp_bridge())
    assert (position.get_quantity(), position.get_first_trade().executed_at) == (10, START + 2 * DAY)
    assert money_of(state) == (9000.0, D(950), D(50))


def test_a_stop_loss_on_the_other_chain_leaves_its_proceeds_there():
    bars = [flat(100.0), (100.0, 100.0, 80.0, 85.0), flat(85.0)]
    universe = create_universe(
        {"BTC-USD": make_candles([flat(1.0)] * 3, bucket=DAY), "ETH-USD": make_candles(bars, bucket=DAY)},
        chains={"ETH-USD": BASE},
        bridges=AT_ONCE,
        fee=0.0,
    )
    state = run({1: both(out(1000.0), buy(1000.0, stop_loss_pct=0.9))}, [1.0] * 3, universe=universe).state
    assert money_of(state) == (9000.0, D(100), D(900))


# --- Closing everything


def test_close_all_sells_there_and_brings_everything_back():
    plans: dict[int, Plan] = {1: both(out(2000.0), buy(1500.0)), 3: lambda manager: manager.close_all()}
    state = run(plans, [3.0, 3.0, 3.5, 3.5]).state
    assert not state.portfolio.open_positions
    assert state.portfolio.get_cash() == 10_250.0
    assert [position.get_net_profit_usd() for position in state.portfolio.closed_positions.values()] == pytest.approx(
        [250.0, 0.0]
    )


def test_close_all_when_the_money_is_all_in_use_and_the_sale_slips():
    """1000 buy at 10 with 1 % slippage, so they are 99 tokens and 0 are left; they bring 99 * 10 * 0.99 = 980.1."""
    plans: dict[int, Plan] = {1: both(out(1000.0), buy(1000.0)), 3: lambda manager: manager.close_all()}
    state = run(plans, [10.0] * 4, slippage=0.01).state
    assert not state.portfolio.open_positions
    assert state.portfolio.get_cash() == pytest.approx(9980.1, abs=2e-6)


def test_close_all_leaves_what_the_bridge_does_not_take():
    terms = BridgeTerms(transfer_time=datetime.timedelta(0), minimum=50.0)
    plans: dict[int, Plan] = {1: out(100.0), 2: back("60"), 3: lambda manager: manager.close_all()}
    state = run(plans, terms=terms).state
    assert money_of(state) == (9960.0, D(0), D(40))


def test_money_comes_back_while_a_position_stays_there():
    """The bridge closes with 1500 in use, and the sale opens it again."""
    plans: dict[int, Plan] = {1: both(out(2000.0), buy(1500.0)), 2: back(), 3: sell_all, 4: back()}
    state = run(plans, [3.0, 3.0, 3.5, 3.5, 3.5]).state
    assert not state.portfolio.open_positions
    assert state.portfolio.get_cash() == 10_250.0


def test_money_can_be_sent_again_after_the_bridge_has_closed():
    plans: dict[int, Plan] = {1: out(2000.0), 2: back(), 3: out(500.0), 4: back()}
    state = run(plans).state
    assert state.portfolio.get_cash() == 10_000.0
    assert len(state.portfolio.closed_positions) == 2


# --- What fails


def test_a_transfer_that_fails_leaves_the_money_where_it_was():
    """The first of two transfers fails; its position never had money, and the next one opens another."""
    fails = {1, 3}
    plans: dict[int, Plan] = {1: out(2000.0), 2: out(2000.0), 3: back("500"), 4: back("700")}
    result = run(plans, failures=lambda trade: trade.trade_id in fails)
    state = result.state
    assert money_of(state) == (8700.0, D(0), D(1300))
    assert result.diagnostics_data["failed_trades"] == 2
    assert not state.portfolio.frozen_positions
    assert find_issues(state) == []
    assert set(equity_of(state)) == {10_000.0}


@pytest.mark.parametrize("returns", [False, True])
def test_a_transfer_that_expires_is_back_where_it_came_from(returns: bool):
    """The bridge is down from the second day on, and a transfer is given up after a day."""
    outage = START + DAY, START + 30 * DAY
    terms = BridgeTerms(transfer_time=DAY / 2, fixed_fee=1.0, outages=[outage], expires_after=DAY)
    plans: dict[int, Plan] = {1: out(2000.0), 3: back() if returns else out(1000.0)}
    result = run(plans, terms=terms)
    trade = max(result.state.portfolio.get_all_trades(), key=lambda item: item.trade_id)
    assert (trade.get_status(), trade.failed_at) == (TradeStatus.failed, START + 3 * DAY)
    assert "it had not arrived at 2024-01-04" in (trade.notes or "")
    assert money_of(result.state) == (8000.0, D(0), D(1999))
    assert equity_of(result.state)[-1] == 9999.0
    assert find_issues(result.state) == []


def test_a_first_transfer_that_expires_leaves_no_position():
    terms = BridgeTerms(transfer_time=DAY, outages=[(START, START + 30 * DAY)], expires_after=2 * DAY)
    state = run({1: out(2000.0)}, terms=terms).state
    assert (state.portfolio.get_cash(), state.portfolio.open_positions) == (10_000.0, {})
    assert len(state.portfolio.expired_positions) == 1


def test_an_outage_delays_arrivals():
    terms = BridgeTerms(transfer_time=DAY, outages=[(START, START + 2 * DAY), (START + 2 * DAY, START + 3 * DAY)])
    (trade,) = run({1: out(2000.0)}, terms=terms).state.portfolio.get_all_trades()
    assert trade.executed_at == START + 3 * DAY


# --- What is refused


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (buy(100.0), r"needs 100\S* USD on Base, 0 are left .* open_cctp_bridge_position"),
        (both(out(100.0), buy(200.0)), r"needs 200\S* USD on Base, 100\S* are left"),
        (both(out(9000.0), out(2000.0)), r"needs 9000 USD, 8000\S* are left"),
    ],
)
def test_a_plan_that_spends_money_that_is_not_there(plan: Plan, message: str):
    with pytest.raises(ExecutionError, match=message):
        run({1: plan})


def test_money_on_its_way_pays_for_nothing():
    with pytest.raises(ExecutionError, match=r"needs 500\S* USD on Base, 0 are left"):
        run({1: both(out(1000.0), buy(500.0))}, terms=BridgeTerms())


def test_the_cash_does_not_pay_for_a_trade_on_another_chain_after_the_bridge_has_closed():
    with pytest.raises(ExecutionError, match="on Base, 0 are left"):
        run({1: out(1000.0), 2: back(), 3: buy(500.0)})


def test_calls_that_cannot_be_meant():
    terms = BridgeTerms(transfer_time=datetime.timedelta(0), minimum=10.0, fixed_fee=20.0)

    def plan(manager: PositionManager) -> list[TradeExecution]:
        bridge, position = manager.get_bridge_pair(BASE), manager.get_current_bridge_position(BASE)
        eth = manager.get_trading_pair("ETH")
        assert position is not None
        before = manager.state.to_json()
        for error, call in (
            (OrderTooSmall, lambda: manager.open_cctp_bridge_position(bridge, 9.99)),
            (OrderTooSmall, lambda: manager.open_cctp_bridge_position(bridge, 20.0)),
            (PositionManagerError, lambda: manager.open_cctp_bridge_position(bridge, -1.0)),
            (UnsupportedPairKind, lambda: manager.open_cctp_bridge_position(eth, 100.0)),
            (PositionManagerError, lambda: manager.open_spot(bridge, 100.0)),
            (UnsupportedPairKind, lambda: manager.open_short(eth, 100.0)),
            (PositionManagerError, lambda: manager.close_cctp_bridge_position(position, quantity=D(981))),
            (PositionManagerError, lambda: manager.close_cctp_bridge_position(position, quantity=D(0))),
            (OrderTooSmall, lambda: manager.close_cctp_bridge_position(position, quantity=D(5))),
            (PairNotFound, lambda: manager.get_bridge_pair(ChainId.polygon)),
        ):
            with pytest.raises(error):
                call()
            assert manager.state.to_json() == before
        assert (manager.is_too_small(bridge, 9.0), manager.is_too_small(bridge, 30.0)) == (True, False)
        assert manager.check_enter_position(bridge)
        return []

    run({1: out(1000.0), 2: plan}, terms=terms)


def test_money_on_another_chain_is_not_cash():
    def plan(manager: PositionManager) -> list[TradeExecution]:
        trades = [*out(9000.0)(manager), *buy(500.0)(manager)]
        manager.check_enough_cash(trades)
        more = manager.open_spot(manager.get_trading_pair("BTC"), 1001.0)
        with pytest.raises(NotEnoughCashForBuys):
            manager.check_enough_cash([*trades, *more])
        return [*trades, *manager.close_position(manager.state.portfolio.open_positions[3])]

    assert run({1: plan}).state.portfolio.get_cash() == 1000.0


@pytest.mark.parametrize(
    "settings",
    [
        {"transfer_time": -DAY},
        {"fee": 1.0},
        {"fee": -0.1},
        {"fixed_fee": -1.0},
        {"minimum": float("inf")},
        {"outages": [(START, START)]},
        {"transfer_time": DAY, "expires_after": HOUR},
    ],
    ids=str,
)
def test_terms_that_cannot_be(settings: dict[str, Any]):
    with pytest.raises(InvalidValue):
        BridgeTerms(**settings)


def test_universes_that_cannot_be():
    with pytest.raises(UniverseNotValid, match="no market data of LINK-USD"):
        two_chains([1.0], chains={"LINK-USD": BASE})
    with pytest.raises(UniverseNotValid, match="a bridge to Polygon, and no pair there"):
        two_chains([1.0], bridges={ChainId.polygon: BridgeTerms()})


def test_the_terms_are_a_parameter_of_the_strategy():
    universe = two_chains([1.0] * 3)
    result = run({1: out(100.0)}, [1.0] * 3, universe=universe, parameters={"bridges": BridgeTerms(2 * DAY)})
    (trade,) = result.state.portfolio.get_all_trades()
    assert trade.executed_at == START + 2 * DAY
    with pytest.raises(BacktestNotPossible, match="the parameter bridges must be BridgeTerms"):
        run({}, [1.0] * 3, universe=universe, parameters={"bridges": {BASE: 20}})


def test_terms_survive_in_the_pair():
    """A later process settles by what the state says."""
    terms = BridgeTerms(HOUR, 0.001, 2.0, 5.0, ((START, START + DAY),), 3 * HOUR)
    bridge = two_chains([1.0], bridges=terms).get_bridge_pair(BASE)
    read = BridgeTerms.of(bridge)
    assert (read.transfer_time, read.fee, read.fixed_fee, read.minimum) == (HOUR, 0.001, 2.0, 5.0)
    assert (list(read.outages), read.expires_after) == ([(START, START + DAY)], 3 * HOUR)
