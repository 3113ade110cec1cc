"""Fixtures of the tests of the store commands."""

from pathlib import Path

import pytest

from tests.kit.store_contract import make_state
from tests.kit.trader import WETH_USDC, Trader, new_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.store import JSONFileStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three saves."""
    path = tmp_path / "demo.json"
    with JSONFileStore(path) as store:
        for name in ("first", "second", "third"):
            store.sync(make_state(name))
    return path


@pytest.fixture
def damaged(path: Path) -> Path:
    path.write_bytes(path.read_bytes().replace(b"third", b"THIRD"))
    return path


@pytest.fixture(autouse=True)
def _full_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of the tests may set a width, at which long paths are broken."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Four saves: an empty state, a purchase, a sale, and another purchase."""
    monkeypatch.chdir(tmp_path)
    state = new_state()
    state.name = "Demo"
    trader = Trader(state)
    with SQLStateStore("sqlite:///trading.db#demo") as store:
        store.sync(state)
        for cycle, trade in enumerate((trader.buy, trader.sell, trader.buy), start=2):
            trade(WETH_USDC, "1", 2000.0)
            state.cycle = cycle
            store.sync(state)
    return "sqlite:///trading.db#demo"
