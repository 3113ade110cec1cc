"""Checking and correcting accounts, and taking events in, from the command line."""

import csv
import datetime
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.every_kind_trader import Driver
from tests.kit.trader import LINK, LINK_USDC, SECOND, USDC, WETH, WETH_USDC, Trader, asset
from tests.support import REPOSITORY
from tradeexecutor.ledger.divergence import WalletBooks
from tradeexecutor.ledger.proof import prove
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

D = Decimal
NAMES = ["time", "block", "chain_id", "address", "token", "symbol", "amount"]
OPTIONAL = ["block", "owner", "share_count", "position_id", "notes"]
SCAM = asset("SCAM", 18, 77)
Rows = list[tuple[datetime.datetime | None, AssetIdentifier, Decimal]]


class SlowDriver(Driver):
    def tick(self):
        self.ts += 59 * SECOND
        return super().tick()


def make_state() -> State:
    """Cash 6,000, 0.5 WETH at 2,000, 100 LINK bought and sold at 10."""
    driver = SlowDriver(10_000)
    driver.buy(1_000)
    driver.buy(1_000, LINK_USDC, 10.0)
    driver.redeem(2_000)
    driver.sell("100", LINK_USDC, 10.0)
    driver.redeem(250)
    driver.deposit(250)
    driver.redeem(1_000)
    return driver.state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    with JSONFileStore(path) as store:
        store.sync(make_state())
    return path


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of balances: of now by asset, or rows with times."""

    def make(balances: Mapping[AssetIdentifier, str | int] | Rows) -> Path:
        path = tmp_path / "balances.csv"
        rows = (
            balances if isinstance(balances, list) else [(None, item, D(amount)) for item, amount in balances.items()]
        )
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(NAMES)
            for time, item, amount in rows:
                when = "" if time is None else time.isoformat()
                writer.writerow([when, "", item.chain_id, "0xabc", item.address, item.token_symbol, f"{amount:f}"])
        return path

    return make


# --- check-accounts


def test_a_file_that_the_command_wrote_is_clean(run: Run, path: Path, tmp_path: Path):
    for name in ("model.csv", "model.json"):
        written = run("check-accounts", path, "--write-balances", tmp_path / name)
        assert written.exit_code == 0
        assert "3 balances" in written.stdout
        result = run("check-accounts", path, "--balances", tmp_path / name)
        assert result.exit_code == 0
        assert "Clean: 3 balances are what they should be." in result.stdout
        assert run("check-accounts", path, "--write-balances", tmp_path / name).exit_code == 1


def test_the_table_names_asset_position_and_value(run: Run, path: Path, write: Write):
    result = run("check-accounts", path, "--balances", write({USDC: 6_000, WETH: "0.3", LINK: 0}))
    assert result.exit_code == 1
    (row,) = (line.split() for line in result.stdout.splitlines() if line.startswith("WETH"))
    assert row[:8] == ["WETH", "#1", "WETH-USDC", "0.5", "0.3", "-0.2", "-400.00", "MISMATCH"]
    assert "what the difference is worth" in result.stdout
    assert "Not clean: 1 balance does not match." in result.stdout
    assert "--find-first-divergence" in result.stdout
    assert "1 more assets of which nothing should be there" in result.stdout


def test_what_is_not_in_the_file_is_not_clean(run: Run, path: Path, write: Write):
    result = run("check-accounts", path, "--balances", write({USDC: 6_000}))
    assert result.exit_code == 1
    assert "Not clean: 1 balance was not read." in result.stdout


def test_a_tolerance_can_be_given(run: Run, path: Path, write: Write):
    balances = write({USDC: 6_010, WETH: "0.5"})
    tolerated = run("check-accounts", path, "--balances", balances)
    assert tolerated.exit_code == 0
    assert "tolerated" in tolerated.stdout
    assert run("check-accounts", path, "--balances", balances, "--tolerance", "0.1%").exit_code == 1
    assert run("check-accounts", path, "--balances", balances, "--tolerance", "much").exit_code == 2


def test_json_has_every_number_exactly(run: Run, path: Path, write: Write):
    amount = "0.300000000000000000000001"
    result = run("check-accounts", path, "--balances", write({USDC: 6_000, WETH: amount}), "--json")
    report = json.loads(result.stdout)
    assert (report["clean"], report["unread"]) == (False, [])
    check = report["checks"][1]
    assert (check["symbol"], check["actual"], check["difference"]) == ("WETH", amount, "-0.199999999999999999999999")
    assert (check["position_ids"], check["result"], check["held_by"]) == ([1], "mismatch", "#1 WETH-USDC")


def test_a_trade_without_outcome_makes_a_check_impossible(run: Run, path: Path, write: Write):
    state = State.read_json_file(path)
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(datetime.datetime(2023, 1, 1))
    _, trade = trader.plan(WETH_USDC, "0.1", 2_000.0)
    trader.send(trade)
    state.write_json_file(path)
    result = run("check-accounts", path, "--balances", write({USDC: 6_000, WETH: "0.5"}))
    assert result.exit_code == 1
    assert "nobody knows what should be held" in result.stderr
    assert "repair" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "--balances FILE"),
        (("--balances", "absent.csv"), 1, "there is no file absent.csv"),
        (("--balances", "state.json"), 1, "expected a list of objects"),
        (("--balances", "BALANCES", "--at", "noon"), 2, "is no time"),
        (("--balances", "BALANCES", "--at", "2001-01-01"), 1, "no balance was read until"),
        (("--balances", "BALANCES", "--address", "0xdef"), 1, "no record is about 0xdef"),
    ],
)
def test_wrong_arguments(
    run: Run,
    path: Path,
    write: Write,
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


# --- The first divergence


def observe_cash(path: Path) -> Rows:
    expected = WalletBooks(State.read_json_file(path)).get_balances(USDC)
    return [(step.time + SECOND, USDC, step.expected) for step in expected.get_steps()]


def test_balances_of_many_times_that_the_ledger_explains(run: Run, path: Path, write: Write):
    result = run("check-accounts", path, "--balances", write(observe_cash(path)), "--find-first-divergence")
    assert result.exit_code == 0
    assert "Nowhere: the ledger explains all balances of 1 assets" in result.stdout


def test_the_event_after_which_they_part_is_shown(run: Run, path: Path, write: Write):
    rows = observe_cash(path)
    # The redemption of 2,000 never left the account.
    damaged = [(time, item, amount + (2_000 if number >= 3 else 0)) for number, (time, item, amount) in enumerate(rows)]
    damaged = [row for number, row in enumerate(damaged) if number not in (2, 3, 4)]
    result = run("check-accounts", path, "--balances", write(damaged), "--find-first-divergence")
    assert result.exit_code == 1
    assert "They part at: balance update #2: redemption of USDC cash" in result.stdout
    assert "the balance is as if it had not happened" in result.stdout
    (marked,) = (line for line in result.stdout.splitlines() if line.startswith(">"))
    assert marked.split()[-2:] == ["-2,000", "6,000"]
    assert "2 balances are off by the same" in result.stdout
    as_json = json.loads(
        run("check-accounts", path, "--balances", write(damaged), "--find-first-divergence", "--json").stdout
    )
    (found,) = as_json["divergences"]
    assert (found["difference"], found["is_explained"]) == ("2000", True)
    assert found["first_entry"]["balance_update_id"] == 2
    assert found["first_entry"]["suspicion"] == "did_not_happen"
    assert [step["suspicion"] for step in found["events"]] == [None, "did_not_happen", None, None]


def test_money_from_nowhere_has_no_event(run: Run, path: Path, write: Write):
    rows = observe_cash(path)
    time, _, amount = rows[-1]
    assert time is not None
    result = run(
        "check-accounts", path, "--balances", write([*rows, (time + SECOND, USDC, amount + 5)]),
        "--find-first-divergence",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "The ledger has nothing in between: +5 USDC moved without an event" in result.stdout


# --- correct-accounts


def test_a_correction_is_booked_and_clean_afterwards(run: Run, path: Path, write: Write):
    balances = write({USDC: 5_000, WETH: "0.3", LINK: 0})
    result = run("correct-accounts", path, "--balances", balances, "--yes")
    assert result.exit_code == 0
    assert "Afterwards the accounts are clean." in result.stdout
    assert "balance update #7" in result.stdout
    state = State.read_json_file(path)
    assert state.portfolio.get_default_reserve_position().quantity == 5_000
    assert state.portfolio.open_positions[1].get_quantity() == D("0.3")
    assert prove(state).is_balanced
    assert (path.parent / "state.accounts-backup-1.json").exists()


def test_correcting_again_changes_nothing(run: Run, path: Path, write: Write):
    rows = [(datetime.datetime(2023, 1, 1), item, D(amount)) for item, amount in ((USDC, "5000"), (WETH, "0"))]
    assert run("correct-accounts", path, "--balances", write(rows), "--yes").exit_code == 0
    before = path.read_bytes()
    assert 1 in State.read_json_file(path).portfolio.closed_positions
    again = run("correct-accounts", path, "--balances", write(rows), "--yes")
    assert again.exit_code == 0
    assert "Nothing to change." in again.stdout
    assert path.read_bytes() == before
    assert run("check-accounts", path, "--balances", write(rows)).exit_code == 0


def test_a_dry_run_changes_nothing(run: Run, path: Path, write: Write):
    before = path.read_bytes()
    result = run("correct-accounts", path, "--balances", write({USDC: 5_000, WETH: "0.5"}), "--dry-run", "--json")
    report = json.loads(result.stdout)
    assert path.read_bytes() == before
    assert (report["changed"], report["result"]["after"]["clean"]) == (False, True)
    assert report["result"]["equity_after"] == report["result"]["equity_before"] - 1_000


def test_unknown_tokens_are_left_alone(run: Run, path: Path, write: Write):
    balances = write({USDC: 6_000, WETH: "0.5", SCAM: 5, LINK: 40})
    result = run("correct-accounts", path, "--balances", balances, "--yes")
    assert result.exit_code == 1
    assert result.stdout.count("left alone") == 2
    assert "still not clean" in result.stdout


def test_tokens_that_were_traded_before_can_get_a_position(run: Run, path: Path, write: Write):
    balances = write({USDC: 6_000, WETH: "0.5", SCAM: 5, LINK: 40})
    result = run("correct-accounts", path, "--balances", balances, "--yes", "--open-missing")
    assert result.exit_code == 1
    assert "position #3 is opened" in result.stdout
    assert "no pair with this token is known" in result.stdout
    state = State.read_json_file(path)
    assert state.portfolio.open_positions[3].get_value() == 400.0
    assert prove(state).is_balanced


def test_a_half_done_trade_has_to_be_repaired_first(run: Run, path: Path, write: Write):
    state = State.read_json_file(path)
    trader = Trader(state, lp_fees=0.0, price_impact=1.0)
    trader.time_travel(datetime.datetime(2023, 1, 1))
    trader.plan(WETH_USDC, "0.1", 2_000.0)
    state.write_json_file(path)
    before = path.read_bytes()
    result = run("correct-accounts", path, "--balances", write({USDC: 5_000}), "--yes")
    assert result.exit_code == 1
    assert "is planned and was not executed" in result.stderr
    assert "tradeexecutor repair" in result.stderr
    assert path.read_bytes() == before


# --- sync-treasury


def write_events(path: Path, *rows: tuple[str, str, int]) -> Path:
    target = path.parent / "events.csv"
    lines = ["kind,time,chain_id,token,amount,tx_hash,log_index"]
    lines += [f"{kind},2022-03-01,1,{USDC.address},{amount},0x{number:x},0" for kind, amount, number in rows]
    target.write_text("\n".join(lines))
    return target


def test_events_are_booked_once(run: Run, path: Path):
    events = write_events(path, ("redemption", "6400", 2), ("deposit", "500.25", 1))
    result = run("sync-treasury", path, "--events", events, "--yes")
    assert result.exit_code == 0
    assert "2 new events, 0 are booked already" in result.stdout
    assert "6,000.00 USD before, 100.25 USD after" in result.stdout
    assert State.read_json_file(path).portfolio.get_cash() == 100.25
    before = path.read_bytes()
    again = run("sync-treasury", path, "--events", events, "--yes", "--json")
    assert json.loads(again.stdout)["result"]["known"] == 2
    assert path.read_bytes() == before


def test_an_impossible_event_books_nothing(run: Run, path: Path):
    before = path.read_bytes()
    events = write_events(path, ("deposit", "5", 1), ("redemption", "9000", 2))
    result = run("sync-treasury", path, "--events", events, "--yes")
    assert result.exit_code == 1
    assert "take 8995 USDC out of the cash, which has 6000" in result.stderr
    assert path.read_bytes() == before


def test_the_documentation_names_what_is_in_the_files():
    text = (REPOSITORY / "docs" / "accounts.md").read_text(encoding="utf-8")
    balances, events = (block.strip().splitlines() for block in re.findall(r"```\n(.*?)```", text, re.DOTALL))
    assert balances[0].split(",") == NAMES
    assert events[0].split(",") == ["kind", "time", "chain_id", "token", "amount", "tx_hash", "log_index", *OPTIONAL]
    assert all(len(row.split(",")) == len(rows[0].split(",")) for rows in (balances, events) for row in rows)


# --- Real files


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
