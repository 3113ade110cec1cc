"""Files of balances: what is in them, and what is said about the ones that cannot be understood."""

import datetime
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.trader import DAY, FAR_USDC, T0, USDC, WETH
from tradeexecutor.backtest.simulated_wallet import SimulatedWallet
from tradeexecutor.state.errors import InvalidValue, RecordFileError
from tradeexecutor.strategy.accounts.balance_source import (
    RecordedBalance,
    RecordedBalances,
    WalletBalances,
    read_balance_file,
    write_balance_file,
)
from tradeexecutor.strategy.accounts.record_file import to_naive_utc

D = Decimal
NOW = T0 + 30 * DAY
ALICE, BOB = "0xa11ce", "0xb0b"


def write(folder: Path, *rows: str, heading: str = "time,block,chain_id,address,token,symbol,amount") -> Path:
    path = folder / "balances.csv"
    path.write_text("\n".join([heading, *rows]) + "\n")
    return path


def balance(amount: str, holder: str | None = None, day: int = 0) -> RecordedBalance:
    return RecordedBalance(T0 + day * DAY, USDC, D(amount), day, holder, f"record of day {day}")


def test_balances_are_read_from_csv(tmp_path: Path):
    path = write(tmp_path, f"2022-01-02T03:00:00,77,1,{ALICE},{USDC.address.upper().replace('0X', '0x')},USDC,12.50")
    recorded = read_balance_file(path, NOW)
    (item,) = recorded.balances
    assert (item.time, item.block_number, item.holder) == (T0 + DAY + datetime.timedelta(hours=3), 77, ALICE)
    assert (item.asset, item.asset.token_symbol, str(item.amount)) == (USDC, "USDC", "12.50")
    assert recorded.get_token_storage_address() == ALICE


def test_balances_are_read_from_json_digit_by_digit(tmp_path: Path):
    path = tmp_path / "balances.json"
    amount = "100.000000000000000000000000000001"
    path.write_text(f'[{{"chain_id": 1, "token": "{USDC.address}", "amount": {amount}, "symbol": null}}]')
    (item,) = read_balance_file(path, NOW).balances
    assert (item.amount, item.time, item.holder) == (D(amount), NOW, None)
    assert item.asset.token_symbol == "0x000000…"


def test_known_tokens_keep_their_name(tmp_path: Path):
    path = write(tmp_path, f"1,{USDC.address},scam,5", heading="chain_id,token,symbol,amount")
    (item,) = read_balance_file(path, NOW, [USDC]).balances
    assert item.asset is USDC


def test_what_several_addresses_hold_is_added_up():
    recorded = RecordedBalances([balance("5", ALICE), balance("7.5", BOB)])
    (observation,) = recorded.get_observations(USDC)
    assert observation.amount == D("12.5")
    assert recorded.get_token_storage_address() is None
    assert recorded.holders == [ALICE, BOB]


def test_only_one_address_may_be_asked_for(tmp_path: Path):
    rows = [f"2022-01-01,,1,{holder},{USDC.address},USDC,{amount}" for holder, amount in ((ALICE, 5), (BOB, 7))]
    path = write(tmp_path, *rows)
    (observation,) = read_balance_file(path, NOW, holder=BOB.upper().replace("0X", "0x")).get_observations(USDC)
    assert observation.amount == 7
    with pytest.raises(RecordFileError, match="no record is about 0xc"):
        read_balance_file(path, NOW, holder="0xc")


def test_the_latest_balance_counts_and_older_ones_can_be_asked_for():
    recorded = RecordedBalances([balance("7", day=2), balance("5", day=1)])
    assert [item.amount for item in recorded.get_observations(USDC)] == [5, 7]
    assert [item.amount for item in recorded.fetch_onchain_balances([USDC])] == [7]
    assert [item.amount for item in recorded.fetch_onchain_balances([USDC], block_identifier=1)] == [5]
    assert [item.amount for item in recorded.until(T0 + DAY).fetch_onchain_balances([USDC])] == [5]
    assert recorded.times == [T0 + DAY, T0 + 2 * DAY]
    with pytest.raises(RecordFileError, match="no balance was read until"):
        recorded.until(T0)


def test_what_was_not_read_is_not_zero():
    recorded = RecordedBalances([balance("0")])
    assert list(recorded.fetch_onchain_balances([WETH], filter_zero=False)) == []
    assert [item.amount for item in recorded.fetch_onchain_balances([USDC], filter_zero=False)] == [0]
    assert list(recorded.fetch_onchain_balances([USDC])) == []


