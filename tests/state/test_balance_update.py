"""Balance updates recognise the same event on chain, whoever read it."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.samples import T0, T1, USDC, WETH, balance_update
from tradeexecutor.state.balance_update import BalanceUpdate, BalanceUpdateCause, BalanceUpdatePositionType
from tradeexecutor.state.errors import InvalidStateFile, InvalidValue
from tradeexecutor.state.identifier import AssetIdentifier

Cause = BalanceUpdateCause


def test_deposit_read_twice_is_one_event():
    first, again = balance_update(balance_update_id=1), balance_update(balance_update_id=2, position_id=None)
    assert first == again
    assert {first, again} == {first}


@pytest.mark.parametrize(
    "change",
    [
        {"log_index": 18},
        {"tx_hash": "0xac"},
        {"tx_hash": None},
        {"chain_id": 8453},
        {"asset": WETH},
        {"asset": AssetIdentifier(8453, USDC.address, "USDC", 6)},
        {"cause": Cause.redemption},
        {"cause": Cause.correction},
    ],
)
def test_events_differ_in_transaction_log_asset_and_cause(change: dict[str, Any]):
    assert balance_update() != balance_update(**change)
    assert balance_update(**change) != balance_update()


def test_spelling_of_hash_and_log_index_does_not_matter():
    assert balance_update(tx_hash="0xAB", log_index=0x18D) == balance_update(tx_hash="ab", log_index="0x18d")


def test_odd_log_index_is_compared_as_text():
    assert balance_update(log_index="first") == balance_update(log_index="first")


def test_one_log_can_pay_interest_to_two_positions():
    assert balance_update(cause=Cause.interest, position_id=1) != balance_update(cause=Cause.interest, position_id=2)


@pytest.mark.parametrize("cause", list(Cause))
def test_without_transaction_the_id_decides(cause: Cause):
    event = balance_update(cause=cause, tx_hash=None)
    assert event == balance_update(cause=cause, tx_hash=None)
    assert event != balance_update(cause=cause, tx_hash=None, balance_update_id=2)


@pytest.mark.slow
@given(st.data())
def test_equality_is_symmetric_and_agrees_with_the_hash(data: st.DataObject):
    def draw() -> BalanceUpdate:
        return balance_update(
            balance_update_id=data.draw(st.integers(1, 2)),
            cause=data.draw(st.sampled_from(Cause)),
            tx_hash=data.draw(st.sampled_from([None, "0xab", "AB", "0xcd"])),
            log_index=data.draw(st.sampled_from([None, 1, "0x1", 2])),
            asset=data.draw(st.sampled_from([USDC, WETH])),
            position_id=data.draw(st.sampled_from([None, 1])),
        )

    a, b = draw(), draw()
    assert (a == b) is (b == a)
    if a == b:
        assert hash(a) == hash(b)


def test_holder():
    assert balance_update().is_reserve_update()
    assert not balance_update(position_type=BalanceUpdatePositionType.open_position).is_reserve_update()


def test_yearly_yield_is_simple():
    event = balance_update(
        quantity=Decimal(10),
        old_balance=Decimal(1000),
        previous_update_at=T0,
        block_mined_at=T0 + datetime.timedelta(days=73),
    )
    assert event.get_update_period() == datetime.timedelta(days=73)
    assert event.get_effective_yearly_yield() == 0.049999999999999996


@pytest.mark.parametrize(
    "change", [{"previous_update_at": None}, {"previous_update_at": T1}, {"old_balance": Decimal(0)}]
)
def test_yearly_yield_is_unknown_without_a_period_or_balance(change: dict[str, Any]):
    assert balance_update(**{"old_balance": Decimal(1)} | change).get_effective_yearly_yield() is None


def test_share_count():
    assert balance_update().get_share_count() == "12.5"
    assert balance_update(other_data=None).get_share_count() is None


def test_reads_as_text():
    assert repr(balance_update(block_number=1234567)) == (
        "Funding event #1 deposit 100.0 tokens for strategy reserves at block 1,234,567 from 0xInvestor"
    )
    event = balance_update(position_type=BalanceUpdatePositionType.open_position, block_number=None)
    assert "for position #3 at block 0 from" in repr(event)


@pytest.mark.parametrize("quantity", ["0", "-5.00"])
def test_outflows_and_nothing_are_valid(quantity: str):
    assert balance_update(quantity=Decimal(quantity)).quantity == Decimal(quantity)


@pytest.mark.parametrize(
    "change",
    [
        {"previous_update_at": T1 + datetime.timedelta(seconds=1)},
        {"block_number": 5.0},
        {"block_number": True},
        {"block_mined_at": 1_700_000_000},
    ],
)
def test_constructor_refuses(change: dict[str, Any]):
    with pytest.raises(InvalidValue):
        balance_update(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"previous_update_at": 4_000_000_000},
        {"block_number": "5"},
        {"block_mined_at": "2024-01-01"},
        {"quantity": None},
        {"asset": None},
    ],
)
def test_file_is_refused(change: dict[str, Any]):
    with pytest.raises(InvalidStateFile):
        BalanceUpdate.from_dict(balance_update().to_dict() | change)


def test_hexadecimal_log_index_of_old_files_is_kept():
    tree = balance_update().to_dict() | {"log_index": "0x18d"}
    assert BalanceUpdate.from_dict(tree).to_dict() == tree


def test_callers_may_attach_attributes():
    event = balance_update()
    event.seen_by = "test"  # type: ignore[attr-defined]
    assert "seen_by" not in event.to_dict()


def test_creation_time_is_the_wall_clock():
    tree = balance_update().to_dict()
    del tree["created_at"]
    assert BalanceUpdate.from_dict(tree).created_at is not None
