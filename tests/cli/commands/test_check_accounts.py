"""check-accounts: what is clean and what is not, and the first event after which books and balances part."""

import datetime
import functools
import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.accounts import Rows, WriteBalances, save_accounts, write_balances
from tests.kit.command_runner import Run
from tests.kit.trader import LINK, SECOND, USDC, WETH, WETH_USDC, Trader
from tradeexecutor.ledger.divergence import WalletBooks
from tradeexecutor.state.state import State

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_accounts(tmp_path)


@pytest.fixture
def write(tmp_path: Path) -> WriteBalances:
    return functools.partial(write_balances, tmp_path)


def test_a_file_that_the_command_wrote_is_clean(run: Run, path: Path, tmp_path: Path):
    for name in ("model.csv", "model.json"):
        written = run("check-accounts", path, "--write-balances", tmp_path / name)
        assert written.exit_code == 0
        assert "3 expected balances" in written.stdout
        result = run("check-accounts", path, "--balances", tmp_path / name)
        assert result.exit_code == 0
        assert "Clean: 3 balances match." in result.stdout
        assert run("check-accounts", path, "--write-balances", tmp_path / name).exit_code == 1


def test_the_table_names_asset_position_and_value(run: Run, path: Path, write: WriteBalances):
    result = run("check-accounts", path, "--balances", write({USDC: 6_000, WETH: "0.3", LINK: 0}))
    assert result.exit_code == 1
    (row,) = (line.split() for line in result.stdout.splitlines() if line.startswith("WETH"))
    assert row[:8] == ["WETH", "#1", "WETH-USDC", "0.5", "0.3", "-0.2", "-400.00", "MISMATCH"]
    assert "value of the difference" in result.stdout
    assert "Not clean: 1 balance does not match." in result.stdout
    assert "--find-first-divergence" in result.stdout
    assert "1 more assets with an expected and actual balance of zero" in result.stdout


def test_what_is_not_in_the_file_is_not_clean(run: Run, path: Path, write: WriteBalances):
    result = run("check-accounts", path, "--balances", write({USDC: 6_000}))
    assert result.exit_code == 1
    assert "Not clean: 1 balance was not read." in result.stdout


def test_a_tolerance_can_be_given(run: Run, path: Path, write: WriteBalances):
    balances = write({USDC: 6_010, WETH: "0.5"})
    tolerated = run("check-accounts", path, "--balances", balances)
    assert tolerated.exit_code == 0
    assert "tolerated" in tolerated.stdout
    assert run("check-accounts", path, "--balances", balances, "--tolerance", "0.1%").exit_code == 1
    assert run("check-accounts", path, "--balances", balances, "--tolerance", "much").exit_code == 2


def test_json_has_every_number_exactly(run: Run, path: Path, write: WriteBalances):
    amount = "0.300000000000000000000001"
    result = run("check-accounts", path, "--balances", write({USDC: 6_000, WETH: amount}), "--json")
    report = json.loads(result.stdout)
    assert (report["clean"], report["unread"]) == (False, [])
    check = report["checks"][1]
    assert (check["symbol"], check["actual"], check["difference"]) == ("WETH", amount, "-0.199999999999999999999999")
    assert (check["position_ids"], check["result"], check["held_by"]) == ([1], "mismatch", "#1 WETH-USDC")


def test_a_trade_without_outcome_makes_a_check_impossible(run: Run, path: Path, write: WriteBalances):
    state = State.read_json_file(path)
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(datetime.datetime(2023, 1, 1))
    _, trade = trader.plan(WETH_USDC, "0.1", 2_000.0)
    trader.send(trade)
    state.write_json_file(path)
    result = run("check-accounts", path, "--balances", write({USDC: 6_000, WETH: "0.5"}))
    assert result.exit_code == 1
    assert "the expected balances are unknown" in result.stderr
    assert "repair" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "--balances FILE"),
        (("--balances", "absent.csv"), 1, "there is no file absent.csv"),
        (("--balances", "state.json"), 1, "expected a list of objects"),
        (("--balances", "BALANCES", "--at", "noon"), 2, "is not a time"),
        (("--balances", "BALANCES", "--at", "2001-01-01"), 1, "no balance was read until"),
        (("--balances", "BALANCES", "--address", "0xdef"), 1, "no record is about 0xdef"),
    ],
)
def test_wrong_arguments(
    run: Run,
    path: Path,
    write: WriteBalances,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    text: str,
):
    monkeypatch.chdir(path.parent)
    balances = write({USDC: 6_000})
    result = run("check-accounts", "state.json", *(str(balances) if item == "BALANCES" else item for item in arguments))
    assert result.exit_code == code
    assert text in result.stderr


