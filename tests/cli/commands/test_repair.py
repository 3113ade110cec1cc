"""repair and check-trades: what is found is put right, shown before, and undone to the byte."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.kit.changed_files import check_change, check_done, save
from tests.kit.command_runner import Run
from tests.kit.every_kind_trader import D, Driver
from tests.kit.funded_trader import fail, fund
from tests.kit.hypercore import make_hypercore_trader, make_phantom
from tests.kit.samples import blockchain_transaction
from tests.kit.trader import LINK_USDC, WETH_USDC, Trader, cash_of
from tradeexecutor.cli.main import app
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeStatus


@pytest.fixture
def hypercore_trader() -> Trader:
    return make_hypercore_trader()


# --- Everything at once


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A trade that was never sent, an empty position and a failed buy."""
    trader = fund()
    trader.buy(LINK_USDC, "10", 10.0)[1].executed_quantity = D(0)
    fail(trader, WETH_USDC, "1", 2000.0)
    trader.start(trader.plan(WETH_USDC, "2", 2000.0)[1])
    return save(trader, tmp_path)


def test_everything_is_put_right(run: Run, path: Path):
    assert run("check-trades", path).exit_code == 1
    state = check_change(run, "repair", path)
    assert cash_of(state) == 9900
    assert not state.portfolio.open_positions
    assert not state.portfolio.frozen_positions
    assert state.portfolio.get_trade_by_id(3).get_status() is TradeStatus.repaired  # pyright: ignore[reportOptionalMemberAccess]
    output = check_done(run, "repair", path)
    assert "4,000 USDC  was never sent and its position is closed" in output
    assert "holds nothing and is closed" in output
    assert "its capital had been returned" in output
    assert "is unfrozen and closed, nothing is left" in output
    assert "Cash             5,900.00 -> 9,900.00 USD" in output
    assert run("check-trades", path).exit_code == 0
    before = path.read_bytes()
    again = run("repair", path, "--yes")
    assert again.exit_code == 0
    assert "No trade and no position needs repair." in again.stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize(("only", "trades"), [("unsent", 1), ("empty", 1), ("failed", 1), ("dust", 0)])
def test_only_one_sort(run: Run, path: Path, only: str, trades: int):
    report = json.loads(run("repair", path, "--only", only, "--yes", "--json").stdout)
    kinds = {item["kind"] for item in report["result"]["done"]} - {"unfrozen"}
    assert kinds == ({only} if trades else set())
    assert State.read_json_file(path).portfolio.next_trade_id == 4 + trades


def test_asking(path: Path):
    before = path.read_bytes()
    result = CliRunner().invoke(app, ["repair", str(path)], input="n\n")
    assert (result.exit_code, path.read_bytes()) == (1, before)
    assert CliRunner().invoke(app, ["repair", str(path)], input="y\n").exit_code == 0
    assert path.read_bytes() != before


# --- Capital of failed trades


@pytest.fixture
def unpaid(tmp_path: Path) -> Path:
    """A file of an old program: the capital of a failed buy did not come back, and the file shows it."""
    driver = Driver()
    driver.buy(1_000)
    driver.sample()
    driver.fail_to_buy(700)
    driver.reserve.quantity -= 700
    driver.sample()
    path = tmp_path / "state.json"
    path.write_text(driver.state.to_json())
    return path


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """The file does not tell what it was before the failure."""
    driver = Driver()
    number = driver.fail_to_buy(750).trade_id
    driver.reserve.balance_updates.clear()
    driver.reserve.initial_deposit = None
    trade = driver.state.portfolio.get_trade_by_id(number)
    assert trade is not None
    trade.portfolio_value_at_creation = None
    path = tmp_path / "state.json"
    path.write_text(driver.state.to_json())
    return path


def test_capital_that_did_not_come_back_does_exactly_once(run: Run, unpaid: Path):
    before = cash_of(State.read_json_file(unpaid))
    assert "700 USDC  its capital is returned now" in check_done(run, "repair", unpaid)
    assert cash_of(State.read_json_file(unpaid)) == before + 700
    assert run("audit", unpaid).exit_code == 0
    check_done(run, "repair", unpaid)
    assert cash_of(State.read_json_file(unpaid)) == before + 700


def test_what_the_file_does_not_tell_is_left_alone(run: Run, unknown: Path):
    before = unknown.read_bytes()
    result = run("repair", unknown, "--yes")
    assert result.exit_code == 1
    assert "it is not known whether its capital came back" in result.stdout
    assert "--allocation" in result.stdout
    assert unknown.read_bytes() == before


@pytest.mark.parametrize(("answer", "refund"), [("returned", 0), ("missing", 750)])
def test_what_the_file_does_not_tell_can_be_said_or_answered(run: Run, unknown: Path, answer: str, refund: int):
    before, original = cash_of(State.read_json_file(unknown)), unknown.read_bytes()
    check_done(run, "repair", unknown, "--allocation", answer)
    assert cash_of(State.read_json_file(unknown)) == before + refund
    unknown.write_bytes(original)
    reply = "n" if refund else "y"
    result = CliRunner().invoke(app, ["repair", str(unknown)], input=f"{reply}\ny\n")
    assert result.exit_code == 0, result.output
    assert "Has the capital come back?" in result.output
    assert cash_of(State.read_json_file(unknown)) == before + refund