def test_chains_are_told_apart():
    recorded = RecordedBalances([balance("5"), RecordedBalance(T0, FAR_USDC, D(9))])
    assert [item.amount for item in recorded.fetch_onchain_balances([USDC, FAR_USDC])] == [5, 9]


@pytest.mark.parametrize(
    ("balances", "reason"),
    [
        (
            [balance("5", ALICE), balance("6", ALICE)],
            "record of day 0 and record of day 0 are both the USDC of 0xa11ce",
        ),
        ([balance("5"), balance("6")], "both the USDC of no address"),
        ([balance("-5")], "nobody holds -5 USDC"),
        ([balance("5", ALICE), balance("5", BOB), balance("5", ALICE, 1)], "what 0xb0b held of USDC at 2022-01-02"),
    ],
)
def test_balances_that_contradict_each_other_are_refused(balances: list[RecordedBalance], reason: str):
    with pytest.raises(RecordFileError, match=reason):
        RecordedBalances(balances)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"2022-01-01,,1,,{USDC.address},,", "record 1: amount is missing"),
        (f"2022-01-01,,1,,{USDC.address},,-4", "record 1: amount must not be negative, got -4"),
        (f"2022-01-01,,1,,{USDC.address},,nan", "must be an amount of tokens, got 'nan'"),
        (f"2022-01-01,,1,,{USDC.address},,1_000", "must be a number such as 1234.5"),
        ("2022-01-01,,1,,USDC,,4", "record 1: token: asset address"),
        (f"2022-01-01,late,1,,{USDC.address},,4", "block must be an integer"),
        (f"soon,,1,,{USDC.address},,4", "time must be a time such as 2024-05-01T12:00:00"),
    ],
)
def test_errors_name_the_record(tmp_path: Path, row: str, reason: str):
    with pytest.raises(RecordFileError, match=reason):
        read_balance_file(write(tmp_path, row), NOW)


def test_either_all_records_have_a_time_or_none(tmp_path: Path):
    rows = [f"2022-01-01,,1,{ALICE},{USDC.address},,4", f",,1,{ALICE},{WETH.address},,4"]
    with pytest.raises(RecordFileError, match="record 2: time is missing"):
        read_balance_file(write(tmp_path, *rows), NOW)


@given(amounts=st.lists(st.decimals("0", "1e30", allow_nan=False, places=18), min_size=1, max_size=2))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal]):
    folder = tmp_path_factory.mktemp("balances")
    balances = dict(zip((USDC, WETH), amounts, strict=False))
    for name in ("balances.csv", "balances.json"):
        write_balance_file(folder / name, T0, balances, ALICE, 5)
        recorded = read_balance_file(folder / name, NOW)
        assert {item.asset: item.amount for item in recorded.balances} == balances
        assert {(item.time, item.holder, item.block_number) for item in recorded.balances} == {(T0, ALICE, 5)}
    assert all(isinstance(item["amount"], str) for item in json.loads((folder / "balances.json").read_text()))


def test_a_file_of_another_kind_is_not_written(tmp_path: Path):
    with pytest.raises(RecordFileError, match="must end with"):
        write_balance_file(tmp_path / "balances.xlsx", T0, {USDC: D(1)})


def test_a_simulated_wallet_holds_what_its_entries_say():
    wallet = SimulatedWallet()
    wallet.update_balance(USDC, D(5))
    source = WalletBalances(wallet, T0)
    assert [(item.asset, item.amount) for item in source.fetch_onchain_balances([USDC, WETH])] == [(USDC, 5)]
    assert [item.amount for item in source.fetch_onchain_balances([USDC, WETH], filter_zero=False)] == [5, 0]
    with pytest.raises(InvalidValue):
        source.fetch_onchain_balances([USDC], block_identifier=7)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2022-01-01", T0),
        ("2022-01-01T02:00:00+02:00", T0),
        ("2022-01-01T00:00:00Z", T0),
        ("1640995200", T0),
        ("1640995200.5", T0 + datetime.timedelta(seconds=0.5)),
        ("20220101", T0),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, time: datetime.datetime):
    assert to_naive_utc(text) == time


@pytest.mark.parametrize("text", ["", "noon", "99999999999999999", "nan-------", "2022-13-01"])
def test_other_texts_are_no_times(text: str):
    with pytest.raises(ValueError, match=r"."):
        to_naive_utc(text)
