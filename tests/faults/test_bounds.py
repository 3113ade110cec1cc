"""Values, files and memory beyond the bounds are refused with an error of ours, and nothing is lost."""

import copy
import datetime
import json
import os
import subprocess
import sys
import typing
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.kit.trader import LINK_USDC, USDC, WETH_USDC, Trader, new_state
from tests.kit.whole import get_at, iterate_typed, make_whole_state
from tradeexecutor.database.store import SQLStateStore
from tradeexecutor.state.codec.bounds import MAX_FILE_SIZE, MAX_NESTING, MAX_TEXT_LENGTH, MAX_WRAPPED
from tradeexecutor.state.codec.memory import print_in_pieces
from tradeexecutor.state.errors import BadStateData, InvalidStateFile, InvalidTrade, NotEnoughMoney, SaveFailed
from tradeexecutor.state.files.syscalls import FileLayer
from tradeexecutor.state.identifier import AssetIdentifier
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore, StateStore
from tradeexecutor.state.trade import TradeType
from tradeexecutor.state.types import JS_MAX_INT

NOON = datetime.datetime(2025, 1, 1, 12)

BAD_DECIMALS = (
    "NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "1E+1000000000", "-1E+999999999", "1E-1000000000", "1E+400",
    "0E-1000000000", "1" * 257, "1." + "3" * 300,
)  # fmt: skip

TREE = json.loads(make_whole_state().to_json())


def find_fields(is_wanted: Callable[[Any], bool]) -> list[tuple[str | int, ...]]:
    """The path of one value of each field of each class whose declared type is wanted."""
    found: dict[Any, tuple[str | int, ...]] = {}
    for path, hint, value in iterate_typed(TREE, State):
        if value is not None and path and is_wanted(hint):
            owner = get_at(TREE, path[:-1])
            found.setdefault((tuple(owner) if isinstance(owner, dict) else path[-2:], path[-1]), path)
    return list(found.values())


DECIMALS = find_fields(lambda hint: hint is Decimal)
INTEGERS = find_fields(lambda hint: hint is int)
FREE = find_fields(lambda hint: hint == dict[str, Any] or getattr(hint, "free", False))


def put(path: tuple[str | int, ...], value: Any) -> str:
    tree = copy.deepcopy(TREE)
    get_at(tree, path[:-1])[path[-1]] = value
    return json.dumps(tree)


