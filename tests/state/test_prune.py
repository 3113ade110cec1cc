"""Closed positions give up detail: it is discarded, or moved into an archive and put back exactly."""

import copy
import datetime
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.faults.files import Crash, FaultyFiles
from tests.kit.figures import ACCESSORS, get_closed_figures, get_figures
from tests.kit.prunable import add_event, make_state, make_transaction
from tests.kit.trader import ACCOUNT, DAY, T0, WBTC_USDC, WETH_USDC, Trader, new_state
from tradeexecutor.ledger.proof import Proof, prove
from tradeexecutor.state.balance_update import BalanceUpdateCause
from tradeexecutor.state.blockchain_transaction import BlockchainTransaction
from tradeexecutor.state.errors import (
    ArchiveError,
    ArchiveMismatch,
    ArchiveMissing,
    BadStateData,
    DamagedArchive,
    InvalidStateFile,
    InvalidValue,
)
from tradeexecutor.state.prune import (
    RemovedDetails,
    archive_closed_positions,
    forget_unusable_archives,
    needs_balance_updates,
    prune_blockchain_transaction,
    prune_closed_position,
    prune_closed_positions,
    prune_trade,
    restore_archives,
)
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
from tradeexecutor.state.store.archive import (
    ArchivedPosition,
    ArchiveRef,
    find_archive_problems,
    get_archive_folder,
    get_archive_path,
    read_archive,
    write_archive,
)
from tradeexecutor.state.store.backups import backup_state
from tradeexecutor.state.valuation import ValuationUpdate

LATER = datetime.datetime(2026, 1, 2, 3, 4, 5)

DETAIL = ("transaction_args", "wrapped_args", "signed_bytes", "signed_tx_object")


@pytest.fixture
def state() -> State:
    return make_state()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "demo.json"


def take_out(state: State, path: Path, at: datetime.datetime = LATER) -> RemovedDetails:
    out = archive_closed_positions(state, at)
    assert out is not None
    out.write(path)
    return out


def summarise(proof: Proof) -> Sequence[object]:
    return [
        (item.name, item.verdict, item.derived, item.recorded, item.reason, len(item.breaks), len(item.checkpoints))
        for item in proof.findings
    ] + [tuple(proof.remarks)]


def list_closed_transactions(state: State) -> list[BlockchainTransaction]:
    positions = state.portfolio.closed_positions.values()
    return [tx for p in positions for t in p.trades.values() for tx in t.blockchain_transactions]


# --- Discarding


def test_pruned_fields_of_a_transaction_are_null_in_the_file():
    tx = make_transaction(1)
    before = tx.to_dict()
    prune_blockchain_transaction(tx)
    after = tx.to_dict()
    assert {name: after[name] for name in DETAIL} == dict.fromkeys(DETAIL)
    assert after["details"] == {"gas": 21_000, "data": None, "nonce": 1}
    changed = {*DETAIL, "details"}
    assert {name: after[name] for name in after if name not in changed} == {
        name: before[name] for name in before if name not in changed
    }


@pytest.mark.parametrize("details", [None, {}])
def test_a_transaction_without_details_gets_none(details: dict[str, object] | None):
    tx = make_transaction(1)
    tx.details = copy.copy(details)
    prune_blockchain_transaction(tx)
    assert tx.details == details


def test_the_counters_of_a_trade(state: State):
    trade = state.portfolio.closed_positions[1].get_first_trade()
    assert prune_trade(trade) == {"blockchain_transactions_processed": 2, "trades_processed": 1}


def test_only_closed_positions_are_pruned(state: State):
    before = state.to_json()
    with pytest.raises(InvalidValue, match="Cannot prune open position"):
        prune_closed_position(state.portfolio.open_positions[3])
    assert state.to_json() == before
    # Programs of users make positions by hand, and some give a Decimal as the price.
    position = state.portfolio.open_positions[3]
    position.last_token_price = Decimal(1)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="Cannot prune open position"):
        prune_closed_position(position)


def test_the_counters_of_a_position(state: State):
    assert prune_closed_position(state.portfolio.closed_positions[1]) == {
        "blockchain_transactions_processed": 4,
        "trades_processed": 2,
        "balance_updates_removed": 2,
        "positions_processed": 1,
    }


def test_the_counters_of_a_state_and_what_a_second_run_counts(state: State):
    counters = {
        "blockchain_transactions_processed": 8,
        "trades_processed": 4,
        "balance_updates_removed": 3,
        "positions_processed": 2,
    }
    assert prune_closed_positions(state) == counters
    pruned = state.to_json()
    assert prune_closed_positions(state) == counters | {"balance_updates_removed": 0}
    assert state.to_json() == pruned
    assert State.read_json_blob(pruned).to_json() == pruned


