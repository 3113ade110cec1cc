"""sync-treasury: events are booked once, or not at all."""

import json
import re
from pathlib import Path

import pytest

from tests.kit.accounts import BALANCE_COLUMNS, save_accounts
from tests.kit.command_runner import Run
from tests.kit.trader import USDC
from tests.support import REPOSITORY
from tradeexecutor.state.state import State

OPTIONAL = ["block", "owner", "share_count", "position_id", "notes"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save_accounts(tmp_path)


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
    assert "2 new events, 0 already booked" in result.stdout
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
    assert balances[0].split(",") == BALANCE_COLUMNS
    assert events[0].split(",") == ["kind", "time", "chain_id", "token", "amount", "tx_hash", "log_index", *OPTIONAL]
    assert all(len(row.split(",")) == len(rows[0].split(",")) for rows in (balances, events) for row in rows)
