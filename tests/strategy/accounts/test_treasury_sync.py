"""Deposits, redemptions and flows: booked once, in whatever order they arrive; what is impossible changes nothing."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.balances import read
from tests.kit.every_kind_trader import Driver, assert_balanced
from tests.kit.lending_trader import loan_of, supplied
from tests.kit.soak import SOAK
from tests.kit.trader import A_USDC, ACCOUNT, DAY, LINK, LINK_USDC, SECOND, T0, USDC, WETH, asset, cash_of
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.errors import InvalidValue, RecordFileError, TreasuryEventRefused
from tradeexecutor.state.identifier.chain import ChainId
from tradeexecutor.state.state import State
from tradeexecutor.state.trade import TradeFlag
from tradeexecutor.strategy.accounts.treasury_sync import (
    EventSyncModel,
    TreasuryEvent,
    TreasuryEventKind,
    apply_treasury_events,
    read_treasury_events,
)
from tradeexecutor.strategy.sync_model import BalanceNotReadable

D = Decimal
NOW = T0 + 30 * DAY
DEPOSIT, REDEMPTION = TreasuryEventKind.deposit, TreasuryEventKind.redemption
SETTLEMENT, FLOW = TreasuryEventKind.settlement, TreasuryEventKind.vault_flow


def event(kind: TreasuryEventKind, amount: str | int, number: int = 1, **more: Any) -> TreasuryEvent:
    """An event of the reserve currency; `number` is its place on the chain."""
    token = more.pop("asset", USDC)
    return TreasuryEvent(
        kind,
        token.chain_id,
        token.address,
        D(amount),
        more.pop("happened_at", T0 + DAY + number * SECOND),
        more.pop("tx_hash", f"0x{number:064x}"),
        more.pop("log_index", number % 3),
        more.pop("block_number", 1_000 + number),
        **more,
    )


def portfolio(cash: int = 1_000) -> State:
    """Cash, 100 LINK at 10 USD, and an exchange account with 500."""
    driver = Driver(cash + 1_500)
    driver.buy(1_000, LINK_USDC, 10.0)
    driver.buy(500, ACCOUNT, 1.0)
    return driver.state


def is_refused(state: State, events: Iterable[TreasuryEvent], reason: str, **more: Any) -> TreasuryEventRefused:
    before = state.to_json()
    with pytest.raises(TreasuryEventRefused, match=reason) as caught:
        apply_treasury_events(state, events, NOW, **more)
    assert state.to_json() == before
    return caught.value


# --- Each kind


def test_a_first_deposit_makes_the_reserve():
    state = State(created_at=T0)
    (update,) = apply_treasury_events(state, [event(DEPOSIT, "1000.5")], NOW, [USDC]).booked
    assert (cash_of(state), update.cause) == (D("1000.5"), BalanceUpdateCause.deposit)
    assert (update.strategy_cycle_included_at, update.block_mined_at) == (NOW, T0 + DAY + SECOND)
    assert (update.block_number, update.log_index) == (1_001, "0x1")
    treasury = state.sync.treasury
    assert (treasury.last_updated_at, treasury.last_cycle_at, treasury.last_block_scanned) == (NOW, NOW, 1_001)


def test_a_redemption_of_cash_takes_cash():
    state = portfolio()
    (update,) = apply_treasury_events(state, [event(REDEMPTION, 300)], NOW).booked
    assert (cash_of(state), update.quantity, update.usd_value) == (700, -300, -300.0)


def test_a_redemption_in_kind_takes_tokens_of_the_position():
    state = portfolio()
    apply_treasury_events(state, [event(REDEMPTION, 40, asset=LINK)], NOW)
    assert (cash_of(state), state.portfolio.open_positions[1].get_quantity()) == (1_000, 60)


def test_a_redemption_in_kind_takes_from_a_loan():
    lender, position = supplied("4000")
    apply_treasury_events(lender.state, [event(REDEMPTION, 401, asset=A_USDC)], NOW)
    assert (position.get_quantity(), loan_of(position).collateral.quantity) == (3_599, 3_599)


def test_a_vault_flow_changes_a_position_that_is_known_by_its_value():
    state = portfolio()
    account = state.portfolio.open_positions[2]
    apply_treasury_events(state, [event(FLOW, "-12.5", asset=ACCOUNT.base)], NOW)
    assert account.get_quantity() == D("487.5")
    assert account.share_price_state is not None
    assert account.share_price_state.current_share_price == pytest.approx(0.975)


def test_a_settlement_moves_the_net_flow_and_counts_the_shares():
    state = portfolio()
    (update,) = apply_treasury_events(state, [event(SETTLEMENT, -100, share_count=D(2_300))], NOW).booked
    assert (cash_of(state), state.sync.treasury.share_count) == (900, 2_300)
    assert update.get_share_count() == "2300"


def test_a_deposit_at_the_share_price_keeps_it():
    state = portfolio()
    state.sync.treasury.share_count = D(2_000)
    before = state.portfolio.get_net_asset_value() / 2_000
    apply_treasury_events(state, [event(DEPOSIT, 250, share_count=D(2_200))], NOW)
    assert state.portfolio.get_net_asset_value() / float(state.sync.treasury.share_count) == before


def test_the_share_count_stays_when_nothing_tells_another():
    state = portfolio()
    state.sync.treasury.share_count = D(2_000)
    apply_treasury_events(state, [event(SETTLEMENT, 10)], NOW)
    assert state.sync.treasury.share_count == 2_000


# --- Again, and in any order


def test_an_event_that_arrives_twice_is_booked_once():
    state = portfolio()
    first = apply_treasury_events(state, [event(DEPOSIT, 10), event(DEPOSIT, 10)], NOW)
    assert (len(first.booked), len(first.known)) == (1, 1)
    before = state.to_json()
    again = apply_treasury_events(state, [event(DEPOSIT, 10)], NOW + DAY)
    assert (len(again.booked), len(again.known)) == (0, 1)
    assert state.to_json() == before


def test_an_event_is_recognised_however_its_transaction_is_written():
    state = portfolio()
    apply_treasury_events(state, [event(DEPOSIT, 10, tx_hash="0xABC", log_index=17)], NOW)
    (update,) = (u for u in state.portfolio.get_default_reserve_position().balance_updates.values() if u.tx_hash)
    update.log_index = "0x11"
    assert not apply_treasury_events(state, [event(DEPOSIT, 10, tx_hash="abc", log_index=17)], NOW).booked


def test_logs_of_one_transaction_are_different_events():
    state = portfolio()
    events = [event(DEPOSIT, 10, tx_hash="0x1", log_index=number) for number in range(3)]
    events.append(event(REDEMPTION, 5, tx_hash="0x1", log_index=0, asset=LINK))
    assert len(apply_treasury_events(state, events, NOW).booked) == 4


def test_a_redemption_may_arrive_before_the_deposit_that_pays_for_it():
    state = portfolio(100)
    apply_treasury_events(state, [event(REDEMPTION, 500, 9), event(DEPOSIT, 450, 3)], NOW)
    assert cash_of(state) == 50


def test_a_redemption_waits_for_a_later_deposit_when_trades_have_spent_the_cash():
    state = portfolio(0)
    booked = apply_treasury_events(state, [event(REDEMPTION, 500, 3), event(DEPOSIT, 600, 9)], NOW).booked
    assert [update.old_balance for update in booked] == [0, 600]
    assert_balanced(state)


def test_the_share_count_is_that_of_the_latest_event_not_of_the_last_arrival():
    state = portfolio()
    apply_treasury_events(state, [event(SETTLEMENT, 5, 8, share_count=D(80))], NOW)
    apply_treasury_events(state, [event(SETTLEMENT, 5, 4, share_count=D(40))], NOW + DAY)
    assert state.sync.treasury.share_count == 80


_KINDS = ((DEPOSIT, USDC), (REDEMPTION, USDC), (SETTLEMENT, USDC), (REDEMPTION, LINK), (FLOW, ACCOUNT.base))


@st.composite
def histories(draw: st.DrawFn) -> list[TreasuryEvent]:
    """What can have happened on a chain, in its order."""
    cash, link, account = D(1_000), D(100), D(500)
    events: list[TreasuryEvent] = []
    for number in range(draw(st.integers(1, 8))):
        kind, token = draw(st.sampled_from(_KINDS))
        amount = draw(st.decimals("0.000001", "900", places=6))
        signed = amount
        if kind is REDEMPTION or (kind is not DEPOSIT and draw(st.booleans())):
            signed = -amount
        held = {USDC: cash, LINK: link}.get(token, account)
        if held + signed < 0:
            continue
        if token == USDC:
            cash += signed
        elif token == LINK:
            link += signed
        else:
            account += signed
        shares = draw(st.none() | st.decimals("1", "5000", places=3)) if token == USDC else None
        more = {"share_count": shares, "asset": token}
        events.append(event(kind, str(amount if kind is REDEMPTION else signed), number, **more))
    return events


def summarise(state: State) -> dict[str, Any]:
    """What must not depend on the order of arrival; numbers of balance updates and cycles do."""
    places = state.portfolio
    updates = [u for r in places.reserves.values() for u in r.balance_updates.values()]
    updates += [u for p in places.open_positions.values() for u in p.balance_updates.values()]
    share_prices = [
        p.share_price_state and round(p.share_price_state.current_share_price, 9)
        for p in places.open_positions.values()
    ]
    by_id = {update.balance_update_id: update for update in updates}
    return {
        "cash": cash_of(state),
        "quantities": [position.get_quantity() for position in places.open_positions.values()],
        "share_count": state.sync.treasury.share_count,
        "nav": round(places.get_net_asset_value(), 6),
        "share_prices": share_prices,
        "block": state.sync.treasury.last_block_scanned,
        "updates": sorted((u.block_mined_at, u.cause.value, u.quantity, u.usd_value) for u in updates),
        "treasury": [by_id[ref.balance_event_id].block_mined_at for ref in state.sync.treasury.balance_update_refs],
        "flows": [(ref.cause, ref.usd_value) for ref in state.sync.treasury.balance_update_refs],
    }


TEXT = portfolio().to_json()


def deliver(batches: Iterable[list[TreasuryEvent]]) -> State:
    """Take batches in; what is refused for now comes again with the next batch."""
    state = State.read_json_blob(TEXT)
    waiting: list[TreasuryEvent] = []
    for batch in batches:
        waiting = [*waiting, *batch]
        before = state.to_json()
        try:
            apply_treasury_events(state, waiting, NOW)
        except TreasuryEventRefused:
            assert state.to_json() == before
        else:
            waiting = []
            assert_balanced(state)
    assert not waiting
    return state


@settings(
    max_examples=60 * SOAK,
    suppress_health_check=[HealthCheck.too_slow],
    deadline=None,
)
@given(data=st.data(), history=histories())
def test_the_order_of_arrival_duplicates_and_batches_do_not_matter(data: st.DataObject, history: list[TreasuryEvent]):
    expected = deliver([history])
    duplicates = data.draw(st.lists(st.sampled_from(history), max_size=4)) if history else []
    arrival = data.draw(st.permutations([*history, *duplicates]))
    # One batch gives the same state, to the byte.
    assert deliver([arrival]).to_json() == expected.to_json()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrival)), max_size=3)))
    batches = [arrival[first:end] for first, end in zip([0, *cuts], [*cuts, len(arrival)], strict=True)]
    assert summarise(deliver(batches)) == summarise(expected)


# --- When the chain is reorganised


def reorganise(history: Iterable[TreasuryEvent], blocks: int, logs: int) -> list[TreasuryEvent]:
    """The same transactions in later blocks, behind other logs."""
    return [
        dataclasses.replace(
            item,
            block_number=item.block_number and item.block_number + blocks,
            happened_at=item.happened_at + blocks * SECOND,
            log_index=item.log_index + logs,
        )
        for item in history
    ]


@pytest.mark.parametrize(("blocks", "logs"), [(2, -4), (0, -4), (2, 0)])
def test_a_deposit_that_is_mined_again_is_recognised(blocks: int, logs: int):
    state = portfolio()
    deposit = event(DEPOSIT, 250, log_index=7)
    apply_treasury_events(state, [deposit], NOW)
    before = state.to_json()
    result = apply_treasury_events(state, reorganise([deposit], blocks, logs), NOW + DAY)
    assert (len(result.booked), len(result.known)) == (0, 1)
    assert state.to_json() == before


def test_equal_transfers_of_one_transaction_are_told_apart_by_their_order():
    state = portfolio()
    two = [event(DEPOSIT, 10, tx_hash="0x1", log_index=number) for number in (4, 6)]
    apply_treasury_events(state, two, NOW)
    moved = reorganise(two, 1, 5)
    three = [*moved, dataclasses.replace(moved[0], log_index=20)]
    result = apply_treasury_events(state, three, NOW)
    assert ([update.log_index for update in result.booked], result.known) == (["0x14"], moved)
    assert cash_of(state) == 1_030


def test_both_versions_of_a_transaction_in_one_batch_are_one():
    state = portfolio()
    deposit = event(DEPOSIT, 250, log_index=7)
    (update,) = apply_treasury_events(state, [deposit, *reorganise([deposit], 2, -4)], NOW).booked
    assert (update.block_number, update.log_index) == (1_003, "0x3")
    (other,) = reorganise([deposit], 4, 1)
    is_refused(
        portfolio(),
        [deposit, dataclasses.replace(other, amount=D(251))],
        "came twice, with different events: in block 1005 and in block 1001",
    )


def test_a_transaction_that_has_another_result_when_it_is_mined_again_is_refused():
    """What it did before is booked, and nothing tells that this is undone: it is for a person to correct."""
    state = portfolio()
    deposit = event(DEPOSIT, 250, log_index=7)
    apply_treasury_events(state, [deposit], NOW)
    (moved,) = reorganise([deposit], 2, -4)
    is_refused(state, [dataclasses.replace(moved, amount=D(251))], "was booked before as a deposit of 250")
    # In the same block it is another log of the same transaction.
    apply_treasury_events(state, [deposit, dataclasses.replace(deposit, log_index=8, amount=D(5))], NOW)
    assert cash_of(state) == 1_255


def test_a_settlement_of_an_old_file_has_no_log_and_is_recognised():
    state = portfolio()
    settlement = event(SETTLEMENT, 40)
    (update,) = apply_treasury_events(state, [settlement], NOW).booked
    update.log_index = update.block_number = None
    assert not apply_treasury_events(state, [settlement], NOW).booked
    is_refused(state, [event(SETTLEMENT, 41)], "was booked before as a deposit_and_redemption of 40")


@settings(max_examples=40 * SOAK, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    history=histories(),
    blocks=st.integers(0, 3),
    logs=st.integers(0, 9),
    width=st.integers(1, 3),
    unknown=st.booleans(),
)
def test_no_reorganisation_books_anything_again(
    history: list[TreasuryEvent], blocks: int, logs: int, width: int, unknown: bool
):
    """Transactions with several transfers, equal ones among them, with and without blocks."""
    packed = [
        dataclasses.replace(
            item,
            tx_hash=f"0x{number // width:064x}",
            happened_at=T0 + DAY + number // width * SECOND,
            block_number=None if unknown else 1_000 + number // width,
            log_index=number,
        )
        for number, item in enumerate(history)
    ]
    state = deliver([packed])
    before = state.to_json()
    again = apply_treasury_events(state, reorganise(packed, blocks, logs), NOW + DAY)
    assert (again.booked, len(again.known)) == ([], len(packed))
    assert state.to_json() == before


# --- What cannot have happened


def test_more_than_there_is_is_refused_with_the_numbers():
    error = is_refused(portfolio(), [event(REDEMPTION, 1_500, 2), event(DEPOSIT, 400, 1)], "take 1100 USDC out")
    assert (error.available, error.needed) == (1_000, 1_100)
    assert error.event.startswith("redemption of 1500 tokens")


def test_more_tokens_than_a_position_holds_are_refused():
    error = is_refused(portfolio(), [event(REDEMPTION, 101, asset=LINK)], "which|holds")
    assert (error.available, error.needed) == (100, 101)


def test_a_token_that_nobody_knows_is_refused():
    for kind in TreasuryEventKind:
        is_refused(portfolio(), [event(kind, 1, asset=asset("SCAM", 18, 77))], "token")


def test_a_token_of_another_chain_is_another_token():
    is_refused(portfolio(), [event(DEPOSIT, 1, asset=asset("USDC", 6, 1, 137))], "not a reserve currency")


def test_nobody_deposits_what_a_position_holds():
    is_refused(portfolio(), [event(DEPOSIT, 1, asset=LINK)], "not a reserve currency")


def test_cash_has_no_vault_flows():
    is_refused(portfolio(), [event(FLOW, 1)], "not vault flows")


def test_nothing_is_redeemed_in_kind_from_an_account():
    is_refused(portfolio(), [event(REDEMPTION, 1, asset=ACCOUNT.base)], "in kind")


def test_what_was_before_the_deployment_is_refused():
    state = portfolio()
    state.sync.deployment.block_mined_at = T0 + 2 * DAY
    is_refused(state, [event(DEPOSIT, 1)], "deployed later")
    state.sync.deployment.block_mined_at = None
    state.sync.deployment.chain_id = ChainId.ethereum
    state.sync.deployment.block_number = 5_000
    is_refused(state, [event(DEPOSIT, 1)], "before block 5,000")


def test_what_is_yet_to_come_is_refused():
    is_refused(portfolio(), [event(DEPOSIT, 1, happened_at=NOW + DAY)], "has not happened yet")


def test_one_impossible_event_refuses_the_whole_batch():
    is_refused(portfolio(), [event(DEPOSIT, 5, 1), event(REDEMPTION, 101, 2, asset=LINK)], "LINK")


def test_an_event_does_not_change_afterwards():
    state = portfolio()
    apply_treasury_events(state, [event(DEPOSIT, 10)], NOW)
    is_refused(state, [event(DEPOSIT, 11)], "was booked before")
    is_refused(state, [event(DEPOSIT, 10, 2), event(DEPOSIT, 20, 2)], "came twice")


def test_several_positions_with_one_token_need_a_number():
    driver = Driver(10_000)
    first = driver.buy(1_000, LINK_USDC, 10.0)
    _, trade, _ = driver.state.create_trade(
        driver.ts, LINK_USDC, D(10), None, 10.0, first.trade_type, USDC, 1.0, flags={TradeFlag.ignore_open}
    )
    driver.succeed(driver.send(trade))
    is_refused(driver.state, [event(REDEMPTION, 1, asset=LINK)], "choose one with position_id")
    apply_treasury_events(driver.state, [event(REDEMPTION, 1, asset=LINK, position_id=2)], NOW)
    assert [p.get_quantity() for p in driver.state.portfolio.open_positions.values()] == [100, 9]
    is_refused(driver.state, [event(REDEMPTION, 1, 5, asset=LINK, position_id=3)], "no open position #3")


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": D(0)},
        {"amount": D(-5)},
        {"amount": D("NaN")},
        {"amount": 5.0},
        {"share_count": D(-1)},
        {"tx_hash": ""},
        {"kind": FLOW, "amount": D(0)},
    ],
)
def test_an_event_that_makes_no_sense_cannot_be_made(changes: dict[str, Any]):
    with pytest.raises(InvalidValue):
        dataclasses.replace(event(DEPOSIT, 5), **changes)


# --- Files


COLUMNS = "kind,time,chain_id,token,amount,tx_hash,log_index,block,owner,share_count,position_id,notes"


def write(folder: Path, *rows: str, heading: str = COLUMNS) -> Path:
    path = folder / "events.csv"
    path.write_text("\n".join([heading, *rows]) + "\n")
    return path


def test_events_are_read_from_csv(tmp_path: Path):
    path = write(tmp_path, f"deposit,2022-01-02T00:00:00Z,1,{USDC.address},1000.50,0xab,0x11,7,0x9,12.5,,hello")
    (read_event,) = read_treasury_events(path)
    assert read_event == TreasuryEvent(
        DEPOSIT, 1, USDC.address, D("1000.50"), T0 + DAY, "0xab", 17, 7, "0x9", D("12.5"), None, "hello"
    )


def test_events_are_read_from_json_digit_by_digit(tmp_path: Path):
    path = tmp_path / "events.json"
    amount = "0.1234567890123456789012345678901"
    record = {
        "kind": "vault_flow", "time": 1641081600, "chain_id": 1, "token": WETH.address, "amount": "AMOUNT",
        "tx_hash": "transfer-7", "log_index": 0, "notes": None,
    }  # fmt: skip
    path.write_text(json.dumps({"events": [record]}).replace('"AMOUNT"', amount))
    (read_event,) = read_treasury_events(path)
    assert (read_event.amount, read_event.happened_at) == (D(amount), T0 + DAY)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("gift,2022-01-02,1,0x1,5,0xab,0,,,,,", "record 1: kind must be one of deposit, redemption"),
        ("deposit,yesterday,1,0x1,5,0xab,0,,,,,", "time must be a time such as"),
        ("deposit,2022-01-02,eth,0x1,5,0xab,0,,,,,", "chain_id must be an integer, got 'eth'"),
        ('deposit,2022-01-02,1,0x1,"1,000",0xab,0,,,,,', "amount must be a number such as 1234.5, got '1,000'"),
        ("deposit,2022-01-02,1,0x1,1e999,0xab,0,,,,,", "amount must be an amount of tokens"),
        ("deposit,2022-01-02,1,0x1,-5,0xab,0,,,,,", "must be positive, got -5"),
        ("deposit,2022-01-02,1,0x1,5,,0,,,,,", "tx_hash is missing"),
        ("deposit,2022-01-02,1,0x1,5,0xab", "6 cells, the heading has 12"),
    ],
)
def test_errors_name_the_record(tmp_path: Path, row: str, reason: str):
    with pytest.raises(RecordFileError, match=reason) as caught:
        read_treasury_events(write(tmp_path, row))
    assert caught.value.row == 1


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("events.txt", "x", "must end with .csv or .json"),
        ("events.csv", "", "the file is empty"),
        ("events.csv", COLUMNS, "no records"),
        ("events.csv", "kind,kind", "occurs twice"),
        ("events.csv", f"{COLUMNS},colour\n" + "deposit,2022-01-02,1,0x1,5,0xab,0,,,,,,red", "unknown name 'colour'"),
        ("events.json", "{", "this is not JSON"),
        ("events.json", "5", "expected a list of objects"),
        ("events.json", "[5]", "expected an object"),
        ("events.json", '[{"kind": ["deposit"]}]', "kind must be text or a number"),
        ("events.csv", b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_errors_about_the_file(tmp_path: Path, name: str, text: str | bytes, reason: str):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecordFileError, match=reason):
        read_treasury_events(path)


# --- In a strategy


def test_a_sync_model_takes_events_from_any_source():
    state = State(created_at=T0)
    events = [event(DEPOSIT, 100, 1), event(DEPOSIT, 50, 2)]
    model = EventSyncModel(lambda until: events, read({USDC: 150}))
    assert [u.quantity for u in model.sync_treasury(NOW, state, [USDC], end_block=1_001)] == [100]
    assert [u.quantity for u in model.sync_treasury(NOW, state)] == [50]
    assert model.sync_treasury(NOW, state) == []
    assert [balance.amount for balance in model.fetch_onchain_balances([USDC])] == [150]
    assert model.get_token_storage_address() == "0xabc"


def test_a_sync_model_without_balances_says_so():
    with pytest.raises(BalanceNotReadable):
        EventSyncModel(lambda until: []).fetch_onchain_balances([USDC])


def test_a_reference_that_is_no_hash_is_recorded_as_a_hash_and_as_a_note():
    state = portfolio()
    transfer = event(DEPOSIT, 10, tx_hash="Bank transfer 12", owner_address="Ms. Smith", notes="first")
    (update,) = apply_treasury_events(state, [transfer], NOW).booked
    assert update.tx_hash == "0x" + hashlib.sha256(b"bank transfer 12").hexdigest()
    assert update.owner_address is None
    assert update.notes == "first\nreference: Bank transfer 12\nowner: Ms. Smith"
    again = apply_treasury_events(state, [transfer], NOW)
    assert (again.booked, again.known) == ([], [transfer])


def test_a_reference_that_was_booked_as_text_is_recognised():
    state = portfolio()
    transfer = event(DEPOSIT, 10, tx_hash="bank-12")
    (update,) = apply_treasury_events(state, [transfer], NOW).booked
    update.tx_hash = "bank-12"
    assert apply_treasury_events(State.from_dict(state.to_dict()), [transfer], NOW).booked == []


def test_a_hash_and_an_address_are_recorded_as_they_are_with_prefix():
    owner, tx_hash = "0x" + "Ab" * 20, "Cd" * 32
    (update,) = apply_treasury_events(
        portfolio(), [event(DEPOSIT, 10, tx_hash=tx_hash, owner_address=owner)], NOW
    ).booked
    assert (update.tx_hash, update.owner_address, update.notes) == ("0x" + tx_hash, owner, None)
