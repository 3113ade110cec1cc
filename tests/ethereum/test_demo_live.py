"""The demo of live trading, from beginning to end."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradeexecutor.cli.main import app
from tradeexecutor.ethereum.devchain.packages import DevChainUnavailable, install_packages
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.state import State


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_survives_a_crash_and_a_reorganisation_and_equals_its_backtest(tmp_path: Path):
    try:
        install_packages()
    except DevChainUnavailable as error:
        pytest.skip(str(error))
    done = CliRunner().invoke(app, ["demo-live", "--output", str(tmp_path / "demo")])
    assert done.exit_code == 0, done.output
    for sentence in ("the deposit is gone", "SIGKILL", "EQUAL within the tolerances", "Clean: 2 balances match"):
        assert sentence in done.output
    live, backtest = (State.read_json_file(tmp_path / "demo" / f"{name}.json") for name in ("live", "backtest"))
    assert prove(live).is_balanced
    (reserve,) = live.portfolio.reserves.values()
    assert [update.quantity for update in reserve.balance_updates.values()] == [10_000, 2_500, -2_500, 2_500, -1_000]
    trades = list(live.portfolio.get_all_trades())
    assert len(trades) == len(list(backtest.portfolio.get_all_trades())) == 5
    sent = [tx.nonce for trade in trades for tx in trade.blockchain_transactions]
    assert len(sent) == len(set(sent))


def test_without_npm_the_demo_is_skipped_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse() -> Path:
        raise DevChainUnavailable("npm could not install the packages: no network")

    monkeypatch.setattr("tradeexecutor.ethereum.devchain.packages.install_packages", refuse)
    done = CliRunner().invoke(app, ["demo-live", "--output", str(tmp_path / "demo")])
    assert done.exit_code == 0
    assert "Skipped: npm could not install the packages: no network" in done.output
    assert not (tmp_path / "demo").exists()


def test_a_folder_of_something_else_is_not_emptied(tmp_path: Path):
    try:
        install_packages()
    except DevChainUnavailable as error:
        pytest.skip(str(error))
    (tmp_path / "photos.zip").touch()
    refused = CliRunner().invoke(app, ["demo-live", "--output", str(tmp_path)])
    assert refused.exit_code == 1
    assert "not empty" in refused.output
    assert (tmp_path / "photos.zip").exists()