def test_open_positions_keep_everything(state: State):
    before = state.portfolio.open_positions[3].to_dict()
    prune_closed_positions(state)
    assert state.portfolio.open_positions[3].to_dict() == before


def test_a_table_that_contradicts_itself_is_left_alone(state: State):
    state.portfolio.closed_positions[2].closed_at = None
    before = state.to_json()
    with pytest.raises(InvalidValue, match="is not closed"):
        prune_closed_positions(state)
    assert state.to_json() == before


def test_discarding_changes_the_figures_of_a_position_with_balance_updates(state: State):
    """What archiving avoids."""
    position = state.portfolio.closed_positions[2]
    before = position.get_quantity()
    prune_closed_position(position)
    assert position.get_quantity() == before - Decimal("0.5")


# --- Archiving


def test_detail_goes_out_and_comes_back_exactly(state: State, path: Path):
    before, figures = state.to_json(), get_closed_figures(state)
    out = take_out(state, path)
    assert len(state.to_json()) < 0.7 * len(before)
    for tx in list_closed_transactions(state):
        assert [getattr(tx, name) for name in DETAIL] == [None] * 4
        assert tx.details is not None
        assert tx.details["data"] is None
    assert (out.ref.positions, out.ref.transactions, out.ref.balance_updates, out.ref.valuation_updates) == (2, 8, 2, 6)
    assert state.archives == [out.ref]
    assert get_closed_figures(state) == figures
    state = State.read_json_blob(state.to_json())
    assert restore_archives(state, path) == [out.ref]
    assert state.to_json() == before


def test_a_second_time_finds_nothing(state: State, path: Path):
    take_out(state, path)
    once = state.to_json()
    assert archive_closed_positions(state, LATER) is None
    assert state.to_json() == once
    restore_archives(state, path)
    restored = state.to_json()
    assert restore_archives(state, path) == []
    assert state.to_json() == restored


def test_a_state_without_archives_does_not_mention_them(state: State):
    assert "archives" not in state.to_dict()
    assert "archives" not in json.loads(state.to_json())


def test_balance_updates_stay_where_a_figure_depends_on_them(state: State, path: Path):
    take_out(state, path)
    assert list(state.portfolio.closed_positions[1].balance_updates) == []
    assert list(state.portfolio.closed_positions[2].balance_updates) == [3]


@pytest.mark.parametrize(
    ("quantity", "cause"), [("0.5", BalanceUpdateCause.correction), ("0.5", BalanceUpdateCause.interest)]
)
def test_what_is_needed_is_what_any_accessor_needs(quantity: str, cause: BalanceUpdateCause):
    """`needs_balance_updates` looks at a few figures; nothing else that a position tells may change."""
    trader = Trader(new_state(100_000))
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    trader.sell(WETH_USDC, "2", 2100.0)
    add_event(position, 1, quantity, cause)
    with_events = get_figures(position)
    assert needs_balance_updates(position)
    position.balance_updates.clear()
    assert get_figures(position) != with_events
    assert not needs_balance_updates(position)


def test_events_that_cancel_out_may_still_be_profit():
    """Half a token was redeemed in kind, and half a token found: the quantity is the same without both."""
    trader = Trader(new_state(100_000))
    position, _ = trader.buy(WETH_USDC, "2", 2000.0)
    trader.sell(WETH_USDC, "2", 2100.0)
    add_event(position, 1, "-0.5", BalanceUpdateCause.redemption)
    add_event(position, 2, "0.5", BalanceUpdateCause.correction)
    quantity, profit = position.get_quantity(), position.get_net_profit_usd()
    assert needs_balance_updates(position)
    position.balance_updates.clear()
    assert position.get_quantity() == quantity
    assert position.get_net_profit_usd() != profit


def test_an_account_whose_share_price_is_still_to_be_made_keeps_its_events():
    trader = Trader(new_state(100_000))
    position, _ = trader.buy(ACCOUNT, "2", 1.0)
    add_event(position, 1, "0", BalanceUpdateCause.vault_flow)
    assert not needs_balance_updates(position)
    position.share_price_state = None
    assert needs_balance_updates(position)


def test_there_are_accessors_to_compare():
    assert {"get_quantity", "get_net_profit_usd", "estimate_gained_interest", "get_redeemed"} <= set(ACCESSORS)
    assert len(ACCESSORS) > 80