def nest(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# --- Reading


@pytest.mark.slow
def test_no_decimal_beyond_the_bounds_is_read():
    assert len(DECIMALS) > 20
    accepted = []
    for path in DECIMALS:
        for text in BAD_DECIMALS:
            try:
                State.from_json(put(path, text))
            except InvalidStateFile:
                pass
            else:
                accepted.append((path, text))
    assert accepted == []


def test_decimals_at_the_bounds_are_read_and_saved():
    path = next(path for path in DECIMALS if path[-1] == "share_count")
    for text in ("1E+90", "1E-90", "-1E-90", "0E-18", "1" * 91, "0." + "3" * 256):
        state = State.from_json(put(path, text))
        assert get_at(json.loads(state.to_json()), path) == text


@pytest.mark.slow
def test_no_integer_that_javascript_rounds_is_read():
    assert len(INTEGERS) > 30
    for path in INTEGERS:
        with pytest.raises(InvalidStateFile):
            State.from_json(put(path, JS_MAX_INT + 1))


@pytest.mark.slow
def test_nesting_is_read_exactly_as_deep_as_it_can_be_saved():
    assert len(FREE) > 8
    for path in FREE:
        value: Any = {"a": nest(MAX_NESTING - 1)}
        if path[-1] == "long_short_metrics_latest" or isinstance(get_at(TREE, path), dict):
            state = State.from_json(put(path, value))
            assert get_at(json.loads(state.to_json()), path) == value
        for levels in (MAX_NESTING, 260, 900):
            with pytest.raises(InvalidStateFile):
                State.from_json(put(path, {"a": nest(levels)}))
    for levels in (MAX_NESTING, 260, 900, 5_000):
        with pytest.raises(InvalidStateFile, match=r"nested too deeply|recursion"):
            State.from_json(put(("invented_later",), 0)[:-1] + ',"x":' + "[" * levels + "]" * levels + "}")


def test_a_text_that_is_too_long_is_refused_with_its_path():
    with pytest.raises(InvalidStateFile, match=r"^name: a text of 10,000,001 characters"):
        State.from_json(put(("name",), "x" * (MAX_TEXT_LENGTH + 1)))
    state = make_whole_state()
    state.name = "x" * (MAX_TEXT_LENGTH + 1)
    with pytest.raises(BadStateData, match=r"^name: .*10,000,001 characters"):
        state.to_json()


def test_assets_within_one_another_have_a_limit_in_both_directions():
    asset = AssetIdentifier(1, "0x1", "A", 18)
    for _ in range(MAX_WRAPPED - 1):
        asset = AssetIdentifier(1, "0x1", "A", 18, underlying=asset)
    assert AssetIdentifier.from_json(asset.to_json()) == asset
    with pytest.raises(InvalidStateFile):
        AssetIdentifier.from_dict({**asset.to_dict(), "underlying": asset.to_dict()})
    loop = AssetIdentifier(1, "0x1", "A", 18)
    loop.underlying = loop
    with pytest.raises(BadStateData):
        loop.to_json()


# --- Operations


def test_a_buy_that_the_cash_reduces_to_nothing_is_refused():
    state = new_state(0)
    state.portfolio.adjust_reserves(USDC, Decimal("0.0000000000000001"))
    _, trade, _ = state.create_trade(
        strategy_cycle_at=NOON,
        pair=LINK_USDC,
        quantity=None,
        reserve=Decimal("0.0000002"),
        assumed_price=1000.0,
        trade_type=TradeType.rebalance,
        reserve_currency=USDC,
        reserve_currency_price=1.0,
    )
    before = state.to_json()
    with pytest.raises(NotEnoughMoney):
        state.start_execution(NOON, trade, "0x1", 1)
    assert state.to_json() == before


@pytest.mark.parametrize(
    ("price", "amount"), [(1e300, "1"), (float("inf"), "1"), (2.0, "1E+300"), (2.0, "1E-300"), (2.0, "NaN")]
)
def test_an_outcome_that_could_not_be_saved_is_refused(price: float, amount: str):
    state = new_state()
    trader = Trader(state)
    _, trade = trader.plan(WETH_USDC, "1", 100.0)
    state.start_execution(NOON, trade, "0x1", 1)
    state.mark_broadcasted(NOON, trade)
    before = state.to_json()
    with pytest.raises(InvalidTrade):
        state.mark_trade_success(NOON, trade, price, Decimal(amount), Decimal(0), 0.0, 1.0)
    assert state.to_json() == before


# --- Files


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no such devices")
def test_devices_and_pipes_are_refused(tmp_path: Path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for path in (Path("/dev/zero"), pipe):
        with pytest.raises(InvalidStateFile, match="a device or a pipe"):
            State.read_json_file(path)
    store = JSONFileStore(pipe)
    for use in (store.load, store.snapshot, lambda: store.sync(new_state())):
        with pytest.raises(InvalidStateFile, match="a device or a pipe"):
            use()
    assert pipe.is_fifo()


def test_a_file_larger_than_any_state_is_refused_unread(tmp_path: Path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_SIZE + 1)
    with pytest.raises(InvalidStateFile, match="has 2,147,483,649 bytes"):
        State.read_json_file(path)


def test_a_file_that_grows_while_it_is_read_is_refused():
    with pytest.raises(InvalidStateFile, match="size changed"):  # it has no size, but content
        State.read_json_file("/proc/self/status" if Path("/proc/self/status").exists() else pytest.skip("no /proc"))


# --- Verified saves


class BadDisk(FileLayer):
    """A disk that flips a bit of what it is given."""

    def write(self, descriptor: int, content: memoryview) -> int:
        return os.write(descriptor, bytes(content[:-3]) + bytes([content[-3] ^ 1]) + bytes(content[-2:]))


def test_a_save_that_was_not_written_as_it_is_fails(tmp_path: Path):
    path = tmp_path / "state.json"
    JSONFileStore(path).sync(new_state())
    before = path.read_bytes()
    for verify in ("written", "loaded"):
        store = JSONFileStore(path, files=BadDisk(), verify=verify, backups=None)
        with store, pytest.raises(SaveFailed, match="not what was written"):
            store.sync(new_state())
        assert path.read_bytes() == before
    with JSONFileStore(path, files=BadDisk(), verify="off", backups=None) as store:
        store.sync(new_state())
    assert path.read_bytes() != before


@pytest.mark.parametrize("kind", ["file", "database"])
@pytest.mark.parametrize("verify", ["off", "written", "loaded"])
def test_every_way_to_verify_saves_and_refuses_what_cannot_be_loaded(
    tmp_path: Path, kind: str, verify: typing.Literal["off", "written", "loaded"]
):
    store: StateStore = JSONFileStore(tmp_path / "state.json", verify=verify)
    if kind == "database":
        store = SQLStateStore(f"sqlite:///{tmp_path}/states.db#x", verify=verify)
    with store:
        state = make_whole_state()
        store.sync(state)
        assert store.load().to_json() == state.to_json()
        trade: Any = next(state.portfolio.get_all_trades())
        for wrong in (Decimal("1E-19"), Decimal("sNaN"), None, "1", Decimal("1E+400")):
            before, trade.planned_quantity = trade.planned_quantity, wrong
            with pytest.raises(BadStateData, match=r"planned_quantity|no quantity"):
                store.sync(state)
            trade.planned_quantity = before
        assert store.load().to_json() == state.to_json()


# --- Memory


LIMITED = """
import resource, sys
from tradeexecutor.state.errors import SaveFailed, BadStateData
from tradeexecutor.state.state import State
from tradeexecutor.state.store import JSONFileStore
entries, megabytes, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
store, state = JSONFileStore(path, backups=None), State(name="a")
store.sync(state)
state.visualisation.set_discardable_data("x", [1.5] * entries)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20),) * 2)
try:
    store.sync(state)
except SaveFailed as error:
    print("refused", error)
else:
    print("saved")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")
@pytest.mark.parametrize(("entries", "megabytes", "expected"), [(3_000_000, 20, "refused"), (200_000, 100, "saved")])
def test_too_little_memory_is_a_failed_save_and_no_crash(tmp_path: Path, entries: int, megabytes: int, expected: str):
    path = tmp_path / "state.json"
    command = [sys.executable, "-c", LIMITED, str(entries), str(megabytes), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[:1]) == (0, [expected]), done.stderr
    assert State.read_json_file(path).name == "a"


def test_a_tree_printed_in_pieces_has_the_same_text():
    for tree in (TREE, {}, [], [{}], {"a": []}, {"a": {"b": [1] * 5_000}}, [["x" * 200, 1]] * 3, "x", 1.5, None):
        assert print_in_pieces(tree) == orjson.dumps(tree)
