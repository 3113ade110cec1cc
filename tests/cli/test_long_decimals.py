"""Nobody has to read decimals of 28 digits: what is shown to people is rounded, and --json has all digits."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.command_runner import Run
from tests.kit.trader import LINK_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.state.errors import TooSmallTrade
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

#: Digits after leading zeros; 1,234,567.89 USD has nine.
MAX_SIGNIFICANT = 9
#: Digits after the point: those of an amount just above the smallest one that is shown without an exponent.
MAX_PLACES = 19

AMOUNT = "1.234567890123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state with long amounts, a balance that is off by a long amount, and notes with long prices."""
    trader = Trader(new_state(100_000))
    position, trade = trader.buy(WETH_USDC, AMOUNT, 1999.123456789012)
    trade.notes = position.notes = "Stop loss at 1899.1234567890123 of 1999.123456789012"
    other, _ = trader.buy(LINK_USDC, AMOUNT, 17.123456789012345)
    trader.sell(LINK_USDC, AMOUNT, 18.123456789012345)
    other.notes = "Closed at 18.123456789012345, dust 0.0000000000000000000000123456789"
    state = trader.state
    state.portfolio.get_default_reserve_position().quantity += Decimal("0.0012345678901234567890")
    path = tmp_path / "state.json"
    with JSONFileStore(path) as store:
        store.sync(state)
    return path


def find_long(text: str) -> list[str]:
    """Decimals with too many digits."""
    found = [(item, *item.replace(",", "").split(".")) for item in re.findall(r"\d[\d,]*\.\d+", text)]
    return [
        item
        for item, whole, places in found
        if len(places) > MAX_PLACES or len((whole + places).lstrip("0")) > MAX_SIGNIFICANT
    ]


@pytest.mark.parametrize(
    "line",
    [
        "show-statistics S",
        "show-positions S --position-type all",
        "show-trades S",
        "show-valuation S --position-type all",
        "validate S",
        "check-trades S",
        "check-accounts S --write-balances B",
        "audit S --all",
        "audit S --entries",
        "compare S S",
        "repair S --dry-run",
        "close-position S --position-id 1 --write-off --dry-run",
        "blacklist S",
        "reset-state S --dry-run",
        "prune-state S --dry-run",
        "store verify S",
        "store generations S",
    ],
)
def test_no_output_for_people_has_long_decimals(run: Run, path: Path, line: str):
    files = {"S": path, "B": path.with_name("balances.csv")}
    result = run(*(files.get(word, word) for word in line.split()))
    assert result.exit_code in (0, 1)
    assert result.stdout
    assert find_long(result.output.replace(str(path.parent), "")) == []


def test_no_error_has_long_decimals(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> None:
        raise TooSmallTrade(f"cannot trade {AMOUNT}: at or below the limit {AMOUNT}E-10")

    monkeypatch.setattr("tradeexecutor.state.state.State.read_json_file", refuse)
    result = run("show-trades", path)
    assert result.stderr == "Error: cannot trade 1.2345679: at or below the limit 0.00000000012345679\n"


def test_json_has_all_digits(run: Run, path: Path):
    trade = State.read_json_file(path).portfolio.open_positions[1].trades[1]
    row = json.loads(run("show-trades", path, "--json").stdout)[0]
    assert len(row["quantity"]) > MAX_PLACES
    assert (Decimal(row["quantity"]), row["executed_price"]) == (trade.executed_quantity, trade.executed_price)
    (finding,) = (
        item for item in json.loads(run("audit", path, "--json").stdout)["findings"] if item["name"] == "USDC cash"
    )
    assert len(finding["difference"]) > MAX_PLACES


def test_the_test_sees_long_decimals():
    assert find_long("1,234,567.89 0.00000000000123456 1.5 2024-01-01 12:00:00.000") == []
    assert find_long("1234.56789012 0.000000000000000000000001") == ["1234.56789012", "0.000000000000000000000001"]
