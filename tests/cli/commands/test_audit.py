"""audit: balanced states pass, others are told where and why they part."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command_runner import Run, Spawn
from tests.kit.every_kind_trader import RAW_UNIT, D, Driver
from tradeexecutor.state.state import State


def write(driver: Driver, tmp_path: Path) -> Path:
    path = tmp_path / "state.json"
    path.write_text(driver.state.to_json())
    return path


@pytest.fixture
def balanced(tmp_path: Path) -> Path:
    driver = Driver()
    driver.buy(1_000, reserve="999.5")
    driver.fail_to_buy(700)
    driver.sell("0.5")
    driver.buy(300)
    return write(driver, tmp_path)


@pytest.fixture
def unbalanced(tmp_path: Path) -> Path:
    """The capital of a failed trade did not come back."""
    driver = Driver()
    driver.buy(1_000)
    driver.sample()
    driver.fail_to_buy(700)
    driver.reserve.quantity -= 700
    driver.sample()
    return write(driver, tmp_path)


@pytest.fixture
def unprovable(tmp_path: Path) -> Path:
    driver = Driver()
    driver.reserve.balance_updates.clear()
    driver.reserve.initial_deposit = None
    driver.state.portfolio.next_balance_update_id = 1
    driver.buy(1_000)
    return write(driver, tmp_path)


def test_a_state_that_adds_up_passes(run: Run, balanced: Path):
    result = run("audit", balanced)
    assert result.exit_code == 0, result.output
    assert "Everything adds up (balanced: 3)" in result.stdout
    assert "USDC cash" in result.stdout
    assert "and 1 balances of closed positions, all balanced (--all lists them)" in result.stdout
    assert "WETH of position #1" not in result.stdout
    assert "WETH of position #1" in run("audit", balanced, "--all").stdout


def test_the_state_of_a_backtest_adds_up(run: Run, backtest_state: Path):
    result = run("audit", backtest_state, "--strict")
    assert result.exit_code == 0, result.output
    assert "Everything adds up" in result.stdout


def test_a_state_that_does_not_balance_fails_and_says_where_by_how_much_and_why(run: Run, unbalanced: Path):
    result = run("audit", unbalanced)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert any(line.split() == ["USDC", "cash", "9,000", "8,300", "-700", "does", "not", "balance"] for line in lines)
    story = result.stdout.partition("USDC cash: does not balance")[2]
    assert "The state records 8,300, that is 700 less than the sum of the entries." in story
    (marked,) = [line for line in story.splitlines() if line.startswith("  >")]
    assert marked.endswith("trade #2 fails and gets its capital back: +700")
    assert "-700: the capital of failed trade #2 was not given back" in story
    assert "Between sample of the cash of 2022-01-01 00:00:06 (9,000) and sample of the cash of" in story
    assert "DOES NOT BALANCE (balanced: 1, does not balance: 1)" in story


def test_one_raw_unit_is_enough(run: Run, balanced: Path):
    state = State.read_json_file(balanced)
    state.portfolio.get_default_reserve_position().quantity += RAW_UNIT
    balanced.write_text(state.to_json())
    result = run("audit", balanced)
    assert result.exit_code == 1
    assert "0.000001 more than the sum of the entries" in result.stdout
    assert "+0.000001: unexplained" in result.stdout


def test_what_cannot_be_proven_is_said_and_fails_only_when_asked(run: Run, unprovable: Path):
    result = run("audit", unprovable)
    assert result.exit_code == 0
    assert "The history begins with a balance that nothing records" in result.stdout
    assert "NOT PROVEN (balanced: 1, cannot be proven: 1)" in result.stdout
    assert run("audit", unprovable, "--strict").exit_code == 1


def test_what_is_missing_is_remarked(run: Run, balanced: Path):
    state = State.read_json_file(balanced)
    del state.portfolio.closed_positions[1].trades[3]
    balanced.write_text(state.to_json())
    result = run("audit", balanced)
    assert result.exit_code == 1
    assert "Remark: the file lacks trade #3" in result.stdout


def test_entries_are_listed_with_their_balances(run: Run, balanced: Path):
    result = run("audit", balanced, "--entries", "--account", "cash")
    assert result.exit_code == 0
    assert "Entries: 7 of 8" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if "USDC" in line]
    assert [row[-2:] for row in rows] == [
        ["+10,000", "10,000"],
        ["-1,000", "9,000"],
        ["+0.5", "9,000.5"],
        ["-700", "8,300.5"],
        ["+700", "9,000.5"],
        ["+1,000", "10,000.5"],
        ["-300", "9,700.5"],
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), 8),
        (("--limit", "2"), 2),
        (("--asset", "weth"), 3),
        (("--asset", "0x0000000000000000000000000000000000000002"), 3),
        (("--account", "position #1"), 5),
        (("--account", "in_flight", "--limit", "1"), 1),
        (("--asset", "DOGE"), 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_entries_can_be_chosen(run: Run, balanced: Path, options: tuple[str, ...], shown: int):
    result = run("audit", balanced, "--entries", *options)
    assert f"Entries: {shown} of 8" in result.stdout
    report = json.loads(run("audit", balanced, "--entries", "--json", *options).stdout)
    assert len(report["entries"]) == shown
    assert ("None." in result.stdout) == (not shown)


def test_balances_can_be_chosen(run: Run, balanced: Path):
    names = [
        item["name"] for item in json.loads(run("audit", balanced, "--json", "--asset", "WETH").stdout)["findings"]
    ]
    assert names == ["WETH of position #1", "WETH of position #2"]
    output = run("audit", balanced, "--account", "cash").stdout
    assert "USDC cash" in output
    assert "of position #2" not in output


def test_json_has_everything(run: Run, unbalanced: Path):
    report: dict[str, Any] = json.loads(run("audit", unbalanced, "--json").stdout)
    assert report["balanced"] is False
    assert report["verdicts"] == {"balanced": 1, "recovered": 0, "mismatch": 1, "unprovable": 0}
    assert "entries" not in report
    cash = report["findings"][0]
    assert (cash["name"], cash["symbol"], cash["verdict"]) == ("USDC cash", "USDC", "mismatch")
    assert (D(cash["derived"]), D(cash["recorded"]), D(cash["difference"])) == (9_000, 8_300, -700)
    first = cash["first_break"]
    assert first == cash["breaks"][0]
    assert first["explained"] is True
    assert first["first_entry"]["kind"] == "trade_failed"
    assert first["first_entry"]["trade_id"] == 2
    assert {posting["account"]: D(posting["amount"]) for posting in first["first_entry"]["postings"]} == {
        "in_flight": -700,
        "cash": 700,
    }
    assert first["causes"][0]["kind"] == "refund_missing"
    assert (first["agreed"]["source"], D(first["agreed"]["amount"])) == ("sample of the cash", 9_000)
    assert D(first["disagreed"]["amount"]) == 8_300
    (usdc, weth) = sorted(report["conservation"], key=lambda item: item["symbol"])
    assert (usdc["conserved"], D(usdc["difference"])) == (False, -700)
    assert {kind: D(amount) for kind, amount in usdc["came_in"].items()} == {"external": 10_000, "market": -1_000}
    assert weth["conserved"] is True


def test_what_happened_often_is_told_in_sums(run: Run, tmp_path: Path):
    driver = Driver()
    for _ in range(5):
        driver.buy(100, reserve="99.75")
        driver.reserve.quantity -= D("0.25")
        driver.sample()
        driver.reserve.quantity += D("0.25")
        driver.sample()
    result = run("audit", write(driver, tmp_path))
    assert result.exit_code == 0
    assert "The recorded balance changed 10 times without an entry" in result.stdout
    assert "5 times, -1.25 in total, 2022-01-01: capital that a purchase allocated and did not spend" in result.stdout
    assert "5 times, 1.25 in total, 2022-01-01: the difference was corrected" in result.stdout
    assert "Everything adds up (balanced: 1, balanced at the end: 1)" in result.stdout


@pytest.mark.slow
@pytest.mark.golden
def test_every_real_state_is_judged(run: Run, state_file: Path):
    result = run("audit", state_file)
    report = json.loads(run("audit", state_file, "--json").stdout)
    assert result.exit_code == (1 if report["verdicts"]["mismatch"] else 0)
    assert ("DOES NOT BALANCE" in result.stdout) == bool(report["verdicts"]["mismatch"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "there is no file"), ("{", "not valid JSON"), ('{"portfolio": 5}', "Expected `object`")],
)
def test_an_unreadable_file_is_one_line_on_standard_error(run: Run, tmp_path: Path, content: str | None, reason: str):
    path = tmp_path / "state.json"
    if content is not None:
        path.write_text(content)
    result = run("audit", path)
    assert result.exit_code == 1
    assert not result.stdout
    assert reason in result.stderr


def test_help_teaches(run: Run):
    output = run("audit", "--help").stdout
    for word in (
        "balanced:",
        "balanced at the end:",
        "does not balance:",
        "cannot be proven:",
        "--strict",
        "--entries",
        "Examples:",
        "exit code",
    ):
        assert word in output
    assert run("audit").exit_code == 2


def test_an_empty_state_passes(run: Run, tmp_path: Path):
    result = run("audit", write(Driver(cash=0), tmp_path))
    assert result.exit_code == 0
    assert "Everything adds up (there is nothing to add up)" in result.stdout


def test_nothing_is_changed(run: Run, unbalanced: Path):
    before = unbalanced.read_bytes(), sorted(unbalanced.parent.iterdir())
    run("audit", unbalanced)
    assert (unbalanced.read_bytes(), sorted(unbalanced.parent.iterdir())) == before


@pytest.mark.slow
def test_it_can_be_piped(spawn: Spawn, balanced: Path):
    result = spawn("audit", balanced)
    assert result.returncode == 0
    assert "\x1b" not in result.stdout
    assert not result.stderr
