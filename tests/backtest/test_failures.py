"""Trades that fail: the money comes back, the position freezes, the run goes on."""

from decimal import Decimal

import pytest

from tests.kit.markets import buy, flat, get_trades, make_candles, run, sell
from tradeexecutor.execution.failures import RandomFailures
from tradeexecutor.execution.slippage import FixedSlippage, VolumeShareSlippage
from tradeexecutor.state.trade import TradeStatus
from tradeexecutor.strategy.runner import DecisionFailed

BARS = [flat(100)] * 6


def test_a_failed_buy_gives_the_money_back_and_freezes_the_position():
    result = run(BARS, {1: buy(1_000)}, failures=lambda trade: True)
    (trade,) = get_trades(result)
    portfolio = result.state.portfolio
    assert trade.get_status() is TradeStatus.failed
    assert trade.get_revert_reason() == "simulated failure"
    assert portfolio.get_cash() == 10_000
    assert not portfolio.open_positions
    (position,) = portfolio.frozen_positions.values()
    assert "simulated failure" in (position.notes or "")
    assert result.diagnostics_data["failed_trades"] == 1
    result.state.perform_integrity_check()


def test_a_failed_sell_keeps_the_tokens():
    bars = [flat(100)] * 3 + [flat(150)] * 2
    result = run(bars, {1: buy(1_000), 3: sell}, failures=lambda trade: trade.is_sell())
    portfolio = result.state.portfolio
    (position,) = portfolio.frozen_positions.values()
    assert position.get_quantity() == 10
    assert portfolio.get_cash() == 9_000
    assert portfolio.get_net_asset_value() == 10_500, "frozen positions are revalued and count"


def test_a_frozen_pair_is_problematic():
    seen = []

    def plan(input):
        manager = input.get_position_manager()
        pair = input.get_default_pair()
        seen.append(manager.is_problematic_pair(pair))
        return buy(1_000)(input) if input.cycle in (1, 3) else []

    with pytest.raises(DecisionFailed, match=r"cycle 3 at 2024-01-01 02:00:00.*frozen by a failed trade"):
        run(BARS, plan, failures=lambda trade: True)
    assert seen == [False, True, True]


def test_a_failed_stop_loss_freezes_the_position():
    bars = [flat(100), (100, 100, 80, 85), flat(85), flat(85)]
    result = run(bars, {1: buy(1_000, stop_loss_pct=0.9)}, failures=lambda trade: trade.is_stop_loss())
    (position,) = result.state.portfolio.frozen_positions.values()
    assert len(position.trades) == 2
    assert result.state.portfolio.get_net_asset_value() == 9_850


def test_a_failed_limit_entry_freezes_the_position():
    def plan(input):
        input.get_position_manager().open_spot_with_market_limit(input.get_default_pair(), 1_000, 110.0, None)
        return []

    result = run([flat(100), (100, 115, 100, 112), flat(112)], {1: plan}, failures=lambda trade: True)
    portfolio = result.state.portfolio
    assert portfolio.get_cash() == 10_000
    assert not portfolio.pending_positions
    assert len(portfolio.frozen_positions) == 1
    result.state.perform_integrity_check()


def test_random_failures_are_the_same_in_every_run():
    def plan(input):
        if input.get_position_manager().is_problematic_pair(input.get_default_pair()):
            return []
        return sell(input) if input.get_position_manager().is_any_open() else buy(100)(input)

    def count(seed: int) -> tuple[int, int]:
        result = run([flat(100)] * 60, plan, failures=RandomFailures(0.1, seed))
        return result.diagnostics_data["trades"], result.diagnostics_data["failed_trades"]

    assert count(1) == count(1)
    assert len({count(seed) for seed in range(6)}) > 1


def test_slippage_makes_buys_smaller_and_sells_cheaper():
    bought, sold = get_trades(run(BARS, {1: buy(1_000), 3: sell}, slippage=0.01))
    assert bought.executed_quantity is not None
    assert sold.executed_reserve is not None
    assert bought.planned_quantity == 10
    assert bought.executed_quantity == pytest.approx(Decimal("9.9"))
    assert bought.executed_reserve == 1_000
    assert bought.executed_price == pytest.approx(100 / 0.99)
    assert sold.executed_quantity == -bought.executed_quantity
    assert float(sold.executed_reserve) == pytest.approx(9.9 * 99)
    assert sold.executed_price == pytest.approx(99)


def test_more_slippage_than_tolerated_fails_the_trade():
    result = run(BARS, {1: buy(1_000, slippage_tolerance=0.005)}, slippage=FixedSlippage(0.01))
    (trade,) = get_trades(result)
    assert trade.is_failed()
    assert trade.get_revert_reason() == "slippage 1.0000% exceeds the tolerance of 0.5000%"
    assert result.state.portfolio.get_cash() == 10_000


def test_slippage_grows_with_the_share_of_the_volume():
    candles = make_candles(BARS, volume=100)

    def model(pricing):
        return VolumeShareSlippage(pricing.get_traded_value, impact=0.1, max_share=0.5)

    small, large = (
        get_trades(run(candles, {1: buy(value)}, slippage=model))[0].executed_price for value in (100, 1_000)
    )
    assert small == pytest.approx(100 / 0.999)
    assert large == pytest.approx(100 / 0.99)
    (refused,) = get_trades(run(candles, {1: buy(6_000)}, slippage=model))
    assert refused.is_failed()
    assert "60.0% of the 10,000 traded" in (refused.get_revert_reason() or "")
