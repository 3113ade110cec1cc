"""Portfolios by signals: weights, targets and trades, each worked out by hand."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.markets import DAY, START, at_cycle, flat, make_candles
from tradeexecutor.backtest.backtest_runner import BacktestResult, run_backtest_inline
from tradeexecutor.backtest.universe import create_universe
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.portfolio import Portfolio
from tradeexecutor.state.trade import TradeExecution
from tradeexecutor.strategy.alpha_model import AlphaModel, TradingPairSignalFlags, format_signals
from tradeexecutor.strategy.fixed_size_risk import FixedSizeRiskModel
from tradeexecutor.strategy.lending import LendingPool
from tradeexecutor.strategy.pandas_trader.position_manager import PositionManagerError
from tradeexecutor.strategy.pandas_trader.strategy_input import StrategyInput
from tradeexecutor.strategy.weighting import (
    BadWeightsException,
    clip_to_normalised,
    normalise_weights,
    weight_by_1_slash_n,
    weight_equal,
    weight_passthrouh,
)

SYMBOLS = ("BTC", "ETH", "SOL")
Plan = Callable[[StrategyInput], list[TradeExecution]]


def run(plans: dict[int, Plan], prices: dict[str, list[float]] | None = None) -> BacktestResult:
    prices = prices or {symbol: [100.0] * 4 for symbol in SYMBOLS}
    candles = {f"{s}-USD": make_candles([flat(price) for price in own], bucket=DAY) for s, own in prices.items()}
    result = run_backtest_inline(
        decide_trades=at_cycle(plans),
        universe=create_universe(candles, fee=0.0),
        parameters={"lending": LendingPool(supply_rate=0.0, borrow_rate=0.0)},
        initial_deposit=10_000,
    )
    assert prove(result.state).is_balanced
    return result


def rebalance(signals: dict[str, float], *, models: list[AlphaModel] | None = None, **options: Any) -> Plan:
    """Hold these pairs with 9000 of the money, weighted by their signals."""

    def plan(input: StrategyInput) -> list[TradeExecution]:
        model = AlphaModel(input.timestamp)
        for symbol, signal in signals.items():
            model.set_signal(input.strategy_universe.get_pair_by_ticker(symbol), signal, **options.get("levels", {}))
        model.select_top_signals(options.get("count", 5))
        model.assign_weights(options.get("method", weight_passthrouh))
        model.normalise_weights(**options.get("caps", {}))
        model.update_old_weights(input.state.portfolio)
        model.calculate_target_positions(input.get_position_manager(), investable_equity=9000.0)
        trades = model.generate_rebalance_trades_and_triggers(
            input.get_position_manager(), min_trade_threshold=options.get("threshold", 10.0)
        )
        input.state.visualisation.add_calculations(input.timestamp, model.to_dict())
        if models is not None:
            models.append(model)
        return trades

    return plan


@pytest.mark.parametrize("signal", [float("nan"), float("inf")])
def test_a_signal_that_is_no_number_is_refused(signal: float):
    universe = create_universe({"ETH-USD": make_candles([flat(100.0)] * 3)})
    model = AlphaModel()
    with pytest.raises(InvalidValue, match=f"the signal of ETH-USD is {signal}"):
        model.set_signal(universe.get_single_pair(), signal)
    assert not model.has_any_signal()


class CountedCopies(dict[int, Any]):
    """Signals that count how often they are copied."""

    copies = 0

    def keys(self) -> Any:
        self.copies += 1
        return super().keys()

    def __iter__(self) -> Any:
        return super().__iter__()  # otherwise `dict` copies without asking for the keys


def test_setting_a_signal_copies_no_others():
    universe = create_universe({f"{symbol}-USD": make_candles([flat(100.0)] * 3) for symbol in SYMBOLS})
    pairs = [universe.get_pair_by_ticker(symbol) for symbol in SYMBOLS]
    model = AlphaModel()
    signals = model.raw_signals = CountedCopies()
    for pair in pairs:
        model.set_signal(pair, 1.0)
    assert signals.copies == 0
    assert [signal.pair for signal in model.iterate_signals()] == pairs
    assert signals.copies == 1


def test_a_signal_that_is_set_after_the_selection_joins_all_others():
    universe = create_universe({f"{symbol}-USD": make_candles([flat(100.0)] * 3) for symbol in SYMBOLS})
    pairs = [universe.get_pair_by_ticker(symbol) for symbol in SYMBOLS]
    model = AlphaModel()
    for pair in pairs[:2]:
        model.set_signal(pair, 1.0)
    model.select_top_signals(1)
    assert [signal.pair for signal in model.iterate_signals()] == pairs[:1]
    model.set_signal(pairs[2], 1.0)
    assert [signal.pair for signal in model.iterate_signals()] == pairs
    model.signals.pop(pairs[0].internal_id or 0)
    assert [signal.pair for signal in model.raw_signals.values()] == pairs
    assert [signal.pair for signal in model.iterate_signals()] == pairs[1:]


def test_settings_without_effect_are_named():
    model: Any = AlphaModel()
    with pytest.warns(UserWarning, match="^execution_context of update_old_weights has no effect"):
        model.update_old_weights(Portfolio(), execution_context=None)
    with pytest.warns(UserWarning, match="^sell_rebalance_min_threshold of generate_reb"):
        assert model.generate_rebalance_trades_and_triggers(None, sell_rebalance_min_threshold=5.0) == []


def values(result: BacktestResult) -> dict[str, float]:
    """Value of the open positions by symbol, negative for shorts."""
    return {
        position.pair.get_pricing_pair().base.token_symbol: round(
            -position.get_value() if position.is_short() else position.get_value(), 2
        )
        for position in result.state.portfolio.open_positions.values()
    }


def test_a_portfolio_follows_its_signals():
    first = {"BTC": 2.0, "ETH": 1.0}
    assert values(run({1: rebalance(first)})) == {"BTC": 6000.0, "ETH": 3000.0}
    # ETH grows, BTC shrinks, SOL is new; then only SOL is left.
    second = {"BTC": 1.0, "ETH": 1.0, "SOL": 1.0}
    assert values(run({1: rebalance(first), 2: rebalance(second)})) == {"BTC": 3000.0, "ETH": 3000.0, "SOL": 3000.0}
    assert values(run({1: rebalance(first), 2: rebalance({"SOL": 1.0})})) == {"SOL": 9000.0}


def test_a_negative_signal_is_a_short_and_may_turn_round():
    result = run({1: rebalance({"BTC": 1.0, "ETH": -2.0})})
    assert values(result) == {"BTC": 3000.0, "ETH": -6000.0}
    turned = run({1: rebalance({"BTC": 1.0, "ETH": -2.0}), 2: rebalance({"BTC": -1.0, "ETH": 2.0})})
    assert values(turned) == {"BTC": -3000.0, "ETH": 6000.0}
    assert len(turned.state.portfolio.closed_positions) == 2
    shrunk = run({1: rebalance({"ETH": -1.0}), 2: rebalance({"ETH": -1.0, "BTC": 1.0})})
    assert values(shrunk) == {"ETH": -4500.0, "BTC": 4500.0}
    assert not shrunk.state.portfolio.closed_positions


def test_small_changes_are_left_alone():
    models: list[AlphaModel] = []
    plans = {
        1: rebalance({"BTC": 1.0, "ETH": 1.0}),
        2: rebalance({"BTC": 1.01, "ETH": 1.0}, models=models, threshold=50),
    }
    assert values(run(plans)) == {"BTC": 4500.0, "ETH": 4500.0}
    assert {signal.position_adjust_ignored for signal in models[0].iterate_signals()} == {True}
    assert TradingPairSignalFlags.below_threshold in next(models[0].iterate_signals()).flags


def test_the_strongest_signals_are_chosen():
    models: list[AlphaModel] = []
    plan = rebalance({"BTC": 0.1, "ETH": -0.9, "SOL": 0.5}, count=2, method=weight_by_1_slash_n, models=models)
    assert values(run({1: plan})) == {"ETH": -6000.0, "SOL": 3000.0}
    (model,) = models
    pair = model.raw_signals[1].pair
    assert model.get_signal_by_pair(pair) is None
    assert model.raw_signals[1].flags == {TradingPairSignalFlags.not_selected}
    assert [signal.normalised_weight for signal in model.get_signals_sorted_by_weight()] == pytest.approx(
        [2 / 3, 1 / 3]
    )
    assert format_signals(model)["Value"].tolist() == pytest.approx([6000.0, 3000.0])


def test_weights_are_capped_and_the_rest_stays_in_cash():
    assert values(run({1: rebalance({"BTC": 3.0, "ETH": 1.0}, caps={"max_weight": 0.5})})) == {
        "BTC": 4500.0,
        "ETH": 2250.0,
    }
    models: list[AlphaModel] = []
    caps = {"investable_equity": 9000.0, "size_risk_model": FixedSizeRiskModel(5000.0, per_position_cap=4000.0)}
    result = run({1: rebalance({"BTC": 3.0, "ETH": 1.0}, caps=caps, models=models)})
    assert values(result) == {"BTC": 4000.0, "ETH": 2250.0}
    assert models[0].size_risk_discarded_value == 2750.0
    with pytest.raises(Exception, match="needs the investable_equity") as caught:
        run({1: rebalance({"BTC": 3.0}, caps={"size_risk_model": caps["size_risk_model"]})})
    assert isinstance(caught.value.__cause__, PositionManagerError)


def test_levels_go_to_new_positions():
    levels = {"stop_loss": 0.9, "take_profit": 1.2}
    result = run({1: rebalance({"BTC": 1.0, "ETH": -1.0}, levels=levels)})
    found = {p.is_short(): (p.stop_loss, p.take_profit) for p in result.state.portfolio.open_positions.values()}
    assert found[False] == pytest.approx((90.0, 120.0))
    assert found[True] == pytest.approx((110.0, 80.0))


def test_the_model_is_recorded_as_plain_data():
    state = run({1: rebalance({"BTC": 1.0})}).state
    (record,) = state.visualisation.calculations.values()
    assert json.loads(json.dumps(record))["signals"]["1"]["position_target"] == 9000.0
    assert record["timestamp"] == START.timestamp() or record["timestamp"] > 0
    assert '"position_adjust_usd":' in state.to_json()


def test_weights():
    assert weight_equal({1: 9.0, 2: -1.0}) == {1: 1.0, 2: 1.0}
    assert normalise_weights({1: 0.0}) == {1: 0.0}
    third = normalise_weights({1: 1.0, 2: 1.0, 3: 1.0})
    assert sum(third.values()) <= 1
    rounded = {1: 0.5, 2: 0.5000000000000001}
    assert sum(clip_to_normalised(rounded).values()) <= 1
    with pytest.raises(BadWeightsException, match=r"add up to 1\.5"):
        clip_to_normalised({1: 0.5, 2: 1.0})
    with pytest.raises(BadWeightsException, match=r"weight of pair #1 is -0\.5"):
        clip_to_normalised({1: -0.5})


def test_caps_of_sizes():
    model = FixedSizeRiskModel(100.0)
    pair = next(create_universe({"BTC-USD": make_candles([flat(1.0)])}).iterate_pairs())
    risk = model.get_acceptable_size_for_buy(START, pair, 150.0)
    assert (risk.accepted_size, risk.capped, risk.get_relative_capped_amount()) == (100.0, True, 100 / 150)
    assert model.get_acceptable_size_for_sell(START, pair, 50.0).capped is False
    assert model.get_acceptable_size_for_position(START, pair, 1e9).accepted_size == 1e9
    with pytest.raises(InvalidValue, match="positive amount"):
        FixedSizeRiskModel(0.0)


def test_what_is_wanted_is_limited_to_the_cash_that_is_there():
    """The sale of ETH waits for its market, so only the 1000 in cash are spent: a third and two thirds of them."""
    models: list[AlphaModel] = []
    candles = {
        "BTC-USD": make_candles([flat(100.0)] * 5, bucket=DAY),
        "ETH-USD": make_candles([flat(100.0)] * 3, bucket=DAY, skip=(1, 2)),
        "SOL-USD": make_candles([flat(100.0)] * 5, bucket=DAY),
    }
    result = run_backtest_inline(
        decide_trades=at_cycle({1: rebalance({"ETH": 1.0}), 2: rebalance({"BTC": 1.0, "SOL": -2.0}, models=models)}),
        universe=create_universe(candles, fee=0.0),
        parameters={"lending": LendingPool(supply_rate=0.0, borrow_rate=0.0)},
        initial_deposit=10_000,
    )
    assert prove(result.state).is_balanced
    opened = {
        trade.pair.get_pricing_pair().get_ticker(): float(trade.planned_reserve)
        for trade in result.state.portfolio.get_all_trades()
        if trade.opened_at == START + DAY and "ETH" not in trade.pair.get_ticker()
    }
    assert opened == {"BTC-USD": pytest.approx(333.33, abs=0.01), "SOL-USD": pytest.approx(666.67, abs=0.01)}
    assert result.diagnostics_data["reduced_trades"] == 0
    assert result.diagnostics_data["unpaid_trades"] == 0
    assert all(TradingPairSignalFlags.capped_by_cash in models[0].signals[number].flags for number in (1, 3))


def test_a_short_that_cannot_be_made_so_small_is_closed():
    """From 9000 to 100: buying back for 8900 may slip by 151, more than what would be left."""
    models: list[AlphaModel] = []
    shrink = rebalance({"BTC": -1.0, "ETH": 89.0}, models=models)
    result = run({1: rebalance({"BTC": -1.0}), 2: shrink})
    (short,) = (position for position in result.state.portfolio.get_all_positions() if position.is_short())
    assert short.is_closed()
    assert TradingPairSignalFlags.refused_by_loan in models[0].signals[1].flags


@pytest.mark.parametrize("latency", [0, 1, 2])
def test_a_pair_with_an_order_on_its_way_is_left_alone(latency: int):
    """ETH is bought once: while its market is closed, and while the order is on its way for longer than a cycle."""
    skip = () if latency else (1, 2, 3)
    candles = {
        "BTC-USD": make_candles([flat(100.0)] * 7, bucket=DAY),
        "ETH-USD": make_candles([flat(100.0)] * (7 - len(skip)), bucket=DAY, skip=skip),
    }
    models: list[AlphaModel] = []
    plan = rebalance({"BTC": 1.0, "ETH": 1.0}, models=models)
    result = run_backtest_inline(
        decide_trades=at_cycle(dict.fromkeys((2, 3, 4, 5, 6), plan)),
        universe=create_universe(candles, fee=0.0),
        initial_deposit=10_000,
        latency=latency * DAY,
        progress=False,
    )
    assert sorted(float(trade.executed_reserve or 0) for trade in result.state.portfolio.get_all_trades()) == [
        4500,
        4500,
    ]
    flags = [TradingPairSignalFlags.on_its_way in model.signals[2].flags for model in models]
    assert (
        flags == {0: [False, True, True, False, False], 1: [False] * 5, 2: [False, True, False, False, False]}[latency]
    )


def test_what_an_order_on_its_way_costs_is_kept():
    """BTC would take 6000 of the 10,000; 8000 for ETH are on their way, so 2000 are left for it."""
    candles = {f"{s}-USD": make_candles([flat(100.0)] * 7, bucket=DAY) for s in ("BTC", "ETH")}

    def buy_eth(input: StrategyInput) -> list[TradeExecution]:
        pair = input.strategy_universe.get_pair_by_ticker("ETH")
        return input.get_position_manager().open_spot(pair, 8000.0)

    caps = {"max_weight": 6000 / 9000}
    result = run_backtest_inline(
        decide_trades=at_cycle({2: buy_eth, 3: rebalance({"BTC": 1.0, "ETH": 0.01}, caps=caps)}),
        universe=create_universe(candles, fee=0.0),
        initial_deposit=10_000,
        latency=2 * DAY,
        progress=False,
    )
    trades = sorted(result.state.portfolio.get_all_trades(), key=lambda trade: trade.trade_id)
    assert [round(trade.executed_reserve or 0) for trade in trades] == [8000, 2000]
    assert result.diagnostics_data["reduced_trades"] == 0


def test_a_change_of_less_than_a_unit_is_left_alone():
    """ETH stands still, and holds a bit less than it should because of rounding; BTC has risen."""
    plan = rebalance({"BTC": 1.0, "ETH": 0.9999999999})
    result = run({1: rebalance({"BTC": 1.0, "ETH": 1.0}), 2: plan}, {"BTC": [100.0, 200.0, 200.0], "ETH": [100.0] * 3})
    assert [trade.pair.base.token_symbol for trade in result.state.portfolio.get_all_trades()].count("ETH") == 1
