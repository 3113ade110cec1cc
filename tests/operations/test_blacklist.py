"""The blacklist: tokens by address, on a chain that is known or named."""

import dataclasses
import datetime

import pytest

from tests.kit.funded_trader import fund
from tests.kit.trader import WETH, WETH_USDC
from tradeexecutor.operations.blacklist import (
    TokenAddress,
    add_to_blacklist,
    list_blacklist,
    remove_from_blacklist,
)
from tradeexecutor.operations.remedy import Remedy
from tradeexecutor.state.errors import InvalidValue, OperationRefused
from tradeexecutor.state.state import State

NOW = datetime.datetime(2030, 1, 1)
UNKNOWN = "0x" + "ab" * 20


@pytest.fixture
def state() -> State:
    trader = fund()
    trader.buy(WETH_USDC, "1", 2000.0)
    return trader.state


def test_a_token_that_is_held_is_listed_with_its_positions_and_allowed_again(state: State):
    token = TokenAddress.parse(WETH.address.upper().replace("0X", "0x"))
    change = add_to_blacklist(state, token, NOW, reason="takes a tax")
    assert dataclasses.asdict(change) == {
        "action": "blacklisted",
        "token": WETH.get_identifier(),
        "symbol": "WETH",
        "positions": (1,),
    }
    assert not state.is_good_pair(WETH_USDC)
    (listed,) = list_blacklist(state)
    assert "takes a tax" in (listed.reason or "")
    assert add_to_blacklist(state, token, NOW).action == "was blacklisted before"
    assert remove_from_blacklist(state, token).action == "allowed again"
    assert list_blacklist(state) == []
    assert state.is_good_pair(WETH_USDC)


def test_a_token_that_the_state_does_not_know_needs_a_chain(state: State):
    before = state.to_json()
    with pytest.raises(OperationRefused) as refusal:
        add_to_blacklist(state, TokenAddress.parse(UNKNOWN), NOW)
    assert refusal.value.remedy == Remedy.name_chain
    assert state.to_json() == before
    change = add_to_blacklist(state, TokenAddress.parse(f"137-{UNKNOWN}"), NOW)
    assert (change.token, change.symbol, change.positions) == (f"137-{UNKNOWN}", None, ())
    add_to_blacklist(state, TokenAddress.parse(UNKNOWN, 1), NOW)
    with pytest.raises(OperationRefused, match="blacklisted as") as refusal:
        remove_from_blacklist(state, TokenAddress(UNKNOWN))
    assert refusal.value.remedy == Remedy.name_chain
    remove_from_blacklist(state, TokenAddress(UNKNOWN, 1))
    assert [item.token for item in list_blacklist(state)] == [f"137-{UNKNOWN}"]


def test_what_is_no_address_or_not_listed_is_refused(state: State):
    with pytest.raises(InvalidValue, match="not an address"):
        TokenAddress.parse("WETH")
    with pytest.raises(OperationRefused, match="is not blacklisted") as refusal:
        remove_from_blacklist(state, TokenAddress.parse(UNKNOWN))
    assert refusal.value.remedy == Remedy.list_blacklist