# --- Outcomes that somebody has looked up


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    trader = fund()
    trade = trader.plan(LINK_USDC, "10", 10.0)[1]
    trader.start(trade)
    trade.blockchain_transactions = [blockchain_transaction()]
    trader.broadcast(trade)
    return save(trader, tmp_path)


def test_a_trade_of_unknown_outcome_blocks_and_is_not_repaired(run: Run, sent: Path):
    result = run("check-trades", sent)
    assert result.exit_code == 1
    assert "! unknown outcome" in result.stdout
    assert "Look its transactions up on Ethereum" in result.stdout
    assert "repair " in result.stdout
    assert "--failed 1, or --filled 1:QUANTITY:SPENT" in result.stdout
    before = sent.read_bytes()
    assert run("repair", sent, "--yes").exit_code == 0
    assert sent.read_bytes() == before


def test_one_that_failed(run: Run, sent: Path):
    state = check_change(run, "repair", sent, "--failed", "1")
    assert (cash_of(state), list(state.portfolio.closed_positions)) == (10_000, [1])
    assert state.portfolio.next_trade_id == 3
    assert "100 USDC" in check_done(run, "repair", sent, "--failed", "1")
    assert run("check-trades", sent).exit_code == 0


def test_one_that_went_through(run: Run, sent: Path):
    state = check_change(run, "repair", sent, "--filled", "1:9.9:99.5")
    assert (cash_of(state), state.portfolio.open_positions[1].get_quantity()) == (D("9900.5"), D("9.9"))


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("--failed", "7"), 1, "there is no trade #7"),
        (("--filled", "1:9.9"), 2, "not TRADE:QUANTITY:RESERVE"),
        (("--filled", "one:9.9:1"), 2, "not TRADE:QUANTITY:RESERVE"),
        (("--filled", "1:-9.9:1"), 1, "without a sign"),
        (("--filled", "1:9.9:1", "--failed", "1"), 2, "either failed or was filled"),
        (("--json",), 2, "--json needs --yes or --dry-run"),
    ],
)
def test_wrong_reports(run: Run, sent: Path, options: tuple[str, ...], code: int, text: str):
    before = sent.read_bytes()
    result = run("repair", sent, *options, *(() if options == ("--json",) else ("--yes",)))
    assert result.exit_code == code, result.output
    assert text in " ".join(result.output.replace("│", " ").split())
    assert sent.read_bytes() == before


# --- Hypercore


def test_duplicates_are_merged_only_when_asked_for(run: Run, tmp_path: Path, hypercore_trader: Trader):
    make_phantom(hypercore_trader)
    path = save(hypercore_trader, tmp_path)
    assert "Nothing to change." in run("repair", path, "--yes").stdout
    assert "--only duplicates" in run("check-trades", path).stdout
    for options in (("--merge-dustless-duplicates",), ("--only", "duplicates")):
        state = check_change(run, "repair", path, *options)
        assert list(state.portfolio.closed_positions) == [2]
    make_phantom(hypercore_trader)
    path = save(hypercore_trader, tmp_path)
    result = run("repair", path, "--merge-dustless-duplicates", "--yes")
    assert result.exit_code == 1
    assert "there are 3 positions, not two" in result.stdout


# --- Real files


@pytest.mark.slow
def test_check_trades_of_every_real_file(run: Run, state_file: Path):
    result = run("check-trades", state_file, "--json")
    (report,) = json.loads(result.stdout)
    assert result.exit_code == bool(report["issues"])
    assert all(item["command"] for item in report["issues"])


@pytest.mark.slow
def test_repair_of_every_real_file(run: Run, state_file: Path, tmp_path: Path):
    path = tmp_path / "it's a state.json"
    shutil.copyfile(state_file, path)
    if run("check-trades", path).exit_code == 0:
        before = path.read_bytes()
        assert "Nothing to change." in run("repair", path, "--yes").stdout
        assert path.read_bytes() == before
        return
    check_change(run, "repair", path)
    check_done(run, "repair", path)
    assert run("check-trades", path).exit_code == 0


@pytest.mark.parametrize("command", ["repair", "retry", "close-position", "blacklist", "check-trades"])
def test_help_has_examples_and_a_missing_file_is_one_line(run: Run, tmp_path: Path, command: str):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"$ tradeexecutor {command} " in result.stdout
    options = {"retry": ("--data", "x"), "close-position": ("--close-dust",)}.get(command, ())
    result = run(
        command, tmp_path / "no.json", *options, *(() if command in ("blacklist", "check-trades") else ("-y",))
    )
    assert result.exit_code == 1
    assert "there is no file" in result.output
    assert "Traceback" not in result.output
