"""The examples run as they are, with other data, and know nothing about backtesting."""

from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tradeexecutor.backtest.backtest_runner import load_market_data, run_backtest_for_module
from tradeexecutor.ledger.proof import prove

EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_on_its_own_data(path: Path):
    state, universe, diagnostics = run_backtest_for_module(path, progress=False)
    assert diagnostics["trades"] > 10
    assert diagnostics["failed_trades"] == 0
    portfolio = state.portfolio
    invested = sum(position.get_value() for position in portfolio.open_positions.values())
    assert portfolio.get_net_asset_value() == pytest.approx(portfolio.get_cash() + invested)
    assert portfolio.get_cash() >= 0
    assert state.name
    assert state.visualisation.plots
    assert state.to_json_safe()
    assert universe.get_pair_count() >= 1


def test_the_trend_follower_uses_its_stop_loss_and_its_average():
    state = run_backtest_for_module(REPOSITORY / "examples" / "trend_following.py", progress=False).state
    stopped = [position.is_stop_loss() for position in state.portfolio.closed_positions.values()]
    assert True in stopped
    assert False in stopped


def test_the_rebalancer_holds_several_assets_at_once():
    state = run_backtest_for_module(REPOSITORY / "examples" / "rebalancing.py", progress=False).state
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
    state = run_backtest_for_module(REPOSITORY / "examples" / "short_downtrend.py", progress=False).state
    positions = list(state.portfolio.get_all_positions())
    assert len(positions) > 5
    assert all(position.is_short() for position in positions)
    assert sum(position.get_repaid_interest() for position in positions) > 0
    assert prove(state).is_balanced


@pytest.mark.slow
def test_the_lender_never_leaves_more_than_its_reserve_and_tolerance_in_cash():
    state = run_backtest_for_module(REPOSITORY / "examples" / "idle_cash_in_credit.py", progress=False).state
    kinds = {position.is_credit_supply() for position in state.portfolio.get_all_positions()}
    assert kinds == {True, False}
    earned = sum(p.get_claimed_interest() for p in state.portfolio.get_all_positions() if p.is_credit_supply())
    assert earned > 1000
    assert prove(state).is_balanced
