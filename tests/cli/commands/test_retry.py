"""retry: failed trades of simulations are tried again at the prices of candles; real ones are refused."""

import json
import shutil
from pathlib import Path

import pytest

from tests.kit.changed_files import check_change, check_done, is_sell, run_failing_backtest
from tests.kit.command_runner import Run
from tradeexecutor.state.repair.attempts import get_failed_attempts
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeStatus


@pytest.fixture
def failed_buy(strategy: Path, candles: Path, tmp_path: Path) -> Path:
    """The only buy failed at 100 USD; the last decision was made on 5 January, at 104."""
    return run_failing_backtest(strategy, candles, tmp_path, lambda trade: True, days=5)


@pytest.fixture
def failed_sell(strategy: Path, candles: Path, tmp_path: Path) -> Path:
    return run_failing_backtest(strategy, candles, tmp_path, is_sell)


def test_a_failed_buy_goes_through_at_the_price_of_that_time(run: Run, failed_buy: Path, candles: Path):
    options = ("--data", candles, "--tolerance", "0.1")
    state = check_change(run, "retry", failed_buy, *options)
    (position,) = state.portfolio.open_positions.values()
    trade = position.get_first_trade()
    assert (trade.get_status(), trade.executed_reserve) == (TradeStatus.success, 500)
    assert trade.executed_price == pytest.approx(104 * 1.001)
    assert state.portfolio.get_cash() == 500
    assert [attempt["reason"] for attempt in get_failed_attempts(trade)] == ["simulated failure"]
    assert position.last_token_price == pytest.approx(105 * 0.999)  # the end of the backtest is later than the trade
    output = check_done(run, "retry", failed_buy, *options)
    assert "Failed trades tried again at 2024-01-05 00:00 UTC" in output
    assert "success" in output
    assert "104.104" in output
    assert run("check-trades", failed_buy).exit_code == 0
    assert "No trade has failed." in run("retry", failed_buy, "--data", candles, "--yes").stdout


def test_a_failed_sell_closes_its_position(run: Run, failed_sell: Path, candles: Path):
    state = check_change(run, "retry", failed_sell, "--data", candles, "--slippage", "0.01")
    (position,) = state.portfolio.closed_positions.values()
    assert position.get_last_trade().executed_price == pytest.approx(119 * 0.999 * 0.99)
    numbers = [tx.nonce for trade in position.trades.values() for tx in trade.blockchain_transactions]
    assert len(set(numbers)) == len(numbers)
    assert run("audit", failed_sell).exit_code == 0


def test_another_time(run: Run, failed_buy: Path, candles: Path):
    options = ("--data", candles, "--at", "2024-01-25", "--tolerance", "0.3")
    state = check_change(run, "retry", failed_buy, *options)
    (position,) = state.portfolio.open_positions.values()
    assert position.get_first_trade().executed_price == pytest.approx(124 * 1.001)
    assert position.last_token_price == pytest.approx(124 * 0.999)
    assert state.portfolio.get_net_asset_value() == pytest.approx(500 + 500 * 0.999 / 1.001)


def test_beyond_the_tolerance_it_fails_again(run: Run, failed_buy: Path, candles: Path):
    """The strategy allows 1.7 %, the price has risen by 4 %."""
    output = check_done(run, "retry", failed_buy, "--data", candles, exit_code=1)
    assert "failed again" in output
    assert "exceeds the tolerance of 1.7000%" in output
    state = State.read_json_file(failed_buy)
    assert state.portfolio.get_cash() == 1000
    assert state.portfolio.frozen_positions


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--at", "2023-12-31"), "is before the latest trade of the state"),
        (("--at", "2024-03-31"), "the market data has no price of ETH-USD at 2024-03-31 00:00; it has ETH-USD from"),
        (("--trade", "9"), "trade #9 is not a failed trade"),
        (("--pair", "BTC-USD", "--pair", "ETH-USD"), "the market data has no pair BTC-USD"),
    ],
)
def test_what_cannot_be_tried_changes_nothing(
    run: Run, failed_buy: Path, candles: Path, options: tuple[str, ...], text: str
):
    before = failed_buy.read_bytes()
    result = run("retry", failed_buy, "--data", candles, *options, "--yes")
    assert result.exit_code == 1
    assert text in result.output
    assert "Traceback" not in result.output
    assert failed_buy.read_bytes() == before


def test_candles_are_needed(run: Run, failed_buy: Path):
    assert run("retry", failed_buy).exit_code == 2
    result = run("retry", failed_buy, "--data", "no-such-thing", "--yes")
    assert result.exit_code == 1
    assert "neither a file nor a data set" in result.output


def test_json(run: Run, failed_buy: Path, candles: Path):
    options = ("--data", candles, "--tolerance", "0.1", "--trade", "1")
    report = json.loads(run("retry", failed_buy, *options, "--yes", "--json").stdout)
    (tried,) = report["result"]["tried"]
    assert (tried["trade_id"], tried["status"], tried["market_price"]) == (1, "success", 104.0)
    assert report["result"]["unfrozen_positions"] == [1]


def test_check_trades_tells_of_it(run: Run, failed_buy: Path):
    output = run("check-trades", failed_buy).stdout
    assert f"`tradeexecutor retry {failed_buy} --data CANDLES` tries simulated trades again." in output


@pytest.mark.slow
def test_real_transactions_are_refused(run: Run, state_file: Path, candles: Path, tmp_path: Path):
    path = tmp_path / "state.json"
    shutil.copyfile(state_file, path)
    state = State.read_json_file(path)
    is_real = any(
        len(tx.tx_hash or "") == 66 for t in state.portfolio.get_all_trades() for tx in t.blockchain_transactions
    )
    before = path.read_bytes()
    result = run("retry", path, "--data", candles, "--yes")
    has_failed = any(trade.is_failed() for trade in state.portfolio.get_all_trades())
    assert result.exit_code == (is_real and has_failed)
    if has_failed:
        assert "has the real blockchain transaction 0x" in result.output
        assert "Trades on a chain cannot be simulated" in result.output
    assert "Traceback" not in result.output
    assert path.read_bytes() == before