def test_what_happens_after_pruning_stays(state: State, path: Path):
    untouched = State.read_json_blob(state.to_json())
    take_out(state, path)
    for item in (state, untouched):
        item.cycle = 77
        trader = Trader(item)
        trader.ts, trader.nonce = T0 + 30 * DAY, 1_000
        trader.buy(WBTC_USDC, "1", 2000.0)
        trader.sell(WBTC_USDC, "1", 2100.0)
        closed = item.portfolio.closed_positions[4]
        closed.get_first_trade().blockchain_transactions = [make_transaction(99)]
        # Nothing the program does, but nothing that would be lost either.
        at = T0 + 31 * DAY
        item.portfolio.closed_positions[1].valuation_updates += [ValuationUpdate(1, at, at, 7.0, 8.0)] * 2
        add_event(item.portfolio.closed_positions[1], 9, "0", BalanceUpdateCause.correction)
    second = take_out(state, path, LATER + DAY)
    assert second.ref.positions == 2
    assert len(state.archives) == 2
    restore_archives(state, path)
    assert state.to_json() == untouched.to_json()


def test_events_that_came_later_stay_behind_the_archived_ones(state: State, path: Path):
    take_out(state, path)
    position = state.portfolio.closed_positions[1]
    add_event(position, 9, "0", BalanceUpdateCause.correction)
    restore_archives(state, path)
    assert list(state.portfolio.closed_positions[1].balance_updates) == [1, 2, 9]


def test_the_ledger_says_the_same_with_the_archive(state: State, path: Path):
    before = summarise(prove(state))
    take_out(state, path)
    without = summarise(prove(state))
    assert without != before
    assert any("balance updates #1, #2" in str(item) for item in without)
    restore_archives(state, path)
    assert summarise(prove(state)) == before


# --- Archive files


def test_the_archive_is_named_by_its_content_and_belongs_to_the_state_file(state: State, path: Path):
    out = take_out(state, path)
    file = get_archive_path(path, out.ref)
    assert file.name == f"{out.ref.sha256}.json.br"
    assert file.parent == get_archive_folder(path) == path.parent / "demo.json.archives"
    assert file.read_bytes() == out.content
    assert out.ref.size == len(out.content)
    assert read_archive(path, out.ref).count() == (2, 8, 2, 6)


def test_the_archives_are_found_through_a_link(state: State, path: Path, tmp_path: Path):
    with JSONFileStore(path) as store:
        store.sync(state)
    link = tmp_path / "elsewhere"
    link.mkdir()
    (link / "link.json").symlink_to(path)
    out = take_out(state, link / "link.json")
    assert read_archive(path, out.ref).count() == (2, 8, 2, 6)


def test_the_same_content_is_one_archive(state: State, path: Path):
    other = State.read_json_blob(state.to_json())
    assert take_out(state, path).ref.sha256 == take_out(other, path, LATER + DAY).ref.sha256
    assert len(list(get_archive_folder(path).iterdir())) == 1


def test_a_crash_between_archive_and_save_is_harmless(state: State, path: Path):
    with JSONFileStore(path) as store:
        store.sync(state)
    before = path.read_bytes()
    take_out(store.load(), path)  # the process dies here
    assert path.read_bytes() == before
    assert store.load().archives == []
    with store:
        again = store.load()
        take_out(again, path)
        store.sync(again)
    assert len(list(get_archive_folder(path).iterdir())) == 1
    again = store.load()
    restore_archives(again, path)
    again.last_updated_at = state.last_updated_at
    assert again.to_json() == state.to_json()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), Crash()])
def test_a_disk_that_refuses_any_call_leaves_no_half_archive(state: State, path: Path, error: BaseException):
    out = archive_closed_positions(state, LATER)
    assert out is not None
    calls = FaultyFiles()
    write_archive(path.with_name("other.json"), out.content, calls)
    assert "write" in calls.calls

    for failing in range(len(calls.calls)):

        def fault(number: int, name: str, failing: int = failing) -> None:
            if number == failing:
                raise error

        target = path.with_name(f"{failing}.json")
        with pytest.raises(type(error)):
            write_archive(target, out.content, FaultyFiles(fault, half_of_write=True))
        assert all(isinstance(item, ArchiveMissing) for item in find_archive_problems(target, [out.ref]).values())
        write_archive(target, out.content)
        assert find_archive_problems(target, [out.ref]) == {}


