"""The state of a new strategy is made once, and emptied without losing what it is called and where it is."""

import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.kit.funded_trader import fund
from tests.kit.trader import USDC, WETH_USDC
from tradeexecutor.operations.create_state import NewStrategy, create_state_file
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.operations.reset import reset_state
from tradeexecutor.state.errors import InvalidValue, OperationRefused
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore

NOW = datetime.datetime(2030, 1, 1)


def test_a_new_file_has_one_reserve_and_the_deposit_as_an_event(tmp_path: Path):
    path = tmp_path / "state.json"
    create_state_file(path, NewStrategy("Paper", USDC, Decimal("1000.5")))
    state = State.read_json_file(path)
    assert (state.name, state.portfolio.get_cash()) == ("Paper", 1000.5)
    assert len(state.sync.treasury.balance_update_refs) == 1


def test_a_file_that_exists_and_one_with_earlier_saves_are_refused(tmp_path: Path):
    path = tmp_path / "state.json"
    strategy = NewStrategy("Paper", USDC)
    create_state_file(path, strategy)
    before = path.read_bytes()
    with pytest.raises(OperationRefused) as refusal:
        create_state_file(path, strategy)
    assert refusal.value.remedy == Remedy.reset
    assert path.read_bytes() == before
    with JSONFileStore(path) as store:
        store.sync(store.load())  # keeps the file before as a backup
    path.unlink()
    with pytest.raises(OperationRefused) as refusal:
        create_state_file(path, strategy)
    assert refusal.value.remedy == Remedy.recover
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "deposit"), [(" ", None), ("x", "0"), ("x", "-1"), ("x", "NaN"), ("x", "0.0000001")], ids=str
)
def test_what_cannot_be_is_refused(name: str, deposit: str | None):
    with pytest.raises(InvalidValue):
        NewStrategy(name, USDC, None if deposit is None else Decimal(deposit))


def test_a_reset_says_what_is_lost_and_keeps_the_reserve_without_its_cash():
    trader = fund()
    trader.buy(WETH_USDC, "1", 2000.0)
    loss = reset_state(trader.state, NOW)
    assert (loss.open_positions, loss.trades, loss.cash_usd, loss.net_asset_value_usd) == (1, 1, 8000.0, 10_000.0)
    assert (trader.state.name, trader.state.created_at) == ("test", NOW)
    assert trader.state.portfolio.get_default_reserve_position().asset == USDC
    assert trader.state.portfolio.get_cash() == 0
    assert not trader.state.portfolio.open_positions
