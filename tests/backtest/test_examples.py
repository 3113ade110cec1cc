"""The examples run as they are, with other data, and know nothing about backtesting."""

import datetime
from pathlib import Path

import pytest

from tests.kit.example_runs import EXAMPLES, run_example
from tests.support import REPOSITORY
from tradeexecutor.analysis.adjusted.summary import summarise_performance
from tradeexecutor.backtest.backtest_runner import load_market_data, run_backtest_for_module
from tradeexecutor.ledger.proof import prove


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_on_its_own_data(path: Path):
    state, universe, diagnostics = run_example(path.stem)
    assert diagnostics["trades"] > 10
    assert diagnostics["failed_trades"] == 0
    portfolio = state.portfolio
    invested = sum(position.get_value() for position in portfolio.open_positions.values())
    requested = portfolio.get_vault_settlement_pending_value()
    assert portfolio.get_net_asset_value() == pytest.approx(portfolio.get_cash() + invested + requested)
    assert portfolio.get_cash() >= 0
    assert state.name
    assert state.visualisation.plots
    assert state.to_json_safe()
    assert universe.get_pair_count() >= 1


def test_the_trend_follower_uses_its_stop_loss_and_its_average():
    state = run_example("trend_following").state
    stopped = [position.is_stop_loss() for position in state.portfolio.closed_positions.values()]
    assert True in stopped
    assert False in stopped


def test_the_rebalancer_holds_several_assets_at_once():
    state = run_example("rebalancing").state
    most = max(len(plot.points) for plot in state.visualisation.plots.values())
    assert most > 50
    bases = {position.pair.base.token_symbol for position in state.portfolio.get_all_positions()}
    assert bases == {"AAPL", "GOOG", "IBM", "MSFT"}


def test_market_data_from_outside_replaces_that_of_the_example():
    result = run_backtest_for_module(
        REPOSITORY / "examples" / "trend_following.py",
        universe=load_market_data("btc-usd-monthly", fee=0.002),
        parameters={"fast": 2, "slow": 6},
        progress=False,
    )
    assert result.strategy_universe.get_single_pair().get_ticker() == "BTC-USD"
    assert result.strategy_module.parameters.fast == 2
    assert result.diagnostics_data["trades"] > 0


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_does_not_know_where_it_runs(path: Path):
    assert "tradeexecutor.backtest" not in path.read_text()


def test_the_short_example_is_short_only_and_pays_interest():
    state = run_example("short_downtrend").state
    positions = list(state.portfolio.get_all_positions())
    assert len(positions) > 5
    assert all(position.is_short() for position in positions)
    assert sum(position.get_repaid_interest() for position in positions) > 0
    assert prove(state).is_balanced


def test_the_leveraged_example_is_long_only_and_owes_money_while_it_is():
    state = run_example("leveraged_uptrend").state
    positions = list(state.portfolio.get_all_positions())
    assert len(positions) > 5
    assert all(position.pair.kind.is_longing() for position in positions)
    assert sum(position.get_repaid_interest() for position in positions) > 0
    stopped = [position.is_stop_loss() for position in state.portfolio.closed_positions.values()]
    assert set(stopped) == {True, False}
    trades = list(state.portfolio.get_all_trades())
    assert any("leverage down" in (trade.notes or "") for trade in trades)
    assert not any(trade.is_liquidation() for trade in trades)
    assert prove(state).is_balanced


@pytest.mark.slow
def test_the_lender_never_leaves_more_than_its_reserve_and_tolerance_in_cash():
    state = run_example("idle_cash_in_credit").state
    kinds = {position.is_credit_supply() for position in state.portfolio.get_all_positions()}
    assert kinds == {True, False}
    earned = sum(p.get_claimed_interest() for p in state.portfolio.get_all_positions() if p.is_credit_supply())
    assert earned > 1000
    assert prove(state).is_balanced


@pytest.mark.slow
def test_the_long_short_example_holds_both_sides():
    state = run_example("long_short").state
    closed = list(state.portfolio.closed_positions.values())
    shorts = [position for position in closed if position.is_short()]
    assert len(shorts) > 10
    assert len(closed) - len(shorts) > 10
    kinds = {kind.name: kind for kind in summarise_performance(state).kinds}
    assert kinds["short"].interest_earned > 0
    assert kinds["short"].interest_paid > 0
    assert kinds["spot"].interest_paid == 0
    shares = list(state.visualisation.plots["Long share"].points.values())[60:]
    assert 0.3 < sum(filter(None, shares)) / len(shares) < 0.5, "half of the 80 % that are invested"
    assert prove(state).is_balanced


def test_the_allocator_leaves_the_vault_that_fails_and_waits_for_its_money():
    state = run_example("vault_allocation").state
    by_symbol = {position.pair.base.token_symbol: position for position in state.portfolio.get_all_positions()}
    assert sorted(by_symbol) == ["BASIS", "CARRY", "STEADY"]
    assert by_symbol["CARRY"].is_closed()
    assert by_symbol["CARRY"].get_last_trade().notes == "has lost\n"
    waited = {
        symbol: {trade.executed_at - trade.opened_at for trade in position.trades.values() if trade.executed_at}
        for symbol, position in by_symbol.items()
    }
    day = datetime.timedelta(days=1)
    assert waited["STEADY"] == {0 * day}
    assert waited["BASIS"] <= {day, 3 * day}
    assert max(waited["CARRY"]) <= 7 * day
    values = {symbol: position.get_value() for symbol, position in by_symbol.items()}
    assert values["STEADY"] > values["BASIS"] > 0
    assert prove(state).is_balanced