def damage_bytes(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES = {
    "missing": (Path.unlink, ArchiveMissing),
    "flipped": (damage_bytes, DamagedArchive),
    "cut off": (lambda file: file.write_bytes(file.read_bytes()[:-1]), DamagedArchive),
    "empty": (lambda file: file.write_bytes(b""), DamagedArchive),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_missing_or_damaged_archive_is_refused_before_anything_changes(state: State, path: Path, damage: str):
    take_out(state, path)
    Trader(state).buy(WBTC_USDC, "1", 2000.0)
    closed = state.portfolio.closed_positions[1]
    closed.get_first_trade().blockchain_transactions.append(make_transaction(99))
    take_out(state, path, LATER + DAY)
    before = state.to_json()
    change, error = DAMAGES[damage]
    file = get_archive_path(path, state.archives[0])
    change(file)
    with pytest.raises(error) as caught:
        restore_archives(state, path)
    assert isinstance(caught.value, ArchiveError)
    assert caught.value.path == file
    assert str(file) in str(caught.value)
    assert state.to_json() == before
    assert [type(item) for item in find_archive_problems(path, state.archives).values()] == [error]


def test_what_is_lost_can_be_given_up(state: State, path: Path):
    complete = State.read_json_blob(state.to_json())
    take_out(state, path)
    assert forget_unusable_archives(state, path) == []
    add_event(state.portfolio.closed_positions[1], 9, "0", BalanceUpdateCause.correction)
    second = take_out(state, path, LATER + DAY)
    first = state.archives[0]
    get_archive_path(path, first).unlink()
    assert forget_unusable_archives(state, path) == [first]
    assert restore_archives(state, path) == [second.ref]
    assert list(state.portfolio.closed_positions[1].balance_updates) == [9]
    assert get_closed_figures(state) == get_closed_figures(complete)


def test_backups_find_the_archives_of_the_state_file(state: State, path: Path):
    with JSONFileStore(path) as store:
        store.sync(state)
        out = take_out(state, path)
        store.sync(state)
        store.sync(state)
    backup = backup_state(path, "unprune-backup").path
    rotating = max(path.with_name("demo.json.backups").iterdir())
    for copy_of_state in (backup, rotating):
        assert find_archive_problems(copy_of_state, [out.ref]) == {}
        restored = State.read_json_file(copy_of_state)
        assert restore_archives(restored, copy_of_state) == [out.ref]
    elsewhere = path.with_name("other.json")
    assert isinstance(find_archive_problems(elsewhere, [out.ref])[out.ref.sha256], ArchiveMissing)


def test_another_intact_archive_is_refused(state: State, path: Path):
    """It holds as much, for the same positions, and fits; its name is not that of its content."""
    other = make_state()
    other.portfolio.closed_positions[1].get_first_trade().blockchain_transactions[0].signed_bytes = "0xother"
    content = take_out(other, path.with_name("other.json")).content
    get_archive_path(path, take_out(state, path).ref).write_bytes(content)
    before = state.to_json()
    with pytest.raises(DamagedArchive, match="checksum"):
        restore_archives(state, path)
    assert state.to_json() == before


def change_reference(state: State, **changes: int | str) -> None:
    for name, value in changes.items():
        setattr(state.archives[0], name, value)


def test_an_archive_that_holds_something_else_than_recorded_is_refused(state: State, path: Path):
    take_out(state, path)
    change_reference(state, transactions=7)
    with pytest.raises(DamagedArchive, match="differ from those that the state records"):
        restore_archives(state, path)


@pytest.mark.parametrize("text", [b"not json", b"[]", b'{"positions":{"1":5}}', b'{"archive_version":2}'])
def test_what_is_no_archive_is_refused_though_its_checksum_is_right(state: State, path: Path, text: bytes):
    import brotli  # pyright: ignore[reportMissingTypeStubs]

    out = take_out(state, path)
    file = write_archive(path, brotli.compress(text))
    change_reference(state, sha256=file.name.partition(".")[0], size=len(out.content))
    with pytest.raises(DamagedArchive):
        restore_archives(state, path)


def remove_position(state: State) -> None:
    del state.portfolio.closed_positions[1]


def remove_trade(state: State) -> None:
    del state.portfolio.closed_positions[1].trades[1]


def remove_transaction(state: State) -> None:
    state.portfolio.closed_positions[1].get_first_trade().blockchain_transactions.pop()


def replace_transaction(state: State) -> None:
    state.portfolio.closed_positions[1].get_first_trade().blockchain_transactions[0].tx_hash = "0x77"


def fill_in(state: State) -> None:
    state.portfolio.closed_positions[1].get_first_trade().blockchain_transactions[0].signed_bytes = "0x77"


def drop_details(state: State) -> None:
    state.portfolio.closed_positions[1].get_first_trade().blockchain_transactions[0].details = {}


def take_the_number(state: State) -> None:
    add_event(state.portfolio.closed_positions[1], 2, "0", BalanceUpdateCause.correction)


def refer_twice(state: State) -> None:
    state.archives *= 2


@pytest.mark.parametrize(
    "change",
    [
        remove_position,
        remove_trade,
        remove_transaction,
        replace_transaction,
        fill_in,
        drop_details,
        take_the_number,
        refer_twice,
    ],
)
def test_an_archive_that_does_not_fit_any_more_is_refused_before_anything_changes(state: State, path: Path, change):
    take_out(state, path)
    change(state)
    before = state.to_json()
    with pytest.raises(ArchiveMismatch, match="does not fit"):
        restore_archives(state, path)
    assert state.to_json() == before


def test_what_cannot_be_written_is_not_taken_out(state: State):
    state.portfolio.closed_positions[2].get_first_trade().blockchain_transactions[0].signed_bytes = 5  # type: ignore[assignment]
    shown = repr(state.portfolio.closed_positions[1].get_first_trade().blockchain_transactions[0].signed_bytes)
    with pytest.raises(BadStateData, match="signed_bytes"):
        archive_closed_positions(state, LATER)
    assert state.archives == []
    assert repr(state.portfolio.closed_positions[1].get_first_trade().blockchain_transactions[0].signed_bytes) == shown


def test_arguments_come_back_as_the_values_they_were(state: State, path: Path):
    tx = list_closed_transactions(state)[0]
    args, wrapped = tx.transaction_args, tx.wrapped_args
    take_out(state, path)
    restore_archives(state, path)
    tx = list_closed_transactions(state)[0]
    assert (tx.transaction_args, tx.wrapped_args) == (args, wrapped)


def test_an_empty_state_has_nothing_to_take_out():
    assert archive_closed_positions(State(), LATER) is None
    assert ArchivedPosition().is_empty()


def test_a_reference_survives_the_file():
    state = State()
    state.archives = [ArchiveRef("ab" * 32, LATER, 1, 2, 3, 4, 5)]
    assert State.read_json_blob(state.to_json()).archives == state.archives


@pytest.mark.parametrize(
    "sha256", ["", "ab" * 31, "AB" * 32, "../" * 20 + "etc", "/" + "a" * 63, "ab" * 32 + "\n", "g" * 64, "ab" * 33]
)
def test_an_archive_is_named_by_64_hex_digits(tmp_path: Path, sha256: str):
    """The name becomes part of a path, and a state may come from anywhere."""
    with pytest.raises(InvalidValue, match="64 hex digits"):
        ArchiveRef(sha256, LATER, 1, 2, 3, 4, 5)
    state = State()
    state.archives = [ArchiveRef("ab" * 32, LATER, 1, 2, 3, 4, 5)]
    tree = state.to_dict()
    tree["archives"][0]["sha256"] = sha256
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(InvalidStateFile, match="64 hex digits"):
        State.read_json_file(path)


# --- Real files

#: Transactions, trades, balance updates removed, positions; as the reference counts them.
COUNTERS = {
    "mainnet_fork--ausdc-broken-position": (16, 20, 2, 10),
    "legacy--legacy-repair-dump": (100, 100, 0, 50),
    "legacy--trade-missing-tx": (5, 4, 0, 2),
    "mainnet_fork--credit-no-profit": (4, 2, 0, 1),
    "cli--show-positions-long": (4, 4, 0, 2),
    "legacy--zero-quantity-positions": (2, 2, 0, 1),
    "legacy--legacy-state-dump": (14, 14, 0, 7),
    "arbitrum-btc-usd-sls-binance-data-1h": (156, 156, 0, 78),
}


@pytest.mark.golden
def test_the_counters_of_real_files(state_file: Path):
    state = State.read_json_file(state_file)
    expected = COUNTERS.get(state_file.stem, (0, 0, 0, 0))
    assert tuple(prune_closed_positions(state).values()) == expected


@pytest.mark.slow
@pytest.mark.golden
def test_real_files_lose_nothing(state_file: Path, path: Path):
    state = State.read_json_file(state_file)
    before, figures, proof = state.to_json(), get_closed_figures(state), summarise(prove(state))
    out = archive_closed_positions(state, LATER)
    if out is None:
        assert state.to_json() == before
        return
    out.write(path)
    assert out.ref.size < 0.2 * (len(before) - len(state.to_json()))
    state = State.read_json_blob(state.to_json())
    assert get_closed_figures(state) == figures
    assert archive_closed_positions(state, LATER) is None
    restore_archives(state, path)
    assert state.to_json() == before
    assert summarise(prove(state)) == proof