def observe_cash(path: Path) -> Rows:
    expected = WalletBooks(State.read_json_file(path)).get_balances(USDC)
    return [(step.time + SECOND, USDC, step.expected) for step in expected.get_steps()]


def test_balances_of_many_times_that_the_ledger_explains(run: Run, path: Path, write: WriteBalances):
    result = run("check-accounts", path, "--balances", write(observe_cash(path)), "--find-first-divergence")
    assert result.exit_code == 0
    assert "Nowhere: the ledger explains all balances of 1 assets" in result.stdout


def test_the_event_after_which_they_part_is_shown(run: Run, path: Path, write: WriteBalances):
    rows = observe_cash(path)
    # The redemption of 2,000 never left the account.
    damaged = [(time, item, amount + (2_000 if number >= 3 else 0)) for number, (time, item, amount) in enumerate(rows)]
    damaged = [row for number, row in enumerate(damaged) if number not in (2, 3, 4)]
    result = run("check-accounts", path, "--balances", write(damaged), "--find-first-divergence")
    assert result.exit_code == 1
    assert "They differ from: balance update #2: redemption of USDC cash" in result.stdout
    assert "the balance is as if it had not happened" in result.stdout
    (marked,) = (line for line in result.stdout.splitlines() if line.startswith(">"))
    assert marked.split()[-2:] == ["-2,000", "6,000"]
    assert "2 balances differ by the same amount" in result.stdout
    as_json = json.loads(
        run("check-accounts", path, "--balances", write(damaged), "--find-first-divergence", "--json").stdout
    )
    (found,) = as_json["divergences"]
    assert (found["difference"], found["is_explained"]) == ("2000", True)
    assert found["first_entry"]["balance_update_id"] == 2
    assert found["first_entry"]["suspicion"] == "did_not_happen"
    assert [step["suspicion"] for step in found["events"]] == [None, "did_not_happen", None, None]


def test_money_from_nowhere_has_no_event(run: Run, path: Path, write: WriteBalances):
    rows = observe_cash(path)
    time, _, amount = rows[-1]
    assert time is not None
    result = run(
        "check-accounts", path, "--balances", write([*rows, (time + SECOND, USDC, amount + 5)]),
        "--find-first-divergence",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "The ledger has no event in between: +5 USDC moved without an event" in result.stdout


@pytest.mark.slow
def test_real_files_match_their_own_balances_and_a_change_is_found(run: Run, state_file: Path, tmp_path: Path):
    model = tmp_path / "model.csv"
    assert run("check-accounts", state_file, "--write-balances", model).exit_code == 0
    assert run("check-accounts", state_file, "--balances", model).exit_code == 0
    lines = model.read_text().splitlines()
    *cells, amount = lines[1].split(",")
    lines[1] = ",".join([*cells, str(D(amount) + 10**9)])
    model.write_text("\n".join(lines))
    changed = run("check-accounts", state_file, "--balances", model, "--json")
    assert changed.exit_code == 1
    (wrong,) = (check for check in json.loads(changed.stdout)["checks"] if check["result"] == "mismatch")
    assert wrong["asset"] == f"{cells[2]}-{cells[4]}"
    found = json.loads(
        run("check-accounts", state_file, "--balances", model, "--find-first-divergence", "--json").stdout
    )
    assert wrong["asset"] in [item["asset"] for item in found["divergences"]]
