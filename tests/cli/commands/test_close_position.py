"""close-position: sells in a simulation, closes what is empty, writes off what has no market."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.changed_files import check_change, check_done, is_sell, run_failing_backtest, save
from tests.kit.command_runner import Run
from tests.kit.funded_trader import fail, fund
from tests.kit.trader import BRIDGE, LINK_USDC, VAULT, WETH_USDC, cash_of
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag, TradeStatus


@pytest.fixture
def open_position(strategy: Path, candles: Path, tmp_path: Path) -> Path:
    """Bought at 100 USD on 1 January and not sold yet on the 5th, at 104."""
    return run_failing_backtest(strategy, candles, tmp_path, None, days=5)


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """Three positions: two with tokens, one of them of a test trade, and dust."""
    trader = fund()
    trader.buy(WETH_USDC, "2", 2000.0)
    trader.run(trader.plan(LINK_USDC, "10", 10.0, flags={TradeFlag.test_trade})[1])
    trader.buy(VAULT, "5", 1.0)[1].executed_quantity = Decimal("0.0000005")
    return save(trader, tmp_path)


def test_a_position_is_sold_at_the_price_of_that_time(run: Run, open_position: Path, candles: Path):
    options = ("--position-id", "1", "--data", candles)
    state = check_change(run, "close-position", open_position, *options)
    (position,) = state.portfolio.closed_positions.values()
    trade = position.get_last_trade()
    assert (trade.get_status(), trade.executed_price) == (TradeStatus.success, pytest.approx(104 * 0.999))
    assert trade.flags == {TradeFlag.close}
    assert cash_of(state) == 500 + (trade.executed_reserve or 0)
    output = check_done(run, "close-position", open_position, *options)
    assert "sold" in output
    assert run("audit", open_position).exit_code == 0
    result = run("close-position", open_position, *options, "--yes")
    assert result.exit_code == 1
    assert "position #1 is closed already" in result.output


def test_slippage_and_time(run: Run, open_position: Path, candles: Path):
    options = ("--position-id", "1", "--data", candles, "--at", "2024-01-10", "--slippage", "0.01")
    state = check_change(run, "close-position", open_position, *options)
    trade = state.portfolio.closed_positions[1].get_last_trade()
    assert trade.executed_price == pytest.approx(109 * 0.999 * 0.99)


def test_dust_is_closed_with_an_empty_trade(run: Run, held: Path):
    state = check_change(run, "close-position", held, "--close-dust")
    assert list(state.portfolio.closed_positions) == [3]
    assert state.portfolio.closed_positions[3].get_last_trade().planned_quantity == 0
    assert "closed, only dust is left" in check_done(run, "close-position", held, "--close-dust")
    again = run("close-position", held, "--close-dust", "--yes")
    assert again.exit_code == 0
    assert "There is no position to close." in again.stdout


def test_what_holds_something_is_not_given_up_by_the_way(run: Run, held: Path):
    before = held.read_bytes()
    result = run("close-position", held, "--position-id", "1", "--yes")
    assert result.exit_code == 1
    assert "position #1 holds 2 WETH worth 4,000.00 USD" in result.output
    assert "--write-off" in result.output
    assert held.read_bytes() == before


def test_writing_off(run: Run, held: Path):
    options = ("--position-id", "1", "--position-id", "3", "--write-off", "--blacklist")
    state = check_change(run, "close-position", held, *options)
    assert sorted(state.portfolio.closed_positions) == [1, 3]
    assert state.portfolio.closed_positions[1].is_marked_down()
    assert not state.is_good_pair(WETH_USDC)
    assert cash_of(state) == 5895
    output = check_done(run, "close-position", held, *options)
    assert "written off" in output
    assert "Blacklisted: WETH, vUSD" in output
    assert "Net asset value  9,995.00 -> 5,995.00 USD" in output


def test_positions_of_test_trades(run: Run, held: Path):
    report = json.loads(run("close-position", held, "--all-test-trades", "--write-off", "--yes", "--json").stdout)
    assert [item["position_id"] for item in report["result"]["positions"]] == [2]


def test_a_frozen_position_has_to_be_repaired_first(run: Run, strategy: Path, candles: Path, tmp_path: Path):
    path = run_failing_backtest(strategy, candles, tmp_path, is_sell)
    options = ("--position-id", "1", "--data", candles)
    result = run("close-position", path, *options, "--yes")
    assert result.exit_code == 1
    assert "it has failed trades that are not repaired" in result.output
    check_done(run, "repair", path)
    state = check_change(run, "close-position", path, *options)
    assert list(state.portfolio.closed_positions) == [1]


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ((), 2, "choose what to close with"),
        (("--position-id", "9"), 1, "there is no position #9"),
        (("--position-id", "1", "--pair", "ETH-USD"), 2, "is used only together with --data"),
        (("--position-id", "1", "--data", "CANDLES", "--write-off"), 2, "either sell with --data or write off"),
        (("--position-id", "1", "--data", "CANDLES"), 1, "has no price of WETH-USDC"),
        (("--position-id", "4", "--write-off"), 1, "capital on another chain"),
    ],
)
def test_what_is_refused_changes_nothing(
    run: Run, tmp_path: Path, candles: Path, options: tuple[str, ...], code: int, text: str
):
    trader = fund()
    for pair in (WETH_USDC, LINK_USDC, VAULT, BRIDGE):
        trader.run(trader.plan(pair, "10", 1.0)[1])
    path = save(trader, tmp_path)
    before = path.read_bytes()
    result = run("close-position", path, *(str(candles) if o == "CANDLES" else o for o in options), "--yes")
    assert result.exit_code == code, result.output
    assert text in " ".join(result.output.replace("│", " ").split())
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", ["plan", "start", "fail"])
def test_trades_without_outcome_are_settled_first(run: Run, tmp_path: Path, make: str):
    trader = fund()
    trader.buy(LINK_USDC, "10", 10.0)
    if make == "fail":
        fail(trader, LINK_USDC, "-5", 10.0)
    else:
        trade = trader.plan(LINK_USDC, "-5", 10.0)[1]
        if make == "start":
            trader.start(trade)
    path = save(trader, tmp_path)
    result = run("close-position", path, "--position-id", "1", "--write-off", "--yes")
    assert result.exit_code == 1
    assert "cannot be closed: it has" in result.output


@pytest.mark.slow
def test_on_every_real_file_positions_can_be_written_off_and_not_sold(
    run: Run, state_file: Path, candles: Path, tmp_path: Path
):
    path = tmp_path / "state.json"
    shutil.copyfile(state_file, path)
    run("repair", path, "--yes")
    state = State.read_json_file(path)
    for position in list(state.portfolio.get_open_and_frozen_positions())[:1]:
        number = position.position_id
        before = path.read_bytes()
        sale = run("close-position", path, "--position-id", number, "--data", candles, "--yes")
        assert sale.exit_code == 1
        assert path.read_bytes() == before
        assert "Traceback" not in sale.output
        if not position.is_loan_based():
            check_change(run, "close-position", path, "--position-id", number, "--write-off")
